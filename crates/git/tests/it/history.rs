//! Reading: log, diff, status, refs, identity.

use crate::world::{AT, World, paths};
use git::{Author, Change, DIFF_MAX, DIFF_PATHS_MAX, GitError, LOG_MAX, StatusEntry, UserHome};
use testkit::TempRepo;

#[test]
fn the_log_says_who_did_what_where() {
    let world = World::with(&[("a", "1")]);
    world.repo.write("src/b", "1");
    world.repo.write("a", "2");
    let old = world.head();
    let commit = world.snapshot(&["src/b", "a"]);
    world.open.advance(&commit, Some(&old), &paths(&["a", "src/b"])).unwrap();
    let log = world.open.log(LOG_MAX + 1).unwrap();
    assert_eq!(log.len(), 2);
    assert_eq!(
        (&log[0].oid, log[0].parents.as_slice(), log[0].at),
        (&commit, std::slice::from_ref(&old), AT)
    );
    assert_eq!((log[0].subject.as_str(), log[0].author.name()), ("Do the work", "Ann"));
    let names: Vec<_> = log[0].co_authors.iter().map(Author::name).collect();
    assert_eq!(names, ["claude", "kimi"]);
    assert_eq!(log[0].files, paths(&["a", "src/b"]));
    assert_eq!((log[1].subject.as_str(), log[1].files.as_slice()), ("first", paths(&["a"]).as_slice()));
    assert_eq!(world.open.log(1).unwrap().len(), 1);
    assert_eq!(world.open.log(0).unwrap(), []);
}

#[test]
fn no_file_name_or_message_confuses_the_log() {
    let world = World::with(&[("a", "1")]);
    let first = world.head();
    // A file named like the next commit in the list, and a message full of what parsers split at.
    world.repo.write(first.as_str(), "1");
    world.repo.write(":100644 100644 x y M", "1");
    world.repo.git(&["add", "--all"]);
    world.repo.git(&[
        "commit",
        "--quiet",
        "--message",
        "subject\u{1}\u{2}\n\ncommit 1234\n\nco-authored-by: Eve <eve@x>",
    ]);
    let log = world.open.log(10).unwrap();
    assert_eq!(log.len(), 2);
    assert_eq!(log[0].files.len(), 2);
    assert_eq!(log[1].files, paths(&["a"]));
    assert_eq!(log[0].co_authors, [Author::new("Eve", "eve@x")]);
}

#[test]
fn a_diff_shows_what_changed_and_is_cut_at_its_limit() {
    let world = World::with(&[("a", "one\n"), ("b", "one\n")]);
    world.repo.write("a", "two\n");
    world.repo.write("b", "two\n");
    let (head, commit) = (world.head(), world.snapshot(&["a", "b"]));
    let diff = world.open.diff(Some(&head), &commit, &paths(&["a"])).unwrap();
    assert!(diff.text.contains("-one\n+two\n") && !diff.text.contains("b/b") && !diff.cut, "{}", diff.text);
    assert!(world.open.diff(None, &commit, &[]).unwrap().text.contains("new file mode"));
    world.repo.write("big", "x\n".repeat(DIFF_MAX));
    let big = world.snapshot(&["big"]);
    let cut = world.open.diff(Some(&head), &big, &[]).unwrap();
    assert_eq!((cut.cut, cut.text.len()), (true, DIFF_MAX));
    let many: Vec<_> = (0..=DIFF_PATHS_MAX).map(|i| format!("f{i}").parse().unwrap()).collect();
    assert!(matches!(world.open.diff(None, &commit, &many), Err(GitError::TooMany { .. })));
    assert!(matches!(world.open.status(&many), Err(GitError::TooMany { .. })));
}

#[test]
fn a_diff_to_the_work_tree_shows_new_and_removed_files() {
    let world = World::with(&[("a", "one\n"), ("gone", "one\n")]);
    world.repo.write("new", "two\n");
    world.repo.remove("gone");
    world.repo.write("a", "not asked for\n");
    let before = world.picture();
    let diff = world.open.diff_work_tree(Some(&world.head()), &paths(&["new", "gone"])).unwrap();
    assert!(diff.text.contains("+two\n") && diff.text.contains("-one\n") && !diff.text.contains("asked"));
    assert_eq!(world.picture(), before);
}

#[test]
fn status_tells_staged_from_unstaged() {
    let world = World::with(&[("a", "1"), ("b", "1"), ("c", "1"), (".gitignore", "ignored\n")]);
    world.repo.write("a", "2");
    world.repo.git(&["add", "a"]);
    world.repo.write("a", "3");
    world.repo.remove("b");
    world.repo.write("new/x", "1");
    world.repo.write("ignored", "1");
    world.repo.write("bad\\name", "1");
    let status = world.open.status(&[]).unwrap();
    let entry = |path: &str, staged, unstaged| StatusEntry { path: path.parse().unwrap(), staged, unstaged };
    let expected = [
        entry("a", Some(Change::Modified), Some(Change::Modified)),
        entry("b", None, Some(Change::Removed)),
        entry("new/x", None, Some(Change::Untracked)),
    ];
    assert_eq!((status.entries.as_slice(), status.unnamable), (expected.as_slice(), 1));
    assert_eq!(world.open.status(&paths(&["b", "c"])).unwrap().entries, expected[1..2]);
}

