//! A vendor's own headless program as a stage: one process for each prompt, its conversation found again by its id.

use super::{Answer, Ended, Ending, Need, Stage};
use scripted::{Scripted, ScriptedOptions};
use serde_json::Value;
use testkit::TempRepo;
use testkit::vendors::{Ended as Exited, Permission, VendorCli, VendorHome, VendorRun, Vendors};

/// The id given to a conversation where the program lets us choose; every home has but one.
const CONVERSATION: &str = "0192f0c4-5b6e-4d2a-9c3e-7a1b2c3d4e5f";

pub(super) struct HeadlessStage {
    home: VendorHome,
    repo: TempRepo,
    models: Scripted,
    conversation: Option<String>,
    run: Option<VendorRun>,
    /// How we ended it ourselves.
    forced: Option<Ending>,
}

impl HeadlessStage {
    pub(super) fn new(vendors: &Vendors, cli: VendorCli) -> Self {
        let models = Scripted::start(ScriptedOptions::default()).unwrap();
        let home = vendors.home(cli, models.addr());
        Self { home, repo: TempRepo::new(), models, conversation: None, run: None, forced: None }
    }

    /// Starts the program so that it begins, goes on with or copies the conversation.
    fn command(&self, prompt: &str, fork: bool) -> std::process::Command {
        let home = &self.home;
        let place = self.repo.path();
        let usual = |more: &[&str]| home.headless(place, prompt, Permission::Everything, more);
        let Some(id) = self.conversation.as_deref() else {
            return match home.cli() {
                VendorCli::Claude | VendorCli::Gemini => usual(&["--session-id", CONVERSATION]),
                VendorCli::Codex | VendorCli::Kimi => usual(&[]),
            };
        };
        match home.cli() {
            VendorCli::Claude if fork => usual(&["--resume", id, "--fork-session"]),
            VendorCli::Claude | VendorCli::Gemini => usual(&["--resume", id]),
            VendorCli::Kimi => usual(&["--session", id]),
            VendorCli::Codex => {
                let verb = if fork { "fork" } else { "resume" };
                let all = "--dangerously-bypass-approvals-and-sandbox";
                home.command(place, &["exec", "--json", "--skip-git-repo-check", all, verb, id, prompt])
            }
        }
    }

    /// Kimi copies a conversation by a command of its own, and says the copy's id.
    fn copy_of_kimi(&mut self) {
        let id = self.conversation.clone().expect("there is something to copy");
        let command = self.home.command(self.repo.path(), &["fork", "--yes", &id]);
        let said = self.home.start(command).ended().well();
        let mut words = said.out.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '-'));
        let copy = words.rfind(|word| word.starts_with("session_") && *word != id);
        self.conversation = Some(copy.unwrap_or_else(|| panic!("no id in {said:?}")).to_owned());
    }

    /// The conversation's id, as the program said it or, for Kimi, as it filed it.
    fn learn(&mut self, exited: &Exited) {
        let said = |at: &str| exited.events().iter().find_map(|event| Some(event[at].as_str()?.to_owned()));
        let found = match self.home.cli() {
            VendorCli::Claude | VendorCli::Gemini => said("session_id"),
            VendorCli::Codex => said("thread_id"),
            VendorCli::Kimi => {
                let index = std::fs::read_to_string(self.home.folder().join("session_index.jsonl"));
                let index = index.unwrap_or_default();
                let mut lines = index.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
                // A copy that was asked for is not the last one it filed under its own steam.
                self.conversation
                    .clone()
                    .or_else(|| lines.next_back()?["sessionId"].as_str().map(str::to_owned))
            }
        };
        self.conversation = found.or_else(|| self.conversation.take());
    }
}

/// All text of the answers, put together again from its pieces.
fn text(exited: &Exited) -> String {
    let mut all = String::new();
    for event in exited.events() {
        let texts = [&event["result"], &event["item"]["text"], &event["content"]];
        all.extend(texts.iter().filter_map(|text| text.as_str()));
    }
    all
}

/// Tokens of the last turn, where the program's events tell them.
fn tokens(cli: VendorCli, exited: &Exited) -> Option<u64> {
    let events = exited.events();
    let (kind, at) = match cli {
        VendorCli::Claude => ("result", "/usage"),
        VendorCli::Codex => ("turn.completed", "/usage"),
        VendorCli::Gemini => ("result", "/stats"),
        VendorCli::Kimi => return None,
    };
    let usage = events.iter().rev().find(|event| event["type"] == kind)?.pointer(at)?.clone();
    Some(usage["input_tokens"].as_u64()? + usage["output_tokens"].as_u64()?)
}

impl Stage for HeadlessStage {
    fn name(&self) -> String {
        format!("{}, headless", self.home.cli().name())
    }

    fn can(&self, need: Need) -> bool {
        match (self.home.cli(), need) {
            (VendorCli::Gemini, Need::Fork) | (VendorCli::Kimi, Need::Usage) => false,
            // Nobody is there to be asked.
            (_, Need::Approval) => false,
            (_, Need::Fork | Need::SubAgents | Need::Usage) => true,
        }
    }

    fn repo(&self) -> &TempRepo {
        &self.repo
    }

    fn models(&self) -> &Scripted {
        &self.models
    }

    fn begin(&mut self, prompt: &str, fork: bool) {
        if fork && self.home.cli() == VendorCli::Kimi {
            self.copy_of_kimi();
        }
        self.forced = None;
        self.run = Some(self.home.start(self.command(prompt, fork)));
    }

    fn interrupt(&mut self) {
        self.forced = Some(Ending::Canceled);
        self.run.as_ref().expect("a step is under way").interrupt();
    }

    fn kill(&mut self) {
        self.forced = Some(Ending::Failed);
        self.run.as_ref().expect("a step is under way").kill();
    }

    fn answer(&mut self, answer: Answer) {
        panic!("nobody is asked, and {answer:?} is nobody's answer");
    }

    fn end(&mut self) -> Ended {
        let exited = self.run.take().expect("a step is under way").ended();
        self.learn(&exited);
        let well = if exited.exit == Some(0) { Ending::Completed } else { Ending::Failed };
        let ending = self.forced.unwrap_or(well);
        let said = if well == Ending::Completed { text(&exited) } else { format!("{exited:?}") };
        Ended { ending, text: said, tokens: tokens(self.home.cli(), &exited) }
    }
}
