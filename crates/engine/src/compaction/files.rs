//! Which files a conversation is about, and how it is told to whoever condenses it.

use model::{Block, COMPACTION_FILES_MAX, Compaction, Message, Role};
use serde_json::Value;

/// What tools that read a file, and tools that change one, are called by us and by the vendors' programs.
const READERS: [&str; 5] = ["read_file", "Read", "read", "ReadFile", "view"];
const WRITERS: [&str; 9] = [
    "write_file",
    "edit_file",
    "Write",
    "Edit",
    "MultiEdit",
    "NotebookEdit",
    "replace",
    "WriteFile",
    "StrReplaceFile",
];
/// What they call the file.
const NAMES: [&str; 4] = ["path", "file_path", "absolute_path", "notebook_path"];
/// Bytes of one message that are told; of the rest its head and its end speak.
const MESSAGE_MAX: usize = 8 * 1024;

/// Files that were read and files that were changed, the last one last.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Files {
    read: Vec<String>,
    modified: Vec<String>,
}

impl Files {
    /// Those of the compaction before.
    pub(super) fn of(before: Option<&Compaction>) -> Self {
        before.map_or_else(Self::default, |before| Self {
            read: before.read_files.clone(),
            modified: before.modified_files.clone(),
        })
    }

    pub(super) fn note(&mut self, message: &Message) {
        for block in &message.blocks {
            let Block::ToolCall { tool, arguments, .. } = block else { continue };
            let Some(file) = named(arguments) else { continue };
            if WRITERS.contains(&tool.as_str()) {
                put(&mut self.modified, file);
            } else if READERS.contains(&tool.as_str()) {
                put(&mut self.read, file);
            }
        }
    }

    /// Read ones, without those that were changed as well, and changed ones; of each the last.
    pub(super) fn named(mut self) -> (Vec<String>, Vec<String>) {
        self.read.retain(|file| !self.modified.contains(file));
        for files in [&mut self.read, &mut self.modified] {
            files.drain(..files.len().saturating_sub(COMPACTION_FILES_MAX));
        }
        (self.read, self.modified)
    }
}

fn named(arguments: &Value) -> Option<&str> {
    NAMES.into_iter().find_map(|name| arguments.get(name)?.as_str()).filter(|file| !file.is_empty())
}

/// Behind all others, once.
fn put(files: &mut Vec<String>, file: &str) {
    files.retain(|known| known != file);
    files.push(file.to_owned());
}

/// What a message said, in so many bytes or a few more; none when it said nothing.
pub(super) fn told(speaker: &str, message: &Message, most: usize) -> Option<String> {
    if matches!(message.role, Role::Tool | Role::System) {
        return None;
    }
    let mut parts = Vec::new();
    for block in &message.blocks {
        match block {
            Block::Text { text } if !text.trim().is_empty() => {
                parts.push(shortened(text.trim(), most.min(MESSAGE_MAX)))
            }
            Block::ToolCall { tool, arguments, .. } => {
                parts.push(
                    named(arguments).map_or_else(|| format!("[{tool}]"), |file| format!("[{tool} {file}]")),
                );
            }
            _ => {}
        }
    }
    (!parts.is_empty()).then(|| format!("{speaker}:\n{}", parts.join("\n")))
}

fn shortened(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    let head = text.floor_char_boundary(most / 2);
    let tail = text.ceil_char_boundary(text.len() - most / 2);
    format!("{}\n[… {} bytes …]\n{}", &text[..head], tail - head, &text[tail..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{Id, Timestamp};
    use serde_json::json;

    fn message(calls: &[(&str, Value)], text: &str) -> Message {
        let (clock, dice) = (testkit::ManualClock::default(), testkit::SeededEntropy::default());
        let calls = calls.iter().map(|(tool, arguments)| Block::ToolCall {
            call_id: "c".to_owned(),
            tool: (*tool).to_owned(),
            arguments: arguments.clone(),
        });
        Message {
            id: Id::new(&clock, &dice),
            session: Id::new(&clock, &dice),
            task: None,
            turn: None,
            participant: None,
            parent: None,
            role: Role::Assistant,
            blocks: std::iter::once(Block::Text { text: text.to_owned() }).chain(calls).collect(),
            usage: None,
            latency_ms: None,
            created_at: Timestamp::default(),
        }
    }

    #[test]
    fn files_are_known_by_the_tools_of_all_vendors_and_once() {
        let mut files = Files::default();
        for (tool, name, file) in [
            ("read_file", "path", "a"),
            ("Read", "file_path", "b"),
            ("Edit", "file_path", "b"),
            ("read_file", "path", "c"),
            ("read_file", "path", "a"),
            ("write_file", "path", "d"),
            ("bash", "command", "cat e"),
        ] {
            files.note(&message(&[(tool, json!({ name: file }))], ""));
        }
        assert_eq!(
            files.named(),
            (vec!["c".to_owned(), "a".to_owned()], vec!["b".to_owned(), "d".to_owned()])
        );
    }

    #[test]
    fn the_last_files_are_kept_when_there_are_too_many() {
        let mut files = Files::default();
        for number in 0..=COMPACTION_FILES_MAX {
            files.note(&message(&[("read_file", json!({"path": format!("f{number}")}))], ""));
        }
        let (read, _) = files.named();
        assert_eq!((read.len(), read[0].as_str()), (COMPACTION_FILES_MAX, "f1"));
    }

    #[test]
    fn a_long_message_is_told_by_its_ends_and_calls_by_their_file() {
        let said =
            message(&[("read_file", json!({"path": "a"})), ("bash", json!({"command": "x"}))], "Look.");
        assert_eq!(told("claude", &said, 100).as_deref(), Some("claude:\nLook.\n[read_file a]\n[bash]"));
        let long = told("claude", &message(&[], &"ä".repeat(MESSAGE_MAX)), usize::MAX).unwrap();
        assert!(long.len() < MESSAGE_MAX + 100 && long.contains("bytes …]"), "{}", long.len());
        let short = told("claude", &message(&[], &"x".repeat(500)), 100).unwrap();
        assert!(short.contains("[… 400 bytes …]"), "{short}");
        assert_eq!(told("claude", &message(&[], " "), 100), None);
    }
}
