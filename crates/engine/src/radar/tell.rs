//! What is said of conflicts: to the journal when something changed, to whoever is in it once, again when it gets worse, and when it is over.
//!
//! Invariant: a conflict is over when both of its worktrees were seen, or are gone, and nothing of it was found.

use super::judge::Seen;
use crate::engine::Shared;
use model::{
    Actor, AgentName, Channel, Conflict, ConflictChange, ConflictId, ConflictKind, ConflictPhase, Event,
    Refusal, Registration, RegistrationId, RepoId, RepoPath, SessionId,
};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use store::Resolved;

/// Files named in a sentence.
const NAMED_MAX: usize = 5;
/// How long word of a conflict waits for whoever it is for, in seconds: a turn may be long.
const NOTICE_TTL: u32 = 3600;
/// Kind of the notices, in their payload.
const WORKTREE_CONFLICT: &str = "worktree_conflict";

/// One worktree, or two in order.
type Key = (RepoId, Vec<String>);

/// What was said so far.
pub(super) struct Known {
    open: BTreeMap<Key, Conflict>,
    now: BTreeMap<Key, Found>,
    told: HashSet<(ConflictId, ConflictKind, RegistrationId)>,
    /// Word of what is over that could not be published yet.
    owed: Vec<Word>,
    /// Worktrees of each repo, for who is where.
    tops: BTreeMap<RepoId, Vec<PathBuf>>,
}

/// What there is now.
enum Found {
    Seen(Seen),
    /// Nobody could look.
    Unknown,
}

impl Known {
    pub(super) fn new(open: Vec<Conflict>) -> Self {
        let open: BTreeMap<Key, Conflict> =
            open.into_iter().map(|one| ((one.repo, one.worktrees.clone()), one)).collect();
        // Until somebody has looked, nothing is over.
        let now = open.keys().map(|key| (key.clone(), Found::Unknown)).collect();
        Self { open, now, told: HashSet::new(), owed: Vec::new(), tops: BTreeMap::new() }
    }

    /// What was seen in a repo.
    pub(super) fn seen(
        &mut self,
        repo: RepoId,
        seen: Vec<Seen>,
        unseen: &BTreeSet<PathBuf>,
        tops: &[PathBuf],
    ) {
        self.tops.insert(repo, tops.to_vec());
        self.now.retain(|(of, _), _| *of != repo);
        let unsure = |key: &&Key| key.0 == repo && key.1.iter().any(|top| unseen.contains(Path::new(top)));
        let unsure: Vec<Key> = self.open.keys().filter(unsure).cloned().collect();
        self.now.extend(unsure.into_iter().map(|key| (key, Found::Unknown)));
        for one in seen {
            let tops = one.tops.iter().map(|top| top.display().to_string()).collect();
            self.now.insert((repo, tops), Found::Seen(one));
        }
    }

    /// What was of other repos than these is over.
    pub(super) fn drop_others(&mut self, there: impl Fn(RepoId) -> bool) {
        self.now.retain(|(repo, _), _| there(*repo));
        self.tops.retain(|repo, _| there(*repo));
    }

    /// Says what is to be said.
    pub(super) async fn settle(&mut self, shared: &Arc<Shared>) -> Result<(), Refusal> {
        let live = shared.blocking(live).await?;
        let mut changes = Vec::new();
        for (key, found) in &self.now {
            let Found::Seen(seen) = found else { continue };
            let people = self.people(shared, key, &live)?;
            changes.extend(change(shared, key.0, seen, self.open.get(key), people));
        }
        let over = self.open.iter().filter(|(key, _)| !self.now.contains_key(*key));
        changes.extend(
            over.map(|(_, conflict)| ConflictChange {
                conflict: conflict.clone(),
                phase: ConflictPhase::Gone,
            }),
        );
        if !changes.is_empty() {
            let events = changes.iter().cloned().map(Event::ConflictChanged).collect();
            shared.record(Actor::System, events).await?;
        }
        let mut notices = std::mem::take(&mut self.owed);
        notices.retain(|word| live.iter().any(|one| one.id == word.to));
        for ConflictChange { conflict, phase } in changes {
            let key = (conflict.repo, conflict.worktrees.clone());
            if phase == ConflictPhase::Gone {
                self.open.remove(&key);
                notices.extend(self.told_over(&conflict, &live));
            } else {
                self.open.insert(key, conflict);
            }
        }
        notices.extend(self.unheard(shared, &live));
        self.told.retain(|(.., id)| live.iter().any(|one| one.id == *id));
        self.tell(shared, notices).await
    }

