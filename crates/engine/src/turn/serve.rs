//! What a run may ask of the daemon: locks, edits, answers, plans, notices.

use super::lock_requests::Decided;
use super::{OpenQuestion, TurnDriver, detail, start};
use crate::aside::aside;
use crate::engine::Shared;
use crate::merge;
use crate::strays::Holder;
use crate::writer::{self, Edit, INTENT};
use agent::{Reply, Request, RunCommand};
use bus::LockRequest;
use journal::ReadPage;
use model::{
    Channel, Claim, Cursor, Driver, Event, FileChange, LockMode, ParticipantStatus, PlannedTask, Proposal,
    QUESTION_MAX, Question, Refusal, RefusedEdit, RepoPath, StrayFiles, Task, TaskKind, TaskState, TurnId,
};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinError;
use tokio::time::Instant;

/// Files named in a notice of what a shell changed; the others are counted.
const CONFLICT_NAMED: usize = 10;
/// Records that are read at once on the way to an answer.
const ANSWERS_LOOKED_AT: usize = 500;
/// Channel on which a change of a file is told.
const FILE_MODIFIED: &str = "file_modified";

impl TurnDriver {
    pub(super) async fn serve(&mut self, id: u64, request: Request) -> Result<(), Refusal> {
        let answer = match request {
            // Answered when the lock is decided.
            Request::Lock { path, change } => match self.lock(id, path, change).await {
                Ok(()) => return Ok(()),
                Err(refusal) => Err(refusal),
            },
            Request::Write { path, base, content } => self.write(path, base, content).await,
            Request::Ask { question } => match self.ask(id, question).await {
                Ok(()) => return Ok(()),
                Err(refusal) => Err(refusal),
            },
            Request::Propose { tasks } => self.propose(tasks).await,
            Request::Notice { channel, text } => self.notice(&channel, text).await,
            Request::Permit { ask } => match self.permit(id, *ask).await {
                Ok(Some(reply)) => Ok(reply),
                // Answered when somebody has decided.
                Ok(None) => return Ok(()),
                Err(refusal) => Err(refusal),
            },
            Request::Veto { ask } => self.veto(*ask).await,
        };
        // A stopped store ends the turn; every other refusal is the model's to deal with.
        if let Err(refusal) = &answer
            && refusal.code == "store_stopped"
        {
            return Err(refusal.clone());
        }
        self.reply(id, answer);
        Ok(())
    }

    pub(super) fn reply(&self, id: u64, result: Result<Reply, Refusal>) {
        if let Err(error) = self.handle.send(RunCommand::Reply { id, result }) {
            tracing::debug!(run = %self.run, %error, "the run did not hear its answer");
        }
    }

    pub(super) fn request_lock(&mut self, id: u64, path: RepoPath) -> Result<(), Refusal> {
        let repo = self.writable()?;
        let limits = self.shared.config.snapshot().config.limits.clone();
        let request = LockRequest {
            worktree: repo.path.clone(),
            paths: vec![path.to_string()],
            mode: LockMode::Exclusive,
            holder: self.registration,
            ttl: Duration::from_secs(limits.lock_ttl_seconds),
        };
        let patience = Duration::from_secs(limits.lock_wait_seconds);
        let on_wait = self.waiting_status(&path);
        self.lock_requests.ask(&self.shared, (id, path), request, patience, on_wait)
    }

    /// Says that the participant waits; the bus calls it from its own thread.
    fn waiting_status(&self, path: &RepoPath) -> impl Fn(&[model::Lock]) + Send + use<> {
        let (shared, path) = (Arc::clone(&self.shared), path.clone());
        let (session, participant, actor) = (self.participant.session, self.participant.id, self.actor());
        move |blocking| {
            let holder =
                blocking.first().map_or_else(String::new, |lock| format!(" (held by {})", lock.agent));
            let change = model::StatusChange {
                session,
                participant,
                status: ParticipantStatus::WaitingLock,
                detail: Some(detail::short(&format!("{path}{holder}"))),
            };
            let event = Event::ParticipantStatusChanged(change);
            shared.store.submit(store::Commit::new(actor.clone(), move |_| Ok(vec![event])), |verdict| {
                if let Err(error) = verdict {
                    tracing::warn!(%error, "a status was not recorded");
                }
            });
        }
    }

