//! Scenarios: files of `tests/scenarios/` that say what is prompted and what must come of it, played by every agent
//! there is. The same file runs through the daemon and in the vendors' own headless programs; that they agree on it is
//! what makes a driver one.
//!
//! Invariant: a scenario knows no vendor. What a stage cannot do it says (`can`), and a scenario that needs that is SKIPPED there, with
//! what is missing; everything else must come out the same.

pub(crate) mod daemon;
mod headless;

use crate::house::until;
use daemon::DaemonStage;
use headless::HeadlessStage;
use scripted::{Exchange, Scripted};
use serde::Deserialize;
use std::collections::BTreeMap;
use testkit::TempRepo;
use testkit::vendors::{VendorCli, Vendors};

/// A file of `tests/scenarios/`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Scenario {
    /// What it shows, in one sentence.
    title: String,
    #[serde(default)]
    needs: Vec<Need>,
    /// What the repository holds at first.
    #[serde(default)]
    files: BTreeMap<String, String>,
    steps: Vec<Step>,
    expect: Expect,
}

/// What not every stage can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Need {
    Fork,
    SubAgents,
    /// Tokens are told for every turn.
    Usage,
    /// Somebody is asked before the agent runs a command.
    Approval,
}

/// One prompt in the conversation. The first begins it, the others go on with it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    prompt: String,
    /// Goes on in a copy of the conversation, which the later steps stay in.
    #[serde(default)]
    fork: bool,
    during: Option<During>,
    /// The answers to what is asked in this step, in order; there must be as many questions.
    #[serde(default)]
    answers: Vec<Answer>,
    ends: Ending,
    /// Part of what the agent says last.
    says: Option<String>,
    /// What the model must have been told in this step, from earlier ones.
    #[serde(default)]
    remembers: Vec<String>,
}

