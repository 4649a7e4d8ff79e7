//! Cards dropped in zones: the task that comes of it begins, once, also when the daemon is killed in the same moment.

use crate::house::{text, until};
use crate::kill::Workplace;
use protocol::{CardPatch, Task, TaskState};
use serde_json::Value;
use std::time::Duration;

/// Milliseconds after which the daemon is killed, counted from the beginning of the drop.
const KILLED_AFTER: [u64; 8] = [0, 1, 2, 4, 6, 9, 15, 40];

/// A board with a zone that prompts.
fn board(place: &Workplace) -> String {
    let board = place.house.json(&["board", "new", "Flow", "--json"])["id"].as_str().unwrap().to_owned();
    let zone = ["board", "zone", "add", &board, "Review", "--at", "0,0", "--size", "400x400", "--json"];
    place.house.json(&[&zone[..], &["--prompt", "[[say reviewed]] {{zone.name}}: {{card.note}}"]].concat());
    board
}

/// A card of a session of its own, outside of the zone.
fn card(place: &Workplace, board: &str, note: &str) -> (String, String) {
    let session = place.session("claude");
    let card =
        ["board", "card", "add", board, "--session", &session, "--note", note, "--at", "-500,0", "--json"];
    let card = place.house.json(&card)["id"].as_str().unwrap().to_owned();
    (card, session)
}

// A command would start a daemon of its own where it finds none; the client does not.
fn tasks(place: &Workplace, session: &str) -> Vec<Task> {
    place.house.api(async |client| client.session_tasks(session).await.unwrap().value.items)
}

fn completed(place: &Workplace, session: &str) -> Task {
    until("the task's end", || {
        tasks(place, session).into_iter().find(|task| task.state == TaskState::Completed)
    })
}

/// Where the card is, and what its drop has set off.
fn shown(place: &Workplace, board: &str, card: &str) -> Value {
    let shown = place.house.json(&["board", "show", board, "--json"]);
    let cards = shown["cards"].as_array().unwrap().iter();
    cards.clone().find(|one| one["id"] == card).unwrap_or_else(|| panic!("no {card} in {shown}")).clone()
}

#[test]
fn a_card_that_is_dropped_by_command_begins_a_task() {
    let place = Workplace::new();
    let _daemon = place.daemon();
    let board = board(&place);
    let (card, session) = card(&place, &board, "Mind it");
    assert!(tasks(&place, &session).is_empty(), "outside of the zone nothing is set off");
    let said = place.house.run(&["board", "card", "move", &card, "100,100"]);
    assert!(said.status.success(), "{}", text(&said));
    let task = completed(&place, &session);
    assert_eq!(task.prompt, "[[say reviewed]] Review: Mind it");
    let firing = shown(&place, &board, &card)["firing"].clone();
    assert_eq!((&firing["state"], &firing["task"]), (&"done".into(), &task.id.to_string().into()));
    // Moved within the zone it is not dropped again; brought out and back, it is.
    for (at, count) in [("120,120", 1), ("-500,0", 1), ("100,100", 2)] {
        place.house.json(&["board", "card", "move", &card, at, "--json"]);
        until("what the drop sets off", || (tasks(&place, &session).len() == count).then_some(()));
    }
}

#[test]
fn a_drop_in_whose_midst_the_daemon_is_killed_begins_one_task_or_did_not_happen() {
    let place = Workplace::new();
    let mut daemon = Some(place.daemon());
    let board = board(&place);
    let mut dropped = 0;
    for after in KILLED_AFTER {
        let (card, session) = card(&place, &board, &format!("after {after}"));
        let answered = std::thread::scope(|scope| {
            let dropping = scope.spawn(|| {
                let patch = CardPatch { x: Some(100), y: Some(100), ..CardPatch::default() };
                place.house.api(async |client| client.change_card(&card, &patch, None).await.is_ok())
            });
            std::thread::sleep(Duration::from_millis(after));
            if let Some(daemon) = daemon.take() {
                daemon.kill();
            }
            dropping.join().unwrap()
        });
        daemon = Some(place.daemon());
        let now = shown(&place, &board, &card);
        let is_there = !now["firing"].is_null();
        assert_eq!(now["place"]["x"] == 100, is_there, "the drop and what it sets off are one: {now}");
        assert!(is_there || !answered, "what was answered is there: {now}");
        if is_there {
            dropped += 1;
            completed(&place, &session);
            until("the card knows it", || {
                (shown(&place, &board, &card)["firing"]["state"] == "done").then_some(())
            });
        }
        assert_eq!(tasks(&place, &session).len(), usize::from(is_there));
    }
    eprintln!("{dropped} of {} drops were there after the kill", KILLED_AFTER.len());
}
