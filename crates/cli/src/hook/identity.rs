//! Who a hook acts for: the registration of the vendor's session, found again at every call.
//!
//! Its id is made from the vendor's own ids and the process, so any number of hooks at once come to the same one
//! without asking each other, and a session that comes back after its end is another registration.

use agent::{Cli, HookEvent};
use bus::{Bus, BusError, Details, Liveness, NewRegistration};
use model::{RegistrationId, Vendor};
use std::time::Duration;

/// How often a vendor's session may come back in one process.
const LIVES_MAX: u32 = 64;
/// How long a session lives without a word when no process of its vendor is found above the hook.
const QUIET_MAX: Duration = Duration::from_secs(30 * 60);

/// A session, or one of its sub-agents, on the bus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Actor {
    pub(super) id: RegistrationId,
    pub(super) agent: String,
    /// The daemon drives it: it registered it, and ends it.
    pub(super) driven: bool,
}

/// The process a session lives by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Program {
    pub(super) pid: u32,
    pub(super) started: u64,
}

impl Program {
    /// The vendor's program above us.
    pub(super) fn above(cli: Cli) -> Option<Self> {
        let pid = bus::program_above(Some(cli.as_str()))?;
        Some(Self { pid, started: bus::system::process_start(pid)? })
    }
}

/// Where a session works, as it is announced.
#[derive(Debug, Clone, Default)]
pub(super) struct Scene {
    pub(super) worktree: Option<String>,
    pub(super) repo: Option<String>,
    pub(super) program: Option<Program>,
}

/// The session itself, whatever sub-agent the event happened in. Registered now when nobody has.
pub(super) fn session(bus: &Bus, event: &HookEvent, scene: &Scene) -> Result<Actor, BusError> {
    live(bus, event, None, scene, event.cli.as_str().to_owned(), None)
}

/// Who the event happened in: the session, or a sub-agent of it.
pub(super) fn actor(bus: &Bus, event: &HookEvent, scene: &Scene) -> Result<Actor, BusError> {
    let whole = session(bus, event, scene)?;
    let Some(sub) = &event.agent else { return Ok(whole) };
    let kind = event.agent_type.clone().unwrap_or_else(|| sub.clone());
    let agent = clipped(&format!("{}:{kind}", event.cli));
    let details = Details { parent: Some(whole.id.to_string()), sub_agent: Some(kind), ..Details::default() };
    live(bus, event, Some(sub), scene, agent, Some(details))
}

/// The registration of the event's first life: what it is taken for when the bus cannot be asked.
pub(super) fn first(event: &HookEvent, program: Option<Program>) -> RegistrationId {
    derived(event, event.agent.as_deref(), program, 0)
}

/// The registration the event belongs to when it is there; nobody is announced.
pub(super) fn known(
    bus: &Bus,
    event: &HookEvent,
    program: Option<Program>,
) -> Result<Option<RegistrationId>, BusError> {
    for life in 0..LIVES_MAX {
        let id = derived(event, event.agent.as_deref(), program, life);
        if bus.is_alive(id)? {
            return Ok(Some(id));
        }
        if bus.registration(id)?.is_none() {
            break;
        }
    }
    Ok(None)
}

fn live(
    bus: &Bus,
    event: &HookEvent,
    sub: Option<&str>,
    scene: &Scene,
    agent: String,
    details: Option<Details>,
) -> Result<Actor, BusError> {
    for life in 0..LIVES_MAX {
        let id = derived(event, sub, scene.program, life);
        // In this order: what another hook of the session announces in between is alive, not a life that is over.
        let announced = bus.registration(id)?.is_some();
        if bus.is_alive(id)? {
            return Ok(Actor { id, agent, driven: false });
        }
        if announced {
            continue;
        }
        let liveness = match scene.program {
            Some(program) => Liveness::Process { pid: program.pid, starttime: program.started },
            None => Liveness::Lease { ttl: QUIET_MAX },
        };
        let new = NewRegistration {
            id: Some(id),
            agent: agent.clone(),
            vendor: vendor(event.cli).as_str().to_owned(),
            model: event.model.as_deref().map(clipped),
            session: None,
            worktree: scene.worktree.clone(),
            liveness,
        };
        match bus.register(new) {
            // Another hook of the session was first, and knew more or less of it.
            Err(BusError::Invalid(_)) if bus.is_alive(id)? => {}
            // It ended while we looked.
            Err(BusError::Ended(_)) => continue,
            Err(error) => return Err(error),
            Ok(_) => {
                let details = Details {
                    tty: tty(scene.program),
                    repo: scene.repo.clone(),
                    ..details.unwrap_or_default()
                };
                if details != Details::default() {
                    bus.describe(id, &details)?;
                }
            }
        }
        return Ok(Actor { id, agent, driven: false });
    }
    Err(BusError::Invalid(format!("session {} came back more than {LIVES_MAX} times", event.session)))
}

