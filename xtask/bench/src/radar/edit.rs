//! How soon an edit is in the list of conflicts: one of a session that was started by hand, and one of an agent that is driven.
//!
//! Every file that is edited has been changed in another worktree before, and nobody has seen a conflict in it. An edit begins when
//! the file is another one, whoever made it so, and is over when the list names the file.

use super::{Place, change, file};
use crate::row::Row;
use crate::sample::Samples;
use crate::{Order, scratch, tell};
use bus::{Liveness, LockRequest, NewRegistration};
use engine::{Call, Engine, NewPrompt, NewSession};
use model::{AgentName, LockMode, RegistrationId, Repo, TaskState};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

/// An edit is seen by then, in milliseconds.
const SEEN_MOST: f64 = 300.0;
/// Edits of each kind.
const EDITS: usize = 30;
const EDITS_QUICK: usize = 10;
/// Between two edits, so that each finds the radar at rest.
const PAUSE: Duration = Duration::from_millis(1_500);
/// Each pause is longer than the last one by so much, in milliseconds and up to [`JITTER_MOST`]: no edit is to come at the same
/// moment between two looks as the one before it.
const JITTER: usize = 37;
const JITTER_MOST: usize = 100;
/// How often it is looked whether the file is another one, and whether the list names it.
const LOOK_EVERY: Duration = Duration::from_millis(1);
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) async fn bench(
    order: &Order,
    engine: &Engine,
    repo: &Repo,
    places: &[Place],
) -> Result<(), String> {
    let [by_hand, other, driven, ..] = places else { return Err("three worktrees are needed".to_owned()) };
    let count = if order.quick { EDITS_QUICK } else { EDITS };
    let names: Vec<String> = (0..2 * count).map(|at| file((at + 100) * super::FILES_IN_FOLDER)).collect();
    for name in &names {
        change(&other.path.join(name), 1)?;
    }
    engine.sweep_conflicts(&Call::user("bench"), None).await.map_err(|refusal| refusal.message)?;
    let (hers, its) = names.split_at(count);
    let samples = edits_by_hand(engine, by_hand, hers).await?;
    tell_of("edit", &samples, "by hand, under a lock of the bus");
    let samples = edits_driven(engine, repo, driven, its).await?;
    tell_of("edit_driven", &samples, "by an agent of the studio");
    for place in [by_hand, other, driven] {
        super::put_back(&place.path)?;
    }
    Ok(())
}

fn tell_of(case: &str, samples: &Samples, whose: &str) {
    let note = format!("from the file's change to the list of conflicts, {} edits {whose}", samples.len());
    let note = format!("{note}; load {}", scratch::load());
    for (stat, share) in [("p50", 0.5), ("p95", 0.95)] {
        tell(&Row::new("radar", case, "ms", stat, samples.millis(share)).at_most(SEEN_MOST).note(&note));
    }
}

async fn edits_by_hand(engine: &Engine, place: &Place, names: &[String]) -> Result<Samples, String> {
    let me = somebody(engine, &place.path)?;
    let mut samples = Samples::default();
    for (turn, name) in names.iter().enumerate() {
        let request = LockRequest {
            worktree: place.path.display().to_string(),
            paths: vec![name.clone()],
            mode: LockMode::Exclusive,
            holder: me,
            ttl: Duration::from_secs(60),
        };
        let acquired = engine.bus().acquire(&request).map_err(|error| error.to_string())?;
        tokio::time::sleep(pause(turn)).await;
        change(&place.path.join(name), 2)?;
        samples.add(seen(engine, name).await?);
        for lock in acquired.locks {
            engine.bus().release(lock.token, me).map_err(|error| error.to_string())?;
        }
    }
    engine.bus().end(me, "over").map_err(|error| error.to_string())?;
    // What its leaving had looked at is over by then.
    tokio::time::sleep(PAUSE).await;
    Ok(samples)
}

fn pause(turn: usize) -> Duration {
    PAUSE + Duration::from_millis(u64::try_from(turn * JITTER % JITTER_MOST).unwrap_or(0))
}

/// One turn that edits one file after the other.
async fn edits_driven(
    engine: &Engine,
    repo: &Repo,
    place: &Place,
    names: &[String],
) -> Result<Samples, String> {
    let (call, refused) = (Call::user("bench"), |refusal: model::Refusal| refusal.to_string());
    let agent: AgentName = super::DRIVEN.parse().map_err(|error| format!("{error}"))?;
    let new = NewSession { repo: Some(repo.id), agents: vec![agent], ..NewSession::default() };
    let session = engine.create_session(&call, new).await.map_err(refused)?.session.id;
    engine.assign_worktree(&call, session, place.id).await.map_err(refused)?;
    let script: String = names
        .iter()
        .enumerate()
        .map(|(turn, name)| {
            let rest = pause(turn).as_millis();
            format!("[[read {name}]][[sleep {rest}]][[edit {name}|line 1 of a|line one of a]]")
        })
        .collect();
    let inodes = names.iter().map(|name| inode(&place.path.join(name))).collect::<Result<Vec<u64>, _>>()?;
    let prompt = NewPrompt { text: script, ..NewPrompt::default() };
    let task = engine.prompt(&call, session, prompt).await.map_err(refused)?.task.id;
    let mut samples = Samples::default();
    for (name, before) in names.iter().zip(inodes) {
        let (at, begun) = (place.path.join(name), Instant::now());
        while inode(&at)? == before {
            let state = engine.task(task).map_err(refused)?.state;
            if begun.elapsed() > PATIENCE || state.is_terminal() {
                return Err(format!("the agent did not edit {name}: its task is {state:?}"));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        samples.add(seen(engine, name).await?);
    }
    let begun = Instant::now();
    while engine.task(task).map_err(refused)?.state != TaskState::Completed {
        if begun.elapsed() > PATIENCE {
            return Err("the agent's turn did not end".to_owned());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(samples)
}

/// A file that was put in place by a rename is another one.
fn inode(path: &Path) -> Result<u64, String> {
    path.metadata().map(|meta| meta.ino()).map_err(|error| format!("{}: {error}", path.display()))
}

/// How long until the list of conflicts names the file.
async fn seen(engine: &Engine, name: &str) -> Result<Duration, String> {
    let begun = Instant::now();
    loop {
        let open = engine.conflicts(None).map_err(|refusal| refusal.message)?;
        if open.iter().any(|one| one.paths.iter().any(|path| path.as_str() == name)) {
            return Ok(begun.elapsed());
        }
        if begun.elapsed() > PATIENCE {
            return Err(format!("nobody saw the edit of {name}"));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// A session that was started by hand in a worktree.
fn somebody(engine: &Engine, place: &Path) -> Result<RegistrationId, String> {
    let pid = std::process::id();
    let starttime = bus::system::process_start(pid).ok_or("this process has no start time")?;
    let new = NewRegistration {
        id: None,
        agent: "codex".to_owned(),
        vendor: "openai".to_owned(),
        model: None,
        session: None,
        worktree: Some(place.display().to_string()),
        liveness: Liveness::Process { pid, starttime },
    };
    engine.bus().register(new).map(|one| one.id).map_err(|error| error.to_string())
}
