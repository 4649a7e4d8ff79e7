//! What is kept, what is known of whose it is, and what goes.

use super::*;
use std::time::{Duration, SystemTime};

struct Scene {
    dir: tempfile::TempDir,
    tree: PathBuf,
    known: Contents,
}

impl Scene {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (tree, known) = (dir.path().join("tree"), Contents::new(dir.path().join("known")));
        fs::create_dir(&tree).unwrap();
        Self { dir, tree, known }
    }

    fn write(&self, text: &str) {
        fs::write(self.tree.join("a"), text).unwrap();
    }

    fn page(&self) -> Page {
        self.known.page(&self.tree, "a").unwrap()
    }

    fn lock(&self, path: &str, mode: LockMode) -> Lock {
        let time = model::Timestamp::from_millis(0);
        Lock {
            worktree: self.tree.display().to_string(),
            path: path.to_owned(),
            mode,
            holder: format!("reg_{:032x}", 7).parse().unwrap(),
            agent: "claude".to_owned(),
            session: None,
            token: 7,
            acquired_at: time,
            expires_at: time,
        }
    }
}

fn hash(text: &str) -> Option<String> {
    Some(name_of(text.as_bytes()))
}

#[test]
fn what_was_there_and_what_was_made_of_it_are_known_apart() {
    let scene = Scene::new();
    scene.known.locked(&scene.tree, "a", 1).unwrap();
    assert_eq!(scene.page().before_lock, None, "it was not there");
    scene.write("one");
    scene.known.locked(&scene.tree, "a", 2).unwrap();
    scene.write("two");
    scene.known.edited(&scene.tree, "a").unwrap();
    scene.write("three");
    scene.known.locked(&scene.tree, "a", 2).unwrap();
    let page = scene.page();
    assert_eq!((page.before_lock.clone(), page.last_known.clone()), (hash("one"), hash("two")), "one lock");
    assert_eq!(scene.known.content(&page.before_lock.unwrap()).unwrap(), b"one");
    let changed = scene.known.content_file(&page.last_known.clone().unwrap());
    fs::write(changed, "damaged").unwrap();
    assert_eq!(scene.known.content(&page.last_known.unwrap()), None, "damage is not passed off as content");
    assert!(scene.known.page(&scene.dir.path().join("other"), "a").is_none());
}

#[test]
fn what_both_sides_were_told_of_is_nobodys_until_the_holder_writes_again() {
    let scene = Scene::new();
    scene.write("one");
    scene.known.granted(&scene.lock("a", LockMode::Exclusive)).unwrap();
    assert!(scene.page().explains(hash("one").as_deref()));
    scene.write("wild");
    assert!(!scene.page().explains(hash("wild").as_deref()));
    scene.known.told(&scene.tree, "a").unwrap();
    let page = scene.page();
    assert!(page.explains(hash("wild").as_deref()) && page.last_known == hash("one"), "{page:?}");
    scene.known.edited(&scene.tree, "a").unwrap();
    assert_eq!((scene.page().last_known, scene.page().told), (hash("wild"), None));
}

#[test]
fn locks_of_no_one_file_have_no_page() {
    let scene = Scene::new();
    scene.write("one");
    for (path, mode) in [("*", LockMode::Exclusive), ("a", LockMode::Shared), ("a", LockMode::Advisory)] {
        scene.known.granted(&scene.lock(path, mode)).unwrap();
    }
    assert!(!scene.dir.path().join("known").exists());
}

#[test]
fn links_and_giants_are_not_kept() {
    let scene = Scene::new();
    std::os::unix::fs::symlink("/etc/passwd", scene.tree.join("link")).unwrap();
    let giant = fs::File::create(scene.tree.join("giant")).unwrap();
    giant.set_len(KEPT_FILE_MAX + 1).unwrap();
    for name in ["link", "giant"] {
        assert_eq!(scene.known.keep(&scene.tree, name).unwrap(), None, "{name}");
        assert_eq!(hash_of(&scene.tree.join(name)), None, "{name}");
    }
}

#[test]
fn many_may_keep_the_same_at_once() {
    let scene = Scene::new();
    scene.write(&"x".repeat(200_000));
    for _ in 0..20 {
        let all_here = std::sync::Barrier::new(4);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    all_here.wait();
                    let kept = scene.known.keep(&scene.tree, "a").unwrap().unwrap();
                    assert!(scene.known.content(&kept).is_some(), "never half of it");
                    scene.known.locked(&scene.tree, "a", 0).unwrap();
                });
            }
        });
        fs::remove_dir_all(scene.dir.path().join("known")).unwrap();
    }
}

#[test]
fn the_oldest_goes_first_and_what_a_living_lock_is_about_never() {
    let scene = Scene::new();
    for n in 1..=4u64 {
        let path = format!("f{n}");
        fs::write(scene.tree.join(&path), n.to_string().repeat(10_000)).unwrap();
        scene.known.locked(&scene.tree, &path, n).unwrap();
        let page = scene.known.page(&scene.tree, &path).unwrap();
        // The first is the oldest.
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000 * n);
        for file in
            [scene.known.page_file(&scene.tree, &path), scene.known.content_file(&page.last_known.unwrap())]
        {
            fs::File::options().write(true).open(file).unwrap().set_modified(at).unwrap();
        }
    }
    let left = || -> Vec<u64> {
        let kept = |n: &u64| {
            let page = scene.known.page(&scene.tree, &format!("f{n}"));
            page.is_some_and(|page| scene.known.content(&page.last_known.unwrap()).is_some())
        };
        (1..=4).filter(kept).collect()
    };
    assert_eq!(scene.known.thin(CONTENTS_BYTES_MAX, |_| false).unwrap(), 0);
    assert_eq!(left(), [1, 2, 3, 4]);
    let gone = scene.known.thin(25_000, |token| token == 1).unwrap();
    assert!(gone > 20_000, "{gone}");
    assert_eq!(left(), [1, 4]);
    scene.known.thin(0, |token| token == 1).unwrap();
    assert_eq!(left(), [1], "its lock lives");
    assert_eq!(Contents::new(scene.dir.path().join("none")).thin(0, |_| false).unwrap(), 0);
}

#[test]
fn it_is_looked_again_when_much_has_come() {
    let scene = Scene::new();
    let looked = |scene: &Scene| {
        let mut looked = false;
        scene
            .known
            .thin_when_grown(|| {
                looked = true;
                Vec::new()
            })
            .unwrap();
        looked
    };
    assert!(looked(&scene), "nobody knows what was there before");
    assert!(!looked(&scene));
    for n in 0..=GROWTH_UNSEEN_MAX / KEPT_FILE_MAX {
        let giant = fs::File::create(scene.tree.join("a")).unwrap();
        giant.set_len(KEPT_FILE_MAX - n).unwrap();
        scene.known.keep(&scene.tree, "a").unwrap();
    }
    assert!(looked(&scene));
}
