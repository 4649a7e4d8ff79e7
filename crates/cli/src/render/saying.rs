//! Events as sentences: who does what, for a person who watches.
//!
//! Invariant: only what was committed is told, and in its order.

use super::paint::Paint;
use crate::failure::Failure;
use crate::screen::Screen;
use client::Client;
use model::{
    Event, LockPhase, ParticipantId, ParticipantStatus, RegistrationId, Role, TaskId, TaskKind, TurnOutcome,
    named,
};
use std::collections::BTreeMap;

/// One sentence with its speaker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Saying {
    pub(crate) who: String,
    pub(crate) paint: Paint,
    pub(crate) text: String,
}

impl Saying {
    /// As data, on stdout.
    pub(crate) fn print(&self, screen: &Screen) -> Result<(), Failure> {
        screen.spoken(&self.column(), self.paint, &self.text)
    }

    /// As progress, on stderr.
    pub(crate) fn say(&self, screen: &Screen) {
        screen.say_of(&self.column(), self.paint, &self.text);
    }

    /// Speakers stand in a column.
    fn column(&self) -> String {
        format!("{:<10}", self.who)
    }
}

/// Knows who is who, so that ids become names.
#[derive(Debug, Default)]
pub(crate) struct Narrator {
    agents: BTreeMap<ParticipantId, String>,
    holders: BTreeMap<RegistrationId, String>,
    titles: BTreeMap<TaskId, String>,
    /// What each was said to be doing last: the same is not said twice.
    doing: BTreeMap<ParticipantId, String>,
    /// Waits and take-overs told so far.
    pub(crate) lock_waits: u64,
    pub(crate) lock_takeovers: u64,
}

impl Narrator {
    /// Learns the names of those who are there already.
    pub(crate) async fn meet(&mut self, client: &Client, session: &str) -> Result<(), Failure> {
        for one in client.participants(session).await?.items {
            self.agents.insert(one.id, one.agent.as_str().to_owned());
        }
        for task in client.session_tasks(session).await?.value.items {
            self.titles.insert(task.id, task.title);
        }
        for one in client.registrations().await?.items {
            self.holders.insert(one.id, one.agent);
        }
        Ok(())
    }

    pub(crate) fn agent(&self, id: ParticipantId) -> String {
        self.agents.get(&id).cloned().unwrap_or_else(|| id.short())
    }

    pub(crate) fn title(&self, id: TaskId) -> String {
        self.titles.get(&id).cloned().unwrap_or_else(|| format!("task {}", id.short()))
    }

    /// The event in words; none when there is nothing worth saying.
    pub(crate) fn tell(&mut self, event: &Event) -> Option<Saying> {
        let (who, paint, text) = match event {
            Event::ParticipantJoined(one) => {
                self.agents.insert(one.id, one.agent.as_str().to_owned());
                return None;
            }
            Event::RegistrationAnnounced(one) => {
                self.holders.insert(one.id, one.agent.clone());
                return None;
            }
            Event::ParticipantStatusChanged(change) => {
                let Some((paint, text)) = doing(change.status, change.detail.as_deref()) else {
                    // Thinking between two steps of one edit is part of it.
                    if !change.status.is_live() {
                        self.doing.remove(&change.participant);
                    }
                    return None;
                };
                if self.doing.insert(change.participant, text.clone()).as_ref() == Some(&text) {
                    return None;
                }
                (self.agent(change.participant), paint, text)
            }
            Event::MessageAppended(message) if message.role == Role::Assistant => {
                let text = protocol::Message::from(message.clone()).text();
                if text.trim().is_empty() {
                    return None;
                }
                (message.participant.map_or("agent".to_owned(), |id| self.agent(id)), Paint::Strong, text)
            }
            Event::TurnEnded(end) => match &end.outcome {
                TurnOutcome::Failed { code, message } => {
                    (self.agent(end.participant), Paint::Bad, format!("failed: {message} ({code})"))
                }
                _ => return None,
            },
            Event::RunExited(exit) => {
                let signal = exit.signal?;
                let text = format!("process died by signal {signal} ({})", exit.reason);
                (self.agent(exit.participant), Paint::Bad, text)
            }
            Event::FileModified(change) => {
                let text =
                    format!("changed {} (+{} −{})", change.path, change.lines_added, change.lines_removed);
                (self.agent(change.participant), Paint::Good, text)
            }
            Event::EditRefused(edit) => {
                let text = format!("edit of {} refused: {}", edit.claim.path, edit.message);
                (self.agent(edit.participant), Paint::Bad, text)
            }
            Event::CheckpointCreated(point) if point.kind.is_automatic() => return None,
            Event::CheckpointCreated(point) => {
                let short: String = point.commit.chars().take(10).collect();
                let first = point.message.lines().next().unwrap_or_default();
                ("commit".to_owned(), Paint::Good, format!("{short} {first}"))
            }
            Event::SessionArchived(_) => ("session".to_owned(), Paint::Dim, "archived".to_owned()),
            Event::LockChanged(change) => return self.lock(change),
            other => {
                return self.permission(other).or_else(|| self.task(other)).or_else(|| self.plan(other));
            }
        };
        Some(Saying { who, paint, text })
    }

