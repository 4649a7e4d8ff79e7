//! The merge queue with real git: what is good lands in order, what is not goes back to whoever made it.

use crate::scene::{Scene, call, names};
use engine::{MergeRow, MergeSource, NewMerge, NewPrompt, NewSession, NewWorktree};
use model::{MergeId, MergeMode, MergeState, MergeStyle, Repo, SessionId, TaskState, WorktreeId};
use serde_json::json;
use std::path::Path;

fn new(source: MergeSource) -> NewMerge {
    NewMerge {
        source,
        into: None,
        mode: MergeMode::OneByOne,
        style: MergeStyle::Merge,
        priority: 0,
        message: None,
        hold: false,
    }
}

/// A worktree in which a file was committed with the user's own git.
async fn work(scene: &Scene, repo: &Repo, name: &str, file: &str, text: &str) -> (WorktreeId, String) {
    let new = NewWorktree { repo: repo.id, name: name.to_owned(), branch: None, from: None, checkout: None };
    let made = scene.engine().add_worktree(&call(), new).await.unwrap();
    std::fs::write(Path::new(&made.path).join(file), text).unwrap();
    scene.repo.git(&["-C", &made.path, "add", file]);
    scene.repo.git(&["-C", &made.path, "commit", "-qm", name]);
    (made.id.unwrap(), made.path)
}

async fn over(scene: &Scene, id: MergeId) -> MergeRow {
    scene
        .until("the entry is over", || {
            Some(scene.engine().merge(id).unwrap()).filter(|row| row.state.is_terminal())
        })
        .await
}

fn text(row: &MergeRow) -> &str {
    row.change.as_ref().map(|change| change.text.as_str()).unwrap_or_default()
}

/// Checks that pass while no file says `bad`, and say that they ran.
fn checks(scene: &Scene) -> Vec<String> {
    let runs = scene.repo.beside("runs").display().to_string();
    let script = format!("echo run >> '{runs}'; ! grep -q bad ./*.txt");
    ["sh", "-c", &script].map(str::to_owned).to_vec()
}

async fn checked(scene: &Scene) -> Repo {
    let command = checks(scene);
    let words: Vec<&str> = command.iter().map(String::as_str).collect();
    scene.add_repo(Some(&words)).await
}

fn runs(scene: &Scene) -> usize {
    std::fs::read_to_string(scene.repo.beside("runs")).unwrap_or_default().lines().count()
}

