//! The whole product around one vendor's real program: a daemon, a repository, and what the journal says afterwards.

use crate::house::{Daemon, House, Process, command_line, descendants, kill, lives, until};
use bus::system::{SystemClock, process_start};
use client::Client;
use model::{Clock, Cursor, Event, FileChange, Opening, ParticipantStatus, TurnOutcome};
use protocol::{EventQuery, NewPrompt};
use rustix::process::Signal;
use scripted::{Scripted, ScriptedOptions};
use serde_json::json;
use testkit::TempRepo;
use testkit::vendors::{VendorCli, VendorHome, Vendors};

/// A command without an end. One that only sleeps for long Claude Code does not run.
const COMMAND: &str = "until test -e never.txt; do sleep 0.1; done";
/// What its process's command line has in it.
const COMMAND_MARK: &str = "never.txt";
/// Where the daemon finds the key for the agent.
const KEY: &str = "CODITECT_TEST_MODEL_KEY";

pub(crate) struct Studio {
    house: House,
    repo: TempRepo,
    models: Scripted,
    agent: &'static str,
    home: VendorHome,
    daemon: Daemon,
}

impl Studio {
    /// None, loudly, where the program is not installed.
    pub(crate) fn find(cli: VendorCli) -> Option<Self> {
        Self::allowing(cli, "ask")
    }

    fn allowing(cli: VendorCli, permissions: &str) -> Option<Self> {
        let vendors = Vendors::find(&format!("{} works for a daemon", cli.name()))?;
        if !vendors.wanted().contains(&cli) {
            return None;
        }
        let (vendor, driver) = match cli {
            VendorCli::Claude => (model::Vendor::Anthropic, "claude"),
            VendorCli::Codex => (model::Vendor::Openai, "codex"),
            VendorCli::Gemini => (model::Vendor::Google, "acp"),
            VendorCli::Kimi => (model::Vendor::Moonshot, "acp"),
        };
        let clock = Some(std::sync::Arc::new(SystemClock) as std::sync::Arc<dyn Clock>);
        let models = Scripted::start(ScriptedOptions { clock, ..ScriptedOptions::default() }).unwrap();
        let home = vendors.home(cli, models.addr());
        let env: serde_json::Map<String, serde_json::Value> = home
            .variables()
            .into_iter()
            .filter(|(name, _)| !name.contains("KEY") && !name.contains("BASE_URL") && *name != "PATH")
            .map(|(name, value)| (name.to_owned(), json!(value.to_str().unwrap())))
            .collect();
        let house = House::new();
        let config = json!({ "agents": { cli.name(): {
            "vendor": vendor.as_str(), "driver": driver, "model": home.model(), "command": [vendors.program(cli)],
            "base_url": models.base_url(vendor), "api_key_env": KEY, "env": env,
            "permissions": permissions,
        } } });
        std::fs::create_dir_all(house.root.path()).unwrap();
        std::fs::write(house.root.config(), config.to_string()).unwrap();
        let mut command = house.command(&["daemon", "run"]);
        command.env(KEY, "test-key");
        let daemon = Daemon::start(command);
        let repo = TempRepo::with(&[("kept.txt", "one\ntwo\n")]);
        Some(Self { house, repo, models, agent: cli.name(), home, daemon })
    }

    fn session(&self) -> String {
        let repo = self.repo.path().to_str().unwrap();
        let new = ["session", "new", "work", "--agents", self.agent, "--repo", repo, "--json"];
        self.house.json(&new)["id"].as_str().unwrap().to_owned()
    }

    /// Gives the task's id.
    fn prompt(&self, session: &str, text: &str) -> String {
        let prompt = NewPrompt { text: text.to_owned(), ..NewPrompt::default() };
        self.house.api(async |client| client.prompt(session, &prompt, None).await.unwrap()).id.to_string()
    }

    /// All that is below the daemon or lives in the program's home, once a command of the agent's runs.
    fn in_command(&self) -> Vec<Process> {
        until("the command", || {
            let mut below = descendants(self.daemon.pid());
            let runs = below.iter().any(|(pid, _)| command_line(*pid).contains(COMMAND_MARK));
            below.extend(programs(self).into_iter().filter_map(|pid| Some((pid, process_start(pid)?))));
            runs.then_some(below)
        })
    }

    fn events(&self) -> Vec<Event> {
        self.house.api(events)
    }

    /// Waits until so many turns have ended; gives how.
    fn ended(&self, turns: usize) -> Vec<TurnOutcome> {
        until("the turns to end", || {
            let ends: Vec<TurnOutcome> = self
                .events()
                .into_iter()
                .filter_map(|event| if let Event::TurnEnded(end) = event { Some(end.outcome) } else { None })
                .collect();
            (ends.len() >= turns).then_some(ends)
        })
    }

    fn changes(&self) -> Vec<FileChange> {
        let change = |event| if let Event::FileModified(change) = event { Some(change) } else { None };
        self.events().into_iter().filter_map(change).collect()
    }

    fn openings(&self) -> Vec<Opening> {
        let opening =
            |event| if let Event::ParticipantOpened(opening) = event { Some(opening) } else { None };
        self.events().into_iter().filter_map(opening).collect()
    }

