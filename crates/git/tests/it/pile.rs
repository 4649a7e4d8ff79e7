//! Work put on top of a branch that does not move, and the place where that is tried.

use crate::world::{AT, World};
use git::{Author, GitError, Landing, Lent, Oid};

fn landing<'a>(commit: &'a Oid, author: &'a Author) -> Landing<'a> {
    Landing { commit, message: "Merge side", author, at: AT, forward_only: false }
}

/// `main` and `side`, which parted after the first commit.
fn parted(main: &str, side: &[&str]) -> (World, Oid, Oid) {
    let world = World::with(&[("a.txt", "1\n2\n3\n4\n5\n"), ("b.txt", "one\n")]);
    world.repo.git(&["checkout", "--quiet", "-b", "side"]);
    for (at, text) in side.iter().enumerate() {
        world.repo.write("a.txt", text);
        world.repo.commit_all(&format!("side {at}"));
    }
    let tip = world.head();
    world.repo.git(&["checkout", "--quiet", "main"]);
    world.repo.write("a.txt", main);
    world.repo.commit_all("main");
    let head = world.head();
    (world, head, tip)
}

#[test]
fn commits_are_made_again_on_the_branch_with_their_authors_and_words() {
    let (world, main, side) = parted("one\n2\n3\n4\n5\n", &["1\n2\n3\n4\nfive\n", "1\n2\n3\nfour\nfive\n"]);
    let author = Author::new("Ann", "ann@example.com");
    let before = world.picture();
    let top = world.open.rebased_onto(&main, &landing(&side, &author)).unwrap();
    assert_eq!(world.picture(), before, "nothing points at it");
    assert_eq!(world.show(&top, "a.txt").as_deref(), Some("one\n2\n3\nfour\nfive\n"));
    let log = world.repo.git(&["log", "--format=%s %an", top.as_str()]);
    assert_eq!(log, "side 1 Tess Ter\nside 0 Tess Ter\nmain Tess Ter\nfirst Tess Ter\n");
    // Once more there is nothing to do.
    assert_eq!(world.open.rebased_onto(&top, &landing(&top, &author)).unwrap(), top);
    let merged = world.open.merged_onto(&main, &landing(&side, &author)).unwrap();
    assert_eq!(world.show(&merged, "a.txt"), world.show(&top, "a.txt"));
    assert_eq!(world.picture(), before);
}

#[test]
fn what_does_not_go_together_is_named() {
    let (world, main, side) = parted("one\n2\n3\n4\n5\n", &["1\n2\n3\n4\nfive\n", "uno\n2\n3\n4\nfive\n"]);
    let author = Author::new("Ann", "ann@example.com");
    for refused in [
        world.open.rebased_onto(&main, &landing(&side, &author)).unwrap_err(),
        world.open.merged_onto(&main, &landing(&side, &author)).unwrap_err(),
    ] {
        let GitError::MergeConflict { commit, paths } = refused else { panic!("{refused:?}") };
        assert_eq!((commit, paths), (side.clone(), vec!["a.txt".parse().unwrap()]));
    }
}

#[test]
fn a_landing_that_may_only_go_forward_makes_no_merge_commit() {
    let (world, main, side) = parted("one\n2\n3\n4\n5\n", &["1\n2\n3\n4\nfive\n"]);
    let author = Author::new("Ann", "ann@example.com");
    let before = world.picture();
    let forward = Landing { forward_only: true, ..landing(&side, &author) };
    assert!(matches!(world.open.land(&forward), Err(GitError::Moved { .. })));
    assert_eq!(world.picture(), before);
    let top = world.open.merged_onto(&main, &landing(&side, &author)).unwrap();
    let forward = Landing { forward_only: true, ..landing(&top, &author) };
    assert_eq!(world.open.land(&forward).unwrap().head, top);
}

