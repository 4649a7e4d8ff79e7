//! Proof of life. Death is only concluded from a positive sign: a lock file nobody holds, a process that
//! is not there, a lease that ran out, another boot.

use crate::doorbell::Doorbell;
use crate::error::BusError;
use crate::registration::Liveness;
use crate::system;
use rustix::fs::{FlockOperation, flock};
use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// What the table keeps about how a registration proves its life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Proof {
    LockFile(PathBuf),
    Process {
        pid: u32,
        starttime: u64,
        namespace: u64,
    },
    Lease {
        ttl: Duration,
        expires_ns: i64,
    },
    /// On the machine of this name; the bridge that announced it ends it.
    Elsewhere(String),
}

impl Proof {
    /// The other machine it lives on.
    pub(crate) fn machine(&self) -> Option<&str> {
        match self {
            Self::Elsewhere(machine) => Some(machine),
            _ => None,
        }
    }

    /// `boot` is the one it was registered in, `present` the one we are in.
    pub(crate) fn death(&self, boot: &str, present: &str, now_ns: i64) -> Option<&'static str> {
        if boot != present && !matches!(self, Self::Elsewhere(_)) {
            return Some("died");
        }
        match self {
            Self::LockFile(path) => (!is_held(path)).then_some("died"),
            Self::Process { pid, starttime, namespace } => {
                // Numbers of another pid namespace mean nothing here; only its own members can tell.
                let visible = *namespace == pid_namespace();
                (visible && start_of(*pid) != Some(*starttime)).then_some("died")
            }
            Self::Lease { expires_ns, .. } => (*expires_ns <= now_ns).then_some("expired"),
            Self::Elsewhere(_) => None,
        }
    }
}

/// True while somebody holds the file's `flock`. Looking takes a shared lock for a moment, so two who look do not
/// mistake each other for the holder; the holder must not give up at the first refusal.
fn is_held(path: &Path) -> bool {
    let Ok(file) = File::open(path) else { return false };
    flock(&file, FlockOperation::NonBlockingLockShared).is_err()
}

/// How often a waiter looks whether a lock file in its way is still held: to look costs some 3 µs.
const LOCK_FILE_POLL: Duration = Duration::from_millis(4);

/// Those a waiter wants to see die.
#[derive(Debug, Default)]
pub(crate) struct Lives {
    proofs: Vec<Proof>,
    processes: Vec<OwnedFd>,
    files: Vec<PathBuf>,
}

impl Lives {
    /// From now on these. Processes are watched by descriptor, so their end is seen at once; who cannot be watched
    /// is looked at with the rest.
    pub(crate) fn watch(&mut self, proofs: Vec<Proof>) {
        if proofs == self.proofs {
            return;
        }
        self.processes.clear();
        self.files.clear();
        for proof in &proofs {
            match proof {
                #[cfg(target_os = "linux")]
                Proof::Process { pid, namespace, .. } if *namespace == pid_namespace() => {
                    let pid = i32::try_from(*pid).ok().and_then(rustix::process::Pid::from_raw);
                    let open =
                        |pid| rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()).ok();
                    self.processes.extend(pid.and_then(open));
                }
                Proof::LockFile(path) if !self.files.contains(path) => self.files.push(path.clone()),
                _ => {}
            }
        }
        self.proofs = proofs;
    }

    /// Waits for the bell, for a death, or for the time to be over.
    pub(crate) fn wait(&self, bell: &Doorbell, limit: Duration) -> Result<(), BusError> {
        if self.files.is_empty() {
            return bell.wait_beside(limit, &self.processes).map(drop);
        }
        let begun = Instant::now();
        loop {
            let left = limit.saturating_sub(begun.elapsed());
            if bell.wait_beside(left.min(LOCK_FILE_POLL), &self.processes)?
                || left.is_zero()
                || self.files.iter().any(|file| !is_held(file))
            {
                return Ok(());
            }
        }
    }
}

pub(crate) fn pid_namespace() -> u64 {
    static OWN: OnceLock<u64> = OnceLock::new();
    *OWN.get_or_init(|| rustix::fs::stat("/proc/self/ns/pid").map_or(0, |stat| stat.st_ino))
}

/// Our own start never changes, and is asked for at every publish.
fn start_of(pid: u32) -> Option<u64> {
    static OWN: OnceLock<Option<u64>> = OnceLock::new();
    let own = std::process::id();
    if pid == own { *OWN.get_or_init(|| system::process_start(own)) } else { system::process_start(pid) }
}

/// Checks what was announced, before it is believed.
pub(crate) fn prove(liveness: &Liveness, now_ns: i64) -> Result<Proof, BusError> {
    match liveness {
        Liveness::LockFile(path) => {
            if !path.is_absolute() {
                return Err(BusError::Invalid("a liveness file is named by its absolute path".to_owned()));
            }
            if path.to_str().is_none() {
                return Err(BusError::Invalid("the path of a liveness file must be UTF-8".to_owned()));
            }
            if !is_held(path) {
                return Err(BusError::NotAlive(path.display().to_string()));
            }
            Ok(Proof::LockFile(path.clone()))
        }
        Liveness::Process { pid, starttime } => {
            if system::process_start(*pid) != Some(*starttime) {
                return Err(BusError::NotAlive(format!("process {pid}")));
            }
            Ok(Proof::Process { pid: *pid, starttime: *starttime, namespace: pid_namespace() })
        }
        Liveness::Lease { ttl } => {
            if ttl.is_zero() || *ttl > crate::lock::LOCK_TTL_MAX {
                let most = crate::lock::LOCK_TTL_MAX.as_secs();
                return Err(BusError::Invalid(format!("a lease of life is at most {most} s and not 0")));
            }
            Ok(Proof::Lease { ttl: *ttl, expires_ns: now_ns.saturating_add(crate::write::nanos(*ttl)) })
        }
        Liveness::Elsewhere { machine } => Ok(Proof::Elsewhere(machine.clone())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_file_is_alive_while_it_is_held() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("live");
        let proof = Proof::LockFile(path.clone());
        assert_eq!(proof.death("b", "b", 0), Some("died"), "no file");
        let held = File::create(&path).unwrap();
        assert_eq!(proof.death("b", "b", 0), Some("died"), "not held");
        flock(&held, FlockOperation::LockExclusive).unwrap();
        assert_eq!(proof.death("b", "b", 0), None);
        assert_eq!(proof.death("b", "c", 0), Some("died"), "another boot");
        drop(held);
        assert_eq!(proof.death("b", "b", 0), Some("died"));
    }

    #[test]
    fn a_process_is_its_pid_and_its_start() {
        let pid = std::process::id();
        let starttime = system::process_start(pid).unwrap();
        let proof = |starttime, namespace| Proof::Process { pid, starttime, namespace };
        assert_eq!(proof(starttime, pid_namespace()).death("b", "b", 0), None);
        assert_eq!(
            proof(starttime + 1, pid_namespace()).death("b", "b", 0),
            Some("died"),
            "the pid was reused"
        );
        assert_eq!(proof(starttime + 1, 1).death("b", "b", 0), None, "not ours to judge");
    }

    #[test]
    fn a_lease_ends_at_its_time() {
        let proof = Proof::Lease { ttl: Duration::from_secs(1), expires_ns: 10 };
        assert_eq!(proof.death("b", "b", 9), None);
        assert_eq!(proof.death("b", "b", 10), Some("expired"));
        let elsewhere = Proof::Elsewhere("other".to_owned());
        assert_eq!(elsewhere.death("b", "c", 10), None, "our boot says nothing about another machine");
    }
}
