//! Looks at the vendors' programs: which are there, of which version, logged in or not; and has two of them check what
//! was written for them.
//!
//! Invariant: every question has a deadline, and whoever does not answer by then is ended with all it started.

use crate::connect::Surroundings;
use crate::{Cli, spawn};
use model::{Driver, Vendor};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// Longest time a program has to say its version.
const VERSION_WAIT: Duration = Duration::from_secs(15);
/// Longest time for a check or a conversation.
const TALK_WAIT: Duration = Duration::from_secs(30);
/// Most that is read of an answer, in bytes.
const ANSWER_MAX: u64 = 4 * 1024 * 1024;

/// A vendor's program on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    pub program: PathBuf,
    /// As it says; none when it does not say in time.
    pub version: Option<String>,
}

/// Whether a program can reach its models, as far as files and variables tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Login {
    /// What shows it.
    Yes(&'static str),
    /// Nothing shows it; it may be elsewhere.
    Unseen,
}

/// What became of the hooks' trust.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trust {
    /// All of ours are trusted; so many were not before.
    Given(usize),
    /// So many of ours are not trusted; nothing was changed.
    Missing(usize),
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProbeError {
    #[error("{} cannot be started: {why}; run it in a terminal to see", .program.display())]
    NotStarted { program: PathBuf, why: String },
    #[error("{} did not answer within {} s; run it in a terminal, and try again", .program.display(), TALK_WAIT.as_secs())]
    Late { program: PathBuf },
    #[error("{} said what is not understood: {why}; update it", .program.display())]
    Misunderstood { program: PathBuf, why: String },
    #[error("{} refuses the configuration: {said}; mend what it names, and try again", .program.display())]
    Refused { program: PathBuf, said: String },
}

/// The oldest version whose protocol and hooks are known to do what is asked of them.
pub const fn oldest(cli: Cli) -> &'static str {
    match cli {
        Cli::Claude => "2.1.0",
        Cli::Codex => "0.169.0",
        Cli::Gemini => "0.61.0",
        Cli::Kimi => "2.1.0",
    }
}

/// How a program gets newer.
pub const fn update_hint(cli: Cli) -> &'static str {
    match cli {
        Cli::Claude => "npm install -g @anthropic-ai/claude-code@latest",
        Cli::Codex => "npm install -g @openai/codex@latest",
        Cli::Gemini => "npm install -g @google/gemini-cli@latest",
        Cli::Kimi => "npm install -g @moonshot-ai/kimi-code@latest",
    }
}

impl Installed {
    /// None when the version is not known or not understood.
    pub fn is_too_old(&self, cli: Cli) -> Option<bool> {
        let own = numbers(self.version.as_deref()?)?;
        Some(own < numbers(oldest(cli))?)
    }
}

/// Whether a version is at least the oldest one; one that cannot be read is old.
pub(crate) fn is_at_least(found: &str, oldest: &str) -> bool {
    numbers(found).is_some_and(|found| numbers(oldest).is_none_or(|oldest| found >= oldest))
}

/// The first numbers with points between them, or else the first number; up to three, those that are missing are zero.
fn numbers(text: &str) -> Option<[u64; 3]> {
    let words = || {
        let words = text.split(|c: char| !(c.is_ascii_digit() || c == '.'));
        words.map(|word| word.trim_matches('.')).filter(|word| !word.is_empty())
    };
    let word = words().find(|word| word.contains('.')).or_else(|| words().next())?;
    let mut parts = word.split('.').map(str::parse);
    let mut next = || parts.next().unwrap_or(Ok(0)).ok();
    Some([next()?, next()?, next()?])
}

/// The program a driver starts when the configuration names none.
pub const fn usual(driver: Driver, vendor: Vendor) -> Option<Cli> {
    match (driver, vendor) {
        (Driver::Claude, _) => Some(Cli::Claude),
        (Driver::Codex, _) => Some(Cli::Codex),
        (Driver::Acp, Vendor::Google) => Some(Cli::Gemini),
        (Driver::Acp, Vendor::Moonshot) => Some(Cli::Kimi),
        (Driver::Native | Driver::Acp, _) => None,
    }
}

/// The vendor's program that an agent with this `command` is driven by; none where it is not one of those we know. `claude` and
/// `codex` are spoken to by nothing but their own drivers, whatever the file is called.
pub fn driven_by(driver: Driver, vendor: Vendor, command: &[String]) -> Option<Cli> {
    let usual = usual(driver, vendor);
    match (driver, command.first()) {
        (Driver::Acp, Some(program)) => program.rsplit('/').next()?.parse().ok(),
        _ => usual,
    }
}

