//! What an agent is told: the system prompt of its turns, the prompt of each, and the history it sees.

use crate::checkpoint;
use crate::config::Compactor;
use crate::engine::Shared;
use crate::fragments::Key;
use crate::plan::land;
use crate::turn::Order;
use crate::turn::standing::Standing;
use crate::window::{LOOKED_AT_MAX, Window, bytes, tokens};
use llm::Turn;
use model::{Driver, HistoryBy, Participant, Refusal, Repo, RepoPath, Role, Session, TaskKind};
use std::path::Path;
use std::sync::Arc;

/// How many messages are looked at for each that is shown: those of tools are many, and left out.
const LOOKED_AT_PER_SHOWN: usize = 20;
/// Messages of a transcript that are replayed to an agent that begins in the middle of a conversation.
const REPLAYED_MESSAGES: usize = 200;
/// Bytes of it; the older ones are left out.
const REPLAYED_BYTES: usize = 128 * 1024;
/// Changed files that are named.
const CHANGED_NAMED: usize = 20;
/// Bytes of a change that a reviewer is shown; the rest it reads in the files.
const REVIEW_DIFF_MAX: usize = 24 * 1024;

const RULES: &str = "Several agents work on this repository at the same time, each on tasks of its own. \
Change files only with the edit tools: they take an exclusive lock on the file for you and keep it until your turn is \
over. When a file is locked by another agent, your edit waits; when a file changed since you read it, your edit is refused and you read it \
again. Do not change files through the shell. Stay within your task. Ask the user only when you cannot decide. When you are \
done, say in a few sentences what you did.";

/// The part of the system prompt that follows `You are <agent>,`. Our own loop is told as well what the vendors' programs find
/// out by themselves: where it is, what state the repository is in, and what its files ask of agents. What the others do not read of
/// those files their runs tell them. All but the state is made once and kept until what it is made of changes.
pub(crate) async fn system(
    shared: &Arc<Shared>,
    participant: &Participant,
    repo: Option<&Repo>,
    kind: TaskKind,
    standing: Option<&Standing>,
) -> String {
    let snapshot = shared.config.snapshot();
    let (agent, driver) = (&participant.agent, participant.driver);
    let own = || snapshot.config.agents.get(agent).map_or("", |agent| agent.instructions.trim());
    let key = Key::new(agent, driver, kind, repo);
    let mut text =
        shared.fragments.part(snapshot.version, key, || lasting(driver, repo, kind, own())).to_string();
    let Some(repo) = repo.filter(|_| driver == Driver::Native) else { return text };
    let path = repo.path.clone();
    let whole = text.clone() + &surroundings(&path, standing);
    let found = shared
        .blocking(move |shared| Ok(shared.fragments.files.before(&whole, Path::new(&path), shared.now())));
    // Without them it still has its rules.
    if let Ok(whole) = found.await {
        text = whole;
    }
    text
}

/// What does not change from turn to turn.
fn lasting(driver: Driver, repo: Option<&Repo>, kind: TaskKind, own: &str) -> String {
    let mut text = rules(driver, repo, kind);
    if !own.is_empty() {
        text.push_str("\n\n");
        text.push_str(own);
    }
    text
}

/// Where the agent is and what it finds there. What git did not say is left out.
fn surroundings(root: &str, standing: Option<&Standing>) -> String {
    let mut text = format!("\n\nYou work in {root}.");
    if let Some(Standing { state, changed }) = standing {
        match &state.branch {
            Some(branch) => text.push_str(&format!(" The branch is `{branch}`.")),
            None => text.push_str(" No branch is checked out."),
        }
        if let Some(head) = &state.commit {
            text.push_str(&format!(" HEAD is {head}."));
        }
        let changed: Vec<&str> = changed.iter().map(RepoPath::as_str).collect();
        text.push_str(&not_committed(&changed));
    }
    text
}

fn not_committed(changed: &[&str]) -> String {
    if changed.is_empty() {
        return " Everything is committed.".to_owned();
    }
    let (named, more) = changed.split_at(changed.len().min(CHANGED_NAMED));
    format!(" Not committed: {}.", model::named(named, more.len()))
}

