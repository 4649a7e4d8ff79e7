//! Offered work, and who does it.

use super::{Fixture, agent, publish, say};
use bus::{BusError, LockLost, NewNotice};
use std::collections::BTreeSet;
use std::sync::{Barrier, Mutex};
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);
const WORKERS: usize = 6;
const JOBS: usize = 18;

pub(crate) fn one_winner_among_many(stage: &dyn Fixture) {
    let bus = stage.open();
    let boss = agent(&*bus, "boss");
    let offered: BTreeSet<i64> = (0..JOBS).map(|n| publish(&*bus, say(boss, &n.to_string())).id).collect();
    let one = publish(&*bus, NewNotice { priority: 9, ..say(boss, "everybody wants this one") });
    let (start, done) = (Barrier::new(WORKERS), Mutex::new(Vec::new()));
    let winners = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for n in 0..WORKERS {
            let (start, done, winners, one) = (&start, &done, &winners, &one);
            scope.spawn(move || {
                let bus = stage.open();
                let me = agent(&*bus, &format!("w{n}"));
                start.wait();
                match bus.claim(one.id, me, MINUTE) {
                    Ok(claim) => winners.lock().unwrap().push(claim.holder),
                    Err(BusError::Claimed { notice, .. }) => assert_eq!(notice, one.id),
                    Err(other) => panic!("{other}"),
                }
                while let Some(claim) = bus.claim_next(me, MINUTE).unwrap() {
                    assert_eq!((claim.holder, claim.attempts), (me, 1));
                    bus.finish_claim(claim.token, me).unwrap();
                    done.lock().unwrap().push(claim);
                }
            });
        }
    });
    assert_eq!(winners.lock().unwrap().len(), 1);
    let done = done.lock().unwrap();
    assert_eq!(done.len(), JOBS, "each was done once");
    assert_eq!(done.iter().map(|claim| claim.notice).collect::<BTreeSet<_>>(), offered);
    assert_eq!(done.iter().map(|claim| claim.token).collect::<BTreeSet<_>>().len(), JOBS);
}

pub(crate) fn a_claim_that_ran_out_is_somebody_elses(stage: &dyn Fixture) {
    let (bus, other) = (stage.open(), stage.open());
    let [boss, a, b] = ["boss", "a", "b"].map(|name| agent(&*bus, name));
    let work = publish(&*bus, say(boss, "x"));
    let first = bus.claim(work.id, a, stage.brief()).unwrap();
    for _ in 0..2 {
        stage.pass_part();
        bus.renew_claim(first.token, a, stage.brief()).unwrap();
    }
    // Longer than the first lease alone.
    stage.pass_part();
    match other.claim(work.id, b, MINUTE) {
        Err(BusError::Claimed { by, .. }) => assert_eq!(by, Some(a)),
        other => panic!("{other:?}"),
    }
    assert!(other.claim_next(b, MINUTE).unwrap().is_none());
    assert!(matches!(other.finish_claim(first.token, b), Err(BusError::Lost(LockLost::NotYours { .. }))));
    stage.pass(stage.brief());
    let second = other.claim_next(b, MINUTE).unwrap().unwrap();
    assert_eq!((second.notice, second.attempts), (work.id, 2));
    assert!(second.token > first.token);
    assert!(matches!(bus.finish_claim(first.token, a), Err(BusError::Lost(_))));
    assert!(matches!(bus.renew_claim(first.token, a, MINUTE), Err(BusError::Lost(_))));
    other.finish_claim(second.token, b).unwrap();
}

pub(crate) fn the_most_urgent_first(stage: &dyn Fixture) {
    let bus = stage.open();
    let [boss, a, b] = ["boss", "a", "b"].map(|name| agent(&*bus, name));
    publish(&*bus, say(boss, "usual"));
    let urgent = publish(&*bus, NewNotice { priority: 5, ..say(boss, "urgent") });
    publish(&*bus, NewNotice { priority: 9, recipient: Some(b), ..say(boss, "for somebody else") });
    publish(&*bus, NewNotice { priority: 9, channel: model::Channel::state(), ..say(boss, "no work") });
    publish(&*bus, NewNotice { priority: 9, ..say(a, "its own") });
    assert_eq!(bus.claim_next(a, MINUTE).unwrap().unwrap().notice, urgent.id);
    // Who ends gives back what it had.
    bus.end(a, "finished").unwrap();
    let c = agent(&*bus, "c");
    bus.claim_next(c, MINUTE).unwrap().unwrap();
    assert_eq!(bus.claim_next(c, MINUTE).unwrap().unwrap().notice, urgent.id);
}

pub(crate) fn only_offered_work_is_claimed(stage: &dyn Fixture) {
    let bus = stage.open();
    let [boss, a, b, c] = ["boss", "a", "b", "c"].map(|name| agent(&*bus, name));
    let refused = |notice: i64, who, says: &str| match bus.claim(notice, who, MINUTE) {
        Err(BusError::Invalid(words)) => assert!(words.contains(says), "{words}"),
        other => panic!("{other:?}"),
    };
    let state = publish(&*bus, NewNotice { channel: model::Channel::state(), ..say(boss, "no work") });
    refused(state.id, a, "offers no work");
    let to_b = publish(&*bus, NewNotice { recipient: Some(b), ..say(boss, "for b") });
    refused(to_b.id, a, "to others");
    let to_two = publish(&*bus, NewNotice { recipients: vec![a, b], ..say(boss, "for a and b") });
    refused(to_two.id, c, "to others");
    assert_eq!(bus.claim(to_b.id, b, MINUTE).unwrap().holder, b);
    assert_eq!(bus.claim(to_two.id, a, MINUTE).unwrap().attempts, 1, "nobody had it before");
}

pub(crate) fn finished_work_is_not_claimed_again(stage: &dyn Fixture) {
    let bus = stage.open();
    let [boss, a, b] = ["boss", "a", "b"].map(|name| agent(&*bus, name));
    let work = publish(&*bus, NewNotice { ttl_seconds: Some(3600), ..say(boss, "x") });
    let claim = bus.claim(work.id, a, stage.brief()).unwrap();
    bus.finish_claim(claim.token, a).unwrap();
    stage.pass_all();
    assert!(matches!(bus.claim(work.id, b, MINUTE), Err(BusError::Claimed { .. })));
    assert!(bus.claim_next(b, MINUTE).unwrap().is_none());
    assert!(matches!(bus.finish_claim(claim.token, a), Err(BusError::Lost(LockLost::Gone { .. }))));
    assert!(matches!(bus.claim(work.id + 100, b, MINUTE), Err(BusError::NoNotice(_))));
    for ttl in [Duration::ZERO, bus::LOCK_TTL_MAX + Duration::from_secs(1)] {
        assert!(matches!(bus.claim(work.id, b, ttl), Err(BusError::Invalid(_))));
    }
}
