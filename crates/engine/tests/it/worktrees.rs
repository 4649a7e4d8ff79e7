//! Named worktrees: made, shared out ports, set up, merged, put into the trash with proof, and brought back.

use crate::scene::{Scene, call};
use engine::{
    Call, Key, NewAdoption, NewWorktree, RemovedView, Script, WorktreeKind, WorktreeState, WorktreeView,
};
use model::{Event, PORT_SPAN, Refusal, Repo, ScriptKind, ScriptOutcome, WorktreeId};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn new(repo: &Repo, name: &str) -> NewWorktree {
    NewWorktree { repo: repo.id, name: name.to_owned(), branch: None, from: None, checkout: None }
}

async fn add(scene: &Scene, repo: &Repo, name: &str) -> WorktreeView {
    scene.engine().add_worktree(&call(), new(repo, name)).await.unwrap()
}

fn id(view: &WorktreeView) -> WorktreeId {
    view.id.unwrap()
}

async fn trash(scene: &Scene, view: &WorktreeView, force: bool) -> Result<RemovedView, Refusal> {
    scene.engine().trash_worktree(&call(), id(view), force).await
}

/// Commits a file in a worktree with the user's own git.
fn work(scene: &Scene, at: &str, file: &str, text: &str) {
    std::fs::write(Path::new(at).join(file), text).unwrap();
    scene.repo.git(&["-C", at, "add", file]);
    scene.repo.git(&["-C", at, "commit", "-qm", "work"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worktree_lies_under_its_repo_and_its_name() {
    let scene = Scene::new(&[("a", "1\n")]).await;
    let repo = scene.add_repo(None).await;
    let made = add(&scene, &repo, "feat-auth").await;
    let place = scene.root().workspace("default").worktrees().join(&repo.slug).join("feat-auth");
    assert_eq!(PathBuf::from(&made.path), place.canonicalize().unwrap());
    assert_eq!(
        (made.branch.as_deref(), made.kind, made.state),
        (Some("feat-auth"), WorktreeKind::Named, WorktreeState::Live)
    );
    assert_eq!((made.kept_because.clone(), made.unlanded), (None, 0));
    assert!(made.used.is_some_and(|used| used.bytes > 0));
    for given in
        ["feat-auth".to_owned(), format!("{}/feat-auth", repo.slug), id(&made).short(), id(&made).to_string()]
    {
        assert_eq!(
            scene.engine().resolve_worktree(&engine::Caller::User, &given).unwrap(),
            id(&made),
            "{given}"
        );
    }
    let second = add(&scene, &repo, "second").await;
    assert_eq!(second.port_base.unwrap() - made.port_base.unwrap(), PORT_SPAN);
    assert!(scene.kinds().contains(&"worktree.created"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_made_is_refused_with_what_to_do_next() {
    let scene = Scene::new(&[("a", "1\n")]).await;
    let repo = scene.add_repo(None).await;
    scene.repo.git(&["branch", "old"]);
    add(&scene, &repo, "one").await;
    let before = scene.repo.git(&["for-each-ref"]);
    for (wish, code) in [
        (new(&repo, "../../x"), "worktree_name_invalid"),
        (new(&repo, "--upload-pack=x"), "worktree_name_invalid"),
        (new(&repo, "one"), "branch_exists"),
        (NewWorktree { branch: Some("two".into()), ..new(&repo, "one") }, "path_taken"),
        (NewWorktree { branch: Some("old".into()), ..new(&repo, "two") }, "branch_exists"),
        (NewWorktree { branch: Some("../x".into()), ..new(&repo, "two") }, "bad_branch"),
        (NewWorktree { branch: Some("coditect/k2x7/claude".into()), ..new(&repo, "two") }, "bad_branch"),
        (NewWorktree { from: Some("--output=x".into()), ..new(&repo, "two") }, "no_commit"),
        (NewWorktree { checkout: Some("none".into()), ..new(&repo, "two") }, "no_branch"),
        (NewWorktree { checkout: Some("main".into()), ..new(&repo, "two") }, "branch_in_use"),
        (
            NewWorktree { checkout: Some("old".into()), from: Some("main".into()), ..new(&repo, "two") },
            "checkout_and_branch",
        ),
    ] {
        let refusal = scene.engine().add_worktree(&call(), wish.clone()).await.unwrap_err();
        assert_eq!(refusal.code, code, "{wish:?}: {refusal}");
        assert!(refusal.hint.is_some(), "{code}: {refusal}");
    }
    assert_eq!(scene.repo.git(&["for-each-ref"]), before, "nothing half made stays");
    assert_eq!(scene.engine().worktrees(None, false).await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn sixteen_at_once_are_all_made_with_ports_of_their_own() {
    let scene = Scene::new(&[("a", "1\n"), ("b/c", "2\n")]).await;
    let repo = scene.add_repo(None).await;
    let mut makers = tokio::task::JoinSet::new();
    for n in 0..16 {
        let (engine, wish) = (scene.engine().clone(), new(&repo, &format!("w{n}")));
        makers.spawn(async move { engine.add_worktree(&call(), wish).await });
    }
    let made: Vec<WorktreeView> = makers.join_all().await.into_iter().map(Result::unwrap).collect();
    let ports: BTreeSet<u16> = made.iter().map(|one| one.port_base.unwrap()).collect();
    assert_eq!(ports.len(), 16);
    assert_eq!(scene.engine().worktrees(Some(repo.id), false).await.unwrap().len(), 16);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_request_makes_one() {
    let scene = Scene::new(&[("a", "1\n")]).await;
    let repo = scene.add_repo(None).await;
    let key = Key { key: "k".to_owned(), request_hash: "h".to_owned() };
    let keyed = Call { key: Some(key), ..call() };
    let first = scene.engine().add_worktree(&keyed, new(&repo, "one")).await.unwrap();
    let again = scene.engine().add_worktree(&keyed, new(&repo, "one")).await.unwrap();
    assert_eq!(first.id, again.id);
    let other = Call { key: Some(Key { key: "k".to_owned(), request_hash: "other".to_owned() }), ..call() };
    assert_eq!(
        scene.engine().add_worktree(&other, new(&repo, "two")).await.unwrap_err().code,
        "idempotency_conflict"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn it_goes_only_with_proof_and_comes_back_as_it_was() {
    let scene = Scene::new(&[("a", "1\n")]).await;
    let repo = scene.add_repo(None).await;
    let made = add(&scene, &repo, "one").await;
    work(&scene, &made.path, "a", "2\n");
    std::fs::write(Path::new(&made.path).join("loose"), "loose\n").unwrap();
    let refusal = trash(&scene, &made, false).await.unwrap_err();
    assert_eq!(refusal.code, "worktree_holds_work");
    assert!(
        refusal.message.contains("loose") && refusal.message.contains("1 commit not landed"),
        "{refusal}"
    );
    assert!(Path::new(&made.path).join("loose").exists());

    let gone = trash(&scene, &made, true).await.unwrap();
    assert!(!Path::new(&made.path).exists());
    let kept = gone.kept_as.unwrap();
    assert_eq!(scene.repo.git(&["show", &format!("{kept}:loose")]), "loose\n");
    assert_eq!(scene.repo.git(&["show", &format!("{kept}:a")]), "2\n");
    assert_eq!(scene.repo.git(&["rev-parse", "one"]).len(), 41, "its branch is not landed and stays");
    assert_eq!(trash(&scene, &made, true).await.unwrap_err().code, "worktree_trashed");
    assert!(scene.engine().worktrees(None, false).await.unwrap().is_empty());
    let trashed = scene.engine().worktrees(None, true).await.unwrap();
    assert_eq!((trashed.len(), trashed[0].state), (1, WorktreeState::Trashed));
    assert!(trashed[0].expires_at.is_some());

    let back = scene.engine().restore_worktree(&call(), id(&made)).await.unwrap();
    assert_eq!((back.branch.as_deref(), back.port_base), (Some("one"), made.port_base));
    assert_eq!(std::fs::read_to_string(Path::new(&back.path).join("loose")).unwrap(), "loose\n");
    assert_eq!(scene.repo.git(&["-C", &back.path, "status", "-s"]), "?? loose\n");
    let refusal = scene.engine().purge_worktree(&call(), id(&made)).await.unwrap_err();
    assert_eq!(refusal.code, "worktree_not_trashed", "only what is in the trash is deleted");
    trash(&scene, &made, true).await.unwrap();
    scene.engine().purge_worktree(&call(), id(&made)).await.unwrap();
    assert!(scene.engine().worktrees(None, true).await.unwrap().is_empty());
    assert_eq!(scene.repo.git(&["show", &format!("{kept}:loose")]), "loose\n", "its checkpoint stays");
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_who_stands_in_it_keeps_it_even_from_an_order() {
    let scene = Scene::new(&[("a", "1\n")]).await;
    let repo = scene.add_repo(None).await;
    let made = add(&scene, &repo, "one").await;
    let mut shell = standing(&made.path, None);
    let refusal = trash(&scene, &made, true).await.unwrap_err();
    assert_eq!(refusal.code, "worktree_in_use");
    assert!(refusal.message.contains("sleep"), "{refusal}");
    let shown = scene.engine().worktree(id(&made)).await.unwrap();
    assert!(shown.inside.iter().any(|who| who.contains("sleep")), "{:?}", shown.inside);
    shell.kill().unwrap();
    shell.wait().unwrap();
    assert!(trash(&scene, &made, false).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_git_that_looks_at_it_is_nobody_who_works_in_it() {
    let scene = Scene::new(&[("a", "1\n")]).await;
    let repo = scene.add_repo(None).await;
    let made = add(&scene, &repo, "one").await;
    let mut looking = standing(&made.path, Some("CODITECT_GIT"));
    let shown = scene.engine().worktree(id(&made)).await.unwrap();
    assert_eq!((shown.inside, shown.kept_because), (vec![], None));
    let gone = trash(&scene, &made, false).await;
    looking.kill().unwrap();
    looking.wait().unwrap();
    gone.unwrap();
}

#[expect(clippy::disallowed_methods, reason = "a process of this test's own, in the worktree")]
fn standing(path: &str, mark: Option<&str>) -> std::process::Child {
    let mut sleep = std::process::Command::new("sleep");
    sleep.arg("600").current_dir(path).envs(mark.map(|name| (name, "1"))).spawn().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_merged_comes_home_and_may_go() {
    let scene = Scene::new(&[("a", "1\n")]).await;
    let repo = scene.add_repo(None).await;
    let (one, two) = (add(&scene, &repo, "one").await, add(&scene, &repo, "two").await);
    work(&scene, &one.path, "new", "made\n");
    std::fs::write(Path::new(&one.path).join("loose"), "x").unwrap();
    let merge = async |into: Option<&str>| {
        scene.engine().merge_worktree(&call(), id(&one), into.map(str::to_owned), None).await
    };
    assert_eq!(merge(None).await.unwrap_err().code, "worktree_dirty");
    std::fs::remove_file(Path::new(&one.path).join("loose")).unwrap();
    assert_eq!(merge(Some("one")).await.unwrap_err().code, "merge_into_itself");
    assert_eq!(merge(Some("none")).await.unwrap_err().code, "no_branch");
    assert_eq!(merge(Some("--x")).await.unwrap_err().code, "bad_branch");
    let merged = merge(None).await.unwrap();
    assert_eq!((merged.into.as_deref(), merged.merged, merged.changed.len()), (Some("main"), false, 1));
    assert_eq!(scene.repo.read("new"), "made\n");
    // A branch that another worktree is on gets its files, too.
    assert_eq!(merge(Some("two")).await.unwrap().into.as_deref(), Some("two"));
    assert_eq!(std::fs::read_to_string(Path::new(&two.path).join("new")).unwrap(), "made\n");
    assert!(merge(None).await.unwrap().changed.is_empty());
    let pruned = scene.engine().prune_worktrees(&call()).await.unwrap();
    assert!(pruned.iter().all(|one| one.kept_because.is_none()), "{pruned:?}");
    assert_eq!(scene.repo.git(&["branch", "--list", "one", "two"]), "", "branches made with them went, too");
    assert_eq!(scene.kinds().iter().filter(|kind| **kind == "worktree.merged").count(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_somebody_else_made_is_shown_and_adopted() {
    let scene = Scene::new(&[("a", "1\n")]).await;
    let repo = scene.add_repo(None).await;
    let path = scene.repo.beside("by hand");
    scene.repo.git(&["worktree", "add", "-q", "-b", "hand", path.to_str().unwrap()]);
    let listed = scene.engine().worktrees(None, false).await.unwrap();
    assert_eq!((listed[0].kind, listed[0].branch.as_deref()), (WorktreeKind::Foreign, Some("hand")));
    let adopt = async |path: &Path| {
        let new = NewAdoption { repo: repo.id, path: path.display().to_string(), name: None };
        scene.engine().adopt_worktree(&call(), new).await
    };
    assert_eq!(adopt(scene.repo.path()).await.unwrap_err().code, "not_a_worktree_of_it");
    assert_eq!(adopt(&scene.repo.beside("nowhere")).await.unwrap_err().code, "path_missing");
    let adopted = adopt(&path).await.unwrap();
    assert_eq!((adopted.name.as_deref(), adopted.kind), (Some("by-hand"), WorktreeKind::Named));
    assert_eq!(adopt(&path).await.unwrap_err().code, "worktree_registered");
    assert!(scene.engine().prune_worktrees(&call()).await.unwrap().is_empty(), "prune leaves it alone");
    scene.repo.git(&["worktree", "lock", "--reason", "on a stick", path.to_str().unwrap()]);
    assert_eq!(trash(&scene, &adopted, true).await.unwrap_err().code, "worktree_locked");
    scene.repo.git(&["worktree", "unlock", path.to_str().unwrap()]);
    trash(&scene, &adopted, false).await.unwrap();
    assert!(!path.exists());
    assert!(scene.repo.git(&["branch", "--list", "hand"]).contains("hand"), "its branch is its maker's");
    let back = scene.engine().restore_worktree(&call(), id(&adopted)).await.unwrap();
    assert_eq!(Path::new(&back.path), path);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_folder_is_said_and_can_be_put_away() {
    let scene = Scene::new(&[("a", "1\n")]).await;
    let repo = scene.add_repo(None).await;
    let made = add(&scene, &repo, "one").await;
    work(&scene, &made.path, "a", "2\n");
    std::fs::remove_dir_all(&made.path).unwrap();
    let listed = scene.engine().worktrees(None, false).await.unwrap();
    assert_eq!((listed.len(), listed[0].state), (1, WorktreeState::Missing));
    let refusal = scene.engine().merge_worktree(&call(), id(&made), None, None).await.unwrap_err();
    assert_eq!(refusal.code, "path_missing");
    trash(&scene, &made, false).await.unwrap();
    assert_eq!(scene.repo.git(&["show", "one:a"]), "2\n", "what was committed stays on its branch");
    let refusal = scene.engine().restore_worktree(&call(), id(&made)).await.unwrap_err();
    assert_eq!(refusal.code, "worktree_gone");
    scene.engine().purge_worktree(&call(), id(&made)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forged_pointer_leads_nobody_to_another_repository() {
    let scene = Scene::new(&[("a", "1\n")]).await;
    let repo = scene.add_repo(None).await;
    let made = add(&scene, &repo, "one").await;
    let other = testkit::TempRepo::with(&[("theirs", "1\n")]);
    std::fs::write(
        Path::new(&made.path).join(".git"),
        format!("gitdir: {}\n", other.path().join(".git").display()),
    )
    .unwrap();
    for force in [false, true] {
        let refusal = trash(&scene, &made, force).await.unwrap_err();
        assert!(["repo_unlinked", "worktree_elsewhere"].contains(&&*refusal.code), "{refusal}");
    }
    assert!(Path::new(&made.path).join("a").exists() && other.path().join("theirs").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_that_were_told_so_work_in_it() {
    let scene = Scene::new(&[("a.txt", "1\n")]).await;
    let repo = scene.add_repo(None).await;
    let made = add(&scene, &repo, "one").await;
    let (first, second) =
        (scene.session(Some(&repo), &["claude"]).await, scene.session(Some(&repo), &["kimi"]).await);
    let nowhere = scene.session(None, &["claude"]).await;
    let refusal = scene.engine().assign_worktree(&call(), nowhere, id(&made)).await.unwrap_err();
    assert_eq!(refusal.code, "not_a_worktree_of_it");
    for session in [first, second] {
        scene.engine().assign_worktree(&call(), session, id(&made)).await.unwrap();
        let task = scene
            .prompt(session, &format!("[[write {}|made]] [[say done]]", session.short()), &[])
            .await
            .unwrap();
        let over = scene.task_over(task.task.id).await;
        assert_eq!(over.state, model::TaskState::Completed, "{:?}", over.text);
        assert!(Path::new(&made.path).join(session.short()).exists());
        assert!(!scene.repo.path().join(session.short()).exists(), "the checkout is left alone");
    }
    assert_eq!(scene.engine().worktree(id(&made)).await.unwrap().sessions.len(), 2);
    // Its next turn says so when its worktree went away.
    trash(&scene, &made, true).await.unwrap();
    let task = scene.prompt(first, "[[say hello]]", &[]).await.unwrap();
    let over = scene.task_over(task.task.id).await;
    assert_eq!(over.state, model::TaskState::Failed);
    scene.engine().unassign_worktree(&call(), first).await.unwrap();
    let task = scene.prompt(first, "[[write a.txt|2]] [[say done]]", &[]).await.unwrap();
    assert_eq!(scene.task_over(task.task.id).await.state, model::TaskState::Completed);
    assert_eq!(scene.repo.read("a.txt"), "2");
}

async fn trust(scene: &Scene, repo: &Repo) -> Vec<Script> {
    let scripts = scene.engine().scripts(repo, None).await.unwrap();
    let hashes = scripts.iter().map(|script| script.hash.clone()).collect();
    scene.engine().trust_scripts(&call(), repo.id, hashes, false).await.unwrap();
    scripts
}

/// How a script of a worktree ended.
async fn ended(scene: &Scene, worktree: WorktreeId, kind: ScriptKind) -> model::ScriptEnd {
    scene
        .until("the script is over", || {
            scene.events().into_iter().rev().find_map(|event| match event {
                Event::WorktreeScriptEnded(end) if end.worktree == worktree && end.script == kind => {
                    Some(end)
                }
                _ => None,
            })
        })
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_runs_only_when_these_bytes_are_trusted() {
    let setup = "echo \"$CODITECT_WORKTREE_NAME $CODITECT_PORT_BASE $CODITECT_PORT_COUNT\"; pwd; echo done > made; exit 0\n";
    let scene =
        Scene::new(&[("a", "1\n"), (".coditect/setup.sh", setup), (".coditect/run.sh", "sleep 600\n")]).await;
    let repo = scene.add_repo(None).await;
    let first = add(&scene, &repo, "first").await;
    let end = ended(&scene, id(&first), ScriptKind::Setup).await;
    assert_eq!(end.end, ScriptOutcome::Untrusted);
    assert!(!Path::new(&first.path).join("made").exists(), "nothing ran");
    let refusal = scene.engine().start_script(&call(), id(&first), ScriptKind::Setup).await.unwrap_err();
    assert_eq!((&*refusal.code, refusal.hint.is_some()), ("script_untrusted", true));

    assert_eq!(trust(&scene, &repo).await.len(), 2);
    let second = add(&scene, &repo, "second").await;
    let end = ended(&scene, id(&second), ScriptKind::Setup).await;
    assert_eq!((end.end, end.code), (ScriptOutcome::Done, Some(0)), "{}", end.tail);
    let words = format!("second {} {PORT_SPAN}", second.port_base.unwrap());
    assert!(end.tail.contains(&words) && end.tail.contains(&second.path), "{}", end.tail);
    assert!(Path::new(&second.path).join("made").exists());

    // One byte more, and it is asked about again.
    std::fs::write(Path::new(&second.path).join(".coditect/setup.sh"), format!("{setup}#\n")).unwrap();
    let refusal = scene.engine().start_script(&call(), id(&second), ScriptKind::Setup).await.unwrap_err();
    assert_eq!(refusal.code, "script_untrusted");
    let refusal = scene.engine().start_script(&call(), id(&second), ScriptKind::Teardown).await.unwrap_err();
    assert_eq!(refusal.code, "no_script");

    scene.engine().start_script(&call(), id(&second), ScriptKind::Run).await.unwrap();
    let refusal = scene.engine().start_script(&call(), id(&second), ScriptKind::Run).await.unwrap_err();
    assert_eq!(refusal.code, "script_running");
    scene.engine().stop_scripts(&call(), id(&second)).await.unwrap();
    assert_eq!(ended(&scene, id(&second), ScriptKind::Run).await.end, ScriptOutcome::Canceled);
    let repo = scene.engine().trust_scripts(&call(), repo.id, Vec::new(), true).await.unwrap();
    assert!(repo.trusted.is_empty());
    let refusal = scene.engine().trust_scripts(&call(), repo.id, vec!["x".into()], false).await.unwrap_err();
    assert_eq!(refusal.code, "hash_invalid");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_teardown_that_fails_keeps_the_worktree_unless_ordered() {
    let scene = Scene::new(&[("a", "1\n"), (".coditect/teardown.sh", "echo cannot; exit 3\n")]).await;
    let repo = scene.add_repo(None).await;
    trust(&scene, &repo).await;
    let made = add(&scene, &repo, "one").await;
    let refusal = trash(&scene, &made, false).await.unwrap_err();
    assert_eq!(refusal.code, "teardown_failed");
    assert!(refusal.message.contains("cannot"), "{refusal}");
    assert!(Path::new(&made.path).exists());
    assert!(trash(&scene, &made, true).await.is_ok());
}

fn keyed(key: &str) -> Call {
    Call { key: Some(Key { key: key.to_owned(), request_hash: "same".to_owned() }), ..call() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_landing_and_a_removal_that_are_ordered_again_are_answered_and_not_done_again() {
    let scene = Scene::new(&[("a", "1\n")]).await;
    scene.configure_with(serde_json::json!({
        "agent": { "isolation": "worktree" }, "permissions": { "default": { "admin": "allow" } },
    }));
    scene.engine().reload_config().unwrap();
    let repo = scene.add_repo(None).await;
    let session = scene.session(Some(&repo), &["claude", "kimi"]).await;
    for (agent, file) in [("claude", "b"), ("kimi", "c")] {
        let task = scene.prompt(session, &format!("[[bash echo 1 > {file}]] [[say done]]"), &[agent]).await;
        let over = scene.task_over(task.unwrap().task.id).await;
        assert_eq!(over.state, model::TaskState::Completed, "{:?}", over.text);
    }
    let told = |views: &[engine::LandedView]| -> Vec<_> {
        let told = |view: &engine::LandedView| {
            (view.agent.clone(), view.branch.clone(), view.head.clone(), view.merged, view.changed.clone())
        };
        views.iter().map(told).collect()
    };
    let first = scene.engine().land(&keyed("land"), session, None).await.unwrap();
    assert_eq!(first.iter().map(|view| view.merged).collect::<Vec<_>>(), [false, true], "{first:?}");
    let task = scene.prompt(session, "[[bash echo 2 > b]] [[say done]]", &["claude"]).await.unwrap();
    scene.task_over(task.task.id).await;
    let again = scene.engine().land(&keyed("land"), session, None).await.unwrap();
    assert_eq!(told(&again), told(&first));
    assert_eq!(scene.repo.read("b"), "1\n", "what was made since is not landed with it");
    scene.engine().land(&keyed("more"), session, None).await.unwrap();
    assert_eq!(scene.repo.read("b"), "2\n");

    let claude = "claude".parse().unwrap();
    let removed = scene.engine().remove_worktree(&keyed("rm"), session, &claude, false).await.unwrap();
    let again = scene.engine().remove_worktree(&keyed("rm"), session, &claude, false).await.unwrap();
    assert_eq!((again.id, again.name, again.path), (removed.id, removed.name, removed.path.clone()));
    assert!(!Path::new(&removed.path).exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn many_that_are_put_away_under_one_key_are_all_recorded() {
    let scene = Scene::new(&[("a", "1\n")]).await;
    let repo = scene.add_repo(None).await;
    for name in ["one", "two", "three"] {
        add(&scene, &repo, name).await;
    }
    let gone = scene.engine().prune_worktrees(&keyed("prune")).await.unwrap();
    assert!(gone.len() == 3 && gone.iter().all(|one| one.kept_because.is_none()), "{gone:?}");
    let trash = scene.engine().worktrees(Some(repo.id), true).await.unwrap();
    assert_eq!(trash.iter().filter(|one| one.state == WorktreeState::Trashed).count(), 3);
    for one in gone {
        let back = scene.engine().restore_worktree(&keyed(&one.path), one.id.unwrap()).await.unwrap();
        assert_eq!((back.state, back.path), (WorktreeState::Live, one.path));
    }
}
