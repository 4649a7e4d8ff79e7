//! Trust: which scripts of a repository may be run in its worktrees.
//!
//! Invariant: what is trusted are bytes, by their hash. A script that changes is another one, and is asked about again.

use crate::{Call, Engine};
use model::{Event, Refusal, Repo, RepoId};
use store::View;

/// Hashes that one repo can have trusted; the oldest go first.
pub(crate) const TRUSTED_MAX: usize = 64;
/// Length of a hash, in hex digits.
const HASH_LEN: usize = 64;

impl Engine {
    /// Trusts scripts by the hashes under which they were seen. With `only`, none but these from now on.
    pub async fn trust_scripts(
        &self,
        call: &Call,
        repo: RepoId,
        hashes: Vec<String>,
        only: bool,
    ) -> Result<Repo, Refusal> {
        call.only_user()?;
        let well_formed = |hash: &String| {
            hash.len() == HASH_LEN && hash.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
        };
        if hashes.len() > TRUSTED_MAX || !hashes.iter().all(well_formed) {
            let message = format!("at most {TRUSTED_MAX} hashes of {HASH_LEN} hex digits are trusted");
            return Err(Refusal::invalid("hash_invalid", message)
                .hint("`coditect repo scripts` shows the scripts and their hashes"));
        }
        let command = move |view: &View<'_>| {
            let mut changed = view.repo(repo)?.ok_or_else(|| Refusal::not_found("repo", repo))?;
            let before = changed.trusted.clone();
            if only {
                changed.trusted.clear();
            }
            for hash in hashes {
                changed.trusted.retain(|known| *known != hash);
                changed.trusted.push(hash);
            }
            let more = changed.trusted.len().saturating_sub(TRUSTED_MAX);
            changed.trusted.drain(..more);
            Ok(if changed.trusted == before { Vec::new() } else { vec![Event::RepoChanged(changed)] })
        };
        self.shared.commit(call.actor(), call.key.clone(), command).await?;
        self.repo(repo)
    }
}