    fn last_request(&self) -> String {
        self.models.requests().last().expect("the model was asked").body.to_string()
    }
}

async fn events(client: Client) -> Vec<Event> {
    let mut events = Vec::new();
    let mut after = Cursor::default();
    loop {
        let query = EventQuery { after: Some(after.to_string()), session: None, limit: Some(1000) };
        let page = client.events(&query).await.unwrap();
        if page.items.is_empty() {
            return events;
        }
        after = page.next;
        events.extend(
            page.items.iter().map(|item| Event::parse(&item.kind, &item.payload.to_string()).unwrap()),
        );
    }
}

fn completed(outcome: &TurnOutcome) -> bool {
    matches!(outcome, TurnOutcome::Completed { .. })
}

/// A turn that edits, and one that goes on from it: everything about both is in the journal.
pub(crate) fn works_and_remembers(cli: VendorCli, remembers: bool) {
    let Some(studio) = Studio::find(cli) else { return };
    let session = studio.session();
    studio.prompt(
        &session,
        "The word is mellon. [[write new.txt|alpha]] [[edit kept.txt|two|2]] [[say All done.]]",
    );
    let ends = studio.ended(1);
    assert!(completed(&ends[0]), "{ends:?}");
    assert_eq!(studio.repo.read("new.txt").trim_end(), "alpha");
    assert_eq!(studio.repo.read("kept.txt"), "one\n2\n");
    let changes = studio.changes();
    let paths: Vec<&str> = changes.iter().map(|change| change.path.as_str()).collect();
    assert_eq!(paths, ["new.txt", "kept.txt"]);
    assert!(changes.iter().all(|change| change.token > 0), "each edit was made under a lock: {changes:?}");
    assert_eq!((&changes[0].before, changes[1].before.is_some()), (&None, true));
    let events = studio.events();
    let recorded = events.iter().filter(|event| matches!(event, Event::TurnRecorded(_))).count();
    assert!(recorded > 0, "what the program itself said is kept");
    let used = events
        .iter()
        .any(|event| matches!(event, Event::ModelAnswered(answer) if answer.usage.input_tokens > 0));
    assert!(used, "what it used is known");
    assert!(!events.iter().any(|event| matches!(event, Event::FileStrayed(_))), "none of it was stray");

    studio.prompt(&session, "[[say Again.]]");
    assert!(completed(&studio.ended(2)[1]));
    let openings = studio.openings();
    assert_eq!(openings.len(), 2);
    assert_eq!(openings[0].vendor_session == openings[1].vendor_session, remembers);
    assert!(studio.last_request().contains("mellon"), "by its own memory, or because it was told again");
    assert!(studio.home.path().exists());
    drop(studio.daemon);
}

/// Seconds for which an account's limit is used up.
const USED_UP: i64 = 7200;

/// The account's limit is used up: the vendor is paused as long as it says, and the task waits for it.
pub(crate) fn a_used_up_limit_pauses_its_vendor(cli: VendorCli) {
    let Some(studio) = Studio::find(cli) else { return };
    let session = studio.session();
    let began = SystemClock.now().as_millis();
    let task = studio.prompt(&session, &format!("[[limit {USED_UP}]] [[say Never.]]"));
    let ends = studio.ended(1);
    let TurnOutcome::Failed { code, message } = &ends[0] else { panic!("it was refused: {ends:?}") };
    assert_eq!(code, "model_rate_limited", "{message}");
    let pause = |event| if let Event::VendorPaused(pause) = event { Some(pause) } else { None };
    let pauses: Vec<_> = studio.events().into_iter().filter_map(pause).collect();
    let [pause] = pauses.as_slice() else { panic!("once: {pauses:?}") };
    // Some say the time in whole seconds, some how long it takes.
    let (seconds, now) = (USED_UP * 1000, SystemClock.now().as_millis());
    let told = began + seconds - 1000..=now + seconds + 1000;
    assert!(told.contains(&pause.until.as_millis()), "{pause:?} not in {told:?}");
    assert!(!pause.reason.is_empty());
    let shown = studio.house.json(&["task", "show", &task, "--json"]);
    assert_eq!(shown["state"], "submitted", "it is not lost: {shown}");
    let asked = studio.models.requests().len();
    studio.prompt(&session, "[[say Still never.]]");
    let agents = studio.house.json(&["agent", "list", "--json"]).to_string();
    assert!(agents.contains(&pause.until.to_string()), "{agents}");
    assert_eq!(studio.models.requests().len(), asked, "nobody knocks meanwhile");
}

