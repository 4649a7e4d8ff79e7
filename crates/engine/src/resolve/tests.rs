//! Whatever the noun: of two that begin alike an agent is told of its own, and of the other one nothing.

use super::*;
use crate::message::user_message;
use crate::stage::Stage;
use model::{
    Checkpoint, CheckpointKind, Event, MergeEntry, MergeMode, MergeStyle, Participant, Plan, Repo, Session,
    Task, TaskKind, TaskTerms, Worktree, WorktreeId,
};
use std::str::FromStr;
use std::sync::Arc;

/// Ids that differ in their last character alone.
fn id<I: FromStr<Err: std::fmt::Debug>>(prefix: &str, last: char) -> I {
    format!("{prefix}_018f00000000700080000000000000a{last}").parse().unwrap()
}

struct Scene {
    stage: Stage,
    engine: Engine,
    own: Session,
    other: Session,
    run: Caller,
}

impl Scene {
    fn new() -> Self {
        let stage = Stage::new();
        let engine = Engine { shared: Arc::clone(&stage.shared) };
        let (own, seats) = stage.session(&["claude"]);
        let (other, _) = stage.session(&["claude"]);
        let run = run(&stage, own.id, &seats[0]);
        Self { stage, engine, own, other, run }
    }

    /// Commits one of the agent's own session and one of another, and looks for them by the beginning they share.
    fn alike<I: ShortId + FromStr<Err: std::fmt::Debug> + PartialEq + Copy + std::fmt::Debug>(
        &self,
        prefix: &str,
        made: impl Fn(I, &Session) -> Event,
        resolve: impl Fn(&Caller, &str) -> Result<I, Refusal>,
    ) {
        let (mine, foreign): (I, I) = (id(prefix, '0'), id(prefix, '1'));
        let short = short_of(&mine.to_string());
        let start = &short[..short.len() - 2];
        self.stage.commit(vec![made(foreign, &self.other)]);
        let terminal = Caller::Terminal { registration: self.stage.shared.user };
        for caller in [&self.run, &terminal] {
            let refused = resolve(caller, start).unwrap_err();
            assert_eq!(refused.kind, RefusalKind::NotFound, "{prefix}: {refused:?}");
            let said = format!("{} {:?}", refused.message, refused.hint);
            assert!(!said.contains(&foreign.to_string()), "{prefix}: {said}");
        }
        assert_eq!(resolve(&Caller::User, start).unwrap(), foreign, "{prefix}");
        self.stage.commit(vec![made(mine, &self.own)]);
        assert_eq!(resolve(&self.run, start).unwrap(), mine, "{prefix}: the only one it may see");
        assert_eq!(resolve(&terminal, start).unwrap_err().kind, RefusalKind::NotFound, "{prefix}");
        let refused = resolve(&Caller::User, start).unwrap_err();
        assert_eq!(refused.code, "ambiguous_id", "{prefix}");
        let both = [mine, foreign].map(|id| refused.message.contains(&id.to_string()));
        assert_eq!(both, [true, true], "{prefix}: {}", refused.message);
        let another: I = id(prefix, '2');
        self.stage.commit(vec![made(another, &self.own)]);
        let refused = resolve(&self.run, start).unwrap_err();
        assert_eq!(refused.code, "ambiguous_id", "{prefix}");
        let named = [mine, another, foreign].map(|id| refused.message.contains(&id.to_string()));
        assert_eq!(named, [true, true, false], "{prefix}: {}", refused.message);
    }

    fn task(&self, id: TaskId, session: &Session) -> Task {
        let seat = self.stage.shared.new_id();
        Task { id, targets: Vec::new(), ..self.stage.task(session.id, TaskKind::Prompt, seat) }
    }
}

fn run(stage: &Stage, session: SessionId, seat: &Participant) -> Caller {
    Caller::Run {
        run: stage.shared.new_id(),
        registration: stage.shared.user,
        participant: seat.id,
        session,
        agent: seat.agent.clone(),
    }
}

fn short_of(id: &str) -> String {
    let (_, rest) = id.split_once('_').unwrap();
    format!("ses_{rest}").parse::<SessionId>().unwrap().short()
}

#[test]
fn a_task() {
    let scene = Scene::new();
    let made = |id, session: &Session| Event::TaskSubmitted(scene.task(id, session));
    scene.alike("tsk", made, |caller, given| scene.engine.resolve_task(caller, given));
}

#[test]
fn a_task_of_the_pool_is_everybodys() {
    let scene = Scene::new();
    let mut task = scene.task(id("tsk", '0'), &scene.other);
    task.terms = TaskTerms { pool: true, ..task.terms };
    let (id, short) = (task.id, task.id.short());
    scene.stage.commit(vec![Event::TaskSubmitted(task)]);
    assert_eq!(scene.engine.resolve_task(&scene.run, &short).unwrap(), id);
}

#[test]
fn a_message() {
    let scene = Scene::new();
    let made = |id, session: &Session| {
        Event::MessageAppended(model::Message {
            id,
            ..user_message(&scene.stage.shared, session.id, None, "secret")
        })
    };
    scene.alike("msg", made, |caller, given| scene.engine.resolve_message(caller, given));
}

#[test]
fn a_plan() {
    let scene = Scene::new();
    let made = |id, session: &Session| Event::PlanCreated(Plan { id, ..scene.stage.plan(session, &[]) });
    scene.alike("pln", made, |caller, given| scene.engine.resolve_plan(caller, given));
}

