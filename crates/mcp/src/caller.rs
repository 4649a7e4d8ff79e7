//! Who calls. Over HTTP the daemon's gate knows; on stdio it is the vendor's program this server is a child of.
//!
//! In this order: the run the environment names, the session it names, the nearest process above that is on the bus, and
//! else the vendor's process itself, which is registered now and lives on the bus for as long as it runs.

use crate::failure::Failure;
use crate::server::Place;
use crate::tools::Whose;
use bus::{Bus, Liveness, NewRegistration, Worktree};
use client::Credential;
use model::{RegistrationId, Vendor};

/// Vendors of registrations that stand for no session: commands of a shell, and the user on the page.
const NOBODY: [&str; 2] = ["cli", "coditect"];
/// What is in the vendors' programs' names, and whose they are. Hooks say the same vendor of the same program.
const PROGRAMS: [(&str, Vendor); 4] = [
    ("claude", Vendor::Anthropic),
    ("codex", Vendor::Openai),
    ("gemini", Vendor::Google),
    ("kimi", Vendor::Moonshot),
];

/// Who a server acts for.
#[derive(Clone)]
pub enum Origin {
    /// The program that started this process.
    Parent,
    /// Whoever the daemon's gate let in with a request.
    Request,
}

/// The caller of one call.
#[derive(Debug, Clone)]
pub struct Seat {
    pub registration: RegistrationId,
    /// With which the daemon is asked.
    pub credential: Credential,
    /// As whom the daemon knows it.
    pub whose: Whose,
}

/// Who calls on stdio. `program` is what the client says it is.
pub(crate) fn of_parent(place: &Place, bus: &Bus, program: Option<&str>) -> Result<RegistrationId, Failure> {
    if place.in_run() {
        return place.variable("CODITECT_REGISTRATION").and_then(|id| id.parse().ok()).ok_or_else(|| {
            let words = "this is an agent's run, and CODITECT_REGISTRATION does not name its registration";
            Failure::new("no_registration", words, "leave the variables CODITECT_… as the run has them")
        });
    }
    for name in ["CODITECT_REGISTRATION", "CODITECT_HOLDER"] {
        let Some(given) = place.variable(name) else { continue };
        let known = given.parse().ok().filter(|id| bus.is_alive(*id).unwrap_or(false));
        return known.ok_or_else(|| {
            let words = format!("{name} names no live session");
            Failure::new("no_session", words, "unset it, or name a session that `who` shows")
        });
    }
    if let Some(above) = bus::nearest_above(bus, &NOBODY)? {
        // It calls: a sign of life that nothing rests on.
        let _ = bus.heartbeat(above.registration.id);
        return Ok(above.registration.id);
    }
    register(place, bus, program)
}

fn register(place: &Place, bus: &Bus, program: Option<&str>) -> Result<RegistrationId, Failure> {
    let agent = label(program.unwrap_or("mcp"));
    let known = known(&agent);
    let gone = || Failure::internal("the program that started this server is gone");
    let pid = bus::program_above(known.map(|(name, _)| name)).ok_or_else(gone)?;
    let starttime = bus::system::process_start(pid).ok_or_else(gone)?;
    let worktree = Worktree::around(&place.cwd).ok().and_then(|worktree| worktree.name().ok());
    let new = NewRegistration {
        id: None,
        vendor: known.map_or("mcp", |(_, vendor)| vendor.as_str()).to_owned(),
        agent,
        model: None,
        session: None,
        worktree,
        liveness: Liveness::Process { pid, starttime },
    };
    Ok(bus.register(new)?.id)
}

/// What a program calls itself, as a label others can type.
fn label(program: &str) -> String {
    let plain: String = program.chars().filter(|c| c.is_ascii_graphic()).take(64).collect();
    if plain.is_empty() { "mcp".to_owned() } else { plain }
}

/// The vendor's program that calls itself so.
fn known(agent: &str) -> Option<(&'static str, Vendor)> {
    let small = agent.to_ascii_lowercase();
    PROGRAMS.into_iter().find(|(name, _)| small.contains(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vendor_is_known_by_what_its_program_calls_itself() {
        for (program, of) in [
            ("claude-code", Some(("claude", Vendor::Anthropic))),
            ("codex-mcp-client", Some(("codex", Vendor::Openai))),
            ("gemini-cli-mcp-client", Some(("gemini", Vendor::Google))),
            ("Kimi Code", Some(("kimi", Vendor::Moonshot))),
            ("inspector", None),
        ] {
            assert_eq!(known(&label(program)), of);
        }
        assert_eq!(label("a\u{1b}[31m b"), "a[31mb");
        assert_eq!(label("\n"), "mcp");
        assert!(label(&"x".repeat(500)).len() <= bus::LABEL_MAX);
    }
}
