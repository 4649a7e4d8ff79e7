//! Worktrees and clones: what the databases say of them, and a history that has all of their events.

use crate::fixtures::World;
use crate::workspace::{Workspace, commit};
use model::{
    Actor, CloneFailure, CloneStart, CloneStep, Event, Repo, RepoId, ScriptEnd, ScriptKind, ScriptOutcome,
    ScriptStart, TrashedWorktree, Worktree, WorktreeAssignment, WorktreeMerged, WorktreePurged,
    WorktreeRestored,
};

impl World {
    pub(crate) fn worktree(&self, repo: &Repo, name: &str, port_base: u16) -> Worktree {
        Worktree {
            id: self.id_worktree(),
            repo: repo.id,
            name: name.to_owned(),
            path: format!("/worktrees/{}/{name}", repo.slug),
            branch: Some(name.to_owned()),
            base: Some("c".repeat(40)),
            git_id: format!("coditect-w-{name}"),
            made_branch: true,
            adopted: false,
            port_base,
            lent: None,
            created_at: repo.added_at,
        }
    }

    /// Every event of worktrees and clones, with something of each left over.
    pub(crate) fn worktrees(&self, repo: &Repo, commits: &mut Vec<(Actor, Vec<Event>)>) {
        let (kept, thrown, back) = (
            self.worktree(repo, "kept", 20_000),
            self.worktree(repo, "thrown", 20_020),
            self.worktree(repo, "back", 20_040),
        );
        let (open, failed) = (self.id_repo(), self.id_repo());
        let start = |repo, slug: &str| {
            let (slug, url) = (slug.to_owned(), "https://example.org/shop.git".to_owned());
            Event::RepoCloneStarted(CloneStart { repo, slug, url, started_at: kept.created_at })
        };
        commits.push((
            Actor::User,
            vec![
                start(open, "shop"),
                Event::RepoCloneProgressed(step(open, 45)),
                start(failed, "gone"),
                Event::RepoCloneFailed(CloneFailure {
                    repo: failed,
                    code: "canceled".into(),
                    message: "no".into(),
                }),
                Event::WorktreeCreated(kept.clone()),
                Event::WorktreeCreated(thrown.clone()),
                Event::WorktreeCreated(back.clone()),
                Event::WorktreeScriptStarted(script(&kept)),
                Event::WorktreeScriptEnded(ended(&kept)),
                Event::WorktreeAssigned(WorktreeAssignment {
                    session: self.id_session(),
                    worktree: Some(kept.id),
                }),
                Event::WorktreeMerged(WorktreeMerged {
                    worktree: kept.id,
                    repo: repo.id,
                    into: "main".into(),
                    head: "d".repeat(40),
                    merged: true,
                    files: 2,
                    changed: vec!["a.rs".parse().unwrap(), "b.rs".parse().unwrap()],
                }),
                Event::WorktreeTrashed(trashed(&thrown)),
                Event::WorktreeTrashed(trashed(&back)),
                Event::WorktreeRestored(WorktreeRestored {
                    worktree: back.id,
                    repo: repo.id,
                    port_base: 20_060,
                    detached: false,
                }),
                Event::WorktreePurged(purged(&thrown)),
            ],
        ));
    }
}

fn step(repo: RepoId, percent: u8) -> CloneStep {
    CloneStep { repo, phase: "Receiving objects".to_owned(), percent: Some(percent), bytes: 1000 }
}

fn script(worktree: &Worktree) -> ScriptStart {
    ScriptStart { worktree: worktree.id, repo: worktree.repo, script: ScriptKind::Setup, hash: "00aa".into() }
}

fn ended(worktree: &Worktree) -> ScriptEnd {
    ScriptEnd {
        worktree: worktree.id,
        repo: worktree.repo,
        script: ScriptKind::Setup,
        hash: "00aa".into(),
        end: ScriptOutcome::Done,
        code: Some(0),
        tail: "ok".into(),
        elapsed_ms: 9,
    }
}

fn purged(worktree: &Worktree) -> WorktreePurged {
    WorktreePurged {
        worktree: worktree.id,
        repo: worktree.repo,
        name: Some(worktree.name.clone()),
        path: Some(worktree.path.clone()),
        kept_as: None,
    }
}

fn trashed(worktree: &Worktree) -> TrashedWorktree {
    TrashedWorktree {
        worktree: worktree.clone(),
        path: "/trash/1".into(),
        head: Some("c".repeat(40)),
        branch: worktree.branch.clone(),
        kept_as: None,
        forced: None,
        expires_at: Some(worktree.created_at),
    }
}

