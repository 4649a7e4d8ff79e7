//! Who does a task that names no target: whoever has what it wants, then whoever has least to do.
//!
//! It is decided when the task could begin, not when it is submitted, and said in the event with its reason.

use crate::AgentConfig;
use crate::engine::Shared;
use crate::turn::start;
use model::{
    Event, Participant, ParticipantId, Refusal, RefusalKind, SessionId, Task, TaskAssignment, Vendor,
};
use std::collections::{BTreeMap, BTreeSet};
use store::{ParticipantRow, TaskRow, View};

const NOBODY: &str = "nobody_capable";

/// One who could do it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Candidate {
    participant: ParticipantId,
    agent: String,
    /// Tasks of the session before it.
    load: u64,
    /// Its vendor takes no calls now.
    paused: bool,
}

/// What an agent is able to, as words: its vendor, driver and model, whether it has agents of its own, and what its
/// configuration says.
pub(crate) fn capabilities(agent: &AgentConfig) -> BTreeSet<String> {
    let mut words = BTreeSet::from([
        agent.vendor.as_str().to_owned(),
        agent.driver.as_str().to_owned(),
        format!("model:{}", agent.model.to_lowercase()),
        "edit".to_owned(),
    ]);
    if agent.driver.has_sub_agents() {
        words.insert("sub_agents".to_owned());
    }
    words.extend(agent.capabilities.iter().cloned());
    words
}

/// Whether these capabilities are all that the task wants.
pub(crate) fn meets(can: &BTreeSet<String>, row: &TaskRow) -> bool {
    row.task.terms.wants.iter().all(|word| can.contains(word))
}

fn is_able(shared: &Shared, seat: &Participant, wants: &[String]) -> bool {
    let snapshot = shared.config.snapshot();
    let able = snapshot.config.agents.get(&seat.agent).map(capabilities);
    able.is_some_and(|able| wants.iter().all(|word| able.contains(word)))
}

/// Refuses wishes that none of these could ever meet.
pub(crate) fn check(shared: &Shared, seats: &[Participant], wants: &[String]) -> Result<(), Refusal> {
    if wants.is_empty() || seats.iter().any(|seat| is_able(shared, seat, wants)) {
        return Ok(());
    }
    Err(nobody(shared, seats, wants))
}

fn nobody(shared: &Shared, seats: &[Participant], wants: &[String]) -> Refusal {
    let snapshot = shared.config.snapshot();
    let missing = |seat: &Participant| {
        let able = snapshot.config.agents.get(&seat.agent).map(capabilities).unwrap_or_default();
        let lacks: Vec<&str> =
            wants.iter().filter(|word| !able.contains(*word)).map(String::as_str).collect();
        format!("{} lacks {}", seat.agent, lacks.join(" and "))
    };
    let said: Vec<String> = seats.iter().map(missing).collect();
    let message = format!("nobody here has {}: {}", wants.join(" and "), said.join("; "));
    Refusal::new(RefusalKind::Conflict, NOBODY, message)
        .hint("leave a wish out, or say in config.json what an agent can: agents.<name>.capabilities")
}

/// Finds somebody for each of these tasks; the refusal of those for whom there is nobody now.
pub(crate) fn assignments(
    shared: &Shared,
    view: &View<'_>,
    session: SessionId,
    seats: &[ParticipantRow],
    paused: &BTreeMap<Vendor, Refusal>,
) -> Result<(Vec<Event>, Vec<Refusal>), Refusal> {
    let (mut events, mut refused) = (Vec::new(), Vec::new());
    let mut given: BTreeMap<ParticipantId, u64> = BTreeMap::new();
    for row in view.unassigned_tasks(session)? {
        match candidates(shared, view, &row.task, seats, paused, &given)? {
            Ok(candidates) => {
                let Some(best) = best(&candidates) else { continue };
                *given.entry(best.participant).or_default() += 1;
                let reason = reason(&row.task.terms.wants, best, &candidates);
                tracing::info!(task = %row.task.id, agent = best.agent, reason, "a task was assigned");
                let (task, participants) = (row.task.id, vec![best.participant]);
                events.push(Event::TaskAssigned(TaskAssignment { session, task, participants, reason }));
            }
            Err(refusal) => refused.push(refusal),
        }
    }
    Ok((events, refused))
}