#[tokio::test(flavor = "multi_thread")]
async fn good_work_lands_in_order_and_work_that_fails_its_checks_does_not() {
    let scene = Scene::new(&[("a.txt", "one\n")]).await;
    let repo = checked(&scene).await;
    let (first, _) = work(&scene, &repo, "first", "b.txt", "good\n").await;
    let (second, _) = work(&scene, &repo, "second", "c.txt", "bad\n").await;
    let (third, _) = work(&scene, &repo, "third", "d.txt", "good\n").await;
    let mut ids = Vec::new();
    for worktree in [first, second, third] {
        let added = scene.engine().add_merge(&call(), new(MergeSource::Worktree(worktree))).await.unwrap();
        ids.push(added.entry.id);
    }
    let mut rows = Vec::new();
    for id in ids {
        rows.push(over(&scene, id).await);
    }
    let states: Vec<MergeState> = rows.iter().map(|row| row.state).collect();
    assert_eq!(states, [MergeState::Landed, MergeState::Failed, MergeState::Landed], "{rows:#?}");
    assert!(text(&rows[1]).contains("its checks fail on top of main"), "{}", text(&rows[1]));
    assert_eq!(rows[1].change.as_ref().unwrap().report.as_ref().unwrap().exit_code, Some(1));
    // The checkout has what landed, and nobody's files are touched.
    assert_eq!((scene.repo.read("b.txt"), scene.repo.read("d.txt")), ("good\n".into(), "good\n".into()));
    assert!(!scene.repo.path().join("c.txt").exists());
    assert_eq!(scene.repo.git(&["status", "--short"]), "");
    assert_eq!(
        scene.repo.git(&["rev-parse", "HEAD"]).trim(),
        rows[2].change.as_ref().unwrap().head.as_ref().unwrap()
    );
    // Where they were tried is gone, with its branch.
    assert_eq!(scene.repo.git(&["branch", "--list", "coditect/*"]), "");
    assert_eq!(scene.engine().worktrees(Some(repo.id), false).await.unwrap().len(), 3);
    assert_eq!(runs(&scene), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_checked_once_and_split_only_where_it_fails() {
    let scene = Scene::new(&[("a.txt", "one\n")]).await;
    let repo = checked(&scene).await;
    let mut ids = Vec::new();
    for (name, text) in [("one", "good\n"), ("two", "good\n"), ("three", "bad\n"), ("four", "good\n")] {
        let (worktree, _) = work(&scene, &repo, name, &format!("{name}.txt"), text).await;
        let held = NewMerge { hold: true, ..new(MergeSource::Worktree(worktree)) };
        ids.push(scene.engine().add_merge(&call(), held).await.unwrap().entry.id);
    }
    let queued =
        scene.engine().run_merges(&call(), Some(repo.id), None, Some(MergeMode::Bisect)).await.unwrap();
    assert_eq!(queued.len(), 4);
    let mut states = Vec::new();
    for id in ids {
        states.push(over(&scene, id).await.state);
    }
    use MergeState::{Failed, Landed};
    assert_eq!(states, [Landed, Landed, Failed, Landed]);
    // All four, the good half, the bad half, and its two by themselves.
    assert_eq!(runs(&scene), 5);
    for name in ["one", "two", "four"] {
        assert_eq!(scene.repo.read(&format!("{name}.txt")), "good\n");
    }
}

/// A session whose agent has a worktree of its own, in which it was told to do this.
async fn apart(scene: &Scene, repo: &Repo, prompt: &str) -> SessionId {
    let new = NewSession { repo: Some(repo.id), agents: names(&["claude"]), ..NewSession::default() };
    let session = scene.engine().create_session(&call(), new).await.unwrap().session.id;
    let task = scene.prompt(session, prompt, &[]).await.unwrap();
    let task = scene.task_over(task.task.id).await;
    assert_eq!(task.state, TaskState::Completed, "{:?}", task.text);
    session
}

async fn scene_apart(files: &[(&str, &str)]) -> Scene {
    let scene = Scene::new(files).await;
    scene.configure_with(
        json!({ "agent": { "isolation": "worktree" }, "permissions": { "default": { "admin": "allow" } } }),
    );
    scene.engine().reload_config().unwrap();
    scene
}

/// What the agent does at each of its turns: the work at the first, a repair at the others.
const WORK_OR_REPAIR: &str = "[[bash if grep -q one a.txt; then echo claude > a.txt; else \
    git -c user.name=c -c user.email=c@localhost merge -q main; printf 'main\\nclaude\\n' > a.txt; \
    git -c user.name=c -c user.email=c@localhost commit -qam repaired; fi]]\n[[say done]]";

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_go_together_is_repaired_by_the_agent_that_made_it() {
    let scene = scene_apart(&[("a.txt", "one\n")]).await;
    let repo = checked(&scene).await;
    let session = apart(&scene, &repo, WORK_OR_REPAIR).await;
    scene.repo.write("a.txt", "main\n");
    scene.repo.commit_all("main moves");
    let source = MergeSource::Lent(session, names(&["claude"]).remove(0));
    let added = scene.engine().add_merge(&call(), new(source)).await.unwrap();
    let row = over(&scene, added.entry.id).await;
    assert_eq!((row.state, row.attempt), (MergeState::Landed, 2), "{row:#?}");
    assert_eq!(scene.repo.read("a.txt"), "main\nclaude\n");
    let handed: Vec<model::MergeChange> =
        changes(&scene).into_iter().filter(|change| change.state == MergeState::Returned).collect();
    assert_eq!(handed.len(), 1);
    assert_eq!(handed[0].paths, ["a.txt".parse().unwrap()]);
    let task = scene.engine().task(handed[0].task.unwrap()).unwrap();
    assert_eq!((task.task.session, task.state), (session, TaskState::Completed));
    for word in ["git merge main", "a.txt", "does not go together with main"] {
        assert!(task.task.prompt.contains(word), "{}", task.task.prompt);
    }
}

fn changes(scene: &Scene) -> Vec<model::MergeChange> {
    let changes = scene.events().into_iter().filter_map(|event| match event {
        model::Event::MergeChanged(change) => Some(change),
        _ => None,
    });
    changes.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_never_repaired_is_given_up() {
    let scene = scene_apart(&[("a.txt", "one\n")]).await;
    let repo = checked(&scene).await;
    let session = apart(&scene, &repo, "[[bash echo bad > b.txt]]\n[[say done]]").await;
    let source = MergeSource::Lent(session, names(&["claude"]).remove(0));
    let added = scene.engine().add_merge(&call(), new(source)).await.unwrap();
    let row = over(&scene, added.entry.id).await;
    assert_eq!((row.state, row.attempt), (MergeState::Failed, model::MERGE_TRIES), "{row:#?}");
    assert!(text(&row).starts_with("given up after 4 tries"), "{}", text(&row));
    let returned = changes(&scene).iter().filter(|change| change.state == MergeState::Returned).count();
    assert_eq!(returned, 3);
    assert!(!scene.repo.path().join("b.txt").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_that_is_checked_is_canceled_and_one_that_was_cut_off_goes_on() {
    let mut scene = Scene::new(&[("a.txt", "one\n")]).await;
    let go = scene.repo.beside("go").display().to_string();
    let script = format!("until [ -e '{go}' ]; do sleep 0.02; done");
    let repo = scene.add_repo(Some(&["sh", "-c", &script])).await;
    let (first, _) = work(&scene, &repo, "first", "b.txt", "1\n").await;
    let (second, _) = work(&scene, &repo, "second", "c.txt", "2\n").await;
    let first = scene.engine().add_merge(&call(), new(MergeSource::Worktree(first))).await.unwrap().entry.id;
    let running = |scene: &Scene, id| {
        Some(scene.engine().merge(id).unwrap()).filter(|row| row.state == MergeState::Running)
    };
    scene.until("the first is checked", || running(&scene, first)).await;
    let canceled = scene.engine().cancel_merge(&call(), first).await.unwrap();
    assert_eq!(canceled.state, MergeState::Canceled);
    let second =
        scene.engine().add_merge(&call(), new(MergeSource::Worktree(second))).await.unwrap().entry.id;
    scene.until("the second is checked", || running(&scene, second)).await;
    scene.shut().await;
    std::fs::write(scene.repo.beside("go"), "").unwrap();
    let said = scene.open().await;
    assert!(said.iter().any(|line| line.contains("was cut off by the daemon's end")), "{said:?}");
    let row = over(&scene, second).await;
    assert_eq!((row.state, row.attempt), (MergeState::Landed, 1), "{row:#?}");
    assert!(!scene.repo.path().join("b.txt").exists(), "what was canceled has not landed");
    assert_eq!(scene.repo.read("c.txt"), "2\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn work_is_rebased_where_that_is_wanted_and_waits_for_the_users_own_file() {
    let scene = Scene::new(&[("a.txt", "one\n")]).await;
    let repo = scene.add_repo(None).await;
    let (worktree, path) = work(&scene, &repo, "side", "b.txt", "side\n").await;
    scene.repo.write("a.txt", "two\n");
    scene.repo.commit_all("main moves");
    // The user has something of that name in his checkout.
    scene.repo.write("b.txt", "the user's\n");
    let rebase = NewMerge { style: MergeStyle::Rebase, ..new(MergeSource::Worktree(worktree)) };
    let id = scene.engine().add_merge(&call(), rebase).await.unwrap().entry.id;
    let waits = scene
        .until("it waits", || {
            let row = scene.engine().merge(id).unwrap();
            (row.state == MergeState::Queued && row.change.is_some()).then_some(row)
        })
        .await;
    assert_eq!(waits.attempt, 0, "it is nobody's failure");
    assert_eq!(scene.repo.read("b.txt"), "the user's\n");
    scene.repo.remove("b.txt");
    scene.engine().run_merges(&call(), None, Some(id), None).await.unwrap();
    assert_eq!(over(&scene, id).await.state, MergeState::Landed);
    assert_eq!(scene.subjects(), ["side", "main moves", "first"], "no merge commit");
    assert_eq!(scene.repo.read("b.txt"), "side\n");
    // Its own branch is as it was.
    assert_eq!(scene.repo.git(&["-C", &path, "log", "-1", "--format=%s"]).trim(), "side");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_committed_does_not_land() {
    let scene = Scene::new(&[("a.txt", "one\n")]).await;
    let repo = scene.add_repo(None).await;
    let (worktree, path) = work(&scene, &repo, "side", "b.txt", "side\n").await;
    std::fs::write(Path::new(&path).join("c.txt"), "not yet\n").unwrap();
    let id = scene.engine().add_merge(&call(), new(MergeSource::Worktree(worktree))).await.unwrap().entry.id;
    let row = over(&scene, id).await;
    assert_eq!(row.state, MergeState::Failed);
    assert_eq!(text(&row), "not committed: c.txt");
}

/// A branch with so many commits, of one file each.
fn long_branch(scene: &Scene, name: &str, commits: usize) {
    let base = scene.repo.git(&["rev-parse", "HEAD"]);
    let mut stream = format!("reset refs/heads/{name}\nfrom {}\n", base.trim());
    for n in 0..commits {
        stream.push_str(&format!(
            "commit refs/heads/{name}\ncommitter T <t@localhost> {n} +0000\ndata 1\nx\n\
             M 100644 inline n.txt\ndata {}\n{n}\n\n",
            n.to_string().len() + 1
        ));
    }
    let file = scene.repo.beside("stream");
    std::fs::write(&file, stream).unwrap();
    let import = format!("alias.import=!git fast-import --quiet < '{}'", file.display());
    scene.repo.git(&["-c", &import, "import"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_much_to_rebase_is_over_and_the_others_land_without_it() {
    let scene = Scene::new(&[("a.txt", "one\n")]).await;
    let repo = checked(&scene).await;
    long_branch(&scene, "long", git::REBASE_MAX + 1);
    let new_worktree = NewWorktree {
        repo: repo.id,
        name: "long".to_owned(),
        branch: None,
        from: None,
        checkout: Some("long".to_owned()),
    };
    let long = scene.engine().add_worktree(&call(), new_worktree).await.unwrap().id.unwrap();
    let (short, _) = work(&scene, &repo, "short", "b.txt", "good\n").await;
    scene.repo.write("c.txt", "main moves\n");
    scene.repo.commit_all("main moves");
    let mut ids = Vec::new();
    for worktree in [long, short] {
        let held = NewMerge { hold: true, style: MergeStyle::Rebase, ..new(MergeSource::Worktree(worktree)) };
        ids.push(scene.engine().add_merge(&call(), held).await.unwrap().entry.id);
    }
    scene.engine().run_merges(&call(), Some(repo.id), None, Some(MergeMode::Bisect)).await.unwrap();
    let refused = over(&scene, ids[0]).await;
    assert_eq!((refused.state, refused.attempt), (MergeState::Failed, 1), "{refused:#?}");
    let said = text(&refused);
    assert!(said.contains("1001 commits are more than the 1000 allowed"), "{said}");
    assert!(said.contains("add it again without --rebase"), "{said}");
    assert_eq!(over(&scene, ids[1]).await.state, MergeState::Landed);
    assert_eq!(scene.subjects(), ["short", "main moves", "first"]);
    // As it is said, it lands.
    let again = scene.engine().add_merge(&call(), new(MergeSource::Worktree(long))).await.unwrap();
    assert_eq!(over(&scene, again.entry.id).await.state, MergeState::Landed);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_canceled_while_its_batch_is_checked_does_not_land_and_the_others_do() {
    let scene = Scene::new(&[("a.txt", "one\n")]).await;
    let (go, runs) = (scene.repo.beside("go"), scene.repo.beside("runs"));
    let script = format!(
        "ls >> '{}'; echo >> '{}'; until [ -e '{}' ]; do sleep 0.02; done",
        runs.display(),
        runs.display(),
        go.display()
    );
    let repo = scene.add_repo(Some(&["sh", "-c", &script])).await;
    let mut ids = Vec::new();
    for name in ["one", "two", "three"] {
        let (worktree, _) = work(&scene, &repo, name, &format!("{name}.txt"), "good\n").await;
        let held = NewMerge { hold: true, ..new(MergeSource::Worktree(worktree)) };
        ids.push(scene.engine().add_merge(&call(), held).await.unwrap().entry.id);
    }
    scene.engine().run_merges(&call(), Some(repo.id), None, Some(MergeMode::Bisect)).await.unwrap();
    let checked = || std::fs::read_to_string(&runs).unwrap_or_default().matches("\n\n").count();
    scene.soon("all three are checked together", || (checked() == 1).then_some(())).await;
    let (call, second) = (call(), ids[1]);
    let over_at_once = scene.until("it is canceled, and nobody waits for the checks", || {
        Some(scene.engine().merge(second).unwrap()).filter(|row| row.state.is_terminal())
    });
    let (canceled, row) = tokio::join!(scene.engine().cancel_merge(&call, second), over_at_once);
    assert_eq!(row.state, MergeState::Canceled);
    assert_eq!(canceled.unwrap().state, MergeState::Canceled);
    std::fs::write(&go, "").unwrap();
    for id in [ids[0], ids[2]] {
        let row = over(&scene, id).await;
        assert_eq!((row.state, row.attempt), (MergeState::Landed, 1), "{row:#?}");
    }
    assert!(!scene.repo.path().join("two.txt").exists(), "what was canceled has not landed");
    assert_eq!(scene.repo.read("one.txt") + &scene.repo.read("three.txt"), "good\ngood\n");
    // The others together, and once.
    let seen = std::fs::read_to_string(&runs).unwrap();
    let batches: Vec<Vec<&str>> = seen.trim().split("\n\n").map(|names| names.lines().collect()).collect();
    assert_eq!(
        batches,
        [vec!["a.txt", "one.txt", "three.txt", "two.txt"], vec!["a.txt", "one.txt", "three.txt"]]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_without_room_keeps_nobody_elses_work_from_landing() {
    let scene = scene_apart(&[("a.txt", "one\n")]).await;
    let repo = checked(&scene).await;
    let session = apart(&scene, &repo, "[[bash echo claude > a.txt]]\n[[say done]]").await;
    scene.repo.write("a.txt", "main\n");
    scene.repo.commit_all("main moves");
    scene.configure_with(json!({ "agent": { "isolation": "worktree" }, "limits": { "queue_depth": 1 } }));
    scene.engine().reload_config().unwrap();
    let elsewhere = scene.session(None, &["claude"]).await;
    let asks = scene.prompt(elsewhere, "[[ask Go on?]]\n[[say went on]]", &[]).await.unwrap().task.id;
    scene.task_in(asks, &[TaskState::InputRequired]).await;
    let waits =
        NewPrompt { text: "[[say later]]".to_owned(), depends_on: vec![asks], ..NewPrompt::default() };
    scene.engine().prompt(&call(), session, waits).await.unwrap();
    let (good, _) = work(&scene, &repo, "good", "b.txt", "good\n").await;
    let mut ids = Vec::new();
    for source in [MergeSource::Lent(session, names(&["claude"]).remove(0)), MergeSource::Worktree(good)] {
        let held = NewMerge { hold: true, ..new(source) };
        ids.push(scene.engine().add_merge(&call(), held).await.unwrap().entry.id);
    }
    scene.engine().run_merges(&call(), Some(repo.id), None, Some(MergeMode::Bisect)).await.unwrap();
    assert_eq!(over(&scene, ids[1]).await.state, MergeState::Landed);
    let waits = || Some(scene.engine().merge(ids[0]).unwrap()).filter(|row| row.state == MergeState::Queued);
    let row = scene.until("the other waits for room", waits).await;
    assert!(row.attempt == 0 && text(&row).contains("wait"), "{row:#?}");
    assert_eq!(scene.repo.read("b.txt"), "good\n");
}
