//! Worktrees that are moved to what others have landed, or laid on top of it.

use crate::world::{AT, World};
use git::{Author, GitError, Landing, Lent, Oid, Repository};
use std::collections::BTreeSet;

const FILES: [(&str, &str); 3] = [("a.txt", "1\n2\n3\n"), ("b.txt", "one\n"), ("c.txt", "one\n")];

/// A worktree whose branch has one commit that changes these files.
fn worktree(world: &World, agent: &str, files: &[(&str, &str)]) -> (Repository, Oid) {
    let path = world.repo.beside(agent).canonicalize().unwrap_or_else(|_| world.repo.beside(agent));
    let lent = Lent { path, session: "plan".to_owned(), agent: agent.to_owned() };
    let open = world.open.lend(&lent, &world.head()).unwrap();
    let top = open.top().to_str().unwrap().to_owned();
    for (name, text) in files {
        std::fs::write(open.top().join(name), text).unwrap();
    }
    world.repo.git(&["-C", &top, "add", "--all"]);
    world.repo.git(&["-C", &top, "commit", "--quiet", "--message", agent]);
    let head = open.head().unwrap().unwrap();
    (open, head)
}

fn read(open: &Repository, name: &str) -> String {
    std::fs::read_to_string(open.top().join(name)).unwrap()
}

#[test]
fn a_worktree_is_moved_to_work_that_was_put_on_top_of_other_work() {
    let world = World::with(&FILES);
    let (one, first) = worktree(&world, "one", &[("b.txt", "two\n")]);
    let (other, second) = worktree(&world, "other", &[("c.txt", "two\n")]);
    let author = Author::new("Ann", "ann@example.com");
    let landing = Landing { commit: &second, message: "x", author: &author, at: AT, forward_only: false };
    let top = world.open.rebased_onto(&first, &landing).unwrap();
    let stood = world.head();
    assert_eq!(other.move_to(&top).unwrap(), ["b.txt".parse().unwrap()]);
    assert_eq!((read(&other, "b.txt"), read(&other, "c.txt")), ("two\n".into(), "two\n".into()));
    assert_eq!(
        (other.head().unwrap(), other.branch().unwrap()),
        (Some(top.clone()), Some("coditect/plan/other".into()))
    );
    assert!(other.status(&[]).unwrap().entries.is_empty());
    // What is not committed stays, and keeps the worktree where it is.
    std::fs::write(one.top().join("c.txt"), "mine\n").unwrap();
    assert!(matches!(one.move_to(&top).unwrap_err(), GitError::InTheWay { .. }));
    assert_eq!((one.head().unwrap(), read(&one, "c.txt")), (Some(first), "mine\n".into()));
    assert_eq!(other.move_to(&top).unwrap(), Vec::new(), "it is there already");
    assert_eq!((world.head(), world.repo.git(&["status", "--porcelain"]).as_str()), (stood, ""));
}

#[test]
fn what_does_not_go_together_is_laid_on_top_with_both_sides_in_the_file() {
    let world = World::with(&FILES);
    let (_, first) = worktree(&world, "one", &[("a.txt", "1\nfirst\n3\n")]);
    let changes = [("a.txt", "1\nsecond\n3\n"), ("new.txt", "new\n"), ("b.txt", "two\n")];
    let (other, second) = worktree(&world, "other", &changes);
    assert_eq!(other.lay_on(&first).unwrap(), ["a.txt".parse().unwrap()]);
    assert_eq!(other.head().unwrap().as_ref(), Some(&first), "its branch stands on the other's work");
    let text = read(&other, "a.txt");
    let (ours, theirs) = (format!("<<<<<<< {first}"), format!(">>>>>>> {second}"));
    assert_eq!(text, format!("1\n{ours}\nfirst\n=======\nsecond\n{theirs}\n3\n"));
    let dirty: BTreeSet<String> =
        other.status(&[]).unwrap().entries.iter().map(|entry| entry.path.to_string()).collect();
    assert_eq!(dirty, BTreeSet::from(["a.txt", "b.txt", "new.txt"].map(str::to_owned)));
    let top = other.top().to_str().unwrap().to_owned();
    world.repo.git(&["-C", &top, "add", "--all"]);
    world.repo.git(&["-C", &top, "commit", "--quiet", "--message", "with marks"]);
    let marked = other.head().unwrap().unwrap();
    assert_eq!(other.marked(&marked).unwrap(), BTreeSet::from(["a.txt".parse().unwrap()]));
    assert_eq!(other.marked(&first).unwrap(), BTreeSet::new());
    std::fs::write(other.top().join("a.txt"), "mine\n").unwrap();
    assert!(matches!(other.lay_on(&second).unwrap_err(), GitError::InTheWay { .. }));
    assert_eq!((other.head().unwrap(), read(&other, "a.txt")), (Some(marked), "mine\n".into()));
}