/// The id of a session's registration.
fn derived(event: &HookEvent, sub: Option<&str>, program: Option<Program>, life: u32) -> RegistrationId {
    let mut hasher = blake3::Hasher::new();
    let (pid, started) = program.map_or((0, 0), |program| (program.pid, program.started));
    for part in [event.cli.as_str(), &event.session, sub.unwrap_or_default()] {
        hasher.update(part.as_bytes());
        hasher.update(&[0]);
    }
    hasher.update(&pid.to_le_bytes()).update(&started.to_le_bytes()).update(&life.to_le_bytes());
    let mut bytes = [0u8; 16];
    bytes.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    // Read as any other id: a UUIDv7, made at the beginning of time.
    bytes[..6].fill(0);
    bytes[6] = 0x70 | (bytes[6] & 0x0f);
    bytes[8] = 0x80 | (bytes[8] & 0x3f);
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    // 32 hex digits behind the prefix are an id; anything else would be a fault of this function.
    format!("reg_{hex}").parse().unwrap_or_else(|_| unreachable!("32 hex digits are an id"))
}

const fn vendor(cli: Cli) -> Vendor {
    match cli {
        Cli::Claude => Vendor::Anthropic,
        Cli::Codex => Vendor::Openai,
        Cli::Gemini => Vendor::Google,
        Cli::Kimi => Vendor::Moonshot,
    }
}

/// As much of a vendor's word as a registration takes.
fn clipped(text: &str) -> String {
    let clean: String = text.chars().filter(|c| !c.is_control()).collect();
    let end = clean.floor_char_boundary(bus::LABEL_MAX);
    if end == 0 { "unnamed".to_owned() } else { clean[..end].to_owned() }
}

/// The terminal the vendor's program talks to; the hook itself has none.
fn tty(program: Option<Program>) -> Option<String> {
    let pid = program?.pid;
    [0, 1, 2].into_iter().find_map(|fd| {
        let name = std::fs::read_link(format!("/proc/{pid}/fd/{fd}")).ok()?;
        let name = name.to_str()?.strip_prefix("/dev/")?.to_owned();
        (name.starts_with("pts/") || name.starts_with("tty")).then_some(name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use agent::Moment;

    fn event(session: &str) -> HookEvent {
        HookEvent {
            cli: Cli::Claude,
            name: "Stop".to_owned(),
            session: session.to_owned(),
            agent: None,
            agent_type: None,
            cwd: None,
            model: None,
            moment: Moment::Stop,
        }
    }

    #[test]
    fn the_same_session_is_the_same_registration_and_another_is_not() {
        let program = Some(Program { pid: 7, started: 9 });
        let id = derived(&event("s"), None, program, 0);
        assert_eq!(id, derived(&event("s"), None, program, 0));
        for other in [
            derived(&event("t"), None, program, 0),
            derived(&event("s"), Some("a"), program, 0),
            derived(&event("s"), None, None, 0),
            derived(&event("s"), None, program, 1),
        ] {
            assert_ne!(id, other);
        }
    }

    #[test]
    fn a_vendors_word_becomes_a_label() {
        assert_eq!(clipped("a\nb"), "ab");
        assert_eq!(clipped("\u{7}"), "unnamed");
        assert!(clipped(&"ü".repeat(200)).len() <= bus::LABEL_MAX);
    }
}