    fn permission(&self, event: &Event) -> Option<Saying> {
        let (participant, paint, text) = match event {
            Event::PermissionRequested(asked) => {
                let text = format!("asks for permission {}: {}", asked.id.short(), asked.ask.summary);
                (asked.participant, Paint::Warm, text)
            }
            Event::PermissionDecided(decision) => {
                let word = if decision.allowed { "allowed" } else { "denied" };
                let text = format!("permission {} {word} by {}", decision.permission.short(), decision.by);
                (decision.participant, Paint::Note, text)
            }
            Event::BudgetWarned(warning) => {
                let share = warning.spent.saturating_mul(100) / warning.limit.max(1);
                let text =
                    format!("has used {share} % of its {} budget", warning.budget.as_str().replace('_', " "));
                (warning.participant, Paint::Warm, text)
            }
            Event::SessionCompacted(made) => {
                let text =
                    format!("is shown a summary by {} in place of {} messages", made.model, made.messages);
                (made.participant, Paint::Note, text)
            }
            Event::SessionCompactionFailed(failure) => {
                let text = format!("is shown the last messages only: {}", failure.message);
                (failure.participant, Paint::Warm, text)
            }
            _ => return None,
        };
        Some(Saying { who: self.agent(participant), paint, text })
    }

    fn lock(&mut self, change: &model::LockChange) -> Option<Saying> {
        self.holders.insert(change.holder, change.agent.clone());
        let other = change.other.map(|id| self.holders.get(&id).cloned().unwrap_or_else(|| id.short()));
        let (paint, text) = match (change.phase, other) {
            (LockPhase::Waiting, Some(other)) => {
                self.lock_waits += 1;
                (Paint::Warm, format!("waits for {}, which {other} holds", change.path))
            }
            (LockPhase::Waiting, None) => {
                self.lock_waits += 1;
                (Paint::Warm, format!("waits for {}", change.path))
            }
            (LockPhase::TakenOver, other) => {
                self.lock_takeovers += 1;
                let from = other.unwrap_or_else(|| "somebody who died".to_owned());
                (Paint::Warm, format!("took {} over from {from}", change.path))
            }
            (LockPhase::Broken, _) => (Paint::Bad, format!("lost {}: its lock was broken", change.path)),
            (LockPhase::Expired, _) => (Paint::Bad, format!("lost {}: its lock ran out", change.path)),
            (LockPhase::Acquired | LockPhase::Released, _) => return None,
        };
        Some(Saying { who: change.agent.clone(), paint, text })
    }

    fn task(&mut self, event: &Event) -> Option<Saying> {
        let (id, paint, text) = match event {
            Event::TaskSubmitted(task) => {
                let to: Vec<String> = task.targets.iter().map(|id| self.agent(*id)).collect();
                if task.kind == TaskKind::Propose {
                    self.titles.insert(task.id, format!("proposal of {}", to.join(", ")));
                    return None;
                }
                self.titles.insert(task.id, task.title.clone());
                let verb = if task.kind == TaskKind::Review { "review" } else { "task" };
                let text = format!("{} → {}", task.title, to.join(", "));
                return Some(Saying { who: verb.to_owned(), paint: Paint::Note, text });
            }
            Event::TaskInputRequested(asked) => {
                let text = format!("asks: {}", asked.question);
                return Some(Saying { who: self.agent(asked.participant), paint: Paint::Warm, text });
            }
            Event::TaskInputAnswered(answer) => {
                (answer.task, Paint::Note, format!("answered: {}", answer.answer))
            }
            Event::TaskCompleted(end) => (end.task, Paint::Good, "completed".to_owned()),
            Event::TaskFailed(end) => (end.task, Paint::Bad, format!("failed: {}", end.text)),
            Event::TaskCanceled(end) => (end.task, Paint::Dim, "canceled".to_owned()),
            Event::TaskRejected(end) => (end.task, Paint::Bad, format!("rejected: {}", end.text)),
            Event::TaskAssigned(assigned) => {
                let to: Vec<String> = assigned.participants.iter().map(|id| self.agent(*id)).collect();
                (assigned.task, Paint::Note, format!("for {}: {}", to.join(", "), assigned.reason))
            }
            Event::TaskClaimed(claim) => (claim.task, Paint::Note, format!("claimed by {}", claim.holder)),
            Event::TaskResubmitted(again) => {
                (again.task, Paint::Warm, format!("again, attempt {}: {}", again.attempt, again.reason))
            }
            _ => return None,
        };
        Some(Saying { who: "task".to_owned(), paint, text: format!("{}: {text}", self.title(id)) })
    }

