//! Snapshots: exactly the paths, and nothing else of the user's.

use crate::world::{AT, World, paths};
use git::{Author, FILE_MAX, GitError, MESSAGE_MAX, PATHS_MAX, Snapshot};
use std::os::unix::fs::{PermissionsExt, symlink};
use testkit::TempRepo;

fn busy() -> World {
    let world = World::with(&[("a", "one\n"), ("b", "one\n"), ("dir/c", "one\n")]);
    // The user is in the middle of something: one path staged, one staged and changed again, one new.
    world.repo.write("b", "staged\n");
    world.repo.git(&["add", "b"]);
    world.repo.write("b", "staged and more\n");
    world.repo.write("new", "untracked\n");
    world
}

#[test]
fn head_refs_index_and_files_are_left_alone() {
    let world = busy();
    world.repo.write("a", "two\n");
    let before = world.picture();
    let commit = world.snapshot(&["a"]);
    assert_eq!(world.picture(), before);
    assert_eq!(world.show(&commit, "a").as_deref(), Some("two\n"));
    assert_eq!(world.show(&commit, "b").as_deref(), Some("one\n"));
    assert_eq!(world.show(&commit, "new"), None);
    let parent = world.repo.git(&["rev-parse", &format!("{commit}^")]);
    assert_eq!(parent.trim(), world.head().as_str());
}

#[test]
fn adds_changes_removes_and_keeps_modes() {
    let world = World::with(&[("gone", "1"), ("run", "1"), ("was/dir", "1"), ("link", "1")]);
    world.repo.remove("gone");
    world.repo.remove("was/dir");
    std::fs::remove_dir(world.repo.path().join("was")).unwrap();
    world.repo.write("was", "now a file");
    world.repo.write("deep/er/new", "2");
    world.repo.remove("link");
    symlink("/etc/hostname", world.repo.path().join("link")).unwrap();
    std::fs::set_permissions(world.repo.path().join("run"), std::fs::Permissions::from_mode(0o755)).unwrap();
    let head = world.head();
    let at = ["gone", "run", "was", "was/dir", "deep/er/new", "link", "never/was"];
    let taken = world.try_snapshot(Some(&head), &at).unwrap();
    assert_eq!(taken.changed, paths(&["deep/er/new", "gone", "link", "run", "was", "was/dir"]));
    let listed = world.repo.git(&["ls-tree", "-r", taken.commit.unwrap().as_str()]);
    let entries: Vec<_> = listed.lines().map(|line| (&line[..6], line.split_once('\t').unwrap().1)).collect();
    assert_eq!(
        entries,
        [("100644", "deep/er/new"), ("120000", "link"), ("100755", "run"), ("100644", "was")]
    );
    // The link itself, not what it leads to.
    let again = world.snapshot(&["link"]);
    assert_eq!(world.show(&again, "link").as_deref(), Some("/etc/hostname"));
}

#[test]
fn nothing_to_commit_is_no_commit() {
    let world = World::with(&[("a", "1")]);
    let head = world.head();
    let taken = world.try_snapshot(Some(&head), &["a", "never"]).unwrap();
    assert_eq!((taken.commit, taken.changed.len()), (None, 0));
}

#[test]
fn an_unborn_branch_gets_a_root_commit() {
    let world = World::new(TempRepo::new());
    assert_eq!(world.open.head().unwrap(), None);
    assert_eq!(world.open.branch().unwrap().as_deref(), Some("main"));
    assert_eq!(world.open.log(10).unwrap(), []);
    world.repo.write("a", "1");
    let commit = world.snapshot(&["a"]);
    world.open.advance(&commit, None, &paths(&["a"])).unwrap();
    assert_eq!(world.repo.git(&["log", "--format=%an %s"]), "Ann Do the work\n");
    assert_eq!(world.repo.git(&["status", "--porcelain"]), "");
}

#[test]
fn the_same_snapshot_is_the_same_commit() {
    let world = World::with(&[("a", "1")]);
    world.repo.write("a", "2");
    assert_eq!(world.snapshot(&["a"]), world.snapshot(&["a"]));
}

#[test]
fn message_and_co_authors_are_what_git_reads() {
    let world = World::with(&[("a", "1")]);
    world.repo.write("a", "2");
    let commit = world.snapshot(&["a"]);
    let format = "--format=%an|%ae|%cn|%ct|%s|%(trailers:key=co-authored-by,valueonly,separator=%x2C)";
    assert_eq!(
        world.repo.git(&["show", "--no-patch", format, commit.as_str()]).trim(),
        "Ann|ann@example.com|Ann|1769869381|Do the work|\
         claude <claude@agents.coditect.invalid>,kimi <kimi@agents.coditect.invalid>"
    );
    let author = Author::fallback();
    let long = "é".repeat(MESSAGE_MAX);
    let at = paths(&["a"]);
    let head = world.head();
    let snapshot = Snapshot {
        parent: Some(&head),
        paths: &at,
        message: &long,
        author: &author,
        co_authors: std::slice::from_ref(&author),
        at: AT,
    };
    let commit = world.open.snapshot(&snapshot).unwrap().commit.unwrap();
    let stored = world.repo.git(&["show", "--no-patch", "--format=%B", commit.as_str()]);
    // Cut at the limit, and nobody is a co-author of their own commit.
    assert_eq!(stored.trim().len(), MESSAGE_MAX);
}

