//! What a worktree holds, and what would conflict: seen without a trace in the repository.

use crate::world::{World, paths};
use git::{Dirty, Hunk, Hunks, LOOK_FILE_MAX, Oid, Repository, Site, Start};
use model::RepoPath;
use std::path::PathBuf;

struct Look {
    world: World,
    aside: Repository,
}

const LINES: &str = "1\n2\n3\n4\n5\n6\n7\n8\n9\n";

impl Look {
    fn new() -> Self {
        let world = World::with(&[("a.txt", LINES), ("b.txt", "one\n"), ("gone.txt", "x\n")]);
        let aside = world.open.writing_aside(&world.repo.beside("aside")).unwrap();
        Self { world, aside }
    }

    fn dirty(&self) -> Dirty {
        self.aside.dirty(&self.folder()).unwrap()
    }

    fn folder(&self) -> PathBuf {
        self.world.repo.beside("look")
    }

    /// What the checkout holds now, as a commit.
    fn held(&self) -> Oid {
        self.aside.held(&self.world.head(), &self.dirty().paths).unwrap().commit
    }

    fn objects(&self) -> String {
        self.world.repo.git(&["count-objects", "-v"])
    }
}

fn names(paths: &[RepoPath]) -> Vec<&str> {
    paths.iter().map(RepoPath::as_str).collect()
}

#[test]
fn what_is_not_committed_is_seen_and_leaves_nothing_in_the_repository() {
    let look = Look::new();
    look.world.repo.write(".gitignore", "ignored\n");
    look.world.repo.commit_all("ignore");
    look.world.repo.write("a.txt", LINES.replace('5', "five"));
    look.world.repo.write("new/c.txt", "new\n");
    look.world.repo.write("ignored", "not seen\n");
    look.world.repo.remove("gone.txt");
    look.world.repo.write("b.txt", "staged\n");
    look.world.repo.git(&["add", "b.txt"]);
    let (picture, objects) = (look.world.picture(), look.objects());
    assert_eq!(names(&look.dirty().paths), ["a.txt", "b.txt", "gone.txt", "new/c.txt"]);
    let (held, again) = (look.held(), look.held());
    assert_eq!(held, again, "the same content is the same commit");
    let show = |path: &str| look.aside.blob(&held, &path.parse().unwrap()).unwrap();
    assert_eq!(show("new/c.txt").as_deref(), Some(&b"new\n"[..]));
    assert_eq!(show("b.txt").as_deref(), Some(&b"staged\n"[..]));
    assert_eq!((show("gone.txt"), show("ignored")), (None, None));
    let touched = look.aside.touched(Some(&look.world.head()), &held).unwrap();
    assert_eq!(touched.len(), 4);
    assert!(touched[&"gone.txt".parse().unwrap()].after.is_none());
    assert!(touched[&"new/c.txt".parse().unwrap()].before.is_none());
    assert_eq!((look.world.picture(), look.objects()), (picture, objects));
    assert!(look.world.open.blob(&held, &"b.txt".parse().unwrap()).is_err(), "it is not in the repository");
}

#[test]
fn a_change_of_the_same_size_at_the_same_moment_is_not_overlooked() {
    let look = Look::new();
    for round in 0..20 {
        look.world.repo.git(&["reset", "--quiet", "--hard"]);
        assert_eq!(look.dirty(), Dirty::default(), "{round}");
        look.world.repo.write("b.txt", "two\n");
        assert_eq!(names(&look.dirty().paths), ["b.txt"], "{round}");
        look.world.repo.write("b.txt", "one\n");
        assert_eq!(look.dirty(), Dirty::default(), "{round}");
    }
}

#[test]
fn a_commit_or_another_index_is_seen_at_the_next_look() {
    let look = Look::new();
    look.world.repo.write("b.txt", "two\n");
    assert_eq!(names(&look.dirty().paths), ["b.txt"]);
    look.world.repo.commit_all("two");
    assert_eq!(look.dirty(), Dirty::default());
    look.world.repo.git(&["reset", "--quiet", "--soft", "HEAD~1"]);
    assert_eq!(names(&look.dirty().paths), ["b.txt"], "staged");
}

#[test]
fn nothing_is_read_of_what_is_too_large_or_filtered_but_its_name_counts() {
    let look = Look::new();
    look.world.repo.write(".gitattributes", "*.bin filter=lfs\n");
    look.world.repo.commit_all("attributes");
    look.world.repo.write("x.bin", "a pointer would be here\n");
    look.world.repo.write("big.dat", vec![b'x'; usize::try_from(LOOK_FILE_MAX).unwrap() + 1]);
    let held = look.aside.held(&look.world.head(), &look.dirty().paths).unwrap();
    assert_eq!(held.commit, look.world.head());
    assert_eq!(names(&held.left_out), ["big.dat", "x.bin"]);
}