    /// Who works in its worktrees.
    fn people(&self, shared: &Shared, key: &Key, live: &[Registration]) -> Result<People, Refusal> {
        let mut people = People::default();
        for top in &key.1 {
            people.settled(shared, Path::new(top))?;
            for one in live.iter().filter(|one| self.place(key.0, one).is_some_and(|at| at == Path::new(top)))
            {
                people.sessions.extend(one.session);
                people.agents.insert(one.agent.clone());
            }
        }
        Ok(people)
    }

    /// The worktree that a registration is in: the innermost of those around it.
    fn place(&self, repo: RepoId, one: &Registration) -> Option<&Path> {
        let at = Path::new(one.worktree.as_deref()?);
        let around = self.tops.get(&repo)?.iter().filter(|top| at.starts_with(top));
        around.max_by_key(|top| top.as_os_str().len()).map(PathBuf::as_path)
    }

    /// Those in a worktree of an open conflict who have not heard of it as bad as it is.
    fn unheard(&mut self, shared: &Shared, live: &[Registration]) -> Vec<Word> {
        let mut words = Vec::new();
        let mut heard = Vec::new();
        for conflict in self.open.values() {
            for one in live.iter().filter(|one| one.id != shared.user) {
                let Some(at) = self.place(conflict.repo, one).and_then(Path::to_str) else { continue };
                let key = (conflict.id, conflict.kind, one.id);
                if conflict.worktrees.iter().any(|top| top == at) && !self.told.contains(&key) {
                    heard.push(key);
                    words.push(Word {
                        to: one.id,
                        text: open_words(conflict, at),
                        conflict: conflict.clone(),
                        phase: ConflictPhase::Found,
                    });
                }
            }
        }
        self.told.extend(heard);
        words
    }

    /// To all who heard of it and are still there.
    fn told_over(&self, conflict: &Conflict, live: &[Registration]) -> Vec<Word> {
        let heard = |id| self.told.iter().any(|(told, _, to)| *told == conflict.id && *to == id);
        let text =
            format!("{} no longer conflicts {}", files(&conflict.paths, conflict.more), with(conflict, ""));
        let word = |one: &Registration| Word {
            to: one.id,
            text: text.clone(),
            conflict: conflict.clone(),
            phase: ConflictPhase::Gone,
        };
        live.iter().filter(|one| heard(one.id)).map(word).collect()
    }

    /// What could not be published is told at the next look.
    async fn tell(&mut self, shared: &Arc<Shared>, words: Vec<Word>) -> Result<(), Refusal> {
        if words.is_empty() {
            return Ok(());
        }
        let publish = move |shared: &Shared| {
            let mut untold = Vec::new();
            for word in words {
                if let Err(error) = shared.bus.publish(word.notice(shared)) {
                    tracing::debug!(%error, "nobody was told of a conflict between worktrees");
                    untold.push(word);
                }
            }
            Ok(untold)
        };
        for word in shared.blocking(publish).await? {
            if word.phase == ConflictPhase::Gone {
                self.owed.push(word);
            } else {
                self.told.remove(&(word.conflict.id, word.conflict.kind, word.to));
            }
        }
        Ok(())
    }
}

/// What somebody is told.
struct Word {
    to: RegistrationId,
    text: String,
    conflict: Conflict,
    phase: ConflictPhase,
}

impl Word {
    fn notice(&self, shared: &Shared) -> bus::NewNotice {
        let Self { to, text, conflict, phase } = self;
        let key = format!("conflict:{}:{}:{}:{to}", conflict.id, conflict.kind.as_str(), phase.as_str());
        let payload = serde_json::json!({
            "type": WORKTREE_CONFLICT, "conflict": conflict.id, "kind": conflict.kind, "phase": phase,
            "files": conflict.paths, "more": conflict.more, "worktrees": conflict.worktrees,
            "agents": conflict.agents, "text": text,
        });
        // From the daemon, which saw it: nobody gets what it said itself.
        bus::NewNotice {
            recipient: Some(*to),
            ttl_seconds: Some(NOTICE_TTL),
            key: Some(key),
            ..bus::NewNotice::new(shared.user, Channel::file_conflict(), payload)
        }
    }
}

#[derive(Default)]
struct People {
    sessions: BTreeSet<SessionId>,
    agents: BTreeSet<String>,
}