#[test]
fn ignored_and_filtered_files_are_left_out_and_named() {
    let world = World::with(&[
        (".gitignore", "*.log\n.env\n"),
        (".gitattributes", "*.bin filter=lfs\n"),
        ("kept.log", "1"),
    ]);
    world.repo.git(&["add", "--force", "kept.log"]);
    world.repo.git(&["commit", "--quiet", "--message", "tracked although ignored"]);
    for path in ["x.log", ".env", "kept.log", "big.bin", "a"] {
        world.repo.write(path, "2");
    }
    let head = world.head();
    let taken = world.try_snapshot(Some(&head), &["x.log", ".env", "kept.log", "big.bin", "a"]).unwrap();
    assert_eq!(taken.ignored, paths(&[".env", "x.log"]));
    assert_eq!(taken.filtered, paths(&["big.bin"]));
    assert_eq!(taken.changed, paths(&["a", "kept.log"]));
}

#[test]
fn line_ends_are_stored_as_the_attributes_say() {
    let world = World::with(&[(".gitattributes", "*.txt text eol=crlf\n"), ("a.txt", "1\r\n")]);
    world.repo.write("a.txt", "2\r\n");
    let commit = world.snapshot(&["a.txt"]);
    assert_eq!(world.show(&commit, "a.txt").as_deref(), Some("2\n"));
}

#[test]
fn nothing_outside_the_work_tree_is_taken() {
    let world = World::with(&[("a", "1")]);
    let outside = world.repo.beside("outside");
    std::fs::create_dir(&outside).unwrap();
    std::fs::write(outside.join("secret"), "s").unwrap();
    symlink(&outside, world.repo.path().join("door")).unwrap();
    let head = world.head();
    let refused = world.try_snapshot(Some(&head), &["door/secret"]);
    assert!(matches!(refused, Err(GitError::BeyondSymlink(path)) if path.as_str() == "door/secret"));
    std::fs::create_dir(world.repo.path().join("dir")).unwrap();
    assert!(matches!(world.try_snapshot(Some(&head), &["dir"]), Err(GitError::NotAFile(_))));
    let pipe = world.repo.path().join("pipe");
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU, 0)
        .unwrap();
    assert!(matches!(world.try_snapshot(Some(&head), &["pipe"]), Err(GitError::NotAFile(_))));
}

#[test]
fn names_that_look_like_options_are_names() {
    let world = World::with(&[("a", "1")]);
    let at = ["--output=x", "-rf", "-c core.pager=x/y", "HEAD", ":(top)a", "*", "@{-1}", "a b", "é"];
    for path in at {
        world.repo.write(path, path);
    }
    let commit = world.snapshot(&at);
    for path in at {
        assert_eq!(world.show(&commit, path).as_deref(), Some(path));
        let only = world.open.diff(Some(&world.head()), &commit, &paths(&[path])).unwrap();
        assert_eq!(only.text.matches("diff --git").count(), 1, "{path}: {}", only.text);
    }
    world.open.advance(&commit, Some(&world.head()), &paths(&at)).unwrap();
    assert_eq!(world.open.status(&[]).unwrap().entries, []);
    assert!(!world.repo.path().join("x").exists());
}

#[test]
fn limits_are_limits() {
    let world = World::with(&[("a", "1")]);
    let head = world.head();
    let many: Vec<String> = (0..=PATHS_MAX).map(|i| format!("f{i}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert!(matches!(world.try_snapshot(Some(&head), &many), Err(GitError::TooMany { max: PATHS_MAX, .. })));
    assert!(world.try_snapshot(Some(&head), &many[1..]).is_ok());
    let sparse = std::fs::File::create(world.repo.path().join("huge")).unwrap();
    sparse.set_len(FILE_MAX + 1).unwrap();
    let refused = world.try_snapshot(Some(&head), &["huge"]);
    assert!(matches!(refused, Err(GitError::FileTooLarge { bytes, .. }) if bytes == FILE_MAX + 1));
}

#[test]
fn an_unknown_parent_is_named() {
    let world = World::with(&[("a", "1")]);
    let unknown = "1".repeat(40).parse().unwrap();
    assert!(
        matches!(world.try_snapshot(Some(&unknown), &["a"]), Err(GitError::NoObject(oid)) if oid == unknown)
    );
}
