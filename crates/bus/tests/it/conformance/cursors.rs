//! Where a reader goes on, and what it is told when it cannot.

use super::{Fixture, agent, at, publish, say, texts};
use bus::{BusError, NewNotice, NoticeQuery, Position, Replay};
use std::time::Duration;

pub(crate) fn a_cursor_goes_forward_and_outlives_its_handle(stage: &dyn Fixture) {
    let bus = stage.open();
    let a = agent(&*bus, "a");
    let sent = bus.publish_all(&[say(a, "1"), say(a, "2"), say(a, "3")]).unwrap();
    let place = |n: usize| at(&*bus, &sent[n]);
    assert_eq!(bus.cursor("me", "main").unwrap(), None);
    bus.move_cursor("me", "main", &place(1)).unwrap();
    assert_eq!(stage.open().cursor("me", "main").unwrap(), Some(place(1)));
    bus.move_cursor("me", "main", &place(0)).unwrap();
    assert_eq!(bus.cursor("me", "main").unwrap(), Some(place(1)), "it never goes back");
    bus.move_cursor("me", "main", &place(2)).unwrap();
    bus.move_cursor("me", "other", &place(0)).unwrap();
    bus.move_cursor("you", "main", &place(0)).unwrap();
    assert_eq!(bus.cursor("me", "main").unwrap(), Some(place(2)));
    // Another generation begins anew.
    let other = Position { generation: "another".to_owned(), id: 1 };
    bus.move_cursor("me", "main", &other).unwrap();
    assert_eq!(bus.cursor("me", "main").unwrap(), Some(other));
}

pub(crate) fn a_gap_is_an_error_for_who_asks_for_none(stage: &dyn Fixture) {
    let bus = stage.open();
    let a = agent(&*bus, "a");
    let first = publish(&*bus, say(a, "kept"));
    let second = publish(&*bus, NewNotice { ttl_seconds: Some(1), ..say(a, "over") });
    let third = publish(&*bus, say(a, "kept too"));
    let after = |notice| Replay::After(at(&*bus, notice));
    stage.pass(Duration::from_secs(2));
    bus.clear().unwrap();
    let every = NoticeQuery::default();
    match bus.replay(&after(&first), &every) {
        Err(error @ BusError::CursorExpired { .. }) => {
            assert_eq!(error.refusal().code, "cursor_expired");
            assert!(matches!(error, BusError::CursorExpired { after, oldest }
                if after == first.id && oldest == first.id));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(bus.replay(&after(&second), &every).unwrap().notices, std::slice::from_ref(&third));
    // Who does not mind reads what there is.
    let page = bus.notices(&NoticeQuery { after: first.id, ..every }).unwrap();
    assert_eq!(page.notices, [third]);
}

pub(crate) fn a_position_ahead_is_an_error(stage: &dyn Fixture) {
    let bus = stage.open();
    let a = agent(&*bus, "a");
    let sent = publish(&*bus, say(a, "x"));
    let query = NoticeQuery { after: sent.id + 1, ..NoticeQuery::default() };
    assert!(matches!(bus.notices(&query), Err(BusError::CursorAhead { after, newest })
        if after == sent.id + 1 && newest == sent.id));
    let ahead = Position { id: sent.id + 1, ..at(&*bus, &sent) };
    let refused = bus.replay(&Replay::After(ahead), &NoticeQuery::default()).unwrap_err();
    assert_eq!(refused.refusal().code, "cursor_ahead");
}

pub(crate) fn a_bus_made_anew_changes_its_generation(stage: &dyn Fixture) {
    let bus = stage.open();
    let a = agent(&*bus, "a");
    let sent = publish(&*bus, say(a, "x"));
    let before = at(&*bus, &sent);
    assert_eq!(stage.open().newest_position().unwrap(), before, "opening alone changes nothing");
    drop(bus);
    stage.remake();
    let bus = stage.open();
    let present = bus.newest_position().unwrap();
    assert_ne!(present.generation, before.generation);
    let b = agent(&*bus, "b");
    publish(&*bus, say(b, "y"));
    publish(&*bus, say(b, "z"));
    match bus.replay(&Replay::After(before.clone()), &NoticeQuery::default()) {
        Err(BusError::GenerationChanged { generation }) => assert_eq!(generation, present.generation),
        other => panic!("{other:?}"),
    }
    let query = NoticeQuery { generation: Some(before.generation), ..NoticeQuery::default() };
    assert!(matches!(bus.notices(&query), Err(BusError::GenerationChanged { .. })));
    assert_eq!(texts(&bus.notices(&NoticeQuery::default()).unwrap().notices), ["y", "z"]);
}

pub(crate) fn replay_from_the_beginning_a_time_a_position_and_now(stage: &dyn Fixture) {
    let bus = stage.open();
    let a = agent(&*bus, "a");
    let first = publish(&*bus, say(a, "1"));
    stage.pass(Duration::from_secs(2));
    let second = publish(&*bus, say(a, "2"));
    assert!(second.created_at > first.created_at);
    let replay = |from: &Replay| {
        let page = bus.replay(from, &NoticeQuery::default()).unwrap();
        texts(&page.notices).join(" ")
    };
    assert_eq!(replay(&Replay::Beginning), "1 2");
    assert_eq!(replay(&Replay::Since(first.created_at)), "1 2");
    assert_eq!(replay(&Replay::Since(second.created_at)), "2");
    assert_eq!(replay(&Replay::After(at(&*bus, &first))), "2");
    let now = bus.replay(&Replay::Now, &NoticeQuery::default()).unwrap();
    assert!(now.is_empty());
    assert_eq!(now.next, second.id, "from here on it goes on");
    let third = publish(&*bus, say(a, "3"));
    let on = NoticeQuery { after: now.next, generation: Some(now.generation), ..NoticeQuery::default() };
    assert_eq!(bus.notices(&on).unwrap().notices, [third]);
}
