//! `coditect msg`: notices between sessions, straight on the bus.

mod ack;
mod channels;
mod claim;
mod inbox;
mod list;
mod send;
mod shown;
mod start;
mod tail;
mod wait;

pub(crate) use shown::said;

use super::Outcome;
use crate::context::Context;
use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub(crate) enum Msg {
    /// Publish a notice on a channel: to everybody who listens, or to those you name
    #[command(
        after_help = "Examples:\n  coditect msg send task_broadcast \"main is frozen until noon\"\n  coditect msg send review \"please look\" --to ada --to 3f8k --ack-within 60 --thread parser"
    )]
    Send(send::Send),
    /// Answer a notice: on its channel, in its thread, to whoever sent it
    #[command(
        after_help = "Examples:\n  coditect msg reply 12 \"done\"\n  coditect msg reply 12 - --ack-within 60"
    )]
    Reply(send::Reply),
    /// Show what was addressed to you and you have not acknowledged, the most urgent first
    #[command(after_help = "Examples:\n  coditect msg inbox\n  coditect msg inbox --holder ada --json")]
    Inbox(inbox::Inbox),
    /// Acknowledge notices: they leave the inbox and are not handed out again
    #[command(after_help = "Examples:\n  coditect msg ack 12 13\n  coditect msg ack 12 --seen")]
    Ack(ack::Ack),
    /// Show who was given, saw and acknowledged a notice
    #[command(after_help = "Examples:\n  coditect msg receipts 12\n  coditect msg receipts 12 --json")]
    Receipts(ack::Receipts),
    /// Wait for the next notices for you; what is given is not given again
    #[command(after_help = "Examples:\n  coditect msg wait --timeout 60\n  coditect msg wait --json")]
    Wait(wait::Wait),
    /// List the notices that are still alive, oldest first
    #[command(
        visible_alias = "ls",
        after_help = "Examples:\n  coditect msg list\n  coditect msg list --channel file_conflict --json"
    )]
    List(list::List),
    /// Print notices as they come, one JSON value per line with --json
    #[command(
        after_help = "Examples:\n  coditect msg tail --from 10m\n  coditect msg tail --channel task_broadcast --as archive --json"
    )]
    Tail(tail::Tail),
    /// List channels with living notices, or say which ones you want to hear
    #[command(
        after_help = "Examples:\n  coditect msg channels\n  coditect msg channels --listen task_broadcast,review"
    )]
    Channels(channels::Channels),
    /// Take work that was offered on `task_broadcast`: the most urgent, or the notice you name. One session gets it
    #[command(after_help = "Examples:\n  coditect msg claim\n  coditect msg claim 12 --ttl 900 --json")]
    Claim(claim::Claim),
    /// Keep claimed work for longer
    #[command(
        after_help = "Examples:\n  coditect msg renew 1099511627777\n  coditect msg renew 1099511627777 --ttl 900"
    )]
    Renew(claim::Renew),
    /// Say that claimed work is done: nobody can claim it any more
    #[command(
        after_help = "Examples:\n  coditect msg done 1099511627777\n  coditect msg done 1099511627777 --json"
    )]
    Done(claim::Done),
    /// Give claimed work back for others
    #[command(
        after_help = "Examples:\n  coditect msg giveback 1099511627777\n  coditect msg giveback 1099511627777 --json"
    )]
    Giveback(claim::Giveback),
}

impl Msg {
    pub(crate) fn run(self, context: &Context) -> Outcome {
        match self {
            Self::Send(command) => command.run(context),
            Self::Reply(command) => command.run(context),
            Self::Inbox(command) => command.run(context),
            Self::Ack(command) => command.run(context),
            Self::Receipts(command) => command.run(context),
            Self::Wait(command) => command.run(context),
            Self::List(command) => command.run(context),
            Self::Tail(command) => command.run(context),
            Self::Channels(command) => command.run(context),
            Self::Claim(command) => command.run(context),
            Self::Renew(command) => command.run(context),
            Self::Done(command) => command.run(context),
            Self::Giveback(command) => command.run(context),
        }
    }
}
