//! Plans: several agents propose, the proposals are merged, the tasks are done under locks.

mod clear;
pub(crate) mod land;
mod settle;
pub(crate) mod step;
mod tip;
pub(crate) mod worktree;

use crate::actor::Mail;
use crate::checkpoint;
use crate::engine::Shared;
use crate::message::{check_queue, prompt_text, targets_of, user_message};
use crate::task::{CANCELED, canceled};
use crate::{Call, Engine, PlanView};
use model::{
    AgentName, Event, Participant, Plan, PlanEnd, PlanId, PlanState, Refusal, SessionId, Task, TaskKind,
};
use store::{PlanRow, View};

/// Longest title made from a prompt, in characters.
const TITLE_MAX: usize = 80;

#[derive(Debug, Clone, Default)]
pub struct NewPlan {
    pub prompt: String,
    /// Empty: every participant.
    pub agents: Vec<AgentName>,
    /// Each agent does its tasks in a worktree of its own.
    pub worktrees: bool,
}

impl Engine {
    /// Starts a coordinated change: every agent is asked for a plan at the same time, and the rest follows.
    pub async fn coordinate(
        &self,
        call: &Call,
        session: SessionId,
        new: NewPlan,
    ) -> Result<PlanView, Refusal> {
        call.only_user()?;
        let new = NewPlan { prompt: prompt_text(&new.prompt)?, ..new };
        if new.worktrees {
            self.may_have_worktrees(session).await?;
        }
        let shared = &self.shared;
        let (plan_id, now) = (shared.new_id(), shared.now());
        let limit = shared.config.snapshot().config.limits.queue_depth;
        let message = user_message(shared, session, None, &new.prompt);
        let NewPlan { agents, prompt, worktrees } = new;
        let (keys, may_type) = (self.key_check(), self.input_check(call, session));
        let task_ids: Vec<_> = (0..MAX_PARTICIPANTS).map(|_| shared.new_id()).collect();
        let command = move |view: &View<'_>| {
            let row = view.session(session)?.ok_or_else(|| Refusal::not_found("session", session))?;
            may_type()?;
            let repo = row.session.repo.ok_or_else(|| {
                Refusal::invalid("no_repo", "the session works in no repository")
                    .hint("start a session with a repo: `coditect session start --repo PATH`")
            })?;
            if let Some(open) = view.open_plans()?.into_iter().find(|open| open.plan.session == session) {
                let message = format!("plan {} is still under way in this session", open.plan.id.short());
                return Err(Refusal::conflict("plan_open", message)
                    .hint("wait for it, cancel it (`coditect task cancel ID`), or start another session"));
            }
            let participants = targets_of(view, session, &agents)?;
            keys(&participants)?;
            check_queue(view, session, participants.len(), limit)?;
            let plan = Plan {
                id: plan_id,
                session,
                repo,
                prompt: prompt.clone(),
                participants: participants.iter().map(|one| one.id).collect(),
                branch: view.repo(repo)?.and_then(|repo| git::branch_at(repo.path.as_ref())),
                worktrees,
                created_at: now,
            };
            let mut events = vec![Event::MessageAppended(message), Event::PlanCreated(plan)];
            for (participant, id) in participants.iter().zip(task_ids) {
                events.push(Event::TaskSubmitted(propose_task(
                    id,
                    plan_id,
                    session,
                    participant,
                    &prompt,
                    now,
                )));
            }
            Ok(events)
        };
        let receipt = shared.commit(call.actor(), call.key.clone(), command).await?;
        let plan = receipt.records.iter().find_map(|record| match &record.event {
            Event::PlanCreated(plan) => Some(plan.id),
            _ => None,
        });
        shared.tell(session, Mail::Look).await;
        self.plan(plan.ok_or_else(|| Refusal::internal("the commit made no plan"))?)
    }

    /// Refuses where no worktree could be made.
    async fn may_have_worktrees(&self, session: SessionId) -> Result<(), Refusal> {
        let repo =
            self.shared.store.read(|view| match view.session(session)?.and_then(|row| row.session.repo) {
                Some(repo) => view.repo(repo),
                None => Ok(None),
            })?;
        // That there is none is said by the command.
        let Some(repo) = repo else { return Ok(()) };
        let look = move |shared: &Shared| {
            let head = checkpoint::open(shared, &repo.path)?.head()?;
            head.map(drop).ok_or_else(tip::no_commit)
        };
        self.shared.blocking(look).await
    }

    /// Ends a plan with all its tasks; tests that run are ended, and nothing is put on the branch any more. What its
    /// tasks had done is in the worktree and under refs of ours.
    pub async fn cancel_plan(&self, call: &Call, plan: PlanId) -> Result<PlanView, Refusal> {
        call.only_user()?;
        let text = self.where_canceled_work_is(plan).await?;
        let command = move |view: &View<'_>| {
            let row = view.plan(plan)?.ok_or_else(|| Refusal::not_found("plan", plan))?;
            let canceled_before = || row.text.as_ref().is_some_and(|text| text.starts_with(CANCELED));
            match row.state {
                PlanState::Failed if canceled_before() => return Ok(Vec::new()),
                PlanState::Completed | PlanState::Failed => {
                    let message = format!("the plan is {} already", row.state.as_str());
                    return Err(Refusal::conflict("plan_ended", message));
                }
                PlanState::Proposing | PlanState::Executing | PlanState::Testing => {}
            }
            let end = PlanEnd { plan, session: row.plan.session, text: text.clone() };
            let mut events = vec![Event::PlanFailed(end)];
            events.extend(canceled(view, &view.plan_tasks(plan)?, CANCELED)?);
            Ok(events)
        };
        let receipt = self.shared.commit(call.actor(), call.key.clone(), command).await?;
        let session = self.plan(plan)?.plan.session;
        self.shared.tell(session, Mail::CancelPlan(plan)).await;
        for record in receipt.records {
            if let Event::TaskCanceled(end) = record.event {
                self.shared.tell(end.session, Mail::Cancel(end.task)).await;
            }
        }
        self.plan(plan)
    }

    /// What a plan says that is canceled now. While something settles, its tip has not all of its work.
    async fn where_canceled_work_is(&self, plan: PlanId) -> Result<String, Refusal> {
        let shared = &self.shared;
        let (row, tasks, repo) = shared.store.read_or_refuse(|view| {
            let row = view.plan(plan)?.ok_or_else(|| Refusal::not_found("plan", plan))?;
            let repo = view.repo(row.plan.repo)?;
            Ok((row, view.plan_tasks(plan)?, repo))
        })?;
        match repo {
            Some(repo) if row.plan.worktrees && !settle::settled(&row, &tasks).is_empty() => {
                Ok(settle::with_what_is_kept(shared, &row, &repo, CANCELED.to_owned()).await)
            }
            _ => Ok(format!("{CANCELED}; {}", step::KEPT)),
        }
    }

    /// Plans of a session, newest last.
    pub fn plans(&self, session: SessionId) -> Result<Vec<PlanView>, Refusal> {
        let rows = self.shared.store.read_or_refuse(|view| {
            view.session(session)?.ok_or_else(|| Refusal::not_found("session", session))?;
            Ok(view.plans(session)?)
        })?;
        rows.into_iter().map(|row| self.plan_view(row)).collect()
    }

    pub fn plan(&self, plan: PlanId) -> Result<PlanView, Refusal> {
        let row = self
            .shared
            .store
            .read_or_refuse(|view| view.plan(plan)?.ok_or_else(|| Refusal::not_found("plan", plan)))?;
        self.plan_view(row)
    }

    fn plan_view(&self, row: PlanRow) -> Result<PlanView, Refusal> {
        let tasks = row.tasks.iter().map(|task| self.task(*task)).collect::<Result<Vec<_>, _>>()?;
        Ok(PlanView {
            plan: row.plan,
            state: row.state,
            proposals: row.proposals,
            merged: row.merged,
            tests: row.tests,
            text: row.text,
            kept: row.kept,
            tasks,
        })
    }
}

/// Participants a session can have.
pub(crate) const MAX_PARTICIPANTS: usize = 32;

fn propose_task(
    id: model::TaskId,
    plan: PlanId,
    session: SessionId,
    participant: &Participant,
    prompt: &str,
    created_at: model::Timestamp,
) -> Task {
    Task {
        id,
        session,
        plan: Some(plan),
        kind: TaskKind::Propose,
        title: format!("Propose: {}", title_of(prompt)),
        prompt: prompt.to_owned(),
        targets: vec![participant.id],
        priority: 0,
        depends_on: Vec::new(),
        files: Vec::new(),
        terms: model::TaskTerms::default(),
        created_at,
    }
}

/// The first line of a prompt, short enough for a list.
pub(crate) fn title_of(prompt: &str) -> String {
    let line = prompt.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("");
    let line = line.trim_start_matches('#').trim();
    let mut title: String = line.chars().take(TITLE_MAX).collect();
    if line.chars().count() > TITLE_MAX {
        title.push('…');
    }
    title
}
