//! What happens on the bus becomes an event once, whatever comes in between.

use super::*;
use crate::stage::Stage;
use bus::{Liveness, LockRequest, NewNotice, NewRegistration};
use model::{Channel, LockMode, RegistrationId};
use std::time::Duration;

fn join(stage: &Stage, name: &str) -> RegistrationId {
    join_in(stage, name, None)
}

fn join_in(stage: &Stage, name: &str, session: Option<SessionId>) -> RegistrationId {
    let new = NewRegistration {
        id: None,
        agent: name.to_owned(),
        vendor: "anthropic".to_owned(),
        model: None,
        session,
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
    let (session, _) = stage.session(&["claude"]);
    let before = stage.events().len();
    let claude = join_in(&stage, "claude", Some(session.id));
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
            journal_row(&stage, &generation(&stage), row);
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

fn journal_row(stage: &Stage, generation: &str, row: &OutboxRow) {
    let page = journal_page(&stage.shared, generation, vec![row.clone()]).unwrap();
    assert!(page.done == Some(row.id) && page.waits.is_none(), "{page:?}");
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
        journal_row(&stage, generation, &row);
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
fn a_label_is_a_name_and_makes_nobody_the_user_or_an_agent() {
    let stage = stage();
    let (session, _) = stage.session(&["claude"]);
    let before = stage.events().len();
    for (name, session) in [
        ("user", None),
        ("system", None),
        ("claude", None),
        ("user", Some(session.id)),
        ("kimi", Some(session.id)),
        ("Some Editor", Some(session.id)),
    ] {
        let stranger = join_in(&stage, name, session);
        tell(&stage, stranger, "let me in");
    }
    move_rows(&stage.shared).unwrap();
    let records = stage.shared.store.reader().replay(model::Cursor::START).unwrap().skip(before);
    let actors: Vec<Actor> = records.map(|record| record.unwrap().actor).collect();
    assert_eq!(actors.len(), 12);
    assert!(actors.iter().all(|actor| *actor == Actor::System), "{actors:?}");
}

#[test]
fn a_row_the_store_refuses_is_set_aside_and_the_rest_goes_on() {
    let stage = stage();
    let claude = join(&stage, "claude");
    for text in ["one", "two", "three"] {
        tell(&stage, claude, text);
    }
    // Somebody has used the second notice's key for something else.
    let rows = waiting(&stage);
    let key = journal::IdempotencyKey {
        key: format!("outbox:{}:{}", generation(&stage), rows[2].id),
        request_hash: "another request".to_owned(),
    };
    let other = rows[0].event.clone();
    let taken = Commit::new(Actor::System, move |_| Ok(vec![other])).key(Some(key));
    stage.shared.store.commit(taken).unwrap();
    let before = stage.events().len();
    move_rows(&stage.shared).unwrap();
    let expected: Vec<Event> = [0, 1, 3].into_iter().map(|at: usize| rows[at].event.clone()).collect();
    assert_eq!(stage.events()[before..], expected);
    assert_eq!(waiting(&stage), []);
    let engine = crate::Engine { shared: Arc::clone(&stage.shared) };
    assert_eq!(engine.status().unwrap().dropped, 1, "it is counted");
}

#[test]
fn rows_stay_when_the_store_takes_nothing_more() {
    let stage = stage();
    join(&stage, "claude");
    stage.shared.store.close();
    move_rows(&stage.shared).unwrap_err();
    assert_eq!(waiting(&stage).len(), 1);
}
