//! `ask_user`: a question only the user can answer.

use model::{ParticipantStatus, QUESTION_MAX};
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::output::cut;
use super::{Outcome, Parsed, ToolError, Toolbox, misanswered};
use crate::run::wire::{Reply, Request};

#[derive(Deserialize)]
pub(super) struct Arguments {
    question: String,
}

pub(super) fn spec() -> (&'static str, Value) {
    (
        "Ask the user something you cannot find out yourself and cannot go on without. Waits for the answer, \
         perhaps for hours.",
        json!({
            "type": "object",
            "properties": {"question": {"type": "string"}},
            "required": ["question"]
        }),
    )
}

pub(super) async fn run(toolbox: &Toolbox, arguments: Parsed<Arguments>) -> Result<Outcome, ToolError> {
    let question = arguments?.question;
    let question = cut(question.trim(), QUESTION_MAX);
    if question.is_empty() {
        return Err(ToolError::Arguments("the question is empty".to_owned()));
    }
    toolbox.status(ParticipantStatus::NeedsInput, question).await;
    match toolbox.ask(Request::Ask { question: question.to_owned() }).await? {
        Reply::Answer { text } => Ok(Outcome::ok(text)),
        other => Err(misanswered(&other)),
    }
}
