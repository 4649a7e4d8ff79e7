//! What a hook decides when messaging.db cannot be asked: busy for too long, damaged, of a newer version, on a full disk.
//!
//! The rule: deny when the table of slots shows another living session in the same worktree, else allow and write
//! down that it was allowed. Only `rt/bell.shm` is looked at, and nothing is made or changed but the log. Who is not
//! provably dead counts as living.

use crate::liveness::pid_namespace;
use crate::mapping::{Mapping, Slot};
use crate::slot::{self, Plate};
use crate::system;
use crate::write::{nanos, unsigned};
use model::{Clock, RegistrationId};
use rustix::fs::{AtFlags, CWD, statat};
use serde_json::json;
use std::fs::{DirBuilder, File};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

/// The log of what was allowed undecided is put aside (one older file stays) when it is this long, in bytes.
pub const UNDECIDED_LOG_MAX: u64 = 64 * 1024;
/// Longest text of a caller in one line of it.
const WORDS_MAX: usize = 512;
const LOG: &str = "undecided.log";
const OLD_LOG: &str = "undecided.log.1";

/// A wish to change a file that the bus could not judge.
#[derive(Debug, Clone)]
pub struct Undecided<'a> {
    /// Canonical path, as in a registration.
    pub worktree: &'a str,
    /// The file, for the log.
    pub path: &'a str,
    /// The asking session, when it knows who it is.
    pub me: Option<RegistrationId>,
    /// Why the bus could not say, for the log.
    pub why: &'a str,
    /// Names the boot; none asks the system.
    pub boot: Option<&'a str>,
}

/// Somebody else in the worktree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Neighbour {
    /// Short id of its registration; its name is in messaging.db alone.
    pub short_id: String,
    /// Its process, when its life hangs on one.
    pub pid: Option<u32>,
    /// How long ago its last sign of life was.
    pub beat_age: Duration,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Others live in the worktree and may hold the file.
    Deny(Vec<Neighbour>),
    /// Nobody else is seen there. `recorded` is false when not even the log could be written.
    Allow { recorded: bool },
}

/// Decides without messaging.db. `dir` is the folder it lies in.
pub fn guard_undecided(dir: &Path, ask: &Undecided<'_>, clock: &dyn Clock) -> Verdict {
    let runtime = dir.join("rt");
    let others = neighbours(&runtime, ask, clock);
    if !others.is_empty() {
        return Verdict::Deny(others);
    }
    Verdict::Allow { recorded: record(&runtime, ask, clock).is_ok() }
}

/// How many changes the log says were allowed undecided.
pub fn undecided_allowed(dir: &Path) -> usize {
    let lines = |name| std::fs::read(dir.join("rt").join(name)).map_or(0, |text| newlines(&text));
    lines(LOG) + lines(OLD_LOG)
}

fn newlines(text: &[u8]) -> usize {
    text.iter().filter(|byte| **byte == b'\n').count()
}

fn neighbours(runtime: &Path, ask: &Undecided<'_>, clock: &dyn Clock) -> Vec<Neighbour> {
    let path = runtime.join("bell.shm");
    let ours = statat(CWD, &path, AtFlags::SYMLINK_NOFOLLOW)
        .is_ok_and(|stat| stat.st_uid == rustix::process::geteuid().as_raw());
    let boot = ask.boot.map_or_else(|| system::boot_id().ok(), |boot| Some(boot.to_owned()));
    let (true, Some(boot), Ok(mapping)) = (ours, boot, Mapping::look(&path)) else { return Vec::new() };
    let table = mapping.table();
    if !slot::is_current(table, slot::boot_tag(&boot)) {
        return Vec::new();
    }
    let (worktree, me) = (slot::worktree_tag(ask.worktree), ask.me.map(slot::tag));
    let now = unsigned(nanos(clock.uptime()));
    let there = table.slots.iter().filter_map(|slot| {
        let owner = slot.owner.load(SeqCst);
        let another = owner > slot::DAEMON && Some(owner) != me;
        (another && slot.worktree.load(SeqCst) == worktree).then(|| neighbour(slot, owner, now)).flatten()
    });
    there.collect()
}

/// None when it is provably dead.
fn neighbour(slot: &Slot, owner: u64, now: u64) -> Option<Neighbour> {
    let plate = Plate::read(slot);
    let beat_age = now.saturating_sub(slot.heartbeat_ns.load(SeqCst));
    let lives_by_process = plate.process_start != 0;
    let gone = lives_by_process
        && plate.pid_namespace == pid_namespace()
        && system::process_start(plate.pid) != Some(plate.process_start);
    let expired = plate.lease_ns != 0 && beat_age >= plate.lease_ns;
    (!gone && !expired).then(|| Neighbour {
        short_id: short(owner),
        pid: lives_by_process.then_some(plate.pid),
        beat_age: Duration::from_nanos(beat_age),
    })
}

/// The tag is the tail of the id, which is what the short id is cut from.
fn short(owner: u64) -> String {
    let id: Result<RegistrationId, _> = format!("reg_{owner:032x}").parse();
    id.map_or_else(|_| String::new(), |id| id.short())
}

fn record(runtime: &Path, ask: &Undecided<'_>, clock: &dyn Clock) -> std::io::Result<()> {
    let clipped = |text: &str| -> String { text.chars().take(WORDS_MAX).collect() };
    let line = json!({
        "at": clock.now(),
        "worktree": clipped(ask.worktree),
        "path": clipped(ask.path),
        "registration": ask.me,
        "why": clipped(ask.why),
    });
    DirBuilder::new().recursive(true).mode(0o700).create(runtime)?;
    let path = runtime.join(LOG);
    let flags = i32::try_from(rustix::fs::OFlags::NOFOLLOW.bits()).unwrap_or(0);
    let mut log = File::options().append(true).create(true).mode(0o600).custom_flags(flags).open(&path)?;
    // Of two who put it aside at once the second one takes the first one's few lines with it.
    if log.metadata()?.len() >= UNDECIDED_LOG_MAX {
        std::fs::rename(&path, runtime.join(OLD_LOG))?;
        log = File::options().append(true).create(true).mode(0o600).custom_flags(flags).open(&path)?;
    }
    // One write, so that lines of two processes do not mix.
    log.write_all(format!("{line}\n").as_bytes())
}
