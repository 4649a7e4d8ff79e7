//! kill -9 of the daemon, fifty times, in the middle of the demo's work.
//!
//! What its clients were answered is written down by them and synced before they go on; after every
//! start all of it must be there. Some kills are aimed: the journal is watched, and the daemon is shot
//! as soon as a client's event stands in it, before the answer can have come.

mod apart;
mod clerk;
mod landing;
mod stage;

use clerk::{Clerk, Sniper};
use model::{Event, PlanState, TurnId};
use stage::Stage;
use std::collections::HashSet;
use std::time::Duration;

/// Plans of the demo that are played to their end.
const PLANS: usize = 5;
const KILLS_PER_PLAN: usize = 10;
/// Of these, aimed between append and answer.
const AIMED_PER_PLAN: usize = 5;
/// So many must hit. Who aims needs a processor in that moment, so there are more shots where the first ones miss.
const HITS_PER_PLAN: usize = 3;
const KILLS_PER_PLAN_MAX: usize = 40;
/// Milliseconds after the start between which the other kills fall.
const LIVES: std::ops::Range<u64> = 20..900;

#[test]
fn nothing_acknowledged_is_lost_in_fifty_kills() {
    if let Some(missing) = stage::missing() {
        testkit::skipped("fifty kills of the daemon", &missing);
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(play());
}

async fn play() {
    let mut stage = Stage::new();
    let mut clerk = Clerk::new(&stage);
    let mut dice = 0x9e37_79b9_7f4a_7c15_u64;
    let (mut kills, mut between) = (0, 0);
    for _ in 0..PLANS {
        stage.start();
        let plan = stage.coordinate().await;
        let (mut killed, mut hits) = (0, 0);
        while killed < KILLS_PER_PLAN || hits < HITS_PER_PLAN {
            assert!(killed < KILLS_PER_PLAN_MAX, "{hits} of the kills fell between append and answer");
            if !(AIMED_PER_PLAN..KILLS_PER_PLAN).contains(&killed) {
                hits += usize::from(shoot(&mut stage, &mut clerk).await);
            } else {
                dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let life = Duration::from_millis(LIVES.start + (dice >> 33) % (LIVES.end - LIVES.start));
                let _ = tokio::time::timeout(life, clerk.work(&stage)).await;
                stage.kill();
            }
            killed += 1;
            let before = stage.clock();
            stage.start();
            clerk.ask_again(&stage).await;
            check(&stage, &clerk, before).await;
        }
        (kills, between) = (kills + killed, between + hits);
        let over = stage.plan_over(&plan).await;
        assert_eq!(over.state, PlanState::Completed, "{:?}", over.text);
        assert_eq!(over.tests.unwrap().failed, 0);
        let report = stage.client().verify_data().await.unwrap();
        assert!(report.ok, "{report:?}");
        stage.kill();
    }
    eprintln!(
        "{kills} kills, {between} between append and answer; {} answers, all of them kept",
        clerk.answered()
    );
}

/// Kills as soon as the clerk's event is in the journal; true when it was there without an answer.
async fn shoot(stage: &mut Stage, clerk: &mut Clerk) -> bool {
    // A few ordinary answers first, so that there is something to lose.
    let _ = tokio::time::timeout(Duration::from_millis(100), clerk.work(stage)).await;
    let sniper = Sniper::aim(stage, &clerk.next_key());
    let answered = clerk.create_session(stage).await;
    let hit = sniper.join();
    stage.kill();
    hit && !answered
}

/// What must hold after every start.
async fn check(stage: &Stage, clerk: &Clerk, before: model::Timestamp) {
    let events = stage.events().await;
    clerk.check(stage, &events).await;
    let mut open: HashSet<TurnId> = HashSet::new();
    let (mut dead, mut registered) = (Vec::new(), Vec::new());
    for record in events.iter().filter(|record| record.ts < before) {
        match &record.event {
            Event::TurnStarted(turn) => drop(open.insert(turn.id)),
            Event::RunStarted(run) => dead.push(run.id),
            Event::RegistrationAnnounced(registration) => registered.push(registration.id),
            _ => {}
        }
    }
    for record in &events {
        if let Event::TurnEnded(end) = &record.event {
            open.remove(&end.turn);
        }
    }
    assert!(open.is_empty(), "turns of a dead daemon are said to run: {open:?}");
    stage.no_process_of(&dead).await;
    stage.no_lock_of(&registered).await;
}