/// Those who could do it now, or why there is none.
fn candidates(
    shared: &Shared,
    view: &View<'_>,
    task: &Task,
    seats: &[ParticipantRow],
    paused: &BTreeMap<Vendor, Refusal>,
    given: &BTreeMap<ParticipantId, u64>,
) -> Result<Result<Vec<Candidate>, Refusal>, Refusal> {
    let wants = &task.terms.wants;
    let able: Vec<&Participant> =
        seats.iter().map(|row| &row.participant).filter(|seat| is_able(shared, seat, wants)).collect();
    if able.is_empty() {
        let seats: Vec<Participant> = seats.iter().map(|row| row.participant.clone()).collect();
        return Ok(Err(nobody(shared, &seats, wants)));
    }
    let (mut found, mut refusal) = (Vec::new(), None);
    for seat in able {
        if let Err(held) = start::endpoint(shared, seat) {
            refusal.get_or_insert(held);
            continue;
        }
        let load = view.open_tasks_of(task.session, seat.id)?;
        found.push(Candidate {
            participant: seat.id,
            agent: seat.agent.to_string(),
            load: load + given.get(&seat.id).copied().unwrap_or(0),
            paused: paused.contains_key(&seat.vendor),
        });
    }
    Ok(match refusal {
        Some(refusal) if found.is_empty() => Err(refusal),
        _ => Ok(found),
    })
}

/// Least to do, then a vendor that takes calls, then the order of the seats.
fn best(candidates: &[Candidate]) -> Option<&Candidate> {
    candidates.iter().min_by_key(|one| (one.load, one.paused))
}

fn reason(wants: &[String], best: &Candidate, all: &[Candidate]) -> String {
    let tasks = |load: u64| match load {
        0 => "no open task".to_owned(),
        1 => "1 open task".to_owned(),
        more => format!("{more} open tasks"),
    };
    let has = if wants.is_empty() { String::new() } else { format!("has {} and ", wants.join(", ")) };
    let mut said = format!("{} {has}{}", best.agent, tasks(best.load));
    for other in all.iter().filter(|other| other.participant != best.participant) {
        let paused = if other.paused { ", and its vendor is paused" } else { "" };
        said.push_str(&format!("; {}: {}{paused}", other.agent, tasks(other.load)));
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(agent: &str, load: u64, paused: bool, number: u64) -> Candidate {
        let dice = testkit::SeededEntropy::new(number);
        let participant = model::Id::new(&testkit::ManualClock::default(), &dice);
        Candidate { participant, agent: agent.to_owned(), load, paused }
    }

    #[test]
    fn load_goes_before_pauses_and_pauses_before_the_order() {
        let all = [
            candidate("claude", 2, false, 1),
            candidate("kimi", 1, true, 2),
            candidate("codex", 1, false, 3),
        ];
        assert_eq!(best(&all).unwrap().agent, "codex");
        assert_eq!(best(&all[..2]).unwrap().agent, "kimi");
        let said = reason(&["rust".to_owned()], &all[2], &all);
        assert_eq!(
            said,
            "codex has rust and 1 open task; claude: 2 open tasks; kimi: 1 open task, and its vendor is paused"
        );
        let equal = [candidate("claude", 0, false, 1), candidate("kimi", 0, false, 2)];
        assert_eq!(best(&equal).unwrap().agent, "claude");
    }

    #[test]
    fn what_an_agent_can_is_its_configuration_and_its_driver() {
        let agent: AgentConfig = serde_json::from_value(serde_json::json!({
            "vendor": "openai", "driver": "codex", "model": "GPT-5.5", "capabilities": ["rust"],
        }))
        .unwrap();
        let words = capabilities(&agent);
        for word in ["openai", "codex", "model:gpt-5.5", "rust", "edit"] {
            assert!(words.contains(word), "{word} in {words:?}");
        }
    }
}
