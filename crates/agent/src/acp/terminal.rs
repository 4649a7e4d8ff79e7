//! Commands that an agent has us run: children of ours, in the run, with bounded output.
//!
//! Invariant: a command that was released, and every command at the end of the turn, is killed with its whole group.

use super::link::Answer;
use crate::spawn;
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::{Value, json};
use std::collections::{HashMap, VecDeque};
use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;
use tokio::process::{Child, Command};
use tokio::task::JoinSet;

/// Most bytes of a command's output that are kept, whatever the agent asks for.
const OUTPUT_MAX: usize = 1024 * 1024;
/// Most commands of one turn that are not released.
const TERMINALS_MAX: usize = 64;
/// How many of the released ones can still be told of.
const RELEASED: usize = 8;
/// Bytes read at a time.
const PIECE: usize = 16 * 1024;

#[derive(Default)]
pub(crate) struct Terminals {
    last: u64,
    open: HashMap<String, Terminal>,
    /// The last that were released: the agent tells of a call when it is done with its terminal.
    released: VecDeque<(String, Arc<Mutex<State>>)>,
    tasks: JoinSet<()>,
}

struct Terminal {
    group: Option<Pid>,
    state: Arc<Mutex<State>>,
}

struct State {
    kept: Vec<u8>,
    max: usize,
    truncated: bool,
    exit: Option<Exit>,
    waiting: Vec<Answer>,
}

#[derive(Clone, Copy)]
struct Exit {
    code: Option<i32>,
    signal: Option<i32>,
}

impl Exit {
    fn json(self) -> Value {
        json!({"exitCode": self.code, "signal": self.signal.map(|signal| signal.to_string())})
    }
}

impl State {
    /// The end of the output is what counts.
    fn push(&mut self, piece: &[u8]) {
        self.kept.extend_from_slice(piece);
        if self.kept.len() > self.max {
            let surplus = self.kept.len() - self.max;
            // Not in the middle of a character.
            let from = (surplus..self.kept.len()).find(|at| self.kept[*at] & 0xC0 != 0x80);
            self.kept.drain(..from.unwrap_or(surplus));
            self.truncated = true;
        }
    }
}

impl Terminals {
    /// Starts what `terminal/create` asks for; gives its name.
    pub(crate) fn create(&mut self, params: &Value, root: &Path) -> Result<String, String> {
        if self.open.len() >= TERMINALS_MAX {
            return Err(format!("{TERMINALS_MAX} commands are open; release some of them"));
        }
        let text = |field: &str| params.get(field).and_then(Value::as_str);
        let program = text("command").ok_or("there is no command")?;
        let list = |field: &str| params.get(field).and_then(Value::as_array).into_iter().flatten();
        let arguments = list("args").filter_map(Value::as_str);
        let env = list("env")
            .filter_map(|entry| Some((entry.get("name")?.as_str()?, entry.get("value")?.as_str()?)));
        let (reader, writer) = io::pipe().map_err(|error| error.to_string())?;
        let error = writer.try_clone().map_err(|error| error.to_string())?;
        let mut command = spawn::command(program);
        command.args(arguments).envs(env).current_dir(text("cwd").map_or(root, Path::new)).process_group(0);
        command.stdin(Stdio::null()).stdout(writer).stderr(error);
        let child = Command::from(command).kill_on_drop(true).spawn();
        let child = child.map_err(|error| format!("cannot run `{program}`: {error}"))?;
        let output = pipe::Receiver::from_owned_fd(reader.into()).map_err(|error| error.to_string())?;
        let asked = params.get("outputByteLimit").and_then(Value::as_u64);
        let max =
            asked.and_then(|max| usize::try_from(max).ok()).map_or(OUTPUT_MAX, |max| max.min(OUTPUT_MAX));
        let state = State { kept: Vec::new(), max, truncated: false, exit: None, waiting: Vec::new() };
        let state = Arc::new(Mutex::new(state));
        let group = child.id().and_then(|pid| Pid::from_raw(pid.cast_signed()));
        self.tasks.spawn(watch(child, output, Arc::clone(&state)));
        self.last += 1;
        let name = format!("terminal-{}", self.last);
        self.open.insert(name.clone(), Terminal { group, state });
        Ok(name)
    }

    /// Answers the other requests about terminals.
    pub(crate) fn answer(&mut self, method: &str, params: &Value, answer: Answer) {
        let name = params.get("terminalId").and_then(Value::as_str).unwrap_or_default();
        let Some(terminal) = self.open.get(name) else {
            return answer.refuse(-32602, &format!("there is no terminal `{name}`"));
        };
        match method {
            "terminal/output" => answer.give(terminal.output()),
            "terminal/wait_for_exit" => terminal.wait(answer),
            "terminal/kill" => {
                terminal.kill();
                answer.give(json!({}));
            }
            "terminal/release" => {
                terminal.kill();
                if let Some(terminal) = self.open.remove(name) {
                    self.released.push_back((name.to_owned(), terminal.state));
                }
                if self.released.len() > RELEASED {
                    self.released.pop_front();
                }
                answer.give(json!({}));
            }
            _ => answer.refuse(-32601, &format!("coditect does not answer `{method}`")),
        }
    }

