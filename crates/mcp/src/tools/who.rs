//! Who is there.

use super::Tool;
use crate::answer::Answer;
use crate::call::Call;
use crate::failure::Failure;
use model::{Presence, Vitality};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(super) fn tools() -> Vec<Tool> {
    let words = "Lists the live sessions of every vendor on this machine, what each does and which files it holds, and \
                 says which of them you are.";
    vec![Tool::new::<_, Roster, _>("who", "See who is there", words, who).reads()]
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Who {}

#[derive(Debug, Serialize, JsonSchema)]
struct One {
    /// What the others call it.
    name: String,
    short_id: String,
    id: String,
    vendor: String,
    /// alive, or suspect when it has given no sign of life for long.
    vitality: String,
    status: Option<String>,
    task: Option<String>,
    worktree: Option<String>,
    /// Files it holds for itself.
    files: Vec<String>,
    /// It is you.
    me: bool,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Roster {
    /// Your own id.
    me: String,
    sessions: Vec<One>,
}

async fn who(call: Call, _: Who) -> Result<Answer, Failure> {
    let me = call.me();
    let found = call.blocking(|call| Ok(call.bus.sessions()?)).await?;
    let sessions: Vec<One> = found
        .into_iter()
        .filter(|one| one.vitality != Vitality::Dead)
        .map(|one: Presence| One {
            short_id: one.registration.id.short(),
            id: one.registration.id.to_string(),
            me: one.registration.id == me,
            name: one.registration.agent,
            vendor: one.registration.vendor,
            vitality: one.vitality.as_str().to_owned(),
            status: one.status.map(|status| status.as_str().to_owned()),
            task: one.task,
            worktree: one.registration.worktree,
            files: one.active_files,
        })
        .collect();
    let lines: Vec<String> = sessions.iter().map(line).collect();
    Answer::new(lines.join("\n"), Roster { me: me.to_string(), sessions })
}

fn line(one: &One) -> String {
    let me = if one.me { " (you)" } else { "" };
    let mut line = format!("{} {}{me}, {}, {}", one.name, one.short_id, one.vendor, one.vitality);
    for (word, value) in [("", &one.status), ("on ", &one.task), ("in ", &one.worktree)] {
        if let Some(value) = value {
            line += &format!(", {word}{value}");
        }
    }
    if !one.files.is_empty() {
        line += &format!(", holds {}", one.files.join(", "));
    }
    line
}
