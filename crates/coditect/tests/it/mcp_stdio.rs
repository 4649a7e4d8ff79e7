//! `coditect mcp` without a daemon: what one agent does by tools the others see, by tools and by commands.

use crate::command::Home;
use crate::house::until;
use crate::mcp_client::{Agent, Outcome};
use mcp::Uses;
use serde_json::{Value, json};

fn names(tools: &[Value]) -> Vec<&str> {
    tools.iter().map(|tool| tool["name"].as_str().unwrap()).collect()
}

#[test]
fn a_client_finds_the_contract_and_the_tools_that_need_no_daemon() {
    let home = Home::new();
    let mut agent = Agent::raw(&home, &[]);
    // The probe of newer clients comes before anything else.
    let probe = agent.send("server/discover", json!({ "_meta": {} }));
    assert_eq!(agent.answer(probe)["error"]["code"], -32601);
    let told = agent.shake_hands("claude-code");
    assert_eq!(told["result"]["protocolVersion"], "2025-06-18");
    assert_eq!(told["result"]["instructions"], mcp::INSTRUCTIONS);
    let tools = agent.tools();
    let expected: Vec<&str> =
        mcp::tools().iter().filter(|tool| tool.uses == Uses::Bus).map(|tool| tool.name).collect();
    assert_eq!(names(&tools), expected);
    assert!(!home.data_root().path().exists(), "to be looked at makes nothing");
    let unknown = agent.call("lock_steal", json!({}));
    assert_eq!(unknown.0["error"]["code"], -32602, "{unknown:?}");
    assert_eq!(agent.hang_up(), Some(0));
}

#[test]
fn with_a_daemon_there_are_sessions_too() {
    let home = Home::new();
    let mut agent = Agent::start(&home, &[]);
    assert!(!names(&agent.tools()).contains(&"session_read"));
    assert_eq!(home.run(&["daemon", "start"]).exit, 0);
    assert_eq!(names(&agent.tools()), mcp::tools().iter().map(|tool| tool.name).collect::<Vec<_>>());
    let read = agent.call("session_read", json!({}));
    assert_eq!((&read.data()["sessions"], read.text()), (&json!([]), "There are no sessions."));
    assert_eq!(
        agent.call("session_spawn", json!({ "prompt": "x", "agents": [] })).0["result"]["isError"],
        true
    );
    assert_eq!(agent.call("session_read", json!({ "session": "zzzzzzzz" })).error()["code"], "not_found");
    assert_eq!(agent.call("task_list", json!({})).data()["tasks"], json!([]));
    assert_eq!(home.run(&["daemon", "stop"]).exit, 0);
    assert_eq!(agent.call("session_read", json!({})).code(), "daemon_not_running");
}

#[test]
fn what_a_tool_gives_is_what_it_says_it_gives() {
    let home = Home::new();
    let mut agent = Agent::start(&home, &[]);
    let tools = agent.tools();
    for (name, arguments) in [
        ("lock_acquire", json!({ "paths": ["a", "src/**"] })),
        ("lock_list", json!({})),
        ("lock_release", json!({ "all": true })),
        ("notice_send", json!({ "text": "hi" })),
        ("notice_read", json!({})),
        ("task_offer", json!({ "text": "count the beans", "files": ["beans"] })),
        ("task_list", json!({})),
        ("context_set", json!({ "key": "a", "value": 1, "expected_version": 0 })),
        ("context_get", json!({ "key": "a" })),
        ("context_list", json!({})),
        ("context_wait", json!({ "after": 0 })),
        ("who", json!({})),
    ] {
        let outcome = agent.call(name, arguments);
        let schema = &tools.iter().find(|tool| tool["name"] == name).unwrap()["outputSchema"];
        assert_eq!(testkit::mismatch(schema, schema, outcome.data()), None, "{name}");
        assert!(!outcome.text().is_empty(), "{name}");
    }
}