    /// What a command has said, for whoever is told of the call; and how it ended.
    pub(crate) fn said(&self, name: &str) -> Option<(String, Option<i32>)> {
        let released = || self.released.iter().find(|(released, _)| released == name).map(|(_, state)| state);
        let state = self.open.get(name).map(|terminal| &terminal.state).or_else(released)?;
        let state = state.lock().unwrap_or_else(PoisonError::into_inner);
        Some((String::from_utf8_lossy(&state.kept).into_owned(), state.exit.and_then(|exit| exit.code)))
    }

    pub(crate) fn kill_all(&mut self) {
        for terminal in self.open.values() {
            terminal.kill();
        }
    }
}

impl Drop for Terminals {
    fn drop(&mut self) {
        self.kill_all();
    }
}

impl Terminal {
    fn output(&self) -> Value {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let output = String::from_utf8_lossy(&state.kept);
        json!({"output": output, "truncated": state.truncated, "exitStatus": state.exit.map(Exit::json)})
    }

    fn wait(&self, answer: Answer) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match state.exit {
            Some(exit) => answer.give(exit.json()),
            None => state.waiting.push(answer),
        }
    }

    /// Kills the group, unless its number may be somebody else's by now.
    fn kill(&self) {
        let ended = self.state.lock().unwrap_or_else(PoisonError::into_inner).exit.is_some();
        if let Some(group) = self.group.filter(|_| !ended) {
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

/// Reads what the command says until it has ended; whatever of it lives on in the background is read no more.
async fn watch(mut child: Child, mut output: pipe::Receiver, state: Arc<Mutex<State>>) {
    let mut piece = vec![0u8; PIECE];
    let mut open = true;
    let status: Option<ExitStatus> = loop {
        tokio::select! {
            biased;
            read = output.read(&mut piece), if open => match read {
                Ok(bytes @ 1..) => state.lock().unwrap_or_else(PoisonError::into_inner).push(&piece[..bytes]),
                Ok(_) | Err(_) => open = false,
            },
            status = child.wait() => break status.ok(),
        }
    };
    let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
    let exit = Exit {
        code: status.and_then(|status| status.code()),
        signal: status.and_then(|status| status.signal()),
    };
    state.exit = Some(exit);
    for answer in state.waiting.drain(..) {
        answer.give(exit.json());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn shell(script: &str, limit: usize) -> Value {
        json!({"command": "bash", "args": ["-c", script], "outputByteLimit": limit,
            "env": [{"name": "WORD", "value": "hello"}]})
    }

    async fn ended(terminals: &Terminals, name: &str) -> Value {
        let wait = async {
            loop {
                let output = terminals.open[name].output();
                if !output["exitStatus"].is_null() {
                    return output;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), wait).await.unwrap()
    }

    #[tokio::test]
    async fn a_command_says_its_end_and_its_last_words() {
        let mut terminals = Terminals::default();
        let name = terminals.create(&shell("echo $WORD >&2; exit 3", 100), Path::new("/")).unwrap();
        let output = ended(&terminals, &name).await;
        assert_eq!(output["output"], "hello\n");
        assert_eq!((&output["truncated"], &output["exitStatus"]["exitCode"]), (&json!(false), &json!(3)));
        assert_eq!(terminals.said(&name), Some(("hello\n".to_owned(), Some(3))));

        let name = terminals.create(&shell("printf 'aäb'", 2), Path::new("/")).unwrap();
        let output = ended(&terminals, &name).await;
        assert_eq!((output["output"].as_str(), &output["truncated"]), (Some("b"), &json!(true)));
    }

    #[tokio::test]
    async fn output_has_a_limit_whatever_is_asked_for() {
        let mut terminals = Terminals::default();
        let flood = format!("head -c {} /dev/zero | tr '\\0' x", OUTPUT_MAX + 1000);
        let name = terminals.create(&shell(&flood, usize::MAX), Path::new("/")).unwrap();
        let output = ended(&terminals, &name).await;
        assert_eq!(output["output"].as_str().unwrap().len(), OUTPUT_MAX);
        assert_eq!(output["truncated"], true);
    }

    #[tokio::test]
    async fn all_of_a_command_is_killed() {
        let mut terminals = Terminals::default();
        let name = terminals.create(&shell("sleep 1000 & sleep 1000", 100), Path::new("/")).unwrap();
        let group = terminals.open[&name].group.unwrap();
        terminals.kill_all();
        let output = ended(&terminals, &name).await;
        assert_eq!(output["exitStatus"]["signal"], "9");
        let gone = async {
            while rustix::process::test_kill_process_group(group).is_ok() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), gone).await.unwrap();
    }

    #[tokio::test]
    async fn commands_are_counted_and_those_that_cannot_run_say_why() {
        let mut terminals = Terminals::default();
        let missing = terminals.create(&json!({"command": "no-such-program"}), Path::new("/"));
        assert!(missing.unwrap_err().contains("no-such-program"));
        for _ in 0..TERMINALS_MAX {
            terminals.create(&shell("true", 1), Path::new("/")).unwrap();
        }
        assert!(terminals.create(&shell("true", 1), Path::new("/")).unwrap_err().contains("release"));
    }
}
