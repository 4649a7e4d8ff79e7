//! Points: every file of a work tree, beside everything that is the user's; and trees side by side.

use crate::world::{AT, World, paths};
use git::{
    Change, Content, GitError, Keep, Kept, LINE_MAX, Oid, Repository, Standing, UNTRACKED_BYTES_MAX,
    UNTRACKED_FILE_MAX,
};
use model::RepoPath;
use std::os::unix::fs::symlink;
use testkit::TempRepo;

fn keep(open: &Repository, last: Option<(&Oid, u32)>) -> Kept {
    let survey = open.survey().unwrap();
    open.keep(&Keep { survey: &survey, last, message: "Before a turn", at: AT }).unwrap()
}

fn listed(world: &World, at: &Oid) -> Vec<String> {
    let text = world.repo.git(&["ls-tree", "-r", "--name-only", at.as_str()]);
    text.lines().map(str::to_owned).collect()
}

#[test]
fn a_point_holds_what_git_knows_and_what_it_does_not_and_nothing_it_ignores() {
    let world = World::with(&[(".gitignore", "*.log\n"), ("a", "one\n"), ("b", "one\n"), ("was/in", "1")]);
    world.repo.write("a", "staged\n");
    world.repo.git(&["add", "a"]);
    world.repo.write("a", "staged and more\n");
    world.repo.remove("b");
    world.repo.write("new/deep", "new\n");
    world.repo.write("noise.log", "noise\n");
    // A file where a folder was, and a folder where a file was.
    world.repo.remove("was/in");
    std::fs::remove_dir(world.repo.path().join("was")).unwrap();
    symlink("/etc", world.repo.path().join("was")).unwrap();
    let before = world.picture();
    let survey = world.open.survey().unwrap();
    assert_eq!(world.picture(), before);
    assert_eq!(survey.left_out, 0);
    let kept = keep(&world.open, None);
    assert_eq!(listed(&world, &kept.commit), [".gitignore", "a", "new/deep", "was"]);
    assert_eq!(world.show(&kept.commit, "a").as_deref(), Some("staged and more\n"));
    assert_eq!(world.show(&kept.commit, "was").as_deref(), Some("/etc"));
    assert_eq!(kept.changed, paths(&["a", "b", "new/deep", "was", "was/in"]));
    // It stands on nothing of the user's.
    assert_eq!(world.repo.git(&["rev-list", "--count", kept.commit.as_str()]).trim(), "1");
}

#[test]
fn a_file_becomes_a_folder_and_a_folder_a_file() {
    let world = World::with(&[("one", "1"), ("two/in", "2")]);
    world.repo.remove("one");
    world.repo.write("one/in", "1");
    world.repo.remove("two/in");
    std::fs::remove_dir(world.repo.path().join("two")).unwrap();
    world.repo.write("two", "2");
    let kept = keep(&world.open, None);
    assert_eq!(listed(&world, &kept.commit), ["one/in", "two"]);
}

#[test]
fn where_nothing_differs_the_point_before_is_the_point() {
    let world = World::with(&[("a", "one\n")]);
    let first = keep(&world.open, None);
    assert_eq!((first.same, first.depth, first.parent.clone()), (false, 0, None));
    let objects = || world.repo.git(&["count-objects", "-v"]);
    let before = objects();
    let again = keep(&world.open, Some((&first.commit, 0)));
    assert!(again.same && again.commit == first.commit);
    assert_eq!(objects(), before, "a clean work tree costs a look at it");
    world.repo.write("a", "two\n");
    let second = keep(&world.open, Some((&first.commit, 0)));
    assert_eq!((second.parent.as_ref(), second.depth), (Some(&first.commit), 1));
    assert_eq!(second.changed, paths(&["a"]));
}

#[test]
fn a_line_ends_and_one_that_was_lost_begins_anew() {
    let world = World::with(&[("a", "0")]);
    let first = keep(&world.open, None);
    world.repo.write("a", "1");
    assert_eq!(keep(&world.open, Some((&first.commit, LINE_MAX - 2))).depth, LINE_MAX - 1);
    let next = keep(&world.open, Some((&first.commit, LINE_MAX - 1)));
    assert_eq!((next.depth, next.parent), (0, None));
    let lost: Oid = "0123456789abcdef0123456789abcdef01234567".parse().unwrap();
    let anew = keep(&world.open, Some((&lost, 3)));
    assert_eq!((anew.depth, anew.parent), (0, None));
}

