//! Vendors' programs that do anything but their work, through the whole product: one table, each row for every protocol. A turn ends
//! with one code and a sentence that says the fix, `coditect doctor` says the same, nothing of it stays as a process or in memory, and
//! the session goes on as soon as the program is mended.

mod config;
mod protocols;

use crate::house::{Daemon, descendants, lives, until};
use crate::kill::Workplace;
use model::{Event, TaskState, TurnOutcome};
use protocols::{ACP, CLAUDE, CODEX, Protocol};
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

/// Largest a process of ours may have been, in KiB; the floods are several times that or have no end.
const OURS_MAX: u64 = 250 * 1024;
/// Seconds of silence that no row but the silent ones comes near.
const PATIENT: u64 = 30;
/// What the silent rows have, and the mended program after them.
const IMPATIENT: u64 = 12;
/// What a code that takes all the time there is, is told by.
const STALLED: &str = "stalled";

/// One way to be broken.
struct Row {
    what: &'static str,
    /// The program; none when there is none.
    program: fn(&Protocol) -> Option<String>,
    code: &'static str,
    /// What the sentence says to do.
    fix: &'static str,
}

const TABLE: &[Row] = &[
    Row { what: "is missing", program: |_| None, code: "vendor_missing", fix: "npm install" },
    Row {
        what: "cannot be started",
        program: |_| Some("#!/no/such/shell\n".to_owned()),
        code: "vendor_not_started",
        fix: "check the agent's `command`",
    },
    Row {
        what: "is too old",
        program: |protocol| Some(protocol.instead(protocol.old)),
        code: "vendor_too_old",
        fix: "npm install",
    },
    Row {
        what: "is not logged in",
        program: |protocol| Some(protocol.instead(protocol.logged_out)),
        code: "vendor_not_logged_in",
        fix: "api_key_env",
    },
    Row {
        what: "prints garbage",
        program: |protocol| Some(protocol.instead("while :; do echo this is not json; done")),
        code: "vendor_garbage",
        fix: "check that the agent's `command` is really it",
    },
    Row {
        what: "prints garbage in its turn",
        program: |protocol| Some(protocol.in_turn("while :; do echo this is not json; done")),
        code: "vendor_garbage",
        fix: "check that the agent's `command` is really it",
    },
    Row {
        what: "floods with a line that has no end",
        program: |protocol| Some(protocol.in_turn("tr '\\0' x < /dev/zero")),
        code: "vendor_flood",
        fix: "ask for less at once",
    },
    Row {
        what: "floods with what means something, before its turn",
        program: |protocol| {
            let news = r#"{"jsonrpc":"2.0","method":"news","params":{"pad":""#;
            let line =
                format!("pad=$(printf '%0500000d' 0); while :; do echo '{news}'\"$pad\"'\"}}}}'; done");
            Some(protocol.instead(&line))
        },
        code: "vendor_flood",
        fix: "ask for less at once",
    },
    Row {
        what: "dies in the middle of a line",
        program: |protocol| Some(protocol.in_turn("printf '{\"type\":\"sys'; exit 3")),
        code: "vendor_died",
        fix: "submit the task again",
    },
    Row {
        what: "is killed",
        program: |protocol| Some(protocol.in_turn("kill -9 $$")),
        code: "vendor_died",
        fix: "submit the task again",
    },
    Row {
        what: "lets go of its pipe and lives on",
        program: |protocol| Some(protocol.in_turn("trap '' TERM; exec 1>&-; sleep 600 & sleep 600")),
        code: "vendor_died",
        fix: "submit the task again",
    },
    Row {
        what: "greets too late",
        program: |protocol| Some(protocol.instead("trap '' TERM; sleep 600 & sleep 600")),
        code: STALLED,
        fix: "submit the task again, or raise limits.stall_seconds",
    },
    Row {
        what: "answers too late",
        program: |protocol| Some(protocol.in_turn("trap '' TERM; sleep 600 & sleep 600")),
        code: STALLED,
        fix: "submit the task again, or raise limits.stall_seconds",
    },
];

/// A daemon with one agent, whose program is what a row says.
struct Broken {
    place: Workplace,
    daemon: Daemon,
    protocol: &'static Protocol,
    program: PathBuf,
    session: String,
}

impl Broken {
    fn new(protocol: &'static Protocol, stall_seconds: u64) -> Self {
        Self::limited(protocol, &json!({ "max_attempts": 1, "stall_seconds": stall_seconds }))
    }

