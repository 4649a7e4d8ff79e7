//! `coditect msg claim`, `renew`, `done` and `giveback`: work offered on `task_broadcast`, with no daemon to hand it out.

use super::super::Outcome;
use super::shown::{gone, living, said};
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::holder::Myself;
use crate::render::{Paint, Sheet};
use bus::{Bus, BusError, LockLost};
use clap::Args;
use model::RegistrationId;
use protocol::Notice;
use serde_json::json;
use std::time::Duration;

#[derive(Debug, Args)]
pub(crate) struct Claim {
    /// The notice that offers the work; without it the most urgent work nobody has
    id: Option<i64>,
    /// Seconds the work is yours without renewal
    #[arg(long, value_name = "SECONDS", default_value_t = 300, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    ttl: u64,
    #[command(flatten)]
    myself: Myself,
}

#[derive(Debug, Args)]
pub(crate) struct Renew {
    #[command(flatten)]
    mine: Mine,
    /// Seconds from now
    #[arg(long, value_name = "SECONDS", default_value_t = 300, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    ttl: u64,
}

#[derive(Debug, Args)]
pub(crate) struct Done {
    #[command(flatten)]
    mine: Mine,
}

#[derive(Debug, Args)]
pub(crate) struct Giveback {
    #[command(flatten)]
    mine: Mine,
}

/// A claim of the one who asks.
#[derive(Debug, Args)]
struct Mine {
    /// Token of the claim
    token: u64,
    #[command(flatten)]
    myself: Myself,
}

impl Claim {
    pub(crate) fn run(self, context: &Context) -> Outcome {
        let bus = context.bus()?;
        let me = self.myself.known(context, &bus)?;
        let ttl = Duration::from_secs(self.ttl);
        let claim = match self.id {
            Some(id) => Some(bus.claim(id, me, ttl).map_err(|error| match error {
                BusError::NoNotice(id) => gone(id),
                other => Failure::from(other),
            })?),
            None => bus.claim_next(me, ttl)?,
        };
        let Some(claim) = claim else {
            return Err(Failure::new(Exit::NotFound, "no_work", "no work is offered that nobody has")
                .hint("wait for some with `coditect msg wait`"));
        };
        let notice = Notice::from(living(&bus, claim.notice)?);
        let document = json!({
            "token": claim.token, "expires_at": claim.expires_at, "attempts": claim.attempts, "notice": notice,
        });
        context.screen.show_sheet(&document, || {
            Sheet::new()
                .row("token", claim.token.to_string())
                .row("notice", claim.notice.to_string())
                .row("from", format!("{} {}", notice.agent, notice.sender.short()))
                .painted("work", said(&notice.payload), Paint::Strong)
                .row("until", claim.expires_at.to_string())
                .maybe("attempt", (claim.attempts > 1).then(|| claim.attempts.to_string()))
        })?;
        if !context.screen.json {
            context.screen.say(&format!(
                "yours for {} s; then `coditect msg done {}`, or `giveback`",
                self.ttl, claim.token
            ));
        }
        Ok(Exit::Done)
    }
}

impl Mine {
    fn apply(
        &self,
        context: &Context,
        word: &str,
        change: impl FnOnce(&Bus, u64, RegistrationId) -> Result<(), BusError>,
    ) -> Outcome {
        let bus = context.bus()?;
        let me = self.myself.known(context, &bus)?;
        change(&bus, self.token, me).map_err(|error| {
            let token = self.token;
            let words = match &error {
                BusError::Lost(LockLost::Gone { .. }) => {
                    format!("there is no claim {token}; it is done, was taken over, or never was")
                }
                _ => format!("claim {token} is not yours any more; somebody else may be doing the work"),
            };
            let failure = Failure::from(error);
            if failure.detail.code != "lock_lost" {
                return failure;
            }
            Failure::new(failure.exit, "claim_lost", words)
                .hint("look for other work with `coditect msg claim`")
        })?;
        if context.screen.json {
            context.screen.document(&json!({ word: self.token }))?;
        } else {
            context.screen.say(&format!("{}: claim {}", word.replace('_', " "), self.token));
        }
        Ok(Exit::Done)
    }
}

impl Renew {
    pub(crate) fn run(self, context: &Context) -> Outcome {
        let ttl = Duration::from_secs(self.ttl);
        self.mine.apply(context, "renewed", |bus, token, me| bus.renew_claim(token, me, ttl))
    }
}

impl Done {
    pub(crate) fn run(self, context: &Context) -> Outcome {
        self.mine.apply(context, "done", |bus, token, me| bus.finish_claim(token, me))
    }
}

impl Giveback {
    pub(crate) fn run(self, context: &Context) -> Outcome {
        self.mine.apply(context, "given_back", |bus, token, me| bus.give_back_claim(token, me))
    }
}
