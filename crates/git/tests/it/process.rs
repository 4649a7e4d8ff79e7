//! The limits every git process is held to.

use crate::open::fake_git_within;
use crate::world::World;
use git::{GitError, Limits, OUTPUT_MAX};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use testkit::TempRepo;

const VERSION: &str = r#"for arg in "$@"; do [ "$arg" = version ] && echo git version 2.40.0 && exit; done"#;

#[test]
fn a_git_that_hangs_is_ended_with_its_children() {
    let repo = TempRepo::with(&[("a", "1")]);
    let pid_file = repo.beside("pid");
    let script = format!("{VERSION}\nsleep 600 & echo $! > '{}'\nwait", pid_file.display());
    // Long enough for a busy machine to start it and its child.
    let limits = Limits { timeout: Duration::from_secs(3), output: OUTPUT_MAX };
    let git = fake_git_within(&repo, &script, limits);
    let error = git.open(repo.path()).unwrap_err();
    assert!(matches!(&error, GitError::TimedOut { limit, .. } if *limit == limits.timeout), "{error}");
    let pid: i32 = std::fs::read_to_string(pid_file).unwrap().trim().parse().unwrap();
    // Gone, or a zombie that nobody has reaped yet. The signal is on its way when the error comes back, and a busy
    // machine takes its time to deliver it; a child that was spared would sleep for ten minutes.
    let state = || std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let ended = (0..600).any(|_| {
        let state = state();
        state.is_empty() || state.contains(") Z ") || {
            std::thread::sleep(Duration::from_millis(50));
            false
        }
    });
    assert!(ended, "{}", state());
}

#[test]
fn endless_output_is_refused_at_the_limit() {
    let repo = TempRepo::with(&[("a", "1")]);
    let limits = Limits { timeout: Duration::from_secs(30), output: 4096 };
    let git = fake_git_within(&repo, &format!("{VERSION}\nyes"), limits);
    assert!(matches!(git.open(repo.path()), Err(GitError::OutputTooLarge { max: 4096, .. })));
}

#[test]
fn a_failure_carries_the_exit_code_and_a_bounded_complaint() {
    let repo = TempRepo::with(&[("a", "1")]);
    let script = format!("{VERSION}\nhead -c 1000000 /dev/zero | tr '\\0' x >&2; exit 7");
    let error = fake_git_within(&repo, &script, Limits::default()).open(repo.path()).unwrap_err();
    let GitError::Failed { code, stderr, .. } = error else { panic!("{error}") };
    assert_eq!((code, stderr.len()), (7, 4096));
}

#[test]
fn the_environment_of_the_caller_does_not_reach_git() {
    let repo = TempRepo::with(&[("a", "1")]);
    let seen = repo.beside("seen");
    let script = format!("{VERSION}\nenv > '{}'; exit 3", seen.display());
    assert!(fake_git_within(&repo, &script, Limits::default()).open(repo.path()).is_err());
    let seen = std::fs::read_to_string(seen).unwrap();
    for name in seen.lines().filter_map(|line| line.split_once('=')).map(|(name, _)| name) {
        let ours = name.starts_with("GIT_")
            || ["CODITECT_GIT", "PATH", "HOME", "XDG_CONFIG_HOME", "LC_ALL", "SSH_ASKPASS"].contains(&name);
        // The last three are what /bin/sh itself sets.
        assert!(ours || ["PWD", "_", "OLDPWD", "SHLVL"].contains(&name), "{name}");
    }
    assert!(seen.contains("GIT_CONFIG_GLOBAL=/dev/null") && seen.contains("GIT_TERMINAL_PROMPT=0"));
}

#[test]
fn our_git_is_known_wherever_it_is_seen() {
    const LOOKS: usize = 200;
    let world = World::with(&[("a", "1")]);
    let path = world.repo.path().canonicalize().unwrap();
    let stands = |id: u32| std::fs::read_link(format!("/proc/{id}/cwd")).is_ok_and(|cwd| cwd == path);
    let over = AtomicBool::new(false);
    let seen = std::thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let mut seen = 0;
            while !over.load(Ordering::Relaxed) {
                let entries = std::fs::read_dir("/proc").unwrap().flatten();
                let ids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
                for id in ids.filter(|id| stands(*id)) {
                    seen += 1;
                    let line = || std::fs::read(format!("/proc/{id}/cmdline"));
                    assert!(git::is_own_git(id) || !stands(id), "{:?}", line().map(String::from_utf8));
                }
            }
            seen
        });
        for _ in 0..LOOKS {
            world.open.status(&[]).unwrap();
        }
        over.store(true, Ordering::Relaxed);
        watcher.join().unwrap()
    });
    assert!(seen > 0, "none was seen");
    assert!(
        !git::is_own_git(std::process::id()) && !git::is_own_git(1),
        "the test and the first process are not git"
    );
}

#[test]
fn limits_hold_across_threads() {
    let world = World::with(&[("a", "1"), ("b", "1")]);
    world.repo.write("a", "2");
    world.repo.write("b", "2");
    let made: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..6)
            .map(|i| {
                scope.spawn({
                    let world = &world;
                    move || world.snapshot(&[["a", "b"][i % 2]])
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(made[0], made[2]);
    assert_ne!(made[0], made[1]);
}