#[test]
fn who_calls_is_the_program_that_started_the_server() {
    let home = Home::new();
    let mut agent = Agent::start(&home, &[]);
    let who = agent.call("who", json!({}));
    let me = who.data()["sessions"].as_array().unwrap().iter().find(|one| one["me"] == true).unwrap().clone();
    assert_eq!((&me["name"], &me["vendor"]), (&json!("claude-code"), &json!("anthropic")));
    let seen = home.run(&["who", "--json"]).json();
    let seen = seen["items"].as_array().unwrap().iter().find(|one| one["id"] == me["id"]).unwrap().clone();
    assert_eq!(seen["pid"], std::process::id(), "it lives as long as the program");
    assert_eq!(seen["worktree"], home.repo().canonicalize().unwrap().to_str().unwrap());
    // A command below the same program acts for the same session, and so does a second server.
    assert_eq!(home.run(&["msg", "inbox", "--json"]).exit, 0);
    let mut second = Agent::start(&home, &[]);
    assert_eq!(second.call("who", json!({})).data()["me"], me["id"]);
    let (mut named, _life) = Agent::named(&home, "ada");
    assert_ne!(named.call("who", json!({})).data()["me"], me["id"]);
    let mut nobody = Agent::start(&home, &[("CODITECT_HOLDER", "reg_018f000000007000800000000000000a")]);
    assert_eq!(nobody.call("who", json!({})).code(), "no_session");
    let mut run = Agent::start(&home, &[("CODITECT_RUN", "run_018f000000007000800000000000000a")]);
    assert_eq!(run.call("who", json!({})).code(), "no_registration");
}

#[test]
fn locks_by_tools_and_by_commands_are_the_same_locks() {
    let home = Home::new();
    let (mut ada, _ada) = Agent::named(&home, "ada");
    let taken = ada.call("lock_acquire", json!({ "paths": ["src/", "README.md"], "ttl_seconds": 60 }));
    let locks = taken.data()["locks"].as_array().unwrap().clone();
    assert_eq!(
        locks.iter().map(|lock| lock["path"].as_str().unwrap()).collect::<Vec<_>>(),
        ["src/**", "README.md"]
    );
    let listed = home.run(&["lock", "list", "--json"]).json();
    assert_eq!(listed["items"][0]["token"], locks[0]["token"]);
    assert_eq!(listed["items"][0]["agent"], "ada");
    let refused = home.run(&["lock", "acquire", "src/lib.rs", "--as", "bob", "--json"]);
    assert_eq!((refused.exit, refused.code().as_str()), (5, "lock_held"));
    let again = ada.call("lock_acquire", json!({ "paths": ["README.md"] }));
    assert_eq!(again.data()["locks"][0]["token"], locks[1]["token"], "what is held is held under its token");
    let released = ada.call("lock_release", json!({ "tokens": [locks[0]["token"], 77] }));
    let (given, lost) = (&released.data()["released"], &released.data()["lost"]);
    assert_eq!((given, lost), (&json!([locks[0]["token"]]), &json!([77])));
    assert!(released.data()["next"].is_string(), "{released:?}");
    let taken = home.run(&["lock", "acquire", "src/lib.rs", "--as", "bob", "--json"]);
    assert_eq!(taken.exit, 0, "{}", taken.err);
    let held = ada.call("lock_acquire", json!({ "paths": ["src/lib.rs"] }));
    assert_eq!(held.code(), "lock_held");
    assert_eq!(held.error()["present"]["holders"][0]["agent"], "bob");
    assert_eq!(
        ada.call("lock_release", json!({ "all": true })).data()["released"],
        json!([locks[1]["token"]])
    );
}