/// Two sessions want one file: the second waits, and both edits are made.
pub(crate) fn waits_for_a_lock(cli: VendorCli) {
    let Some(studio) = Studio::allowing(cli, "all") else { return };
    let (first, second) = (studio.session(), studio.session());
    let wait = "until test -e go.txt; do sleep 0.1; done";
    studio.prompt(&first, &format!("[[write shared.txt|first]] [[bash {wait}]] [[say First.]]"));
    until("the first to write", || (!studio.changes().is_empty()).then_some(()));
    studio.prompt(&second, "[[write shared.txt|second]] [[say Second.]]");
    let waits = |event: &Event| matches!(event, Event::ParticipantStatusChanged(change) if change.status == ParticipantStatus::WaitingLock);
    until("the second to wait", || studio.events().iter().any(waits).then_some(()));
    studio.repo.write("go.txt", "");
    let ends = studio.ended(2);
    assert!(ends.iter().all(completed), "{ends:?}");
    assert_eq!(studio.repo.read("shared.txt").trim_end(), "second");
    let events = studio.events();
    let mut story = Vec::new();
    for event in &events {
        match event {
            Event::FileModified(change) => {
                story.push(format!("modified {}", change.session == first.parse().unwrap()))
            }
            Event::TurnEnded(end) => story.push(format!("ended {}", end.session == first.parse().unwrap())),
            _ => {}
        }
    }
    assert_eq!(story, ["modified true", "ended true", "modified false", "ended false"]);
    let tokens: Vec<u64> = studio.changes().iter().map(|change| change.token).collect();
    assert!(tokens[0] < tokens[1], "{tokens:?}");
}

/// The program is killed in the middle of a turn: the turn has failed, and nothing is left of it.
pub(crate) fn a_killed_program_is_noticed(cli: VendorCli) {
    let Some(studio) = Studio::find(cli) else { return };
    let session = studio.session();
    studio.prompt(&session, "[[say Hm.]] [[sleep 60000]]");
    until("the model to be asked", || (!studio.models.requests().is_empty()).then_some(()));
    // The first of them: numbers wrap.
    let age = |pid: u32| Some((process_start(pid)?, pid));
    let (_, program) = until("the program", || programs(&studio).into_iter().filter_map(age).min());
    kill(program, Signal::KILL);
    let ends = studio.ended(1);
    assert!(matches!(&ends[0], TurnOutcome::Failed { code, .. } if code == "vendor_died"), "{ends:?}");
    until("nothing to be left", || programs(&studio).is_empty().then_some(()));
}

/// In the middle of a command the turn is canceled, and in the next one the daemon is killed: both times nobody is left, neither the
/// program, nor what it started, nor who drove it.
pub(crate) fn leaves_nobody(cli: VendorCli) {
    let Some(studio) = Studio::allowing(cli, "all") else { return };
    let session = studio.session();
    let prompt = format!("[[bash {COMMAND}]] [[say Never.]]");
    let task = studio.prompt(&session, &prompt);
    let below = studio.in_command();
    studio.house.api(async |client| client.cancel_task(&task, None).await.unwrap());
    assert!(matches!(studio.ended(1)[0], TurnOutcome::Canceled), "{:?}", studio.ended(1));
    until("nobody to be left of a canceled turn", || {
        (!below.iter().any(lives) && programs(&studio).is_empty()).then_some(())
    });

    studio.prompt(&session, &prompt);
    let below = studio.in_command();
    let Studio { daemon, home, .. } = studio;
    daemon.kill();
    until("nobody to outlive the daemon", || {
        (!below.iter().any(lives) && living_in(&home).is_empty()).then_some(())
    });
}

/// The user's own configuration of the program cannot be read. Whatever the program makes of that, its turn ends with this code, or
/// well; the file keeps every byte, and when the user has mended it, the session goes on.
pub(crate) fn leaves_a_broken_configuration_alone(cli: VendorCli, code: Option<&str>) {
    let Some(studio) = Studio::find(cli) else { return };
    let settings = studio.home.settings().unwrap_or_else(|| studio.home.folder().join("settings.json"));
    let good = std::fs::read(&settings).ok();
    let broken = b"{ \"hooks\": [\n[half of = a table\r\n";
    std::fs::write(&settings, broken).unwrap();
    let session = studio.session();
    studio.prompt(&session, "[[say First.]]");
    let ends = studio.ended(1);
    let found = match &ends[0] {
        TurnOutcome::Failed { code, message } => Some((code.as_str(), message.as_str())),
        _ => None,
    };
    assert_eq!(found.map(|(code, _)| code), code, "{ends:?}");
    assert!(found.is_none_or(|(_, message)| !message.is_empty()), "{ends:?}");
    assert_eq!(std::fs::read(&settings).unwrap(), broken, "it is the user's");
    until("nothing to be left", || programs(&studio).is_empty().then_some(()));
    match good {
        Some(good) => std::fs::write(&settings, good).unwrap(),
        None => std::fs::remove_file(&settings).unwrap(),
    }
    studio.prompt(&session, "[[say Second.]]");
    assert!(completed(&studio.ended(2)[1]), "{:?}", studio.ended(2));
}

/// Processes that live in the vendor's home.
fn programs(studio: &Studio) -> Vec<u32> {
    living_in(&studio.home)
}

/// Looked for everywhere: what lost its parent is nobody's child any more.
fn living_in(home: &VendorHome) -> Vec<u32> {
    let mark = format!("HOME={}", home.path().display());
    let all = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = all.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let marked = pids.filter(|pid| {
        let environ = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environ.split(|byte| *byte == 0).any(|variable| variable == mark.as_bytes())
    });
    marked.collect()
}
