//! Named worktrees: made, found, put aside and brought back.

use crate::world::{AT, World, paths};
use git::{Author, Discard, GitError, Landing, Oid, Repository, Site, Snapshot, Start};
use std::collections::BTreeSet;
use std::path::PathBuf;

/// Creates at once that must all succeed.
const PARALLEL: usize = 16;

pub(crate) fn site(world: &World, name: &str) -> Site {
    Site {
        path: world.repo.beside("worktrees").join("shop").join(name),
        id: format!("coditect-w-{name}"),
        branch: name.to_owned(),
    }
}

pub(crate) fn make(world: &World, name: &str) -> Repository {
    world.open.make_worktree(&site(world, name), Start::New(&world.head())).unwrap()
}

pub(crate) fn discard(world: &World, worktree: &Repository, name: &str) -> Discard {
    Discard {
        key: format!("wtr_{name}"),
        id: format!("coditect-w-{name}"),
        path: worktree.top().to_owned(),
        to: world.repo.beside("trash").join(name),
    }
}

fn commit(worktree: &Repository, path: &str, content: &str) -> Oid {
    std::fs::write(worktree.top().join(path), content).unwrap();
    let head = worktree.head().unwrap();
    let (author, at) = (Author::new("Ann", "ann@example.com"), paths(&[path]));
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

#[test]
fn a_worktree_is_made_on_a_new_branch_and_git_knows_it() {
    let world = World::with(&[("a", "1\n"), ("dir/b", "1\n")]);
    let base = world.head();
    world.repo.write("a", "2\n");
    world.repo.git(&["commit", "-qam", "second"]);
    let made = world.open.make_worktree(&site(&world, "feat-auth"), Start::New(&base)).unwrap();
    assert_eq!(std::fs::read_to_string(made.top().join("a")).unwrap(), "1\n", "from its base");
    assert_eq!((made.branch().unwrap().as_deref(), made.head().unwrap()), (Some("feat-auth"), Some(base)));
    assert!(made.status(&[]).unwrap().entries.is_empty());
    let listed = world.repo.git(&["worktree", "list", "--porcelain"]);
    assert!(listed.contains("refs/heads/feat-auth") && listed.contains("locked"), "{listed}");
    let ours = world.open.worktrees().unwrap();
    assert_eq!((ours.len(), ours[0].ours, ours[0].missing), (1, true, false));
    assert_eq!((ours[0].path.as_path(), ours[0].branch.as_deref()), (made.top(), Some("feat-auth")));
}

#[test]
fn what_is_there_is_refused_and_left_as_it_is() {
    let world = World::with(&[("a", "1\n")]);
    world.repo.git(&["branch", "old"]);
    make(&world, "one");
    let head = world.head();
    let before = world.picture();
    let with = |name: &str, branch: &str| Site { branch: branch.to_owned(), ..site(&world, name) };
    let new = |site: Site| world.open.make_worktree(&site, Start::New(&head)).map(drop);
    let existing = |site: Site| world.open.make_worktree(&site, Start::Existing).map(drop);
    assert!(matches!(new(with("two", "old")), Err(GitError::BranchExists(_))));
    assert!(matches!(existing(with("two", "none")), Err(GitError::NoBranch(_))));
    assert!(matches!(existing(with("two", "main")), Err(GitError::BranchInUse { .. })));
    assert!(matches!(existing(with("two", "one")), Err(GitError::BranchInUse { .. })));
    assert!(matches!(new(with("one", "three")), Err(GitError::PathTaken(_))));
    assert!(matches!(new(with("two", "../../x")), Err(GitError::BadBranch(_))));
    assert!(matches!(new(with("two", "--upload-pack=x")), Err(GitError::BadBranch(_))));
    assert!(matches!(new(Site { id: "../x".into(), ..site(&world, "two") }), Err(GitError::BadRef(_))));
    assert!(matches!(world.open.commit_at("--upload-pack=x"), Err(GitError::NoCommit(_))));
    assert!(matches!(world.open.commit_at("nowhere"), Err(GitError::NoCommit(_))));
    assert_eq!(world.picture(), before);
    assert!(!world.repo.beside("worktrees/shop/two").exists(), "nothing half made stays");
    assert!(existing(with("two", "old")).is_ok());
}

#[test]
fn sixteen_at_once_are_all_made_each_for_itself() {
    let files: Vec<(String, String)> =
        (0..60).map(|n| (format!("dir{}/f{n}", n % 7), "x\n".repeat(50))).collect();
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    let world = World::with(&files);
    // With packed refs every deletion and packing takes one lock for all.
    world.repo.git(&["pack-refs", "--all"]);
    let head = world.head();
    let barrier = std::sync::Barrier::new(PARALLEL);
    let made: Vec<PathBuf> = std::thread::scope(|scope| {
        let (world, head, barrier) = (&world, &head, &barrier);
        let makers: Vec<_> = (0..PARALLEL)
            .map(|n| {
                scope.spawn(move || {
                    // Each from its own look, as other processes would.
                    let open = world.git.open(world.repo.path()).unwrap();
                    barrier.wait();
                    open.make_worktree(&site(world, &format!("w{n}")), Start::New(head))
                        .unwrap()
                        .top()
                        .to_owned()
                })
            })
            .collect();
        makers.into_iter().map(|maker| maker.join().unwrap()).collect()
    });
    assert_eq!(made.iter().collect::<BTreeSet<_>>().len(), PARALLEL);
    for path in &made {
        let open = world.git.open(path).unwrap();
        assert!(open.status(&[]).unwrap().entries.is_empty(), "{}", path.display());
    }
    assert_eq!(world.repo.git(&["worktree", "list"]).lines().count(), PARALLEL + 1);
    world.repo.git(&["fsck", "--strict"]);
}

#[test]
fn of_many_that_want_the_same_branch_one_gets_it() {
    let world = World::with(&[("a", "1\n")]);
    world.repo.git(&["branch", "shared"]);
    for start in [None, Some(world.head())] {
        let branch = if start.is_some() { "fresh" } else { "shared" };
        let barrier = std::sync::Barrier::new(4);
        let results: Vec<Result<(), GitError>> = std::thread::scope(|scope| {
            let (world, start, barrier) = (&world, &start, &barrier);
            let makers: Vec<_> = (0..4)
                .map(|n| {
                    scope.spawn(move || {
                        barrier.wait();
                        let site = Site { branch: branch.into(), ..site(world, &format!("{branch}{n}")) };
                        let start = start.as_ref().map_or(Start::Existing, Start::New);
                        world.open.make_worktree(&site, start).map(drop)
                    })
                })
                .collect();
            makers.into_iter().map(|maker| maker.join().unwrap()).collect()
        });
        assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1, "{results:?}");
        let refusals = results.into_iter().filter_map(Result::err);
        for error in refusals {
            assert!(matches!(error, GitError::BranchInUse { .. } | GitError::BranchExists(_)), "{error:?}");
        }
        let on: Vec<_> = world
            .open
            .worktrees()
            .unwrap()
            .into_iter()
            .filter(|w| w.branch.as_deref() == Some(branch))
            .collect();
        assert_eq!(on.len(), 1, "{on:?}");
    }
}