    fn limited(protocol: &'static Protocol, limits: &Value) -> Self {
        let place = Workplace::new();
        let program = place.house.dir.path().join(protocol.program);
        let agent = json!({
            "vendor": protocol.vendor, "driver": protocol.name, "model": "m", "command": [program],
            "permissions": "all",
        });
        let config = json!({ "agents": { protocol.name: agent }, "limits": limits });
        std::fs::write(place.house.root.config(), config.to_string()).unwrap();
        let daemon = place.daemon();
        let session = place.session(protocol.name);
        Self { place, daemon, protocol, program, session }
    }

    fn install(&self, script: &str) {
        // Beside it and renamed: a program that runs cannot be written to.
        let beside = self.program.with_extension("new");
        std::fs::write(&beside, script).unwrap();
        std::fs::set_permissions(&beside, std::fs::Permissions::from_mode(0o755)).unwrap();
        std::fs::rename(&beside, &self.program).unwrap();
    }

    /// Prompts and waits for the end. Gives how it ended, and the largest that the daemon and the driver were, in KiB.
    fn play(&self, text: &str) -> (TaskState, u64) {
        let task = self.place.prompt(&self.session, self.protocol.name, text);
        let mut largest = 0;
        let state = until("the task's end", || {
            let drivers = descendants(self.daemon.pid()).into_iter().map(|(pid, _)| pid);
            let drivers = drivers.filter(|pid| crate::house::command_line(*pid).contains(" __drive "));
            let ours = drivers.chain([self.daemon.pid()]);
            largest = ours.filter_map(peak).chain([largest]).max().unwrap_or_default();
            let task = self.place.house.api(async |client| client.task(&task).await.unwrap().value);
            task.state.is_terminal().then_some(task.state)
        });
        (state, largest)
    }

    fn nobody_is_left(&self) {
        until("the end of everything it started", || {
            descendants(self.daemon.pid()).iter().all(|process| !lives(process)).then_some(())
        });
    }

    fn outcomes(&self) -> Vec<TurnOutcome> {
        let query = protocol::EventQuery { limit: Some(1000), ..protocol::EventQuery::default() };
        let page = self.place.house.api(async |client| client.events(&query).await.unwrap());
        let events = page.items.iter().filter_map(|record| record.event().ok());
        events
            .filter_map(|event| if let Event::TurnEnded(end) = event { Some(end.outcome) } else { None })
            .collect()
    }

    /// How the agent is, as everybody is told.
    fn status(&self) -> String {
        let shown = self.place.house.json(&["session", "show", &self.session, "--json"]);
        shown["session"]["participants"][0]["status"].as_str().unwrap().to_owned()
    }

    /// What the doctor says of the agent's last turn.
    fn doctor(&self) -> Option<Value> {
        let said = self.place.house.run(&["doctor", "--json"]);
        let said: Value = serde_json::from_slice(&said.stdout).unwrap();
        said["items"].as_array().unwrap().iter().find(|item| item["check"] == "agent_turn").cloned()
    }

    /// A mended program is all it takes: the conversation is there and goes on.
    fn goes_on(&self) {
        self.install(&self.protocol.works());
        assert_eq!(self.play("and again").0, TaskState::Completed, "{:?}", self.outcomes());
        let messages = self.place.house.json(&["session", "messages", &self.session, "--json"]).to_string();
        assert!(messages.contains("do it") && messages.contains("and again"), "{messages}");
        assert_eq!(self.doctor(), None, "what went well is not complained of");
        self.nobody_is_left();
    }
}

/// The most memory a process has had, in KiB.
fn peak(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    peak.split_whitespace().next()?.parse().ok()
}

fn fails(protocol: &'static Protocol, row: &Row) {
    let place = format!("{} that {}", protocol.name, row.what);
    let broken = Broken::new(protocol, if row.code == STALLED { IMPATIENT } else { PATIENT });
    if let Some(script) = (row.program)(protocol) {
        broken.install(&script);
    }
    let (state, largest) = broken.play("do it");
    broken.nobody_is_left();
    let outcomes = broken.outcomes();
    let [TurnOutcome::Failed { code, message }] = outcomes.as_slice() else {
        panic!("{place}: {outcomes:?}")
    };
    assert_eq!((state, code.as_str()), (TaskState::Failed, row.code), "{place}: {message}");
    assert!(message.contains(row.fix) && message.len() < 2048, "{place}: {message}");
    assert_eq!(broken.status(), "failed", "{place}");
    assert!(largest < OURS_MAX, "{place}: a process of ours had {largest} KiB");
    let finding = broken.doctor().unwrap_or_else(|| panic!("{place}: the doctor sees nothing"));
    let told = finding["message"].as_str().unwrap();
    assert!(told.contains(row.code) && told.contains(row.fix), "{place}: {finding}");
    broken.goes_on();
}

