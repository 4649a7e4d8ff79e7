//! The bash tool: what a command sees, how much it may say, how long it may take.

use crate::daemon::Daemon;
use crate::scene::{KEY, children, cmdline, env, environ, is_alive, pids, until};
use agent::{BashPolicy, Request, RunEvent};
use model::Vendor;

#[tokio::test]
async fn a_command_sees_the_allow_list_and_nothing_else() {
    let mut daemon = Daemon::new();
    let start = daemon.start(Vendor::Anthropic, "[[bash tr '\\0' '\\n' < /proc/$$/environ | sort]]");
    daemon
        .launch_with(start, |launching| {
            for (name, value) in [
                ("LANG", "C.UTF-8"),
                ("TERM", "dumb"),
                ("TMPDIR", "/tmp"),
                ("CODITECT_AGENT", "claude"),
                ("CODITECT_ATTEMPT", "1"),
                ("ANTHROPIC_API_KEY", "sk-other"),
                ("SSH_AUTH_SOCK", "/run/agent"),
                ("LD_PRELOAD", "/tmp/evil.so"),
            ] {
                launching.env.push((name.into(), value.into()));
            }
        })
        .await;
    daemon.serve(|_| None).await;
    let path = env("PATH");
    let expected = format!(
        "CODITECT_AGENT=claude\nCODITECT_ATTEMPT=1\nCODITECT_RUN={}\nHOME=/nonexistent\nLANG=C.UTF-8\nPATH={path}\nTERM=dumb\nTMPDIR=/tmp\n",
        daemon.scene.run
    );
    assert_eq!(daemon.results(), [(expected, false)]);
}

#[tokio::test]
async fn the_key_is_in_no_argument_and_no_environment_of_the_run() {
    let mut daemon = Daemon::new();
    let start =
        daemon.start(Vendor::Anthropic, "[[bash sleep 1000 & setsid sleep 1000 & touch here; sleep 1000]]");
    daemon.launch(start).await;
    daemon.permit().await;
    let here = daemon.scene.worktree().join("here");
    until("the command runs", || here.exists()).await;
    let guard = daemon.handle().pid().cast_signed();
    let mut family = vec![guard];
    let mut at = 0;
    while at < family.len() {
        family.extend(children(family[at]));
        at += 1;
    }
    assert!(family.len() >= 4, "{family:?}");
    for pid in &family {
        let shown = format!("{:?}{:?}", cmdline(*pid), environ(*pid));
        assert!(shown.contains("run_") || shown.contains("sleep"), "{shown}");
        assert!(!shown.contains(KEY), "{pid}");
    }
    // The server got it, so it was there to be leaked.
    assert_eq!(daemon.model.requests()[0].refused, None);
    assert!(pids().iter().all(|pid| !cmdline(*pid).concat().contains(KEY)));
    daemon.handle().stop();
    daemon.serve(|_| None).await;
    for file in [daemon.scene.liveness(), daemon.scene.scratch()] {
        let content = std::fs::read(&file).unwrap_or_default();
        assert!(!String::from_utf8_lossy(&content).contains(KEY));
    }
}

#[tokio::test]
async fn output_is_capped_and_a_line_of_a_gigabyte_costs_no_memory() {
    let mut daemon = Daemon::new();
    let mut start = daemon.start(
        Vendor::Anthropic,
        "[[bash printf begin; head -c 1G /dev/zero | tr '\\0' x; printf end]][[ask go on?]]",
    );
    start.bash = BashPolicy { output_cap: 1000, ..BashPolicy::default() };
    daemon.launch(start).await;
    let asks = |event: &RunEvent| matches!(event, RunEvent::Request { request: Request::Ask { .. }, .. });
    daemon.serve_until(|_| Some(None), asks).await;
    let (output, is_error) = daemon.results()[0].clone();
    assert!(!is_error);
    assert!(output.starts_with("beginxxx") && output.ends_with("xxxend"), "{output}");
    let left_out = (1 << 30) + 8 - 1000;
    assert!(output.contains(&format!("\n[… {left_out} bytes left out …]\n")), "{output}");
    let native = children(daemon.handle().pid().cast_signed())[0];
    let status = std::fs::read_to_string(format!("/proc/{native}/status")).unwrap();
    let peak = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    let kib: u64 = peak.split_whitespace().nth(1).unwrap().parse().unwrap();
    assert!(kib < 64 * 1024, "{peak}");
    daemon.handle().stop();
    daemon.serve(|_| None).await;
}

#[tokio::test]
async fn a_command_that_takes_too_long_is_ended_however_deaf() {
    let mut daemon = Daemon::new();
    let start = daemon.start(
        Vendor::Anthropic,
        "[[tool bash|{\"command\":\"trap '' TERM; echo on; sleep 1000; sleep 1000\",\"timeout_ms\":3000}]]\
         [[tool bash|{\"command\":\"trap 'echo cleaned; exit' TERM; echo on; sleep 1000 & wait\",\"timeout_ms\":3000}]]",
    );
    daemon.play(start).await;
    assert_eq!(
        daemon.results(),
        [
            ("on\n[timed out after 3000 ms]".to_owned(), true),
            ("on\ncleaned\n[timed out after 3000 ms]".to_owned(), true),
        ]
    );
}

#[tokio::test]
async fn no_command_may_ask_for_more_time_than_there_is() {
    let mut daemon = Daemon::new();
    let mut start =
        daemon.start(Vendor::Anthropic, "[[tool bash|{\"command\":\"sleep 1000\",\"timeout_ms\":99999999}]]");
    start.bash = BashPolicy { max_timeout_ms: 200, ..BashPolicy::default() };
    daemon.play(start).await;
    assert_eq!(daemon.results(), [("[timed out after 200 ms]".to_owned(), true)]);
}

#[tokio::test]
async fn what_a_command_starts_in_the_background_ends_with_it() {
    let mut daemon = Daemon::new();
    let start = daemon.start(
        Vendor::Anthropic,
        "[[bash sleep 1000 & echo $! > left; setsid bash -c 'echo $$ > escaped; exec sleep 1000' & until [ -s escaped ]; do sleep 0.01; done; echo started]][[ask go on?]]",
    );
    daemon.launch(start).await;
    let asks = |event: &RunEvent| matches!(event, RunEvent::Request { request: Request::Ask { .. }, .. });
    daemon.serve_until(|_| Some(None), asks).await;
    assert_eq!(daemon.results(), [("started\n".to_owned(), false)]);
    let pid = |file: &str| -> i32 {
        std::fs::read_to_string(daemon.scene.worktree().join(file)).unwrap().trim().parse().unwrap()
    };
    let (left, escaped) = (pid("left"), pid("escaped"));
    until("the group is dead", || !is_alive(left)).await;
    // One that left the group ends with the run.
    assert!(is_alive(escaped));
    daemon.handle().stop();
    daemon.serve(|_| None).await;
    assert!(!is_alive(escaped));
}

#[tokio::test]
async fn a_command_has_no_input_and_no_terminal() {
    let mut daemon = Daemon::new();
    let start =
        daemon.start(Vendor::Anthropic, "[[bash cat; (echo > /dev/tty) 2>/dev/null || echo none; pwd -P]]");
    daemon.play(start).await;
    let worktree = daemon.scene.worktree().canonicalize().unwrap();
    assert_eq!(daemon.results(), [(format!("none\n{}\n", worktree.display()), false)]);
}
