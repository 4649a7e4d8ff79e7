//! What an agent is told: the system prompt of its turns, the prompt of each, and the history it sees.

use crate::Config;
use crate::checkpoint;
use crate::engine::Shared;
use crate::turn::Order;
use llm::Turn;
use model::{Block, Message, Participant, Refusal, Repo, Role, TaskKind};
use std::collections::HashMap;
use std::sync::Arc;

/// Messages of the conversation a new turn begins with.
const HISTORY_MAX: usize = 60;
/// Bytes of a change that a reviewer is shown; the rest it reads in the files.
const REVIEW_DIFF_MAX: usize = 24 * 1024;

const RULES: &str = "Several agents work on this repository at the same time, each on tasks of its own. \
Change files only with the edit tools: they take an exclusive lock on the file for you and keep it until your turn is \
over. When a file is locked by another agent, your edit waits; when a file changed since you read it, your edit is refused and you read it \
again. Do not change files through the shell. Stay within your task. Ask the user only when you cannot decide. When you are \
done, say in a few sentences what you did.";

/// The part of the system prompt that follows `You are <agent>,`.
pub(crate) fn system(
    config: &Config,
    participant: &Participant,
    repo: Option<&Repo>,
    kind: TaskKind,
) -> String {
    let mut text = String::from(RULES);
    if let Some(repo) = repo {
        text.push_str(&format!("\n\nThe repository is `{}`; paths are relative to its root.", repo.slug));
        if let Some(command) = &repo.test_command {
            text.push_str(&format!(" Its tests run with `{}`.", command.join(" ")));
        }
    }
    text.push_str(match kind {
        TaskKind::Prompt | TaskKind::Work => "",
        TaskKind::Propose => {
            "\n\nIn this turn you only read and propose. Call propose_plan once with the tasks you would do: for each a short \
             name, a title, instructions complete enough for another agent, and every file it changes."
        }
        TaskKind::Review => {
            "\n\nIn this turn you only read and review. Say what is right, what is wrong and what is missing; change nothing."
        }
    });
    let own = config.agents.get(&participant.agent).map_or("", |agent| agent.instructions.trim());
    if !own.is_empty() {
        text.push_str("\n\n");
        text.push_str(own);
    }
    text
}

/// The prompt of a turn. Reviewers are shown the change they review.
pub(crate) async fn prompt(
    shared: &Arc<Shared>,
    order: &Order,
    participant: &Participant,
    repo: Option<&Repo>,
) -> Result<String, Refusal> {
    let mut text = order.task.prompt.clone();
    if order.attempt > 1 && order.task.kind.may_edit() {
        let done = half_done(shared, order)?;
        if !done.is_empty() {
            text.push_str("\n\nAn earlier attempt at this task was interrupted. It had changed: ");
            text.push_str(&done.join(", "));
            text.push_str(". Look at what is there before you go on.");
        }
    }
    if let (TaskKind::Review, Some(repo)) = (order.task.kind, repo) {
        let change = change_under_review(shared, order, repo).await?;
        text.push_str(&change);
    }
    tracing::debug!(task = %order.task.id, agent = %participant.agent, bytes = text.len(), "prompt made");
    Ok(text)
}

fn half_done(shared: &Shared, order: &Order) -> Result<Vec<String>, Refusal> {
    let changes = shared.store.read(|view| view.file_changes(order.task.id))?;
    let mut paths: Vec<String> = changes.into_iter().map(|row| row.change.path.to_string()).collect();
    paths.sort();
    paths.dedup();
    Ok(paths)
}

async fn change_under_review(shared: &Arc<Shared>, order: &Order, repo: &Repo) -> Result<String, Refusal> {
    let reviewed = order.task.depends_on.clone();
    let session = order.task.session;
    let commits: Vec<(String, Vec<model::RepoPath>)> = shared.store.read(|view| {
        let made = view.checkpoints(session)?.into_iter();
        let of = |git_ref: &str| reviewed.iter().any(|task| git_ref.ends_with(&task.to_string()));
        Ok(made.filter(|made| of(&made.git_ref)).map(|made| (made.commit, made.paths)).collect())
    })?;
    let path = repo.path.clone();
    let diffs = shared.blocking(move |shared| {
        let repository = checkpoint::open(shared, &path)?;
        let mut text = String::new();
        for (commit, paths) in commits {
            let commit: git::Oid = commit.parse().map_err(Refusal::internal)?;
            let parent = repository.parent(&commit)?;
            let diff = repository.diff(parent.as_ref(), &commit, &paths)?;
            text.push_str(&diff.text);
        }
        Ok(text)
    });
    let mut text = diffs.await?;
    if text.is_empty() {
        return Ok(String::new());
    }
    if text.len() > REVIEW_DIFF_MAX {
        text.truncate(text.floor_char_boundary(REVIEW_DIFF_MAX));
        text.push_str("\n… (the rest is in the files)\n");
    }
    Ok(format!("\n\nThe change:\n\n```diff\n{text}```\n"))
}

/// The conversation as this agent saw it: what the user said to all, what it said and did itself, and
/// what others said. Plans begin with fresh context.
pub(crate) fn history(
    shared: &Shared,
    order: &Order,
    participant: &Participant,
) -> Result<Vec<Turn>, Refusal> {
    if order.task.kind != TaskKind::Prompt {
        return Ok(Vec::new());
    }
    let session = participant.session;
    let (messages, names) = shared.store.read(|view| {
        let names: HashMap<_, _> = view
            .participants(session)?
            .into_iter()
            .map(|row| (row.participant.id, row.participant.agent.to_string()))
            .collect();
        Ok((view.messages(session, None, HISTORY_MAX)?, names))
    })?;
    let before = messages.into_iter().filter(|message| message.task != Some(order.task.id));
    let seen = before.filter_map(|message| as_seen_by(participant, &names, message));
    Ok(seen.skip_while(|turn| turn.role != Role::User).collect())
}

fn as_seen_by(
    participant: &Participant,
    names: &HashMap<model::ParticipantId, String>,
    message: Message,
) -> Option<Turn> {
    match (message.role, message.participant) {
        (Role::User, _) => Some(Turn::new(Role::User, message.blocks)),
        (Role::Assistant | Role::Tool, Some(by)) if by == participant.id => {
            Some(Turn::new(message.role, message.blocks))
        }
        (Role::Assistant, Some(by)) => {
            let text = message.text();
            let name = names.get(&by).map_or("another agent", String::as_str);
            (!text.is_empty())
                .then(|| Turn::new(Role::User, vec![Block::Text { text: format!("{name} said:\n{text}") }]))
        }
        (Role::Tool | Role::System | Role::Assistant, _) => None,
    }
}