fn all(protocol: &'static Protocol) {
    TABLE.iter().for_each(|row| fails(protocol, row));
}

#[test]
fn claude_breaks_in_every_way_with_a_code_and_the_fix() {
    all(&CLAUDE);
}

#[test]
fn codex_breaks_in_every_way_with_a_code_and_the_fix() {
    all(&CODEX);
}

#[test]
fn an_agent_of_the_protocol_breaks_in_every_way_with_a_code_and_the_fix() {
    all(&ACP);
}

#[test]
fn a_turn_that_takes_too_long_is_over_and_says_which_limit_that_was() {
    for protocol in [&CLAUDE, &CODEX, &ACP] {
        let limits = json!({ "max_attempts": 1, "stall_seconds": 600, "turn_deadline_seconds": 3 });
        let broken = Broken::limited(protocol, &limits);
        broken.install(&protocol.in_turn("trap '' TERM; sleep 600 & sleep 600"));
        let (state, _) = broken.play("do it");
        broken.nobody_is_left();
        let outcomes = broken.outcomes();
        let [TurnOutcome::Failed { code, message }] = outcomes.as_slice() else { panic!("{outcomes:?}") };
        assert_eq!((state, code.as_str()), (TaskState::Failed, "deadline"), "{}: {message}", protocol.name);
        assert!(message.contains("raise limits.turn_deadline_seconds"), "{}: {message}", protocol.name);
    }
}

#[test]
fn a_file_outside_the_repository_is_denied_with_the_reason_and_the_turn_goes_on() {
    for protocol in [&CLAUDE, &CODEX, &ACP] {
        let broken = Broken::new(protocol, PATIENT);
        let outside = broken.place.house.dir.path().join("outside.txt");
        broken.install(&protocol.asks_outside(outside.to_str().unwrap()));
        let (state, _) = broken.play("do it");
        assert_eq!(state, TaskState::Completed, "{}: {:?}", protocol.name, broken.outcomes());
        assert!(!outside.exists(), "{}", protocol.name);
        broken.goes_on();
    }
}

#[test]
fn two_questions_at_once_are_both_answered() {
    for protocol in [&CLAUDE, &CODEX, &ACP] {
        let broken = Broken::new(protocol, PATIENT);
        broken.install(&protocol.asks_twice());
        let (state, _) = broken.play("do it");
        assert_eq!(state, TaskState::Completed, "{}: {:?}", protocol.name, broken.outcomes());
        until("the locks to be given back", || {
            let held = broken.place.house.api(async |client| client.locks().await.unwrap());
            (held.items.is_empty() && held.waits.is_empty()).then_some(())
        });
        broken.goes_on();
    }
}

#[test]
fn a_flood_that_means_something_is_taken_no_faster_than_it_is_kept() {
    // What is on the way is held up by what all protocols share.
    let protocol = &CLAUDE;
    let broken = Broken::new(protocol, PATIENT);
    let news = r#"{"jsonrpc":"2.0","method":"news","params":{"pad":""#;
    let flood = format!("pad=$(printf '%01000000d' 0); while :; do echo '{news}'\"$pad\"'\"}}}}'; done");
    broken.install(&protocol.in_turn(&flood));
    let task = broken.place.prompt(&broken.session, protocol.name, "do it");
    let driver = until("the driver", || {
        let below = descendants(broken.daemon.pid()).into_iter().map(|(pid, _)| pid);
        below.into_iter().find(|pid| crate::house::command_line(*pid).contains(" __drive "))
    });
    // Each line is an event of a megabyte, and so many of them are more than may wait on the way.
    until("the flood", || {
        let status = broken.place.house.api(async |client| client.status().await.unwrap());
        (status.cursor.seq >= 60).then_some(())
    });
    for pid in [driver, broken.daemon.pid()] {
        let peak = peak(pid).expect("it lives");
        assert!(peak < OURS_MAX, "{}: {} had {peak} KiB", protocol.name, crate::house::command_line(pid));
    }
    broken.place.house.api(async |client| client.cancel_task(&task, None).await.unwrap());
    assert_eq!(broken.place.over(&task).0, TaskState::Canceled, "{}", protocol.name);
    broken.nobody_is_left();
    broken.goes_on();
}
