//! `coditect task`: pieces of wanted work.

mod pool;
mod terms;
mod wait;

pub(crate) use terms::Terms;
pub(crate) use wait::{settled, verdict, wait_for};

use super::Outcome;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::render::{Cell, Paint, Sheet, Table};
use clap::{Args, Subcommand};
use client::Client;
use model::{OnFailed, TaskState};
use protocol::{
    GitState, KeptWorktree, NewAnswer, NewSteer, Plan, SessionTaskQuery, Task as Shown, TaskMove, TaskQuery,
};

#[derive(Debug, Subcommand)]
pub(crate) enum Task {
    /// List the tasks of the workspace that have not ended, or those in the given states
    #[command(
        visible_alias = "ls",
        after_help = "Examples:\n  coditect task list\n  coditect task list --state failed,canceled --json"
    )]
    List(List),
    /// Show a task, what it changed and what it came to
    #[command(after_help = "Examples:\n  coditect task show q4x9\n  coditect task show q4x9 --json")]
    Show(One),
    /// Cancel a task, or a plan with all its tasks, and stop its turns, whoever has the input
    #[command(after_help = "Examples:\n  coditect task cancel q4x9\n  coditect task cancel q4x9 --json")]
    Cancel(Cancel),
    /// Give a waiting task another place in its session's queue
    #[command(
        after_help = "Examples:\n  coditect task move q4x9 --before m2kd\n  coditect task move q4x9 --priority 5 --json"
    )]
    Move(Move),
    /// Change what a task waits for, its deadline and its other terms
    #[command(
        after_help = "Examples:\n  coditect task change q4x9 --depends-on m2kd,7zz1 --on-failed wait\n  coditect task change q4x9 --deadline 8h --attempts 3 --backoff 60"
    )]
    Change(terms::Change),
    /// List the tasks that wait for whoever claims them
    #[command(after_help = "Examples:\n  coditect task pool\n  coditect task pool --json")]
    Pool,
    /// Claim a task of the pool for a while: nobody else gets it until then
    #[command(
        after_help = "Examples:\n  coditect task claim --as builder-7 --can rust\n  coditect task claim q4x9 --for 1800 --json"
    )]
    Claim(pool::Claim),
    /// Go on with a claimed task
    #[command(
        after_help = "Examples:\n  coditect task renew q4x9 --token 1\n  coditect task renew q4x9 --token 1 --for 1800 --json"
    )]
    Renew(pool::Renew),
    /// End a claimed task
    #[command(
        after_help = "Examples:\n  coditect task finish q4x9 --token 1 \"The tests pass\"\n  coditect task finish q4x9 --token 1 --failed \"There is no such table\""
    )]
    Finish(pool::Finish),
    /// Give a claimed task back to the pool
    #[command(
        after_help = "Examples:\n  coditect task release q4x9 --token 1\n  coditect task release q4x9 --token 1 --json"
    )]
    Release(pool::Release),
    /// Answer what an agent asked
    #[command(
        after_help = "Examples:\n  coditect task answer q4x9 \"Yes, keep the old name\"\n  coditect task answer q4x9 -"
    )]
    Answer(Answer),
    /// Tell the agents who work on a task something, without ending their turns
    #[command(
        after_help = "Examples:\n  coditect task steer q4x9 \"Leave the tests as they are\"\n  coditect task steer q4x9 -"
    )]
    Steer(Steer),
    /// Wait until tasks have ended; exit code 8 when one of them waits for you
    #[command(
        after_help = "Examples:\n  coditect task wait q4x9\n  coditect task wait q4x9 m2kd --timeout 600"
    )]
    Wait(Wait),
}

#[derive(Debug, Args)]
pub(crate) struct One {
    /// Id or short id of the task, or the start of it
    task: String,
}

#[derive(Debug, Args)]
pub(crate) struct Cancel {
    /// Id or short id of the task or plan, or the start of it
    id: String,
}

#[derive(Debug, Args)]
pub(crate) struct List {
    /// States, with commas between: submitted, working, input_required, completed, failed, canceled, rejected
    #[arg(long, value_name = "STATES")]
    state: Option<String>,
    /// Only the tasks of this session, ended ones too
    #[arg(long, conflicts_with = "state")]
    session: Option<String>,
    /// The newest so many, 200 at most
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Those that are older than this task: `next` of a page with --json
    #[arg(long, value_name = "TASK")]
    before: Option<String>,
}

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("to").required(true).args(["before", "last", "priority"]))]
pub(crate) struct Move {
    /// Id or short id of the task, or the start of it
    task: String,
    /// Just before this waiting task, with its priority
    #[arg(long, value_name = "TASK")]
    before: Option<String>,
    /// Behind all others
    #[arg(long)]
    last: bool,
    /// Higher goes first
    #[arg(long, allow_negative_numbers = true)]
    priority: Option<i32>,
    #[command(flatten)]
    seat: Seat,
}

