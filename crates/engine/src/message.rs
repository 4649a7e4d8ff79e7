//! Messages: prompting, and reading the conversation. The rules for what a prompt may be are here
//! and nowhere else: every face comes through [`Engine::prompt`] or [`Engine::coordinate`].

use crate::engine::Shared;
use crate::plan::title_of;
use crate::queue::PRIORITY_MAX;
use crate::session::visible;
use crate::{Call, Engine, LiveTurn, NewTerms, TaskView, assign, fork, terms, title};
use model::{
    AgentName, Block, Event, Message, MessageId, Origin, PROMPT_MAX, Participant, Refusal, RefusalKind, Role,
    SessionId, SessionKind, Task, TaskId, TaskKind, TaskTerms, Vendor,
};
use std::sync::Arc;
use store::View;

/// Most messages in one page.
pub(crate) const PAGE_MAX: usize = 200;
/// Most tasks one prompt can wait for.
pub(crate) const DEPENDENCIES_MAX: usize = 32;

#[derive(Debug, Clone, Default)]
pub struct NewPrompt {
    pub text: String,
    /// Empty: every participant.
    pub targets: Vec<AgentName>,
    /// Higher goes first.
    pub priority: i32,
    pub depends_on: Vec<TaskId>,
    pub terms: NewTerms,
}

#[derive(Debug, Clone)]
pub struct MessagePage {
    /// Oldest first.
    pub messages: Vec<Message>,
    /// Older messages exist before this one.
    pub earlier: Option<MessageId>,
}

impl Engine {
    /// Puts a prompt into the conversation and queues it as a task for its targets.
    pub async fn prompt(
        &self,
        call: &Call,
        session: SessionId,
        prompt: NewPrompt,
    ) -> Result<TaskView, Refusal> {
        call.only_user()?;
        let prompt = NewPrompt { text: prompt_text(&prompt.text)?, ..prompt };
        check_priority(prompt.priority)?;
        let shared = &self.shared;
        let (id, now) = (shared.new_id(), shared.now());
        let terms = terms::checked(prompt.terms.clone(), now)?;
        let able = Arc::clone(shared);
        let limit = shared.config.snapshot().config.limits.queue_depth;
        let message = user_message(shared, session, Some(id), &prompt.text);
        let (keys, may_type) = (self.key_check(), self.input_check(call, session));
        let command = move |view: &View<'_>| {
            may_type()?;
            let targets = hands(view, &able, session, &prompt.targets, &terms)?;
            keys(&targets)?;
            let depends_on = terms::unique(&prompt.depends_on);
            terms::dependencies(view, &depends_on, terms.on_failed)?;
            check_queue(view, session, 1, limit)?;
            let named_by = visible(view, session)?.session.named_by;
            let named = title::by_words(session, named_by, &prompt.text);
            let task = Task {
                id,
                session,
                plan: None,
                kind: TaskKind::Prompt,
                title: title_of(&prompt.text),
                prompt: prompt.text,
                targets: targets.iter().map(|target| target.id).collect(),
                priority: prompt.priority,
                depends_on,
                files: Vec::new(),
                terms,
                created_at: now,
            };
            let mut events = vec![Event::MessageAppended(message), Event::TaskSubmitted(task)];
            events.extend(named);
            Ok(events)
        };
        let receipt = shared.commit(call.actor(), call.key.clone(), command).await?;
        let task = receipt.records.iter().find_map(|record| match &record.event {
            Event::TaskSubmitted(task) => Some(task.id),
            _ => None,
        });
        let task = task.ok_or_else(|| Refusal::internal("the commit made no task"))?;
        tracing::info!(correlation = call.correlation, %session, %task, "a task was submitted");
        self.wake(session).await;
        self.task(task)
    }

    /// A page of the conversation: the newest messages before `before`, in chronological order. With `inherited` it goes on into what
    /// was said in the sessions this one was forked from.
    pub fn messages(
        &self,
        session: SessionId,
        before: Option<MessageId>,
        limit: usize,
        inherited: bool,
    ) -> Result<MessagePage, Refusal> {
        let limit = if limit == 0 { PAGE_MAX } else { limit.min(PAGE_MAX) };
        self.shared.store.read_or_refuse(|view| {
            let row = visible(view, session)?;
            let mut messages = match inherited {
                true => fork::with_inherited(view, &row.session, before, limit + 1)?,
                false => view.messages(session, before, limit + 1)?,
            };
            let more = messages.len() > limit;
            if more {
                messages.remove(0);
            }
            let earlier = messages.first().filter(|_| more).map(|message| message.id);
            Ok(MessagePage { messages, earlier })
        })
    }

    /// What is being written now: live text, and for turns a crash cut off, what was kept of it.
    pub fn live(&self, session: SessionId) -> Result<Vec<LiveTurn>, Refusal> {
        let mut live = self.shared.live.of_session(session);
        let kept = self.shared.store.read_or_refuse(|view| {
            view.session(session)?.ok_or_else(|| Refusal::not_found("session", session))?;
            let mut kept = Vec::new();
            for draft in view.drafts(session)? {
                kept.extend(view.turn(draft.turn)?.map(|turn| LiveTurn {
                    session,
                    turn: draft.turn,
                    task: turn.turn.task,
                    participant: draft.participant,
                    text: draft.text,
                    thinking: draft.thinking,
                }));
            }
            Ok(kept)
        })?;
        for turn in kept {
            if !live.iter().any(|known| known.turn == turn.turn) {
                live.push(turn);
            }
        }
        Ok(live)
    }
}

