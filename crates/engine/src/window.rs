//! The live window of a session: what was said since its newest compaction, and that compaction.
//!
//! Invariant: it reads what is behind the compaction, and no more of it than it is asked for; how long the session is does not
//! matter. It never writes.

use crate::fork;
use llm::{BYTES_PER_TOKEN, Turn};
use model::{AgentName, Block, Message, ParticipantId, Role, Session};
use std::collections::{BTreeSet, HashMap};
use store::{CompactionRow, StoreError, View};

/// Messages that are looked at in no case more than.
pub(crate) const LOOKED_AT_MAX: usize = 4_000;
/// Files of each kind that an agent is told by name; a compaction knows more.
const FILES_TOLD: usize = 50;

pub(crate) struct Window {
    pub(crate) compaction: Option<CompactionRow>,
    /// Behind it, oldest first; those of the sessions this one was forked from, too.
    pub(crate) messages: Vec<Message>,
    /// Nothing lies between the compaction, or else the beginning, and the first of these.
    pub(crate) whole: bool,
    names: HashMap<ParticipantId, AgentName>,
}

impl Window {
    /// The newest `most` messages of the window.
    pub(crate) fn read(view: &View<'_>, session: &Session, most: usize) -> Result<Self, StoreError> {
        let mut window = Self { compaction: None, messages: Vec::new(), whole: true, names: HashMap::new() };
        let mut after = 0;
        for stretch in fork::stretches(view, session)? {
            let upto = stretch.upto.map(|upto| view.message_number(upto)).transpose()?.flatten();
            // A fork's compaction may end in what it was forked from: the rest of that is still to be read.
            if window.compaction.is_none() {
                window.compaction = view.compaction_upto(stretch.session, upto)?;
                after = window.compaction.as_ref().map_or(0, |row| row.upto);
            } else if upto.is_none_or(|upto| upto <= after) {
                break;
            }
            // One more tells whether there are more.
            let room = most - window.messages.len();
            let mut page = view.messages_between(stretch.session, after, upto, room + 1)?;
            if page.len() > room {
                window.whole = false;
                page.drain(..page.len() - room);
            }
            page.append(&mut window.messages);
            window.messages = page;
            if !window.whole {
                break;
            }
        }
        // A compaction that does not join on to what is shown still tells what was before.
        let places: BTreeSet<_> = window.messages.iter().map(|message| message.session).collect();
        for place in places {
            let seats = view.participants(place)?;
            window.names.extend(seats.into_iter().map(|row| (row.participant.id, row.participant.agent)));
        }
        Ok(window)
    }

    /// The window's messages as the agent saw them, each with its place among them; those that only call tools, and what tools
    /// answered, are left out.
    pub(crate) fn seen_by<'a>(&'a self, agent: &'a AgentName) -> impl Iterator<Item = (usize, Turn)> + 'a {
        let seen = |(at, message)| Some((at, as_seen_by(agent, &self.names, message)?));
        self.messages.iter().enumerate().filter_map(seen)
    }

    /// Who said it, for somebody who knows neither.
    pub(crate) fn speaker(&self, message: &Message) -> &str {
        match (message.role, message.participant.and_then(|by| self.names.get(&by))) {
            (Role::User, _) => "user",
            (Role::Assistant, Some(agent)) => agent.as_str(),
            (Role::Assistant, None) => "agent",
            (Role::Tool, _) => "tool",
            (Role::System, _) => "system",
        }
    }

    /// What stands for everything before the window.
    pub(crate) fn summary(&self) -> Option<Turn> {
        let told = &self.compaction.as_ref()?.compaction;
        let mut text = format!("What was said before, condensed by {}:\n{}", told.model, told.summary);
        for (what, files) in [("changed", &told.modified_files), ("read", &told.read_files)] {
            if !files.is_empty() {
                let shown = &files[files.len().saturating_sub(FILES_TOLD)..];
                text.push_str(&format!("\n\nFiles {what} so far: {}", shown.join(", ")));
            }
        }
        Some(Turn::user(text))
    }
}

/// None when the message is not shown.
fn as_seen_by(
    agent: &AgentName,
    names: &HashMap<ParticipantId, AgentName>,
    message: &Message,
) -> Option<Turn> {
    let by = message.participant.and_then(|by| names.get(&by));
    let (role, text) = (message.role, message.text());
    let said = |role, text| Some(Turn::new(role, vec![Block::Text { text }]));
    match (role, by) {
        (Role::User, _) => Some(Turn::new(Role::User, message.blocks.clone())),
        (Role::Assistant, _) if text.trim().is_empty() => None,
        (Role::Assistant, Some(by)) if by == agent => said(Role::Assistant, text),
        (Role::Assistant, Some(by)) => said(Role::User, format!("{by} said:\n{text}")),
        (Role::Assistant | Role::Tool | Role::System, _) => None,
    }
}

/// Bytes of a turn's text.
pub(crate) fn bytes(turn: &Turn) -> usize {
    let text = |block: &Block| match block {
        Block::Text { text } => text.len(),
        _ => 0,
    };
    turn.blocks.iter().map(text).sum()
}

/// Roughly how many tokens they have.
pub(crate) fn tokens<'a>(turns: impl IntoIterator<Item = &'a Turn>) -> u64 {
    turns.into_iter().map(bytes).sum::<usize>() as u64 / BYTES_PER_TOKEN
}
