//! Triggers: what dropping a card in a zone comes to.
//!
//! That a trigger is set off, and the prompt its template comes to, is an event in the commit that moves the card. Carrying it out comes
//! after that, through the use cases everybody has, each under a key made of the firing's id: a crash in between, or a second try at the
//! next start, does nothing twice. What is refused is said on the card, which stays where it is.

use super::{card, present, template};
use crate::engine::Shared;
use crate::fork::NewFork;
use crate::message::NewPrompt;
use crate::session::NewSession;
use crate::spawn::NewSpawn;
use crate::{Call, Caller, CardView, Engine, Key};
use model::{
    Actor, Board, CARDS_MAX, Card, CardId, CardSubject, Event, Firing, FiringConfirmed, FiringEnd, FiringId,
    FiringState, Refusal, RefusalKind, RepoId, SessionId, TaskId, Timestamp, TriggerAction, WorktreeId, Zone,
};
use store::{FiringRow, View};

/// What a firing will be called, if there is one.
pub(super) struct Fuse {
    id: FiringId,
    at: Timestamp,
}

/// What a card is about, as far as triggers ask.
#[derive(Default)]
struct About {
    /// None when there is none, or several that could be meant.
    session: Option<(SessionId, String)>,
    worktree: Option<(WorktreeId, String, String)>,
    repo: Option<(RepoId, String)>,
    branch: Option<String>,
}

impl Fuse {
    pub(super) fn new(shared: &Shared) -> Self {
        Self { id: shared.new_id(), at: shared.now() }
    }

    /// The events of a card that was dropped in a zone.
    pub(super) fn lit(
        self,
        view: &View<'_>,
        board: &Board,
        card: &Card,
        zone: &Zone,
    ) -> Result<Vec<Event>, Refusal> {
        let Some(trigger) = &zone.trigger else { return Ok(Vec::new()) };
        let about = About::of(view, card)?;
        let rendered = template::render(&trigger.template, |name| about.value(name, board, card, zone));
        let mut firing = Firing {
            id: self.id,
            board: board.id,
            card: card.id,
            zone: zone.id,
            action: trigger.action,
            prompt: String::new(),
            agents: trigger.agents.clone(),
            session: about.session.map(|(id, _)| id),
            worktree: about.worktree.map(|(id, ..)| id),
            confirm: trigger.confirm,
            fired_at: self.at,
        };
        match rendered {
            Ok(prompt) => {
                firing.prompt = prompt;
                Ok(vec![Event::TriggerFired(firing)])
            }
            Err(refusal) => {
                let end = refused(&firing, &refusal);
                Ok(vec![Event::TriggerFired(firing), Event::TriggerEnded(end)])
            }
        }
    }
}

impl About {
    fn of(view: &View<'_>, card: &Card) -> Result<Self, Refusal> {
        let mut about = Self::default();
        match card.subject {
            CardSubject::Note => return Ok(about),
            CardSubject::Session { session } => {
                about.session(view, session)?;
                if let Some(worktree) = view.worktree_of(session)? {
                    about.worktree(view, worktree)?;
                }
            }
            CardSubject::Worktree { worktree } => {
                about.worktree(view, worktree)?;
                let lent =
                    view.worktree(worktree)?.and_then(|row| row.worktree.lent).map(|lent| lent.session);
                let mut sessions = view.sessions_in(worktree)?;
                sessions.extend(lent);
                if let [only] = sessions[..] {
                    about.session(view, only)?;
                }
            }
        }
        if let Some((repo, _)) = &about.repo
            && about.branch.is_none()
            && about.worktree.is_none()
        {
            about.branch = view.repo(*repo)?.and_then(|repo| repo.default_branch);
        }
        Ok(about)
    }

    fn session(&mut self, view: &View<'_>, session: SessionId) -> Result<(), Refusal> {
        let Some(row) = view.session(session)? else { return Ok(()) };
        self.session = Some((session, row.session.title));
        self.repo(view, row.session.repo)
    }

    fn worktree(&mut self, view: &View<'_>, id: WorktreeId) -> Result<(), Refusal> {
        let Some(row) = view.worktree(id)?.filter(|row| row.trashed.is_none()) else { return Ok(()) };
        let worktree = row.worktree;
        self.branch = worktree.branch;
        self.worktree = Some((id, worktree.name, worktree.path));
        self.repo(view, Some(worktree.repo))
    }

