//! `write_file`: the whole content of a file, new or not.

use serde::Deserialize;
use serde_json::{Value, json};

use super::change::{Seen, change, is_crlf, to_crlf};
use super::{Outcome, Parsed, ToolError, Toolbox};

#[derive(Deserialize)]
pub(super) struct Arguments {
    path: String,
    content: String,
}

pub(super) fn spec() -> (&'static str, Value) {
    (
        "Write a whole text file, creating it and its directories when needed. To change a part of an \
         existing file use edit_file. Waits for the file's lock.",
        json!({
            "type": "object",
            "properties": {
                "path": {"type": "string", "description": "relative to the repository's root"},
                "content": {"type": "string", "description": "the whole new content"}
            },
            "required": ["path", "content"]
        }),
    )
}

pub(super) async fn run(toolbox: &Toolbox, arguments: Parsed<Arguments>) -> Result<Outcome, ToolError> {
    let Arguments { path, content } = arguments?;
    let wanted = json!({"content": content});
    change(toolbox, &path, &wanted, &|present, seen| replace(present, seen, &content)).await
}

/// A file that the model has read is not overwritten when somebody else has changed it since.
fn replace(present: Option<&[u8]>, seen: Seen, content: &str) -> Result<String, ToolError> {
    if seen == Seen::Other {
        return Err(ToolError::Failed(
            "the file was changed by somebody else since you read it; read it again first".to_owned(),
        ));
    }
    Ok(if present.is_some_and(is_crlf) { to_crlf(content) } else { content.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_changed_since_it_was_read_is_not_overwritten() {
        assert!(replace(Some(b"theirs"), Seen::Other, "mine").is_err());
        assert!(replace(None, Seen::Other, "mine").is_err());
        assert_eq!(replace(Some(b"x"), Seen::Same, "mine").unwrap(), "mine");
        assert_eq!(replace(Some(b"x"), Seen::Never, "mine").unwrap(), "mine");
        assert_eq!(replace(None, Seen::Never, "mine").unwrap(), "mine");
    }

    #[test]
    fn line_ends_stay_as_they_are_in_the_file() {
        assert_eq!(replace(Some(b"a\r\nb\r\n"), Seen::Same, "c\nd\r\n").unwrap(), "c\r\nd\r\n");
        assert_eq!(replace(Some(b"a\r\nb\n"), Seen::Same, "c\nd\n").unwrap(), "c\nd\n");
        assert_eq!(replace(Some(b"a"), Seen::Same, "c\nd\n").unwrap(), "c\nd\n");
    }
}