#[test]
fn a_checkpoint() {
    let scene = Scene::new();
    let made = |id: CheckpointId, session: &Session| {
        Event::CheckpointCreated(Checkpoint {
            id,
            session: session.id,
            plan: None,
            repo: session.repo.unwrap(),
            git_ref: format!("refs/coditect/checkpoints/{id}"),
            commit: "a".repeat(40),
            paths: Vec::new(),
            co_authors: Vec::new(),
            message: String::new(),
            created_at: scene.stage.shared.now(),
            kind: CheckpointKind::default(),
            name: None,
            point: None,
        })
    };
    scene.alike("chk", made, |caller, given| scene.engine.resolve_checkpoint(caller, given));
}

fn worktree(scene: &Scene, id: WorktreeId, session: &Session) -> Worktree {
    Worktree {
        id,
        repo: session.repo.unwrap(),
        name: format!("tree-{}", &id.to_string()[30..]),
        path: format!("/nowhere/{id}"),
        branch: None,
        base: None,
        git_id: id.to_string(),
        made_branch: false,
        adopted: false,
        port_base: 0,
        lent: None,
        created_at: scene.stage.shared.now(),
    }
}

#[test]
fn a_worktree_by_its_id_and_by_its_name() {
    let scene = Scene::new();
    let made = |id, session: &Session| Event::WorktreeCreated(worktree(&scene, id, session));
    scene.alike("wtr", made, |caller, given| scene.engine.resolve_worktree(caller, given));
    let foreign = worktree(&scene, id("wtr", '1'), &scene.other);
    let repo = |caller: &Caller| {
        let slug = scene.engine.repo(foreign.repo).unwrap().slug;
        scene.engine.resolve_worktree(caller, &format!("{slug}/{}", foreign.name))
    };
    assert_eq!(repo(&Caller::User).unwrap(), foreign.id);
    assert_eq!(scene.engine.resolve_worktree(&Caller::User, &foreign.name).unwrap(), foreign.id);
    for refused in [repo(&scene.run), scene.engine.resolve_worktree(&scene.run, &foreign.name)] {
        assert_eq!(refused.unwrap_err().code, "worktree_not_found");
    }
}

#[test]
fn a_merge() {
    let scene = Scene::new();
    let made = |id: MergeId, session: &Session| {
        Event::MergeAdded(MergeEntry {
            id,
            repo: session.repo.unwrap(),
            name: format!("secret/{id}"),
            path: format!("/nowhere/{id}"),
            worktree: None,
            session: None,
            agent: None,
            into: "main".to_owned(),
            mode: MergeMode::default(),
            style: MergeStyle::default(),
            priority: 0,
            held: true,
            message: None,
            created_at: scene.stage.shared.now(),
        })
    };
    scene.alike("mrg", made, |caller, given| scene.engine.resolve_merge(caller, given));
}

#[test]
fn a_repo_by_its_id() {
    let scene = Scene::new();
    let (mine, foreign): (RepoId, RepoId) = (id("rep", '0'), id("rep", '1'));
    let added = |id: RepoId| {
        Event::RepoAdded(Repo {
            id,
            slug: id.to_string().replace('_', "-"),
            path: format!("/nowhere/{id}"),
            default_branch: None,
            test_command: None,
            added_at: scene.stage.shared.now(),
            url: None,
            trusted: Vec::new(),
        })
    };
    let (session, seats) = scene.stage.session(&["claude"]);
    let session = Session { id: scene.stage.shared.new_id(), repo: Some(mine), ..session };
    let caller = run(&scene.stage, session.id, &seats[0]);
    scene.stage.commit(vec![added(mine), added(foreign), Event::SessionCreated(session)]);
    let short = mine.short();
    let start = &short[..short.len() - 2];
    assert_eq!(scene.engine.resolve_repo(&caller, start).unwrap(), mine);
    assert_eq!(scene.engine.resolve_repo(&scene.run, start).unwrap_err().code, "not_found");
    let both = scene.engine.resolve_repo(&Caller::User, start).unwrap_err();
    assert!(both.message.contains(&mine.to_string()) && both.message.contains(&foreign.to_string()));
}

#[test]
fn a_session_and_whole_ids_are_nobodys_secret() {
    let scene = Scene::new();
    let (mine, foreign): (SessionId, SessionId) = (id("ses", '0'), id("ses", '1'));
    let of = |id, from: Option<SessionId>| {
        Event::SessionCreated(Session { id, parent: from, ..scene.other.clone() })
    };
    scene.stage.commit(vec![of(foreign, None), of(mine, Some(scene.own.id))]);
    let short = mine.short();
    let start = &short[..short.len() - 2];
    assert_eq!(scene.engine.resolve_session_for(&scene.run, start).unwrap(), mine, "its child");
    assert_eq!(scene.engine.resolve_session(start).unwrap_err().code, "ambiguous_id");
    let broken = |_: &SessionId| Err(Refusal::invalid("odd", "no word of whose it is"));
    assert_eq!(scene.engine.resolve_for(&scene.run, start, broken).unwrap_err().code, "odd");
    let whole = scene.engine.resolve_session_for(&scene.run, &foreign.to_string()).unwrap();
    assert_eq!(scene.engine.may_see(&scene.run, whole).unwrap_err().code, "not_your_session");
}