/// What happens to the agent while it works.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct During {
    /// The directive that is being played then.
    when: String,
    does: Deed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Deed {
    Interrupt,
    /// Its processes are gone, as after a crash.
    Kill,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Ending {
    Completed,
    Canceled,
    Failed,
}

/// What the agent is told when it asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Answer {
    Allow,
    Deny,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expect {
    #[serde(default)]
    files: BTreeMap<String, String>,
    #[serde(default)]
    absent: Vec<String>,
    /// HTTP statuses the model answered that were no success, in order.
    #[serde(default)]
    troubles: Vec<u16>,
}

/// How a step came out.
#[derive(Debug)]
struct Ended {
    ending: Ending,
    /// What the agent said, or why it failed.
    text: String,
    /// Tokens in and out, as far as they were told.
    tokens: Option<u64>,
}

/// Somewhere a scenario can be played: one agent, one repository, one conversation.
trait Stage {
    fn name(&self) -> String;
    fn can(&self, need: Need) -> bool;
    fn repo(&self) -> &TempRepo;
    fn models(&self) -> &Scripted;
    /// Starts a step and returns at once.
    fn begin(&mut self, prompt: &str, fork: bool);
    fn interrupt(&mut self);
    fn kill(&mut self);
    /// Waits for a question and answers it.
    fn answer(&mut self, answer: Answer);
    /// Waits for the end of the step.
    fn end(&mut self) -> Ended;
}

fn play(text: &str, stage: &mut dyn Stage) {
    let scenario: Scenario = serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    let place = format!("“{}” on {}", scenario.title, stage.name());
    if let Some(need) = scenario.needs.iter().find(|need| !stage.can(**need)) {
        testkit::skipped(&place, &format!("it has no {need:?}"));
        return;
    }
    for (path, content) in &scenario.files {
        stage.repo().write(path, content);
    }
    stage.repo().commit_all("as the scenario begins");
    for (number, step) in scenario.steps.iter().enumerate() {
        let place = format!("{place}, step {}", number + 1);
        let before = stage.models().requests().len();
        stage.begin(&step.prompt, step.fork);
        if let Some(during) = &step.during {
            until(&format!("{} in {place}", during.when), || {
                let asked = stage.models().requests();
                let new = asked.get(before..).unwrap_or_default();
                new.iter().any(|exchange| exchange.directives.contains(&during.when.as_str())).then_some(())
            });
            match during.does {
                Deed::Interrupt => stage.interrupt(),
                Deed::Kill => stage.kill(),
            }
        }
        for answer in &step.answers {
            stage.answer(*answer);
        }
        let ended = stage.end();
        let asked = stage.models().requests().split_off(before);
        assert_eq!(ended.ending, step.ends, "{place}: {ended:?}\n{}", shown(&asked));
        if let Some(says) = &step.says {
            assert!(ended.text.contains(says.as_str()), "{place}: {ended:?}");
        }
        let told: Vec<String> = asked.iter().map(|exchange| exchange.body.to_string()).collect();
        for word in &step.remembers {
            assert!(told.iter().any(|body| body.contains(word.as_str())), "{place} forgot {word}");
        }
        if scenario.needs.contains(&Need::Usage) {
            assert!(ended.tokens.is_some_and(|tokens| tokens > 0), "{place}: {ended:?}");
        }
    }
    for (path, content) in &scenario.expect.files {
        assert_eq!(&stage.repo().read(path), content, "{place}: {path}");
    }
    for path in &scenario.expect.absent {
        assert!(!stage.repo().path().join(path).exists(), "{place}: {path} is there");
    }
    let asked = stage.models().requests();
    let refused: Vec<&Exchange> = asked.iter().filter(|exchange| exchange.refused.is_some()).collect();
    assert!(refused.is_empty(), "{place}: {refused:?}");
    let troubles: Vec<u16> =
        asked.iter().map(|exchange| exchange.status).filter(|status| *status != 200).collect();
    assert_eq!(troubles, scenario.expect.troubles, "{place}");
}

/// The requests of a step in few words.
fn shown(asked: &[Exchange]) -> String {
    let line = |exchange: &Exchange| {
        format!("{} step {} {:?} {:?}", exchange.status, exchange.step, exchange.directives, exchange.refused)
    };
    asked.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn native(text: &str) {
    play(text, &mut DaemonStage::native(asks(text)));
}

fn headless(text: &str, cli: VendorCli) {
    if let Some(vendors) = Vendors::find("scenarios on the vendors' programs") {
        play(text, &mut HeadlessStage::new(&vendors, cli));
    }
}

/// Whether the scenario answers questions. Where it does not, none must be asked.
fn asks(text: &str) -> bool {
    let scenario: Scenario = serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    scenario.needs.contains(&Need::Approval)
}

fn driven(text: &str, cli: VendorCli) {
    if let Some(vendors) = Vendors::find("scenarios on the vendors' programs, driven") {
        play(text, &mut DaemonStage::driven(&vendors, cli, asks(text)));
    }
}

macro_rules! scenarios {
    ($($name:ident,)+) => {
        /// All there are, by the names of their files.
        const NAMES: &[&str] = &[$(stringify!($name)),+];

        $(mod $name {
            use testkit::vendors::VendorCli;

            const TEXT: &str = include_str!(concat!("../scenarios/", stringify!($name), ".json"));

            #[test]
            fn native() {
                super::native(TEXT);
            }

            #[test]
            fn driven_claude() {
                super::driven(TEXT, VendorCli::Claude);
            }

            #[test]
            fn driven_codex() {
                super::driven(TEXT, VendorCli::Codex);
            }

            #[test]
            fn driven_gemini() {
                super::driven(TEXT, VendorCli::Gemini);
            }

            #[test]
            fn driven_kimi() {
                super::driven(TEXT, VendorCli::Kimi);
            }

            #[test]
            fn headless_claude() {
                super::headless(TEXT, VendorCli::Claude);
            }

            #[test]
            fn headless_codex() {
                super::headless(TEXT, VendorCli::Codex);
            }

            #[test]
            fn headless_gemini() {
                super::headless(TEXT, VendorCli::Gemini);
            }

            #[test]
            fn headless_kimi() {
                super::headless(TEXT, VendorCli::Kimi);
            }
        })+
    };
}

scenarios! {
    asks_first,
    edits_and_runs,
    forks,
    goes_on,
    is_interrupted,
    is_killed,
    models_fail,
    sub_agent,
    tells_usage,
}

#[test]
fn every_file_is_played() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let mut files: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    files.sort();
    assert_eq!(files, NAMES);
}
