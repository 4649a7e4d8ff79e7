//! Locks: take, give back, look.

use super::Tool;
use crate::answer::Answer;
use crate::call::{Call, wait};
use crate::failure::Failure;
use bus::{BusError, LockRequest};
use model::{LockMode, RegistrationId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::time::Duration;

/// Seconds a lock lives when the call does not say.
const TTL_DEFAULT: u64 = 600;
/// Most locks one answer lists.
const LISTED_MAX: usize = 200;

pub(super) fn tools() -> Vec<Tool> {
    vec![
        Tool::new::<_, Taken, _>(
            "lock_acquire",
            "Take locks on files",
            "Takes locks on all of the paths or on none. Do this before you change a file, and ask for everything a \
             step needs in one call. With wait_seconds it waits in line; otherwise a held path is an error \
             (lock_held) that names its holder. A path you hold already stays yours. Read a file again after you \
             have got its lock.",
            acquire,
        )
        .idempotent(),
        Tool::new::<_, Released, _>(
            "lock_release",
            "Give locks back",
            "Gives locks back, by token, or with all=true all that you took with lock_acquire. Do this as soon as a step \
             is done. A token that is not yours any more is reported as lost: somebody may have changed the file since. \
             Locks that were taken for your edits are kept: they go with your turn.",
            release,
        )
        .replaces(),
        Tool::new::<_, Table, _>(
            "lock_list",
            "See who holds what",
            "Lists the locks of this worktree and who waits for them; with everywhere=true those of all worktrees.",
            list,
        )
        .reads(),
    ]
}

#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Mode {
    #[default]
    Exclusive,
    Shared,
    Advisory,
}

