//! A vendor's program as a child of ours: lines in, lines out, and why it ended.
//!
//! Invariant: whatever the program does — says nothing, too much, or nonsense, leaves its pipes to somebody else, dies in the middle
//! of a line — a wait for its next line ends soon after the program has, and what is held of its words is bounded.

use super::DriverError;
use super::place::Place;
use crate::run::lines::{EVENT_LINE_MAX, EXCERPT_MAX, Line, Lines, STDERR_LINE_MAX, excerpt};
use crate::spawn;
use rustix::process::{Pid, Signal, kill_process};
use serde::Serialize;
use serde_json::Value;
use std::collections::VecDeque;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader, Take};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Longest line that is taken, in bytes.
const LINE_MAX: usize = EVENT_LINE_MAX;
/// Most bytes that are taken in one turn.
const TURN_BYTES_MAX: u64 = 512 * 1024 * 1024;
/// Most that is taken before the turn begins, in bytes and [`LINE_WEIGHT`] for each line: what comes by then is kept until it can be
/// told, and a session that is opened again tells its past.
const GREETING_MAX: usize = 32 * 1024 * 1024;
/// What a line costs to keep beyond its bytes.
const LINE_WEIGHT: usize = 1024;
/// Lines without meaning before the program is not the one we speak with.
const GARBAGE_MAX: usize = 20;
/// How many of the last lines on stderr are kept.
const LAST_WORDS: usize = 5;
/// Lines for the program that may wait to be read by it.
const INPUT_QUEUE: usize = 256;
/// How long a dead program's words are still read, and again its last ones: a child of it may hold the pipes, and even speak.
const DRAIN: Duration = Duration::from_millis(200);
/// How long a program may take to end by itself when its input ends, and again when it is asked by TERM.
const STOP_GRACE: Duration = Duration::from_millis(700);

/// What people are told of a vendor's program.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct About {
    /// The product's name.
    pub name: &'static str,
    /// The program, when the agent's configuration names none.
    pub program: &'static str,
    /// The oldest version we speak with.
    pub oldest: &'static str,
    /// How to install it: an order.
    pub install: &'static str,
    /// How to log in: an order.
    pub login: &'static str,
}

pub(crate) struct VendorProgram {
    about: &'static About,
    child: Child,
    input: Option<mpsc::Sender<Vec<u8>>>,
    lines: Lines<BufReader<Take<ChildStdout>>>,
    last_words: LastWords,
    exited: Option<ExitStatus>,
    /// Until when a dead program is listened to.
    drained: Instant,
    garbage: usize,
    /// What was taken before the turn; none once it has begun.
    greeting: Option<usize>,
    tasks: JoinSet<()>,
}

