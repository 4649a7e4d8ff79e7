//! What a vendor's program streamed is what its transcript brings in: the prompt, the calls with their arguments, their
//! results, and the last words, held against the requests the program itself made of the model.

use crate::house::{House, text};
use model::Role;
use protocol::{Block, MessageQuery};
use scripted::{Scripted, ScriptedOptions};
use serde_json::{Value, json};
use testkit::TempRepo;
use testkit::vendors::{Permission, VendorCli, Vendors};

const PROMPT: &str = "Do it in order. [[write new.txt|alpha\\n]] [[read kept.txt]] [[edit kept.txt|one\\n|two\\n]] \
                      [[bash cat kept.txt new.txt]] [[say All four steps are done.]]";
const ANSWER: &str = "All four steps are done.";

/// A conversation as one side knows it.
#[derive(Debug, Default)]
struct Told {
    prompts: Vec<String>,
    calls: Vec<(String, Value)>,
    results: Vec<String>,
    said: Vec<String>,
}

/// Arguments as a program sends them: JSON, JSON as text, or what a tool without JSON is told, which we name `input`.
fn arguments(value: &Value) -> Value {
    match value.as_str() {
        Some(text) => serde_json::from_str(text).unwrap_or_else(|_| json!({ "input": text })),
        None => value.clone(),
    }
}

/// The text in a result, whatever it is wrapped in.
fn flat(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().map(flat).collect::<Vec<_>>().join("\n"),
        Value::Object(fields) => ["text", "output", "error", "content"]
            .iter()
            .find_map(|name| fields.get(*name))
            .map(flat)
            .unwrap_or_default(),
        _ => String::new(),
    }
}

/// What the model was told in its last request, in the vendor's own words.
fn asked(body: &Value) -> Told {
    let mut told = Told::default();
    let messages = ["messages", "input", "contents"].iter().find_map(|name| body[*name].as_array());
    for message in messages.expect("a conversation") {
        // Codex has calls beside messages, the others in them.
        let own = [message.clone()];
        let parts = ["content", "parts"].iter().find_map(|name| message[*name].as_array());
        for part in parts.map_or(&own[..], Vec::as_slice) {
            let result = match part["type"].as_str() {
                Some("tool_use") => {
                    told.calls.push((part["name"].as_str().unwrap().to_owned(), part["input"].clone()));
                    None
                }
                Some("function_call" | "custom_tool_call") => {
                    let given = if part["arguments"].is_null() { &part["input"] } else { &part["arguments"] };
                    told.calls.push((part["name"].as_str().unwrap().to_owned(), arguments(given)));
                    None
                }
                Some("tool_result") => Some(&part["content"]),
                Some("function_call_output" | "custom_tool_call_output") => Some(&part["output"]),
                _ if part["functionResponse"].is_object() => Some(&part["functionResponse"]["response"]),
                _ if message["role"] == "tool" => Some(&message["content"]),
                _ => None,
            };
            told.results.extend(result.map(flat));
            if let Some(call) = part["functionCall"].as_object() {
                told.calls.push((call["name"].as_str().unwrap().to_owned(), call["args"].clone()));
            }
        }
        for call in message["tool_calls"].as_array().into_iter().flatten() {
            let function = &call["function"];
            told.calls
                .push((function["name"].as_str().unwrap().to_owned(), arguments(&function["arguments"])));
        }
    }
    told
}

/// What the one imported session says.
fn imported(house: &House) -> Told {
    let messages = house.api(async |client| {
        let sessions = client.sessions(&protocol::SessionQuery::default()).await.unwrap().value.items;
        assert_eq!(sessions.len(), 1, "{sessions:?}");
        let query = MessageQuery { limit: Some(200), ..MessageQuery::default() };
        client.messages(&sessions[0].id.to_string(), &query).await.unwrap().value.items
    });
    let mut told = Told::default();
    for message in messages {
        for block in message.blocks {
            match block {
                Block::Text { text } if message.role == Role::User => told.prompts.push(text),
                Block::Text { text } if message.role == Role::Assistant => told.said.push(text),
                Block::ToolCall { tool, arguments, .. } => told.calls.push((tool, arguments)),
                Block::ToolResult { output, .. } => told.results.push(output),
                _ => {}
            }
        }
    }
    told
}

#[test]
fn what_is_imported_is_what_was_streamed() {
    let Some(vendors) = Vendors::find("transcripts of the four programs say what they streamed") else {
        return;
    };
    for cli in vendors.wanted() {
        same(&vendors, cli);
    }
}

fn same(vendors: &Vendors, cli: VendorCli) {
    let models = Scripted::start(ScriptedOptions::default()).unwrap();
    let home = vendors.home(cli, models.addr());
    let repo = TempRepo::with(&[("kept.txt", "one\n")]);
    let ran = home.start(home.headless(repo.path(), PROMPT, Permission::Everything, &[])).ended().well();
    let requests = models.requests();
    let last = requests.iter().rfind(|asked| asked.directives.contains(&"say")).expect("the last answer");
    let mut streamed = asked(&last.body);
    if cli == VendorCli::Kimi {
        // It tells the model more than anybody else: notes on a file, and how long a command took.
        let more = streamed.results;
        let shown = ran.events().into_iter().filter(|event| event["role"] == "tool");
        streamed.results = shown.map(|event| flat(&event["content"])).collect();
        let within = |(more, shown): (&String, &String)| more.contains(shown.trim_end());
        assert!(more.iter().zip(&streamed.results).all(within), "{more:?} is not {:?}", streamed.results);
    }
    assert_eq!(streamed.calls.len(), 4, "{cli:?}: {:#}", last.body);
    assert_eq!(streamed.results.len(), 4, "{cli:?}: {:#}", last.body);
    assert!(ran.out.contains("two"), "{cli:?}: the stream shows what the command printed: {}", ran.out);

    let house = House::new();
    let place = home.folder();
    let import = house.json(&["session", "import", cli.name(), place.to_str().unwrap(), "--json"]);
    assert_eq!((&import["state"], &import["failed"]), (&json!("done"), &json!(0)), "{cli:?}: {import}");
    let read = imported(&house);
    assert_eq!(read.prompts, [PROMPT], "{cli:?}");
    assert_eq!(read.calls, streamed.calls, "{cli:?}");
    assert_eq!(read.results, streamed.results, "{cli:?}");
    assert_eq!(read.said, [ANSWER], "{cli:?}");
    let verified = house.run(&["data", "verify"]);
    assert!(verified.status.success(), "{cli:?}: {}", text(&verified));
}
