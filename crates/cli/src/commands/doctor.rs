//! `coditect doctor`: what could be wrong on this machine, and what to do about it.
//!
//! Invariant: looking changes nothing, and no daemon is started for it; what --repair changes it says.

mod agents;

use super::{Outcome, daemon};
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::render::{Cell, Paint, Table};
use clap::Args;
use client::ClientError;
use model::{Presence, Vitality};
use protocol::{API_REVISION, Finding, Severity};
use std::os::unix::fs::MetadataExt;

/// Looks at the data root, the bus, the daemon, git, the agents' keys and the vendors' programs. Starts no daemon.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  coditect doctor --json\n  coditect doctor --repair")]
pub(crate) struct Doctor {
    /// First connect again the vendors' programs whose hooks lead to another binary; nothing else is changed
    #[arg(long)]
    repair: bool,
}

impl Doctor {
    pub(crate) fn run(self, context: &Context) -> Outcome {
        if self.repair {
            context.not_for_agents("change the configuration of the vendors' programs")?;
            agents::repair(context)?;
        }
        let mut findings = vec![data_root(context), config(context), bus(context)];
        findings.extend(agents::all(context));
        findings.extend(context.block(async { Ok(daemon(context).await) })?);
        let worst = findings.iter().map(|finding| finding.severity).max().unwrap_or(Severity::Ok);
        let ok = worst != Severity::Error;
        context.screen.show(&serde_json::json!({ "ok": ok, "items": findings }), || table(&findings))?;
        for finding in findings.iter().filter(|_| !context.screen.json) {
            if let Some(hint) = finding.hint.as_ref().filter(|_| finding.severity != Severity::Ok) {
                context.screen.say(&format!("{}: {hint}", finding.check));
            }
        }
        Ok(if ok { Exit::Done } else { Exit::Failed })
    }
}

fn table(findings: &[Finding]) -> Table {
    Table::of(&["", "CHECK", "FOUND"], findings, |finding| {
        let (word, paint) = match finding.severity {
            Severity::Ok => ("ok", Paint::Good),
            Severity::Warning => ("warning", Paint::Warm),
            Severity::Error => ("error", Paint::Bad),
        };
        vec![
            Cell::new(word).paint(paint),
            Cell::new(&finding.check).paint(Paint::Strong),
            Cell::new(&finding.message),
        ]
    })
}

fn finding(severity: Severity, check: &str, message: impl Into<String>, hint: Option<&str>) -> Finding {
    Finding { severity, check: check.to_owned(), message: message.into(), hint: hint.map(str::to_owned) }
}

fn data_root(context: &Context) -> Finding {
    let path = context.root.path();
    let found = format!("{} (by {})", path.display(), context.source.words());
    let check = "data_root";
    match std::fs::metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => finding(
            Severity::Warning,
            check,
            format!("{found} is not there yet"),
            Some("make it with `coditect init`"),
        ),
        Err(error) => finding(
            Severity::Error,
            check,
            format!("{found}: {error}"),
            Some("give a folder you can read with --data-root DIR"),
        ),
        Ok(meta) if !meta.is_dir() => finding(
            Severity::Error,
            check,
            format!("{found} is not a folder"),
            Some("move the file away, or give --data-root DIR"),
        ),
        Ok(meta) if meta.mode() & 0o022 != 0 => finding(
            Severity::Warning,
            check,
            format!("others can write {found}"),
            Some("take that away with `chmod go-w`"),
        ),
        Ok(_) => finding(Severity::Ok, check, found, None),
    }
}

fn config(context: &Context) -> Finding {
    let path = context.root.config();
    let shown = path.display();
    let check = "config";
    match std::fs::read(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            finding(Severity::Ok, check, format!("the built-in configuration; {shown} would change it"), None)
        }
        Err(error) => {
            finding(Severity::Error, check, format!("{shown}: {error}"), Some("make it readable for you"))
        }
        Ok(bytes) => match serde_json::from_slice::<protocol::config::Config>(&bytes) {
            Ok(_) => finding(Severity::Ok, check, shown.to_string(), None),
            Err(error) => finding(
                Severity::Error,
                check,
                format!("{shown}: {error}"),
                Some("correct it; the daemon keeps the last good one"),
            ),
        },
    }
}

fn bus(context: &Context) -> Finding {
    let looked = context.present_bus().and_then(|bus| match bus {
        None => Ok(None),
        Some(bus) => Ok(Some((bus.sessions()?, bus.locks(None)?.len()))),
    });
    match looked {
        Ok(None) => finding(Severity::Ok, "bus", "not there yet; the first lock or notice makes it", None),
        Ok(Some((sessions, locks))) => {
            let words = format!("{}, {locks} lock(s)", counted(&sessions));
            match bus::undecided_allowed(&context.workspace().bus()) {
                0 => finding(Severity::Ok, "bus", words, None),
                count => finding(
                    Severity::Warning,
                    "bus",
                    format!("{words}; {count} change(s) were allowed while it could not be asked"),
                    Some("see rt/undecided.log beside messaging.db, and remove it when you have"),
                ),
            }
        }
        Err(failure) => {
            finding(Severity::Error, "bus", failure.detail.message, failure.detail.hint.as_deref())
        }
    }
}

/// The dead are not cleared away yet; the next one to look after the bus does it.
fn counted(sessions: &[Presence]) -> String {
    let count = |vitality| sessions.iter().filter(|session| session.vitality == vitality).count();
    let mut words = format!("{} live session(s)", count(Vitality::Alive));
    for vitality in [Vitality::Suspect, Vitality::Dead] {
        match count(vitality) {
            0 => {}
            some => words.push_str(&format!(", {some} {}", vitality.as_str())),
        }
    }
    words
}

/// The daemon, and what it finds itself.
async fn daemon(context: &Context) -> Vec<Finding> {
    let client = context.client();
    let check = "daemon";
    let version = match client.version().await {
        Ok(version) => version,
        Err(ClientError::NotRunning { .. } | ClientError::Unreachable { .. })
            if !daemon::is_locked(context) =>
        {
            let hint = Some("start it with `coditect up`; it also looks at git and at the agents' keys");
            return vec![finding(Severity::Warning, check, "not running", hint)];
        }
        Err(error) => {
            let failure = Failure::from(error);
            return vec![finding(
                Severity::Error,
                check,
                failure.detail.message,
                failure.detail.hint.as_deref(),
            )];
        }
    };
    let words = format!("version {} (pid {})", version.version, version.pid);
    let restart = Some("bring them together with `coditect daemon restart`");
    if version.api_revision != API_REVISION {
        let words = format!("{words} speaks revision {} and this is {API_REVISION}", version.api_revision);
        return vec![finding(Severity::Error, check, words, restart)];
    }
    let mut findings = vec![match version.version == context.host.version {
        true => finding(Severity::Ok, check, words, None),
        false => {
            finding(Severity::Warning, check, format!("{words}; this is {}", context.host.version), restart)
        }
    }];
    match client.doctor().await {
        Ok(found) => findings.extend(found.items),
        Err(error) => findings.push(finding(
            Severity::Error,
            "daemon_doctor",
            error.to_string(),
            error.hint().as_deref(),
        )),
    }
    findings
}
