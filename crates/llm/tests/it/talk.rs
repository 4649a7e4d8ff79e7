//! Conversations that go well.

use crate::desk::{
    Dice, ask, calls, endpoint, play, provider, provider_with, quick, request, server, text, thinking,
};
use llm::{Price, Provider, ProviderOptions, Secret, Stop, Thinking, Turn};
use model::{Block, Role, Vendor};
use serde_json::{Value, json};
use std::sync::Arc;

const LOOP: &str = "Please do this. [[think Let me look at it first – gründlich.]] [[read src/a.rs]] \
    [[say Two things at once.]] [[write src/b.rs|\nfn b() {}\n]] [[with]] [[bash ls broken | wc]] \
    [[say Done, the last said: {{result}}]]";

#[tokio::test]
async fn the_whole_loop_works_with_every_vendor() {
    let server = server();
    for vendor in Vendor::ALL {
        let mut request = request(vendor, LOOP);
        request.thinking = Thinking::High;
        let rounds = play(&provider(&server, vendor), request).await;
        assert_eq!(rounds.len(), 3, "{vendor:?}");
        let (chunks, answer) = &rounds[0];
        assert_eq!(thinking(chunks), "Let me look at it first – gründlich.", "{vendor:?}");
        assert_eq!(calls(chunks), [("read_file".into(), json!({"path": "src/a.rs"}))], "{vendor:?}");
        assert_eq!((answer.stop, answer.retries), (Stop::ToolCalls, 0));
        let (chunks, _) = &rounds[1];
        assert_eq!(text(chunks), "Two things at once.", "{vendor:?}");
        assert_eq!(
            calls(chunks),
            [
                ("write_file".into(), json!({"path": "src/b.rs", "content": "fn b() {}\n"})),
                ("bash".into(), json!({"command": "ls broken | wc"})),
            ],
            "{vendor:?}"
        );
        let (chunks, answer) = &rounds[2];
        assert_eq!(text(chunks), "Done, the last said: result of ls broken | wc", "{vendor:?}");
        assert_eq!(answer.stop, Stop::End);
        assert_eq!(answer.blocks.last(), Some(&Block::Text { text: text(chunks) }), "{vendor:?}");
    }
    // The server takes nothing a vendor would not take, so this is what proves our requests.
    for exchange in server.requests() {
        assert_eq!(exchange.refused, None, "{:?} {}", exchange.vendor, exchange.body);
        assert_eq!(exchange.agent.as_deref(), Some("claude"));
    }
}

#[tokio::test]
async fn thinking_is_asked_for_in_each_vendors_way() {
    let server = server();
    for vendor in Vendor::ALL {
        for asked in [Thinking::Off, Thinking::Medium] {
            let mut request = request(vendor, "[[say hi]]");
            request.thinking = asked;
            ask(&provider(&server, vendor), request).await.1.unwrap();
        }
    }
    let asked = |vendor: Vendor| -> Vec<Value> {
        let of_vendor = server.requests().into_iter().filter(move |exchange| exchange.vendor == vendor);
        of_vendor
            .map(|exchange| {
                let body = exchange.body;
                let config = &body["generationConfig"]["thinkingConfig"];
                json!([
                    body["thinking"],
                    body["output_config"],
                    body["reasoning"],
                    body["reasoning_effort"],
                    config
                ])
            })
            .collect()
    };
    let none = Value::Null;
    assert_eq!(
        asked(Vendor::Anthropic),
        [
            json!([{"type": "disabled"}, none, none, none, none]),
            json!([{"type": "adaptive", "display": "summarized"}, {"effort": "medium"}, none, none, none]),
        ]
    );
    assert_eq!(
        asked(Vendor::Google),
        [
            json!([none, none, none, none, none]),
            json!([none, none, none, none, {"includeThoughts": true, "thinkingLevel": "MEDIUM"}]),
        ]
    );
    assert_eq!(
        asked(Vendor::Moonshot),
        [json!([none, none, none, none, none]), json!([none, none, none, "medium", none])]
    );
    assert_eq!(
        asked(Vendor::Openai),
        [
            json!([none, none, none, none, none]),
            json!([none, none, {"effort": "medium", "summary": "detailed"}, none, none]),
        ]
    );
}