    pub(super) async fn lock_decided(&mut self, done: Result<Decided, JoinError>) -> Result<(), Refusal> {
        let (id, path, decided) = done.map_err(Refusal::internal)?;
        // The bus's thread may have said that we wait; whatever comes next is to be said again.
        self.status = (ParticipantStatus::WaitingLock, None);
        match decided {
            Ok(acquired) => {
                let token = acquired.locks.first().map_or(0, |lock| lock.token);
                // Asked for again, it is held already: what was there before is kept, whatever is there now.
                if self.tokens.insert(path.clone(), token) != Some(token) {
                    self.keep_known(&path, token).await;
                }
                self.note_base(&path).await;
                // Our own loop writes by the writer; a program does it itself, and says so afterwards.
                if let Some(sight) = self.sight.as_ref().filter(|_| self.participant.driver != Driver::Native)
                {
                    sight.expect(self.registration, &path);
                }
                self.set_status(ParticipantStatus::Editing, Some(path.to_string())).await?;
                self.reply(id, Ok(Reply::Locked { token }));
            }
            Err(error) => {
                self.set_status(ParticipantStatus::Thinking, None).await?;
                self.reply(id, Err(error.refusal().hint("work on something else first, or try again later")));
            }
        }
        Ok(())
    }

    async fn write(
        &mut self,
        path: RepoPath,
        base: Option<String>,
        content: String,
    ) -> Result<Reply, Refusal> {
        let worktree = PathBuf::from(&self.writable()?.path);
        let token = match self.tokens.get(&path) {
            Some(token) => *token,
            None => {
                self.unlocked_edit(&path, &content).await?;
                0
            }
        };
        let change = FileChange {
            session: self.participant.session,
            task: self.order.task.id,
            turn: self.turn,
            participant: self.participant.id,
            path: path.clone(),
            before: base,
            after: String::new(),
            lines_added: 0,
            lines_removed: 0,
            token,
            diff: None,
        };
        let intent = self.shared.workspace.runs().join(self.run.to_string()).join(INTENT);
        let edit = Edit {
            worktree: worktree.clone(),
            holder: self.registration,
            content,
            change,
            intent: intent.clone(),
        };
        let shared = Arc::clone(&self.shared);
        let written = self
            .shared
            .writers
            .run(&worktree, move || {
                let root = edit.worktree.clone();
                let change = writer::write(&shared.bus, &*shared.options.entropy, edit)?;
                shared.strays.wrote(&root, &change.path, Some(&change.after));
                if let Err(error) = shared.known.edited(&root, change.path.as_str()) {
                    tracing::warn!(%error, path = %change.path, "what an edit made is not known");
                }
                Ok(change)
            })
            .await;
        match written {
            Ok(change) => self.written(change, intent).await,
            Err(refusal) => {
                self.refused(path, token, &refusal).await?;
                Err(refusal)
            }
        }
    }

    async fn written(&mut self, change: FileChange, intent: PathBuf) -> Result<Reply, Refusal> {
        let modified = vec![Event::FileModified(change.clone())];
        self.shared.conclude(self.actor(), move |_| Ok(modified.clone())).await?;
        if let Err(error) = std::fs::remove_file(intent) {
            tracing::warn!(%error, "a recorded change is still announced");
        }
        let (hash, lines_added, lines_removed) =
            (change.after.clone(), change.lines_added, change.lines_removed);
        self.announce_change(change).await?;
        Ok(Reply::Written { hash, lines_added, lines_removed })
    }

    /// Records an edit the vendor's program made by itself, and tells the others.
    pub(super) async fn changed(&mut self, change: FileChange) -> Result<(), Refusal> {
        let modified = vec![Event::FileModified(change.clone())];
        self.shared.conclude(self.actor(), move |_| Ok(modified.clone())).await?;
        self.announce_change(change).await
    }

    async fn announce_change(&self, change: FileChange) -> Result<(), Refusal> {
        let FileChange { path, after, token, .. } = change;
        if let Some(repo) = &self.repo {
            self.shared.edited(repo.path.as_ref(), Some(&path), Some(self.participant.session));
        }
        let payload = serde_json::json!({
            "type": FILE_MODIFIED, "file": path, "agent": self.agent(), "hash": after, "token": token,
        });
        let channel: Channel = FILE_MODIFIED.parse().map_err(Refusal::internal)?;
        // The others learn of it late at worst: the edit itself is done and recorded.
        if let Err(error) = self.publish(channel, payload).await {
            tracing::warn!(%error, "nobody was told of a changed file");
        }
        Ok(())
    }

    /// After a call that only looks: what is different is not this turn's, and not to be told as such later.
    pub(super) async fn account_for_others(&self) {
        let Some(sight) = &self.sight else { return };
        if let Err(refusal) = sight.account(&self.shared, self.registration).await {
            tracing::warn!(run = %self.run, %refusal, "what others changed is not accounted for");
        }
    }