#[test]
fn a_worktree_is_live_or_in_the_trash_or_gone() {
    let workspace = Workspace::new();
    let (store, _) = workspace.open();
    let world = World::new();
    let repo = world.repo("shop");
    let one = world.worktree(&repo, "one", 20_000);
    let say = |event| drop(commit(&store, Actor::User, vec![event]));
    let live = || store.read(|view| view.live_worktrees()).unwrap();
    let trash = || store.read(|view| view.trashed_worktrees()).unwrap();
    say(Event::RepoAdded(repo.clone()));
    say(Event::WorktreeCreated(one.clone()));
    assert_eq!(live()[0].worktree, one);
    assert!(store.read(|view| view.worktree_at(&one.path)).unwrap().is_some());
    say(Event::WorktreeTrashed(trashed(&one)));
    assert!(live().is_empty() && store.read(|view| view.worktree_at(&one.path)).unwrap().is_none());
    assert_eq!(trash()[0].trashed, Some(trashed(&one)));
    assert_eq!(store.read(|view| view.worktrees_named(repo.id, "one")).unwrap().len(), 1);
    let back = WorktreeRestored { worktree: one.id, repo: repo.id, port_base: 20_080, detached: false };
    say(Event::WorktreeRestored(back));
    assert_eq!((trash().len(), live()[0].worktree.port_base), (0, 20_080));
    say(Event::WorktreePurged(purged(&one)));
    assert_eq!(store.read(|view| view.worktree(one.id)).unwrap(), None);
}

#[test]
fn sessions_share_a_worktree_and_leave_it() {
    let workspace = Workspace::new();
    let (store, _) = workspace.open();
    let world = World::new();
    let one = world.worktree(&world.repo("shop"), "one", 20_000);
    let (first, second) = (world.id_session(), world.id_session());
    let assign = |session, worktree| {
        let event = Event::WorktreeAssigned(WorktreeAssignment { session, worktree });
        commit(&store, Actor::User, vec![event]);
    };
    assign(first, Some(one.id));
    assign(second, Some(one.id));
    assert_eq!(store.read(|view| view.sessions_in(one.id)).unwrap().len(), 2);
    assign(first, None);
    assert_eq!(store.read(|view| view.worktree_of(first)).unwrap(), None);
    assert_eq!(store.read(|view| view.worktree_of(second)).unwrap(), Some(one.id));
}

#[test]
fn a_script_runs_until_it_has_ended_and_the_last_time_counts() {
    let workspace = Workspace::new();
    let (store, _) = workspace.open();
    let world = World::new();
    let one = world.worktree(&world.repo("shop"), "one", 20_000);
    let scripts = || store.read(|view| view.worktree_scripts(one.id)).unwrap();
    commit(&store, Actor::User, vec![Event::WorktreeScriptStarted(script(&one))]);
    assert_eq!(scripts()[0].end, None);
    commit(&store, Actor::System, vec![Event::WorktreeScriptEnded(ended(&one))]);
    assert_eq!(scripts()[0].end, Some(ended(&one)));
    commit(&store, Actor::User, vec![Event::WorktreeScriptStarted(script(&one))]);
    assert_eq!((scripts().len(), &scripts()[0].end), (1, &None));
}

#[test]
fn a_clone_is_under_way_until_its_repo_is_there_or_it_failed() {
    let workspace = Workspace::new();
    let (store, _) = workspace.open();
    let world = World::new();
    let repo = world.repo("shop");
    let url = "https://example.org/shop.git".to_owned();
    let start = CloneStart { repo: repo.id, slug: repo.slug.clone(), url, started_at: repo.added_at };
    let clones = || store.read(|view| view.clones()).unwrap();
    commit(&store, Actor::User, vec![Event::RepoCloneStarted(start.clone())]);
    assert_eq!((clones()[0].start.clone(), clones()[0].step.clone()), (start.clone(), None));
    commit(&store, Actor::System, vec![Event::RepoCloneProgressed(step(repo.id, 7))]);
    assert_eq!(clones()[0].step, Some(step(repo.id, 7)));
    commit(&store, Actor::System, vec![Event::RepoAdded(repo.clone())]);
    assert!(clones().is_empty());
    let other = CloneStart { repo: world.id_repo(), ..start };
    let failure = CloneFailure { repo: other.repo, code: "canceled".into(), message: "no".into() };
    commit(&store, Actor::User, vec![Event::RepoCloneStarted(other), Event::RepoCloneFailed(failure)]);
    assert!(clones().is_empty());
}