#[tokio::test]
async fn usage_is_what_the_vendor_counted_with_the_cache_apart() {
    let server = server();
    let price = Price { input: 1_000_000, output: 2_000_000, cache_read: 0, cache_write: 1_000_000 };
    for vendor in Vendor::ALL {
        let options = ProviderOptions { price: Some(price), ..quick() };
        let mut request = request(vendor, "[[read a]] [[say All is well with it.]]");
        request.system.push_str(&"x".repeat(4000));
        let rounds = play(&provider_with(&server, vendor, options), request).await;
        let served: Vec<_> =
            server.requests().into_iter().filter(|exchange| exchange.vendor == vendor).collect();
        for ((_, answer), exchange) in rounds.iter().zip(&served) {
            let (told, counted) = (answer.usage, exchange.usage.unwrap());
            let sum = told.input_tokens + told.cache_read_tokens + told.cache_write_tokens;
            assert_eq!(sum, counted.prompt_tokens, "{vendor:?}");
            assert_eq!(told.cache_read_tokens, counted.cached_tokens, "{vendor:?}");
            assert_eq!(told.output_tokens, counted.output_tokens, "{vendor:?}");
            let fresh = told.input_tokens + told.cache_write_tokens;
            assert_eq!(told.cost_micros, fresh + 2 * told.output_tokens, "{vendor:?}");
        }
        assert_eq!(rounds[0].1.usage.cache_read_tokens, 0, "{vendor:?}");
        assert!(rounds[1].1.usage.cache_read_tokens > 1000, "{vendor:?}");
        assert_eq!(rounds[0].1.usage.cache_write_tokens > 0, vendor == Vendor::Anthropic, "{vendor:?}");
    }
}

#[tokio::test]
async fn without_cache_nothing_is_marked() {
    let server = server();
    let mut request = request(Vendor::Anthropic, "[[say hi]]");
    request.cache = false;
    ask(&provider(&server, Vendor::Anthropic), request).await.1.unwrap();
    let body = server.requests().remove(0).body.to_string();
    assert!(!body.contains("cache_control"), "{body}");
}

#[tokio::test]
async fn an_error_of_a_tool_is_marked_where_the_vendor_has_a_mark() {
    let server = server();
    play(&provider(&server, Vendor::Anthropic), request(Vendor::Anthropic, "[[bash broken]]")).await;
    let result = server.requests().remove(1).body["messages"][2]["content"][0].clone();
    assert_eq!(result["is_error"], true, "{result}");
    assert_eq!(result["content"], "result of broken");
}

#[tokio::test]
async fn a_limit_on_tokens_is_sent_in_each_vendors_field() {
    let server = server();
    for vendor in Vendor::ALL {
        let mut request = request(vendor, "[[say hi]]");
        request.max_tokens = Some(777);
        ask(&provider(&server, vendor), request).await.1.unwrap();
    }
    for exchange in server.requests() {
        let body = exchange.body;
        let fields =
            [&body["max_tokens"], &body["generationConfig"]["maxOutputTokens"], &body["max_output_tokens"]];
        assert_eq!(fields.iter().filter(|field| **field == &json!(777)).count(), 1, "{body}");
    }
}

/// What a crash, another agent and another vendor leave in a history.
#[tokio::test]
async fn every_vendor_accepts_an_untidy_history() {
    let server = server();
    for vendor in Vendor::ALL {
        let call = |id: &str| Block::ToolCall {
            call_id: id.into(),
            tool: "read_file".into(),
            arguments: json!({"path": "a"}),
        };
        let mut request = request(vendor, "");
        request.turns = vec![
            Turn::assistant(vec![Block::Text { text: "as I said".into() }]),
            Turn::user("[[say an older script]]"),
            Turn::assistant(vec![
                Block::Thinking { text: "hm".into(), signature: Some("anthropic:made-up".into()) },
                call("interrupted"),
            ]),
            Turn::user("[[read b]] [[say fine]]"),
            Turn::user("And mind the tests."),
            Turn::new(Role::System, vec![Block::Text { text: "src/x.rs was changed".into() }]),
        ];
        if vendor == Vendor::Anthropic {
            // A signature of its own must be genuine, or be left out.
            request.turns.remove(2);
        }
        let rounds = play(&provider(&server, vendor), request).await;
        assert_eq!(text(&rounds[1].0), "fine", "{vendor:?}");
    }
}

#[tokio::test]
async fn a_base_url_without_a_version_finds_its_way() {
    let server = server();
    for vendor in Vendor::ALL {
        let mut endpoint = endpoint(&server, vendor);
        endpoint.base_url = Some(format!("http://{}", server.addr()));
        endpoint.api_key = Secret::new(" test-key\n");
        let provider = Provider::new(endpoint, quick(), Arc::new(Dice::default())).unwrap();
        let (chunks, _) = ask(&provider, request(vendor, "[[say found]]")).await;
        assert_eq!(text(&chunks), "found", "{vendor:?} {}", provider.base_url());
    }
}

#[tokio::test]
async fn call_ids_are_unique_in_a_conversation() {
    let server = server();
    for vendor in Vendor::ALL {
        let script = "[[read a]] [[read a]] [[read a]] [[with]] [[read b]]";
        let rounds = play(&provider(&server, vendor), request(vendor, script)).await;
        let ids: Vec<_> = rounds
            .iter()
            .flat_map(|(_, answer)| &answer.blocks)
            .filter_map(|block| match block {
                Block::ToolCall { call_id, .. } => Some(call_id.clone()),
                _ => None,
            })
            .collect();
        let unique: std::collections::HashSet<_> = ids.iter().collect();
        assert_eq!((ids.len(), unique.len()), (4, 4), "{vendor:?} {ids:?}");
    }
}
