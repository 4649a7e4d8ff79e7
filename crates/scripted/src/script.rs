//! Which part of a script an answer plays.
//!
//! Invariant: the part is decided by the request alone (the script, the tools offered and how many
//! results came since), so any number of conversations share one server.

use crate::conversation::{Conversation, Form, Said};
use crate::directive::Directive;
use crate::errand::{self, is_errand};
use crate::grammar::{GrammarError, Line, parse};
use crate::program;
use crate::tools::call;
use serde_json::Value;

/// What one answer does: everything in `before` in its order, then the calls.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Step {
    pub(crate) before: Vec<Directive>,
    pub(crate) calls: Vec<Call>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Call {
    pub(crate) directive: &'static str,
    pub(crate) tool: String,
    pub(crate) form: Form,
    pub(crate) arguments: Value,
    /// It is not in the script; see [`crate::errand`].
    pub(crate) errand: bool,
}

/// The part of the script that is played next.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Part {
    /// Number of the answer since the prompt, from 0.
    pub(crate) index: usize,
    pub(crate) step: Step,
    /// Whether there is a script at all.
    pub(crate) scripted: bool,
    /// Directives left out because the request offers no tool for them.
    pub(crate) skipped: Vec<&'static str>,
    /// What the tool called last said.
    pub(crate) result: String,
    /// What a request beside the conversation is answered, for instance one for a title.
    pub(crate) aside: Option<String>,
}

/// Finds the part: the last user message with a script counts, and of it the answer after as many
/// tool results as came since.
pub(crate) fn part(conversation: &Conversation) -> Result<Part, GrammarError> {
    if let Some(aside) = program::aside(conversation) {
        return Ok(Part { aside: Some(aside), ..Part::default() });
    }
    let agent = conversation.agent.as_deref().unwrap_or_default();
    let mut results = 0;
    let mut result = None;
    for said in conversation.messages.iter().rev() {
        match said {
            Said::Results(found) => {
                results += found.iter().filter(|result| !is_errand(result)).count();
                result = result.or_else(|| found.last().map(|last| last.output.clone()));
            }
            Said::Assistant { .. } => {}
            Said::User { text } => {
                let said = if conversation.program { program::spoken(text) } else { text.into() };
                if let Some(lines) = parse(&said)? {
                    let (steps, skipped) = steps(&lines, agent, conversation);
                    let (index, step) = pick(steps, results);
                    let step = errand::before(conversation, &step).unwrap_or(step);
                    let step = errand::at_end(conversation, step);
                    let result = result.unwrap_or_default();
                    return Ok(Part { index, step, scripted: true, skipped, result, aside: None });
                }
            }
        }
    }
    Ok(Part::default())
}

/// The answers a script makes, the last one without calls.
fn steps(lines: &[Line], agent: &str, conversation: &Conversation) -> (Vec<Step>, Vec<&'static str>) {
    let mut steps = Vec::new();
    let mut skipped = Vec::new();
    let mut step = Step::default();
    let mut joined = false;
    for line in lines.iter().filter(|line| line.is_for(agent)) {
        if line.directive == Directive::With {
            joined = true;
            continue;
        }
        if !line.directive.is_call() {
            // What is said after a call belongs to the next answer, unless the calls go on.
            if !step.calls.is_empty() && !joined {
                steps.push(std::mem::take(&mut step));
            }
            step.before.push(line.directive.clone());
            continue;
        }
        let Some(call) = call(&line.directive, conversation) else {
            skipped.push(line.directive.name());
            continue;
        };
        if !step.calls.is_empty() && !joined {
            steps.push(std::mem::take(&mut step));
        }
        joined = false;
        step.calls.push(call);
    }
    let open = !step.calls.is_empty();
    steps.push(step);
    if open {
        steps.push(Step::default());
    }
    (steps, skipped)
}

fn pick(steps: Vec<Step>, results: usize) -> (usize, Step) {
    let mut answered = 0;
    let last = steps.len().saturating_sub(1);
    for (index, step) in steps.into_iter().enumerate() {
        if answered >= results || index == last {
            return (index, step);
        }
        answered += step.calls.len();
    }
    (0, Step::default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conversation::{OfferedTool, ToolResult};
    use serde_json::json;

    fn conversation(script: &str, results: usize) -> Conversation {
        let tool = |name: &str, field: &str| OfferedTool {
            name: name.into(),
            form: Form::Function,
            schema: json!({"type": "object", "properties": {field: {"type": "string"}}}),
        };
        let mut messages = vec![
            Said::User { text: "[[say an older script]]".into() },
            Said::Assistant { calls: Vec::new() },
            Said::User { text: script.into() },
        ];
        for number in 0..results {
            let output = format!("result {number}");
            let result = ToolResult { call_id: None, tool: None, output };
            messages.push(Said::Results(vec![result]));
        }
        messages.push(Said::User { text: "no script".into() });
        Conversation {
            agent: Some("claude".into()),
            tools: vec![tool("read_file", "path"), tool("bash", "command")],
            messages,
            ..Conversation::empty(model::Vendor::Anthropic)
        }
    }

    /// Words of the answer after that many results: what comes before, then the calls.
    fn played(script: &str, results: usize) -> String {
        let part = part(&conversation(script, results)).unwrap();
        let before = part.step.before.iter().map(Directive::name);
        let calls = part.step.calls.iter().map(|call| call.directive);
        before.chain(calls).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn each_answer_ends_with_its_call_and_the_last_has_none() {
        let script = "[[think a]] [[read x]] [[say b]] [[bash y]] [[say c]]";
        assert_eq!(played(script, 0), "think read");
        assert_eq!(played(script, 1), "say bash");
        assert_eq!(played(script, 2), "say");
        assert_eq!(played(script, 9), "say");
        assert_eq!(played("[[read x]]", 1), "");
    }

    #[test]
    fn with_joins_calls_into_one_answer() {
        let script = "[[read a]] [[with]] [[read b]] [[with]] [[say x]] [[bash c]] [[read d]]";
        assert_eq!(played(script, 0), "say read read bash");
        assert_eq!(played(script, 1), "read", "an answer is not played twice");
        assert_eq!(played(script, 3), "read");
        assert_eq!(played(script, 4), "");
    }

    #[test]
    fn what_cannot_be_called_is_left_out_and_told() {
        let script = "[[write a|b]] [[read a]] [[plan {}]]";
        assert_eq!(played(script, 0), "read");
        assert_eq!(part(&conversation(script, 0)).unwrap().skipped, ["write", "plan"]);
    }

    #[test]
    fn sections_for_others_leave_a_script_without_parts() {
        assert_eq!(played("[[for kimi]][[read x]][[end]]", 0), "");
        assert!(part(&conversation("[[for kimi]][[read x]][[end]]", 0)).unwrap().scripted);
    }

    #[test]
    fn the_last_result_is_known() {
        assert_eq!(part(&conversation("[[read x]]", 2)).unwrap().result, "result 1");
    }
}