#[test]
fn hunks_are_lines_of_the_older_side() {
    let look = Look::new();
    look.world.repo.write("a.txt", LINES.replace('2', "two").replace("9\n", "9\n10\n"));
    look.world.repo.write("b.txt", [0u8, 1, 2]);
    let (base, held) = (look.world.head(), look.held());
    let found = look.aside.hunks(Some(&base), &held, &paths(&["a.txt", "b.txt", "gone.txt"])).unwrap();
    let lines = vec![Hunk { start: 2, lines: 1 }, Hunk { start: 10, lines: 0 }];
    assert_eq!(found[&"a.txt".parse().unwrap()], Hunks::Lines(lines));
    assert_eq!(found[&"b.txt".parse().unwrap()], Hunks::Whole);
    assert_eq!(found.len(), 2, "what is as it was has no hunks");
}

#[test]
fn merges_are_tried_and_nothing_comes_of_it() {
    let look = Look::new();
    let repo = &look.world.repo;
    let site = Site { path: repo.beside("tree"), id: "coditect-w-1".into(), branch: "tree".into() };
    let tree = look.world.open.make_worktree(&site, Start::New(&look.world.head())).unwrap();
    let tree = tree.writing_aside(&repo.beside("aside")).unwrap();
    std::fs::write(tree.top().join("a.txt"), LINES.replace('5', "theirs")).unwrap();
    repo.write("a.txt", LINES.replace('5', "ours"));
    let theirs = tree.dirty(&repo.beside("look-tree")).unwrap();
    let theirs = tree.held(&look.world.head(), &theirs.paths).unwrap().commit;
    let ours = look.held();
    repo.write("a.txt", LINES.replace('1', "ours"));
    let apart = look.held();
    let (picture, objects) = (look.world.picture(), look.objects());
    let pairs = [(ours.clone(), theirs.clone()), (apart, theirs.clone()), (theirs.clone(), theirs.clone())];
    let found = look.aside.dry_merges(&pairs).unwrap();
    let conflicts: Vec<Vec<&str>> = found.iter().map(|one| names(&one.conflicts)).collect();
    assert_eq!(conflicts, [vec!["a.txt"], vec![], vec![]]);
    assert_eq!(found.iter().map(|one| one.clean).collect::<Vec<_>>(), [false, true, true]);
    assert_eq!(look.aside.merge_base(&ours, &theirs).unwrap(), Some(look.world.head()));
    assert_eq!((look.world.picture(), look.objects()), (picture, objects));
    assert_eq!(look.aside.dry_merges(&[]).unwrap(), []);
}

#[test]
fn a_merge_driver_of_the_repository_decides_nothing() {
    let look = Look::new();
    let repo = &look.world.repo;
    let mark = repo.beside("mark");
    repo.git(&["config", "merge.x.driver", &format!("touch '{}'; true", mark.display())]);
    repo.write(".gitattributes", "a.txt merge=x\n");
    let base = repo.commit_all("driver");
    for (branch, word) in [("one", "one"), ("two", "two")] {
        repo.git(&["checkout", "--quiet", "-b", branch, &base]);
        repo.write("a.txt", LINES.replace('5', word));
        repo.commit_all(word);
    }
    let tip = |branch| look.world.open.branch_tip(branch).unwrap().unwrap();
    let found = look.aside.dry_merges(&[(tip("one"), tip("two"))]).unwrap();
    assert_eq!(names(&found[0].conflicts), ["a.txt"]);
    assert!(!mark.exists(), "the driver ran");
    repo.try_git(&["merge", "--quiet", "one"]);
    assert!(mark.exists(), "plain git runs it");
}

#[test]
fn histories_without_a_common_beginning_are_merged_from_nothing() {
    let look = Look::new();
    let repo = &look.world.repo;
    repo.git(&["checkout", "--quiet", "--orphan", "other"]);
    repo.write("b.txt", "other\n");
    repo.commit_all("other");
    let (main, other) = (look.world.open.branch_tip("main").unwrap().unwrap(), look.world.head());
    assert_eq!(look.aside.merge_base(&main, &other).unwrap(), None);
    let found = look.aside.dry_merges(&[(main, other)]).unwrap();
    assert_eq!(names(&found[0].conflicts), ["b.txt"]);
}

#[test]
fn the_files_of_a_work_tree_are_its_own_and_nothing_that_git_ignores() {
    let look = Look::new();
    let repo = &look.world.repo;
    repo.write(".gitignore", "target/\n");
    repo.write("target/out.txt", "x\n");
    repo.write("new/deep.txt", "x\n");
    repo.write("bad\\name.txt", "x\n");
    repo.write(".coditect-unfinished-1", "x\n");
    repo.remove("gone.txt");
    let files = look.world.open.files().unwrap();
    let names: Vec<&str> = files.paths.iter().map(RepoPath::as_str).collect();
    assert_eq!(names, [".gitignore", "a.txt", "b.txt", "gone.txt", "new/deep.txt"]);
    assert_eq!(files.unnamable, 1);
}
