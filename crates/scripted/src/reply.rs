//! What an answer consists of, before a dialect writes it down.
//!
//! Invariant: the same part of a script gives the same acts and the same figures in every dialect.

use crate::conversation::{Conversation, Form, PromptTokens, tokens};
use crate::directive::{Directive, Nonsense};
use crate::errand::errand_id;
use crate::script::Part;
use serde_json::Value;
use std::time::Duration;

/// Longest piece of text in one event, in characters: about what vendors send.
const PIECE: usize = 18;
/// Longest part of a tool result that `{{result}}` stands for, in characters.
const RESULT_MAX: usize = 2000;
/// Said when a script has no words of its own for its last answer.
const DONE: &str = "Done.";
/// Said when there is no script.
const UNSCRIPTED: &str = "There is no script in this conversation.";

/// One piece of an answer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Act {
    Think(Vec<String>),
    Say(Vec<String>),
    Call {
        id: String,
        tool: String,
        form: Form,
        arguments: Arguments,
    },
    Sleep(Duration),
    /// The connection ends here.
    Cut,
    /// An error event.
    Fault,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Arguments {
    Json(Value),
    /// What a tool without JSON is told.
    Text(String),
    /// Text that is no JSON.
    Broken(String),
}

impl Arguments {
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Json(value) => value.to_string(),
            Self::Text(text) | Self::Broken(text) => text.clone(),
        }
    }
}

/// An answer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Reply {
    /// Unique to the request, the same for the same request.
    pub(crate) id: String,
    pub(crate) model: String,
    pub(crate) acts: Vec<Act>,
    pub(crate) prompt: PromptTokens,
    pub(crate) text_tokens: u64,
    pub(crate) thinking_tokens: u64,
    pub(crate) cache_marks: bool,
    pub(crate) wants_signatures: bool,
}

/// How a request is answered.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Verdict {
    Reply(Box<Reply>),
    Error { status: u16, retry_after: Option<u32>, once: bool },
    Limit { seconds: u32 },
    Nonsense(Nonsense),
}

/// The answer to a request, and how long its head is held back.
pub(crate) fn verdict(conversation: &Conversation, part: &Part, id: &str) -> (Verdict, Duration) {
    let mut hold = Duration::ZERO;
    for directive in &part.step.before {
        match directive {
            Directive::Hold(time) => hold += *time,
            Directive::Error { status, retry_after, once } => {
                return (Verdict::Error { status: *status, retry_after: *retry_after, once: *once }, hold);
            }
            Directive::Limit { seconds } => return (Verdict::Limit { seconds: *seconds }, hold),
            Directive::Nonsense(nonsense) if *nonsense != Nonsense::Args => {
                return (Verdict::Nonsense(*nonsense), hold);
            }
            _ => {}
        }
    }
    (Verdict::Reply(Box::new(reply(conversation, part, id))), hold)
}

/// The answer without the scripted error, for the request after an `error_once`.
pub(crate) fn without_error_once(part: &Part) -> Part {
    let mut part = part.clone();
    part.step.before.retain(|directive| !matches!(directive, Directive::Error { once: true, .. }));
    part
}

fn reply(conversation: &Conversation, part: &Part, id: &str) -> Reply {
    let acts = acts(part, id);
    let bytes = |of: fn(&Act) -> usize| acts.iter().map(of).sum::<usize>();
    let thinking = bytes(|act| match act {
        Act::Think(pieces) => length(pieces),
        _ => 0,
    });
    let text = bytes(|act| match act {
        Act::Say(pieces) => length(pieces),
        Act::Call { tool, arguments, .. } => tool.len() + arguments.text().len(),
        _ => 0,
    });
    Reply {
        id: id.to_owned(),
        model: conversation.model.clone(),
        acts,
        prompt: conversation.prompt_tokens(),
        text_tokens: tokens(text),
        thinking_tokens: tokens(thinking),
        cache_marks: conversation.cache_marks,
        wants_signatures: conversation.wants_signatures,
    }
}

