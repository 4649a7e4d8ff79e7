//! Whose clock decides: never that of a client's wall.

use super::{Fixture, Handle, agent, lives, publish, say, texts};
use crate::stage::{TREE, exclusive};
use bus::{BusError, LockRequest, NewNotice, NoticeQuery};
use std::time::Duration;

/// Long enough for the case, short enough where time passes by waiting.
const BRIEF: Duration = Duration::from_secs(8);
const YEAR_MS: i64 = 366 * 24 * 3600 * 1000;

pub(crate) fn a_clients_wall_clock_decides_nothing(stage: &dyn Fixture) {
    let right = stage.open();
    for wall_shift_ms in [-YEAR_MS, YEAR_MS] {
        let wrong = stage.open_with(Handle { wall_shift_ms, ..Handle::default() });
        let a = lives(&*wrong, "a", BRIEF);
        let b = agent(&*right, "b");
        let sent = [wrong.as_ref(), right.as_ref()]
            .map(|bus| publish(bus, NewNotice { ttl_seconds: Some(8), ..say(a, "x") }).id);
        assert!(sent[0] < sent[1]);
        let path = format!("file {wall_shift_ms}");
        let brief = LockRequest { ttl: BRIEF, ..exclusive(a, &[path.as_str()]) };
        let lock = wrong.acquire(&brief).unwrap().locks.remove(0);
        let query = NoticeQuery {
            after: sent[0] - 1,
            channel: Some(model::Channel::task_broadcast()),
            ..NoticeQuery::default()
        };
        for bus in [&wrong, &right] {
            // Nothing of it is over, whoever looks or clears away.
            bus.clear().unwrap();
            assert_eq!(texts(&bus.notices(&query).unwrap().notices), ["x", "x"]);
            bus.check(lock.token, TREE, &path, a).unwrap();
            let wanted = bus.acquire(&exclusive(b, &[path.as_str()]));
            assert!(matches!(wanted, Err(BusError::Contended(_))));
            bus.heartbeat(a).unwrap();
        }
        stage.pass(BRIEF + Duration::from_secs(1));
        for bus in [&wrong, &right] {
            assert!(bus.notices(&query).unwrap().is_empty(), "it is over for everybody");
            assert!(matches!(bus.check(lock.token, TREE, &path, a), Err(BusError::Lost(_))));
        }
        right.acquire(&exclusive(b, &[path.as_str()])).unwrap();
    }
}
