//! A vendor's real program in a run: its home, its endpoint, and what a test looks at.

use crate::daemon::Daemon;
use crate::scene::{environ, is_alive, pids};
use agent::{Begin, Program, RunEvent, Start};
use model::{Block, Driver, Role, TurnOutcome, Vendor};
use std::path::PathBuf;
use testkit::vendors::{VendorCli, VendorHome, Vendors};

pub(crate) struct Driven {
    pub(crate) daemon: Daemon,
    home: VendorHome,
    program: PathBuf,
    driver: Driver,
    vendor: Vendor,
}

impl Driven {
    /// None, loudly, where the programs are not installed.
    pub(crate) fn find(cli: VendorCli, what: &str) -> Option<Self> {
        let vendors = Vendors::find(what)?;
        if !vendors.wanted().contains(&cli) {
            return None;
        }
        let daemon = Daemon::new();
        let home = vendors.home(cli, daemon.model.addr());
        let (driver, vendor) = match cli {
            VendorCli::Claude => (Driver::Claude, Vendor::Anthropic),
            VendorCli::Codex => (Driver::Codex, Vendor::Openai),
            VendorCli::Gemini => (Driver::Acp, Vendor::Google),
            VendorCli::Kimi => (Driver::Acp, Vendor::Moonshot),
        };
        Some(Self { daemon, home, program: vendors.program(cli), driver, vendor })
    }

    pub(crate) fn home(&self) -> &VendorHome {
        &self.home
    }

    /// A turn of the program, which finds nothing of ours in its home: endpoint and key come from the driver.
    pub(crate) fn start(&self, prompt: &str) -> Start {
        if let Some(settings) = self.home.settings() {
            // Gemini's settings only say that nobody is to be told anything.
            if self.vendor != Vendor::Google {
                let _ = std::fs::remove_file(settings);
            }
        }
        let mut env = Vec::new();
        for (name, value) in self.home.variables() {
            let value = value.to_str().unwrap().to_owned();
            if !name.contains("KEY") && !name.contains("BASE_URL") && name != "PATH" {
                env.push((name.to_owned(), value));
            }
        }
        Start {
            driver: self.driver,
            program: Some(Program { argv: vec![self.program.display().to_string()], env }),
            model: self.home.model().to_owned(),
            ..self.daemon.start(self.vendor, prompt)
        }
    }

    /// A turn in the session that the turn before opened.
    pub(crate) fn resume(&self, prompt: &str) -> Start {
        Start { begin: Begin::Resume { vendor_session: self.opened() }, ..self.start(prompt) }
    }

    pub(crate) fn fork(&self, prompt: &str) -> Start {
        Start { begin: Begin::Fork { vendor_session: self.opened() }, ..self.start(prompt) }
    }

    /// The vendor's session of the last turn.
    pub(crate) fn opened(&self) -> String {
        let opened = self.daemon.events.iter().rev().find_map(|event| match event {
            RunEvent::Opened { vendor_session, .. } => Some(vendor_session.clone()),
            _ => None,
        });
        opened.expect("no session was opened")
    }

    pub(crate) async fn play(&mut self, start: Start) -> TurnOutcome {
        self.daemon.events.clear();
        self.daemon.launch(start).await;
        self.daemon.serve(|_| None).await;
        self.daemon.ended().0
    }

    /// What the model was sent last.
    pub(crate) fn last_request(&self) -> String {
        serde_json::to_string(&self.daemon.model.requests().last().expect("the model was not asked").body)
            .unwrap()
    }

    /// The processes of the vendor's program.
    pub(crate) fn vendors(&self) -> Vec<i32> {
        let mark = format!("HOME={}", self.home.path().display());
        pids().into_iter().filter(|pid| is_alive(*pid) && environ(*pid).contains(&mark)).collect()
    }
}

/// What was said for the user to read.
pub(crate) fn said(events: &[RunEvent]) -> String {
    let mut said = String::new();
    for event in events {
        let RunEvent::Message { role: Role::Assistant, blocks, .. } = event else { continue };
        for block in blocks {
            if let Block::Text { text } = block {
                said.push_str(text);
            }
        }
    }
    said
}

/// Names of the tools that were called.
pub(crate) fn called(events: &[RunEvent]) -> Vec<String> {
    let mut called = Vec::new();
    for event in events {
        let RunEvent::Message { role: Role::Assistant, blocks, .. } = event else { continue };
        for block in blocks {
            if let Block::ToolCall { tool, .. } = block {
                called.push(tool.clone());
            }
        }
    }
    called
}

/// Paths the vendor's program wrote by itself, with their diffs.
pub(crate) fn wrote(events: &[RunEvent]) -> Vec<(String, String)> {
    events
        .iter()
        .filter_map(|event| match event {
            RunEvent::Wrote { path, diff } => Some((path.to_string(), diff.clone().unwrap_or_default())),
            _ => None,
        })
        .collect()
}

/// How a turn ended that failed: its code and its sentence.
pub(crate) fn failure(outcome: &TurnOutcome) -> (&str, &str) {
    match outcome {
        TurnOutcome::Failed { code, message } => (code, message),
        other => panic!("{other:?}"),
    }
}
