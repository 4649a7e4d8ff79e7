//! The gate of the older design, as ratios: ten sessions that each say five things a second to all the others are told within
//! a fifth of the time in which a 250 ms poll tells them, and none works for more than a twentieth of a core.
//!
//! Both ways run in turns on one machine, so a machine that is busy makes both worse; the middle round decides.

use crate::process::Process;
use crate::stage::new;
use bus::system::{SystemClock, SystemEntropy, process_start};
use bus::{Bus, Liveness, NewNotice, NoticeQuery, Replay};
use model::{Channel, Notice, RegistrationId};
use rustix::time::{ClockId, clock_gettime};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::ChildStdout;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use testkit::SeededEntropy;

const SESSIONS: usize = 10;
/// What each says in a round, at five a second.
const NOTICES: u64 = 15;
/// What each is told in a round: everything the others say.
const TOLD: usize = (SESSIONS - 1) * NOTICES as usize;
/// Who has not been told it all this long after the last word was said never will be.
const TOLD_WITHIN: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(200);
/// A session that is preempted while it holds a lock says nothing of the bell, so that it has to happen in three of them.
const ROUNDS: usize = 5;
const POLL: Duration = Duration::from_millis(250);
/// 50 ms of 250 ms.
const LATENCY_MOST: f64 = 0.2;
/// Of one core, each session.
const WORK_MOST: f64 = 0.05;
const REPORT: &str = "report ";

/// What is new at each look.
type Reading = Box<dyn FnMut() -> Vec<Notice> + Send>;

fn nanos(clock: ClockId) -> u64 {
    let time = clock_gettime(clock);
    u64::try_from(time.tv_sec).unwrap() * 1_000_000_000 + u64::try_from(time.tv_nsec).unwrap()
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "\n{line}").and_then(|()| out.flush()).unwrap();
}

/// The body of a session: `<bell or poll> <number> <folder>`.
pub(crate) fn run(argument: &str) {
    let words: Vec<&str> = argument.splitn(3, ' ').collect();
    let (rung, number, dir) = (words[0] == "bell", words[1].parse::<u64>().unwrap(), Path::new(words[2]));
    let bus = Bus::open(dir, Arc::new(SystemClock), Arc::new(SystemEntropy)).unwrap();
    let pid = std::process::id();
    let alive = Liveness::Process { pid, starttime: process_start(pid).unwrap() };
    let me = bus.register(new(&format!("s{number}"), alive)).unwrap().id;
    let _janitor = bus.keep_house().unwrap();
    let reading = if rung { rung_reader(&bus, me, number) } else { polling_reader(&bus, me) };
    say("ready");
    std::io::stdin().read_line(&mut String::new()).unwrap();
    let (begun, worked) = (nanos(ClockId::Monotonic), nanos(ClockId::ProcessCPUTime));
    let over = AtomicBool::new(false);
    let told = std::thread::scope(|scope| {
        let reader = scope.spawn(|| read_all(reading, &over));
        // They do not all speak at once.
        let dice = SeededEntropy::new(number);
        for _ in 0..NOTICES {
            std::thread::sleep(PAUSE / 2 + Duration::from_millis(dice.below(PAUSE.as_millis() as u64)));
            let said = json!({ "at": nanos(ClockId::Monotonic), "pad": "x".repeat(200) });
            bus.publish(NewNotice::new(me, Channel::task_broadcast(), said)).unwrap();
        }
        // Others may still speak.
        say("spoke");
        std::io::stdin().read_line(&mut String::new()).unwrap();
        over.store(true, Ordering::SeqCst);
        reader.join().unwrap()
    });
    let worked = nanos(ClockId::ProcessCPUTime) - worked;
    let share = worked as f64 / (nanos(ClockId::Monotonic) - begun) as f64;
    say(&format!("{REPORT}{}", json!({ "told": told, "share": share })));
}

