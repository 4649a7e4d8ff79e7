//! What a repository says to agents, in the files of all vendors' names, reaches every agent, and no sentence of it twice.

use crate::house::{Daemon, House, until};
use crate::scenario::daemon::{agent, models};
use model::Vendor;
use protocol::NewPrompt;
use scripted::Scripted;
use serde_json::{Value, json};
use testkit::TempRepo;
use testkit::vendors::{VendorCli, Vendors};

const KEY_VARIABLE: &str = "CODITECT_TEST_KEY";
const AGENTS: (&str, &str) = ("AGENTS.md", "Indent with heliotrope.");
const CLAUDE: (&str, &str) = ("CLAUDE.md", "Name things after marzipan.");
const GEMINI: (&str, &str) = ("GEMINI.md", "Comment in petrichor.");

struct Studio {
    house: House,
    models: Scripted,
    _daemon: Daemon,
}

impl Studio {
    fn new(models: Scripted, agent: &Value) -> Self {
        let house = House::new();
        std::fs::create_dir_all(house.root.path()).unwrap();
        std::fs::write(house.root.config(), json!({ "agents": { "ada": agent } }).to_string()).unwrap();
        let mut command = house.command(&["daemon", "run"]);
        command.env(KEY_VARIABLE, "a-key-of-no-value");
        Self { _daemon: Daemon::start(command), house, models }
    }

    /// In each of two turns the model is shown each sentence once.
    fn tells(&self, repo: &TempRepo, sentences: &[&str]) {
        let place = repo.path().to_str().unwrap();
        let new = ["session", "new", "work", "--agents", "ada", "--repo", place, "--json"];
        let session = self.house.json(&new)["id"].as_str().unwrap().to_owned();
        for text in ["[[say one]]", "[[say two]]"] {
            let before = self.models.requests().len();
            let prompt = NewPrompt { text: text.to_owned(), ..NewPrompt::default() };
            let task = self.house.api(async |client| client.prompt(&session, &prompt, None).await.unwrap());
            let task = until("the task's end", || {
                let id = task.id.to_string();
                let task = self.house.api(async |client| client.task(&id).await.unwrap().value);
                task.state.is_terminal().then_some(task)
            });
            assert_eq!(task.state, model::TaskState::Completed, "{:?}", task.text);
            let asked = self.models.requests().split_off(before);
            // What a program asks besides, for a title, is no part of the turn.
            let turn = asked.iter().rfind(|exchange| exchange.directives.contains(&"say")).unwrap();
            let body = turn.body.to_string();
            for sentence in sentences {
                assert_eq!(body.matches(sentence).count(), 1, "{text}: {sentence} in {body}");
            }
        }
    }

    fn tells_all_there_is(&self) {
        let all = TempRepo::with(&[AGENTS, CLAUDE, GEMINI]);
        self.tells(&all, &[AGENTS.1, CLAUDE.1, GEMINI.1]);
        self.tells(&TempRepo::with(&[AGENTS]), &[AGENTS.1]);
        let linked = TempRepo::with(&[AGENTS]);
        for name in [CLAUDE.0, GEMINI.0] {
            std::os::unix::fs::symlink(AGENTS.0, linked.path().join(name)).unwrap();
        }
        linked.commit_all("one text of three names");
        self.tells(&linked, &[AGENTS.1]);
        let imported = TempRepo::with(&[AGENTS, (CLAUDE.0, "Name things after marzipan.\n\n@AGENTS.md\n")]);
        self.tells(&imported, &[AGENTS.1, CLAUDE.1]);
    }
}

fn driven(cli: VendorCli) {
    let Some(vendors) = Vendors::find("what a repository says to agents") else { return };
    if vendors.wanted().contains(&cli) {
        let models = models();
        let home = vendors.home(cli, models.addr());
        let agent = agent(&vendors, &home, "all");
        Studio::new(models, &agent).tells_all_there_is();
    }
}

#[test]
fn native_is_told_once() {
    let models = models();
    let agent = json!({
        "vendor": "anthropic", "driver": "native", "model": "claude-sonnet-4-5",
        "base_url": models.base_url(Vendor::Anthropic), "api_key_env": KEY_VARIABLE,
    });
    Studio::new(models, &agent).tells_all_there_is();
}

#[test]
fn claude_is_told_once() {
    driven(VendorCli::Claude);
}

#[test]
fn codex_is_told_once() {
    driven(VendorCli::Codex);
}

#[test]
fn gemini_is_told_once() {
    driven(VendorCli::Gemini);
}

#[test]
fn kimi_is_told_once() {
    driven(VendorCli::Kimi);
}