impl VendorProgram {
    /// Starts the program in the worktree. Its environment is ours, which is clean, and `env`.
    pub(crate) fn start<'a>(
        about: &'static About,
        argv: &[String],
        env: impl IntoIterator<Item = (&'a str, &'a str)>,
        place: &Place,
    ) -> Result<Self, DriverError> {
        let (program, arguments) = argv
            .split_first()
            .ok_or(DriverError::NotStarted { about, reason: "there is no command".to_owned() })?;
        let mut command = spawn::command(program);
        command.args(arguments).envs(env).current_dir(place.root());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = Command::from(command).kill_on_drop(true).spawn().map_err(|error| {
            if error.kind() != std::io::ErrorKind::NotFound {
                DriverError::NotStarted { about, reason: error.to_string() }
            } else if program.contains('/') && place.root().join(program).exists() {
                let reason = "what its first line names is not there".to_owned();
                DriverError::NotStarted { about, reason }
            } else {
                DriverError::Missing { about, program: program.clone() }
            }
        })?;
        let (Some(stdin), Some(stdout), Some(stderr)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(DriverError::NotStarted { about, reason: "its pipes are missing".to_owned() });
        };
        let last_words = LastWords::default();
        let (input, queue) = mpsc::channel(INPUT_QUEUE);
        let mut tasks = JoinSet::new();
        tasks.spawn(write(stdin, queue));
        tasks.spawn(overhear(stderr, last_words.clone()));
        let stdout = BufReader::new(stdout.take(TURN_BYTES_MAX));
        Ok(Self {
            about,
            child,
            input: Some(input),
            lines: Lines::judged_at_once(stdout, LINE_MAX, EXCERPT_MAX),
            last_words,
            exited: None,
            drained: Instant::now(),
            garbage: 0,
            greeting: Some(0),
            tasks,
        })
    }

    /// The agent is given its words: from here on what it says is told at once, and waits for nobody but the daemon.
    pub(crate) fn turn_begins(&mut self) {
        self.greeting = None;
    }

    /// Queues a line for the program.
    pub(crate) fn send(&self, what: &impl Serialize) -> Result<(), DriverError> {
        let mut line = serde_json::to_vec(what).map_err(|error| self.nonsense(&error.to_string()))?;
        line.push(b'\n');
        match self.input.as_ref().map(|input| input.try_send(line)) {
            // A program that closed its input is about to end; that is noticed where it is listened to.
            Some(Ok(()) | Err(mpsc::error::TrySendError::Closed(_))) | None => Ok(()),
            Some(Err(mpsc::error::TrySendError::Full(_))) => Err(self.nonsense("it does not read its input")),
        }
    }

    /// The next line that is JSON, as it was and as it is read. Nothing is lost when the future is dropped. The end of the program
    /// is an error.
    pub(crate) async fn next(&mut self) -> Result<(String, Value), DriverError> {
        loop {
            let line = self.line().await?;
            if let Some(taken) = &mut self.greeting {
                *taken += line.len() + LINE_WEIGHT;
                if *taken > GREETING_MAX {
                    return Err(self.flood(format!("more than {GREETING_MAX} bytes before the turn began")));
                }
            }
            if line.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            let read = String::from_utf8(line).map_err(|error| error.into_bytes()).and_then(|line| {
                match serde_json::from_str::<Value>(&line) {
                    Ok(value) if value.is_object() => Ok((line, value)),
                    _ => Err(line.into_bytes()),
                }
            });
            match read {
                Ok(read) => return Ok(read),
                Err(line) => {
                    self.garbage += 1;
                    if self.garbage > GARBAGE_MAX {
                        return Err(self.nonsense(&format!("it wrote `{}`", excerpt(&line))));
                    }
                    self.last_words.add(excerpt(&line));
                }
            }
        }
    }

    async fn line(&mut self) -> Result<Vec<u8>, DriverError> {
        loop {
            let next = match self.exited {
                Some(_) => tokio::time::timeout_at(self.drained, self.lines.next()).await.unwrap_or(Ok(None)),
                None => tokio::select! {
                    biased;
                    line = self.lines.next() => line,
                    status = self.child.wait() => {
                        self.exited = status.ok();
                        if self.exited.is_some() {
                            self.drained = Instant::now() + DRAIN;
                            continue;
                        }
                        Ok(None)
                    }
                },
            };
            match next {
                Ok(_) if self.lines.reader().get_ref().limit() == 0 => {
                    return Err(self.flood(format!("more than {TURN_BYTES_MAX} bytes in one turn")));
                }
                Ok(Some(Line::Whole(line))) => return Ok(line),
                Ok(Some(Line::TooLong { bytes, .. })) => {
                    return Err(
                        self.flood(format!("a line of {bytes} bytes or more, the limit is {LINE_MAX}"))
                    );
                }
                Ok(None) | Err(_) => return Err(self.death().await),
            }
        }
    }

    fn flood(&self, what: String) -> DriverError {
        DriverError::Flood { about: self.about, what }
    }

    pub(crate) fn nonsense(&self, what: &str) -> DriverError {
        DriverError::Garbage { about: self.about, what: what.to_owned() }
    }

    /// How it ended, by its exit and its last words.
    async fn death(&mut self) -> DriverError {
        // Nobody writes to it any more; else the writer would be waited for.
        self.input = None;
        if self.exited.is_none() {
            self.exited = tokio::time::timeout(STOP_GRACE, self.child.wait()).await.ok().and_then(Result::ok);
        }
        // The pipe of its last words may be a moment behind.
        let _ = tokio::time::timeout(DRAIN, async { while self.tasks.join_next().await.is_some() {} }).await;
        let mut how = match self.exited {
            None => "it closed its output".to_owned(),
            Some(status) => match (status.code(), status.signal()) {
                (Some(code), _) => format!("exit code {code}"),
                (None, signal) => format!("signal {}", signal.unwrap_or_default()),
            },
        };
        let words = self.last_words.said();
        if !words.is_empty() {
            how.push_str(": ");
            how.push_str(&words);
        }
        DriverError::Died { about: self.about, how }
    }

    /// What it last wrote to stderr, and to stdout without meaning.
    pub(crate) fn last_words(&self) -> String {
        self.last_words.said()
    }

    /// Lets it end by itself, then asks it to, then makes it.
    pub(crate) async fn stop(mut self) {
        self.input = None;
        if self.ends().await {
            return;
        }
        if let Some(pid) = self.child.id().and_then(|pid| Pid::from_raw(pid.cast_signed())) {
            let _ = kill_process(pid, Signal::TERM);
        }
        if !self.ends().await {
            let _ = self.child.kill().await;
        }
    }

    /// Whether it ends soon. What it still says is read, so that it cannot block on it.
    async fn ends(&mut self) -> bool {
        let Self { child, lines, .. } = self;
        let reading = async {
            while let Ok(Some(_)) = lines.next().await {}
            std::future::pending::<()>().await;
        };
        tokio::select! {
            _ = child.wait() => true,
            () = reading => false,
            () = tokio::time::sleep(STOP_GRACE) => false,
        }
    }
}