#[test]
fn status_writes_nothing() {
    let world = World::with(&[("a", "1")]);
    // A touched file would make a plain `git status` rewrite the index.
    world.repo.write("a", "1");
    let before = world.picture();
    world.open.status(&[]).unwrap();
    assert_eq!(world.picture(), before);
}

#[test]
fn refs_are_kept_in_one_namespace() {
    let world = World::with(&[("a", "1")]);
    let head = world.head();
    world.open.update_ref("refs/coditect/checkpoints/c1", &head).unwrap();
    assert_eq!(world.open.resolve_ref("refs/coditect/checkpoints/c1").unwrap(), Some(head.clone()));
    assert_eq!(world.open.resolve_ref("refs/coditect/checkpoints").unwrap(), None);
    assert_eq!(world.repo.git(&["rev-parse", "refs/coditect/checkpoints/c1"]).trim(), head.as_str());
    let long = format!("refs/coditect/{}", "a".repeat(200));
    for bad in [
        "refs/heads/main",
        "HEAD",
        "refs/coditect/",
        "refs/coditect/-x",
        "refs/coditect/--output=x",
        "--stdin",
        "refs/coditect/a..b",
        "refs/coditect/a.lock",
        "refs/coditect/../heads/main",
        "refs/coditect/a b",
        "refs/coditect/a//b",
        long.as_str(),
    ] {
        assert!(matches!(world.open.update_ref(bad, &head), Err(GitError::BadRef(_))), "{bad}");
        assert!(matches!(world.open.resolve_ref(bad), Err(GitError::BadRef(_))), "{bad}");
    }
    let unknown = "1".repeat(40).parse().unwrap();
    assert!(matches!(world.open.update_ref("refs/coditect/x", &unknown), Err(GitError::NoObject(_))));
    assert!(matches!(world.open.blob(&unknown, &paths(&["a"])[0]), Err(GitError::NoObject(_))));
}

#[test]
fn a_branch_named_like_an_option_is_a_branch() {
    let world = World::with(&[("a", "1")]);
    // Git's own check accepts it below refs/heads.
    world.repo.git(&["update-ref", "refs/heads/--output=x", "HEAD"]);
    world.repo.git(&["symbolic-ref", "HEAD", "refs/heads/--output=x"]);
    assert_eq!(world.open.branch().unwrap().as_deref(), Some("--output=x"));
    world.repo.write("a", "2");
    let (old, commit) = (world.head(), world.snapshot(&["a"]));
    world.open.advance(&commit, Some(&old), &paths(&["a"])).unwrap();
    assert_eq!(world.open.log(1).unwrap()[0].oid, commit);
    assert!(!world.repo.path().join("x").exists());
}

#[test]
fn the_identity_is_the_users_own() {
    let world = World::new(TempRepo::new());
    let home = world.repo.beside("home");
    std::fs::create_dir(&home).unwrap();
    let user = UserHome { home: home.clone(), xdg_config_home: None };
    assert_eq!(world.open.identity(&user).unwrap(), Author::fallback());
    let work = home.join("work.inc");
    std::fs::write(&work, "[user]\nemail = u@work\n").unwrap();
    let include = format!("[includeIf \"gitdir:{}/**\"]\npath = work.inc\n", world.repo.path().display());
    std::fs::write(home.join(".gitconfig"), format!("[user]\nname = Ursula\nemail = u@home\n{include}"))
        .unwrap();
    assert_eq!(world.open.identity(&user).unwrap(), Author::new("Ursula", "u@work"));
    world.repo.git(&["config", "user.name", "Ursula K."]);
    assert_eq!(world.open.identity(&user).unwrap().name(), "Ursula K");
    let elsewhere = UserHome { home: world.repo.beside("nohome"), xdg_config_home: Some(home.join("xdg")) };
    std::fs::create_dir_all(home.join("xdg/git")).unwrap();
    std::fs::write(home.join("xdg/git/config"), "[user]\nemail = u@xdg\n").unwrap();
    assert_eq!(world.open.identity(&elsewhere).unwrap().email(), "u@xdg");
}

#[test]
fn several_refs_move_at_once_or_not_at_all() {
    let world = World::with(&[("a.txt", "one\n")]);
    let first = world.head();
    world.repo.write("a.txt", "two\n");
    world.repo.commit_all("second");
    let (second, unknown) = (world.head(), "1".repeat(40).parse().unwrap());
    let (one, other) = ("refs/coditect/begun/x", "refs/coditect/plans/x");
    let at = |name: &str| world.open.resolve_ref(name).unwrap();
    world.open.update_refs(&[(other, &second), (one, &first)]).unwrap();
    assert_eq!((at(one), at(other)), (Some(first.clone()), Some(second.clone())));
    assert!(world.open.update_refs(&[(other, &first), (one, &unknown)]).is_err());
    let refused = world.open.update_refs(&[(other, &first), ("refs/heads/main", &first)]).unwrap_err();
    assert!(matches!(refused, GitError::BadRef(_)), "{refused:?}");
    assert_eq!((at(one), at(other)), (Some(first), Some(second)));
}
