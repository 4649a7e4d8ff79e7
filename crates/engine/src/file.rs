//! Files: bringing back what one held before somebody wrote over it without a lock.

use crate::engine::Shared;
use crate::writer::{self, Edit};
use crate::{Call, Engine, RestoredView};
use bus::LockRequest;
use model::{
    Event, FileChange, FileRestored, Lock, LockMode, Refusal, RefusalKind, RegistrationId, RepoId, RepoPath,
};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// How long the file is locked for the writing when nobody holds it.
const RESTORE_LOCK_TTL: Duration = Duration::from_secs(30);

/// Which of the known contents comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RestorePoint {
    /// What the file held when its lock was granted.
    BeforeLock,
    /// What the lock's holder left in it last.
    LastKnown,
}

impl RestorePoint {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BeforeLock => "before_lock",
            Self::LastKnown => "last_known",
        }
    }
}

#[derive(Debug, Clone)]
pub struct NewRestore {
    pub repo: RepoId,
    pub path: RepoPath,
    pub to: RestorePoint,
}

impl Engine {
    /// Writes a known content back to a file of the shared checkout: under the lock of whoever holds it, else under one
    /// of the user's for that moment. What is overwritten is kept, too.
    pub async fn restore_file(&self, call: &Call, new: NewRestore) -> Result<RestoredView, Refusal> {
        call.only_user()?;
        let repo = self.repo(new.repo)?;
        let (shared, user) = (Arc::clone(&self.shared), self.shared.user);
        let root = PathBuf::from(&repo.path);
        let wanted = new.clone();
        let job = move || restore(&shared, &root, &wanted, user);
        let (view, event) = self.shared.writers.run(Path::new(&repo.path), job).await?;
        let event = Event::FileRestored(FileRestored { repo: repo.id, ..event });
        self.shared.conclude(call.actor(), move |_| Ok(vec![event.clone()])).await?;
        Ok(view)
    }
}

fn restore(
    shared: &Shared,
    root: &Path,
    new: &NewRestore,
    user: RegistrationId,
) -> Result<(RestoredView, FileRestored), Refusal> {
    let path = &new.path;
    let content = wanted(shared, root, new)?;
    let overwritten = shared.known.keep(root, path.as_str()).map_err(Refusal::internal)?;
    let there = root.join(path.as_str()).symlink_metadata().is_ok();
    if there && overwritten.is_none() {
        let message = format!("`{path}` is no regular file now, or too large to be kept");
        return Err(Refusal::invalid("path_refused", message).hint("move it away first; then restore again"));
    }
    let (lock, borrowed) = held(shared, root, path, user)?;
    let change = FileChange {
        // The writer's record of an edit; this one is told as what it is, a restore.
        session: shared.new_id(),
        task: shared.new_id(),
        turn: shared.new_id(),
        participant: shared.new_id(),
        path: path.clone(),
        before: overwritten.clone(),
        after: String::new(),
        lines_added: 0,
        lines_removed: 0,
        token: lock.token,
        diff: None,
    };
    let intent = shared.workspace.runs().join(format!("restore-{}.json", lock.token));
    let edit =
        Edit { worktree: root.to_owned(), holder: lock.holder, content, change, intent: intent.clone() };
    let written = writer::write(&shared.bus, &*shared.options.entropy, edit);
    let _ = std::fs::remove_file(intent);
    if borrowed && let Err(error) = shared.bus.release(lock.token, user) {
        tracing::debug!(%error, "the lock of a restore goes when its time is over");
    }
    let change = written?;
    shared.strays.wrote(root, path, Some(&change.after));
    shared.edited(root, Some(path), None);
    if let Err(error) = shared.known.edited(root, path.as_str()) {
        tracing::warn!(%error, %path, "what was restored is not known");
    }
    let holder = (!borrowed).then(|| lock.agent.clone());
    let kept_at = overwritten.as_ref().map(|hash| shared.known.content_file(hash).display().to_string());
    let event = FileRestored {
        repo: new.repo,
        path: path.clone(),
        to: new.to.as_str().to_owned(),
        restored: change.after.clone(),
        overwritten: overwritten.clone(),
        holder: holder.clone(),
    };
    Ok((RestoredView { path: path.clone(), restored: change.after, overwritten, kept_at, holder }, event))
}

fn wanted(shared: &Shared, root: &Path, new: &NewRestore) -> Result<String, Refusal> {
    let path = &new.path;
    let unknown = |message: String| Refusal::new(RefusalKind::NotFound, "nothing_known", message);
    let page = shared.known.page(root, path.as_str()).ok_or_else(|| {
        unknown(format!("nothing is known of `{path}`: nobody has had this one file locked"))
            .hint("git has what was committed: `git restore` brings it back")
    })?;
    let hash = match new.to {
        RestorePoint::BeforeLock => page.before_lock,
        RestorePoint::LastKnown => page.last_known,
    };
    let Some(hash) = hash else {
        let message = format!("`{path}` was not there then, or was too large to be kept");
        return Err(unknown(message).hint("remove the file yourself if it is not wanted"));
    };
    let content = shared.known.content(&hash);
    let content = content.ok_or_else(|| {
        unknown(format!("what `{path}` held is not kept any more"))
            .hint("bring it back from a checkpoint or a commit")
    })?;
    String::from_utf8(content).map_err(|_| {
        let kept = shared.known.content_file(&hash).display().to_string();
        Refusal::invalid("not_text", format!("what `{path}` held is no text"))
            .hint(format!("it is kept in {kept}; copy it back yourself"))
    })
}

/// The lock under which the file is written, and whether it was taken for this.
fn held(
    shared: &Shared,
    root: &Path,
    path: &RepoPath,
    user: RegistrationId,
) -> Result<(Lock, bool), Refusal> {
    let worktree = root.display().to_string();
    let locks = shared.bus.locks(Some(&worktree)).map_err(|error| error.refusal())?;
    let matches =
        |lock: &Lock| bus::Pattern::parse(&lock.path).is_ok_and(|pattern| pattern.matches(path.as_str()));
    if let Some(lock) = locks.into_iter().find(|lock| lock.mode == LockMode::Exclusive && matches(lock)) {
        return Ok((lock, false));
    }
    let request = LockRequest {
        worktree,
        paths: vec![path.to_string()],
        mode: LockMode::Exclusive,
        holder: user,
        ttl: RESTORE_LOCK_TTL,
    };
    let acquired = shared.bus.acquire(&request).map_err(|error| error.refusal())?;
    let lock = acquired.locks.into_iter().next();
    lock.map(|lock| (lock, true)).ok_or_else(|| Refusal::internal("a lock was granted and is not there"))
}
