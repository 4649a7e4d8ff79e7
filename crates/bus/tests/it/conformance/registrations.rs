//! Who is there.

use super::{DAY, Fixture, agent, lives, say};
use crate::stage::{exclusive, new};
use bus::{BusError, Liveness, NewNotice, NewRegistration};
use model::{Id, RegistrationPhase};

pub(crate) fn the_same_again_is_the_same(stage: &dyn Fixture) {
    let (bus, other) = (stage.open(), stage.open());
    let id = Id::new(&bus::system::SystemClock, &bus::system::SystemEntropy);
    let lease = || Liveness::Lease { ttl: DAY };
    let asked = NewRegistration {
        id: Some(id),
        model: Some("m".to_owned()),
        session: Some(Id::new(&bus::system::SystemClock, &bus::system::SystemEntropy)),
        ..new("a", lease())
    };
    let first = bus.register(asked.clone()).unwrap();
    assert_eq!((first.id, first.phase), (id, RegistrationPhase::Active));
    assert_eq!(other.register(asked.clone()).unwrap(), first);
    for changed in [
        NewRegistration { agent: "b".to_owned(), ..asked.clone() },
        NewRegistration { worktree: None, ..asked.clone() },
        NewRegistration { model: None, ..asked.clone() },
        NewRegistration { liveness: Liveness::Lease { ttl: DAY / 2 }, ..asked.clone() },
    ] {
        assert!(matches!(other.register(changed), Err(BusError::Invalid(_))));
    }
    bus.end(id, "finished").unwrap();
    assert!(matches!(other.register(asked), Err(BusError::Ended(who)) if who == id));
}

pub(crate) fn a_lease_is_life(stage: &dyn Fixture) {
    let (bus, other) = (stage.open(), stage.open());
    let [short, long] =
        [("short", stage.brief()), ("long", DAY)].map(|(name, lease)| lives(&*bus, name, lease));
    // Signs of life keep it going beyond the first lease.
    for _ in 0..3 {
        stage.pass_part();
        other.heartbeat(short).unwrap();
    }
    bus.publish_all(&[say(short, "alive")]).unwrap();
    stage.pass_all();
    assert!(matches!(bus.publish_all(&[say(short, "dead")]), Err(BusError::Ended(who)) if who == short));
    assert!(matches!(bus.acquire(&exclusive(short, &["x"])), Err(BusError::Ended(_))));
    bus.clear().unwrap();
    assert!(matches!(other.heartbeat(short), Err(BusError::Ended(_))));
    let left: Vec<_> = other.registrations().unwrap().iter().map(|registration| registration.id).collect();
    assert_eq!(left, [long]);
}

/// The other side of a bridge that was cut off for long: whoever lives on comes back under its name.
pub(crate) fn whose_lease_ran_out_comes_back(stage: &dyn Fixture) {
    let (bus, other) = (stage.open(), stage.open());
    if !bus.promises().spans_machines {
        return;
    }
    let witness = agent(&*bus, "witness");
    let asked = |name: &str| NewRegistration {
        id: Some(Id::new(&bus::system::SystemClock, &bus::system::SystemEntropy)),
        ..new(name, Liveness::Lease { ttl: stage.brief() })
    };
    let both = [asked("cleared"), asked("met")];
    let [cleared, met] = both.clone().map(|asked| bus.register(asked).unwrap().id);
    let lock = bus.acquire(&exclusive(cleared, &["x"])).unwrap().locks.remove(0);
    stage.pass_all();
    // One after its end was written, the other before anybody saw it.
    let back = other.register(both[1].clone()).unwrap();
    assert_eq!((back.id, back.phase), (met, RegistrationPhase::Active));
    bus.clear().unwrap();
    assert!(matches!(bus.heartbeat(cleared), Err(BusError::Ended(_))));
    let changed = NewRegistration { agent: "another".to_owned(), ..both[0].clone() };
    assert!(matches!(other.register(changed), Err(BusError::Invalid(_))));
    assert_eq!(other.register(both[0].clone()).unwrap().id, cleared);
    for id in [cleared, met] {
        bus.heartbeat(id).unwrap();
        bus.publish_all(&[NewNotice { recipient: Some(id), ..say(witness, "back") }]).unwrap();
        bus.publish_all(&[say(id, "here")]).unwrap();
    }
    // What it held is gone for good.
    assert!(matches!(bus.check(lock.token, crate::stage::TREE, "x", cleared), Err(BusError::Lost(_))));
    assert!(bus.acquire(&exclusive(witness, &["x"])).unwrap().locks[0].token > lock.token);
    bus.end(cleared, "finished").unwrap();
    assert!(matches!(other.register(both[0].clone()), Err(BusError::Ended(_))), "who said goodbye is gone");
}

pub(crate) fn everybody_sees_everybody(stage: &dyn Fixture) {
    let (bus, other) = (stage.open(), stage.open());
    let asked = NewRegistration { model: Some("m".to_owned()), ..new("a", Liveness::Lease { ttl: DAY }) };
    let a = bus.register(asked).unwrap();
    let b = other.register(new("b", Liveness::Lease { ttl: DAY })).unwrap();
    assert_eq!(bus.registrations().unwrap(), [a.clone(), b.clone()]);
    assert_eq!(other.registrations().unwrap(), [a, b]);
}

pub(crate) fn ending_frees_and_is_final(stage: &dyn Fixture) {
    let (bus, other) = (stage.open(), stage.open());
    let [a, b] = ["a", "b"].map(|name| agent(&*bus, name));
    let lock = bus.acquire(&exclusive(a, &["x"])).unwrap().locks.remove(0);
    other.end(a, "finished").unwrap();
    other.end(a, "finished").unwrap();
    assert!(bus.locks(None).unwrap().is_empty());
    assert!(matches!(bus.check(lock.token, crate::stage::TREE, "x", a), Err(BusError::Lost(_))));
    assert!(matches!(bus.publish_all(&[say(a, "x")]), Err(BusError::Ended(_))));
    assert!(matches!(bus.heartbeat(a), Err(BusError::Ended(_))));
    assert!(matches!(bus.listen_to(a, &[]), Err(BusError::Ended(_))));
    assert!(bus.acquire(&exclusive(b, &["x"])).unwrap().locks[0].token > lock.token);
}

pub(crate) fn between_machines_life_is_a_lease(stage: &dyn Fixture) {
    let bus = stage.open();
    let pid = std::process::id();
    let starttime = bus::system::process_start(pid).unwrap();
    let here = bus.register(new("a", Liveness::Process { pid, starttime }));
    if bus.promises().spans_machines {
        assert!(matches!(here, Err(BusError::Invalid(_))), "{here:?}");
    } else {
        assert_eq!(here.unwrap().pid, Some(pid));
    }
}