fn rules(driver: Driver, repo: Option<&Repo>, kind: TaskKind) -> String {
    let mut text = String::from(RULES);
    if let Some(repo) = repo {
        text.push_str(&format!("\n\nThe repository is `{}`; paths are relative to its root.", repo.slug));
        if let Some(command) = &repo.test_command {
            text.push_str(&format!(" Its tests run with `{}`.", command.join(" ")));
        }
    }
    text.push_str(match kind {
        TaskKind::Prompt | TaskKind::Work => "",
        TaskKind::Propose if driver != Driver::Native => "\n\nIn this turn you only read and propose.",
        TaskKind::Propose => {
            "\n\nIn this turn you only read and propose. Call propose_plan once with the tasks you would do: for each a short \
             name, a title, instructions complete enough for another agent, and every file it changes."
        }
        TaskKind::Ask => {
            "\n\nIn this turn you only answer a question about the conversation before; change nothing."
        }
        TaskKind::Review => {
            "\n\nIn this turn you only read and review. Say what is right, what is wrong and what is missing; change nothing."
        }
    });
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
        let (done, back) = (half_done(shared, order)?, handed_back(shared, order)?);
        if let Some((message, times)) = back {
            text.push_str(&land::told(&message, times));
        } else if !done.is_empty() {
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

fn handed_back(shared: &Shared, order: &Order) -> Result<Option<(String, u32)>, Refusal> {
    Ok(shared.store.read(|view| land::handed_back(view, order.task.id))?)
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

/// The conversation as this agent saw it: what the user said to all, what it said itself, and what others said. What only calls tools,
/// and what tools answered, is left out. Plans begin with fresh context.
///
/// All of it since the last compaction, and what that says, for whom we make the context; where that is too long, and for those whose
/// own session knows the rest, the last messages.
pub(crate) fn history(
    shared: &Shared,
    order: &Order,
    session: &Session,
    participant: &Participant,
) -> Result<Vec<Turn>, Refusal> {
    if !order.task.kind.remembers() {
        return Ok(Vec::new());
    }
    let snapshot = shared.config.snapshot();
    let configured = snapshot.config.limits.history_messages as usize;
    let compaction = &snapshot.config.compaction;
    let whole = participant.driver == Driver::Native && compaction.by == Compactor::Model;
    // Who begins with a transcript has nothing else to know the conversation from.
    let replays = participant.history == Some(HistoryBy::Replay);
    let shown = if replays { configured.max(REPLAYED_MESSAGES) } else { configured };
    let looked_at =
        if whole { LOOKED_AT_MAX } else { shown.saturating_mul(LOOKED_AT_PER_SHOWN).min(LOOKED_AT_MAX) };
    let window = shared.store.read(|view| Window::read(view, session, looked_at))?;
    let before =
        |at: &usize| window.messages.get(*at).is_some_and(|message| message.task != Some(order.task.id));
    let mut turns: Vec<Turn> =
        window.seen_by(&participant.agent).filter(|(at, _)| before(at)).map(|(_, turn)| turn).collect();
    let summary = window.summary();
    let room = compaction.room(participant.context_window);
    if !(whole && window.whole && tokens(turns.iter().chain(&summary)) <= room) {
        turns.drain(..turns.len().saturating_sub(shown));
        if replays {
            keep_newest(&mut turns, REPLAYED_BYTES);
        }
    }
    if summary.is_none() {
        let first = turns.iter().position(|turn| turn.role == Role::User).unwrap_or(turns.len());
        turns.drain(..first);
    }
    Ok(summary.into_iter().chain(turns).collect())
}

/// Takes out the oldest ones until the rest is no more than so many bytes; the newest one stays.
fn keep_newest(turns: &mut Vec<Turn>, most: usize) {
    let mut sum = 0;
    let kept = turns.iter().rev().take_while(|turn| {
        sum += bytes(turn);
        sum <= most
    });
    let kept = kept.count().max(1);
    turns.drain(..turns.len().saturating_sub(kept));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_committed_is_named_as_far_as_there_is_room() {
        assert_eq!(not_committed(&[]), " Everything is committed.");
        assert_eq!(not_committed(&["a", "b"]), " Not committed: a, b.");
        let many: Vec<String> = (0..CHANGED_NAMED + 3).map(|n| format!("f{n}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert!(not_committed(&many).ends_with("f19 and 3 more."));
    }

    #[test]
    fn of_a_long_transcript_the_newest_is_kept() {
        let turn = |text: &str| Turn::user(text);
        let kept = |most: usize| {
            let mut turns = vec![turn("aaaa"), turn("bb"), turn("cc")];
            keep_newest(&mut turns, most);
            turns.len()
        };
        assert_eq!([kept(0), kept(2), kept(4), kept(7), kept(8)], [1, 1, 2, 2, 3]);
    }

    #[test]
    fn only_our_own_loop_is_told_of_its_tools() {
        let told = |driver| rules(driver, None, TaskKind::Propose).contains("propose_plan");
        let telling: Vec<Driver> = Driver::ALL.into_iter().filter(|driver| told(*driver)).collect();
        assert_eq!(telling, [Driver::Native]);
    }
}