/// Looks until it has been told everything, and at least once after the last word was said, so that what comes too often is
/// seen too. How long each took, in ns.
fn read_all(mut reading: Reading, over: &AtomicBool) -> Vec<u64> {
    let (mut told, mut last_word) = (Vec::new(), None);
    let mut ids = BTreeSet::new();
    loop {
        // Before the look, so that it is one after the last word.
        let done = over.load(Ordering::SeqCst);
        let found = reading();
        let now = nanos(ClockId::Monotonic);
        for notice in found {
            let Some(at) = notice.payload["at"].as_u64() else { continue };
            assert!(ids.insert(notice.id), "it is told everything once");
            told.push(now - at);
        }
        if done {
            let since = *last_word.get_or_insert(now);
            if told.len() >= TOLD || now - since > TOLD_WITHIN.as_nanos() as u64 {
                return told;
            }
        }
    }
}

fn rung_reader(bus: &Bus, me: RegistrationId, number: u64) -> Reading {
    let mut reading = bus.subscribe(me, &format!("s{number}"), "main", &Replay::Now).unwrap();
    Box::new(move || reading.next(POLL).unwrap().notices)
}

fn polling_reader(bus: &Bus, me: RegistrationId) -> Reading {
    let bus = bus.clone();
    let mut after = bus.newest_position().unwrap().id;
    Box::new(move || {
        std::thread::sleep(POLL);
        let query = NoticeQuery { after, recipient: Some(me), ..NoticeQuery::default() };
        let page = bus.notices(&query).unwrap();
        after = page.next;
        page.notices
    })
}

/// One round: the 99th percentile of how long it took to be told, in ns, and the share of a core a session worked.
fn round(way: &str) -> (u64, f64) {
    let dir = tempfile::tempdir().unwrap();
    drop(Bus::open(dir.path(), Arc::new(SystemClock), Arc::new(SystemEntropy)).unwrap());
    let mut sessions: Vec<(Process, BufReader<ChildStdout>)> = (0..SESSIONS)
        .map(|number| {
            let (process, output) =
                Process::start_heard(&format!("gate {way} {number} {}", dir.path().display()));
            (process, BufReader::new(output))
        })
        .collect();
    for awaited in ["ready", "spoke"] {
        for (_, output) in &mut sessions {
            until(output, awaited);
        }
        for (process, _) in &mut sessions {
            process.stdin().write_all(b"go on\n").unwrap();
        }
    }
    let (mut told, mut share) = (Vec::new(), 0.0);
    for (process, output) in &mut sessions {
        let report: Value = serde_json::from_str(&until(output, REPORT)).unwrap();
        told.extend(report["told"].as_array().unwrap().iter().filter_map(Value::as_u64));
        share += report["share"].as_f64().unwrap() / SESSIONS as f64;
        assert!(process.wait().success());
    }
    assert_eq!(told.len(), SESSIONS * TOLD, "{way}: everybody is told everything, once");
    told.sort_unstable();
    (told[told.len() * 99 / 100], share)
}

/// What follows this beginning on the first line that has it.
fn until(output: &mut BufReader<ChildStdout>, beginning: &str) -> String {
    loop {
        let mut line = String::new();
        assert!(output.read_line(&mut line).unwrap() > 0, "a session ended early");
        if let Some(rest) = line.strip_prefix(beginning) {
            return rest.to_owned();
        }
    }
}

fn middle(mut figures: Vec<f64>) -> f64 {
    figures.sort_unstable_by(f64::total_cmp);
    figures[figures.len() / 2]
}

#[test]
fn who_is_rung_is_told_in_a_fifth_of_the_time_of_who_polls() {
    let (mut latency, mut work) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let ((rung, share), (polled, poll_share)) = (round("bell"), round("poll"));
        latency.push(rung as f64 / polled as f64);
        work.push(share);
        println!(
            "p99 {rung} ns by the bell, {polled} ns by a poll; a session works {share:.4} and {poll_share:.4} of a core"
        );
    }
    let (latency, work) = (middle(latency), middle(work));
    assert!(latency <= LATENCY_MOST, "the bell takes {latency:.3} of the poll's time");
    assert!(work <= WORK_MOST, "a session works {work:.3} of a core");
}
