//! The real Claude Code in the daemon: its work is recorded, committed and paid for as everybody's, and nothing of it outlives
//! its daemon.

use crate::house::{Daemon, House, Process, command_line, descendants, kill, lives, until};
use rustix::process::Signal;
use scripted::{Scripted, ScriptedOptions};
use serde_json::{Value, json};
use testkit::TempRepo;
use testkit::vendors::{VendorCli, VendorHome, Vendors};

const KEY_VARIABLE: &str = "TEST_MODEL_KEY";

struct Driven {
    house: House,
    repo: TempRepo,
    models: Scripted,
    home: VendorHome,
}

impl Driven {
    fn find(what: &str) -> Option<Self> {
        Self::with(what, json!({}))
    }

    fn with(what: &str, permissions: Value) -> Option<Self> {
        let vendors = Vendors::find(what)?;
        let house = House::new();
        let models = Scripted::start(ScriptedOptions::default()).unwrap();
        let home = vendors.home(VendorCli::Claude, models.addr());
        let env: serde_json::Map<String, Value> = home
            .variables()
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.into_string().unwrap().into()))
            .collect();
        let config = json!({ "permissions": permissions, "agents": {
            "claude": {
                "vendor": "anthropic", "driver": "claude", "model": home.model(), "env": env,
                "command": [vendors.program(VendorCli::Claude)],
            },
            "kimi": {
                "vendor": "moonshot", "model": "kimi-k2", "api_key_env": KEY_VARIABLE,
                "base_url": models.base_url(model::Vendor::Moonshot),
            },
        } });
        std::fs::create_dir_all(house.root.path()).unwrap();
        std::fs::write(house.root.config(), config.to_string()).unwrap();
        Some(Self { house, repo: TempRepo::with(&[("README.md", "# here\n")]), models, home })
    }

    fn daemon(&self) -> Daemon {
        let mut command = self.house.command(&["daemon", "run"]);
        command.env(KEY_VARIABLE, "a-key-of-no-value");
        Daemon::start(command)
    }

    fn session(&self, agents: &str) -> String {
        let repo = self.repo.path().to_str().unwrap();
        let session = ["session", "new", "work", "--agents", agents, "--repo", repo, "--json"];
        self.house.json(&session)["id"].as_str().unwrap().to_owned()
    }

    /// Gives the task's id.
    fn prompt(&self, session: &str, to: &str, text: &str) -> String {
        let task = self.house.json(&["session", "prompt", session, text, "--to", to, "--json"]);
        task["id"].as_str().unwrap().to_owned()
    }

    fn task_in(&self, task: &str, states: &[&str]) -> Value {
        until("the task", || {
            let shown = self.house.json(&["task", "show", task, "--json"]);
            states.contains(&shown["state"].as_str()?).then_some(shown)
        })
    }

    fn over(&self, task: &str) -> Value {
        self.task_in(task, &["completed", "failed", "canceled"])
    }

    fn status(&self, session: &str, agent: &str) -> String {
        let shown = self.house.json(&["session", "show", session, "--json"]);
        let seats = shown["session"]["participants"].as_array().unwrap();
        let seat = seats.iter().find(|seat| seat["agent"] == agent).unwrap();
        seat["status"].as_str().unwrap().to_owned()
    }

    /// The program, once it has asked its model so often.
    fn working(&self, daemon: &Daemon, requests: usize) -> Process {
        until("the program works", || {
            let asked = self.models.requests().len() >= requests;
            let below = descendants(daemon.pid());
            below.into_iter().find(|(pid, _)| asked && command_line(*pid).contains("stream-json"))
        })
    }
}

#[test]
fn what_it_does_is_recorded_committed_and_paid_for_and_it_remembers() {
    let Some(place) = Driven::find("Claude Code works in the daemon") else { return };
    let _daemon = place.daemon();
    let session = place.session("claude");
    let text = "The word is heliotrope. [[write made.txt|one\\n]][[edit made.txt|one|two]][[say all done]]";
    let done = place.over(&place.prompt(&session, "claude", text));
    assert_eq!((&done["state"], &done["text"]), (&json!("completed"), &json!("all done")), "{done}");
    assert_eq!(place.repo.read("made.txt"), "two\n");
    let changes = done["changes"].as_array().unwrap();
    assert_eq!(changes.len(), 2, "{changes:?}");
    assert!(changes[1]["diff"].as_str().unwrap().contains("-one\n+two\n"), "{changes:?}");
    assert!(done["usage"]["cost_micros"].as_u64().unwrap() > 0, "{done}");
    let again = place.over(&place.prompt(&session, "claude", "[[say again]]"));
    assert_eq!(again["text"], json!("again"));
    assert!(place.models.requests().last().unwrap().body.to_string().contains("heliotrope"));
    let first = done["usage"]["cost_micros"].as_u64().unwrap();
    assert!(again["usage"]["cost_micros"].as_u64().unwrap() < first, "a turn pays its own");
    let spent = place.house.json(&["cost", "--by", "task", "--json"]);
    let sources: Vec<&Value> =
        spent["rows"].as_array().unwrap().iter().map(|row| &row["usage"]["cost_source"]).collect();
    assert_eq!(sources, ["vendor", "vendor"], "Claude Code gives figures of its own: {spent}");
    let fork = place.house.json(&["session", "fork", &session, "--json"]);
    let forked = place.over(&place.prompt(fork["id"].as_str().unwrap(), "claude", "[[say forked]]"));
    assert_eq!(forked["text"], json!("forked"), "{forked}");
    assert!(place.models.requests().last().unwrap().body.to_string().contains("heliotrope"));
    assert!(place.home.folder().join("projects").exists(), "its own transcripts are in its own home");
}

