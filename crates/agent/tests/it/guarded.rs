//! Single commands under a guard.

use crate::scene::{Scene, env, executable, is_alive, until};
use agent::{CommandLimits, CommandOutput, CommandSpec, LaunchError, run_command};
use std::time::Duration;

fn spec(scene: &Scene, argv: &[&str]) -> CommandSpec {
    CommandSpec {
        run: scene.run,
        executable: executable(),
        argv: argv.iter().map(|arg| (*arg).to_owned()).collect(),
        dir: scene.worktree(),
        scratch: scene.scratch(),
        env: vec![("PATH".into(), env("PATH")), ("SECRET".into(), "no".into())],
        limits: CommandLimits { timeout: Duration::from_secs(60), tail: 1000 },
    }
}

async fn bash(scene: &Scene, script: &str) -> CommandOutput {
    run_command(spec(scene, &["bash", "-c", script])).await.unwrap()
}

#[tokio::test]
async fn what_it_says_and_how_it_ends_is_known() {
    let scene = Scene::new();
    let output = bash(&scene, "echo one; echo two >&2; echo three; cat; exit 7").await;
    assert_eq!((output.code, output.signal, output.timed_out), (Some(7), None, false));
    assert_eq!(output.tail, "one\ntwo\nthree\n");
    let killed = bash(&scene, "kill -9 $$").await;
    assert_eq!((killed.code, killed.signal), (None, Some(9)));
    let environment = bash(&scene, "tr '\\0' '\\n' < /proc/$$/environ | sort").await;
    assert_eq!(environment.tail, format!("CODITECT_RUN={}\nPATH={}\n", scene.run, env("PATH")));
    assert_eq!(std::fs::read_dir(scene.scratch()).unwrap().count(), 0);
}

#[tokio::test]
async fn what_it_leaves_behind_ends_with_it() {
    let scene = Scene::new();
    let output =
        bash(&scene, "setsid sleep 1000 & (setsid bash -c 'sleep 1000 &' &); sleep 1000 & echo done").await;
    assert_eq!((output.code, output.tail.as_str()), (Some(0), "done\n"));
    assert_eq!(scene.marked(), Vec::<i32>::new());
}

#[tokio::test]
async fn it_has_a_limit_in_time_even_when_it_has_closed_its_output() {
    for script in ["echo on; sleep 1000", "echo on; exec >&- 2>&-; sleep 1000"] {
        let scene = Scene::new();
        let mut spec = spec(&scene, &["bash", "-c", script]);
        spec.limits.timeout = Duration::from_secs(3);
        let output = run_command(spec).await.unwrap();
        assert_eq!((output.code, output.signal, output.timed_out), (None, None, true));
        assert_eq!(output.tail, "on\n\n[timed out after 3 s]");
        assert_eq!(scene.marked(), Vec::<i32>::new());
    }
}

#[tokio::test]
async fn only_the_end_of_a_long_output_is_kept() {
    let scene = Scene::new();
    let output = bash(&scene, "head -c 50M /dev/zero | tr '\\0' x; echo end").await;
    assert!(output.tail.starts_with("[… 52427804 bytes left out …]\nxxx"), "{}", &output.tail[..60]);
    assert!(output.tail.ends_with("xend\n") && output.tail.len() < 1100);
}

#[tokio::test]
async fn dropped_it_ends() {
    let scene = Scene::new();
    let started = scene.worktree().join("started");
    let script = "trap '' TERM; setsid sleep 1000 & echo $$ > started; sleep 1000; sleep 1000";
    {
        let running = run_command(spec(&scene, &["bash", "-c", script]));
        tokio::select! {
            output = running => panic!("{output:?}"),
            () = until("it runs", || started.metadata().is_ok_and(|file| file.len() > 0)) => {}
        }
    }
    let pid: i32 = std::fs::read_to_string(&started).unwrap().trim().parse().unwrap();
    until("nothing is left", || !is_alive(pid) && scene.marked().is_empty()).await;
}

#[tokio::test]
async fn a_command_that_is_none_is_an_error_that_names_it() {
    let scene = Scene::new();
    let error = run_command(spec(&scene, &["no-such-program", "x"])).await.unwrap_err().to_string();
    assert!(error.contains("cannot start no-such-program"), "{error}");
    let error = run_command(spec(&scene, &[])).await.unwrap_err();
    assert!(matches!(error, LaunchError::NotReady(_)), "{error}");
    assert_eq!(std::fs::read_dir(scene.scratch()).unwrap().count(), 0);
}