#[test]
fn what_is_too_large_is_left_out_and_counted() {
    let world = World::with(&[("a", "one\n")]);
    let large = |name: &str, bytes: u64| {
        std::fs::File::create(world.repo.path().join(name)).unwrap().set_len(bytes).unwrap();
    };
    large("fits", UNTRACKED_FILE_MAX);
    large("large", UNTRACKED_FILE_MAX + 1);
    assert_eq!(world.open.survey().unwrap().left_out, 1);
    let many = UNTRACKED_BYTES_MAX / UNTRACKED_FILE_MAX;
    (0..many).for_each(|n| large(&format!("many-{n}"), UNTRACKED_FILE_MAX));
    assert_eq!(world.open.survey().unwrap().left_out, 2);
    let kept = keep(&world.open, None);
    assert_eq!(world.open.status(&paths(&["large"])).unwrap().entries[0].unstaged, Some(Change::Untracked));
    assert!(listed(&world, &kept.commit).contains(&"fits".to_owned()));
    assert!(!listed(&world, &kept.commit).contains(&"large".to_owned()));
}

#[test]
fn an_empty_repository_and_one_without_a_commit_have_points() {
    let world = World::new(TempRepo::new());
    let empty = keep(&world.open, None);
    assert!(listed(&world, &empty.commit).is_empty());
    world.repo.write("a", "1");
    let kept = keep(&world.open, Some((&empty.commit, 0)));
    assert_eq!(listed(&world, &kept.commit), ["a"]);
}

#[test]
fn trees_are_compared_and_their_files_unpacked_outside() {
    let world = World::with(&[("a", "one\ntwo\n"), ("run", "#!/bin/sh\n"), ("gone", "1\n")]);
    let first = keep(&world.open, None);
    world.repo.write("a", "one\n2\nthree\n");
    world.repo.remove("gone");
    symlink("a", world.repo.path().join("link")).unwrap();
    let second = keep(&world.open, Some((&first.commit, 0)));
    let (from, to) =
        (world.open.tree_at(&first.commit).unwrap(), world.open.tree_at(&second.commit).unwrap());
    let compared = world.open.compare(&from, &to).unwrap();
    let lines: Vec<_> = compared
        .files
        .iter()
        .map(|file| (file.path.as_str(), file.before, file.after, file.added, file.removed))
        .collect();
    assert_eq!(
        lines,
        [
            ("a", Some(Standing::File), Some(Standing::File), Some(2), Some(1)),
            ("gone", Some(Standing::File), None, Some(0), Some(1)),
            ("link", None, Some(Standing::Link), Some(1), Some(0)),
        ]
    );
    let before = world.picture();
    let held = contents(&world, &from, &["a", "gone", "link", "never/was"]);
    let held: Vec<_> =
        held.iter().map(|(path, kind, text)| (path.as_str(), *kind, text.as_slice())).collect();
    let file = Some(Standing::File);
    assert_eq!(held, [("a", file, &b"one\ntwo\n"[..]), ("gone", file, b"1\n")], "what is wanted and there");
    let held = contents(&world, &to, &["link"]);
    assert_eq!(held, [("link".to_owned(), Some(Standing::Link), b"a".to_vec())]);
    assert_eq!(world.picture(), before);
}

/// Paths, what they are unless git wrote them into a folder, and what is in them.
fn contents(world: &World, tree: &Oid, wanted: &[&str]) -> Vec<(String, Option<Standing>, Vec<u8>)> {
    let mut held = Vec::new();
    let take = |path: &RepoPath, content: Content<'_>| {
        let (standing, bytes) = match content {
            Content::Bytes(standing, bytes) => (Some(standing), bytes.to_vec()),
            Content::At(file) => (None, std::fs::read(file).unwrap()),
        };
        held.push((path.to_string(), standing, bytes));
        Ok::<(), GitError>(())
    };
    world.open.contents(tree, &paths(wanted), take).unwrap();
    held
}

/// What `git add --all` makes of the same work tree.
fn added(world: &World) -> String {
    world.repo.git(&["add", "--all"]);
    world.repo.git(&["write-tree"]).trim().to_owned()
}

fn many(world: &World, text: &str) {
    (0..40).for_each(|n| world.repo.write(&format!("many/{n:02}"), format!("{n} {text}\n")));
}