#[test]
fn worktrees_that_others_made_are_seen_as_they_are() {
    let world = World::with(&[("a", "1\n")]);
    let (plain, locked, gone) =
        (world.repo.beside("plain"), world.repo.beside("locked"), world.repo.beside("gone"));
    for (path, branch) in [(&plain, "p"), (&locked, "l"), (&gone, "g")] {
        world.repo.git(&["worktree", "add", "-q", "-b", branch, path.to_str().unwrap()]);
    }
    world.repo.git(&["worktree", "lock", "--reason", "on a stick", locked.to_str().unwrap()]);
    std::fs::remove_dir_all(&gone).unwrap();
    world.repo.git(&["-C", plain.to_str().unwrap(), "checkout", "-q", "--detach"]);
    let listed = world.open.worktrees().unwrap();
    let of = |path: &PathBuf| listed.iter().find(|one| one.path == *path).unwrap();
    assert!(listed.iter().all(|one| !one.ours));
    assert_eq!((of(&plain).branch.as_deref(), of(&plain).missing), (None, false));
    assert_eq!(of(&locked).locked.as_deref(), Some("on a stick"));
    assert!(of(&gone).missing);
    let holding = world.git.open(&locked).unwrap().holding().unwrap();
    assert!(holding.reason().unwrap().contains("on a stick"));
}

