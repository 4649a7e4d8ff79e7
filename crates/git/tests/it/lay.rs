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