#[test]
fn one_commit_is_laid_on_top_without_those_before_it() {
    let world = World::with(&FILES);
    let (_, first) = worktree(&world, "one", &[("a.txt", "1\nfirst\n3\n")]);
    let (other, _) = worktree(&world, "other", &[("b.txt", "two\n")]);
    let top = other.top().to_str().unwrap().to_owned();
    std::fs::write(other.top().join("a.txt"), "1\nsecond\n3\n").unwrap();
    world.repo.git(&["-C", &top, "commit", "--quiet", "--all", "--message", "second"]);
    let second = other.head().unwrap().unwrap();
    other.move_to(&first).unwrap();
    assert_eq!(other.lay_commit(&second).unwrap(), ["a.txt".parse().unwrap()]);
    let (ours, theirs) = (format!("<<<<<<< {first}"), format!(">>>>>>> {second}"));
    assert_eq!(read(&other, "a.txt"), format!("1\n{ours}\nfirst\n=======\nsecond\n{theirs}\n3\n"));
    assert_eq!(read(&other, "b.txt"), "one\n", "what came before it is not its");
    assert_eq!(other.head().unwrap(), Some(first));
    let dirty: Vec<String> =
        other.status(&[]).unwrap().entries.iter().map(|entry| entry.path.to_string()).collect();
    assert_eq!(dirty, ["a.txt"]);
    assert!(matches!(other.lay_commit(&second).unwrap_err(), GitError::InTheWay { .. }));
}

/// A worktree on another's work, and a commit of its own that changes two files there, adds one and takes one away.
fn to_be_laid(world: &World) -> (Repository, Oid, Oid) {
    let (_, first) = worktree(world, "one", &[("a.txt", "1\nfirst\n3\n")]);
    let (other, _) = worktree(world, "other", &[("other.txt", "x\n")]);
    let top = other.top().to_str().unwrap().to_owned();
    for (name, text) in [("a.txt", "1\nsecond\n3\n"), ("b.txt", "two\nlines\n"), ("new.txt", "new\nlines\n")]
    {
        std::fs::write(other.top().join(name), text).unwrap();
    }
    std::fs::remove_file(other.top().join("c.txt")).unwrap();
    world.repo.git(&["-C", &top, "add", "--all"]);
    world.repo.git(&["-C", &top, "commit", "--quiet", "--message", "second"]);
    let second = other.head().unwrap().unwrap();
    other.move_to(&first).unwrap();
    (other, first, second)
}

#[test]
fn a_lay_that_was_cut_off_is_brought_to_its_end() {
    let world = World::with(&FILES);
    let (other, first, second) = to_be_laid(&world);
    let file = |name: &str| other.top().join(name);
    other.lay_commit(&second).unwrap();
    let names = ["a.txt", "b.txt", "new.txt"];
    let whole = names.map(|name| read(&other, name));
    let top = other.top().to_str().unwrap().to_owned();
    let status = || world.repo.git(&["-C", &top, "status", "--porcelain"]);
    let shown = status();
    assert_eq!(shown, " M a.txt\n M b.txt\n D c.txt\n?? new.txt\n");
    // One file is not there yet, one is begun, one is as it was, and the one that goes is still there.
    let cut = || {
        std::fs::remove_file(file("a.txt")).unwrap();
        std::fs::write(file("b.txt"), "one\n").unwrap();
        std::fs::write(file("new.txt"), "new\nli").unwrap();
        std::fs::write(file("c.txt"), "one\n").unwrap();
    };
    for half in [&cut as &dyn Fn(), &|| {}] {
        half();
        assert!(other.lay_again(&second).unwrap());
        assert_eq!(names.map(|name| read(&other, name)), whole);
        assert_eq!((status(), other.head().unwrap()), (shown.clone(), Some(first.clone())));
    }
    // Git had written its index, and not yet taken it back.
    world.repo.git(&["-C", &top, "add", "--all"]);
    assert!(other.lay_again(&second).unwrap());
    assert_eq!(status(), shown);
}

#[test]
fn a_lay_in_which_somebody_else_has_written_stays_as_it_is() {
    let world = World::with(&FILES);
    let (other, _, second) = to_be_laid(&world);
    let top = other.top().to_str().unwrap().to_owned();
    for (name, text) in
        [("b.txt", "two\nlines\nmine\n"), ("c.txt", "mine\n"), ("new.txt", "mine\n"), ("more.txt", "mine\n")]
    {
        std::fs::write(other.top().join(name), text).unwrap();
        let before = world.repo.git(&["-C", &top, "status", "--porcelain"]);
        assert!(!other.lay_again(&second).unwrap(), "{name}");
        assert_eq!(read(&other, name), text);
        assert_eq!(world.repo.git(&["-C", &top, "status", "--porcelain"]), before, "{name}");
        world.repo.git(&["-C", &top, "reset", "--quiet", "--hard"]);
        world.repo.git(&["-C", &top, "clean", "--quiet", "--force"]);
    }
}
