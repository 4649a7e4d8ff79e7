//! What happens on the bus becomes an event once, whatever comes in between.

use super::*;
use crate::stage::Stage;
use bus::{Liveness, LockRequest, NewNotice, NewRegistration};
use model::{Channel, LockMode, RegistrationId};
use std::time::Duration;

fn join(stage: &Stage, name: &str) -> RegistrationId {
    let new = NewRegistration {
        id: None,
        agent: name.to_owned(),
        vendor: "anthropic".to_owned(),
        model: None,
        session: None,
        worktree: None,
        liveness: Liveness::Lease { ttl: bus::LOCK_TTL_MAX },
    };
    stage.shared.bus.register(new).unwrap().id
}

fn tell(stage: &Stage, sender: RegistrationId, text: &str) {
    let channel: Channel = "hello".parse().unwrap();
    let payload = serde_json::json!({ "text": text });
    stage.shared.bus.publish(NewNotice::new(sender, channel, payload)).unwrap();
}

fn waiting(stage: &Stage) -> Vec<bus::OutboxRow> {
    stage.shared.bus.outbox(0, PAGE).unwrap().1
}

/// A stage whose own beginnings are journaled already.
fn stage() -> Stage {
    let stage = Stage::new();
    move_rows(&stage.shared).unwrap();
    stage
}

#[test]
fn every_row_becomes_an_event_of_its_agent_and_goes() {
    let stage = stage();
    let before = stage.events().len();
    let claude = join(&stage, "claude");
    let request = LockRequest {
        worktree: "/w".to_owned(),
        paths: vec!["a".to_owned()],
        mode: LockMode::Exclusive,
        holder: claude,
        ttl: Duration::from_secs(60),
    };
    let token = stage.shared.bus.acquire(&request).unwrap().locks[0].token;
    tell(&stage, claude, "I am here");
    stage.shared.bus.release(token, claude).unwrap();
    stage.shared.bus.end(claude, "finished").unwrap();
    let expected: Vec<Event> = waiting(&stage).into_iter().map(|row| row.event).collect();
    assert!(expected.len() >= 5, "{expected:?}");
    move_rows(&stage.shared).unwrap();
    assert_eq!(stage.events()[before..], expected);
    assert_eq!(waiting(&stage), []);
    let actors: Vec<Actor> = stage
        .shared
        .store
        .reader()
        .replay(model::Cursor::START)
        .unwrap()
        .skip(before)
        .map(|record| record.unwrap().actor)
        .collect();
    let claude: Actor = "claude".parse().unwrap();
    assert!(actors.iter().filter(|actor| **actor == claude).count() >= 4, "{actors:?}");
    assert_eq!(actors.last(), Some(&Actor::System), "an end is nobody's doing");
    // And nothing more comes of it.
    move_rows(&stage.shared).unwrap();
    assert_eq!(stage.events()[before..], expected);
}

#[test]
fn a_row_journaled_before_a_crash_and_not_ticked_off_is_not_journaled_again() {
    for restart in [false, true] {
        let mut stage = stage();
        let claude = join(&stage, "claude");
        tell(&stage, claude, "one");
        tell(&stage, claude, "two");
        let rows = waiting(&stage);
        assert_eq!(rows.len(), 3);
        // As far as the second row, without the end of the page.
        for row in &rows[..2] {
            journal_row(&stage.shared, &generation(&stage), row.clone()).unwrap();
        }
        let before = stage.events();
        if restart {
            stage = stage.restarted();
        }
        move_rows(&stage.shared).unwrap();
        let new = stage.events()[before.len()..].to_vec();
        assert_eq!(new.iter().filter(|event| **event == rows[2].event).count(), 1);
        for row in &rows[..2] {
            assert!(!new.contains(&row.event), "{row:?} came twice");
        }
        assert_eq!(waiting(&stage), []);
    }
}

fn generation(stage: &Stage) -> String {
    stage.shared.bus.outbox(0, 1).unwrap().0
}

#[test]
fn rows_of_another_generation_are_other_rows() {
    let stage = stage();
    let claude = join(&stage, "claude");
    let row = waiting(&stage).remove(0);
    let before = stage.events().len();
    for generation in ["one", "two", "one"] {
        journal_row(&stage.shared, generation, row.clone()).unwrap();
    }
    assert_eq!(stage.events()[before..], [row.event.clone(), row.event]);
    stage.shared.bus.end(claude, "finished").unwrap();
}

#[test]
fn more_rows_than_a_page_all_come_in_order() {
    let stage = stage();
    let claude = join(&stage, "claude");
    for n in 0..PAGE + 10 {
        tell(&stage, claude, &n.to_string());
    }
    drain(&stage.shared);
    let texts: Vec<String> = stage
        .events()
        .into_iter()
        .filter_map(|event| match event {
            Event::NoticePublished(notice) => notice.payload["text"].as_str().map(str::to_owned),
            _ => None,
        })
        .collect();
    assert_eq!(texts, (0..PAGE + 10).map(|n| n.to_string()).collect::<Vec<_>>());
    assert_eq!(waiting(&stage), []);
}

#[test]
fn rows_stay_when_the_store_takes_nothing_more() {
    let stage = stage();
    join(&stage, "claude");
    stage.shared.store.close();
    assert_eq!(move_rows(&stage.shared).unwrap_err().code, "store_stopped");
    assert_eq!(waiting(&stage).len(), 1);
}
