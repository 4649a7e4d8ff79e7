//! The parts of a system prompt that stay the same from turn to turn, made once: the rules, what is asked of the agent by its
//! configuration, and what the repository asks of agents.
//!
//! Invariant: a part is as its source is now. What the configuration says is made anew with its version, files with their marks.

use agent::ContextFiles;
use model::{AgentName, Driver, Repo, TaskKind};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Parts that are kept; with one more, all are made anew.
const KEPT_MAX: usize = 1_024;

#[derive(Default)]
pub(crate) struct Fragments {
    kept: Mutex<Kept>,
    pub(crate) files: ContextFiles,
}

#[derive(Default)]
struct Kept {
    /// Of the configuration they were made from.
    version: u64,
    parts: HashMap<Key, Arc<str>>,
    made: u64,
}

/// What a part is made of besides the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    agent: AgentName,
    driver: Driver,
    kind: TaskKind,
    repo: Option<(String, Option<Vec<String>>)>,
}

impl Key {
    pub(crate) fn new(agent: &AgentName, driver: Driver, kind: TaskKind, repo: Option<&Repo>) -> Self {
        let repo = repo.map(|repo| (repo.slug.clone(), repo.test_command.clone()));
        Self { agent: agent.clone(), driver, kind, repo }
    }
}

impl Fragments {
    /// The part, made now if it was not before under this version of the configuration.
    pub(crate) fn part(&self, version: u64, key: Key, make: impl FnOnce() -> String) -> Arc<str> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.version != version || kept.parts.len() >= KEPT_MAX {
            kept.parts.clear();
            kept.version = version;
        }
        if let Some(part) = kept.parts.get(&key) {
            return Arc::clone(part);
        }
        let part: Arc<str> = make().into();
        kept.made += 1;
        kept.parts.insert(key, Arc::clone(&part));
        part
    }

    /// How many parts were made so far.
    #[cfg(test)]
    pub(crate) fn made(&self) -> u64 {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).made
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(agent: &str, kind: TaskKind) -> Key {
        Key::new(&agent.parse().unwrap(), Driver::Native, kind, None)
    }

    #[test]
    fn a_part_is_made_once_for_each_version_and_each_of_its_sources() {
        let fragments = Fragments::default();
        let part =
            |version, agent, kind| fragments.part(version, key(agent, kind), || format!("{version} {agent}"));
        for _ in 0..3 {
            assert_eq!(&*part(1, "claude", TaskKind::Prompt), "1 claude");
        }
        assert_eq!(fragments.made(), 1);
        part(1, "kimi", TaskKind::Prompt);
        part(1, "claude", TaskKind::Review);
        assert_eq!(fragments.made(), 3);
        assert_eq!(&*part(2, "claude", TaskKind::Prompt), "2 claude");
        assert_eq!(fragments.made(), 4);
    }

    #[test]
    fn no_more_are_kept_than_there_is_room_for() {
        let fragments = Fragments::default();
        for number in 0..=KEPT_MAX {
            fragments.part(1, key(&format!("a{number}"), TaskKind::Work), String::new);
        }
        assert_eq!(fragments.kept.lock().unwrap().parts.len(), 1);
    }
}
