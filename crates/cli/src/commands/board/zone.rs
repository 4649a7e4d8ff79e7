//! `coditect board zone`.

use super::super::Outcome;
use super::{At, Size, gone, place};
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::render::{Paint, Sheet};
use clap::{ArgGroup, Args, Subcommand};
use model::{AgentName, TriggerAction, ZoneColour};
use protocol::{NewZone, Trigger, Zone as Shown, ZonePatch};

#[derive(Debug, Subcommand)]
pub(crate) enum Zone {
    /// Make a zone; with a template, dropping a card in it prompts
    #[command(
        after_help = "Examples:\n  coditect board zone add release Done --at 900,0 --size 400x600\n  coditect board zone add release Review --at 440,0 --size 400x600 --prompt \"Review {{session.title}}\" --agents kimi"
    )]
    Add(Add),
    /// Change a zone; no trigger is set off by that
    #[command(
        after_help = "Examples:\n  coditect board zone change m2kd --colour green\n  coditect board zone change m2kd --spawn \"Test {{branch}}\" --confirm --json"
    )]
    Change(Change),
    /// Remove a zone; its cards stay
    #[command(
        name = "rm",
        after_help = "Examples:\n  coditect board zone rm m2kd\n  coditect board zone rm m2kd --json"
    )]
    Remove(One),
}

/// What dropping a card does.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("trigger").multiple(false).args(["prompt", "spawn", "fork"]))]
pub(crate) struct Does {
    /// Prompt the card's session with this template
    #[arg(long, value_name = "TEMPLATE")]
    prompt: Option<String>,
    /// Start a session with fresh context and this template
    #[arg(long, value_name = "TEMPLATE")]
    spawn: Option<String>,
    /// Fork the card's session and prompt the fork with this template
    #[arg(long, value_name = "TEMPLATE")]
    fork: Option<String>,
    /// Who is prompted, or sits in the new session; everybody of the card's session without
    #[arg(long, value_delimiter = ',', value_name = "NAMES", requires = "trigger")]
    agents: Vec<AgentName>,
    /// Show the prompt on the card and wait for your word
    #[arg(long, requires = "trigger")]
    confirm: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Add {
    /// Id, short id or short name of the board
    board: String,
    /// 1 to 100 characters
    name: String,
    /// Its upper left corner
    #[arg(long, value_name = "X,Y", allow_hyphen_values = true)]
    at: At,
    /// How large it is
    #[arg(long, value_name = "WIDTHxHEIGHT")]
    size: Size,
    /// grey, blue, green, yellow, red or purple
    #[arg(long, default_value = "grey", value_parser = colour)]
    colour: ZoneColour,
    #[command(flatten)]
    does: Does,
}

#[derive(Debug, Args)]
pub(crate) struct Change {
    /// Id or short id of the zone, or the start of it
    zone: String,
    /// 1 to 100 characters
    #[arg(long)]
    name: Option<String>,
    /// Its upper left corner
    #[arg(long, value_name = "X,Y", allow_hyphen_values = true, requires = "size")]
    at: Option<At>,
    /// How large it is
    #[arg(long, value_name = "WIDTHxHEIGHT", requires = "at")]
    size: Option<Size>,
    /// grey, blue, green, yellow, red or purple
    #[arg(long, value_parser = colour)]
    colour: Option<ZoneColour>,
    #[command(flatten)]
    does: Does,
    /// Take its trigger away
    #[arg(long, conflicts_with = "trigger")]
    no_trigger: bool,
    /// Fail unless the zone is at this revision
    #[arg(long)]
    revision: Option<u64>,
}

#[derive(Debug, Args)]
pub(crate) struct One {
    /// Id or short id of the zone, or the start of it
    zone: String,
}

fn colour(word: &str) -> Result<ZoneColour, String> {
    let found = ZoneColour::ALL.into_iter().find(|one| one.as_str() == word);
    found.ok_or_else(|| "grey, blue, green, yellow, red or purple".to_owned())
}

impl Does {
    fn trigger(self, context: &Context) -> Result<Option<Trigger>, Failure> {
        let Self { prompt, spawn, fork, agents, confirm } = self;
        let said =
            [(TriggerAction::Prompt, prompt), (TriggerAction::Spawn, spawn), (TriggerAction::Fork, fork)];
        let said = said.into_iter().find_map(|(action, template)| template.map(|text| (action, text)));
        let Some((action, template)) = said else { return Ok(None) };
        Ok(Some(Trigger { action, template: context.text(&template)?, agents, confirm }))
    }
}

impl Zone {
    pub(super) fn run(self, context: &Context) -> Outcome {
        match self {
            Self::Add(Add { board, name, at, size, colour, does }) => {
                let new = NewZone { name, place: place(at, size), colour, trigger: does.trigger(context)? };
                let zone = context.talk("making the zone", async |client| {
                    Ok(client.place_zone(&board, &new, None).await?)
                })?;
                show(context, &zone)
            }
            Self::Change(Change { zone, name, at, size, colour, does, no_trigger, revision }) => {
                let trigger = match does.trigger(context)? {
                    None if no_trigger => Some(None),
                    trigger => trigger.map(Some),
                };
                let place = at.zip(size).map(|(at, size)| place(at, size));
                let patch = ZonePatch { name, colour, place, trigger, revision };
                let zone = context.talk("changing the zone", async |client| {
                    Ok(client.change_zone(&zone, &patch, None).await?)
                })?;
                show(context, &zone)
            }
            Self::Remove(one) => {
                context.talk("removing the zone", async |client| {
                    Ok(client.remove_zone(&one.zone, None).await?)
                })?;
                gone(context, "zone", &one.zone)
            }
        }
    }
}

fn show(context: &Context, zone: &Shown) -> Outcome {
    let place = zone.place;
    context.screen.show_sheet(zone, || {
        let sheet = Sheet::new()
            .row("id", zone.id.to_string())
            .painted("short id", &zone.short_id, Paint::Note)
            .painted("name", &zone.name, Paint::Strong)
            .row("colour", zone.colour.as_str())
            .row("place", format!("{},{} {}x{}", place.x, place.y, place.width, place.height))
            .row("revision", zone.revision.to_string());
        let Some(trigger) = &zone.trigger else { return sheet };
        let agents: Vec<&str> = trigger.agents.iter().map(AgentName::as_str).collect();
        sheet
            .row("drop", trigger.action.as_str())
            .maybe("agents", (!agents.is_empty()).then(|| agents.join(", ")))
            .maybe("asks", trigger.confirm.then(|| "first".to_owned()))
            .row("template", &trigger.template)
    })?;
    Ok(Exit::Done)
}
