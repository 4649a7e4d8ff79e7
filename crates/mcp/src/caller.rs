//! Who calls. Over HTTP the daemon's gate knows; on stdio it is the vendor's program this server is a child of.
//!
//! In this order: the run the environment names, the session it names, the nearest process above that is on the bus, and
//! else the vendor's process itself, which is registered now and lives on the bus for as long as it runs.

use crate::failure::Failure;
use crate::server::Place;
use bus::{Bus, Liveness, NewRegistration, Worktree};
use client::Credential;
use model::RegistrationId;
use std::path::Path;

/// Vendors of registrations that stand for no session: commands of a shell, and the user on the page.
const NOBODY: [&str; 2] = ["cli", "coditect"];
/// Programs that only start others.
const SHELLS: [&str; 5] = ["sh", "bash", "dash", "zsh", "env"];
/// The vendors' names, as they are in their programs' names.
const VENDORS: [&str; 4] = ["claude", "codex", "gemini", "kimi"];

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
    let pid = vendors_process();
    let gone = || Failure::internal("the program that started this server is gone");
    let starttime = bus::system::process_start(pid).ok_or_else(gone)?;
    let agent = label(program.unwrap_or("mcp"));
    let worktree = Worktree::around(&place.cwd).ok().and_then(|worktree| worktree.name().ok());
    let new = NewRegistration {
        id: None,
        vendor: vendor(&agent),
        agent,
        model: None,
        session: None,
        worktree,
        liveness: Liveness::Process { pid, starttime },
    };
    Ok(bus.register(new)?.id)
}

/// The process that started us, beyond shells that only ran the command.
fn vendors_process() -> u32 {
    let mut pid = std::os::unix::process::parent_id();
    while is_launcher(pid)
        && let Some(above) = bus::parent_of(pid).filter(|above| *above > 1)
    {
        pid = above;
    }
    pid
}

/// A shell with a script or a command to run; one at a terminal is somebody.
fn is_launcher(pid: u32) -> bool {
    let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let mut words =
        line.split(|byte| *byte == 0).map(String::from_utf8_lossy).filter(|word| !word.is_empty());
    let program = words.next().unwrap_or_default().into_owned();
    let name = Path::new(&program).file_name().and_then(|name| name.to_str()).unwrap_or_default();
    SHELLS.contains(&name) && words.next().is_some_and(|word| !word.starts_with('-') || word.ends_with('c'))
}

/// What a program calls itself, as a label others can type.
fn label(program: &str) -> String {
    let plain: String = program.chars().filter(|c| c.is_ascii_graphic()).take(64).collect();
    if plain.is_empty() { "mcp".to_owned() } else { plain }
}

fn vendor(agent: &str) -> String {
    let small = agent.to_ascii_lowercase();
    VENDORS
        .iter()
        .find(|vendor| small.contains(**vendor))
        .map_or_else(|| "mcp".to_owned(), |v| (*v).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vendor_is_known_by_what_its_program_calls_itself() {
        for (program, of) in [
            ("claude-code", "claude"),
            ("codex-mcp-client", "codex"),
            ("gemini-cli-mcp-client", "gemini"),
            ("Kimi Code", "kimi"),
            ("inspector", "mcp"),
        ] {
            assert_eq!(vendor(&label(program)), of);
        }
        assert_eq!(label("a\u{1b}[31m b"), "a[31mb");
        assert_eq!(label("\n"), "mcp");
        assert!(label(&"x".repeat(500)).len() <= bus::LABEL_MAX);
    }

    #[test]
    fn only_shells_with_something_to_run_are_passed_over() {
        assert!(!is_launcher(std::process::id()));
        assert!(!is_launcher(u32::MAX));
    }
}
