//! Waiting for notices: rung at once, and not lost when nobody rings.

use super::{Fixture, Handle, PATIENCE, agent, lives, publish, say, texts};
use bus::{AckRule, Backend, BusError, NewNotice, NoticeQuery};
use model::{Notice, RegistrationId};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

const ROUNDS: usize = 40;
/// So long that a wait which needs it has failed.
const NEVER: Duration = Duration::from_secs(3600);

fn wait(bus: &dyn Backend, me: RegistrationId, after: i64) -> Vec<Notice> {
    bus.wait(&NoticeQuery { after, recipient: Some(me), ..NoticeQuery::default() }, PATIENCE).unwrap().notices
}

/// Two who answer each other: each waits while the other is about to publish, and nobody looks by itself.
pub(crate) fn a_reader_is_woken_by_what_is_published(stage: &dyn Fixture) {
    let patient = || stage.open_with(Handle { safety_poll: NEVER, ..Handle::default() });
    let (one, two) = (patient(), patient());
    let (a, b) = (agent(&*one, "a"), agent(&*two, "b"));
    let answer = move |bus: Arc<dyn Backend>, me: RegistrationId, other: RegistrationId, begins: bool| {
        let mut after = 0;
        for round in 0..ROUNDS {
            if !begins || round > 0 {
                let came = wait(&*bus, me, after);
                assert_eq!(came.len(), 1, "nothing rang in round {round}");
                after = came[0].id;
            }
            // Half of it is addressed, half for everybody.
            let to = (round % 2 == 0).then_some(other);
            publish(&*bus, NewNotice { recipient: to, ..say(me, "your turn") });
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(move || answer(two, b, a, false));
        answer(one, a, b, true);
    });
}

pub(crate) fn a_lost_ring_costs_time_only(stage: &dyn Fixture) {
    let bus = stage.open();
    let [a, b] = ["a", "b"].map(|name| agent(&*bus, name));
    let after = bus.newest_position().unwrap().id;
    std::thread::scope(|scope| {
        let quick = Handle { safety_poll: Duration::from_millis(20), ..Handle::default() };
        let reader = scope.spawn(move || wait(&*stage.open_with(quick), b, after));
        stage.slip_in(a, &json!("unheard"));
        assert_eq!(texts(&reader.join().unwrap()), ["unheard"]);
    });
}

pub(crate) fn a_wait_ends_with_its_time(stage: &dyn Fixture) {
    let bus = stage.open();
    let [a, b] = ["a", "b"].map(|name| agent(&*bus, name));
    let sent = publish(&*bus, say(a, "x"));
    for timeout in [Duration::ZERO, Duration::from_millis(30)] {
        let query = NoticeQuery { after: sent.id, recipient: Some(b), ..NoticeQuery::default() };
        let page = bus.wait(&query, timeout).unwrap();
        assert!(page.is_empty());
        assert_eq!(page.next, sent.id);
        // Nobody's, it is the same.
        assert!(bus.wait(&NoticeQuery { recipient: None, ..query }, timeout).unwrap().is_empty());
    }
    assert_eq!(wait(&*bus, b, 0), [sent]);
}

pub(crate) fn nobody_waits_for_a_registration_that_has_ended(stage: &dyn Fixture) {
    let bus = stage.open();
    let b = agent(&*bus, "b");
    let query = NoticeQuery { recipient: Some(b), ..NoticeQuery::default() };
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| stage.open().wait(&query, PATIENCE));
        bus.end(b, "finished").unwrap();
        assert!(matches!(waiting.join().unwrap(), Err(BusError::Ended(who)) if who == b));
    });
    assert!(matches!(bus.wait(&query, PATIENCE), Err(BusError::Ended(_))));
}

pub(crate) fn what_comes_again_wakes(stage: &dyn Fixture) {
    let bus = stage.open();
    let [a, b] = ["a", "b"].map(|name| lives(&*bus, name, super::DAY));
    let ack = Some(AckRule { seconds: 1, attempts: 3 });
    let sent = publish(&*bus, NewNotice { recipient: Some(b), ack, ..say(a, "answer me") });
    std::thread::scope(|scope| {
        let query = NoticeQuery { after: sent.id, recipient: Some(b), ..NoticeQuery::default() };
        let waiting = scope.spawn(move || stage.open().wait(&query, PATIENCE).unwrap());
        stage.pass(Duration::from_secs(2));
        bus.clear().unwrap();
        let page = waiting.join().unwrap();
        assert_eq!((page.notices, page.again), (Vec::new(), vec![sent.clone()]));
    });
}