#[test]
fn two_agents_want_one_file_and_both_get_it() {
    let Some(place) = Driven::find("Claude Code waits for another agent's lock") else { return };
    let _daemon = place.daemon();
    let session = place.session("claude,kimi");
    let first = place.prompt(&session, "kimi", "[[write held.txt|mine\\n]][[ask May I go?]][[say done]]");
    place.task_in(&first, &["input_required"]);
    let second = place.prompt(&session, "claude", "[[read held.txt]][[edit held.txt|mine|ours]][[say done]]");
    until("it waits for the lock", || (place.status(&session, "claude") == "waiting_lock").then_some(()));
    assert_eq!(place.repo.read("held.txt"), "mine\n");
    place.house.json(&["task", "answer", &first, "yes", "--json"]);
    assert_eq!(place.over(&first)["state"], json!("completed"));
    assert_eq!(place.over(&second)["state"], json!("completed"));
    assert_eq!(place.repo.read("held.txt"), "ours\n");
}

#[test]
fn words_for_it_are_answered_in_the_same_turn() {
    let Some(place) = Driven::find("Claude Code is steered from the command line") else { return };
    let daemon = place.daemon();
    let session = place.session("claude");
    // Longer than the way from the command line to the program takes on a busy machine.
    let task = place.prompt(&session, "claude", "[[sleep 15000]][[say first]]");
    place.working(&daemon, 1);
    let steered = place.house.json(&["task", "steer", &task, "[[say second]]", "--json"]);
    assert_eq!(steered["id"], json!(task));
    assert_eq!(place.over(&task)["text"], json!("second"));
    let messages = place.house.json(&["session", "messages", &session, "--json"]).to_string();
    assert!(messages.contains("[[say second]]"), "{messages}");
}

#[test]
fn a_rule_that_denies_is_final_whatever_claudes_own_settings_allow() {
    let rules = json!({ "rules": [{ "tool": "shell", "command": "touch", "decision": "deny" }] });
    let Some(place) = Driven::with("Claude Code may do more than the rules", rules) else { return };
    std::fs::create_dir_all(place.home.folder()).unwrap();
    let own = json!({ "permissions": { "allow": ["Bash(touch:*)", "Bash(mkdir:*)"] } });
    std::fs::write(place.home.folder().join("settings.json"), own.to_string()).unwrap();
    let _daemon = place.daemon();
    let session = place.session("claude");
    let done = place.over(&place.prompt(
        &session,
        "claude",
        "[[bash touch made.txt]][[bash mkdir made]][[say done]]",
    ));
    assert_eq!(done["text"], json!("done"), "{done}");
    assert!(!place.repo.path().join("made.txt").exists(), "its own settings allowed it, our rule does not");
    assert!(place.repo.path().join("made").is_dir(), "what no rule denies is not asked about");
    let shown = place.house.json(&["permission", "list", "--all", "--json"]).to_string();
    assert!(shown.contains("touch made.txt") && !shown.contains("mkdir"), "{shown}");
    let told = place.models.requests().last().unwrap().body.to_string();
    assert!(told.contains("a permission rule denies it"), "{told}");
}

#[test]
fn one_that_is_killed_has_failed_and_one_whose_daemon_is_killed_is_gone() {
    let Some(place) = Driven::find("Claude Code is killed under the daemon") else { return };
    let daemon = place.daemon();
    let session = place.session("claude");
    let task = place.prompt(&session, "claude", "[[say a]][[sleep 60000]]");
    let program = place.working(&daemon, 1);
    kill(program.0, Signal::KILL);
    let failed = place.over(&task);
    assert_eq!(failed["state"], json!("failed"));
    assert!(failed["text"].as_str().unwrap().contains("Claude Code ended"), "{failed}");
    until("nothing of the run is left", || descendants(daemon.pid()).is_empty().then_some(()));
    let asked = place.models.requests().len();
    place.prompt(&session, "claude", "[[say a]][[sleep 60000]]");
    place.working(&daemon, asked + 1);
    let below = descendants(daemon.pid());
    daemon.kill();
    until("nothing outlives the daemon", || (!below.iter().any(lives)).then_some(()));
}

#[test]
fn a_configuration_it_cannot_read_is_left_as_it_is() {
    crate::driven::leaves_a_broken_configuration_alone(VendorCli::Claude, None);
}

#[test]
fn a_canceled_turn_and_a_killed_daemon_leave_nobody() {
    crate::driven::leaves_nobody(VendorCli::Claude);
}
