//! `coditect run`: agents plan and change a repository together, while somebody watches.

mod question;
mod summary;

use super::session::seated;
use super::{Outcome, permission, repo, task};
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::follow::{Follower, Step};
use crate::render::Paint;
use clap::Args;
use client::Client;
use model::AgentName;
use protocol::{NewPlan, NewSession, Plan, RepoPatch, Session};
use question::{Asked, Desk};

/// Longest title made from a prompt, in characters.
const TITLE_MAX: usize = 60;

/// Registers the repository if need be, starts a session, and lets its agents plan, merge their plans, and do the
/// tasks under locks. Says on stderr who does what, asks you what they ask, and ends with a summary.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  coditect run --agents claude,codex \"Make the tests pass\"\n  coditect run --worktrees --no-input --json \"Add a dark mode\""
)]
pub(crate) struct Run {
    /// What is wanted; `-` reads it from stdin
    prompt: String,
    /// A registered repository, or a folder
    #[arg(short, long, default_value = ".")]
    repo: String,
    /// Agents; without it, all that have their keys
    #[arg(short, long, value_delimiter = ',', value_name = "NAMES")]
    agents: Vec<AgentName>,
    /// Command that runs the repository's tests at the end; it is remembered for the repository
    #[arg(long, value_name = "COMMAND")]
    test: Option<String>,
    /// Each agent does its tasks in a git worktree of its own; all of it comes to the branch at the end
    #[arg(long)]
    worktrees: bool,
    /// End as soon as the work has begun
    #[arg(long)]
    detach: bool,
}

impl Run {
    pub(crate) fn run(self, context: &Context) -> Outcome {
        let prompt = context.text(&self.prompt)?;
        let began = context.host.clock.uptime();
        context.follow(async |client| {
            let (session, repo) = self.seat(context, client, &prompt).await?;
            let mut follower = Follower::of_session(context, client, &session.id.to_string(), None).await?;
            let new = NewPlan { prompt, worktrees: self.worktrees, ..NewPlan::default() };
            let plan = client.coordinate(&session.id.to_string(), &new, None).await?;
            context.screen.say_of("session   ", Paint::Note, &format!("{} in {repo}", session.short_id));
            if self.detach {
                return detached(context, &session, &plan);
            }
            let ended = tokio::select! {
                ended = attend(context, client, &mut follower, &plan) => ended?,
                _ = tokio::signal::ctrl_c() => return Err(interrupted(&session, &plan)),
            };
            let took = context.host.clock.uptime().saturating_sub(began);
            summary::show(context, client, &session, &ended, &follower.narrator, took).await
        })
    }

    /// The repository, and a session in it.
    async fn seat(
        &self,
        context: &Context,
        client: &Client,
        prompt: &str,
    ) -> Result<(Session, String), Failure> {
        let mut repo = repo::registered(context, client, &self.repo).await?;
        if let Some(test) = &self.test {
            let test_command = Some(Some(repo::argv(test)?));
            if Some(&repo.test_command) != test_command.as_ref() {
                let patch = RepoPatch { slug: None, test_command };
                repo = client.change_repo(&repo.id.to_string(), &patch, None).await?;
            }
        }
        let agents = seated(client, self.agents.clone()).await?;
        let new = NewSession {
            title: title(prompt),
            repo: Some(repo.id.to_string()),
            agents,
            board: None,
            parent: None,
        };
        Ok((client.create_session(&new, None).await?, repo.path))
    }
}

/// How the watching ended.
pub(super) enum Ended {
    /// The plan is completed or failed.
    Plan(Box<Plan>),
    /// An agent asks and nobody is there to answer.
    Asked(Box<Plan>, Asked),
}

/// Follows the plan until it has ended, and answers what is asked.
async fn attend(
    context: &Context,
    client: &Client,
    follower: &mut Follower<'_>,
    plan: &Plan,
) -> Result<Ended, Failure> {
    let id = plan.id.to_string();
    let mut desk = Desk::default();
    loop {
        if follower.is_worth_a_look() {
            let plan = client.plan(&id).await?.value;
            // Which worktrees stay is known a moment after its end.
            if plan.state.is_terminal() && (plan.kept.is_some() || !plan.worktrees) {
                return Ok(Ended::Plan(Box::new(plan)));
            }
            let asked = question::all(client, &plan).await?;
            match asked.first() {
                Some(first) if !context.may_ask() => {
                    let first = first.clone();
                    return Ok(Ended::Asked(Box::new(plan), first));
                }
                _ => desk.take(asked),
            }
        }
        desk.ask(context, &follower.narrator);
        tokio::select! {
            step = follower.next() => {
                // The desk says the questions itself, one after the other.
                if let Step::Event { record, saying: Some(saying) } = step?
                    && !(is_asked(&record.kind) && context.may_ask())
                {
                    saying.say(&context.screen);
                }
            }
            answer = desk.answered() => match answer {
                Some((asked, answer)) => question::send(context, client, &asked, answer).await?,
                None => {
                    // The keyboard is gone; what is still asked is answered elsewhere.
                    let plan = client.plan(&id).await?.value;
                    if let Some(first) = question::all(client, &plan).await?.into_iter().next() {
                        return Ok(Ended::Asked(Box::new(plan), first));
                    }
                }
            },
        }
    }
}

/// The desk says these itself.
fn is_asked(kind: &str) -> bool {
    matches!(kind, "task.input_requested" | "permission.requested")
}

fn detached(context: &Context, session: &Session, plan: &Plan) -> Outcome {
    if context.screen.json {
        context.screen.document(&serde_json::json!({ "session": session.id, "plan": plan.id }))?;
    } else {
        context.screen.text(&session.id.to_string())?;
    }
    context.screen.say(&format!("watch it with `coditect session watch {}`", session.short_id));
    Ok(Exit::Done)
}

fn interrupted(session: &Session, plan: &Plan) -> Failure {
    let (id, plan) = (&session.short_id, &plan.short_id);
    Failure::new(Exit::Interrupted, "interrupted", "you stopped watching; the agents go on").hint(format!(
        "watch again with `coditect session watch {id}`; end it all with `coditect task cancel {plan}`"
    ))
}

/// What an agent asks when nobody is there, and how to go on.
fn unanswered(context: &Context, session: &Session, asked: &Asked) {
    context.screen.say(&match asked {
        Asked::Question(question) => task::how_to_answer(&question.task.short()),
        Asked::Permission(permission) => permission::how_to_decide(&permission.short_id),
    });
    context
        .screen
        .say(&format!("then watch on with `coditect session watch {} --until-idle`", session.short_id));
}

/// The first line of the prompt, cut.
fn title(prompt: &str) -> String {
    let line = prompt.lines().find(|line| !line.trim().is_empty()).unwrap_or_default().trim();
    if line.chars().count() <= TITLE_MAX {
        return line.to_owned();
    }
    let kept: String = line.chars().take(TITLE_MAX - 1).collect();
    format!("{kept}…")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_is_the_start_of_the_prompt() {
        assert_eq!(title("\n  Fix it \nplease"), "Fix it");
        assert_eq!(title(&"é".repeat(200)).chars().count(), TITLE_MAX);
        assert_eq!(title(""), "");
    }
}
