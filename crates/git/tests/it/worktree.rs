//! Lent worktrees, and how what was done in them comes home.

use crate::world::{AT, World, paths};
use git::{Author, GitError, Landing, Lent, Oid, Repository, Snapshot};
use std::path::PathBuf;

fn lent(world: &World, agent: &str) -> Lent {
    let path: PathBuf = world.repo.beside("worktrees").join("k2x7").join(agent);
    Lent { path, session: "k2x7".to_owned(), agent: agent.to_owned() }
}

/// A worktree of its own, from HEAD.
fn lend(world: &World, agent: &str) -> (Lent, Repository) {
    let lent = lent(world, agent);
    let opened = world.open.lend(&lent, &world.head()).unwrap();
    (lent, opened)
}

/// Writes a file in the worktree and commits it on its branch.
fn work(worktree: &Repository, path: &str, content: &str) -> Oid {
    let file = worktree.top().join(path);
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(file, content).unwrap();
    let head = worktree.head().unwrap();
    let author = Author::new("Ann", "ann@example.com");
    let at = paths(&[path]);
    let snapshot = Snapshot {
        parent: head.as_ref(),
        paths: &at,
        message: "Work",
        author: &author,
        co_authors: &[],
        at: AT,
    };
    let commit = worktree.snapshot(&snapshot).unwrap().commit.unwrap();
    worktree.advance(&commit, head.as_ref(), &at).unwrap();
    commit
}

fn land(world: &World, commit: &Oid) -> Result<git::Touchdown, GitError> {
    let author = Author::new("Ann", "ann@example.com");
    world.open.land(&Landing {
        commit,
        message: "Land claude's work",
        author: &author,
        at: AT,
        forward_only: false,
    })
}

#[test]
fn a_lent_worktree_is_one_of_gits_own_on_a_branch_of_its_own() {
    let world = World::with(&[("a", "1\n"), ("dir/b", "1\n")]);
    world.repo.write("a", "the user's\n");
    world.repo.write("loose", "untracked\n");
    let before = world.repo.git(&["status", "-s"]);
    let (lent, worktree) = lend(&world, "claude");
    assert_eq!(std::fs::read_to_string(worktree.top().join("a")).unwrap(), "1\n", "as committed");
    assert_eq!(std::fs::read_to_string(worktree.top().join("dir/b")).unwrap(), "1\n");
    assert!(!worktree.top().join("loose").exists(), "nothing that git does not know is copied");
    assert_eq!(worktree.branch().unwrap().as_deref(), Some("coditect/k2x7/claude"));
    assert!(worktree.status(&[]).unwrap().entries.is_empty());
    assert_eq!(world.repo.git(&["status", "-s"]), before);
    let listed = world.repo.git(&["worktree", "list", "--porcelain"]);
    assert!(listed.contains("refs/heads/coditect/k2x7/claude") && listed.contains("locked"), "{listed}");
    world.repo.git(&["worktree", "prune", "--expire=now"]);
    assert!(world.open.lent(&lent).unwrap().is_some());
    let commit = work(&worktree, "a", "2\n");
    assert_eq!(world.repo.git(&["rev-parse", "coditect/k2x7/claude"]).trim(), commit.as_str());
    assert_ne!(world.head(), commit);
}

#[test]
fn one_that_was_half_made_is_made_whole_and_a_whole_one_stays() {
    let world = World::with(&[("a", "1\n")]);
    let (lent, worktree) = lend(&world, "claude");
    let admin = world.repo.path().join(".git/worktrees/coditect-k2x7-claude");
    std::fs::remove_file(admin.join("index")).unwrap();
    std::fs::remove_file(worktree.top().join("a")).unwrap();
    assert!(world.open.lent(&lent).unwrap().is_none());
    let again = world.open.lend(&lent, &world.head()).unwrap();
    assert!(again.status(&[]).unwrap().entries.is_empty());
    assert!(world.open.lent(&lent).unwrap().is_some());
}

#[test]
fn landing_moves_the_branch_forward_and_leaves_the_users_work() {
    let world = World::with(&[("a", "1\n"), ("b", "1\n"), ("c", "1\n")]);
    let (_, worktree) = lend(&world, "claude");
    let commit = work(&worktree, "new/file", "made\n");
    world.repo.write("b", "the user's\n");
    world.repo.write("c", "staged\n");
    world.repo.git(&["add", "c"]);
    let landed = land(&world, &commit).unwrap();
    assert_eq!((landed.merged, landed.head.clone()), (false, commit.clone()));
    assert_eq!(landed.changed, paths(&["new/file"]));
    assert_eq!(world.repo.read("new/file"), "made\n");
    assert_eq!(world.repo.git(&["status", "-s"]), " M b\nM  c\n");
    assert!(land(&world, &commit).unwrap().changed.is_empty(), "a second time there is nothing to do");
    assert!(world.repo.git(&["reflog", "-1", "main"]).contains("coditect: land"));
}