#[test]
fn many_files_at_once_make_the_tree_that_git_makes_of_them() {
    let attributes =
        "*.auto text=auto\n*.win text eol=crlf\n*.id ident\n*.wide working-tree-encoding=UTF-16LE\n";
    let files = [(".gitattributes", attributes), (".gitignore", "*.log\n"), ("was/in", "1"), ("file", "1")];
    let world = World::with(&files);
    many(&world, "first");
    for (name, text) in [
        ("x.auto", "a\r\nb\n"),
        ("y.auto", "plain\n"),
        ("x.win", "a\r\nb\r\n"),
        ("x.id", "$Id: 123 $\n"),
        ("x.wide", "a\0b\0\n\0"),
        ("cr", "a\r\n"),
        ("noise.log", "not wanted\n"),
        ("a \"quoted\" näme", "1"),
        ("\"", "2"),
        ("file.d/in", "3"),
        ("empty", ""),
    ] {
        world.repo.write(name, text);
    }
    // A file where a folder was, and a folder where a file was.
    world.repo.remove("was/in");
    std::fs::remove_dir(world.repo.path().join("was")).unwrap();
    world.repo.write("was", "a file");
    world.repo.remove("file");
    world.repo.write("file/in", "a folder");
    symlink("/etc", world.repo.path().join("link")).unwrap();
    let run = world.repo.path().join("many/00");
    std::fs::set_permissions(&run, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let large = std::fs::File::create(world.repo.path().join("large")).unwrap();
    large.set_len(5 * 1024 * 1024).unwrap();
    let before = world.picture();
    let survey = world.open.survey().unwrap();
    assert_eq!(world.picture(), before);
    assert_eq!(survey.left_out, 0);
    let objects = || world.repo.git(&["count-objects", "-v"]);
    let written = objects();
    assert_eq!(world.open.survey().unwrap().tree, survey.tree);
    assert_eq!(objects(), written, "what is looked at twice is written once");
    assert!(world.repo.git(&["for-each-ref", "refs/coditect"]).is_empty(), "nothing points there");
    assert_eq!(survey.tree.as_str(), added(&world));
    let large: &[&str] = &["large"];
    assert_eq!(contents(&world, &survey.tree, large)[0].1, None, "it lies in a folder while it is looked at");
    for (path, kind) in [("x.win", None), ("x.id", None), ("x.wide", None), ("x.auto", Some(Standing::File))]
    {
        let held = contents(&world, &survey.tree, &[path]);
        assert_eq!(held[0].1, kind, "{path}");
    }
    assert_eq!(contents(&world, &survey.tree, &["x.win"])[0].2, b"a\r\nb\r\n");
    assert_eq!(contents(&world, &survey.tree, &["many/00"])[0].1, Some(Standing::Executable));
}

#[test]
fn many_removals_and_an_unborn_branch_are_trees_as_well() {
    let world = World::new(TempRepo::new());
    many(&world, "unborn");
    let survey = world.open.survey().unwrap();
    assert_eq!(survey.tree.as_str(), added(&world));
    world.repo.git(&["commit", "-qm", "all"]);
    std::fs::remove_dir_all(world.repo.path().join("many")).unwrap();
    (0..40).for_each(|n| world.repo.write(&format!("other/{n}"), "1"));
    assert_eq!(world.open.survey().unwrap().tree.as_str(), added(&world));
}

#[test]
fn a_file_that_git_knows_is_kept_though_it_is_ignored() {
    let world = World::with(&[(".gitignore", "*.log\n"), ("a", "1")]);
    world.repo.write("kept.log", "1");
    world.repo.git(&["add", "--force", "kept.log"]);
    world.repo.write("noise.log", "1");
    let kept = keep(&world.open, None);
    assert_eq!(listed(&world, &kept.commit), [".gitignore", "a", "kept.log"]);
}

#[test]
fn where_modes_are_not_the_file_systems_git_has_the_word() {
    let world = World::with(&[("a", "1")]);
    many(&world, "first");
    world.repo.git(&["add", "--all"]);
    world.repo.git(&["commit", "-qm", "all"]);
    world.repo.git(&["config", "core.filemode", "false"]);
    many(&world, "second");
    for n in 0..40 {
        let path = world.repo.path().join(format!("many/{n:02}"));
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    }
    let open = world.git.open(world.repo.path()).unwrap();
    assert_eq!(open.survey().unwrap().tree.as_str(), added(&world));
}

#[test]
fn where_there_are_no_links_a_link_is_the_plain_file_that_a_checkout_makes() {
    let world = World::with(&[("a", "1")]);
    symlink("a", world.repo.path().join("link")).unwrap();
    let kept = keep(&world.open, None);
    let tree = world.open.tree_at(&kept.commit).unwrap();
    assert_eq!(
        contents(&world, &tree, &["link"]),
        [("link".to_owned(), Some(Standing::Link), b"a".to_vec())]
    );
    world.repo.git(&["config", "core.symlinks", "false"]);
    let world = World { open: world.git.open(world.repo.path()).unwrap(), ..world };
    assert_eq!(contents(&world, &tree, &["link"]), [("link".to_owned(), None, b"a".to_vec())]);
}

#[test]
fn what_many_files_make_is_one_pack_and_stays_one() {
    let world = World::with(&[("a", "1")]);
    let counted = |what: &str| {
        let all = world.repo.git(&["count-objects", "-v"]);
        all.lines().find_map(|line| line.strip_prefix(&format!("{what}: "))).unwrap().to_owned()
    };
    let loose = counted("count");
    many(&world, "fewer than git itself would leave in a pack");
    for _ in 0..2 {
        let survey = world.open.survey().unwrap();
        assert_eq!((counted("count"), counted("packs").as_str()), (loose.clone(), "1"));
        assert!(world.repo.git(&["ls-tree", "-r", survey.tree.as_str()]).lines().count() > 40);
    }
}

/// What git wrote of a stream of ours that ended early, but for its commands and numbers.
const REPORT: &str = "fast-import crash report:\n    fast-import process: 13002\n\nfatal: stream ends early\n\n\
    Most Recent Commands Before Crash\n---------------------------------\n  commit refs/coditect/survey\n* data 2\n\n\
    Inactive Branches\n-----------------\nrefs/coditect/survey:\n  status      : active loaded\n";

#[test]
fn what_a_stream_left_that_was_cut_off_is_taken_away_and_nothing_else() {
    let world = World::with(&[("a", "1")]);
    let foreign = world.repo.beside("foreign");
    world.repo.git(&["worktree", "add", "--quiet", "-b", "foreign", foreign.to_str().unwrap()]);
    let git_dir = world.repo.path().join(".git");
    let admin = git_dir.join("worktrees/foreign");
    let pack = git_dir.join("objects/pack");
    let write = |dir: &std::path::Path, name: &str, text: &str| {
        std::fs::write(dir.join(name), text).unwrap();
        dir.join(name)
    };
    let ours = [write(&git_dir, "fast_import_crash_1", REPORT), write(&admin, "fast_import_crash_2", REPORT)];
    let theirs = REPORT.replace("refs/coditect/survey:", "refs/heads/main:");
    let kept = [
        write(&git_dir, "fast_import_crash_3", &theirs),
        write(&git_dir, "notes_of_a_crash", REPORT),
        write(&pack, "tmp_pack_young", "PACK"),
        write(&pack, "pack-old.keep", ""),
    ];
    let old = write(&pack, "tmp_pack_old", "PACK");
    for file in [&old, &kept[3]] {
        let file = std::fs::File::options().write(true).open(file).unwrap();
        file.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
    }
    let mut gone = git::sweep_cut_off(world.repo.path());
    gone.sort();
    let mut wanted = [&ours[..], &[old]].concat();
    wanted.sort();
    assert_eq!(gone, wanted);
    assert!(gone.iter().all(|file| !file.exists()) && kept.iter().all(|file| file.exists()));
    assert!(git::sweep_cut_off(world.repo.path()).is_empty());
}

#[test]
fn a_ref_goes_only_from_where_it_stands() {
    let world = World::with(&[("a", "1")]);
    let kept = keep(&world.open, None);
    let name = "refs/coditect/checkpoints/x";
    world.open.update_ref(name, &kept.commit).unwrap();
    assert!(world.open.drop_ref(name, &world.head()).is_err());
    assert_eq!(world.open.refs_below("refs/coditect/checkpoints/").unwrap()[name], kept.commit);
    world.open.drop_ref(name, &kept.commit).unwrap();
    assert!(world.open.refs_below("refs/coditect/checkpoints/").unwrap().is_empty());
    assert!(matches!(world.open.drop_ref("refs/heads/main", &world.head()), Err(GitError::BadRef(_))));
}

#[test]
fn commits_that_are_gone_are_named() {
    let world = World::with(&[("a", "1")]);
    let lost: Oid = "0123456789abcdef0123456789abcdef01234567".parse().unwrap();
    assert_eq!(world.open.missing(&[world.head(), lost.clone()]).unwrap(), std::slice::from_ref(&lost));
    assert!(matches!(world.open.tree_at(&lost), Err(GitError::NoObject(_))));
}