async fn write(mut stdin: ChildStdin, mut queue: mpsc::Receiver<Vec<u8>>) {
    while let Some(line) = queue.recv().await {
        if stdin.write_all(&line).await.is_err() {
            return;
        }
    }
}

async fn overhear(stderr: ChildStderr, last_words: LastWords) {
    let mut lines = Lines::new(BufReader::new(stderr), STDERR_LINE_MAX, EXCERPT_MAX);
    while let Ok(Some(Line::Whole(line) | Line::TooLong { head: line, .. })) = lines.next().await {
        last_words.add(excerpt(&line));
    }
}

#[derive(Clone, Default)]
struct LastWords(Arc<Mutex<VecDeque<String>>>);

impl LastWords {
    fn add(&self, line: String) {
        if line.trim().is_empty() {
            return;
        }
        if let Ok(mut kept) = self.0.lock() {
            if kept.len() == LAST_WORDS {
                kept.pop_front();
            }
            kept.push_back(line);
        }
    }

    fn said(&self) -> String {
        let Ok(kept) = self.0.lock() else { return String::new() };
        kept.iter().map(|line| line.trim()).collect::<Vec<_>>().join("; ")
    }
}

#[cfg(test)]
mod tests {
    use super::super::place::tests::Dice;
    use super::*;

    static ABOUT: About =
        About { name: "Some Code", program: "some", oldest: "1.2.0", install: "install it", login: "log in" };

    fn bash(script: &str) -> VendorProgram {
        let place = Place::at(std::path::Path::new("/"), Arc::new(Dice)).unwrap();
        let argv = ["bash", "-c", script].map(str::to_owned);
        VendorProgram::start(&ABOUT, &argv, [("WORD", "hello")], &place).unwrap()
    }

    async fn error(script: &str) -> DriverError {
        let mut program = bash(script);
        loop {
            if let Err(error) = program.next().await {
                return error;
            }
        }
    }

