//! A driver that wants out: by every way we know, under each mechanism this machine has.

use crate::scene::{Scene, drain, env};
use agent::{Fence, Mechanism};
use std::fs;
use std::path::{Path, PathBuf};

/// What a fence must hold: `$OUT` is outside. Whatever works, the script goes on.
const WAYS_OUT: &str = r#"
echo evil > $OUT/direct
ln -s $OUT/through ./link && echo evil > ./link
ln $OUT/victim ./hard && echo evil > ./hard
echo own > ./own && mv ./own $OUT/moved
mv $OUT/victim ./taken
cp /bin/true $OUT/program
mkdir $OUT/folder
rm -rf $OUT/victim
truncate -s 0 $OUT/victim
mount --bind . $OUT
unshare -Urm sh -c "mount -o remount,rw / ; mount --bind . $OUT; echo evil > $OUT/unshared"
for process in /proc/$VICTIM /proc/$PPID /proc/self; do
  echo evil > $process/root$OUT/root
  for open in $process/fd/*; do case "$(readlink $open)" in $OUT*) echo evil > $open;; esac; done
done
echo evil > /proc/$VICTIM/cwd/evil
kill -KILL $VICTIM
cat $OUT/secret > ./stolen
cat $OUT/victim > ./seen
mkdir -p a/b && echo fine > a/b/made && mv a/b/made a/moved && echo temporary > $TMPDIR/scratch && echo x > /dev/null && cp $TMPDIR/scratch ./temporary
echo frozen > ./frozen/file
echo over > ./over
"#;

/// A process of the same user that the driver would like to end.
#[expect(clippy::disallowed_methods, reason = "a test's victim is a process of its own")]
fn victim(dir: &Path) -> std::process::Child {
    std::process::Command::new("sleep").arg("600").current_dir(dir).spawn().unwrap()
}

/// Every mechanism that works here; those that do not are named loudly.
fn mechanisms() -> Vec<Mechanism> {
    let dir = tempfile::tempdir().unwrap();
    let report = agent::probe(&env("PATH"), dir.path());
    for failure in [report.bubblewrap.as_ref().err(), report.landlock.as_ref().err()].into_iter().flatten() {
        testkit::skipped("a mechanism of the fence", &failure.to_string());
    }
    let working = report.working();
    if working.is_empty() {
        testkit::no_sandbox("the fence", "none of its mechanisms works here");
    }
    working
}

fn fence(scene: &Scene, mechanism: Mechanism, outside: &Path) -> Fence {
    Fence {
        mechanism,
        writable: vec![scene.worktree()],
        readable: vec![scene.scratch(), outside.to_owned()],
        hidden: vec![outside.join("secret")],
        frozen: vec![scene.worktree().join("frozen")],
        tmp: scene.scratch().join("tmp"),
    }
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn nothing_outside_can_be_changed_or_read_and_everything_inside_can() {
    for mechanism in mechanisms() {
        // Not below /tmp, which is another folder in there.
        let outside = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let out = outside.path().canonicalize().unwrap();
        fs::write(out.join("victim"), "untouched").unwrap();
        fs::write(out.join("secret"), "the secret").unwrap();
        let _kept_open = fs::OpenOptions::new().append(true).open(out.join("victim")).unwrap();
        let mut other = victim(&out);
        let preamble = format!("OUT={} VICTIM={}\nexec 2>./complaints\n", out.display(), other.id());
        let scene = Scene::with_driver(&format!("{preamble}{WAYS_OUT}"));
        scene.file("frozen/file", "as it was");
        let mut launching = scene.launching();
        launching.fence = Some(fence(&scene, mechanism.clone(), &out));
        let mut handle = agent::launch(launching).await.unwrap();
        drain(&mut handle).await;

        let inside = |name: &str| fs::read_to_string(scene.worktree().join(name)).unwrap_or_default();
        let said = inside("complaints");
        assert_eq!(inside("over"), "over\n", "{mechanism:?}: it did not come to its end: {said}");
        assert_eq!(names(&out), ["secret", "victim"], "{mechanism:?}: {said}");
        assert_eq!(fs::read_to_string(out.join("victim")).unwrap(), "untouched", "{mechanism:?}");
        assert_eq!(inside("stolen"), "", "{mechanism:?}: what is hidden below a readable folder was read");
        assert_eq!(inside("seen"), "untouched", "{mechanism:?}: {said}");
        assert!(other.try_wait().unwrap().is_none(), "{mechanism:?}: a process of the user was ended");
        assert_eq!(inside("a/moved"), "fine\n", "{mechanism:?}: {said}");
        assert_eq!(inside("temporary"), "temporary\n", "{mechanism:?}: {said}");
        if matches!(mechanism, Mechanism::Bubblewrap { .. }) {
            assert_eq!(inside("frozen/file"), "as it was");
        }
        scene.assert_gone().await;
        other.kill().unwrap();
        other.wait().unwrap();
    }
}

#[tokio::test]
async fn what_is_fenced_in_ends_as_everything_else_does() {
    for mechanism in mechanisms() {
        let scene = Scene::with_driver("trap '' TERM; setsid sh -c \"trap '' TERM; sleep 617\" & sleep 618");
        let mut launching = scene.launching();
        launching.fence = Some(fence(&scene, mechanism.clone(), Path::new("/nonexistent")));
        let handle = agent::launch(launching).await.unwrap();
        crate::scene::until("both sleep", || scene.marked().len() >= 3).await;
        handle.stop();
        handle.exited().await;
        assert_eq!(scene.marked(), Vec::<i32>::new(), "{mechanism:?}");
        scene.assert_gone().await;
    }
}

#[tokio::test]
async fn without_the_mechanism_nothing_is_started() {
    let scene = Scene::with_driver("echo ran > ./ran");
    let mut launching = scene.launching();
    let missing = Mechanism::Bubblewrap { program: PathBuf::from("/nonexistent/bwrap") };
    launching.fence = Some(fence(&scene, missing, Path::new("/nonexistent")));
    let mut handle = agent::launch(launching).await.unwrap();
    drain(&mut handle).await;
    assert!(!scene.worktree().join("ran").exists());
}