/// Text as it is kept, whatever terminal, page or file it came from: lines end in LF, and what is blank at its end
/// is no part of it. What stands before that is the writer's own and stays.
pub(crate) fn clean_text(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n").trim_end().to_owned()
}

/// The codec of prompts: what the conversation, the task and the agent get to see, or why there is none.
pub(crate) fn prompt_text(given: &str) -> Result<String, Refusal> {
    let text = clean_text(given);
    if text.trim().is_empty() {
        return Err(Refusal::invalid("prompt_empty", "the prompt is empty").hint("say what is to be done"));
    }
    if text.len() > PROMPT_MAX {
        let message = format!("a prompt has at most {PROMPT_MAX} bytes, this one has {}", text.len());
        return Err(Refusal::invalid("prompt_too_long", message)
            .hint("put long material into a file of the repository"));
    }
    if text.contains('\0') {
        return Err(Refusal::invalid("prompt_characters", "a prompt has no NUL characters")
            .hint("name a file instead of pasting its bytes"));
    }
    Ok(text)
}

/// Whose turn it is from the start: the named ones; nobody's yet, when somebody is to be found or to claim it; else all.
fn hands(
    view: &View<'_>,
    shared: &Shared,
    session: SessionId,
    named: &[AgentName],
    terms: &TaskTerms,
) -> Result<Vec<Participant>, Refusal> {
    let seats = targets_of(view, session, named)?;
    if terms.pool {
        if !named.is_empty() {
            let message = "a task of the pool is for whoever claims it";
            return Err(Refusal::invalid("pool_has_no_targets", message)
                .hint("leave out either `pool` or the targets"));
        }
        return Ok(Vec::new());
    }
    if named.is_empty() {
        assign::check(shared, &seats, &terms.wants)?;
        return Ok(if terms.wants.is_empty() { seats } else { Vec::new() });
    }
    for seat in &seats {
        assign::check(shared, std::slice::from_ref(seat), &terms.wants)?;
    }
    Ok(seats)
}

/// The seats of these agents, in the order given; all of them when none is named.
pub(crate) fn targets_of(
    view: &View<'_>,
    session: SessionId,
    agents: &[AgentName],
) -> Result<Vec<Participant>, Refusal> {
    let row = view.session(session)?.ok_or_else(|| Refusal::not_found("session", session))?;
    if row.archived_at.is_some() {
        return Err(Refusal::conflict("session_archived", "the session is archived")
            .hint("bring it back: `coditect session unarchive ID`"));
    }
    if row.session.lineage.kind == SessionKind::Aside {
        let message = "the session is an aside: one question and its answer";
        return Err(
            Refusal::conflict("session_is_aside", message).hint("prompt or ask the session it was about")
        );
    }
    if let Some(origin) = &row.session.origin {
        return Err(imported(origin));
    }
    if let Some(source) = &row.imported {
        let message = format!("the session was led in workspace `{}` and is history here", source.workspace);
        return Err(Refusal::conflict("session_imported", message)
            .hint("go on in a fork of it: `coditect session fork ID --agents claude`"));
    }
    let seats: Vec<Participant> =
        view.participants(session)?.into_iter().map(|row| row.participant).collect();
    if agents.is_empty() {
        return Ok(seats);
    }
    let mut targets: Vec<Participant> = Vec::new();
    for agent in agents {
        let seat = seats.iter().find(|seat| seat.agent == *agent).ok_or_else(|| {
            let known: Vec<&str> = seats.iter().map(|seat| seat.agent.as_str()).collect();
            Refusal::not_found("participant", agent)
                .hint(format!("in this session are: {}", known.join(", ")))
        })?;
        if !targets.iter().any(|target| target.id == seat.id) {
            targets.push(seat.clone());
        }
    }
    Ok(targets)
}

