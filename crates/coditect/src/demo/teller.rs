//! Progress on stderr: one line for each thing that happens, in the words of somebody looking on.

use cli::DemoRun;
use model::{Clock, Event, LockPhase, ParticipantId, TaskId, TurnOutcome};
use std::collections::HashMap;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

/// Longest line, in characters, not counting its time.
const LINE_MAX: usize = 160;
const DIM: &str = "\u{1b}[2m";
const PLAIN: &str = "\u{1b}[0m";

pub(crate) struct Teller {
    clock: Arc<dyn Clock>,
    began: Duration,
    color: bool,
    quiet: bool,
    agents: HashMap<ParticipantId, String>,
    tasks: HashMap<TaskId, String>,
}

impl Teller {
    pub(crate) fn new(clock: Arc<dyn Clock>, order: &DemoRun) -> Self {
        let began = clock.uptime();
        Self {
            clock,
            began,
            color: order.color,
            quiet: order.quiet,
            agents: HashMap::new(),
            tasks: HashMap::new(),
        }
    }

    pub(crate) fn say(&mut self, text: &str) {
        if self.quiet {
            return;
        }
        let elapsed = self.clock.uptime().saturating_sub(self.began).as_secs_f64();
        let text = one_line(text);
        let line = if self.color {
            format!("{DIM}{elapsed:6.1} s{PLAIN}  {text}\n")
        } else {
            format!("{elapsed:6.1} s  {text}\n")
        };
        // A closed stderr wants no progress.
        let _ = std::io::stderr().write_all(line.as_bytes());
    }

    pub(crate) fn restarted(&mut self, times: u32) {
        self.say(&format!("the daemon died and was started again ({times})"));
    }

    pub(crate) fn tell(&mut self, event: &Event) {
        if let Some(line) = self.line(event) {
            self.say(&line);
        }
    }

    /// What is worth a line.
    fn line(&mut self, event: &Event) -> Option<String> {
        match event {
            Event::ParticipantJoined(participant) => {
                self.agents.insert(participant.id, participant.agent.to_string());
                None
            }
            Event::TaskSubmitted(task) => {
                self.tasks.insert(task.id, task.title.clone());
                None
            }
            Event::PlanProposed(proposal) => {
                let titles: Vec<&str> = proposal.tasks.iter().map(|task| task.title.as_str()).collect();
                Some(format!("{} proposes: {}", proposal.agent, titles.join("; ")))
            }
            Event::PlanMerged(merge) => {
                for reason in &merge.merged.explanation {
                    self.say(&format!("merge: {reason}"));
                }
                Some(format!("the plan has {} tasks", merge.merged.tasks.len()))
            }
            Event::TurnStarted(turn) => {
                let again =
                    if turn.attempt > 1 { format!(", attempt {}", turn.attempt) } else { String::new() };
                Some(format!("{} begins: {}{again}", self.agent(turn.participant), self.task(turn.task)))
            }
            Event::FileModified(change) => Some(format!(
                "{} edits {} (+{} -{})",
                self.agent(change.participant),
                change.path,
                change.lines_added,
                change.lines_removed
            )),
            Event::EditRefused(edit) => {
                Some(format!("an edit of {} is refused: {}", self.agent(edit.participant), edit.message))
            }
            Event::LockChanged(change) => match change.phase {
                LockPhase::Waiting => Some(format!("{} waits for {}", change.agent, change.path)),
                LockPhase::TakenOver => {
                    Some(format!("{} takes over {} from the dead", change.agent, change.path))
                }
                LockPhase::Expired | LockPhase::Broken => {
                    Some(format!("{} loses {} ({:?})", change.agent, change.path, change.phase))
                }
                LockPhase::Acquired | LockPhase::Released => None,
            },
            _ => self.later_line(event),
        }
    }

    fn later_line(&self, event: &Event) -> Option<String> {
        match event {
            Event::TaskInputRequested(question) => {
                Some(format!("{} asks: {}", self.agent(question.participant), question.question))
            }
            Event::TaskInputAnswered(answer) => Some(format!("answered: {}", answer.answer)),
            Event::TurnEnded(end) => match &end.outcome {
                TurnOutcome::Completed { .. } => {
                    Some(format!("{} is done: {}", self.agent(end.participant), self.task(end.task)))
                }
                TurnOutcome::Failed { code, message } => {
                    Some(format!("{} failed ({code}): {message}", self.agent(end.participant)))
                }
                TurnOutcome::Canceled => Some(format!("{} was stopped", self.agent(end.participant))),
            },
            Event::TaskResubmitted(again) => {
                Some(format!("{}: attempt {} follows", self.task(again.task), again.attempt))
            }
            Event::TaskFailed(end) => Some(format!("{} failed: {}", self.task(end.task), end.text)),
            Event::CheckpointCreated(point) if point.kind.is_automatic() => None,
            Event::CheckpointCreated(point) => Some(format!(
                "commit {}: {}",
                point.commit.get(..8).unwrap_or(&point.commit),
                point.message.lines().next().unwrap_or_default()
            )),
            Event::PlanTested(test) => {
                Some(format!("tests: {} passed, {} failed", test.report.passed, test.report.failed))
            }
            Event::PlanCompleted(_) => Some("the plan is completed".to_owned()),
            Event::PlanFailed(end) => Some(format!("the plan failed: {}", end.text)),
            _ => None,
        }
    }

    fn agent(&self, participant: ParticipantId) -> &str {
        self.agents.get(&participant).map_or("somebody", String::as_str)
    }

    fn task(&self, task: TaskId) -> String {
        self.tasks.get(&task).cloned().unwrap_or_else(|| task.short())
    }
}

/// Text of agents is nothing a terminal should carry out, and a line is a line.
fn one_line(text: &str) -> String {
    let mut line: String =
        text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(LINE_MAX).collect();
    if text.chars().count() > LINE_MAX {
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_short_and_harmless() {
        assert_eq!(one_line("a\u{1b}[31m\nb"), "a [31m b");
        let long = one_line(&"x".repeat(LINE_MAX + 1));
        assert_eq!(long.chars().count(), LINE_MAX + 1);
        assert!(long.ends_with('…'));
        assert_eq!(one_line(&"x".repeat(LINE_MAX)).chars().count(), LINE_MAX);
    }
}
