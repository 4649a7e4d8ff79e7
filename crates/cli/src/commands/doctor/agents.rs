//! What `coditect doctor` says of the vendors' programs, and the one thing it repairs.

use super::finding;
use crate::connection::{Connection, Standing};
use crate::context::Context;
use crate::failure::Failure;
use agent::{Cli, Installed, Login, Scope, Trust};
use protocol::{Finding, Severity};

/// One finding for each of the four; asked at the same time, since some take a second to say their version.
pub(super) fn all(context: &Context) -> Vec<Finding> {
    let environment = &context.host.environment;
    let found: Vec<(Cli, Option<Installed>)> = std::thread::scope(|scope| {
        let asked: Vec<_> = Cli::ALL
            .map(|cli| (cli, scope.spawn(move || agent::installed(cli, environment))))
            .into_iter()
            .collect();
        asked.into_iter().map(|(cli, asked)| (cli, asked.join().ok().flatten())).collect()
    });
    found.into_iter().map(|(cli, installed)| one(context, cli, installed)).collect()
}

fn one(context: &Context, cli: Cli, installed: Option<Installed>) -> Finding {
    let check = format!("agent_{cli}");
    let mut words = Vec::new();
    let mut wrong: Option<(Severity, String)> = None;
    match &installed {
        None => words.push("not installed".to_owned()),
        Some(found) => {
            words.push(found.version.clone().unwrap_or_else(|| "of an unknown version".to_owned()));
            if found.version.is_none() {
                let hint = format!("see what `{} --version` says: is it {cli}?", found.program.display());
                wrong = Some((Severity::Warning, hint));
            }
            if found.is_too_old(cli) == Some(true) {
                words.push(format!("too old: {} is needed", agent::oldest(cli)));
                wrong = Some((Severity::Warning, format!("update it: {}", agent::update_hint(cli))));
            }
        }
    }
    let mut connected = Vec::new();
    for scope in [Scope::User, Scope::Project] {
        match standing(context, cli, scope) {
            Ok(Standing::Absent) => {}
            Ok(Standing::Connected) => {
                connected.push(scope.as_str());
                if let Some(why) = untrusted(context, cli, scope, installed.as_ref()) {
                    words.push(why);
                    let hint = format!("`coditect connect {cli} --{}` has them trusted", scope.as_str());
                    wrong = wrong.or(Some((Severity::Warning, hint)));
                }
            }
            Ok(Standing::Drifted) => {
                words.push(format!("connected ({}) to another binary, or in part", scope.as_str()));
                wrong = wrong
                    .or(Some((Severity::Warning, "`coditect doctor --repair` connects it again".to_owned())));
            }
            Err(failure) => {
                words.push(failure.detail.message);
                let hint = failure.detail.hint.unwrap_or_else(|| "correct the file it names".to_owned());
                wrong = wrong.or(Some((Severity::Warning, hint)));
            }
        }
    }
    words.push(match (connected.is_empty(), installed.is_some()) {
        (false, _) => format!("connected ({})", connected.join(", ")),
        (true, true) => format!("not connected; `coditect connect {cli}` does it"),
        (true, false) => "not connected".to_owned(),
    });
    if installed.is_some()
        && let Ok(connection) = Connection::new(context, cli, Scope::User)
    {
        words.push(match connection.login() {
            Login::Yes(by) => format!("logged in, by {by}"),
            Login::Unseen => "no login seen".to_owned(),
        });
    }
    let (severity, hint) = wrong.map_or((Severity::Ok, None), |(severity, hint)| (severity, Some(hint)));
    finding(severity, &check, words.join("; "), hint.as_deref())
}

fn standing(context: &Context, cli: Cli, scope: Scope) -> Result<Standing, Failure> {
    match Connection::new(context, cli, scope) {
        Ok(connection) => connection.standing(),
        // There is no such connection, or no checkout for one.
        Err(failure) if matches!(failure.detail.code.as_str(), "user_only" | "no_worktree") => {
            Ok(Standing::Absent)
        }
        Err(failure) => Err(failure),
    }
}

/// Codex passes over hooks nobody has trusted, and says nothing.
fn untrusted(context: &Context, cli: Cli, scope: Scope, installed: Option<&Installed>) -> Option<String> {
    let program = installed.filter(|_| cli == Cli::Codex)?;
    let connection = Connection::new(context, cli, scope).ok()?;
    match connection.trust(&program.program, false) {
        Ok(Trust::Given(_)) => None,
        Ok(Trust::Missing(count)) => Some(format!("{count} hooks are not trusted, so they do not run")),
        Err(error) => Some(format!("whether its hooks are trusted is not known ({error})")),
    }
}

/// Connects again what has drifted, and nothing else. What was done is said.
pub(super) fn repair(context: &Context) -> Result<(), Failure> {
    let mut done = 0;
    for cli in Cli::ALL {
        for scope in [Scope::User, Scope::Project] {
            if standing(context, cli, scope).ok() != Some(Standing::Drifted) {
                continue;
            }
            let connection = Connection::new(context, cli, scope)?;
            let edits = connection.wanted()?;
            let notes = connection.connect(&edits)?;
            for edit in &edits {
                context.screen.say(&format!("{} is repaired", edit.path.display()));
            }
            notes.iter().for_each(|note| context.screen.say(note));
            done += 1;
        }
    }
    if done == 0 {
        context.screen.say("nothing that may be repaired is broken");
    }
    Ok(())
}
