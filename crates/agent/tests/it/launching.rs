//! Starting runs: what they get to see, and starts that fail.

use crate::scene::{KEY, Scene, drain, next};
use agent::{LaunchError, RunEvent, RunLimits, launch};
use rustix::fs::{FlockOperation, flock};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

#[tokio::test]
async fn the_environment_is_the_allow_list_and_the_mark() {
    let scene = Scene::with_driver("tr '\\0' '\\n' < /proc/$$/environ >&2");
    let mut launching = scene.launching();
    let offered = ["PATH", "HOME", "LANG", "TERM", "TMPDIR", "CODITECT_AGENT", "JAVA_HOME", "LD_PRELOAD"];
    launching.env = offered.iter().map(|name| ((*name).into(), format!("value of {name}"))).collect();
    launching.env[0].1 = crate::scene::env("PATH");
    launching.env.push(("ANTHROPIC_API_KEY".into(), "another".into()));
    launching.env.push(("CODITECT_RUN".into(), "forged".into()));
    launching.allow_env = vec!["JAVA_HOME".into()];
    let mut handle = launch(launching).await.unwrap();
    let mut seen: Vec<String> = drain(&mut handle)
        .await
        .into_iter()
        .filter_map(|event| match event {
            RunEvent::Stderr(line) => Some(line),
            _ => None,
        })
        .collect();
    seen.sort();
    let mut expected = vec![
        "CODITECT_AGENT=value of CODITECT_AGENT".to_owned(),
        format!("CODITECT_RUN={}", scene.run),
        "HOME=value of HOME".to_owned(),
        "JAVA_HOME=value of JAVA_HOME".to_owned(),
        "LANG=value of LANG".to_owned(),
        format!("PATH={}", crate::scene::env("PATH")),
        "TERM=value of TERM".to_owned(),
        "TMPDIR=value of TMPDIR".to_owned(),
    ];
    expected.sort();
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn a_key_in_the_environment_is_a_mistake_that_is_named() {
    let scene = Scene::with_driver("exit 0");
    let mut launching = scene.launching();
    launching.env.push(("CODITECT_NOTE".into(), format!("Bearer {KEY}")));
    let error = launch(launching).await.unwrap_err();
    assert!(matches!(&error, LaunchError::SecretInEnvironment(name) if name == "CODITECT_NOTE"), "{error}");
    assert!(!error.to_string().contains(KEY));
    assert!(!scene.liveness().exists());
}

#[tokio::test]
async fn limits_hold_for_everything_below() {
    let scene = Scene::with_driver("echo \"$(ulimit -n) $(ulimit -f) $(ulimit -t) $(ulimit -c)\" >&2");
    let mut launching = scene.launching();
    launching.limits = RunLimits {
        open_files: Some(256),
        file_bytes: Some(8 << 20),
        memory_bytes: None,
        cpu_seconds: Some(99),
    };
    let mut handle = launch(launching).await.unwrap();
    // bash counts file sizes in KiB.
    assert_eq!(next(&mut handle).await, Some(RunEvent::Stderr("256 8192 99 0".into())));
    drain(&mut handle).await;
}

#[tokio::test]
async fn the_scratch_folder_is_the_users_alone() {
    let scene = Scene::with_driver("exit 0");
    std::fs::create_dir_all(scene.scratch()).unwrap();
    std::fs::set_permissions(scene.scratch(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut handle = scene.launch().await.unwrap();
    drain(&mut handle).await;
    let mode = std::fs::metadata(scene.scratch()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}

#[tokio::test]
async fn starts_that_fail_say_why_and_leave_nothing() {
    let scene = Scene::with_driver("exit 0");
    let start_with = async |change: &dyn Fn(&mut agent::Launch)| {
        let mut launching = scene.launching();
        change(&mut launching);
        launch(launching).await.unwrap_err().to_string()
    };
    let missing = PathBuf::from("/nonexistent/place");
    for (error, words) in [
        (start_with(&|l| l.executable = missing.join("program")).await, ["cannot start", "place/program"]),
        (start_with(&|l| l.worktree = missing.clone()).await, ["cannot prepare", "/nonexistent/place"]),
        (start_with(&|l| l.liveness = missing.join("x")).await, ["liveness file", "No such file"]),
        (
            start_with(&|l| l.scratch = PathBuf::from("/proc/none/x")).await,
            ["cannot prepare", "/proc/none/x"],
        ),
        (
            start_with(&|l| l.executable = "/bin/true".into()).await,
            ["guard did not come up", "ended at once"],
        ),
        (start_with(&|l| l.executable = "/bin/echo".into()).await, ["guard did not come up", "nonsense"]),
        (start_with(&|l| l.start.prompt = "x".repeat(33 << 20)).await, ["too long", "new session"]),
    ] {
        assert!(words.iter().all(|word| error.contains(word)), "{words:?}: {error}");
    }
    scene.file("other", "");
    let held = std::fs::File::create(scene.liveness()).unwrap();
    flock(&held, FlockOperation::LockExclusive).unwrap();
    let error = scene.launch().await.unwrap_err().to_string();
    assert!(error.contains("cannot lock"), "{error}");
    drop(held);
    scene.assert_gone().await;
}

#[tokio::test]
async fn a_look_at_the_lock_does_not_keep_a_run_from_starting() {
    let scene = Scene::with_driver("exit 0");
    let held = std::fs::File::create(scene.liveness()).unwrap();
    flock(&held, FlockOperation::LockExclusive).unwrap();
    let looking = async {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        drop(held);
    };
    let (launched, ()) = tokio::join!(scene.launch(), looking);
    drain(&mut launched.unwrap()).await;
}
