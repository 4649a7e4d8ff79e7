//! Proof of life. Death is only concluded from a positive sign: a lock file nobody holds, a process that
//! is not there, a lease that ran out, another boot.

use crate::error::BusError;
use crate::registration::Liveness;
use crate::system;
use rustix::fs::{FlockOperation, flock};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What the table keeps about how a registration proves its life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Proof {
    LockFile(PathBuf),
    Process { pid: u32, starttime: u64, namespace: u64 },
    Lease { ttl: Duration, expires_ns: i64 },
}

impl Proof {
    /// `boot` is the one it was registered in, `present` the one we are in.
    pub(crate) fn death(&self, boot: &str, present: &str, now_ns: i64) -> Option<&'static str> {
        if boot != present {
            return Some("died");
        }
        match self {
            Self::LockFile(path) => (!is_held(path)).then_some("died"),
            Self::Process { pid, starttime, namespace } => {
                // Numbers of another pid namespace mean nothing here; only its own members can tell.
                let visible = *namespace == pid_namespace();
                (visible && system::process_start(*pid) != Some(*starttime)).then_some("died")
            }
            Self::Lease { expires_ns, .. } => (*expires_ns <= now_ns).then_some("expired"),
        }
    }
}

/// True while somebody holds the file's `flock`. Looking takes a shared lock for a moment, so two who look do not
/// mistake each other for the holder; the holder must not give up at the first refusal.
fn is_held(path: &Path) -> bool {
    let Ok(file) = File::open(path) else { return false };
    flock(&file, FlockOperation::NonBlockingLockShared).is_err()
}

fn pid_namespace() -> u64 {
    rustix::fs::stat("/proc/self/ns/pid").map_or(0, |stat| stat.st_ino)
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
    }
}
