//! A turn of Claude Code 2.1.329 as it was recorded, told once more: what becomes of each of its lines.
//!
//! The prompt was `[[think hm]][[say first]][[write a.txt|one\ntwo\n]][[edit a.txt|two|2]][[agent <<say from below>> <<write
//! sub.txt|x>> <<say sub done>>]][[bash touch made.txt]][[say all done]]`, played by the scripted model server.

use crate::daemon::Daemon;
use crate::scene::start;
use agent::{Program, Request, RunEvent, Start};
use llm::{Endpoint, Secret};
use model::{Block, Driver, Role, TurnOutcome, Vendor};

/// Shakes hands, waits for the prompt, and says what was recorded.
const REPLAY: &str = r#"read -r line
echo '{"type":"control_response","response":{"subtype":"success","request_id":"initialize","response":{}}}'
read -r prompt
cat "$0"
while read -r line; do :; done"#;

fn shown(event: &RunEvent) -> Option<String> {
    let blocks = |blocks: &[Block]| {
        let each = blocks.iter().map(|block| match block {
            Block::Text { text } => text.clone(),
            Block::Thinking { text, .. } => format!("({text})"),
            Block::ToolCall { tool, .. } => format!("{tool}!"),
            Block::ToolResult { tool, is_error, .. } => {
                format!("{tool}{}", if *is_error { "?" } else { "." })
            }
            Block::Image { .. } => "image".to_owned(),
        });
        each.collect::<Vec<_>>().join(" ")
    };
    Some(match event {
        RunEvent::Opened { version, .. } => format!("opened {}", version.as_deref().unwrap_or_default()),
        RunEvent::Message { role: Role::Assistant, blocks: said, .. } => format!("says {}", blocks(said)),
        RunEvent::Message { blocks: results, .. } => format!("results {}", blocks(results)),
        RunEvent::Wrote { path, diff } => {
            format!(
                "wrote {path} {}",
                diff.as_deref().and_then(|diff| diff.lines().last()).unwrap_or_default()
            )
        }
        RunEvent::Request { request: Request::Lock { path, .. }, .. } => format!("lock {path}"),
        RunEvent::Request { request: Request::Permit { ask }, .. } => format!("permit {}", ask.summary),
        _ => return None,
    })
}

#[tokio::test]
async fn a_recorded_turn_is_told_as_it_was() {
    let mut daemon = Daemon::new();
    let recorded = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/driven/claude_turn.jsonl");
    let argv = ["bash", "-c", REPLAY, recorded].map(str::to_owned).to_vec();
    let start = Start {
        driver: Driver::Claude,
        program: Some(Program { argv, env: Vec::new() }),
        endpoint: Endpoint { vendor: Vendor::Anthropic, base_url: None, api_key: Secret::new(String::new()) },
        ..start("as recorded")
    };
    let outcome = daemon.play(start).await;
    assert_eq!(outcome, TurnOutcome::Completed { summary: "all done".into() });
    let told: Vec<String> = daemon.events.iter().filter_map(shown).collect();
    assert_eq!(
        told,
        [
            "opened 2.1.329",
            "says (hm) first Write!",
            "lock a.txt",
            "wrote a.txt +two",
            "results Write.",
            "says Edit!",
            "lock a.txt",
            "wrote a.txt +2",
            "results Edit.",
            "says Agent!",
            "says [sub-agent general-purpose, a part] from below Write!",
            "lock sub.txt",
            "wrote sub.txt +x",
            "results Write.",
            "says [sub-agent general-purpose, a part] sub done",
            "results Agent.",
            "says Bash!",
            "permit Bash: touch made.txt",
            "results Bash.",
            "says all done",
        ]
    );
    let (_, iterations, usage) = daemon.ended();
    let recorded = std::fs::read_to_string(recorded).unwrap();
    let last: serde_json::Value = recorded
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .find(|line: &serde_json::Value| line["type"] == "result")
        .unwrap();
    let said = last["modelUsage"].as_object().unwrap().values().next().unwrap();
    assert_eq!(iterations, 5);
    assert_eq!(Some(usage.input_tokens), said["inputTokens"].as_u64());
    assert_eq!(Some(usage.output_tokens), said["outputTokens"].as_u64());
    let micros = last["total_cost_usd"].as_f64().unwrap() * 1e6;
    assert_eq!(usage.cost_micros, micros.round() as u64);
    // Its pieces of text, and those of its thinking count, come again whole.
    let pieces =
        |line: &str| line.contains(r#""type":"stream_event""#) || line.contains("thinking_tokens\",\"est");
    let kept = daemon.events.iter().filter(|event| matches!(event, RunEvent::Record { .. })).count();
    assert_eq!(kept, recorded.lines().filter(|line| !pieces(line)).count());
}
