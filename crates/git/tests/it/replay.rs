//! Replay: snapshots onto a branch that moved.

use crate::world::{World, paths};
use git::GitError;

#[test]
fn a_chain_lands_on_the_moved_branch_with_its_authors() {
    let world = World::with(&[("a", "1"), ("b", "1"), ("gone", "1"), ("user", "1")]);
    let base = world.head();
    world.repo.write("a", "2");
    let first = world.try_snapshot(Some(&base), &["a"]).unwrap().commit.unwrap();
    world.repo.write("b", "2");
    world.repo.remove("gone");
    let second = world.try_snapshot(Some(&first), &["b", "gone"]).unwrap().commit.unwrap();

    world.repo.write("user", "the user's");
    world.repo.git(&["commit", "--quiet", "--message", "meanwhile", "--", "user"]);
    let moved = world.head();
    assert!(matches!(world.open.advance(&second, Some(&base), &[]), Err(GitError::Moved { .. })));

    let before = world.picture();
    let replayed = world.open.replay(&[first.clone(), second.clone()], Some(&moved)).unwrap();
    assert_eq!(world.picture(), before);
    assert_eq!(replayed.iter().map(|r| &r.from).collect::<Vec<_>>(), [&first, &second]);
    let tip = replayed[1].to.clone().unwrap();
    assert_eq!(world.show(&tip, "user").as_deref(), Some("the user's"));
    assert_eq!((world.show(&tip, "a").as_deref(), world.show(&tip, "b").as_deref()), (Some("2"), Some("2")));
    assert_eq!(world.show(&tip, "gone"), None);
    let shape = |oid: &git::Oid| {
        world.repo.git(&["show", "--no-patch", "--format=%an %ae %at %cn %ct%n%B", oid.as_str()])
    };
    assert_eq!(shape(&tip), shape(&second));
    world.open.advance(&tip, Some(&moved), &paths(&["a", "b", "gone"])).unwrap();
    assert_eq!(world.repo.git(&["status", "-s"]), "");
    assert_eq!(world.repo.git(&["log", "--format=%s"]), "Do the work\nDo the work\nmeanwhile\nfirst\n");
}

#[test]
fn what_the_user_committed_at_the_same_path_is_never_taken_back() {
    let world = World::with(&[("a", "1"), ("b", "1")]);
    let base = world.head();
    world.repo.write("a", "2");
    world.repo.write("b", "2");
    let snapshot = world.try_snapshot(Some(&base), &["a", "b"]).unwrap().commit.unwrap();
    world.repo.write("a", "3");
    world.repo.git(&["commit", "--quiet", "--message", "the user's", "--", "a"]);
    let refused = world.open.replay(std::slice::from_ref(&snapshot), Some(&world.head())).unwrap_err();
    assert!(
        matches!(&refused, GitError::ReplayConflict { paths: p, .. } if *p == paths(&["a"])),
        "{refused}"
    );
}

#[test]
fn what_is_already_there_is_not_made_again() {
    let world = World::with(&[("a", "1"), ("b", "1")]);
    let base = world.head();
    world.repo.write("a", "2");
    let first = world.try_snapshot(Some(&base), &["a"]).unwrap().commit.unwrap();
    world.repo.write("b", "2");
    let second = world.try_snapshot(Some(&first), &["b"]).unwrap().commit.unwrap();
    // The user committed the agent's edit before we did.
    world.repo.git(&["commit", "--quiet", "--message", "the user's", "--", "a"]);
    let moved = world.head();
    let replayed = world.open.replay(&[first, second], Some(&moved)).unwrap();
    assert_eq!(replayed[0].to, None);
    let tip = replayed[1].to.clone().unwrap();
    assert_eq!(world.repo.git(&["rev-parse", &format!("{tip}^")]).trim(), moved.as_str());
    assert_eq!(world.open.replay(&[], Some(&moved)).unwrap(), []);
}

#[test]
fn onto_nothing_and_from_nothing() {
    let world = World::with(&[("a", "1")]);
    world.repo.write("b", "1");
    let root = world.try_snapshot(None, &["b"]).unwrap().commit.unwrap();
    let onto = world.open.replay(std::slice::from_ref(&root), Some(&world.head())).unwrap();
    assert_eq!(world.show(onto[0].to.as_ref().unwrap(), "a").as_deref(), Some("1"));
    world.repo.write("c", "1");
    let on_head = world.snapshot(&["c"]);
    let alone = world.open.replay(&[on_head], None).unwrap()[0].to.clone().unwrap();
    assert_eq!((world.show(&alone, "a"), world.show(&alone, "c").as_deref()), (None, Some("1")));
}

#[test]
fn merges_and_unknown_commits_are_refused() {
    let world = World::with(&[("a", "1")]);
    world.repo.git(&["checkout", "--quiet", "-b", "side"]);
    world.repo.write("b", "1");
    world.repo.commit_all("side");
    world.repo.git(&["checkout", "--quiet", "main"]);
    world.repo.git(&["merge", "--quiet", "--no-ff", "--message", "merge", "side"]);
    let merge = world.head();
    assert!(matches!(world.open.replay(std::slice::from_ref(&merge), None), Err(GitError::NotASnapshot(_))));
    let unknown = "1".repeat(40).parse().unwrap();
    assert!(matches!(world.open.replay(&[unknown], Some(&merge)), Err(GitError::NoObject(_))));
}