#[test]
fn notices_by_tools_and_by_commands_reach_each_other_once() {
    let home = Home::new();
    let (mut ada, _ada) = Agent::named(&home, "ada");
    let (mut bob, _bob) = Agent::named(&home, "bob");
    let sent = ada.call("notice_send", json!({ "text": "I take the parser", "to": ["bob"] }));
    let id = sent.data()["id"].clone();
    let read = bob.call("notice_read", json!({}));
    let letter = &read.data()["notices"][0];
    assert_eq!((&letter["id"], &letter["from"], &letter["to_me"]), (&id, &json!("ada"), &json!(true)));
    assert!(read.text().contains("I take the parser"), "{}", read.text());
    assert_eq!(bob.call("notice_read", json!({})).data()["notices"], json!([]), "it was read");
    bob.call("notice_send", json!({ "text": "fine", "reply_to": id }));
    assert_eq!(ada.call("notice_read", json!({})).data()["notices"][0]["reply_to"], id);
    let listed = home.run(&["msg", "list", "--json"]).out;
    assert!(listed.contains("I take the parser") && listed.contains("fine"), "{listed}");
    // What a command sends wakes who waits.
    let waiting = bob.begin("notice_wait", json!({ "wait_seconds": 60 }));
    assert_eq!(home.run(&["msg", "send", "review", "look at this", "--as", "eve"]).exit, 0);
    let woken = bob.end(waiting);
    assert_eq!(woken.data()["notices"][0]["payload"], json!({ "text": "look at this" }));
}

#[test]
fn offered_work_goes_to_one_who_says_what_came_of_it() {
    let home = Home::new();
    let (mut ada, _ada) = Agent::named(&home, "ada");
    let (mut bob, _bob) = Agent::named(&home, "bob");
    let (mut eve, _eve) = Agent::named(&home, "eve");
    let offered = ada.call("task_offer", json!({ "text": "write the tests", "files": ["tests/"] }));
    let id = offered.data()["id"].clone();
    let claimed = bob.call("task_claim", json!({}));
    assert_eq!((&claimed.data()["id"], &claimed.data()["files"]), (&id, &json!(["tests/"])));
    assert_eq!(eve.call("task_claim", json!({})).code(), "no_work");
    assert_eq!(eve.call("task_claim", json!({ "id": id })).code(), "claimed");
    let listed = eve.call("task_list", json!({}));
    assert!(listed.data()["offers"][0]["claimed_by"].is_string() && listed.data()["tasks"].is_null());
    let token = claimed.data()["token"].clone();
    assert_eq!(eve.call("task_done", json!({ "token": token })).code(), "claim_lost");
    let done = bob.call("task_done", json!({ "token": token, "id": id, "text": "12 tests" }));
    assert_eq!((&done.data()["done"], &done.data()["told"]), (&json!(true), &json!(true)));
    let told = ada.call("notice_read", json!({}));
    let letters = told.data()["notices"].as_array().unwrap();
    assert!(letters.iter().any(|letter| letter["reply_to"] == id && letter["payload"]["text"] == "12 tests"));
    // What is given back is claimed by the next one.
    ada.call("task_offer", json!({ "text": "write the manual" }));
    let first = bob.call("task_claim", json!({}));
    bob.call("task_done", json!({ "token": first.data()["token"], "give_back": true })).data();
    assert_eq!(eve.call("task_claim", json!({})).data()["attempts"], 2);
}

#[test]
fn shared_context_is_changed_from_what_is_there() {
    let home = Home::new();
    let (mut ada, _ada) = Agent::named(&home, "ada");
    assert_eq!(ada.call("context_get", json!({ "key": "api/shape" })).code(), "no_context");
    let new = json!({ "key": "api/shape", "value": { "v": 1 }, "expected_version": 0 });
    let version = ada.call("context_set", new.clone()).data()["version"].clone();
    let conflict = ada.call("context_set", new);
    assert_eq!(conflict.code(), "context_conflict");
    assert_eq!(conflict.error()["present"]["value"], json!({ "v": 1 }));
    let shown = home.run(&["context", "get", "api/shape", "--json"]).json();
    assert_eq!((&shown["version"], &shown["agent"]), (&version, &json!("ada")));
    let set = home.run(&["context", "set", "api/shape", "{\"v\": 2}", "--as", "bob", "--json"]);
    assert_eq!(set.exit, 0, "{}", set.err);
    let late = json!({ "key": "api/shape", "value": 3, "expected_version": version });
    assert_eq!(ada.call("context_set", late).code(), "context_conflict");
    assert_eq!(ada.call("context_get", json!({ "key": "api/shape" })).data()["value"], json!({ "v": 2 }));
    let listed = ada.call("context_list", json!({ "prefix": "api/" }));
    assert_eq!(listed.data()["entries"][0]["agent"], "bob");
    assert_eq!(ada.call("context_set", json!({ "key": "api/shape", "value": null })).data()["removed"], true);
    let gone = home.run(&["context", "get", "api/shape", "--json"]);
    assert_eq!((gone.exit, gone.code().as_str()), (3, "no_context"));
    assert_eq!(home.run(&["context", "rm", "api/shape"]).exit, 3);
}

