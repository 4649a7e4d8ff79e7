//! Paths and queries, with everything that means something in them escaped.

use crate::ClientError;
use serde::Serialize;
use serde_json::Value;
use std::fmt::Write;

/// `/<nouns>/<id><rest>`.
pub(crate) fn under(nouns: &str, id: &str, rest: &str) -> String {
    format!("/{nouns}/{}{rest}", escaped(id))
}

/// The path with the query's set fields behind it.
pub(crate) fn with_query(path: &str, query: &impl Serialize) -> Result<String, ClientError> {
    let fields =
        serde_json::to_value(query).map_err(|error| ClientError::Malformed { reason: error.to_string() })?;
    let mut out = path.to_owned();
    for (name, value) in fields.as_object().into_iter().flatten() {
        let text = match value {
            Value::Null => continue,
            Value::String(text) => escaped(text),
            other => escaped(&other.to_string()),
        };
        let sign = if out.contains('?') { '&' } else { '?' };
        // Writing into a string cannot fail.
        let _ = write!(out, "{sign}{name}={text}");
    }
    Ok(out)
}

fn escaped(text: &str) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::SessionQuery;

    #[test]
    fn ids_cannot_leave_their_place_in_the_path() {
        assert_eq!(under("sessions", "../config?x#y", "/tasks"), "/sessions/..%2Fconfig%3Fx%23y/tasks");
        assert_eq!(under("sessions", "ses_01", ""), "/sessions/ses_01");
    }

    #[test]
    fn queries_say_only_what_is_set() {
        let query = SessionQuery {
            archived: Some(protocol::Archived::Only),
            limit: Some(7),
            ..SessionQuery::default()
        };
        assert_eq!(with_query("/sessions", &query).unwrap(), "/sessions?archived=only&limit=7");
        assert_eq!(with_query("/sessions", &SessionQuery::default()).unwrap(), "/sessions");
    }
}