/// History has nobody in it who could answer.
fn imported(origin: &Origin) -> Refusal {
    let program = agent::transcript::program(origin.vendor);
    let message = format!("the session is history of {program}, with no agent of ours in it");
    let own = origin.session.split('/').next().unwrap_or_default();
    let resume = match origin.vendor {
        Vendor::Anthropic => format!("claude --resume {own}"),
        Vendor::Openai => format!("codex resume {own}"),
        Vendor::Google => format!("gemini --resume {own}"),
        Vendor::Moonshot => format!("kimi -S {own}"),
    };
    Refusal::conflict("session_imported", message).hint(format!(
        "go on there with `{resume}`, or start a session of your own: `coditect session new --agents {program}`"
    ))
}

/// A prompt of the user's as a task, for those who make one beside [`Engine::prompt`].
pub(crate) fn new_task(
    shared: &Shared,
    session: SessionId,
    prompt: &str,
    targets: Vec<model::ParticipantId>,
) -> Task {
    Task {
        id: shared.new_id(),
        session,
        plan: None,
        kind: TaskKind::Prompt,
        title: title_of(prompt),
        prompt: prompt.to_owned(),
        targets,
        priority: 0,
        depends_on: Vec::new(),
        files: Vec::new(),
        terms: TaskTerms::default(),
        created_at: shared.now(),
    }
}

/// Refuses a priority beyond the bounds.
pub(crate) fn check_priority(priority: i32) -> Result<(), Refusal> {
    if (-PRIORITY_MAX..=PRIORITY_MAX).contains(&priority) {
        return Ok(());
    }
    let message = format!("a priority is between -{PRIORITY_MAX} and {PRIORITY_MAX}");
    Err(Refusal::invalid("priority_out_of_range", message).hint("0 is the usual one"))
}

pub(crate) fn check_queue(
    view: &View<'_>,
    session: SessionId,
    more: usize,
    limit: u32,
) -> Result<(), Refusal> {
    let waiting = view.queue_depth(session)?;
    if waiting + more as u64 > u64::from(limit) {
        let message = format!("{waiting} tasks wait in this session; the limit is {limit}");
        return Err(
            Refusal::new(RefusalKind::Busy, "queue_full", message).hint("wait, or cancel some of them")
        );
    }
    Ok(())
}

pub(crate) fn user_message(shared: &Shared, session: SessionId, task: Option<TaskId>, text: &str) -> Message {
    Message {
        id: shared.new_id(),
        session,
        task,
        turn: None,
        participant: None,
        parent: None,
        role: Role::User,
        blocks: vec![Block::Text { text: text.to_owned() }],
        usage: None,
        latency_ms: None,
        created_at: shared.now(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_ends_are_one_and_the_end_is_no_blank() {
        for (given, kept) in [
            ("a\r\nb\r\n", "a\nb"),
            ("a\rb \n \n\t", "a\nb"),
            ("  a  \n\n  b", "  a  \n\n  b"),
            ("\r\n\r\na", "\n\na"),
            ("a\u{a0}\u{2003}", "a"),
        ] {
            assert_eq!(prompt_text(given).as_deref(), Ok(kept), "{given:?}");
            assert_eq!(prompt_text(kept).as_deref(), Ok(kept), "what is kept is kept as it is");
        }
        for blank in ["", " \r\n\t", "\u{2003}\n"] {
            assert_eq!(prompt_text(blank).unwrap_err().code, "prompt_empty", "{blank:?}");
        }
        assert_eq!(prompt_text("a\0b").unwrap_err().code, "prompt_characters");
    }

    #[test]
    fn a_prompt_is_measured_as_it_is_kept() {
        let most = "x".repeat(PROMPT_MAX);
        assert_eq!(prompt_text(&format!("{most}\r\n")).as_deref(), Ok(most.as_str()));
        assert_eq!(prompt_text(&format!("{most}x")).unwrap_err().code, "prompt_too_long");
    }
}
