//! `edit_file`: one exact replacement in a file, or a new file.

use serde::Deserialize;
use serde_json::{Value, json};

use super::change::{change, is_crlf, to_crlf};
use super::{Outcome, Parsed, ToolError, Toolbox};

#[derive(Deserialize)]
pub(super) struct Arguments {
    path: String,
    old: String,
    new: String,
}

pub(super) fn spec() -> (&'static str, Value) {
    (
        "Replace `old` by `new` in a text file. `old` must occur exactly once, copied exactly from the file, \
         with enough lines around to be unique. With an empty `old` a new file is created. Waits for the \
         file's lock.",
        json!({
            "type": "object",
            "properties": {
                "path": {"type": "string", "description": "relative to the repository's root"},
                "old": {"type": "string", "description": "text to replace; empty for a new file"},
                "new": {"type": "string", "description": "text to put in its place"}
            },
            "required": ["path", "old", "new"]
        }),
    )
}

pub(super) async fn run(toolbox: &Toolbox, arguments: Parsed<Arguments>) -> Result<Outcome, ToolError> {
    let Arguments { path, old, new } = arguments?;
    let wanted = json!({"old": old, "new": new});
    change(toolbox, &path, &wanted, &|present, _| edit(present, &old, &new).map_err(ToolError::from)).await
}

/// Why an edit does not fit the file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum EditError {
    #[error("the file exists; give in `old` the text to replace")]
    Exists,
    #[error("the file does not exist; to create it give an empty `old`")]
    Missing,
    #[error("the file is not UTF-8 text and cannot be edited")]
    NotText,
    #[error("`old` and `new` are the same")]
    NothingToDo,
    #[error("`old` does not occur in the file{0}; read the file again and copy the text exactly")]
    NotFound(&'static str),
    #[error("`old` occurs {0} times; give more of the text around the place you mean")]
    Ambiguous(usize),
}

impl From<EditError> for ToolError {
    fn from(error: EditError) -> Self {
        Self::Failed(error.to_string())
    }
}

fn edit(present: Option<&[u8]>, old: &str, new: &str) -> Result<String, EditError> {
    let text = match (present, old.is_empty()) {
        (None, true) => return Ok(new.to_owned()),
        (None, false) => return Err(EditError::Missing),
        (Some(_), true) => return Err(EditError::Exists),
        (Some(content), false) => std::str::from_utf8(content).map_err(|_| EditError::NotText)?,
    };
    if old == new {
        return Err(EditError::NothingToDo);
    }
    // Models write line ends as LF; a file of CRLF keeps its own.
    let crlf = is_crlf(text.as_bytes());
    let (old, new) = if crlf { (to_crlf(old), to_crlf(new)) } else { (old.to_owned(), new.to_owned()) };
    match occurrences(text, &old) {
        1 => Ok(text.replacen(&old, &new, 1)),
        0 if squeezed(text).contains(&squeezed(&old)) => Err(EditError::NotFound(" with this white space")),
        0 => Err(EditError::NotFound("")),
        several => Err(EditError::Ambiguous(several)),
    }
}

/// How often the text occurs, overlapping occurrences counted: each is a place that could be meant.
fn occurrences(text: &str, wanted: &str) -> usize {
    let mut count = 0;
    let mut from = 0;
    while let Some(at) = text[from..].find(wanted) {
        count += 1;
        let start = from + at;
        from = start + text[start..].chars().next().map_or(1, char::len_utf8);
    }
    count
}

fn squeezed(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(present: Option<&str>, old: &str, new: &str, expect: Result<&str, EditError>) {
        assert_eq!(
            edit(present.map(str::as_bytes), old, new),
            expect.map(str::to_owned),
            "{present:?} {old:?}"
        );
    }

    #[test]
    fn old_must_match_exactly_once() {
        check(Some("a b c"), "b", "x", Ok("a x c"));
        check(Some("a b b"), "b", "x", Err(EditError::Ambiguous(2)));
        check(Some("aaa"), "aa", "x", Err(EditError::Ambiguous(2)));
        check(Some("ääää"), "ää", "x", Err(EditError::Ambiguous(3)));
        check(Some("a b"), "z", "x", Err(EditError::NotFound("")));
        check(Some("a  b\n\tc"), "a b\nc", "x", Err(EditError::NotFound(" with this white space")));
        check(Some("a"), "a", "a", Err(EditError::NothingToDo));
        check(Some("ab"), "b", "", Ok("a"));
        check(Some("ab"), "ab", "", Ok(""));
    }

    #[test]
    fn a_new_file_only_where_there_is_none() {
        check(None, "", "new", Ok("new"));
        check(None, "old", "new", Err(EditError::Missing));
        check(Some("x"), "", "new", Err(EditError::Exists));
        check(Some(""), "", "new", Err(EditError::Exists));
    }

    #[test]
    fn crlf_is_kept_and_matched_from_lf() {
        check(Some("a\r\nb\r\nc\r\n"), "a\nb", "x\ny\nz", Ok("x\r\ny\r\nz\r\nc\r\n"));
        check(Some("a\r\nb\r\n"), "a\r\nb", "x", Ok("x\r\n"));
        check(Some("a\r\nb\r\n"), "b", "x\ny", Ok("a\r\nx\r\ny\r\n"));
        // Mixed line ends are matched as they are.
        check(Some("a\r\nb\nc"), "b\nc", "x\ny", Ok("a\r\nx\ny"));
        check(Some("a\r\nb\nc"), "a\nb", "x", Err(EditError::NotFound(" with this white space")));
    }

    #[test]
    fn only_text_is_edited() {
        assert_eq!(edit(Some(b"caf\xe9"), "c", "x"), Err(EditError::NotText));
    }

    proptest! {
        #[test]
        fn an_edit_changes_one_place_and_nothing_else(
            before in "[a-y\n]{0,30}", old in "z[a-z]{0,5}", after in "[a-y\n]{0,30}", new in "[a-y]{0,8}",
        ) {
            let text = format!("{before}{old}{after}");
            if occurrences(&text, &old) == 1 {
                prop_assert_eq!(edit(Some(text.as_bytes()), &old, &new).unwrap(), format!("{before}{new}{after}"));
            } else {
                prop_assert!(edit(Some(text.as_bytes()), &old, &new).is_err());
            }
        }
    }
}