#[test]
fn whatever_would_be_lost_is_a_reason_to_stay() {
    type Harm = fn(&World, &Repository);
    let cases: [(&str, Harm); 9] = [
        ("not committed: a", |_, tree| std::fs::write(tree.top().join("a"), "2\n").unwrap()),
        ("not committed: new", |_, tree| std::fs::write(tree.top().join("new"), "2\n").unwrap()),
        ("not landed", |_, tree| drop(commit(tree, "a", "2\n"))),
        ("stash", |world, tree| {
            std::fs::write(tree.top().join("a"), "2\n").unwrap();
            world.repo.git(&["-C", tree.top().to_str().unwrap(), "stash", "-q"]);
        }),
        ("git does not show", |world, tree| {
            world.repo.git(&["-C", tree.top().to_str().unwrap(), "update-index", "--assume-unchanged", "a"]);
            std::fs::write(tree.top().join("a"), "2\n").unwrap();
        }),
        ("merge is under way", |_, tree| {
            std::fs::write(tree.git_dir().join("MERGE_HEAD"), "x").unwrap();
        }),
        ("locked for git", |_, tree| std::fs::write(tree.git_dir().join("locked"), "mine").unwrap()),
        ("not committed", |world, tree| {
            let inner = tree.top().join("inner");
            world.repo.git(&["init", "-q", inner.to_str().unwrap()]);
            std::fs::write(inner.join("x"), "1").unwrap();
        }),
        ("submodule", |world, tree| {
            let at = tree.top().to_str().unwrap().to_owned();
            let head = world.head();
            world.repo.git(&[
                "-C",
                &at,
                "update-index",
                "--add",
                "--cacheinfo",
                &format!("160000,{head},sub"),
            ]);
            std::fs::create_dir(tree.top().join("sub")).unwrap();
            std::fs::write(tree.top().join("sub/x"), "1").unwrap();
        }),
    ];
    for (n, (words, spoil)) in cases.into_iter().enumerate() {
        let world = World::with(&[("a", "1\n")]);
        let tree = make(&world, &format!("w{n}"));
        assert_eq!(tree.holding().unwrap().reason(), None, "a fresh one can go");
        spoil(&world, &tree);
        let reason = tree.holding().unwrap().reason().unwrap_or_default();
        assert!(reason.contains(words), "{words}: {reason}");
    }
}

#[test]
fn a_stash_on_another_branch_and_ignored_files_are_no_reason() {
    let world = World::with(&[("a", "1\n"), (".gitignore", "target/\n")]);
    let tree = make(&world, "one");
    world.repo.write("a", "2\n");
    world.repo.git(&["stash", "-q"]);
    std::fs::create_dir(tree.top().join("target")).unwrap();
    std::fs::write(tree.top().join("target/x"), "built").unwrap();
    assert_eq!(tree.holding().unwrap().reason(), None);
    let pushed = commit(&tree, "a", "3\n");
    assert!(tree.holding().unwrap().reason().is_some());
    world.repo.git(&["update-ref", "refs/remotes/origin/one", pushed.as_str()]);
    assert_eq!(tree.holding().unwrap().reason(), None, "what a remote has is elsewhere");
}

#[test]
fn put_aside_git_forgets_it_and_brought_back_it_is_as_it_was() {
    let world = World::with(&[("a", "1\n"), (".gitignore", "ignored\n")]);
    let tree = make(&world, "one");
    let head = commit(&tree, "a", "2\n");
    std::fs::write(tree.top().join("loose"), "loose\n").unwrap();
    std::fs::write(tree.top().join("ignored"), "built\n").unwrap();
    std::fs::write(tree.top().join("staged"), "staged\n").unwrap();
    world.repo.git(&["-C", tree.top().to_str().unwrap(), "add", "staged"]);
    let status = || world.repo.git(&["-C", tree.top().to_str().unwrap(), "status", "-s", "--ignored"]);
    let before = status();
    let discard = discard(&world, &tree, "one");
    world.open.keep_standing(&tree, &discard.key, AT).unwrap().unwrap();
    world.open.put_aside(&discard).unwrap();
    assert!(!discard.path.exists() && discard.to.join("loose").exists());
    assert_eq!(world.repo.git(&["worktree", "list"]).lines().count(), 1);
    let kept = world.repo.git(&["show", "--format=", "--name-only", "refs/coditect/trash/wtr_one/staged"]);
    assert!(kept.contains("staged"), "{kept}");
    // Its branch is free, even to be deleted; it comes back with it.
    world.repo.git(&["branch", "-qD", "one"]);
    world.repo.git(&["gc", "-q", "--prune=now"]);
    world.open.put_aside(&discard).unwrap();
    let back = world.open.put_back(&discard, &head, Some("one")).unwrap();
    assert!(!back.detached);
    assert_eq!(status(), before);
    assert_eq!(world.repo.git(&["rev-parse", "one"]).trim(), head.as_str());
}

