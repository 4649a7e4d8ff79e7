//! `coditect context`: what the agents of a workspace share, by key; works without a daemon.

mod history;

use super::Outcome;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::holder::{Holder, acting};
use crate::render::{Cell, Paint, Sheet, Table};
use bus::{CONTEXT_PAGE_MAX, NewContext};
use clap::{Args, Subcommand};
use model::{CONTEXT_VALUE_MAX, ContextKey};
use protocol::ContextEntry;
use serde_json::{Value, json};

/// How much of a value a table shows, in characters.
const SHOWN_MAX: usize = 60;

#[derive(Debug, Subcommand)]
pub(crate) enum Shared {
    /// Show what is shared under a key
    #[command(
        after_help = "Examples:\n  coditect context get build/flags\n  coditect context get build/flags --json"
    )]
    Get(One),
    /// Share a value under a key, in place of what is there
    #[command(
        after_help = "Examples:\n  coditect context set owner/auth ada\n  coditect context set build/profile release --expected-version 7"
    )]
    Set(Set),
    /// List what is shared
    #[command(
        visible_alias = "ls",
        after_help = "Examples:\n  coditect context list\n  coditect context list build/ --json"
    )]
    List(List),
    /// Show what was shared under a key before, the newest version first
    #[command(
        after_help = "Examples:\n  coditect context versions build/flags\n  coditect context versions build/flags --json"
    )]
    Versions(history::Versions),
    /// Follow what changes, as it changes
    #[command(
        after_help = "Examples:\n  coditect context watch build/\n  coditect context watch --after 0 --no-follow --json"
    )]
    Watch(history::Watch),
    /// Share a key no more
    #[command(
        after_help = "Examples:\n  coditect context rm owner/auth\n  coditect context rm owner/auth --expected-version 7"
    )]
    Rm(Rm),
}

#[derive(Debug, Args)]
pub(crate) struct One {
    /// 1 to 128 letters, digits, `_`, `-`, `.`, `:` or `/`
    key: ContextKey,
}

#[derive(Debug, Args)]
pub(crate) struct Set {
    /// 1 to 128 letters, digits, `_`, `-`, `.`, `:` or `/`
    key: ContextKey,
    /// JSON, or what is taken as text; `-` reads it from stdin
    value: String,
    #[command(flatten)]
    change: Change,
}

#[derive(Debug, Args)]
pub(crate) struct Rm {
    /// 1 to 128 letters, digits, `_`, `-`, `.`, `:` or `/`
    key: ContextKey,
    #[command(flatten)]
    change: Change,
}

/// Who changes it, and from what.
#[derive(Debug, Args)]
struct Change {
    /// Fail unless the entry is at this version; 0: unless there is none
    #[arg(long, value_name = "VERSION")]
    expected_version: Option<u64>,
    #[command(flatten)]
    holder: Holder,
}

#[derive(Debug, Args)]
pub(crate) struct List {
    /// Only keys that begin so
    #[arg(default_value = "")]
    prefix: String,
}

impl Shared {
    pub(crate) fn run(self, context: &Context) -> Outcome {
        match self {
            Self::Get(one) => get(context, &one.key),
            Self::Set(Set { key, value, change }) => {
                let text = context.text_within(&value, CONTEXT_VALUE_MAX as u64 + 1)?;
                let value = serde_json::from_str(&text).unwrap_or(Value::String(text));
                if value.is_null() {
                    return Err(Failure::usage("value_null", "null is no value; it would remove the entry")
                        .hint("remove an entry with `coditect context rm`"));
                }
                change.make(context, key, value)
            }
            Self::Rm(Rm { key, change }) => change.make(context, key, Value::Null),
            Self::List(list) => list.run(context),
            Self::Versions(versions) => versions.run(context),
            Self::Watch(watch) => watch.run(context),
        }
    }
}

fn get(context: &Context, key: &ContextKey) -> Outcome {
    let found = match context.present_bus()? {
        Some(bus) => bus.context(key)?,
        None => None,
    };
    let entry = found.ok_or_else(|| bus::BusError::NoContext(key.clone()))?;
    show(context, &entry.into())
}

fn show(context: &Context, entry: &ContextEntry) -> Outcome {
    context.screen.show_sheet(entry, || {
        Sheet::new()
            .painted("key", entry.key.as_str(), Paint::Strong)
            .row("version", entry.version.to_string())
            .row("by", &entry.agent)
            .row("changed", entry.changed_at.to_string())
            .row("value", said(&entry.value))
    })?;
    Ok(Exit::Done)
}

/// Text as it is, everything else as JSON.
fn said(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

impl Change {
    fn make(self, context: &Context, key: ContextKey, value: Value) -> Outcome {
        let bus = context.bus()?;
        let acting = acting(context, &bus, &self.holder, None)?;
        let new = NewContext { author: acting.id, key, value, expected_version: self.expected_version };
        let made = bus.set_context(&new);
        if acting.made {
            bus.end(acting.id, "finished")?;
        }
        let change = made?;
        let Some(value) = change.value else {
            if context.screen.json {
                context.screen.document(&json!({ "key": change.key, "removed": true }))?;
            } else {
                context.screen.say(&format!("{} is shared no more", change.key));
            }
            return Ok(Exit::Done);
        };
        let (author, agent) = (change.author, change.agent);
        let (version, changed_at) = (change.version, change.changed_at);
        show(context, &ContextEntry { key: change.key, value, version, author, agent, changed_at })
    }
}

impl List {
    fn run(self, context: &Context) -> Outcome {
        let mut items: Vec<ContextEntry> = Vec::new();
        if let Some(bus) = context.present_bus()? {
            loop {
                let after = items.last().map(|entry| entry.key.clone());
                let page = bus.context_entries(&self.prefix, after.as_ref(), CONTEXT_PAGE_MAX)?;
                let more = page.len() == CONTEXT_PAGE_MAX;
                items.extend(page.into_iter().map(ContextEntry::from));
                if !more {
                    break;
                }
            }
        }
        context.screen.show(&json!({ "items": items }), || {
            Table::of(&["KEY", "VERSION", "BY", "CHANGED", "VALUE"], &items, |entry| {
                let shown: String = said(&entry.value).chars().take(SHOWN_MAX).collect();
                vec![
                    Cell::new(entry.key.as_str()).paint(Paint::Strong),
                    Cell::new(entry.version.to_string()).paint(Paint::Note),
                    Cell::new(&entry.agent),
                    Cell::time(context.now(), entry.changed_at),
                    Cell::new(shown).piped(said(&entry.value)),
                ]
            })
        })?;
        if items.is_empty() && !context.screen.json {
            context.screen.say("nothing is shared");
        }
        Ok(Exit::Done)
    }
}