    /// After a call that may write: says what changed without a lock, to the journal and to everybody.
    pub(super) async fn look_for_strays(&mut self) -> Result<(), Refusal> {
        let Some(sight) = &self.sight else { return Ok(()) };
        let found = match sight.look(&self.shared, self.registration).await {
            Ok(found) => found,
            Err(refusal) => {
                tracing::warn!(run = %self.run, %refusal, "nobody knows what a shell changed");
                return Ok(());
            }
        };
        if found.files.is_empty() {
            return Ok(());
        }
        if let Some(repo) = &self.repo {
            self.shared.edited(repo.path.as_ref(), None, None);
        }
        let named: Vec<&model::StrayFile> = found.files.iter().take(CONFLICT_NAMED).collect();
        let payload = serde_json::json!({
            "type": "file_conflict", "agent": self.agent(), "files": named,
            "more": found.files.len() - named.len() + found.more as usize,
            "text": "changed without a lock while a call that may write ran; it is in no commit of the task",
        });
        self.address_conflict(&found.holders).await;
        let strays = StrayFiles {
            session: self.participant.session,
            task: self.order.task.id,
            turn: self.turn,
            participant: self.participant.id,
            files: found.files,
            more: found.more,
        };
        self.record(vec![Event::FileStrayed(strays)]).await?;
        if let Err(error) = self.publish(Channel::file_conflict(), payload).await {
            tracing::warn!(%error, "nobody was told of what a shell changed");
        }
        Ok(())
    }

    /// Tells both sides by name, each what concerns it and what can be done.
    async fn address_conflict(&self, holders: &[Holder]) {
        for Holder { id, agent: name, path, way_back } in holders {
            let agent = self.agent();
            let way_back = way_back.as_ref().map_or(String::new(), |way| format!("; {way}"));
            let sides = [
                (
                    *id,
                    format!(
                        "{path} changed without its lock, which you hold, while a call of {agent} ran{way_back}"
                    ),
                ),
                (
                    self.registration,
                    format!(
                        "{path} changed without its lock while a call of yours ran, and {name} holds it; leave it to \
                         {name}{way_back}"
                    ),
                ),
            ];
            for (recipient, text) in sides {
                let payload = serde_json::json!({
                    "type": "file_conflict", "agent": agent, "holder": name, "file": path, "text": text,
                });
                // From the daemon, which saw it: nobody gets what it said itself.
                let mut notice = bus::NewNotice::new(self.shared.user, Channel::file_conflict(), payload);
                notice.recipient = Some(recipient);
                let told = self.shared.blocking(move |shared| {
                    shared.bus.publish(notice).map(drop).map_err(|error| error.refusal())
                });
                if let Err(error) = told.await {
                    tracing::warn!(%error, "one side was not told of what a shell changed");
                }
            }
        }
    }

    async fn refused(&mut self, path: RepoPath, token: u64, refusal: &Refusal) -> Result<(), Refusal> {
        let refused = RefusedEdit {
            session: self.participant.session,
            task: self.order.task.id,
            turn: self.turn,
            participant: self.participant.id,
            claim: Claim { path, token },
            code: refusal.code.to_string(),
            message: refusal.message.clone(),
        };
        self.record(vec![Event::EditRefused(refused)]).await
    }

    async fn ask(&mut self, id: u64, question: String) -> Result<(), Refusal> {
        if question.is_empty() || question.len() > QUESTION_MAX {
            return Err(Refusal::invalid(
                "question_length",
                format!("a question has 1 to {QUESTION_MAX} bytes"),
            ));
        }
        if self.question.is_some() {
            return Err(Refusal::conflict("question_open", "another question still waits for its answer"));
        }
        let (session, participant) = (self.participant.session, self.participant.id);
        let status = ParticipantStatus::NeedsInput;
        let asked = Question {
            session,
            task: self.order.task.id,
            turn: self.turn,
            participant,
            question: question.clone(),
        };
        let change =
            model::StatusChange { session, participant, status, detail: Some(detail::short(&question)) };
        let events = vec![Event::TaskInputRequested(asked), Event::ParticipantStatusChanged(change)];
        let receipt = self.shared.record(self.actor(), events).await?;
        let asked = receipt.records.first().map(|record| record.position.cursor).unwrap_or_default();
        self.status = (status, Some(question));
        self.question = Some(OpenQuestion { request: id, since: Instant::now(), asked });
        self.stand_still();
        Ok(())
    }

    /// The answer is committed already; the run goes on with it.
    pub(super) async fn answered(&mut self, answer: String) -> Result<(), Refusal> {
        let Some(open) = self.question.take() else { return Ok(()) };
        self.go_on();
        self.set_status(ParticipantStatus::Thinking, None).await?;
        self.reply(open.request, Ok(Reply::Answer { text: answer }));
        Ok(())
    }

