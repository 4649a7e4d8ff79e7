//! Who is on the bus, and which of them somebody means.
//!
//! A session is named by its id, by an unambiguous start of its short id, or by what it is called when only one is
//! called so.

use crate::failure::{Exit, Failure};
use bus::Bus;
use model::{Presence, RegistrationId, SHORT_ID_MIN, Vitality};

/// Most sessions an error lists.
const CANDIDATES_MAX: usize = 8;

/// Everybody registered, oldest first.
#[derive(Debug)]
pub(crate) struct Roster {
    sessions: Vec<Presence>,
}

impl Roster {
    pub(crate) fn read(bus: &Bus) -> Result<Self, Failure> {
        Ok(Self { sessions: bus.sessions()? })
    }

    pub(crate) fn sessions(&self) -> &[Presence] {
        &self.sessions
    }

    pub(crate) fn get(&self, id: RegistrationId) -> Option<&Presence> {
        self.sessions.iter().find(|one| one.registration.id == id)
    }

    /// Name and short id, for people.
    pub(crate) fn label(&self, id: RegistrationId) -> String {
        match self.get(id) {
            Some(one) => label(one),
            None => id.short(),
        }
    }

    /// The session that is meant.
    pub(crate) fn find(&self, given: &str) -> Result<RegistrationId, Failure> {
        if let Ok(id) = given.parse() {
            return Ok(id);
        }
        let short = given.to_ascii_lowercase();
        let starts =
            |one: &Presence| short.len() >= SHORT_ID_MIN && one.registration.id.short().starts_with(&short);
        let meant: Vec<&Presence> =
            self.sessions.iter().filter(|one| one.registration.agent == given || starts(one)).collect();
        match meant.as_slice() {
            [one] => Ok(one.registration.id),
            [] => Err(self.unknown(given)),
            several => {
                let words = format!("`{given}` names {} sessions: {}", several.len(), list(several));
                Err(Failure::usage("ambiguous_session", words).hint("give more of the short id"))
            }
        }
    }

    fn unknown(&self, given: &str) -> Failure {
        let all: Vec<&Presence> = self.sessions.iter().filter(|one| one.vitality != Vitality::Dead).collect();
        let words = match all.is_empty() {
            true => format!("no live session is called `{given}`; nobody is on the bus"),
            false => format!("no live session is called `{given}`; there are: {}", list(&all)),
        };
        Failure::new(Exit::NotFound, "no_session", words).hint("`coditect who` shows who is there")
    }
}

pub(crate) fn label(one: &Presence) -> String {
    format!("{} {}", one.registration.agent, one.registration.id.short())
}

fn list(some: &[&Presence]) -> String {
    let (shown, more) = some.split_at(some.len().min(CANDIDATES_MAX));
    let words =
        |one: &&Presence| format!("{} ({}, {})", label(one), one.registration.vendor, one.vitality.as_str());
    model::named(shown.iter().map(words), more.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{Registration, RegistrationPhase, Timestamp};
    use std::time::Duration;

    fn session(agent: &str, tail: u128) -> Presence {
        let id: RegistrationId = format!("reg_{tail:032x}").parse().unwrap();
        let at = Timestamp::from_millis(0);
        Presence {
            registration: Registration {
                id,
                agent: agent.to_owned(),
                vendor: "claude".to_owned(),
                model: None,
                session: None,
                worktree: None,
                pid: None,
                phase: RegistrationPhase::Active,
                registered_at: at,
                heartbeat_at: at,
            },
            vitality: Vitality::Alive,
            beat_age: Duration::ZERO,
            status: None,
            tty: None,
            repo: None,
            task: None,
            parent: None,
            sub_agent: None,
            active_files: Vec::new(),
            machine: None,
        }
    }

    #[test]
    fn a_session_is_meant_by_id_short_id_or_name() {
        let (ada, bob) = (session("ada", 1 << 45), session("bob", 2 << 45));
        let (a, b) = (ada.registration.id, bob.registration.id);
        let roster = Roster { sessions: vec![ada, bob, session("bob", 3)] };
        assert_eq!(a.short(), "1000000000");
        for given in ["ada", "1000", "1000000000", a.to_string().as_str()] {
            assert_eq!(roster.find(given).unwrap(), a, "{given}");
        }
        assert_eq!(roster.find("2000").unwrap(), b);
        let several = roster.find("bob").unwrap_err();
        assert_eq!((several.exit, several.detail.code.as_str()), (Exit::Usage, "ambiguous_session"));
        assert!(
            several.detail.message.contains("bob 2000000000")
                && several.detail.message.contains("bob 0000000003")
        );
        let nobody = roster.find("100").unwrap_err();
        assert_eq!((nobody.exit, nobody.detail.code.as_str()), (Exit::NotFound, "no_session"));
        assert!(nobody.detail.message.contains("ada 1000000000"), "{}", nobody.detail.message);
    }

    #[test]
    fn candidates_are_listed_up_to_a_limit() {
        let roster = Roster { sessions: (0..20).map(|n| session("x", n << 20)).collect() };
        assert!(roster.find("x").unwrap_err().detail.message.ends_with("and 12 more"));
    }
}
