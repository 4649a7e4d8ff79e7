//! `send_notice`: a word to the other agents.

use model::{Channel, ParticipantStatus};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Outcome, Parsed, ToolError, Toolbox, misanswered};
use crate::run::wire::{Reply, Request};

/// Longest text of a notice, in bytes. A notice is read by everybody's model.
pub(super) const TEXT_MAX: usize = 8 * 1024;

#[derive(Deserialize)]
pub(super) struct Arguments {
    channel: String,
    text: String,
}

pub(super) fn spec() -> (&'static str, Value) {
    (
        "Send a short notice to the other agents, as on the channel task_broadcast. Nobody has to answer.",
        json!({
            "type": "object",
            "properties": {
                "channel": {"type": "string", "description": "task_broadcast, state, file_conflict or a name"},
                "text": {"type": "string"}
            },
            "required": ["channel", "text"]
        }),
    )
}

pub(super) async fn run(toolbox: &Toolbox, arguments: Parsed<Arguments>) -> Result<Outcome, ToolError> {
    let Arguments { channel, text } = arguments?;
    let channel: Channel = channel.parse().map_err(ToolError::Arguments)?;
    if text.trim().is_empty() || text.len() > TEXT_MAX {
        return Err(ToolError::Arguments(format!("a notice has 1 to {TEXT_MAX} bytes, not {}", text.len())));
    }
    toolbox.status(ParticipantStatus::RunningTool, &format!("send_notice {}", channel.as_str())).await;
    match toolbox.ask(Request::Notice { channel: channel.as_str().to_owned(), text }).await? {
        Reply::Accepted => Ok(Outcome::ok("sent")),
        other => Err(misanswered(&other)),
    }
}
