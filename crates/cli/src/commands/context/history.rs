//! `coditect context versions` and `coditect context watch`: what was shared before, and what changes.

use super::super::Outcome;
use super::{SHOWN_MAX, said};
use crate::context::Context;
use crate::failure::Exit;
use crate::render::{Cell, Paint, Table};
use bus::{Bus, ContextQuery};
use clap::Args;
use model::ContextKey;
use protocol::ContextVersion;
use serde_json::json;
use std::time::Duration;

/// How long one wait at a bell lasts before the command looks at its own time limit.
const WAIT_ROUND: Duration = Duration::from_secs(1);

#[derive(Debug, Args)]
pub(crate) struct Versions {
    /// 1 to 128 letters, digits, `_`, `-`, `.`, `:` or `/`
    key: ContextKey,
}

#[derive(Debug, Args)]
pub(crate) struct Watch {
    /// Only keys that begin so
    #[arg(default_value = "")]
    prefix: String,
    /// Begin after this version, 0 being the oldest that is kept; without it, with the next change
    #[arg(long, value_name = "VERSION")]
    after: Option<u64>,
    /// Print what there is and end
    #[arg(long)]
    no_follow: bool,
}

/// What a version holds, in words.
fn shown(version: &ContextVersion) -> String {
    version.value.as_ref().map_or_else(|| "(removed)".to_owned(), said)
}

impl Versions {
    pub(super) fn run(self, context: &Context) -> Outcome {
        let found = match context.present_bus()? {
            Some(bus) => bus.context_versions(&self.key)?,
            None => Vec::new(),
        };
        if found.is_empty() {
            return Err(bus::BusError::NoContext(self.key).into());
        }
        let items: Vec<ContextVersion> = found.into_iter().map(ContextVersion::from).collect();
        context.screen.show(&json!({ "items": items }), || {
            Table::of(&["VERSION", "BY", "CHANGED", "VALUE"], &items, |version| {
                let whole = shown(version);
                let short: String = whole.chars().take(SHOWN_MAX).collect();
                vec![
                    Cell::new(version.version.to_string()).paint(Paint::Note),
                    Cell::new(&version.agent),
                    Cell::time(context.now(), version.changed_at),
                    Cell::new(short).piped(whole),
                ]
            })
        })?;
        Ok(Exit::Done)
    }
}

impl Watch {
    pub(super) fn run(self, context: &Context) -> Outcome {
        let bus = context.bus()?;
        let mut query = self.from(&bus)?;
        let clock = &context.host.clock;
        let deadline = context.patience().map(|limit| clock.uptime() + limit);
        loop {
            let left = deadline.map(|deadline| deadline.saturating_sub(clock.uptime()));
            let over = self.no_follow || left.is_some_and(|left| left.is_zero());
            let limit = if over { Duration::ZERO } else { left.unwrap_or(WAIT_ROUND).min(WAIT_ROUND) };
            let page = bus.wait_context(&query, limit)?;
            if page.missed {
                context.screen.say("some changes in between are kept no more");
            }
            let empty = page.changes.is_empty();
            for change in page.changes.into_iter().map(ContextVersion::from) {
                match context.screen.json {
                    true => context.screen.streamed(&change)?,
                    false => {
                        let words =
                            format!("{} = {} (version {})", change.key, shown(&change), change.version);
                        context.screen.spoken(&change.agent, Paint::Note, &words)?;
                    }
                }
            }
            query.after = page.next;
            if over && empty {
                return Ok(Exit::Done);
            }
        }
    }

    fn from(&self, bus: &Bus) -> Result<ContextQuery, bus::BusError> {
        let after = match self.after {
            Some(after) => after,
            None => bus.newest_context()?,
        };
        Ok(ContextQuery { prefix: self.prefix.clone(), after, limit: 0 })
    }
}