impl People {
    /// Sessions that work in a worktree whether a turn runs or not.
    fn settled(&mut self, shared: &Shared, top: &Path) -> Result<(), Refusal> {
        let Some(path) = top.to_str() else { return Ok(()) };
        let named = shared.store.read(|view| match view.worktree_at(path)? {
            Some(row) => view.sessions_in(row.worktree.id),
            None => Ok(Vec::new()),
        })?;
        self.sessions.extend(named);
        if let Some((session, agent)) = lent(shared, top)? {
            self.sessions.insert(session);
            self.agents.insert(agent.to_string());
        }
        Ok(())
    }
}

/// Whose own worktree it is.
pub(crate) fn lent(shared: &Shared, top: &Path) -> Result<Option<(SessionId, AgentName)>, Refusal> {
    let root = shared.workspace.worktrees();
    let root = root.canonicalize().unwrap_or(root);
    let Ok(below) = top.strip_prefix(root) else { return Ok(None) };
    let names: Vec<&str> = below.iter().filter_map(|name| name.to_str()).collect();
    let [short, agent] = names[..] else { return Ok(None) };
    let Ok(agent) = agent.parse::<AgentName>() else { return Ok(None) };
    let found = shared.store.read(|view| view.resolve::<SessionId>(short))?;
    // A repo's worktrees lie beside them, in a folder of its name: only the whole short id is a session.
    let session = match found {
        Resolved::One(session) if session.short() == short => session,
        _ => return Ok(None),
    };
    Ok(Some((session, agent)))
}

fn live(shared: &Shared) -> Result<Vec<Registration>, Refusal> {
    let all = shared.bus.registrations().map_err(|error| error.refusal())?;
    let there = all.into_iter().filter(|one| one.id != shared.user && one.worktree.is_some());
    Ok(there.filter(|one| shared.bus.is_alive(one.id).unwrap_or(true)).collect())
}

/// What is new about it; none when nothing is. That somebody left is nothing new.
fn change(
    shared: &Shared,
    repo: RepoId,
    seen: &Seen,
    before: Option<&Conflict>,
    people: People,
) -> Option<ConflictChange> {
    let (mut sessions, mut agents) = (people.sessions, people.agents);
    if let Some(before) = before {
        sessions.extend(before.sessions.iter().copied());
        agents.extend(before.agents.iter().cloned());
    }
    let conflict = Conflict {
        id: before.map_or_else(|| shared.new_id(), |before| before.id),
        repo,
        kind: seen.kind,
        paths: seen.paths.clone(),
        more: seen.more,
        worktrees: seen.tops.iter().map(|top| top.display().to_string()).collect(),
        sessions: sessions.into_iter().collect(),
        agents: agents.into_iter().collect(),
        since: before.map_or_else(|| shared.now(), |before| before.since),
    };
    let phase = match before {
        None => ConflictPhase::Found,
        Some(before) if *before == conflict => return None,
        Some(before) if before.kind < conflict.kind => ConflictPhase::Worsened,
        Some(_) => ConflictPhase::Changed,
    };
    Some(ConflictChange { conflict, phase })
}

fn files(paths: &[RepoPath], more: u32) -> String {
    let (named, others) = paths.split_at(paths.len().min(NAMED_MAX));
    match named.is_empty() {
        true => "what you changed".to_owned(),
        false => model::named(named, others.len() + more as usize),
    }
}

/// With what: the other worktree, as seen from `at`, and who works there.
fn with(conflict: &Conflict, at: &str) -> String {
    let others: Vec<&str> = conflict.worktrees.iter().map(String::as_str).filter(|top| *top != at).collect();
    match (conflict.kind, others.is_empty()) {
        (ConflictKind::BaseConflict, _) | (_, true) => "with the branch that is checked out".to_owned(),
        _ => format!("with {}", others.join(" and ")),
    }
}

fn open_words(conflict: &Conflict, at: &str) -> String {
    let (files, with) = (files(&conflict.paths, conflict.more), with(conflict, at));
    let who = match conflict.agents.is_empty() {
        true => String::new(),
        false => format!(" (at work: {})", conflict.agents.join(", ")),
    };
    match conflict.kind {
        ConflictKind::SameFile => format!(
            "{files} is changed here and in another worktree, in other lines so far: {with}{who}. Keep to your lines"
        ),
        ConflictKind::SameHunk => format!(
            "the same lines of {files} are changed here and in another worktree: {with}{who}. Settle who changes them"
        ),
        ConflictKind::MergeConflict => format!(
            "a merge would conflict in {files}: {with}{who}. Settle who changes what before either goes on"
        ),
        ConflictKind::BaseConflict => format!(
            "what you changed in {files} conflicts {with}, which has moved on. Merge that branch into yours before you go on"
        ),
    }
}