    /// What was answered or decided counts even when its mail was lost.
    pub(super) async fn catch_up(&mut self) -> Result<(), Refusal> {
        if let Some(open) = self.question
            && let Some(answer) = given_answer(&self.shared, &self.order.task, self.turn, open.asked)?
        {
            self.answered(answer).await?;
        }
        for id in self.permits.waiting() {
            let row = self.shared.store.read(|view| view.permission(id))?;
            if let Some(decision) = row.and_then(|row| row.decision) {
                self.permitted(id, decision.allowed, decision.reason).await?;
            }
        }
        Ok(())
    }

    async fn propose(&mut self, tasks: Vec<PlannedTask>) -> Result<Reply, Refusal> {
        let (TaskKind::Propose, Some(plan)) = (self.order.task.kind, self.order.task.plan) else {
            return Err(Refusal::conflict("no_plan_wanted", "no plan is wanted in this turn"));
        };
        merge::check(self.agent(), &tasks)
            .map_err(|error| Refusal::invalid("plan_invalid", error.to_string()))?;
        let (session, participant, agent) =
            (self.participant.session, self.participant.id, self.agent().clone());
        self.record(vec![Event::PlanProposed(Proposal { plan, session, participant, agent, tasks })]).await?;
        Ok(Reply::Accepted)
    }

    async fn notice(&mut self, channel: &str, text: String) -> Result<Reply, Refusal> {
        let channel: Channel = channel.parse().map_err(|error: String| Refusal::invalid("channel", error))?;
        self.publish(channel, serde_json::json!({ "text": text, "agent": self.agent() })).await?;
        Ok(Reply::Accepted)
    }

    async fn publish(&self, channel: Channel, payload: serde_json::Value) -> Result<(), Refusal> {
        let new = bus::NewNotice::new(self.registration, channel, payload);
        self.shared
            .blocking(move |shared| shared.bus.publish(new).map(drop).map_err(|error| error.refusal()))
            .await
    }

    pub(super) fn writable(&self) -> Result<&model::Repo, Refusal> {
        let kind = self.order.task.kind;
        self.repo.as_ref().filter(|_| start::writes(kind)).ok_or_else(|| {
            Refusal::new(model::RefusalKind::Forbidden, "read_only", "nothing may be edited in this turn")
                .hint("say in words what should be changed")
        })
    }
}

/// The answer to what the turn has asked at this place of the journal; none while nobody has answered.
fn given_answer(
    shared: &Shared,
    task: &Task,
    turn: TurnId,
    asked: Cursor,
) -> Result<Option<String>, Refusal> {
    let targets = shared.store.read(|view| view.task_targets(task.id))?;
    if targets.iter().any(|target| target.turn == Some(turn) && target.state == TaskState::InputRequired) {
        return Ok(None);
    }
    let (reader, mut after) = (shared.store.reader(), asked);
    loop {
        let ReadPage::Records(records) = aside(|| reader.read_after(after, ANSWERS_LOOKED_AT))? else {
            return Ok(None);
        };
        let Some(last) = records.last() else { return Ok(None) };
        after = last.position.cursor;
        let answer = records.into_iter().find_map(|record| match record.event {
            Event::TaskInputAnswered(answer) if answer.turn == turn => Some(answer.answer),
            _ => None,
        });
        if answer.is_some() {
            return Ok(answer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage::Stage;
    use model::Answer;

    #[test]
    fn an_answer_is_found_where_it_was_given_and_only_that_of_the_turn() {
        let stage = Stage::new();
        let (session, seats) = stage.session(&["claude", "kimi"]);
        let mut turns = Vec::new();
        for seat in &seats {
            let task = stage.task(session.id, TaskKind::Prompt, seat.id);
            let (turn, events) = stage.turn(&task, 1);
            stage.commit(vec![Event::TaskSubmitted(task.clone())]);
            stage.commit(events);
            let question = "Red?".to_owned();
            let (participant, session) = (seat.id, session.id);
            let asked = Question { session, task: task.id, turn: turn.id, participant, question };
            stage.commit(vec![Event::TaskInputRequested(asked)]);
            turns.push((task, turn.id, stage.shared.store.durable()));
        }
        let given = |of: usize| {
            let (task, turn, asked) = &turns[of];
            given_answer(&stage.shared, task, *turn, *asked).unwrap()
        };
        assert_eq!((given(0), given(1)), (None, None));
        let (task, turn, _) = &turns[0];
        let answer = "Rather blue".to_owned();
        let answered = Answer { session: session.id, task: task.id, turn: *turn, answer };
        stage.commit(vec![Event::TaskInputAnswered(answered)]);
        assert_eq!((given(0).as_deref(), given(1)), (Some("Rather blue"), None));
    }
}
