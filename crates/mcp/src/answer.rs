//! What a tool came to: data for programs, and a short text for models that see only that.

use crate::failure::Failure;
use rmcp::model::{CallToolResult, ContentBlock};
use serde::Serialize;
use serde_json::Value;

/// Data and words.
#[derive(Debug)]
pub(crate) struct Answer {
    text: String,
    data: Value,
}

impl Answer {
    pub(crate) fn new(text: impl Into<String>, data: impl Serialize) -> Result<Self, Failure> {
        let data = serde_json::to_value(data)
            .map_err(|error| Failure::internal(&format!("the answer cannot be written: {error}")))?;
        Ok(Self { text: text.into(), data })
    }
}

/// As the protocol has it. A failure is a result, too: the model reads it and goes on. Its first text is for the model, its
/// second one, JSON, for programs.
pub(crate) fn result(outcome: Result<Answer, Failure>) -> CallToolResult {
    match outcome {
        Ok(answer) => {
            let mut result = CallToolResult::success(vec![ContentBlock::text(answer.text)]);
            result.structured_content = Some(answer.data);
            result
        }
        // Not as data: that has the shape of what the tool gives, and some clients hold errors against it, too.
        Err(failure) => CallToolResult::error(vec![
            ContentBlock::text(failure.text()),
            ContentBlock::text(failure.body().to_string()),
        ]),
    }
}

/// The first `most` characters, and a sign that there is more.
pub(crate) fn clipped(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_between_characters() {
        assert_eq!(clipped("größe", 5), "größe");
        assert_eq!(clipped("größe", 3), "grö…");
    }
}
