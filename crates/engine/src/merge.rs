//! Merging proposals: what several agents want to do becomes one plan.
//!
//! Invariant: the plan depends on the agents' order and on what each proposed, never on the order in
//! which the proposals came. Every proposed file is in exactly one task, every dependency is a task
//! of the plan, and no task waits for itself.

mod check;
#[cfg(test)]
mod example;
mod order;
#[cfg(test)]
mod tests;

use check::positions;
pub(crate) use check::{MergeError, check};
use model::{AgentName, MergedPlan, MergedTask, PROMPT_MAX, PlannedTask, Proposal, RepoPath};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// Longest instructions of a merged task with the notes of others, in bytes. Half a prompt: the
/// engine adds what else the agent must know.
pub(crate) const MERGED_INSTRUCTIONS_MAX: usize = PROMPT_MAX / 2;

/// A proposed task on its way into the plan. Its index in the list is its rank: agents in their
/// order, each one's tasks in its own.
struct Candidate<'a> {
    agent: usize,
    task: &'a PlannedTask,
    files: BTreeSet<&'a RepoPath>,
    /// Files it keeps; all others went to another task.
    kept: BTreeSet<&'a RepoPath>,
    /// Tasks that took its files, when it kept nothing and is no task any more.
    absorbed_by: BTreeSet<usize>,
    /// Tasks whose notes it carries, with the files they lost to it.
    absorbs: BTreeMap<usize, BTreeSet<&'a RepoPath>>,
}

/// Why one contender got the files.
enum Reason {
    Load(usize, usize),
    Files(usize, usize),
    Priority(i32, i32),
    Order,
}

/// Makes one plan of all proposals; `agents` are the plan's participants in the order that decides ties.
pub(crate) fn merge(agents: &[AgentName], proposals: &[Proposal]) -> Result<MergedPlan, MergeError> {
    let mut explanation = Vec::new();
    let mut candidates = Vec::new();
    let mut bases = Vec::new();
    for (agent, proposal) in in_order(agents, proposals, &mut explanation)? {
        bases.push((candidates.len(), proposal));
        candidates.extend(proposal.tasks.iter().map(|task| {
            let files: BTreeSet<&RepoPath> = task.files.iter().collect();
            let (kept, absorbed_by, absorbs) = (files.clone(), BTreeSet::new(), BTreeMap::new());
            Candidate { agent, task, files, kept, absorbed_by, absorbs }
        }));
    }
    if candidates.is_empty() {
        return Err(MergeError::Nothing);
    }
    collapse_fileless(agents, &mut candidates, &mut explanation);
    assign_files(agents, &mut candidates, &mut explanation);
    let waits = waits(&bases, &candidates);
    let names: Vec<String> =
        candidates.iter().map(|c| format!("{}/{}", agents[c.agent], c.task.name)).collect();
    let waits = order::break_cycles(waits, &names, &mut explanation);
    let ranks = candidates.iter().map(|c| Reverse(c.task.priority)).collect::<Vec<_>>();
    let tasks = order::topological(&waits, &ranks)
        .into_iter()
        .filter(|at| candidates[*at].absorbed_by.is_empty())
        .map(|at| MergedTask {
            depends_on: waits[at].keys().map(|on| names[*on].clone()).collect(),
            ..merged(agents, &candidates, at, &names)
        })
        .collect();
    Ok(MergedPlan { tasks, explanation })
}

/// The proposals in the order of their agents, each checked.
fn in_order<'a>(
    agents: &[AgentName],
    proposals: &'a [Proposal],
    explanation: &mut Vec<String>,
) -> Result<Vec<(usize, &'a Proposal)>, MergeError> {
    let mut by_agent: Vec<Option<&Proposal>> = vec![None; agents.len()];
    // The least of several faults is reported, so that the error does not depend on the order either.
    let strangers = proposals.iter().map(|p| &p.agent).filter(|agent| !agents.contains(agent));
    if let Some(stranger) = strangers.min() {
        return Err(MergeError::UnknownAgent(stranger.clone()));
    }
    let mut twice = BTreeSet::new();
    for proposal in proposals {
        let at = agents.iter().position(|agent| *agent == proposal.agent);
        if let Some(seat) = at.and_then(|at| by_agent.get_mut(at))
            && seat.replace(proposal).is_some()
        {
            twice.insert(&proposal.agent);
        }
    }
    if let Some(agent) = twice.into_iter().next() {
        return Err(MergeError::TwoProposals(agent.clone()));
    }
    let mut ordered = Vec::new();
    for (at, proposal) in by_agent.into_iter().enumerate() {
        match proposal {
            Some(proposal) if !proposal.tasks.is_empty() => {
                check(&proposal.agent, &proposal.tasks)?;
                ordered.push((at, proposal));
            }
            _ => explanation.push(format!("{} proposed no task.", agents[at])),
        }
    }
    Ok(ordered)
}

