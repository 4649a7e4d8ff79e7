//! Forks: a session that knows what another one knows up to a message, and goes its own way from there.
//!
//! What an agent knows goes with it in one of two ways. Where the vendor can fork its own session, and that session knows no more than the
//! fork is to know, it is forked with the first turn here. Else the agent is shown the transcript, and its seat says so.
//!
//! Invariant: the session that was forked is not touched, neither ours nor the vendors'.

use crate::engine::Shared;
use crate::session::{TITLE_MAX, title_given};
use crate::{Call, Engine, SessionView};
use model::{
    AgentName, Driver, HistoryBy, Lineage, Message, MessageId, Namer, Participant, Refusal, RefusalKind,
    Session, SessionId, TaskId,
};
use store::{StoreError, View};

/// What a fork's title ends with.
const MARK: &str = " (fork)";
/// Forks of forks that are followed back to what was said before them.
const FOLLOWED_MAX: u32 = store::GENEALOGY_DEPTH;

/// Where and with whom a fork begins.
#[derive(Debug, Clone, Default)]
pub struct NewFork {
    /// The last message it knows; none: the newest one.
    pub message: Option<MessageId>,
    pub title: Option<String>,
    /// Who sits in it; empty: those of the session that is forked.
    pub agents: Vec<AgentName>,
}

/// What a fork begins with.
pub(crate) struct ForkPoint {
    pub(crate) source: Session,
    pub(crate) seats: Vec<store::ParticipantRow>,
    /// None when nothing was said.
    pub(crate) message: Option<MessageId>,
    pub(crate) task: Option<TaskId>,
}

impl Engine {
    /// Opens a session in the same place whose agents know what was said up to a message.
    pub async fn fork_session(
        &self,
        call: &Call,
        source: SessionId,
        new: NewFork,
    ) -> Result<SessionView, Refusal> {
        call.only_user()?;
        let given = title_given(new.title)?;
        let point = self.fork_point(source, new.message)?;
        let agents = self.agents_of(&point, &new.agents)?;
        let named_by = if given.is_some() { Namer::User } else { point.source.named_by };
        let shared: &Shared = &self.shared;
        let session = Session {
            id: shared.new_id(),
            workspace: point.source.workspace.clone(),
            title: given.unwrap_or_else(|| title(&point.source.title)),
            repo: point.source.repo,
            board: point.source.board,
            parent: None,
            forked_from: Some(source),
            fork_point: point.task,
            created_at: shared.now(),
            origin: None,
            named_by: if named_by == Namer::Agents { Namer::User } else { named_by },
            lineage: Lineage { fork_message: point.message, ..Lineage::default() },
        };
        let seats = self.forked_seats(&session, &point, agents)?;
        self.open_session(call, session, seats).await
    }

    /// The message a fork is to begin at, checked.
    pub(crate) fn fork_point(
        &self,
        source: SessionId,
        message: Option<MessageId>,
    ) -> Result<ForkPoint, Refusal> {
        self.shared.store.read_or_refuse(|view| {
            let row = crate::session::visible(view, source)?;
            let seats = view.participants(source)?;
            let last = match message {
                Some(id) => Some(known_message(view, &row.session, id)?),
                None => {
                    let own = view.messages(source, None, 1)?.pop();
                    let inherited = row.session.lineage.fork_message.filter(|_| own.is_none());
                    own.or(inherited.map(|id| view.message(id)).transpose()?.flatten())
                }
            };
            let task = last.as_ref().and_then(|message| message.task);
            Ok(ForkPoint { source: row.session, seats, message: last.map(|message| message.id), task })
        })
    }

    /// The agents of a fork: those that are named, else those of its source as they are configured now.
    pub(crate) fn agents_of(
        &self,
        point: &ForkPoint,
        named: &[AgentName],
    ) -> Result<Vec<(AgentName, crate::AgentConfig)>, Refusal> {
        if !named.is_empty() {
            return self.configured(named);
        }
        if point.source.origin.is_some() {
            let message = "the session is history of a vendor's own program, with no agent of ours in it";
            return Err(Refusal::invalid("no_agents", message)
                .hint("name who is to go on from it: `coditect session fork ID --agents claude`"));
        }
        let names: Vec<AgentName> = point.seats.iter().map(|seat| seat.participant.agent.clone()).collect();
        self.configured(&names)
    }

    /// Seats of a fork, each with how its agent comes to know what was said.
    pub(crate) fn forked_seats(
        &self,
        session: &Session,
        point: &ForkPoint,
        agents: Vec<(AgentName, crate::AgentConfig)>,
    ) -> Result<Vec<Participant>, Refusal> {
        let mut seats = self.seats(session.id, agents, None);
        if point.message.is_some() {
            let natively: Vec<bool> = self.shared.store.read(|view| {
                seats.iter().map(|seat| Ok(inherited(view, session, seat)?.is_some())).collect()
            })?;
            for (seat, native) in seats.iter_mut().zip(natively) {
                seat.history = Some(if native { HistoryBy::Native } else { HistoryBy::Replay });
            }
        }
        Ok(seats)
    }
}