/// Where a program is: by its path, or by its name in the folders of `path`.
pub fn find(program: &str, path: &str) -> Option<PathBuf> {
    let runs = |program: &PathBuf| {
        std::fs::metadata(program).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
    };
    if program.contains('/') {
        return Some(PathBuf::from(program)).filter(runs);
    }
    let mut folders = path.split(':').filter(|folder| !folder.is_empty());
    folders.find_map(|folder| Some(Path::new(folder).join(program)).filter(&runs))
}

/// Finds a vendor's program on the PATH and asks for its version.
pub fn installed(cli: Cli, environment: &BTreeMap<String, String>) -> Option<Installed> {
    let program = find(cli.as_str(), environment.get("PATH")?)?;
    let said = run(&program, &["--version"], environment, VERSION_WAIT).ok();
    let version = said.and_then(|(_, text)| numbers(&text).map(|[a, b, c]| format!("{a}.{b}.{c}")));
    Some(Installed { program, version })
}

/// What shows that the program is logged in.
pub fn login(cli: Cli, place: &Surroundings) -> Login {
    let set = |name: &str| place.environment.get(name).is_some_and(|value| !value.is_empty());
    let (keys, files): (&[&'static str], Vec<(&'static str, PathBuf)>) = match cli {
        Cli::Claude => (
            &["ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN"],
            vec![(
                "its credentials file",
                place.folder("CLAUDE_CONFIG_DIR", ".claude").join(".credentials.json"),
            )],
        ),
        Cli::Codex => (
            &["OPENAI_API_KEY", "CODEX_API_KEY"],
            vec![("its credentials file", place.folder("CODEX_HOME", ".codex").join("auth.json"))],
        ),
        Cli::Gemini => (
            &["GEMINI_API_KEY", "GOOGLE_API_KEY"],
            vec![(
                "its credentials file",
                place.folder("GEMINI_CLI_HOME", "").join(".gemini/oauth_creds.json"),
            )],
        ),
        Cli::Kimi => (
            &["KIMI_MODEL_API_KEY"],
            vec![(
                "its credentials folder",
                place.folder("KIMI_CODE_HOME", ".kimi-code").join("credentials"),
            )],
        ),
    };
    if let Some(key) = keys.iter().find(|key| set(key)) {
        return Login::Yes(key);
    }
    files.iter().find(|(_, path)| path.exists()).map_or(Login::Unseen, |(what, _)| Login::Yes(what))
}

/// Has Kimi Code check its configuration: it drops every hook when it does not like one.
pub fn kimi_doctor(program: &Path, environment: &BTreeMap<String, String>) -> Result<(), ProbeError> {
    let (ok, said) = run(program, &["doctor"], environment, TALK_WAIT)?;
    if ok {
        return Ok(());
    }
    let said = said.lines().filter(|line| !line.trim().is_empty()).take(5).collect::<Vec<_>>().join(" | ");
    Err(ProbeError::Refused { program: program.to_owned(), said })
}

/// Asks Codex which hooks of this file it would not run, and tells it to trust them when `give` says so.
pub fn codex_trust(
    program: &Path,
    environment: &BTreeMap<String, String>,
    (cwd, file): (&Path, &Path),
    give: bool,
) -> Result<Trust, ProbeError> {
    let mut talk = Talk::start(program, environment)?;
    let client = json!({ "name": "coditect", "version": env!("CARGO_PKG_VERSION") });
    talk.ask("initialize", &json!({ "clientInfo": client, "capabilities": { "experimentalApi": true } }))?;
    talk.send(&json!({ "method": "initialized" }))?;
    let listed = talk.ask("hooks/list", &json!({ "cwds": [cwd] }))?;
    let misunderstood =
        |why: &str| ProbeError::Misunderstood { program: program.to_owned(), why: why.to_owned() };
    let places =
        listed.get("data").and_then(Value::as_array).ok_or_else(|| misunderstood("no hooks are listed"))?;
    let mut states = serde_json::Map::new();
    for hook in places.iter().filter_map(|place| place.get("hooks")?.as_array()).flatten() {
        let text = |name: &str| hook.get(name).and_then(Value::as_str);
        let ours = text("sourcePath").is_some_and(|source| Path::new(source) == file)
            && text("command").is_some_and(|command| command.contains(" hook codex"));
        if !ours || text("trustStatus") == Some("trusted") {
            continue;
        }
        let (Some(key), Some(hash)) = (text("key"), text("currentHash")) else {
            return Err(misunderstood("a hook has no key or no hash"));
        };
        states.insert(key.to_owned(), json!({ "trusted_hash": hash }));
    }
    let count = states.len();
    if !give {
        return Ok(if count == 0 { Trust::Given(0) } else { Trust::Missing(count) });
    }
    if count > 0 {
        let edit = json!({ "keyPath": "hooks.state", "value": states, "mergeStrategy": "upsert" });
        talk.ask("config/batchWrite", &json!({ "edits": [edit] }))?;
    }
    Ok(Trust::Given(count))
}