#[test]
fn when_both_sides_moved_a_merge_is_made() {
    let world = World::with(&[("a", "1\n"), ("b", "1\n")]);
    let (_, worktree) = lend(&world, "claude");
    let theirs = work(&worktree, "a", "2\n");
    world.repo.write("b", "2\n");
    world.repo.git(&["commit", "-qam", "mine"]);
    let mine = world.head();
    let landed = land(&world, &theirs).unwrap();
    assert!(landed.merged);
    let parents = world.repo.git(&["rev-list", "--parents", "-n1", "HEAD"]);
    assert_eq!(parents.trim(), format!("{} {mine} {theirs}", landed.head));
    assert_eq!((world.repo.read("a"), world.repo.read("b")), ("2\n".into(), "2\n".into()));
    assert_eq!(world.repo.git(&["status", "-s"]), "");
    assert_eq!(world.repo.git(&["log", "-1", "--format=%s"]).trim(), "Land claude's work");
}

#[test]
fn a_conflict_names_the_files_and_changes_nothing() {
    let world = World::with(&[("a", "1\n"), ("b", "1\n")]);
    let (_, worktree) = lend(&world, "claude");
    work(&worktree, "b", "2\n");
    let theirs = work(&worktree, "a", "theirs\n");
    world.repo.write("a", "mine\n");
    world.repo.git(&["commit", "-qam", "mine"]);
    let before = world.picture();
    match land(&world, &theirs) {
        Err(GitError::MergeConflict { paths: named, .. }) => assert_eq!(named, paths(&["a"])),
        other => panic!("{other:?}"),
    }
    assert_eq!(world.picture(), before);
}

#[test]
fn what_the_user_has_in_a_file_is_in_the_way_however_git_knows_it() {
    for (name, prepare) in [
        ("changed", (|world: &World| world.repo.write("a", "the user's\n")) as fn(&World)),
        ("staged", |world| {
            world.repo.write("a", "the user's\n");
            world.repo.git(&["add", "a"]);
        }),
        ("untracked", |world| world.repo.write("new", "the user's\n")),
        ("ignored", |world| {
            world.repo.write(".git/info/exclude", "new\n");
            world.repo.write("new", "the user's\n");
        }),
    ] {
        let world = World::with(&[("a", "1\n")]);
        let (_, worktree) = lend(&world, "claude");
        work(&worktree, "a", "2\n");
        let commit = work(&worktree, "new", "made\n");
        prepare(&world);
        let before = world.picture();
        match land(&world, &commit) {
            Err(GitError::InTheWay { paths }) => assert_eq!(paths.len(), 1, "{name}: {paths:?}"),
            other => panic!("{name}: {other:?}"),
        }
        assert_eq!(world.picture(), before, "{name}");
    }
}

#[test]
fn only_a_worktree_of_ours_is_taken_away() {
    let world = World::with(&[("a", "1\n")]);
    let (lent, worktree) = lend(&world, "claude");
    let commit = work(&worktree, "a", "2\n");
    assert_eq!(world.open.reached_from(&commit).unwrap(), Vec::<String>::new(), "its own branch is no proof");
    land(&world, &commit).unwrap();
    assert_eq!(world.open.reached_from(&commit).unwrap(), ["refs/heads/main"]);
    let admin = world.repo.path().join(".git/worktrees/coditect-k2x7-claude");
    let reason = std::fs::read_to_string(admin.join("locked")).unwrap();
    std::fs::write(admin.join("locked"), "mine").unwrap();
    assert!(matches!(world.open.take_away(&lent, None), Err(GitError::Unlinked { .. })));
    assert!(lent.path.join("a").exists());
    std::fs::write(admin.join("locked"), reason).unwrap();
    world.open.take_away(&lent, Some(&commit)).unwrap();
    assert!(!lent.path.exists() && !admin.exists());
    assert_eq!(world.repo.git(&["branch", "--list", "coditect/*"]), "");
    assert_eq!(world.repo.read("a"), "2\n");
}

#[test]
fn names_that_would_lead_elsewhere_are_refused() {
    let world = World::with(&[("a", "1\n")]);
    for bad in ["", "..", "a/b", "-x", "a b", &"x".repeat(65)] {
        let lent = Lent { agent: bad.to_owned(), ..lent(&world, "claude") };
        assert!(matches!(world.open.lend(&lent, &world.head()), Err(GitError::BadRef(_))), "{bad}");
    }
}