#[test]
fn a_link_in_place_of_its_pointer_is_not_followed() {
    let world = World::with(&[("a", "1\n")]);
    let tree = make(&world, "one");
    let (pointer, mine) = (tree.top().join(".git"), world.repo.beside("mine"));
    std::fs::copy(&pointer, &mine).unwrap();
    std::fs::remove_file(&pointer).unwrap();
    std::os::unix::fs::symlink(&mine, &pointer).unwrap();
    let before = std::fs::read(&mine).unwrap();
    let discard = discard(&world, &tree, "one");
    if world.open.put_aside(&discard).is_ok() {
        std::fs::write(&mine, "mine").unwrap();
        world.open.put_back(&discard, &world.head(), Some("one")).unwrap();
        assert_eq!(std::fs::read(&mine).unwrap(), b"mine");
        assert!(!pointer.symlink_metadata().unwrap().is_symlink());
    } else {
        assert_eq!(std::fs::read(&mine).unwrap(), before);
    }
}

#[test]
fn when_its_branch_went_elsewhere_it_comes_back_on_its_commit() {
    let world = World::with(&[("a", "1\n")]);
    let tree = make(&world, "one");
    let head = commit(&tree, "a", "2\n");
    let discard = discard(&world, &tree, "one");
    world.open.keep_standing(&tree, &discard.key, AT).unwrap();
    world.open.put_aside(&discard).unwrap();
    world.repo.git(&["checkout", "-q", "one"]);
    assert!(world.open.put_back(&discard, &head, Some("one")).unwrap().detached);
    let back = world.git.open(&discard.path).unwrap();
    assert_eq!((back.branch().unwrap(), back.head().unwrap()), (None, Some(head)));
    assert!(back.status(&[]).unwrap().entries.is_empty());
}

#[test]
fn only_a_worktree_of_the_repository_is_put_aside_and_only_what_was_is_thrown_away() {
    let world = World::with(&[("a", "1\n")]);
    let tree = make(&world, "one");
    let good = discard(&world, &tree, "one");
    let elsewhere = world.repo.beside("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    std::fs::write(elsewhere.join("mine"), "mine").unwrap();
    for bad in [
        Discard { path: world.repo.path().to_owned(), ..good.clone() },
        Discard { path: elsewhere.clone(), ..good.clone() },
        Discard { id: "..".into(), ..good.clone() },
        Discard { key: "../x".into(), ..good.clone() },
    ] {
        assert!(world.open.put_aside(&bad).is_err(), "{bad:?}");
    }
    assert!(
        elsewhere.join("mine").exists()
            && tree.top().join("a").exists()
            && world.repo.path().join("a").exists()
    );
    // A link in its place leads to nobody else's folder.
    world.open.put_aside(&good).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &good.path).unwrap();
    assert!(world.open.put_back(&good, &world.head(), Some("one")).is_err());
    world.open.throw_away(&good).unwrap();
    assert!(elsewhere.join("mine").exists() && !good.to.exists());
    world.open.throw_away(&good).unwrap();
}

#[test]
fn a_branch_that_nobody_has_checked_out_is_landed_on_too() {
    let world = World::with(&[("a", "1\n"), ("b", "1\n")]);
    world.repo.git(&["branch", "release"]);
    let tree = make(&world, "one");
    let work = commit(&tree, "a", "2\n");
    let author = Author::new("Ann", "ann@example.com");
    let landing =
        Landing { commit: &work, message: "Land one", author: &author, at: AT, forward_only: false };
    let before = world.repo.git(&["status", "-s"]);
    let landed = world.open.land_on("release", &landing).unwrap();
    assert_eq!((landed.head, landed.merged, landed.changed), (work.clone(), false, paths(&["a"])));
    assert_eq!(world.repo.git(&["status", "-s"]), before);
    assert!(world.open.land_on("release", &landing).unwrap().changed.is_empty());
    assert!(matches!(world.open.land_on("none", &landing), Err(GitError::NoBranch(_))));
}
