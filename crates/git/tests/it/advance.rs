//! Advance: the branch moves in one step, and the user's own work is still there.

use crate::world::{World, paths};
use git::{GitError, INDEX_WAIT, IndexRefresh, Oid};
use proptest::prelude::*;

fn done(kept: &[&str]) -> IndexRefresh {
    IndexRefresh::Done { kept: paths(kept) }
}

#[test]
fn other_paths_keep_what_is_staged_and_what_is_not() {
    let world = World::with(&[("a", "1\n"), ("b", "1\n"), ("c", "1\n"), ("d", "1\n")]);
    world.repo.write("b", "staged\n");
    world.repo.git(&["rm", "--quiet", "--cached", "d"]);
    world.repo.write("fresh", "new\n");
    world.repo.git(&["add", "b", "fresh"]);
    world.repo.write("b", "staged, then changed\n");
    world.repo.write("c", "changed\n");
    world.repo.write("loose", "untracked\n");
    world.repo.write("a", "2\n");
    let others = ["b", "c", "d", "fresh", "loose"];
    let picture = |world: &World| {
        let listed = |args: &[&str]| world.repo.git(&[args, &["--"], &others].concat());
        (
            listed(&["diff", "--cached"]),
            listed(&["diff"]),
            listed(&["ls-files", "--stage"]),
            listed(&["status", "-s"]),
        )
    };
    let before = picture(&world);
    let head = world.head();
    let commit = world.snapshot(&["a"]);
    let advanced = world.open.advance(&commit, Some(&head), &paths(&["a"])).unwrap();
    assert_eq!(advanced.index, done(&[]));
    assert_eq!(picture(&world), before);
    assert_eq!(world.repo.git(&["status", "-s", "--", "a"]), "");
    assert_eq!(world.head(), commit);
    assert_eq!(world.open.branch().unwrap().as_deref(), Some("main"));
    let reflog = world.repo.git(&["reflog", "-1", "main"]);
    assert!(reflog.contains("coditect: checkpoint"), "{reflog}");
}

#[test]
fn a_change_staged_at_a_committed_path_is_kept_and_named() {
    let world = World::with(&[("a", "1\n"), ("same", "1\n")]);
    world.repo.write("a", "the user's\n");
    world.repo.write("same", "2\n");
    world.repo.git(&["add", "a", "same"]);
    world.repo.write("a", "the agent's\n");
    let head = world.head();
    let commit = world.snapshot(&["a", "same"]);
    let advanced = world.open.advance(&commit, Some(&head), &paths(&["a", "same"])).unwrap();
    assert_eq!(advanced.index, done(&["a"]));
    assert_eq!(world.repo.git(&["show", ":a"]), "the user's\n");
    assert_eq!(world.repo.git(&["status", "-s"]), "MM a\n");
}

#[test]
fn a_merge_in_progress_is_kept() {
    let world = World::with(&[("a", "1\n"), ("b", "1\n")]);
    world.repo.git(&["checkout", "--quiet", "-b", "side"]);
    world.repo.write("a", "side\n");
    world.repo.commit_all("side");
    world.repo.git(&["checkout", "--quiet", "main"]);
    world.repo.write("a", "main\n");
    world.repo.commit_all("main");
    assert!(!world.repo.try_git(&["merge", "side"]).status.success());
    let stages = world.repo.git(&["ls-files", "--unmerged"]);
    world.repo.write("b", "2\n");
    let head = world.head();
    let commit = world.snapshot(&["a", "b"]);
    let advanced = world.open.advance(&commit, Some(&head), &paths(&["a", "b"])).unwrap();
    assert_eq!(advanced.index, done(&["a"]));
    assert_eq!(world.repo.git(&["ls-files", "--unmerged"]), stages);
}

#[test]
fn added_and_removed_files_and_a_file_for_a_directory() {
    let world = World::with(&[("gone", "1"), ("was/dir", "1")]);
    world.repo.remove("gone");
    std::fs::remove_dir_all(world.repo.path().join("was")).unwrap();
    world.repo.write("was", "file");
    world.repo.write("new/x", "1");
    let at = ["gone", "was", "was/dir", "new/x"];
    let head = world.head();
    let commit = world.snapshot(&at);
    world.open.advance(&commit, Some(&head), &paths(&at)).unwrap();
    assert_eq!(world.repo.git(&["status", "-s"]), "");
    assert_eq!(world.repo.git(&["ls-files"]), "new/x\nwas\n");
}

#[test]
fn a_moved_branch_refuses_and_nothing_changes() {
    let world = World::with(&[("a", "1"), ("b", "1")]);
    let old = world.head();
    world.repo.write("a", "2");
    let commit = world.snapshot(&["a"]);
    world.repo.write("b", "2");
    world.repo.git(&["add", "b"]);
    world.repo.git(&["commit", "--quiet", "--message", "the user's"]);
    let moved = world.head();
    let before = world.picture();
    let refused = world.open.advance(&commit, Some(&old), &paths(&["a"])).unwrap_err();
    let GitError::Moved { expected, found } = refused else { panic!("{refused}") };
    assert_eq!((expected, found), (Some(old), Some(moved)));
    assert!(matches!(world.open.advance(&commit, None, &[]), Err(GitError::Moved { .. })));
    assert_eq!(world.picture(), before);
}

