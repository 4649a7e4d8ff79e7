//! Checkpoints: points and what became of them, restores under way, and bundles.

use crate::fixtures::World;
use crate::workspace::{Workspace, commit};
use model::{
    Actor, Checkpoint, CheckpointBundle, CheckpointKind, CheckpointRemoval, Cursor, Event, KeptFile, Point,
    RepoId, RestoreEnd, RestoreStart, SessionId,
};

impl World {
    pub(crate) fn point(
        &self,
        repo: RepoId,
        session: SessionId,
        kind: CheckpointKind,
        of: &str,
    ) -> Checkpoint {
        Checkpoint {
            id: self.id_checkpoint(),
            session,
            plan: None,
            repo,
            git_ref: format!("refs/coditect/checkpoints/{of}"),
            commit: of.repeat(40),
            paths: Vec::new(),
            co_authors: Vec::new(),
            message: format!("Point {of}"),
            created_at: self.now(),
            kind,
            name: (kind == CheckpointKind::Named).then(|| of.to_owned()),
            point: Some(Point {
                worktree: "/repos/library".to_owned(),
                tree: of.repeat(40),
                base: None,
                parent: None,
                depth: 0,
                turn: None,
                message: None,
                at: Cursor { epoch: 1, seq: 2 },
                changed: 1,
                left_out: 0,
            }),
        }
    }

    /// Every event of points, with something of each left over.
    pub(crate) fn points(&self, repo: RepoId, session: SessionId, commits: &mut Vec<(Actor, Vec<Event>)>) {
        let (kept, gone) = (
            self.point(repo, session, CheckpointKind::Named, "a"),
            self.point(repo, session, CheckpointKind::AfterTurn, "b"),
        );
        let start = |before: &Checkpoint| RestoreStart {
            session,
            checkpoint: kept.id,
            before: before.id,
            worktree: "/repos/library".to_owned(),
            files: 2,
        };
        commits.push((
            Actor::User,
            vec![
                Event::CheckpointCreated(kept.clone()),
                Event::CheckpointCreated(gone.clone()),
                Event::CheckpointBundled(bundle(repo, &[&kept, &gone])),
                Event::CheckpointRestoreStarted(start(&gone)),
                Event::CheckpointRestored(end(&start(&gone))),
                Event::CheckpointRestoreStarted(start(&kept)),
                Event::CheckpointRemoved(CheckpointRemoval {
                    checkpoint: gone.id,
                    session,
                    reason: "expired".to_owned(),
                }),
            ],
        ));
    }
}

fn bundle(repo: RepoId, of: &[&Checkpoint]) -> CheckpointBundle {
    CheckpointBundle {
        repo,
        file: "000001-whole.bundle".to_owned(),
        bytes: 10,
        hash: "00aa".to_owned(),
        whole: true,
        checkpoints: of.iter().map(|one| one.id).collect(),
        prerequisites: Vec::new(),
    }
}

fn end(start: &RestoreStart) -> RestoreEnd {
    let kept = vec![KeptFile { path: "a".to_owned(), reason: "it was changed meanwhile".to_owned() }];
    RestoreEnd { session: start.session, checkpoint: start.checkpoint, before: start.before, files: 1, kept }
}

#[test]
pub(crate) fn points_are_listed_until_they_are_removed_and_bundles_and_restores_are_known() {
    let workspace = Workspace::new();
    let (store, _) = workspace.open();
    let world = World::new();
    let repo = world.repo("shop");
    let session = world.session("Auth");
    let made: Vec<Checkpoint> =
        [(CheckpointKind::BeforeTurn, "a"), (CheckpointKind::Named, "b"), (CheckpointKind::AfterTurn, "c")]
            .map(|(kind, of)| world.point(repo.id, session.id, kind, of))
            .to_vec();
    let say = |event| drop(commit(&store, Actor::User, vec![event]));
    say(Event::RepoAdded(repo.clone()));
    say(Event::SessionCreated(session.clone()));
    made.iter().cloned().for_each(|one| say(Event::CheckpointCreated(one)));
    let page = |automatic, before, most| {
        let page = store.read(|view| view.checkpoints_page(session.id, automatic, before, most)).unwrap();
        page.into_iter().map(|one| one.commit[..1].to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(page(true, None, 2), ["b", "c"]);
    assert_eq!(page(true, Some(made[2].id), 9), ["a", "b"]);
    assert_eq!(page(false, None, 9), ["b"]);
    let last = || store.read(|view| view.last_point("/repos/library")).unwrap().map(|one| one.id);
    assert_eq!(last(), Some(made[2].id));

    say(Event::CheckpointBundled(bundle(repo.id, &[&made[0], &made[1]])));
    let bundles = store.read(|view| view.bundles(repo.id)).unwrap();
    let inside = store.read(|view| view.checkpoints_in(repo.id, bundles[0].seq)).unwrap();
    assert_eq!(inside.len(), 2);
    let reason = "asked".to_owned();
    let removal = CheckpointRemoval { checkpoint: made[2].id, session: session.id, reason };
    say(Event::CheckpointRemoved(removal));
    assert_eq!(last(), Some(made[1].id));
    let row = store.read(|view| view.checkpoint(made[2].id)).unwrap().unwrap();
    assert_eq!((row.removed.as_deref(), row.bundle), (Some("asked"), None));
    assert_eq!(store.read(|view| view.checkpoints_of_repo(repo.id)).unwrap().len(), 2);
    say(Event::CheckpointCreated(made[2].clone()));
    assert_eq!(page(true, None, 9), ["a", "b", "c"], "it came back from a bundle");

    let start = RestoreStart {
        session: session.id,
        checkpoint: made[0].id,
        before: made[1].id,
        worktree: "/repos/library".to_owned(),
        files: 3,
    };
    say(Event::CheckpointRestoreStarted(start.clone()));
    assert_eq!(store.read(|view| view.open_restores()).unwrap(), std::slice::from_ref(&start));
    say(Event::CheckpointRestored(end(&start)));
    assert!(store.read(|view| view.open_restores()).unwrap().is_empty());
}
