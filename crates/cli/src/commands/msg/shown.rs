//! How notices look.

use crate::context::Context;
use crate::failure::Failure;
use crate::render::{Cell, Paint, Table};
use bus::{Bus, BusError, NoticeQuery};
use protocol::Notice;
use serde_json::Value;

/// The text of a notice, or its payload when it is not just a text.
pub(crate) fn said(payload: &Value) -> String {
    if let Some(conflict) = conflict(payload) {
        return conflict;
    }
    match payload.as_object() {
        Some(fields) if fields.len() == 1 => {
            fields.get("text").and_then(Value::as_str).map_or_else(|| payload.to_string(), str::to_owned)
        }
        Some(fields) if fields.get("type").and_then(Value::as_str) == Some("worktree_conflict") => {
            fields.get("text").and_then(Value::as_str).map_or_else(|| payload.to_string(), str::to_owned)
        }
        _ => payload.to_string(),
    }
}

/// What the bus says on `file_conflict`, in words.
fn conflict(payload: &Value) -> Option<String> {
    let (file, held) = (payload.get("file")?.as_str()?, payload.get("held")?.as_str()?);
    let (asker, holder) =
        (payload.get("agents")?.get(0)?.as_str()?, payload.get("agents")?.get(1)?.as_str()?);
    let changed = payload.get("event").and_then(Value::as_str) == Some("changed_without_lock");
    let did = if changed { "changed" } else { "wants" };
    let how = if changed { " without its lock" } else { "" };
    Some(format!("{asker} {did} `{file}`{how}, and {holder} holds `{held}`"))
}

/// One line of a stream, without its speaker.
pub(super) fn words(notice: &Notice) -> String {
    let about = about(notice);
    let about = if about.is_empty() { String::new() } else { format!(" [{about}]") };
    format!("{}{about}  {}", notice.channel, said(&notice.payload))
}

/// What a notice carries beside its payload, in short.
fn about(notice: &Notice) -> String {
    let mut parts = Vec::new();
    if notice.priority != 0 {
        parts.push(format!("priority {}", notice.priority));
    }
    parts.extend(notice.thread.clone());
    parts.extend(notice.reply_to.map(|id| format!("re {id}")));
    parts.extend(notice.ack_seconds.map(|seconds| format!("ack in {seconds} s")));
    parts.join(", ")
}

/// Whom it goes to.
fn to(notice: &Notice) -> String {
    match (notice.recipient, notice.audience.len()) {
        (Some(one), _) => one.short(),
        (None, 0) => "all".to_owned(),
        (None, count) => format!("{count} sessions"),
    }
}

pub(super) fn table(context: &Context, notices: &[Notice]) -> Table {
    Table::of(&["ID", "CHANNEL", "FROM", "TO", "SAYS", "ABOUT", "SENT"], notices, |notice| {
        vec![
            Cell::new(notice.id.to_string()).paint(Paint::Dim),
            Cell::new(notice.channel.as_str()).paint(Paint::Note),
            Cell::new(format!("{} {}", notice.agent, notice.sender.short())).paint(Paint::Strong),
            Cell::new(to(notice)).paint(Paint::Note),
            Cell::new(said(&notice.payload)).piped(notice.payload.to_string()),
            Cell::new(about(notice)).paint(Paint::Warm),
            Cell::time(context.now(), notice.created_at),
        ]
    })
}

/// The living notice of this id.
pub(super) fn living(bus: &Bus, id: i64) -> Result<model::Notice, Failure> {
    let query = NoticeQuery { after: id.saturating_sub(1), limit: 1, ..NoticeQuery::default() };
    let found = match bus.notices(&query) {
        Ok(page) => page.notices.into_iter().find(|notice| notice.id == id),
        Err(BusError::CursorAhead { .. }) => None,
        Err(error) => return Err(error.into()),
    };
    found.ok_or_else(|| gone(id))
}

/// A notice that is not there, for whoever names one.
pub(super) fn gone(id: i64) -> Failure {
    Failure::from(BusError::NoNotice(id)).hint("`coditect msg list` shows what is alive")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_notice_says_its_text_or_its_payload() {
        assert_eq!(said(&json!({ "text": "hi" })), "hi");
        assert_eq!(said(&json!({ "text": "hi", "path": "a" })), r#"{"text":"hi","path":"a"}"#);
        assert_eq!(said(&json!([1])), "[1]");
        let conflict = json!({ "file": "a", "held": "*", "agents": ["ada", "bob"], "mode": "shared" });
        assert_eq!(said(&conflict), "ada wants `a`, and bob holds `*`");
        let changed =
            json!({ "event": "changed_without_lock", "file": "a", "held": "a", "agents": ["ada", "bob"] });
        assert_eq!(said(&changed), "ada changed `a` without its lock, and bob holds `a`");
    }
}
