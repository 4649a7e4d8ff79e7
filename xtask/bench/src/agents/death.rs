//! How soon a dead agent is known to be dead: from `kill -9` of its program to the participant's recorded `failed`.

use super::{House, PATIENCE};
use crate::row::Row;
use crate::sample::Samples;
use crate::{Order, say, scratch, tell};
use model::{ParticipantStatus, SessionId};
use rustix::process::{Pid, Signal, kill_process};
use std::time::Instant;

/// Programs that are killed, one after the other.
const ROUNDS: usize = 20;
/// Milliseconds until it is recorded.
const DEATH_MOST: f64 = 2_000.0;

pub(super) async fn bench(order: &Order) -> Result<(), String> {
    say(&format!("agents: {ROUNDS} deaths"));
    // Its program holds every turn until it is killed.
    let house = House::open(order, 0).await?;
    let mut samples = Samples::default();
    for _ in 0..ROUNDS {
        let session = house.session().await?;
        house.prompt(session).await?;
        house.working(1).await?;
        samples.add(killed(&house, session).await?);
    }
    let note = format!("{ROUNDS} programs killed; load {}", scratch::load());
    for (stat, share) in [("p50", 0.5), ("p99", 0.99)] {
        let row = Row::new("agents", "death", "ms", stat, samples.millis(share)).note(&note);
        tell(&if stat == "p99" { row.at_most(DEATH_MOST) } else { row });
    }
    house.close().await;
    Ok(())
}

async fn killed(house: &House, session: SessionId) -> Result<std::time::Duration, String> {
    let mut doorbell = house.engine.doorbell();
    let programs = scratch::descendants(std::process::id(), "agents-vendor");
    let [program] = programs[..] else { return Err(format!("{} programs run, not one", programs.len())) };
    let pid = i32::try_from(program).ok().and_then(Pid::from_raw).ok_or("a program without a number")?;
    let failed = || {
        let seats = house.engine.participants(session).map_err(|refusal| refusal.to_string())?;
        Ok::<bool, String>(seats.iter().any(|seat| seat.status == ParticipantStatus::Failed))
    };
    if failed()? {
        return Err("it had failed before it was killed".to_owned());
    }
    let begun = Instant::now();
    kill_process(pid, Signal::KILL).map_err(|error| format!("it cannot be killed: {error}"))?;
    while !failed()? {
        let rung = tokio::time::timeout(PATIENCE, doorbell.changed()).await;
        rung.map_err(|_| "its death was not recorded")?.map_err(|error| error.to_string())?;
    }
    Ok(begun.elapsed())
}