/// Where somebody acts, for what only one at a time may do.
#[derive(Debug, Args)]
pub(crate) struct Seat {
    /// The attached client you act in; refused while another one has the session's input
    #[arg(long, value_name = "CLIENT")]
    pub(crate) client: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Answer {
    /// Id or short id of the task, or the start of it
    task: String,
    /// The answer; `-` reads it from stdin
    answer: String,
    #[command(flatten)]
    seat: Seat,
}

#[derive(Debug, Args)]
pub(crate) struct Steer {
    /// Id or short id of the task, or the start of it
    task: String,
    /// What to tell them; `-` reads it from stdin
    text: String,
    #[command(flatten)]
    seat: Seat,
}

#[derive(Debug, Args)]
pub(crate) struct Wait {
    /// Ids or short ids of tasks, or the start of them
    #[arg(required = true)]
    tasks: Vec<String>,
}

impl Task {
    pub(crate) fn run(self, context: &Context) -> Outcome {
        match self {
            Self::List(wish) => list(context, wish),
            Self::Show(one) => {
                let task = context
                    .talk("asking the daemon", async |client| Ok(client.task(&one.task).await?.value))?;
                show(context, &task)
            }
            Self::Cancel(Cancel { id }) => {
                match context.talk("canceling", async |client| canceled(client, &id).await)? {
                    Canceled::Task(task) => show(context, &task),
                    Canceled::Plan(plan) => show_plan(context, &plan),
                }
            }
            Self::Move(Move { task, before, last, priority, seat }) => {
                let to = TaskMove { priority, before, last, client: seat.client };
                let queue = context
                    .talk("moving the task", async |client| Ok(client.move_task(&task, &to, None).await?))?;
                context.screen.show(&queue, || table(context, &queue.items))?;
                Ok(Exit::Done)
            }
            Self::Answer(Answer { task, answer, seat }) => {
                let answer = NewAnswer { answer: context.text(&answer)?, client: seat.client };
                let task = context
                    .talk("answering", async |client| Ok(client.answer_task(&task, &answer, None).await?))?;
                show(context, &task)
            }
            Self::Steer(Steer { task, text, seat }) => {
                let words = NewSteer { text: context.text(&text)?, client: seat.client };
                let task = context.talk("telling the agents", async |client| {
                    Ok(client.steer_task(&task, &words, None).await?)
                })?;
                show(context, &task)
            }
            Self::Change(change) => change.run(context),
            Self::Pool => pool::list(context),
            Self::Claim(claim) => claim.run(context),
            Self::Renew(renew) => renew.run(context),
            Self::Finish(finish) => finish.run(context),
            Self::Release(release) => release.run(context),
            Self::Wait(wait) => wait_for(context, wait.tasks),
        }
    }
}

fn list(context: &Context, wish: List) -> Outcome {
    let List { state, session, limit, before } = wish;
    let tasks = context.talk("asking the daemon", async |client| {
        let before = match &before {
            Some(before) => Some(client.task(before).await?.value.id),
            None => None,
        };
        match &session {
            Some(session) => {
                let query = SessionTaskQuery { before, limit };
                Ok(client.session_tasks_page(session, &query).await?.value)
            }
            None => Ok(client.tasks(&TaskQuery { state, before, limit }).await?),
        }
    })?;
    context.screen.show(&tasks, || table(context, &tasks.items))?;
    if let Some(next) = tasks.next.as_ref().filter(|_| !context.screen.json) {
        context.screen.say(&format!("there are older ones: `--before {next}`"));
    }
    Ok(Exit::Done)
}

enum Canceled {
    Task(Box<Shown>),
    Plan(Box<Plan>),
}

/// A short id may be of either; what is no task may be a plan.
async fn canceled(client: &Client, id: &str) -> Result<Canceled, Failure> {
    let no_task = match client.cancel_task(id, None).await {
        Ok(task) => return Ok(Canceled::Task(Box::new(task))),
        Err(error) if error.code() == "not_found" => error,
        Err(error) => return Err(error.into()),
    };
    match client.cancel_plan(id, None).await {
        Ok(plan) => Ok(Canceled::Plan(Box::new(plan))),
        Err(error) if error.code() == "not_found" => Err(no_task.into()),
        Err(error) => Err(error.into()),
    }
}

pub(crate) fn show_plan(context: &Context, plan: &Plan) -> Outcome {
    context.screen.show_sheet(plan, || {
        Sheet::new()
            .row("id", plan.id.to_string())
            .painted("short id", &plan.short_id, Paint::Note)
            .row("state", plan.state.as_str())
            .row("session", plan.session.to_string())
            .row("tasks", plan.tasks.len().to_string())
            .maybe("worktrees", plan.worktrees.then(|| "one for each agent".to_owned()))
            .maybe("kept", kept(plan.kept.as_deref()))
            .maybe("result", plan.text.clone())
    })?;
    Ok(Exit::Done)
}

/// Worktrees that stay after a plan's end, and why, one in a line.
pub(crate) fn kept(kept: Option<&[KeptWorktree]>) -> Option<String> {
    let lines: Vec<String> =
        kept?.iter().map(|one| format!("{} at {}: {}", one.name, one.path, one.reason)).collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}

pub(crate) fn show(context: &Context, task: &Shown) -> Outcome {
    context.screen.show_sheet(task, || {
        let to: Vec<String> = task
            .targets
            .iter()
            .map(|target| target.agent.as_ref().map_or(target.participant.short(), ToString::to_string))
            .collect();
        let changes: Vec<String> = task
            .changes
            .iter()
            .map(|change| format!("{} (+{} −{})", change.path, change.lines_added, change.lines_removed))
            .collect();
        Sheet::new()
            .row("id", task.id.to_string())
            .painted("short id", &task.short_id, Paint::Note)
            .painted("title", &task.title, Paint::Strong)
            .painted("state", task.state.as_str(), paint(task.state))
            .row("kind", task.kind.as_str())
            .row("agents", to.join(", "))
            .maybe("wants", (!task.wants.is_empty()).then(|| task.wants.join(", ")))
            .maybe(
                "claimed",
                task.claim.as_ref().map(|claim| {
                    format!("by {} until {}, token {}", claim.holder, claim.expires_at, claim.token)
                }),
            )
            .maybe("waits for", waits_for(task))
            .maybe("deadline", task.deadline.map(|at| at.to_string()))
            .maybe("not before", task.not_before.map(|at| at.to_string()))
            .row("attempt", task.attempt.to_string())
            .row("priority", task.priority.to_string())
            .row("session", task.session.to_string())
            .maybe("plan", task.plan.map(|plan| plan.to_string()))
            .maybe(
                "messages",
                task.messages.as_ref().map(|range| {
                    format!("{} from {} to {}", range.count, range.first.short(), range.last.short())
                }),
            )
            .maybe("git before", task.git_start.as_ref().map(standing))
            .maybe("git after", task.git_end.as_ref().map(standing))
            .maybe("changes", (!changes.is_empty()).then(|| changes.join("\n")))
            .maybe("question", task.question.as_ref().map(|asked| asked.question.clone()))
            .maybe("result", task.text.clone())
            .maybe("code", task.code.clone())
            .row("prompt", &task.prompt)
    })?;
    if let Some(asked) = &task.question {
        context.screen.say(&how_to_answer(&asked.task.short()));
    }
    Ok(Exit::Done)
}

fn waits_for(task: &Shown) -> Option<String> {
    let ids: Vec<String> = task.depends_on.iter().map(|id| id.short()).collect();
    let stays = if task.on_failed == OnFailed::Wait { ", also when one fails" } else { "" };
    (!ids.is_empty()).then(|| format!("{}{stays}", ids.join(", ")))
}

/// Where a checkout stood.
fn standing(git: &GitState) -> String {
    let commit = git.commit.as_deref().map_or("no commit", |oid| oid.get(..12).unwrap_or(oid));
    let branch = git.branch.as_deref().unwrap_or("no branch");
    format!("{branch} at {commit}{}", if git.dirty { ", with changes" } else { "" })
}

pub(crate) fn how_to_answer(short_id: &str) -> String {
    format!("answer with `coditect task answer {short_id} \"…\"`")
}

pub(crate) fn table(context: &Context, tasks: &[Shown]) -> Table {
    Table::of(&["ID", "TITLE", "STATE", "AGENTS", "TRY", "UPDATED"], tasks, |task| {
        let to: Vec<&str> =
            task.targets.iter().filter_map(|one| one.agent.as_ref().map(|a| a.as_str())).collect();
        vec![
            Cell::new(&task.short_id).paint(Paint::Note).piped(task.id.to_string()),
            Cell::new(&task.title).paint(Paint::Strong),
            Cell::new(task.state.as_str()).paint(paint(task.state)),
            Cell::new(to.join(",")),
            Cell::new(task.attempt.to_string()),
            Cell::time(context.now(), task.updated_at),
        ]
    })
}

pub(crate) const fn paint(state: TaskState) -> Paint {
    match state {
        TaskState::Submitted => Paint::Dim,
        TaskState::Working => Paint::Note,
        TaskState::InputRequired => Paint::Warm,
        TaskState::Completed => Paint::Good,
        TaskState::Failed | TaskState::Rejected => Paint::Bad,
        TaskState::Canceled => Paint::Dim,
    }
}