    #[tokio::test]
    async fn lines_go_both_ways_and_what_is_not_json_is_passed_over() {
        let mut program =
            bash(r#"echo warning; read line; echo; echo "{\"heard\":$line,\"word\":\"$WORD\"}""#);
        program.send(&serde_json::json!({"n": 1})).unwrap();
        let (line, value) = program.next().await.unwrap();
        assert_eq!(line, r#"{"heard":{"n":1},"word":"hello"}"#);
        assert_eq!(value["heard"]["n"], 1);
        assert_eq!(program.last_words(), "warning");
    }

    #[tokio::test]
    async fn an_end_is_told_by_how_and_by_the_last_words() {
        for (script, how) in [
            ("echo one >&2; echo two >&2; exit 3", "exit code 3: one; two"),
            ("kill -9 $$", "signal 9"),
            ("printf '{\"cut\":'; exit 1", "exit code 1: {\"cut\":"),
            // Somebody else holds its output; that is no reason to wait.
            ("sleep 1000 & kill -TERM $$", "signal 15"),
            // Nor is it one when somebody it left behind goes on in its name.
            ("(while :; do echo '{}'; sleep 0.01; done) & kill -9 $$", "signal 9"),
            ("for n in 1 2 3 4 5 6 7; do echo $n >&2; done; exit 1", "exit code 1: 3; 4; 5; 6; 7"),
        ] {
            assert_eq!(error(script).await, DriverError::Died { about: &ABOUT, how: how.to_owned() });
        }
    }

    #[tokio::test]
    async fn nonsense_has_a_limit() {
        let nonsense =
            |count: usize| format!("for n in $(seq {count}); do echo '[no]'; done; echo '{{}}'; sleep 100");
        assert!(bash(&nonsense(GARBAGE_MAX)).next().await.is_ok());
        assert!(matches!(error(&nonsense(GARBAGE_MAX + 1)).await, DriverError::Garbage { .. }));
    }

    #[tokio::test]
    async fn a_line_has_a_limit_and_so_has_a_turn() {
        let line = |bytes: usize| {
            format!("printf '{{\"a\":\"'; head -c {bytes} /dev/zero | tr '\\0' x; echo '\"}}'")
        };
        let frame = "{\"a\":\"\"}".len();
        assert!(bash(&line(LINE_MAX - frame)).next().await.is_ok());
        assert!(matches!(error(&line(LINE_MAX - frame + 1)).await, DriverError::Flood { .. }));
        let endless = error("tr '\\0' x < /dev/zero").await;
        assert!(endless.to_string().contains("a line of"), "{endless}");
        let flood = error("blank=$(printf '%4000000s' ''); while :; do echo \"$blank\"; done").await;
        assert!(flood.to_string().contains("before the turn began"), "{flood}");
        let mut program = bash("blank=$(printf '%4000000s' ''); while :; do echo \"$blank\"; done");
        program.turn_begins();
        let flood = program.next().await.unwrap_err();
        assert!(flood.to_string().contains("in one turn"), "{flood}");
    }

    #[tokio::test]
    async fn many_small_lines_before_the_turn_are_as_much_as_few_large_ones() {
        let flood = error("yes '{}'").await;
        assert!(flood.to_string().contains("before the turn began"), "{flood}");
    }

    /// Whoever waits for more than this has heard of the death too late.
    const DEATH_MOST: Duration = Duration::from_secs(2);

    #[tokio::test(start_paused = true)]
    async fn all_waits_from_a_death_to_its_being_told_are_two_seconds_at_most() {
        for script in [
            "kill -9 $$",
            "printf '{\"cut'; kill -9 $$",
            "sleep 1000 & kill -9 $$",
            "(while :; do echo '{}'; sleep 0.01; done) & kill -9 $$",
            "exec 1>&-; exec sleep 1000",
        ] {
            let mut program = bash(script);
            // This clock moves only while something is waited for by time, which nothing is as long as the program lives.
            let began = Instant::now();
            let told = loop {
                if let Err(error) = program.next().await {
                    break (error, began.elapsed());
                }
            };
            assert!(matches!(told.0, DriverError::Died { .. }), "{script}: {told:?}");
            assert!(told.1 <= DEATH_MOST, "{script}: {told:?}");
        }
    }

    #[tokio::test]
    async fn what_does_not_exist_or_does_not_run_is_told_apart() {
        let place = Place::at(std::path::Path::new("/"), Arc::new(Dice)).unwrap();
        let start = |program: &str| VendorProgram::start(&ABOUT, &[program.to_owned()], [], &place).err();
        assert!(matches!(start("no-such-program-anywhere"), Some(DriverError::Missing { .. })));
        assert!(matches!(start("/etc/passwd"), Some(DriverError::NotStarted { .. })));
        let none = VendorProgram::start(&ABOUT, &[], [], &place).err();
        assert!(matches!(none, Some(DriverError::NotStarted { .. })));
    }

    #[tokio::test]
    async fn a_program_that_does_not_read_is_not_written_to_for_ever() {
        let program = bash("sleep 1000");
        let line = "x".repeat(64 * 1024);
        let refused = (0..INPUT_QUEUE + 2).find_map(|_| program.send(&line).err());
        assert!(matches!(refused, Some(DriverError::Garbage { .. })));
    }

    #[tokio::test]
    async fn it_is_stopped_whether_it_wants_to_or_not() {
        for script in [
            "read line",
            "trap 'exit 0' TERM; while :; do sleep 0.05; done",
            "trap '' TERM; while :; do sleep 0.05; done",
        ] {
            let program = bash(script);
            let pid = program.child.id().unwrap();
            program.stop().await;
            assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists(), "{script}");
        }
    }
}