/// A session of which messages are known, and the last of them that are; none: all.
pub(crate) struct Stretch {
    pub(crate) session: SessionId,
    pub(crate) upto: Option<MessageId>,
}

/// Where what a session knows was said: in itself, and before that in the sessions it was forked from.
pub(crate) fn stretches(view: &View<'_>, session: &Session) -> Result<Vec<Stretch>, StoreError> {
    let mut all = vec![Stretch { session: session.id, upto: None }];
    let (mut source, mut last) = (session.forked_from, session.lineage.fork_message);
    for _ in 0..FOLLOWED_MAX {
        let (Some(place), Some(upto)) = (source, last) else { break };
        let Some(row) = view.session_ever(place)? else { break };
        let Some(message) = view.message(upto)? else { break };
        source = row.session.forked_from;
        if message.session == place {
            all.push(Stretch { session: place, upto: last });
            last = row.session.lineage.fork_message;
        }
        // Else the last message was said before the source began, and nothing of the source itself is known.
    }
    Ok(all)
}

/// The message, when it is one the session knows: its own, or one it began with.
fn known_message(view: &View<'_>, session: &Session, id: MessageId) -> Result<Message, Refusal> {
    if let (Some(message), Some(number)) = (view.message(id)?, view.message_number(id)?) {
        for stretch in stretches(view, session)? {
            let upto = match stretch.upto {
                None => Some(u64::MAX),
                Some(upto) => view.message_number(upto)?,
            };
            if stretch.session == message.session && upto.is_some_and(|upto| number <= upto) {
                return Ok(message);
            }
        }
    }
    let message = format!("the session knows no message {id}");
    Err(Refusal::new(RefusalKind::NotFound, "unknown_message", message)
        .hint("`coditect session messages ID --inherited --json` lists those it knows, with their ids"))
}

fn title(of: &str) -> String {
    let room = TITLE_MAX - MARK.chars().count();
    let kept: String = of.strip_suffix(MARK).unwrap_or(of).chars().take(room).collect();
    kept + MARK
}

/// The vendor's session a participant of a fork can begin with: that of the same agent in the source, when its program forks its sessions
/// and this one knows nothing that was said after the fork's last message. None: the transcript is shown.
pub(crate) fn inherited(
    view: &View<'_>,
    session: &Session,
    participant: &Participant,
) -> Result<Option<String>, StoreError> {
    let Some(source) = session.forked_from else { return Ok(None) };
    if participant.driver == Driver::Native {
        return Ok(None);
    }
    let seats = view.participants(source)?;
    let same = |seat: &Participant| seat.agent == participant.agent && seat.driver == participant.driver;
    let Some(seat) = seats.into_iter().find(|row| same(&row.participant)) else { return Ok(None) };
    let Some(vendor_session) = seat.vendor_session else { return Ok(None) };
    let Some(last) = session.lineage.fork_message else {
        // Forks of before this was written down took what there was.
        return Ok(Some(vendor_session));
    };
    let Some(turn) = view.last_turn_of(seat.participant.id)? else { return Ok(Some(vendor_session)) };
    if turn.outcome.is_none() {
        return Ok(None);
    }
    let is_end = view.messages(source, None, 1)?.first().is_some_and(|newest| newest.id == last);
    let knows_no_more = is_end
        || view.turn_number(turn.turn.id)? < view.message_number(last)?
            && !view.spoken_after(turn.turn.task, turn.turn.id, last)?;
    Ok(knows_no_more.then_some(vendor_session))
}

/// What was said in the session and before it, in the sessions it was forked from: the newest `most`, or the newest before a message;
/// oldest of them first.
pub(crate) fn with_inherited(
    view: &View<'_>,
    session: &Session,
    before: Option<MessageId>,
    most: usize,
) -> Result<Vec<Message>, StoreError> {
    let mark = match before {
        None => None,
        Some(before) => match view.message(before)? {
            None => return Ok(Vec::new()),
            Some(message) => Some((message.session, before)),
        },
    };
    let mut found: Vec<Message> = Vec::new();
    let mut reached = mark.is_none();
    for stretch in stretches(view, session)? {
        let room = most - found.len();
        let here = mark.filter(|(session, _)| *session == stretch.session).map(|(_, before)| before);
        if !reached && here.is_none() {
            continue;
        }
        let mut page = match (here.filter(|_| !reached), stretch.upto) {
            (Some(before), _) => view.messages(stretch.session, Some(before), room)?,
            (None, Some(upto)) => view.messages_upto(stretch.session, upto, room)?,
            (None, None) => view.messages(stretch.session, None, room)?,
        };
        reached = true;
        page.append(&mut found);
        found = page;
        if found.len() == most {
            break;
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fork_is_known_by_its_title_and_so_is_the_fork_of_one() {
        assert_eq!(title("Dark mode"), "Dark mode (fork)");
        assert_eq!(title("Dark mode (fork)"), "Dark mode (fork)");
        assert_eq!(title(&"ä".repeat(TITLE_MAX)).chars().count(), TITLE_MAX);
    }
}
