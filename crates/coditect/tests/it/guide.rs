//! The manual, carried out: every `console` block of a page is typed into real terminals, and what they show is compared.
//!
//! `name$ command` is typed in the terminal of that name, the lines below it are what it shows (`…` stands for anything in a
//! line, alone for any lines). A command that is still running when the page goes on elsewhere is taken up again by
//! `name…`.

use crate::command::Home;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

/// How long a terminal may stay silent while something is expected of it.
const PATIENCE: Duration = Duration::from_secs(60);
/// Printed when a command has ended.
const OVER: char = '\u{1e}';

/// One thing to do, and what is to be seen.
#[derive(Debug)]
struct Step {
    terminal: String,
    /// None: what was typed before goes on.
    command: Option<String>,
    shows: Vec<String>,
    /// It is not over when this has been seen.
    goes_on: bool,
}

fn steps(page: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut inside = false;
    for line in page.lines() {
        match line {
            "```console" => inside = true,
            "```" => inside = false,
            line if inside => match prompt(line) {
                Some((terminal, command)) => steps.push(Step {
                    terminal: terminal.to_owned(),
                    command: command.map(str::to_owned),
                    shows: Vec::new(),
                    goes_on: false,
                }),
                None => steps.last_mut().expect("a block begins with a command").shows.push(words(line)),
            },
            _ => {}
        }
    }
    for at in 0..steps.len() {
        let later = steps[at + 1..].iter().find(|later| later.terminal == steps[at].terminal);
        steps[at].goes_on = later.is_some_and(|later| later.command.is_none());
    }
    steps
}

fn prompt(line: &str) -> Option<(&str, Option<&str>)> {
    let name = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_lowercase());
    if let Some((terminal, command)) = line.split_once("$ ")
        && name(terminal)
    {
        return Some((terminal, Some(command)));
    }
    line.strip_suffix('…').filter(|terminal| name(terminal)).map(|terminal| (terminal, None))
}

/// Columns are as wide as they need to be: only the words count.
fn words(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether the line is what the page says, `…` being anything.
fn is_like(pattern: &str, line: &str) -> bool {
    let mut parts = pattern.split('…');
    let Some(mut rest) = line.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let mut last = None;
    for part in parts {
        last = Some(part);
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    match last {
        None => rest.is_empty(),
        Some(last) => line.ends_with(last),
    }
}

/// A shell at a terminal of its own.
struct Terminal {
    child: Child,
    lines: Receiver<String>,
}

impl Terminal {
    fn open(home: &Home) -> Self {
        let mut command = script();
        let bin = Path::new(env!("CARGO_BIN_EXE_coditect")).parent().unwrap().display();
        command.env("PATH", format!("{bin}:{}", testkit::search_path().display()));
        command.env("HOME", home.path("")).env("CODITECT_DATA_ROOT", home.data_root().path());
        command.env("LANG", "C.UTF-8").env("TERM", "dumb").current_dir(home.repo());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let (say, lines) = channel();
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                if say.send(line).is_err() {
                    return;
                }
            }
        });
        let mut terminal = Self { child, lines };
        terminal.type_line("PS1=; PS2=; stty -echo cols 240");
        terminal.type_line(r"printf '\036%s\n' ready");
        // The first line of all still has a prompt before it.
        while !terminal.next().expect("the shell starts").ends_with(&format!("{OVER}ready")) {}
        terminal
    }

    fn type_line(&mut self, line: &str) {
        writeln!(self.child.stdin.as_mut().unwrap(), "{line}").unwrap();
    }

    fn run(&mut self, command: &str) {
        self.type_line(&format!("{command}\nprintf '\\036\\n'"));
    }

    /// The next line; none when the terminal is gone or stays silent.
    fn next(&self) -> Option<String> {
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) => {
                    let line = words(line.trim_end_matches('\r'));
                    if !line.is_empty() {
                        return Some(line);
                    }
                }
                Err(RecvTimeoutError::Disconnected | RecvTimeoutError::Timeout) => return None,
            }
        }
    }

    /// Compares what is shown, up to the end of the command or of what is expected.
    fn expect(&self, step: &Step) {
        let (mut shown, mut wanted, mut any) = (Vec::new(), step.shows.iter().peekable(), false);
        loop {
            while wanted.next_if(|pattern| *pattern == "…").is_some() {
                any = true;
            }
            if step.goes_on && wanted.peek().is_none() {
                return;
            }
            let line = self.next().filter(|line| *line != OVER.to_string());
            let Some(line) = line else { break };
            shown.push(line.clone());
            match wanted.peek() {
                Some(pattern) if is_like(pattern, &line) => {
                    any = false;
                    wanted.next();
                }
                _ if any => {}
                wanted => panic!("{step:#?}\nwanted {wanted:?}, shown {shown:#?}"),
            }
        }
        assert!(wanted.peek().is_none(), "{step:#?}\nshown only {shown:#?}");
        assert!(!step.goes_on, "{step:#?}\nis over already: {shown:#?}");
    }
}

impl Drop for Terminal {
    /// The terminal hangs up, and its shell with it.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[expect(clippy::disallowed_methods, reason = "a terminal is another program's to make")]
fn script() -> Command {
    let mut command = Command::new("script");
    command
        .args(["--quiet", "--command", "exec bash --norc --noprofile --noediting", "/dev/null"])
        .env_clear();
    command
}

fn carry_out(name: &str) {
    let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/guide");
    let page = std::fs::read_to_string(guide.join(name)).unwrap();
    let home = Home::new();
    let mut terminals: BTreeMap<String, Terminal> = BTreeMap::new();
    let steps = steps(&page);
    assert!(steps.len() > 10, "there is something to carry out");
    for step in &steps {
        let terminal = terminals.entry(step.terminal.clone()).or_insert_with(|| Terminal::open(&home));
        if let Some(command) = &step.command {
            terminal.run(command);
        }
        terminal.expect(step);
    }
}

#[test]
fn five_terminals_work_together_as_the_manual_says() {
    carry_out("bus.md");
}

#[test]
fn what_is_shown_is_compared_with_the_page() {
    for (pattern, line, expected) in [
        ("ada … alive", "ada xy03 alive", true),
        ("ada … alive", "ada xy03 dead", false),
        ("a…", "a", true),
        ("a…b", "ab cb", true),
        ("a…b", "ab c", false),
        ("a", "a b", false),
    ] {
        assert_eq!(is_like(pattern, line), expected, "{pattern} / {line}");
    }
    let page = "```console\nada$ one\nx   y\nbob$ two\nada…\nz\n```\nada$ not this\n";
    let steps = steps(page);
    assert_eq!(steps.len(), 3);
    assert_eq!((steps[0].goes_on, &steps[0].shows[0][..]), (true, "x y"));
    assert!(steps[2].command.is_none() && !steps[2].goes_on);
}