#[test]
fn a_place_is_laid_out_at_one_commit_and_cleared_whatever_is_in_it() {
    let (world, main, side) = parted("one\n2\n3\n4\n5\n", &["1\n2\n3\n4\nfive\n"]);
    let path = world.repo.beside("tried");
    let place = Lent { path: path.clone(), session: "merge-queue".into(), agent: "k2x7".into() };
    let laid = world.open.lay_out(&place, &main).unwrap();
    std::fs::write(laid.top().join("left.txt"), "x").unwrap();
    let laid = world.open.lay_out(&place, &side).unwrap();
    assert_eq!(laid.head().unwrap(), Some(side.clone()));
    assert_eq!(std::fs::read_to_string(path.join("a.txt")).unwrap(), "1\n2\n3\n4\nfive\n");
    assert!(!path.join("left.txt").exists());
    // Half of it is gone, as a kill may leave it.
    std::fs::remove_dir_all(&path).unwrap();
    world.open.lay_out(&place, &main).unwrap();
    world.open.clear_away(&place).unwrap();
    assert!(!path.exists());
    assert_eq!(world.repo.git(&["branch", "--list", "coditect/*"]), "");
    assert_eq!(world.open.worktrees().unwrap(), []);
    world.open.clear_away(&place).unwrap();
}

#[test]
fn what_goes_on_top_is_told_from_what_is_stuck_and_the_rest_goes_on_later() {
    let good = "1\n2\n3\n4\nfive\n";
    let side = [good, "uno\n2\n3\n4\nfive\n", "uno\n2\n3\nfour\nfive\n"];
    let (world, main, side) = parted("one\n2\n3\n4\n5\n", &side);
    let author = Author::new("Ann", "ann@example.com");
    let work = landing(&side, &author);
    let before = world.picture();
    let pile = world.open.piled_onto(&main, &main, &work).unwrap();
    let stuck = pile.stuck.unwrap();
    assert_eq!(stuck.paths, ["a.txt".parse().unwrap()]);
    assert_eq!(world.repo.git(&["log", "-1", "--format=%s", stuck.commit.as_str()]), "side 1\n");
    assert_eq!(world.show(&pile.top, "a.txt").as_deref(), Some("one\n2\n3\n4\nfive\n"));
    let rest = world.open.piled_onto(&pile.top, &stuck.commit, &work).unwrap();
    assert_eq!(rest.stuck, None);
    assert_eq!(world.show(&rest.top, "a.txt").as_deref(), Some("one\n2\n3\nfour\nfive\n"));
    assert_eq!(world.picture(), before, "nothing points at it");
    assert!(world.open.has_again(&main, &rest.top, &side).unwrap(), "made again");
    assert!(!world.open.has_again(&main, &rest.top, &stuck.commit).unwrap(), "left out");
    assert!(world.open.has_again(&main, &side, &stuck.commit).unwrap());
}

#[test]
fn what_the_branch_has_of_the_work_is_left_out_and_what_was_before_it_does_not_come_along() {
    let (world, _, side) = parted("one\n2\n3\n4\n5\n", &["1\n2\n3\n4\nfive\n", "1\n2\nthree\n4\nfive\n"]);
    let author = Author::new("Ann", "ann@example.com");
    let begun: Oid = world.repo.git(&["rev-parse", "side~2"]).trim().parse().unwrap();
    // The branch has the first commit of the work, and has changed the same line since.
    world.repo.git(&["merge", "--quiet", "--no-edit", "side~1"]);
    world.repo.write("a.txt", "one\n2\n3\n4\nsix\n");
    world.repo.commit_all("main again");
    let branch = world.head();
    let pile = world.open.piled_onto(&branch, &begun, &landing(&side, &author)).unwrap();
    let made = world.repo.git(&["log", "--format=%s", &format!("{branch}..{}", pile.top)]);
    assert_eq!((made.as_str(), pile.stuck), ("side 1\n", None));
    // A branch that has not the commit any more on which the work stands.
    world.repo.git(&["checkout", "--quiet", "--orphan", "other"]);
    world.repo.git(&["rm", "--quiet", "--force", "b.txt"]);
    world.repo.write("a.txt", "1\n2\n3\n4\n5\n");
    world.repo.commit_all("begun again");
    let pile = world.open.piled_onto(&world.head(), &begun, &landing(&side, &author)).unwrap();
    assert_eq!(pile.stuck, None);
    let made = world.repo.git(&["log", "--format=%s", pile.top.as_str()]);
    assert_eq!(made, "side 1\nside 0\nbegun again\n");
    assert_eq!(world.show(&pile.top, "b.txt"), None);
    assert_eq!(world.show(&pile.top, "a.txt").as_deref(), Some("1\n2\nthree\n4\nfive\n"));
}