fn acts(part: &Part, id: &str) -> Vec<Act> {
    let mut acts = Vec::new();
    for directive in &part.step.before {
        match directive {
            Directive::Think(text) => acts.push(Act::Think(pieces(text))),
            Directive::Say(text) => {
                let result: String = part.result.chars().take(RESULT_MAX).collect();
                say(&mut acts, pieces(&text.replace("{{result}}", &result)));
            }
            Directive::Flood { kib } => say(&mut acts, flood(*kib)),
            Directive::Sleep(time) => acts.push(Act::Sleep(*time)),
            Directive::Cut => acts.push(Act::Cut),
            Directive::Fault => acts.push(Act::Fault),
            Directive::Nonsense(Nonsense::Args) => acts.push(Act::Call {
                id: format!("call_{id}_x"),
                tool: "read_file".into(),
                form: Form::Function,
                arguments: Arguments::Broken("{\"path\": \"a".into()),
            }),
            _ => {}
        }
    }
    for (number, call) in part.step.calls.iter().enumerate() {
        acts.push(Act::Call {
            id: if call.errand { errand_id(id) } else { format!("call_{id}_{number}") },
            tool: call.tool.clone(),
            form: call.form.clone(),
            arguments: match (&call.form, &call.arguments) {
                (Form::Custom, Value::String(text)) => Arguments::Text(text.clone()),
                (_, value) => Arguments::Json(value.clone()),
            },
        });
    }
    if !acts.iter().any(|act| matches!(act, Act::Say(_) | Act::Call { .. })) {
        let text = match &part.aside {
            Some(aside) => aside,
            None if part.scripted => DONE,
            None => UNSCRIPTED,
        };
        acts.push(Act::Say(pieces(text)));
    }
    acts
}

/// Two sayings in a row are one text of two paragraphs.
fn say(acts: &mut Vec<Act>, mut more: Vec<String>) {
    if let Some(Act::Say(pieces)) = acts.last_mut() {
        pieces.push("\n\n".into());
        pieces.append(&mut more);
    } else {
        acts.push(Act::Say(more));
    }
}

fn pieces(text: &str) -> Vec<String> {
    let chars: Vec<char> = text.chars().collect();
    chars.chunks(PIECE).map(|piece| piece.iter().collect()).collect()
}

fn flood(kib: u32) -> Vec<String> {
    let line = "All work and no play makes the model a dull boy, says the film.\n";
    (0..kib).map(|_| line.repeat(1024 / line.len())).collect()
}

fn length(pieces: &[String]) -> usize {
    pieces.iter().map(String::len).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::Step;

    fn acts_of(before: Vec<Directive>) -> Vec<Act> {
        let step = Step { before, calls: Vec::new() };
        acts(&Part { step, scripted: true, result: "ok ".repeat(1000), ..Part::default() }, "1")
    }

    #[test]
    fn a_flood_has_the_size_it_says() {
        let [Act::Say(pieces)] = &acts_of(vec![Directive::Flood { kib: 5 }])[..] else { panic!() };
        assert_eq!((pieces.len(), length(pieces)), (5, 5 * 1024));
    }

    #[test]
    fn an_answer_always_says_or_calls_something() {
        let said = |acts: Vec<Act>| match &acts[..] {
            [.., Act::Say(pieces)] => pieces.concat(),
            other => panic!("{other:?}"),
        };
        assert_eq!(said(acts_of(vec![])), DONE);
        assert_eq!(said(acts_of(vec![Directive::Think("t".into())])), DONE);
        assert_eq!(said(acts_of(vec![Directive::Say("a".into()), Directive::Say("b".into())])), "a\n\nb");
        assert_eq!(said(acts(&Part::default(), "1")), UNSCRIPTED);
    }

    #[test]
    fn text_comes_in_small_pieces_and_whole() {
        let text = "Grüße an alle, die das hier lesen können – mit Umlauten.";
        let [Act::Say(pieces)] = &acts_of(vec![Directive::Say(text.into())])[..] else { panic!() };
        assert!(pieces.len() > 2 && pieces.iter().all(|piece| piece.chars().count() <= PIECE));
        assert_eq!(pieces.concat(), text);
    }

    #[test]
    fn the_last_result_can_be_quoted_in_part() {
        let [Act::Say(pieces)] = &acts_of(vec![Directive::Say("got {{result}}!".into())])[..] else {
            panic!()
        };
        assert_eq!(pieces.concat().chars().count(), "got !".len() + RESULT_MAX);
    }
}
