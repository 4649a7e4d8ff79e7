//! Credentials of runs: minted at the start, dead at the end, never stored.

use crate::Caller;
use model::{Entropy, RunId};
use std::collections::HashMap;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Random bytes in a token.
const TOKEN_BYTES: usize = 32;

/// Who may speak for which run. Only hashes are kept, so that a memory image gives nothing away.
#[derive(Debug, Default)]
pub(crate) struct Credentials {
    callers: Mutex<HashMap<[u8; 32], (RunId, Caller)>>,
}

impl Credentials {
    /// Makes a token for the run and puts it into `dir/token`, mode 0600.
    pub(crate) fn mint(
        &self,
        run: RunId,
        caller: Caller,
        entropy: &dyn Entropy,
        dir: &Path,
    ) -> std::io::Result<PathBuf> {
        let mut random = [0u8; TOKEN_BYTES];
        entropy.fill(&mut random);
        let token: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        let path = dir.join("token");
        let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        file.write_all(token.as_bytes())?;
        self.lock().insert(hash(&token), (run, caller));
        Ok(path)
    }

    /// Looking up a hash of the token leaks nothing about other tokens by its timing.
    pub(crate) fn caller(&self, token: &str) -> Option<Caller> {
        self.lock().get(&hash(token)).map(|(_, caller)| caller.clone())
    }

    pub(crate) fn revoke(&self, run: RunId) {
        self.lock().retain(|_, (owner, _)| *owner != run);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<[u8; 32], (RunId, Caller)>> {
        self.callers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn hash(token: &str) -> [u8; 32] {
    blake3::hash(token.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_token_speaks_for_its_run_until_it_is_revoked() {
        let dir = tempfile::tempdir().unwrap();
        let (credentials, entropy) = (Credentials::default(), testkit::SeededEntropy::new(1));
        let run = RunId::new(&testkit::ManualClock::default(), &entropy);
        let path = credentials.mint(run, Caller::User, &entropy, dir.path()).unwrap();
        let token = std::fs::read_to_string(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(credentials.caller(&token), Some(Caller::User));
        assert_eq!(credentials.caller(&token[1..]), None);
        credentials.revoke(run);
        assert_eq!(credentials.caller(&token), None);
    }
}
