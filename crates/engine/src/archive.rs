//! Session archives: a whole session as lines of JSON, for another workspace, a drawer, or a person with `jq`.
//!
//! The first line is a manifest, the last one says what there is and where it was. Between them is everything the journal has of the
//! session, payloads and named blobs included, in its order. Each line carries the hash of all before it
//! (`journal/src/chained.rs`), so the last line's hash signs the whole: a file that was cut and a file that was edited are told
//! from a good one and from each other.
//!
//! Invariant: **what is read in sets nothing going** (`store/src/apply/imported.rs`), and nothing that is here is written over.

mod line;
mod read;
mod survey;
mod write;

pub use read::ImportedSession;
pub use write::{ArchiveTally, SessionArchive};

use crate::kin::KIN_MAX;
use crate::{Call, Engine, KinQuery};
use model::{Refusal, SessionId};
use std::collections::BTreeSet;
use std::path::PathBuf;

/// What an archive's chain begins with.
const KIND: &str = "coditect.session";
/// The shape of an archive's lines.
const VERSION: u32 = 1;
/// Most sessions in one archive.
pub const ARCHIVE_SESSIONS_MAX: usize = KIN_MAX + store::GENEALOGY_DEPTH as usize + 1;

impl Engine {
    /// A session as it is now, to be written out; with its family, all that it comes from and all that came out of it, too.
    pub fn export_session(
        &self,
        call: &Call,
        session: SessionId,
        family: bool,
    ) -> Result<SessionArchive, Refusal> {
        call.only_user()?;
        let mut sessions = BTreeSet::from([session]);
        if family {
            let found = self.family(session, KinQuery::default())?;
            if found.more {
                let message = format!("the family has more than {KIN_MAX} sessions");
                return Err(Refusal::invalid("family_too_large", message)
                    .hint("export parts of it: the sessions nearest to the top, each without --family"));
            }
            sessions.extend(found.ancestors.iter().chain(&found.descendants).map(|kin| kin.session));
        }
        SessionArchive::of(&self.shared, session, sessions, family)
    }

    /// Reads an archive in. What was read of it before is not read again; what it names must be nobody else's here.
    pub async fn import_session(&self, call: &Call, path: PathBuf) -> Result<ImportedSession, Refusal> {
        call.only_user()?;
        if !path.is_absolute() {
            return Err(Refusal::invalid(
                "path_not_absolute",
                format!("`{}` is not an absolute path", path.display()),
            )
            .hint("name the archive from the root on"));
        }
        let shared = std::sync::Arc::clone(&self.shared);
        self.shared
            .to_its_end(async move { shared.blocking(move |shared| read::import(shared, &path)).await })
            .await
    }
}
