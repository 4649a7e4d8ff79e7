//! Landings that were cut off after the branch had moved and before the checkout showed it.

use crate::world::World;
use git::{HalfLanded, Oid, half_landed};

const NOTE: &str = ".git/coditect-landing";

/// As a kill leaves it in the worst moment: the note is there, the branch has moved, index and files have not.
fn cut_off(world: &World) -> (Oid, Oid) {
    let before = world.head();
    world.repo.write("a", "2\n");
    world.repo.write("new/b", "2\n");
    let landed: Oid = world.repo.commit_all("lands").parse().unwrap();
    world.repo.git(&["reset", "-q", "--hard", before.as_str()]);
    world.repo.write(NOTE, format!("{before} {landed}\n"));
    world.repo.git(&["update-ref", "refs/heads/main", landed.as_str()]);
    (before, landed)
}

#[test]
fn the_checkout_shows_it_afterwards_and_keeps_what_else_the_user_has() {
    let world = World::with(&[("a", "1\n"), ("c", "1\n")]);
    let (_, landed) = cut_off(&world);
    world.repo.write("c", "the user's\n");
    world.repo.git(&["add", "c"]);
    assert_eq!(half_landed(world.repo.path()), [world.repo.path()]);
    assert_eq!(world.open.finish_landing().unwrap(), HalfLanded::Finished);
    assert_eq!((world.repo.read("a"), world.repo.read("new/b")), ("2\n".into(), "2\n".into()));
    assert_eq!((world.repo.git(&["status", "-s"]).trim_end(), world.head()), ("M  c", landed));
    assert!(half_landed(world.repo.path()).is_empty());
    assert_eq!(world.open.finish_landing().unwrap(), HalfLanded::No);
}

#[test]
fn where_something_of_the_users_has_come_into_its_way_the_branch_goes_back() {
    for (staged, status) in [(false, " M a\n"), (true, "M  a\n")] {
        let world = World::with(&[("a", "1\n")]);
        let (before, _) = cut_off(&world);
        world.repo.write("a", "the user's\n");
        if staged {
            world.repo.git(&["add", "a"]);
        }
        assert_eq!(world.open.finish_landing().unwrap(), HalfLanded::TakenBack);
        assert_eq!((world.head(), world.repo.read("a")), (before, "the user's\n".to_owned()));
        assert_eq!(world.repo.git(&["status", "-s"]), status);
        assert!(half_landed(world.repo.path()).is_empty());
    }
}

#[test]
fn what_somebody_has_settled_by_himself_or_never_was_stays_as_it_is() {
    for settle in [&["reset", "-q", "--hard"][..], &["reset", "-q", "--soft", "HEAD^"]] {
        let world = World::with(&[("a", "1\n")]);
        cut_off(&world);
        world.repo.git(settle);
        let before = world.picture();
        assert_eq!(world.open.finish_landing().unwrap(), HalfLanded::No, "{settle:?}");
        assert_eq!(world.picture(), before, "{settle:?}");
        assert!(half_landed(world.repo.path()).is_empty());
    }
}

#[test]
fn a_note_of_nonsense_is_none() {
    let world = World::with(&[("a", "1\n")]);
    let head = world.head();
    for note in ["", "x y\n", "- ../../etc\n", &"f".repeat(4000), &format!("{head}\n")] {
        world.repo.write(NOTE, note);
        assert_eq!(world.open.finish_landing().unwrap(), HalfLanded::No, "{note:?}");
        assert!(half_landed(world.repo.path()).is_empty(), "it is not looked at again");
    }
    // And one that leads elsewhere is not followed.
    let note = world.repo.path().join(NOTE);
    let outside = world.repo.beside("outside");
    std::fs::write(&outside, format!("{head} {head}\n")).unwrap();
    std::os::unix::fs::symlink(&outside, &note).unwrap();
    assert_eq!(world.open.finish_landing().unwrap(), HalfLanded::No);
    assert!(outside.exists());
}
