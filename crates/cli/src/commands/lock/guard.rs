//! `coditect lock guard`: may this file be changed? For hooks and scripts, so the answer is the exit code.
//!
//! A guard that cannot ask does not guess: it denies when another session lives in the worktree, else it allows and
//! writes that down.

use super::super::Outcome;
use super::Spots;
use crate::context::Context;
use crate::decision::{self, ASK_MAX};
use crate::failure::{Exit, Failure};
use crate::holder::{Myself, by_name_alone};
use bus::{Guard as Found, Options};
use clap::Args;
use model::{Lock, RegistrationId};
use serde_json::{Value, json};
use std::process::ExitCode;

/// What hooks understand as "do not".
const DENIED: u8 = 2;

#[derive(Debug, Args)]
pub(crate) struct Guard {
    #[command(flatten)]
    spots: Spots,
    #[command(flatten)]
    myself: Myself,
}

/// What became of one path.
struct Judged {
    allowed: bool,
    sentence: String,
    document: Value,
}

impl Guard {
    pub(crate) fn run(self, context: &Context) -> Outcome {
        let (worktree, paths) = self.spots.located(context)?;
        let judged =
            paths.iter().map(|path| self.judge(context, &worktree, path)).collect::<Result<Vec<_>, _>>()?;
        let allowed = judged.iter().all(|one| one.allowed);
        if context.screen.json {
            let items: Vec<&Value> = judged.iter().map(|one| &one.document).collect();
            context.screen.document(&json!({ "allowed": allowed, "items": items }))?;
        }
        for one in judged.iter().filter(|one| !one.allowed || !context.screen.json) {
            context.screen.say(&one.sentence);
        }
        Ok(if allowed { Exit::Done } else { Exit::Foreign(ExitCode::from(DENIED)) })
    }

    fn judge(&self, context: &Context, worktree: &str, path: &str) -> Result<Judged, Failure> {
        if !context.workspace().messaging_db().exists() {
            return Ok(free(path));
        }
        match self.ask(context, worktree, path) {
            Ok(Found::Free) => Ok(free(path)),
            Ok(Found::Own(lock)) => Ok(Judged {
                allowed: true,
                sentence: format!("`{path}` is yours until {}", lock.expires_at),
                document: json!({ "path": path, "allowed": true, "decided": true, "own": protocol::Lock::from(lock) }),
            }),
            Ok(Found::Held(locks)) => Ok(held(context, path, locks)),
            // The request itself is wrong, or names nobody: no rule for that.
            Err(failure) if matches!(failure.exit, Exit::Usage | Exit::NotFound | Exit::Authentication) => {
                Err(failure)
            }
            Err(failure) => Ok(undecided(context, worktree, path, &failure)),
        }
    }

    fn ask(&self, context: &Context, worktree: &str, path: &str) -> Result<Found, Failure> {
        let bus = context.bus_with(Options { write_wait: ASK_MAX, ..Options::default() })?;
        let me: Option<RegistrationId> = match self.myself.known(context, &bus) {
            Ok(id) => Some(id),
            Err(failure) if failure.detail.code == "not_joined" => None,
            Err(failure) => return Err(failure),
        };
        Ok(bus.guard(worktree, path, me)?)
    }
}

fn free(path: &str) -> Judged {
    Judged {
        allowed: true,
        sentence: format!("nobody holds `{path}`"),
        document: json!({ "path": path, "allowed": true, "decided": true }),
    }
}

fn held(context: &Context, path: &str, locks: Vec<Lock>) -> Judged {
    let sentence = decision::held(context.now(), path, &locks);
    let holders: Vec<protocol::Lock> = locks.into_iter().map(protocol::Lock::from).collect();
    Judged {
        allowed: false,
        document: json!({ "path": path, "allowed": false, "decided": true, "holders": holders, "message": sentence }),
        sentence,
    }
}

fn undecided(context: &Context, worktree: &str, path: &str, why: &Failure) -> Judged {
    let why = &why.detail.message;
    let me = by_name_alone(context);
    let alone = decision::alone(&context.workspace(), &*context.host.clock, (worktree, path), me, why);
    if alone.allowed {
        return Judged {
            allowed: true,
            sentence: alone.sentence,
            document: json!({ "path": path, "allowed": true, "decided": false, "recorded": alone.recorded, "why": why }),
        };
    }
    let others: Vec<Value> = alone
        .others
        .iter()
        .map(|one| json!({ "short_id": one.short_id, "pid": one.pid, "beat_age_ms": one.beat_age.as_millis() as u64 }))
        .collect();
    let sentence = alone.sentence;
    Judged {
        allowed: false,
        document: json!({ "path": path, "allowed": false, "decided": false, "others": others, "why": why, "message": sentence }),
        sentence,
    }
}
