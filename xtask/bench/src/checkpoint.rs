//! Checkpoints of a repository of twenty thousand files: what making one costs, and bringing a thousand files back.
//!
//! The same thousand files are brought back by `git restore`, in turns. That keeps no way back, takes no locks, says nothing
//! to anybody and waits for no disk; what is above it is the price of these.

use crate::process::{command, timed};
use crate::row::Row;
use crate::sample::Samples;
use crate::{Order, radar, say, scratch, tell};
use engine::{Call, Engine, NewCheckpoint, NewCheckpointRestore, NewSession};
use model::{CheckpointId, DataRoot, Refusal, SessionId};
use std::path::Path;
use std::time::{Duration, Instant};

/// Files that are changed, and brought back.
const CHANGED: usize = 1_000;
const AGENT: &str = "claude";

pub(crate) fn bench(order: &Order) -> Result<(), String> {
    let folder = scratch::folder(order, "checkpoint-")?;
    let repo = folder.path().join("repo");
    say(&format!("checkpoint: {} files, of which {CHANGED} change", radar::FILES));
    radar::files(&repo)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    runtime.block_on(measure(order, folder.path(), &repo))
}

fn refused(refusal: Refusal) -> String {
    refusal.message
}

async fn measure(order: &Order, root: &Path, repo: &Path) -> Result<(), String> {
    let data = root.join("data");
    configure(&data)?;
    let (engine, place) = radar::engine(order, &data, repo).await?;
    let call = Call::user("bench");
    let agents = vec![AGENT.parse().map_err(|_| "the agent's name is none")?];
    let new = NewSession { repo: Some(place.id), agents, ..NewSession::default() };
    let session = engine.create_session(&call, new).await.map_err(refused)?.session.id;
    let first = named(&engine, session).await?.0;
    let (mut clean, mut changed) = (Samples::default(), Samples::default());
    let (mut ours, mut gits) = (Samples::default(), Samples::default());
    for turn in 0..if order.quick { 3 } else { 10 } {
        clean.add(named(&engine, session).await?.1);
        change(repo, turn)?;
        changed.add(named(&engine, session).await?.1);
        ours.add(restore(&engine, first).await?);
        change(repo, turn)?;
        let mut git = command("git");
        git.args(["restore", "--source=HEAD", "--worktree", "--", "."]).current_dir(repo);
        gits.add(timed(git)?);
    }
    let note = format!("{} files, {} samples, load {}", radar::FILES, ours.len(), scratch::load());
    tell(&Row::new("checkpoint", "create_clean", "ms", "p50", clean.millis(0.5)).note(&note));
    tell(&Row::new("checkpoint", "create_1000_changed", "ms", "p50", changed.millis(0.5)).note(&note));
    for (stat, share) in [("p50", 0.5), ("max", 1.0)] {
        let row = Row::new("checkpoint", "restore_1000", "ms", stat, ours.millis(share));
        let row = row.peer("git_restore", Some(gits.millis(share)));
        tell(&row.note(&note).note("ours keeps the way back first and is on the disk when it answers"));
    }
    engine.shutdown().await;
    Ok(())
}

/// An agent to sit in the session; it is never prompted.
fn configure(data: &Path) -> Result<(), String> {
    let path = DataRoot::new(data).config();
    let agent = serde_json::json!({ "vendor": "anthropic", "model": "none", "api_key_env": "NO_KEY" });
    let config = serde_json::json!({ "agents": { AGENT: agent }, "titles": "words" });
    let folder = path.parent().ok_or("the configuration has no folder")?;
    std::fs::create_dir_all(folder)
        .and_then(|()| std::fs::write(&path, config.to_string()))
        .map_err(|error| format!("{}: {error}", path.display()))
}

async fn named(engine: &Engine, session: SessionId) -> Result<(CheckpointId, Duration), String> {
    let new = NewCheckpoint { name: "bench".to_owned(), agent: None };
    let begun = Instant::now();
    let made = engine.create_checkpoint(&Call::user("bench"), session, new).await.map_err(refused)?;
    Ok((made.id, begun.elapsed()))
}

async fn restore(engine: &Engine, to: CheckpointId) -> Result<Duration, String> {
    let new = NewCheckpointRestore { files: true, conversation: false, paths: Vec::new(), force: false };
    let begun = Instant::now();
    let restored = engine.restore_checkpoint(&Call::user("bench"), to, new).await.map_err(refused)?;
    let took = begun.elapsed();
    match restored.files.len() {
        CHANGED => Ok(took),
        other => Err(format!("{other} files came back instead of {CHANGED}: {:?}", restored.kept)),
    }
}

fn change(repo: &Path, turn: usize) -> Result<(), String> {
    (0..CHANGED).try_for_each(|at| radar::change(&repo.join(radar::file(at * radar::FILES / CHANGED)), turn))
}