/// Tasks without files that say the same are one; the first stays.
fn collapse_fileless(agents: &[AgentName], candidates: &mut [Candidate<'_>], explanation: &mut Vec<String>) {
    let mut first: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for at in 0..candidates.len() {
        let (agent, task) = (candidates[at].agent, candidates[at].task);
        if candidates[at].files.is_empty() {
            let kept = *first.entry((&task.title, &task.instructions)).or_insert(at);
            if kept != at {
                candidates[at].absorbed_by.insert(kept);
                let (name, other) = (&agents[agent], &agents[candidates[kept].agent]);
                explanation
                    .push(format!("`{}` of {name} says the same as {other}'s and was dropped.", task.name));
            }
        }
    }
}

/// Gives every file that several tasks name to one of them. Files with the same contenders go together,
/// so that tasks that only differ in words are not torn apart.
fn assign_files<'a>(agents: &[AgentName], candidates: &mut [Candidate<'a>], explanation: &mut Vec<String>) {
    let mut contenders: BTreeMap<&RepoPath, Vec<usize>> = BTreeMap::new();
    for (at, candidate) in candidates.iter().enumerate() {
        for file in &candidate.files {
            contenders.entry(file).or_default().push(at);
        }
    }
    let mut bundles: Vec<(Vec<usize>, BTreeSet<&'a RepoPath>)> = Vec::new();
    for (file, who) in contenders.iter().filter(|(_, who)| who.len() > 1) {
        match bundles.iter_mut().find(|(with, _)| with == who) {
            Some((_, files)) => files.extend([*file]),
            None => bundles.push((who.clone(), BTreeSet::from([*file]))),
        }
    }
    // What nobody else wants is settled; what is contested counts for an agent once it is decided.
    let mut settled: BTreeSet<usize> = (0..candidates.len())
        .filter(|at| {
            let files = &candidates[*at].files;
            let alone = files.iter().any(|file| contenders.get(file).is_some_and(|who| who.len() == 1));
            alone || (files.is_empty() && candidates[*at].absorbed_by.is_empty())
        })
        .collect();
    for (who, files) in bundles {
        let load =
            |at: usize| settled.iter().filter(|s| candidates[**s].agent == candidates[at].agent).count();
        let (winner, reason) = decide(candidates, &who, load);
        settled.insert(winner);
        explanation.push(explain(agents, candidates, &who, winner, &files, &reason));
        for loser in who.into_iter().filter(|at| *at != winner) {
            candidates[loser].kept.retain(|file| !files.contains(file));
            candidates[winner].absorbs.entry(loser).or_default().extend(&files);
        }
    }
    let takers: Vec<(usize, usize)> = candidates
        .iter()
        .enumerate()
        .flat_map(|(winner, candidate)| candidate.absorbs.keys().map(move |loser| (*loser, winner)))
        .collect();
    for (loser, winner) in takers {
        if candidates[loser].kept.is_empty() {
            candidates[loser].absorbed_by.insert(winner);
        }
    }
}

/// The rule: the agent with the fewest tasks so far; then the task with the fewest files; then the
/// highest priority; then the first agent.
fn decide(candidates: &[Candidate<'_>], who: &[usize], load: impl Fn(usize) -> usize) -> (usize, Reason) {
    let key = |at: &usize| {
        let candidate = &candidates[*at];
        (load(*at), candidate.files.len(), Reverse(candidate.task.priority), *at)
    };
    let mut ranked: Vec<_> = who.iter().map(key).collect();
    ranked.sort_unstable();
    let first = ranked.first().copied().unwrap_or_default();
    // Another task of the same agent is no rival.
    let rival = ranked.iter().find(|key| candidates[key.3].agent != candidates[first.3].agent);
    let reason = match rival {
        Some(rival) if rival.0 != first.0 => Reason::Load(first.0, rival.0),
        Some(rival) if rival.1 != first.1 => Reason::Files(first.1, rival.1),
        Some(rival) if rival.2 != first.2 => Reason::Priority(first.2.0, rival.2.0),
        _ => Reason::Order,
    };
    (first.3, reason)
}

fn explain(
    agents: &[AgentName],
    candidates: &[Candidate<'_>],
    who: &[usize],
    winner: usize,
    files: &BTreeSet<&RepoPath>,
    reason: &Reason,
) -> String {
    let files = join(files.iter().map(|file| format!("`{file}`")));
    let owner = candidates[winner].agent;
    let others: BTreeSet<usize> =
        who.iter().map(|at| candidates[*at].agent).filter(|a| *a != owner).collect();
    let name = &agents[owner];
    if others.is_empty() {
        return format!("{name} named {files} in several tasks, which are one task now.");
    }
    let because = match reason {
        Reason::Load(own, other) => format!("it had fewer tasks so far ({own} against {other})"),
        Reason::Files(own, other) => format!("its task names fewer files ({own} against {other})"),
        Reason::Priority(own, other) => format!("its task has the higher priority ({own} against {other})"),
        Reason::Order => "it comes first in the list of agents".to_owned(),
    };
    let others = join(others.into_iter().map(|agent| agents[agent].to_string()));
    let verb = if others.contains(' ') { "review" } else { "reviews" };
    let wanted = if files.contains(' ') { "are wanted" } else { "is wanted" };
    format!("{files} {wanted} by {name} and {others}. {name} does it, because {because}; {others} {verb}.")
}

/// Per task, the tasks it waits for; true when it only does so for another task it took over.
fn waits(bases: &[(usize, &Proposal)], candidates: &[Candidate<'_>]) -> Vec<BTreeMap<usize, bool>> {
    let mut waits = vec![BTreeMap::new(); candidates.len()];
    for (base, proposal) in bases {
        for (offset, task) in proposal.tasks.iter().enumerate() {
            let at = base + offset;
            let inherited = !candidates[at].absorbed_by.is_empty();
            let dependents = standing_for(candidates, at);
            for named in positions(&proposal.tasks, &task.depends_on).into_keys() {
                for on in standing_for(candidates, base + named) {
                    for dependent in dependents.iter().filter(|dependent| **dependent != on) {
                        let edge: &mut bool = waits[*dependent].entry(on).or_insert(true);
                        *edge &= inherited;
                    }
                }
            }
        }
    }
    waits
}

/// The task itself, or those that took its files.
fn standing_for(candidates: &[Candidate<'_>], at: usize) -> BTreeSet<usize> {
    let absorbed_by = &candidates[at].absorbed_by;
    if absorbed_by.is_empty() { BTreeSet::from([at]) } else { absorbed_by.clone() }
}

fn merged(agents: &[AgentName], candidates: &[Candidate<'_>], at: usize, names: &[String]) -> MergedTask {
    let Candidate { agent, task, kept, absorbs, files, .. } = &candidates[at];
    let mut instructions = task.instructions.clone();
    let lost: Vec<String> = files.difference(kept).map(|file| format!("`{file}`")).collect();
    if !lost.is_empty() {
        let notice = format!("\n\nLeave {} alone: another task of the plan changes it.", join(lost));
        instructions.push_str(&notice);
    }
    let mut reviewers = BTreeSet::new();
    for (from, files) in absorbs {
        let other = &candidates[*from];
        if other.agent != *agent {
            reviewers.insert(other.agent);
        }
        if other.task.instructions != task.instructions {
            let files = join(files.iter().map(|file| format!("`{file}`")));
            let notes = format!("\n\nNotes of {} on {files}:\n{}", names[*from], other.task.instructions);
            instructions.push_str(&notes);
        }
    }
    cut(&mut instructions);
    MergedTask {
        name: names[at].clone(),
        title: task.title.clone(),
        instructions,
        files: kept.iter().map(|file| (*file).clone()).collect(),
        assignee: agents[*agent].clone(),
        reviewers: reviewers.into_iter().map(|reviewer| agents[reviewer].clone()).collect(),
        depends_on: Vec::new(),
        priority: task.priority,
    }
}

fn cut(text: &mut String) {
    const MARK: &str = "\n[cut]";
    if text.len() > MERGED_INSTRUCTIONS_MAX {
        text.truncate(text.floor_char_boundary(MERGED_INSTRUCTIONS_MAX - MARK.len()));
        text.push_str(MARK);
    }
}

/// `a`, `a and b`, `a, b and c`.
fn join(words: impl IntoIterator<Item = String>) -> String {
    let words: Vec<String> = words.into_iter().collect();
    match words.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        Some((last, _)) => last.clone(),
        None => String::new(),
    }
}
