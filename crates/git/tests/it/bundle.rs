//! Bundles: written, verified, read; and what is none.

use crate::world::{AT, World};
use git::{BUNDLE_LINES_MAX, BundleHeader, GitError, Keep, Oid};
use std::path::{Path, PathBuf};

const REFS: [&str; 2] = ["refs/coditect/checkpoints/one", "refs/coditect/checkpoints/two"];

/// Two points, one on the other, each in a bundle.
fn bundled() -> (World, [Oid; 2], [PathBuf; 2]) {
    let world = World::with(&[("a", "one\n"), ("b", "same\n")]);
    let keep = |last: Option<(&Oid, u32)>| {
        let survey = world.open.survey().unwrap();
        world.open.keep(&Keep { survey: &survey, last, message: "A point", at: AT }).unwrap().commit
    };
    let first = keep(None);
    world.repo.write("a", "two\n");
    let second = keep(Some((&first, 0)));
    world.open.update_ref(REFS[0], &first).unwrap();
    world.open.update_ref(REFS[1], &second).unwrap();
    let files = [world.repo.beside("1.bundle"), world.repo.beside("2.bundle")];
    world.open.bundle(&files[0], &[REFS[0].to_owned()], &[]).unwrap();
    world.open.bundle(&files[1], &[REFS[1].to_owned()], std::slice::from_ref(&first)).unwrap();
    (world, [first, second], files)
}

/// A repository that has the same history, and none of the points.
fn other(world: &World) -> World {
    let copy = testkit::TempRepo::new();
    copy.git(&["pull", "-q", world.repo.path().to_str().unwrap(), "HEAD"]);
    World::new(copy)
}

#[test]
fn bundles_bring_points_to_a_repository_that_lost_them_one_after_the_other() {
    let (world, [first, second], files) = bundled();
    assert_eq!(world.open.verify_bundle(&files[0]).unwrap().prerequisites, []);
    assert_eq!(world.open.verify_bundle(&files[1]).unwrap().prerequisites, std::slice::from_ref(&first));
    let other = other(&world);
    let before = other.picture();
    let lacking = other.open.unbundle(&files[1]).unwrap_err();
    assert!(
        matches!(&lacking, GitError::BundleLacks { commits } if commits == std::slice::from_ref(&first)),
        "{lacking}"
    );
    let header = other.open.unbundle(&files[0]).unwrap();
    assert_eq!(header.heads, [(first.clone(), REFS[0].to_owned())]);
    other.open.unbundle(&files[1]).unwrap();
    assert!(other.open.missing(&[first, second.clone()]).unwrap().is_empty());
    assert_eq!(other.show(&second, "a").as_deref(), Some("two\n"));
    assert_eq!(other.picture(), before, "nothing points there by itself");
    let facts = other.open.facts(&[second]).unwrap().remove(0);
    assert_eq!((facts.message.as_str(), facts.at), ("A point\n", AT));
}

#[test]
fn a_file_that_is_no_bundle_or_was_cut_or_edited_is_refused() {
    let (world, _, files) = bundled();
    let other = other(&world);
    let whole = std::fs::read(&files[0]).unwrap();
    let written = |name: &str, bytes: &[u8]| {
        let path = world.repo.beside(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    let none: [(&str, &[u8]); 4] = [
        ("empty", b""),
        ("text", b"not a bundle\n"),
        ("v9", b"# v9 git bundle\n\n"),
        ("filtered", b"# v3 git bundle\n@filter=blob:none\n\n"),
    ];
    for (name, bytes) in none {
        let error = other.open.unbundle(&written(name, bytes)).unwrap_err();
        assert!(matches!(error, GitError::NotABundle(_)), "{name}: {error}");
    }
    assert!(matches!(other.open.unbundle(world.repo.path()), Err(GitError::NotABundle(_))));
    assert!(matches!(other.open.unbundle(Path::new("/nowhere/at/all")), Err(GitError::NotABundle(_))));
    let mut edited = whole.clone();
    let last = edited.len() - 30;
    edited[last] ^= 0x55;
    let damaged: [(&str, &[u8]); 4] = [
        ("head only", &whole[..60]),
        ("cut", &whole[..whole.len() - 10]),
        ("edited", &edited),
        ("no data", b"# v2 git bundle\n\n"),
    ];
    for (name, bytes) in damaged {
        let error = other.open.unbundle(&written(name, bytes)).unwrap_err();
        assert!(matches!(error, GitError::BundleDamaged(_)), "{name}: {error}");
    }
}

#[test]
fn a_bundle_names_refs_of_ours_alone_and_not_too_many() {
    let dir = tempfile::tempdir().unwrap();
    let read = |text: String| {
        let path = dir.path().join("bundle");
        std::fs::write(&path, text).unwrap();
        BundleHeader::read(&path)
    };
    let oid = "0123456789abcdef0123456789abcdef01234567";
    for name in ["refs/heads/main", "HEAD", "refs/coditect/../heads/main", "refs/coditect/a b"] {
        let refused = read(format!("# v2 git bundle\n{oid} {name}\n\n"));
        assert!(matches!(refused, Err(GitError::BadRef(_))), "{name}");
    }
    let lines = |count: usize| format!("# v2 git bundle\n{}\n", format!("-{oid} x\n").repeat(count));
    assert_eq!(read(lines(BUNDLE_LINES_MAX - 1)).unwrap().prerequisites.len(), BUNDLE_LINES_MAX - 1);
    assert!(matches!(read(lines(BUNDLE_LINES_MAX + 1)), Err(GitError::TooMany { .. })));
}