impl From<Mode> for LockMode {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::Exclusive => Self::Exclusive,
            Mode::Shared => Self::Shared,
            Mode::Advisory => Self::Advisory,
        }
    }
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Acquire {
    /// Files, folders (everything below them) or globs like `src/**/*.rs`; absolute, or relative to where you work. 1 to 256.
    paths: Vec<String>,
    /// exclusive: only you may write (the default). shared: several may read, nobody may write. advisory: shown to others, keeps nobody out.
    #[serde(default)]
    mode: Option<Mode>,
    /// Wait in line for at most this long; 0 to 300, 0 without.
    #[serde(default)]
    wait_seconds: Option<u64>,
    /// How long the locks are yours unless you ask again; 1 to 86400, 600 without.
    #[serde(default)]
    ttl_seconds: Option<u64>,
    /// Absolute path of a folder in the worktree, when it is not the one you work in.
    #[serde(default)]
    worktree: Option<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Release {
    /// Tokens of locks, as lock_acquire gave them.
    #[serde(default)]
    tokens: Vec<u64>,
    /// Everything you took with lock_acquire, instead of tokens.
    #[serde(default)]
    all: Option<bool>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct List {
    /// Locks of all worktrees.
    #[serde(default)]
    everywhere: Option<bool>,
    /// Absolute path of a folder in the worktree, when it is not the one you work in.
    #[serde(default)]
    worktree: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Held {
    token: u64,
    path: String,
    worktree: String,
    mode: String,
    /// What its holder is called.
    agent: String,
    /// The holder's id.
    holder: String,
    /// It is yours.
    mine: bool,
    expires_at: String,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Waiting {
    agent: String,
    paths: Vec<String>,
    since: String,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Taken {
    locks: Vec<Held>,
    /// What to do now.
    next: String,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Released {
    /// Tokens that are given back.
    released: Vec<u64>,
    /// Tokens that were not yours any more.
    lost: Vec<u64>,
    /// Tokens that were taken for your edits, which go with your turn.
    kept: Vec<u64>,
    /// What to do now, when some are lost.
    next: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Table {
    locks: Vec<Held>,
    waiting: Vec<Waiting>,
    /// How many locks there are besides.
    more: usize,
}

fn held(lock: model::Lock, me: RegistrationId) -> Held {
    Held {
        token: lock.token,
        path: lock.path,
        worktree: lock.worktree,
        mode: lock.mode.as_str().to_owned(),
        agent: lock.agent,
        holder: lock.holder.to_string(),
        mine: lock.holder == me,
        expires_at: lock.expires_at.to_string(),
    }
}

async fn acquire(call: Call, wish: Acquire) -> Result<Answer, Failure> {
    let patience = wait(wish.wait_seconds)?;
    let ttl = wish.ttl_seconds.unwrap_or(TTL_DEFAULT);
    let taken = call.blocking(move |call| {
        let tree = call.worktree(wish.worktree.as_deref())?;
        let request = LockRequest {
            worktree: tree.name()?,
            paths: wish.paths.iter().map(|path| tree.path(path)).collect::<Result<_, _>>()?,
            mode: wish.mode.unwrap_or_default().into(),
            holder: call.me(),
            ttl: Duration::from_secs(ttl),
        };
        let before = tokens_of(call)?;
        let locks = match patience.is_zero() {
            true => call.bus.acquire(&request)?.locks,
            false => in_line(call, &request, patience, &before)?,
        };
        let fresh: Vec<u64> =
            locks.iter().map(|lock| lock.token).filter(|token| !before.contains(token)).collect();
        let contents = bus::Contents::new(call.shared.place.workspace.known());
        // Without it the lock is as good; only nothing of before it can be restored.
        let _: Vec<()> = locks.iter().filter_map(|lock| contents.granted(lock).ok()).collect();
        let present = call.bus.locks(None)?.into_iter().map(|lock| lock.token).collect();
        call.shared.taken.note(call.me(), &fresh, &present);
        Ok(locks)
    });
    let me = call.me();
    let locks: Vec<Held> = taken.await?.into_iter().map(|lock| held(lock, me)).collect();
    let said: Vec<String> =
        locks.iter().map(|lock| format!("{} (token {})", lock.path, lock.token)).collect();
    // Some programs show their model the data alone, others the text alone.
    let next = "Read the files again before you change them; give them back with lock_release.";
    let text = format!("Yours for {ttl} s: {}. {next}", said.join(", "));
    Answer::new(text, Taken { locks, next: next.to_owned() })
}

/// What the caller holds, however it came by it.
fn tokens_of(call: &Call) -> Result<BTreeSet<u64>, Failure> {
    let mine = call.bus.locks(None)?.into_iter().filter(|lock| lock.holder == call.me());
    Ok(mine.map(|lock| lock.token).collect())
}

/// Waits in line until the locks come, the time is over, or the call is taken back.
fn in_line(
    call: &Call,
    request: &LockRequest,
    patience: Duration,
    before: &BTreeSet<u64>,
) -> Result<Vec<model::Lock>, Failure> {
    let over = tokio_util::sync::CancellationToken::new();
    let guard = over.clone().drop_guard();
    let taken = std::thread::scope(|scope| {
        scope.spawn(|| give_up_when_canceled(call, &over));
        let taken = call.bus.acquire_wait(request, patience, &mut |_| {});
        drop(guard);
        taken
    });
    match taken {
        // They came at the moment they were not wanted any more.
        Ok(acquired) if call.is_canceled() => {
            for lock in acquired.locks.iter().filter(|lock| !before.contains(&lock.token)) {
                let _ = call.bus.release(lock.token, call.me());
            }
            Err(Failure::canceled())
        }
        Ok(acquired) => Ok(acquired.locks),
        Err(BusError::Canceled) if call.is_canceled() => Err(Failure::canceled()),
        Err(error) => Err(error.into()),
    }
}

/// Takes the request out of the line when its call is taken back. Other waits of the same session end with it; they are
/// told that they were canceled, and may ask again.
fn give_up_when_canceled(call: &Call, over: &tokio_util::sync::CancellationToken) {
    /// How soon a wait that was taken back leaves the line.
    const LOOK_EVERY: Duration = Duration::from_millis(100);
    while !over.is_cancelled() {
        if call.is_canceled() {
            // Whoever cannot be taken out leaves when its time is over.
            let _ = call.bus.cancel_waits(call.me());
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

async fn release(call: Call, wish: Release) -> Result<Answer, Failure> {
    let all = wish.all.unwrap_or(false);
    if all != wish.tokens.is_empty() {
        let words = "give tokens, or all=true, and not both";
        return Err(Failure::new("bad_arguments", words, "lock_list shows your tokens"));
    }
    if wish.tokens.len() > bus::LOCK_PATHS_MAX {
        let words = format!("at most {} tokens are given back at once", bus::LOCK_PATHS_MAX);
        return Err(Failure::new("too_many_tokens", words, "use all=true, or call several times"));
    }
    let given_back = call.blocking(move |call| {
        let (held, taken) = (tokens_of(call)?, call.shared.taken.of(call.me()));
        let mut done = Released { released: Vec::new(), lost: Vec::new(), kept: Vec::new(), next: None };
        let given = if all { held.iter().copied().collect() } else { wish.tokens };
        for token in given {
            // By its token, a session by hand may give back what a hook took for it.
            if held.contains(&token) && !taken.contains(&token) && (all || call.is_driven()) {
                done.kept.push(token);
                continue;
            }
            match call.bus.release(token, call.me()) {
                Ok(()) => done.released.push(token),
                Err(BusError::Lost(_)) => done.lost.push(token),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(done)
    });
    let mut done = given_back.await?;
    let mut text = format!("{} given back.", done.released.len());
    if !done.kept.is_empty() {
        text += &format!(" Kept for your edits until your turn ends: {:?}.", done.kept);
    }
    if !done.lost.is_empty() {
        let next = "Look at the files of the lost locks again before you rely on them.";
        text += &format!(" Not yours any more: {:?}. {next}", done.lost);
        done.next = Some(next.to_owned());
    }
    Answer::new(text, done)
}

async fn list(call: Call, wish: List) -> Result<Answer, Failure> {
    let everywhere = wish.everywhere.unwrap_or(false);
    let me = call.me();
    let looked = call.blocking(move |call| {
        let tree = match everywhere {
            true => None,
            false => Some(call.worktree(wish.worktree.as_deref())?.name()?),
        };
        Ok((call.bus.locks(tree.as_deref())?, call.bus.waits()?, tree))
    });
    let (found, waits, tree) = looked.await?;
    let more = found.len().saturating_sub(LISTED_MAX);
    let locks: Vec<Held> = found.into_iter().take(LISTED_MAX).map(|lock| held(lock, me)).collect();
    let waiting: Vec<Waiting> = waits
        .into_iter()
        .filter(|wait| tree.as_ref().is_none_or(|tree| *tree == wait.worktree))
        .take(LISTED_MAX)
        .map(|wait| Waiting { agent: wait.agent, paths: wait.paths, since: wait.since.to_string() })
        .collect();
    let mut lines: Vec<String> = locks
        .iter()
        .map(|lock| {
            let who = if lock.mine { "you" } else { lock.agent.as_str() };
            format!("{} ({}) by {who}, token {}, until {}", lock.path, lock.mode, lock.token, lock.expires_at)
        })
        .collect();
    lines.extend(waiting.iter().map(|one| format!("{} waits for {}", one.agent, one.paths.join(", "))));
    let text = if lines.is_empty() { "Nothing is locked.".to_owned() } else { lines.join("\n") };
    Answer::new(text, Table { locks, waiting, more })
}