    fn repo(&mut self, view: &View<'_>, repo: Option<RepoId>) -> Result<(), Refusal> {
        if let Some(repo) = repo.map(|id| view.repo(id)).transpose()?.flatten() {
            self.repo = Some((repo.id, repo.slug));
        }
        Ok(())
    }

    fn value(&self, name: &str, board: &Board, card: &Card, zone: &Zone) -> Option<String> {
        match name {
            "session.title" => self.session.as_ref().map(|(_, title)| title.clone()),
            "session.id" => self.session.as_ref().map(|(id, _)| id.short()),
            "worktree.name" => self.worktree.as_ref().map(|(_, name, _)| name.clone()),
            "worktree.path" => self.worktree.as_ref().map(|(_, _, path)| path.clone()),
            "repo.name" => self.repo.as_ref().map(|(_, slug)| slug.clone()),
            "branch" => self.branch.clone(),
            "card.note" => Some(card.note.clone()),
            "zone.name" => Some(zone.name.clone()),
            "board.name" => Some(board.name.clone()),
            _ => None,
        }
    }
}

/// What waited for the user's word when its card is dropped elsewhere is wanted no more.
pub(super) fn dismissed(view: &View<'_>, card: &Card, into: Option<&Zone>) -> Result<Option<Event>, Refusal> {
    let asked = view.last_firing(card.id)?.filter(|row| row.state == FiringState::Asked);
    let left = asked.filter(|row| into.is_none_or(|zone| zone.id != row.firing.zone));
    Ok(left.map(|row| Event::TriggerEnded(end(&row.firing, FiringState::Dismissed))))
}

fn end(firing: &Firing, state: FiringState) -> FiringEnd {
    FiringEnd {
        board: firing.board,
        card: firing.card,
        firing: firing.id,
        state,
        session: None,
        task: None,
        text: None,
    }
}

fn refused(firing: &Firing, refusal: &Refusal) -> FiringEnd {
    let text = Some(format!("{} ({})", refusal.message, refusal.code));
    FiringEnd { text, ..end(firing, FiringState::Refused) }
}