#[test]
fn a_commit_that_is_not_there_is_named() {
    let world = World::with(&[("a", "1")]);
    let (head, unknown) = (world.head(), "1".repeat(40).parse::<Oid>().unwrap());
    assert!(matches!(world.open.advance(&unknown, Some(&head), &[]), Err(GitError::NoObject(_))));
    assert_eq!(world.head(), head);
}

#[test]
fn a_detached_head_moves_and_no_branch_does() {
    let world = World::with(&[("a", "1")]);
    world.repo.git(&["checkout", "--quiet", "--detach"]);
    assert_eq!(world.open.branch().unwrap(), None);
    let old = world.head();
    world.repo.write("a", "2");
    let commit = world.snapshot(&["a"]);
    world.open.advance(&commit, Some(&old), &paths(&["a"])).unwrap();
    assert_eq!(world.head(), commit);
    assert_eq!(world.repo.git(&["rev-parse", "main"]).trim(), old.as_str());
    assert_eq!(world.repo.git(&["status", "-s"]), "");
}

#[test]
fn repeated_after_a_crash_it_finishes_the_index() {
    let world = World::with(&[("a", "1")]);
    let head = world.head();
    world.repo.write("a", "2");
    let commit = world.snapshot(&["a"]);
    // The branch moved and the process died before the index was refreshed.
    world.repo.git(&["update-ref", "HEAD", commit.as_str()]);
    assert_eq!(world.repo.git(&["status", "-s"]), "MM a\n");
    for _ in 0..2 {
        let advanced = world.open.advance(&commit, Some(&head), &paths(&["a"])).unwrap();
        assert_eq!(advanced.index, done(&[]));
        assert_eq!(world.repo.git(&["status", "-s"]), "");
    }
}

#[test]
fn an_index_held_by_another_git_is_said_and_can_be_finished_later() {
    let world = World::with(&[("a", "1")]);
    let head = world.head();
    world.repo.write("a", "2");
    let commit = world.snapshot(&["a"]);
    let lock = world.repo.path().join(".git/index.lock");
    std::fs::write(&lock, "").unwrap();
    let began = std::time::Instant::now();
    let advanced = world.open.advance(&commit, Some(&head), &paths(&["a"])).unwrap();
    assert_eq!(advanced.index, IndexRefresh::Locked);
    assert!(began.elapsed() >= INDEX_WAIT);
    assert_eq!(world.head(), commit);
    std::fs::remove_file(lock).unwrap();
    assert_eq!(world.open.advance(&commit, Some(&head), &paths(&["a"])).unwrap().index, done(&[]));
    assert_eq!(world.repo.git(&["status", "-s"]), "");
}

#[test]
fn works_in_a_linked_work_tree_with_packed_refs() {
    let world = World::with(&[("a", "1")]);
    let linked = world.repo.beside("linked");
    world.repo.git(&["worktree", "add", "--quiet", "-b", "side", linked.to_str().unwrap()]);
    world.repo.git(&["pack-refs", "--all"]);
    let old = world.head();
    let side = World { open: world.git.open(&linked).unwrap(), ..world };
    std::fs::write(linked.join("a"), "2").unwrap();
    let commit = side.snapshot(&["a"]);
    side.open.advance(&commit, Some(&old), &paths(&["a"])).unwrap();
    assert_eq!(side.repo.git(&["rev-parse", "side"]).trim(), commit.as_str());
    assert_eq!(side.repo.git(&["rev-parse", "main"]).trim(), old.as_str());
    assert_eq!(side.repo.git(&["-C", linked.to_str().unwrap(), "status", "-s"]), "");
    assert_eq!(side.repo.git(&["status", "-s"]), "");
    side.repo.git(&["fsck", "--strict"]);
}

#[derive(Debug, Clone, Copy)]
enum Was {
    Absent,
    Present,
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// Whatever the user has staged and changed, a checkpoint of other paths leaves it byte for byte.
    #[test]
    fn any_staged_and_unstaged_state_survives(
        states in proptest::collection::vec(
            (prop_oneof![Just(Was::Absent), Just(Was::Present)], proptest::option::of(0u8..3), proptest::option::of(0u8..3)),
            1..6,
        )
    ) {
        let world = World::with(&[("agent", "1")]);
        for (i, (was, _, _)) in states.iter().enumerate() {
            if matches!(was, Was::Present) {
                world.repo.write(&format!("dir/{i}"), "0");
            }
        }
        world.repo.commit_all("base");
        for (i, (_, staged, unstaged)) in states.iter().enumerate() {
            let path = format!("dir/{i}");
            if let Some(staged) = staged {
                world.repo.write(&path, staged.to_string());
                world.repo.git(&["add", &path]);
            }
            match unstaged {
                Some(unstaged) => world.repo.write(&path, unstaged.to_string()),
                None => { std::fs::remove_file(world.repo.path().join(&path)).ok(); }
            }
        }
        world.repo.write("agent", "2");
        let before = (world.repo.git(&["ls-files", "--stage", "dir"]), world.repo.git(&["diff", "--", "dir"]), world.repo.git(&["diff", "--cached"]));
        let head = world.head();
        let commit = world.snapshot(&["agent"]);
        world.open.advance(&commit, Some(&head), &paths(&["agent"])).unwrap();
        let after = (world.repo.git(&["ls-files", "--stage", "dir"]), world.repo.git(&["diff", "--", "dir"]), world.repo.git(&["diff", "--cached"]));
        prop_assert_eq!(after, before);
    }
}
