//! The same script gives the same chunks, whatever the dialect.

use crate::desk::{play, provider, request, server};
use llm::{Answer, Chunk, Thinking};
use model::{Block, Usage, Vendor};

/// Chunks without what a vendor is free to choose: ids, signatures and whether it tells writes to
/// its cache.
fn essence(mut chunks: Vec<Chunk>, answer: Answer) -> Vec<Chunk> {
    let Answer { blocks, usage, stop, retries } = answer;
    let blocks = blocks
        .into_iter()
        .filter_map(|block| match block {
            Block::Thinking { text, .. } if text.is_empty() => None,
            Block::Thinking { text, .. } => Some(Block::Thinking { text, signature: None }),
            Block::ToolCall { tool, arguments, .. } => {
                Some(Block::ToolCall { call_id: String::new(), tool, arguments })
            }
            other => Some(other),
        })
        .collect();
    let usage = Usage {
        input_tokens: usage.input_tokens + usage.cache_write_tokens,
        cache_write_tokens: 0,
        cost_micros: 0,
        ..usage
    };
    for chunk in &mut chunks {
        match chunk {
            Chunk::ToolCall { call_id, .. } => call_id.clear(),
            Chunk::Retrying { wait, reason, .. } => {
                *wait = std::time::Duration::ZERO;
                reason.clear();
            }
            _ => {}
        }
    }
    chunks.push(Chunk::Done(Answer { blocks, usage, stop, retries }));
    chunks
}

#[tokio::test]
async fn all_four_dialects_say_the_same() {
    let scripts = [
        "[[say Hello, this is a text of some length, with Umläuten and an emoji 🦀 in it.]]",
        "[[think First this, then that, and then – nothing.]] [[say I have thought.]]",
        "[[read a.rs]] [[think now what?]] [[write b.rs|a \"quoted\" line\\nand another]] [[say done]]",
        "[[say a]] [[read a]] [[with]] [[bash echo '{\"x\": [1, 2]}']] [[say b]] [[say {{result}}]]",
        "[[error_once 500]] [[say at last]]",
        "[[flood 3]]",
        "no script at all",
    ];
    let server = server();
    for script in scripts {
        let mut heard = Vec::new();
        for vendor in Vendor::ALL {
            let mut request = request(vendor, script);
            request.thinking = Thinking::Low;
            let rounds = play(&provider(&server, vendor), request).await;
            let rounds: Vec<_> = rounds.into_iter().map(|(chunks, answer)| essence(chunks, answer)).collect();
            heard.push((vendor, rounds));
        }
        let (_, first) = &heard[0];
        assert!(!first.is_empty());
        for (vendor, rounds) in &heard[1..] {
            assert_eq!(rounds, first, "{vendor:?} and {:?} differ on {script}", Vendor::ALL[0]);
        }
    }
}