impl Engine {
    /// Says whether what waits on a card is to be carried out.
    pub async fn answer_card(&self, call: &Call, card: CardId, confirm: bool) -> Result<CardView, Refusal> {
        call.only_user()?;
        let command = move |view: &View<'_>| {
            card::there(view, card)?;
            let asked = view.last_firing(card)?.filter(|row| row.state == FiringState::Asked);
            let firing = asked.map(|row| row.firing).ok_or_else(|| {
                Refusal::conflict("nothing_asked", "nothing waits for your word on this card")
                    .hint("drop it in a zone whose trigger asks first")
            })?;
            Ok(vec![if confirm {
                let (board, firing) = (firing.board, firing.id);
                Event::TriggerConfirmed(FiringConfirmed { board, card, firing })
            } else {
                Event::TriggerEnded(end(&firing, FiringState::Dismissed))
            }])
        };
        self.shared.commit(call.actor(), call.key.clone(), command).await?;
        self.follow_firing(call, card).await?;
        self.card(card)
    }

    /// Carries out what is due on a card, to its end, also when whoever asked hangs up.
    pub(super) async fn follow_firing(&self, call: &Call, card: CardId) -> Result<(), Refusal> {
        let last = self.shared.store.read(|view| view.last_firing(card))?;
        let Some(row) = last.filter(|row| row.state == FiringState::Due) else { return Ok(()) };
        let (engine, correlation) = (self.clone(), call.correlation.clone());
        self.shared.to_its_end(async move { engine.carry_out(row.firing, &correlation).await }).await
    }

    /// Goes on with what a crash cut off between a drop and its end.
    pub(crate) async fn resume_firings(&self) -> Result<(), Refusal> {
        let due: Vec<FiringRow> = self.shared.store.read(|view| view.due_firings())?;
        if due.is_empty() {
            return Ok(());
        }
        let engine = self.clone();
        self.shared.tasks.spawn(async move {
            for row in due {
                let id = row.firing.id;
                if let Err(refusal) = engine.carry_out(row.firing, "start").await {
                    tracing::error!(%refusal, firing = %id, "a trigger is not carried out");
                }
            }
        });
        Ok(())
    }

    async fn carry_out(&self, firing: Firing, correlation: &str) -> Result<(), Refusal> {
        let done = self.deed(&firing, correlation).await;
        let end = match done {
            Ok((session, task)) => {
                let (session, task) = (Some(session), Some(task));
                FiringEnd { session, task, ..end(&firing, FiringState::Done) }
            }
            // It is tried again at the next start: nobody knows what became of it.
            Err(refusal) if refusal.kind == RefusalKind::Internal => return Err(refusal),
            Err(refusal) => refused(&firing, &refusal),
        };
        let (state, session) = (end.state, end.session);
        tracing::info!(correlation, firing = %firing.id, state = state.as_str(), "a trigger was carried out");
        let (id, created_at) = (self.shared.new_id(), self.shared.now());
        let command = move |view: &View<'_>| {
            // Another try may have been first, and the card or its board may be gone by now.
            let open = view.firing(firing.id)?.is_some_and(|row| row.state == FiringState::Due);
            if !open {
                return Ok(Vec::new());
            }
            let mut events = vec![Event::TriggerEnded(end.clone())];
            if let Some(session) = session {
                events.extend(beside(view, &firing, session, id, created_at)?);
            }
            Ok(events)
        };
        self.shared.conclude(Actor::System, command).await.map(drop)
    }

    /// Does it through the use cases everybody has.
    async fn deed(&self, firing: &Firing, correlation: &str) -> Result<(SessionId, TaskId), Refusal> {
        let call = |step: &str| Call {
            caller: Caller::User,
            key: Some(Key { key: format!("{}.{step}", firing.id), request_hash: firing.id.to_string() }),
            client: None,
            correlation: correlation.to_owned(),
        };
        let prompt = |targets| NewPrompt { text: firing.prompt.clone(), targets, ..NewPrompt::default() };
        let agents = firing.agents.clone();
        match (firing.action, firing.session) {
            (TriggerAction::Prompt, Some(session)) => {
                let task = self.prompt(&call("prompt"), session, prompt(agents)).await?;
                Ok((session, task.task.id))
            }
            (TriggerAction::Fork, Some(session)) => {
                let new = NewFork { agents, ..NewFork::default() };
                let fork = self.fork_session(&call("fork"), session, new).await?.session.id;
                let task = self.prompt(&call("prompt"), fork, prompt(Vec::new())).await?;
                Ok((fork, task.task.id))
            }
            (TriggerAction::Spawn, Some(session)) => {
                let new = NewSpawn { prompt: firing.prompt.clone(), agents, ..NewSpawn::default() };
                let spawned = self.spawn_session(&call("spawn"), session, new).await?;
                Ok((spawned.session.session.id, spawned.task.task.id))
            }
            (TriggerAction::Spawn, None) => {
                let worktree = firing.worktree;
                let repo = self.shared.store.read(|view| {
                    let row = worktree.map(|id| view.worktree(id)).transpose()?.flatten();
                    Ok(row.map(|row| row.worktree.repo))
                })?;
                let new = NewSession { repo, agents, ..NewSession::default() };
                let session = self.create_session(&call("spawn"), new).await?.session.id;
                if let Some(worktree) = worktree {
                    self.assign_worktree(&call("assign"), session, worktree).await?;
                }
                let task = self.prompt(&call("prompt"), session, prompt(Vec::new())).await?;
                Ok((session, task.task.id))
            }
            (TriggerAction::Prompt | TriggerAction::Fork, None) => {
                let message = match firing.worktree {
                    Some(_) => "it is not one session that works in the card's worktree",
                    None => "the card has no session",
                };
                Err(Refusal::conflict("card_without_session", message)
                    .hint("drop a session's card there, or let the trigger spawn one"))
            }
        }
    }
}

/// A card for the session that came of a firing, beside the one that was dropped; none when it has one, or there is no room.
fn beside(
    view: &View<'_>,
    firing: &Firing,
    session: SessionId,
    id: CardId,
    created_at: Timestamp,
) -> Result<Option<Event>, Refusal> {
    let board = present(view, firing.board)?.id;
    let known = view.cards_about(&session.to_string())?.iter().any(|row| row.card.board == board);
    if known || firing.session == Some(session) || view.board_counts(board)?.cards >= CARDS_MAX as u64 {
        return Ok(None);
    }
    let subject = CardSubject::Session { session };
    let place = card::free_place(view, board, subject, &view.zones(board)?)?;
    let note = String::new();
    Ok(Some(Event::CardPlaced(Card { id, board, subject, place, note, revision: 1, created_at })))
}