/// A program whose answers are lines of JSON.
struct Talk<'a> {
    program: &'a Path,
    child: Child,
    lines: mpsc::Receiver<Value>,
    asked: u64,
    deadline: Instant,
}

impl<'a> Talk<'a> {
    fn start(program: &'a Path, environment: &BTreeMap<String, String>) -> Result<Self, ProbeError> {
        let mut child = begin(program, &["app-server"], environment, Stdio::piped(), Stdio::null())?;
        let (sender, lines) = mpsc::channel();
        let out = child.stdout.take();
        std::thread::spawn(move || {
            let reader = out.map(|out| BufReader::new(out.take(ANSWER_MAX)));
            for line in reader.into_iter().flat_map(|reader| reader.lines().map_while(Result::ok)) {
                if let Ok(value) = serde_json::from_str(&line)
                    && sender.send(value).is_err()
                {
                    return;
                }
            }
        });
        Ok(Self { program, child, lines, asked: 0, deadline: Instant::now() + TALK_WAIT })
    }

    fn send(&mut self, message: &Value) -> Result<(), ProbeError> {
        let broken = |why: String| ProbeError::Misunderstood { program: self.program.to_owned(), why };
        let stdin = self.child.stdin.as_mut().ok_or_else(|| broken("it does not listen".to_owned()))?;
        writeln!(stdin, "{message}").and_then(|()| stdin.flush()).map_err(|error| broken(error.to_string()))
    }

    fn ask(&mut self, method: &str, params: &Value) -> Result<Value, ProbeError> {
        self.asked += 1;
        self.send(&json!({ "id": self.asked, "method": method, "params": params }))?;
        loop {
            let left = self.deadline.saturating_duration_since(Instant::now());
            let answer = self.lines.recv_timeout(left).map_err(|error| match error {
                mpsc::RecvTimeoutError::Timeout => ProbeError::Late { program: self.program.to_owned() },
                mpsc::RecvTimeoutError::Disconnected => ProbeError::Misunderstood {
                    program: self.program.to_owned(),
                    why: format!("it ended at {method}"),
                },
            })?;
            if answer.get("id").and_then(Value::as_u64) != Some(self.asked) {
                continue;
            }
            return match answer.get("result") {
                Some(result) => Ok(result.clone()),
                None => {
                    let said = answer.get("error").map_or_else(String::new, Value::to_string);
                    Err(ProbeError::Refused { program: self.program.to_owned(), said })
                }
            };
        }
    }
}

impl Drop for Talk<'_> {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

fn begin(
    program: &Path,
    args: &[&str],
    environment: &BTreeMap<String, String>,
    input: Stdio,
    errors: Stdio,
) -> Result<Child, ProbeError> {
    let mut command = spawn::command(program);
    command.args(args).env_clear().envs(environment).process_group(0);
    command
        .stdin(input)
        .stdout(Stdio::piped())
        .stderr(errors)
        .spawn()
        .map_err(|error| ProbeError::NotStarted { program: program.to_owned(), why: error.to_string() })
}

/// Ends it with everything it started.
fn end(child: &mut Child) {
    drop(child.stdin.take());
    if let Some(pid) = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw) {
        let _ = rustix::process::kill_process_group(pid, rustix::process::Signal::KILL);
    }
    let _ = child.wait();
}