#[test]
fn a_change_of_shared_context_wakes_who_waits_for_it_by_tool_and_by_command() {
    let home = Home::new();
    let (mut ada, _ada) = Agent::named(&home, "ada");
    let first = ada.call("context_set", json!({ "key": "build/step", "value": 1 })).data()["version"].clone();
    let waiting =
        ada.begin("context_wait", json!({ "prefix": "build/", "after": first, "wait_seconds": 60 }));
    assert_eq!(home.run(&["context", "set", "other", "1", "--as", "bob"]).exit, 0);
    assert_eq!(home.run(&["context", "set", "build/step", "2", "--as", "bob"]).exit, 0);
    let woken = ada.end(waiting);
    let change = &woken.data()["changes"][0];
    assert_eq!((&change["key"], &change["value"]), (&json!("build/step"), &json!(2)));
    assert_eq!((&change["agent"], &woken.data()["missed"]), (&json!("bob"), &json!(false)));
    ada.call("context_set", json!({ "key": "build/step", "value": null })).data();
    let rest =
        home.run(&["context", "watch", "build/", "--after", &first.to_string(), "--no-follow", "--json"]);
    let values: Vec<serde_json::Value> = rest
        .out
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["value"].clone())
        .collect();
    assert_eq!(values, [json!(2), serde_json::Value::Null], "{}", rest.out);
    let versions = home.run(&["context", "versions", "build/step", "--json"]).json();
    let said: Vec<_> = versions["items"].as_array().unwrap().iter().map(|one| one["agent"].clone()).collect();
    assert_eq!(said, [json!("ada"), json!("bob"), json!("ada")]);
    let ahead = home.run(&["context", "watch", "--after", "999", "--no-follow", "--json"]);
    assert_eq!((ahead.exit, ahead.code().as_str()), (5, "context_ahead"));
    ada.call("context_set", json!({ "key": "build/step", "value": 3 })).data();
    let read = ada.call("context_get", json!({ "key": "build/step", "versions": true }));
    assert_eq!(read.data()["versions"].as_array().unwrap().len(), 4);
    // Who wants the next change only waits for it, and the time is over when none came.
    let none = ada.call("context_wait", json!({ "wait_seconds": 0 }));
    assert_eq!((&none.data()["changes"], none.text()), (&json!([]), "Nothing changed."));
}

#[test]
fn what_was_locked_for_edits_is_not_given_back_by_a_tool() {
    let home = Home::new();
    let (mut ada, _ada) = Agent::named(&home, "ada");
    let me = ada.call("who", json!({})).data()["me"].as_str().unwrap().to_owned();
    // As the daemon does for a run before an edit: under the same registration, not by a tool.
    let edit = home.run(&["lock", "acquire", "edited.rs", "--holder", &me, "--json"]).json();
    let edit = edit["items"][0]["token"].clone();
    let variables =
        [("CODITECT_RUN", "run_018f000000007000800000000000000a"), ("CODITECT_REGISTRATION", me.as_str())];
    let mut driven = Agent::start(&home, &variables);
    let taken = driven.call("lock_acquire", json!({ "paths": ["own.rs", "edited.rs"] }));
    let own = taken.data()["locks"][0]["token"].clone();
    assert_eq!(taken.data()["locks"][1]["token"], edit, "what is held is held under its token");
    let all = driven.call("lock_release", json!({ "all": true }));
    assert_eq!((&all.data()["released"], &all.data()["kept"]), (&json!([own]), &json!([edit])), "{all:?}");
    let named = driven.call("lock_release", json!({ "tokens": [edit] }));
    assert_eq!((&named.data()["released"], &named.data()["kept"]), (&json!([]), &json!([edit])));
    assert_eq!(home.run(&["lock", "list", "--json"]).json()["items"][0]["token"], edit);
    // A session by hand may name what a hook took for it.
    assert_eq!(ada.call("lock_release", json!({ "all": true })).data()["kept"], json!([edit]));
    assert_eq!(ada.call("lock_release", json!({ "tokens": [edit] })).data()["released"], json!([edit]));
}