    fn plan(&self, event: &Event) -> Option<Saying> {
        let (who, paint, text) = match event {
            Event::PlanCreated(plan) => {
                let to: Vec<String> = plan.participants.iter().map(|id| self.agent(*id)).collect();
                ("plan".to_owned(), Paint::Note, format!("asked {} for proposals", to.join(", ")))
            }
            Event::PlanProposed(proposal) => {
                let titles: Vec<&str> = proposal.tasks.iter().map(|task| task.title.as_str()).collect();
                let text = format!("proposes {}", titles.join("; "));
                (proposal.agent.as_str().to_owned(), Paint::Note, text)
            }
            Event::PlanMerged(merge) => {
                let mut text = format!("merged into {} task(s)", merge.merged.tasks.len());
                for line in &merge.merged.explanation {
                    text.push_str("\n            ");
                    text.push_str(line);
                }
                ("plan".to_owned(), Paint::Note, text)
            }
            Event::PlanTested(test) => {
                let report = &test.report;
                let paint = if report.exit_code == Some(0) { Paint::Good } else { Paint::Bad };
                let text = super::report(report.exit_code, report.passed, report.failed);
                ("tests".to_owned(), paint, text)
            }
            Event::PlanStalled(stall) => ("plan".to_owned(), Paint::Warm, format!("waits: {}", stall.text)),
            Event::FileStrayed(strays) => {
                let more = usize::try_from(strays.more).unwrap_or(usize::MAX);
                let files = named(strays.files.iter().map(|file| file.path.as_str()), more);
                let text = format!("changed without a lock: {files}");
                (self.agent(strays.participant), Paint::Warm, text)
            }
            Event::FileRestored(file) => {
                let text = format!("{} holds again what was known of it", file.path);
                ("user".to_owned(), Paint::Note, text)
            }
            Event::PlanCompleted(end) => ("plan".to_owned(), Paint::Good, format!("completed: {}", end.text)),
            Event::PlanFailed(end) => ("plan".to_owned(), Paint::Bad, format!("failed: {}", end.text)),
            Event::PlanCleared(cleared) if !cleared.kept.is_empty() => {
                let kept: Vec<String> =
                    cleared.kept.iter().map(|one| format!("{} ({})", one.name, one.reason)).collect();
                ("plan".to_owned(), Paint::Warm, format!("worktrees that stay: {}", kept.join("; ")))
            }
            _ => return None,
        };
        Some(Saying { who, paint, text })
    }
}

/// What a status means, when it is worth a word. Thinking is what agents do all day, questions and failures have
/// events of their own.
fn doing(status: ParticipantStatus, detail: Option<&str>) -> Option<(Paint, String)> {
    match status {
        ParticipantStatus::Editing => Some((Paint::Note, format!("edits {}", detail.unwrap_or("a file")))),
        ParticipantStatus::RunningTool => Some((Paint::Dim, format!("runs {}", detail.unwrap_or("a tool")))),
        ParticipantStatus::Paused => {
            Some((Paint::Warm, format!("waits: {}", detail.unwrap_or("it is paused"))))
        }
        ParticipantStatus::Stale => Some((Paint::Bad, "is gone".to_owned())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{LockChange, LockMode};

    #[test]
    fn every_kind_of_event_can_be_told() {
        let mut narrator = Narrator::default();
        let events = testkit::every_event();
        let told = events.iter().filter(|event| narrator.tell(event).is_some()).count();
        assert!(told >= 15, "only {told} of {} kinds are told", events.len());
    }

    #[test]
    fn a_wait_names_who_stands_in_the_way() {
        let clock = testkit::ManualClock::default();
        let entropy = testkit::SeededEntropy::new(1);
        let id = || RegistrationId::new(&clock, &entropy);
        let (claude, kimi) = (id(), id());
        let change = |phase, holder, agent: &str, other| {
            Event::LockChanged(LockChange {
                phase,
                worktree: "/w".to_owned(),
                path: "src/a.rs".to_owned(),
                mode: LockMode::Exclusive,
                holder,
                agent: agent.to_owned(),
                session: None,
                token: 1,
                other,
            })
        };
        let mut narrator = Narrator::default();
        assert_eq!(narrator.tell(&change(LockPhase::Acquired, claude, "claude", None)), None);
        let waits = narrator.tell(&change(LockPhase::Waiting, kimi, "kimi", Some(claude))).unwrap();
        assert_eq!(
            (waits.who.as_str(), waits.text.as_str()),
            ("kimi", "waits for src/a.rs, which claude holds")
        );
        let took = narrator.tell(&change(LockPhase::TakenOver, kimi, "kimi", Some(claude))).unwrap();
        assert_eq!(took.text, "took src/a.rs over from claude");
        assert_eq!((narrator.lock_waits, narrator.lock_takeovers), (1, 1));
    }
}