/// Whether it succeeded, and what it said.
fn run(
    program: &Path,
    args: &[&str],
    environment: &BTreeMap<String, String>,
    limit: Duration,
) -> Result<(bool, String), ProbeError> {
    let mut child = begin(program, args, environment, Stdio::null(), Stdio::piped())?;
    let (sender, said) = mpsc::channel();
    let pipes: [Option<Box<dyn Read + Send>>; 2] = [
        child.stdout.take().map(|pipe| Box::new(pipe) as _),
        child.stderr.take().map(|pipe| Box::new(pipe) as _),
    ];
    for pipe in pipes.into_iter().flatten() {
        let sender = sender.clone();
        std::thread::spawn(move || {
            let mut text = Vec::new();
            let _ = pipe.take(ANSWER_MAX).read_to_end(&mut text);
            let _ = sender.send(String::from_utf8_lossy(&text).into_owned());
        });
    }
    drop(sender);
    let deadline = Instant::now() + limit;
    let mut text = String::new();
    // Both pipes end when the program and what it started have.
    loop {
        match said.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(part) => text.push_str(&part),
            Err(mpsc::RecvTimeoutError::Disconnected) => break,
            Err(mpsc::RecvTimeoutError::Timeout) => {
                end(&mut child);
                return Err(ProbeError::Late { program: program.to_owned() });
            }
        }
    }
    let ended = child.wait();
    Ok((ended.is_ok_and(|status| status.success()), text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scripted(dir: &Path, name: &str, script: &str) -> BTreeMap<String, String> {
        let path = dir.join(name);
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        BTreeMap::from([("PATH".to_owned(), format!("{}:/usr/bin:/bin", dir.display()))])
    }

    #[test]
    fn a_program_says_its_version_and_is_judged_by_it() {
        let dir = tempfile::tempdir().unwrap();
        let old =
            installed(Cli::Claude, &scripted(dir.path(), "claude", "echo '2.0.99 (Claude Code)'")).unwrap();
        assert_eq!((old.version.as_deref(), old.is_too_old(Cli::Claude)), (Some("2.0.99"), Some(true)));
        let new = installed(Cli::Codex, &scripted(dir.path(), "codex", "echo codex-cli 0.169.0")).unwrap();
        assert_eq!((new.version.as_deref(), new.is_too_old(Cli::Codex)), (Some("0.169.0"), Some(false)));
        let mute = installed(Cli::Kimi, &scripted(dir.path(), "kimi", "exit 1")).unwrap();
        assert_eq!((mute.version.as_deref(), mute.is_too_old(Cli::Kimi)), (None, None));
        assert_eq!(
            installed(Cli::Gemini, &BTreeMap::from([("PATH".to_owned(), "/nowhere".to_owned())])),
            None
        );
    }

    #[test]
    fn a_check_that_fails_says_what_was_said() {
        let dir = tempfile::tempdir().unwrap();
        let environment = scripted(dir.path(), "kimi", "echo 'hooks: bad key' >&2; exit 1");
        let refused = kimi_doctor(&dir.path().join("kimi"), &environment).unwrap_err();
        assert!(refused.to_string().contains("hooks: bad key"), "{refused}");
        let environment = scripted(dir.path(), "kimi", "exit 0");
        assert_eq!(kimi_doctor(&dir.path().join("kimi"), &environment), Ok(()));
    }

    #[test]
    fn a_program_that_answers_nothing_of_use_is_a_typed_error() {
        let dir = tempfile::tempdir().unwrap();
        let environment = scripted(dir.path(), "codex", "echo garbage; exec cat >/dev/null </dev/null");
        let place = (Path::new("/"), Path::new("/h"));
        let said = codex_trust(&dir.path().join("codex"), &environment, place, true).unwrap_err();
        assert!(matches!(said, ProbeError::Misunderstood { .. }), "{said}");
        let gone = codex_trust(Path::new("/nowhere/codex"), &environment, place, true).unwrap_err();
        assert!(matches!(gone, ProbeError::NotStarted { .. }), "{gone}");
    }

    #[test]
    fn an_agent_is_driven_by_the_program_it_names() {
        let by = |driver, vendor, command: &str| {
            let command: Vec<String> = command.split_whitespace().map(str::to_owned).collect();
            driven_by(driver, vendor, &command)
        };
        assert_eq!(by(Driver::Acp, Vendor::Google, ""), Some(Cli::Gemini));
        assert_eq!(by(Driver::Acp, Vendor::Anthropic, "/opt/bin/kimi acp"), Some(Cli::Kimi));
        assert_eq!(by(Driver::Acp, Vendor::Anthropic, "goose acp"), None);
        assert_eq!(
            by(Driver::Acp, Vendor::Google, "opencode acp"),
            None,
            "not Gemini, though with its models"
        );
        assert_eq!(by(Driver::Claude, Vendor::Anthropic, "/opt/wrapper"), Some(Cli::Claude));
        assert_eq!(by(Driver::Native, Vendor::Openai, ""), None);
    }

    #[test]
    fn versions_are_compared_as_numbers() {
        assert_eq!(numbers("v2.10.3-beta"), Some([2, 10, 3]));
        assert!(numbers("2.10.0") > numbers("2.9.9"));
        assert_eq!(numbers("none"), None);
        assert_eq!(numbers("Kimi K2, version 2.1.0"), Some([2, 1, 0]));
        let of = |version: &str| {
            let installed = Installed { program: PathBuf::new(), version: Some(version.to_owned()) };
            installed.is_too_old(Cli::Claude)
        };
        for (found, fits) in [
            ("2.1.0", true),
            ("2.1", true),
            ("3", true),
            ("2.10.0-beta", true),
            ("2.0.9", false),
            ("", false),
            ("new", false),
        ] {
            assert_eq!(is_at_least(found, oldest(Cli::Claude)), fits, "{found}");
            let same = of(found).is_none_or(|old| old != fits);
            assert!(same, "{found}: a driver and the doctor say the same of what both can read");
        }
    }
}