#[test]
fn two_servers_that_fight_for_a_file_get_it_one_after_the_other() {
    let home = Home::new();
    let (mut ada, _ada) = Agent::named(&home, "ada");
    let (mut bob, _bob) = Agent::named(&home, "bob");
    let held = ada.call("lock_acquire", json!({ "paths": ["a.rs"] })).data()["locks"][0]["token"].clone();
    assert_eq!(bob.call("lock_acquire", json!({ "paths": ["a.rs"] })).code(), "lock_held");
    let wish = json!({
        "name": "lock_acquire", "arguments": { "paths": ["a.rs"], "wait_seconds": 120 },
        "_meta": { "progressToken": "p1" },
    });
    let waiting = bob.send("tools/call", wish);
    let progress = bob.until(|message| message["method"] == "notifications/progress");
    assert_eq!(progress["params"]["progressToken"], "p1");
    let table = ada.call("lock_list", json!({}));
    assert_eq!(table.data()["waiting"][0]["agent"], "bob");
    assert!(table.text().contains("bob waits for a.rs"), "{}", table.text());
    ada.call("lock_release", json!({ "tokens": [held] })).data();
    let won = Outcome(bob.answer(waiting));
    assert!(won.data()["locks"][0]["token"].as_u64() > held.as_u64(), "tokens rise");
    let late = ada.call("lock_acquire", json!({ "paths": ["a.rs"], "wait_seconds": 1 }));
    assert_eq!(late.code(), "lock_wait_timeout");
}

#[test]
fn a_wait_that_is_taken_back_leaves_the_line_and_takes_nothing() {
    let home = Home::new();
    let (mut ada, _ada) = Agent::named(&home, "ada");
    let (mut bob, _bob) = Agent::named(&home, "bob");
    ada.call("lock_acquire", json!({ "paths": ["a.rs"] })).data();
    let waits =
        |agent: &mut Agent| agent.call("lock_list", json!({})).data()["waiting"].as_array().unwrap().len();
    let waiting = bob.begin("lock_acquire", json!({ "paths": ["a.rs"], "wait_seconds": 300 }));
    until("bob is in line", || (waits(&mut ada) == 1).then_some(()));
    bob.cancel(waiting);
    until("bob has left the line", || (waits(&mut ada) == 0).then_some(()));
    ada.call("lock_release", json!({ "all": true })).data();
    assert_eq!(ada.call("lock_list", json!({})).data()["locks"], json!([]));
    // A notice that comes after a wait was taken back is not lost with it.
    let waiting = bob.begin("notice_wait", json!({ "wait_seconds": 300 }));
    bob.cancel(waiting);
    // Messages are taken in their order: the wait is over now.
    bob.call("who", json!({})).data();
    ada.call("notice_send", json!({ "text": "still here" })).data();
    let read = bob.call("notice_wait", json!({ "wait_seconds": 60 }));
    assert_eq!(read.data()["notices"][0]["payload"]["text"], "still here");
}

#[test]
fn the_server_ends_with_its_client_even_while_a_call_waits() {
    let home = Home::new();
    let (mut ada, _ada) = Agent::named(&home, "ada");
    let (mut bob, _bob) = Agent::named(&home, "bob");
    ada.call("lock_acquire", json!({ "paths": ["a.rs"] })).data();
    bob.begin("lock_acquire", json!({ "paths": ["a.rs"], "wait_seconds": 300 }));
    until("bob is in line", || {
        (ada.call("lock_list", json!({})).data()["waiting"].as_array().unwrap().len() == 1).then_some(())
    });
    assert_eq!(bob.hang_up(), Some(0));
}
