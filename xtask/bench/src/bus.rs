//! What the bus costs and how soon it delivers: separate processes, 256-byte payloads, beside Redis, NATS, PostgreSQL and the
//! older design's methods in the same run and in turns.
//!
//! A server that is not installed has a row that says so.

mod beside;
mod cold;
mod fleet;
mod kills;
mod mail;
mod node;
mod paired;
mod single;
mod wire;

use crate::row::Row;
use crate::sample::Samples;
use crate::{Order, say, scratch, tell};
use beside::Beside;
use fleet::Crew;
use node::Spec;
use paired::Case;
use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

/// An empty bus and a full one are compared as often.
const HISTORY_ROUNDS: usize = 5;
/// The safety poll while few speak: so long that a busy machine cannot be as late as a bell that did not ring.
const SPARSE_TICK_MS: u64 = 2_000;
/// A delivery this late was not woken by a bell. A notice meets a deaf reader at any point of the poll, so this is far
/// below the poll of a case that counts them.
const LATE_US: f64 = 200_000.0;

/// The bodies of the processes this bench starts.
pub(crate) fn body(name: &str, argument: &str) -> Option<Result<(), String>> {
    Some(match name {
        "bus-node" => node::run(argument),
        "bus-contender" => single::contender(argument),
        "bus-holder" => single::holder(argument),
        "bus-flood" => single::flood_here(argument),
        "bus-kills" => kills::body(argument),
        "bus-hog" => loop {
            std::hint::spin_loop();
        },
        _ => return None,
    })
}

/// A case that needs nobody beside it.
type Measure<'a> = dyn Fn() -> Result<(), String> + 'a;

pub(crate) fn bench(order: &Order) -> Result<(), String> {
    let seconds = if order.quick { 5.0 } else { 10.0 };
    let rounds = if order.quick { 1 } else { 5 };
    let ten = Spec {
        wire: "ours".to_owned(),
        dir: PathBuf::new(),
        index: 0,
        count: 10,
        cast: true,
        rate: 5.0,
        seconds,
        power: false,
        tick_ms: 250,
        url: String::new(),
        run: 0,
    };
    let to_one = Spec { cast: false, ..ten.clone() };
    let fifty = Spec { count: 50, ..to_one.clone() };
    let redis = Some(1.15);
    let cases = [
        Case { name: "10x5_to_all", spec: ten.clone(), rounds, p99: 1_500.0, cpu: 4.0, redis },
        Case { name: "10x5_to_one", spec: to_one, rounds, p99: 1_500.0, cpu: 4.0, redis },
        Case { name: "50x5_to_one", spec: fifty.clone(), rounds: 1, p99: 3_000.0, cpu: 15.0, redis: None },
    ];
    let wanted = |case: &str| order.only.as_deref().is_none_or(|only| case.contains(only));
    if cases.iter().any(|case| wanted(case.name)) {
        // Ended before the rest: nobody else's processes are awake while ours are looked at alone.
        let beside = Beside::start(order)?;
        cases
            .iter()
            .filter(|case| wanted(case.name))
            .try_for_each(|case| paired::run(order, &beside, case))?;
    }
    let alone: &[(&str, &Measure<'_>)] = &[
        ("10x5_hogs", &|| hogged(order, &ten)),
        ("sparse", &|| sparse(order, &ten)),
        ("50_idle", &|| idle(order, &fifty)),
        ("flood", &|| floods(order)),
        ("locks", &|| locks(order)),
        ("1GB_history", &|| history(order, &ten)),
        ("1M_deliveries_200_kills", &|| kills::run(order)),
        ("mcp_agent_mail", &|| mail::run(order, &ten)),
    ];
    alone.iter().filter(|(case, _)| wanted(case)).try_for_each(|(_, run)| run())
}

/// Fifty sessions that say nothing.
fn idle(order: &Order, fifty: &Spec) -> Result<(), String> {
    say("bus: 50 idle");
    let spec =
        Spec { rate: 0.0, tick_ms: 2_000, seconds: if order.quick { 10.0 } else { 40.0 }, ..fifty.clone() };
    let ours = fleet::run(order, &spec)?;
    tell(&Row::new("bus", "50_idle", "percent of a core", "all", ours.cpu()).at_most(1.0));
    Ok(())
}

/// With one process per core that does nothing but work.
fn hogged(order: &Order, ten: &Spec) -> Result<(), String> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let hogs = (0..cores).map(|_| fleet::again(&["bus-hog", "x"])).collect::<Result<Vec<_>, _>>()?;
    let _hogs = Crew(hogs);
    say("bus: 10x5 with a hog per core");
    // To one, as many seconds more as it has fewer deliveries.
    for (case, cast, times) in [("10x5_to_all_hogs", true, 1.0), ("10x5_to_one_hogs", false, 4.0)] {
        let seconds = if order.quick { ten.seconds } else { ten.seconds * times };
        let ours = fleet::run(order, &Spec { cast, seconds, ..ten.clone() })?;
        tell(&Row::new("bus", case, "us", "p99", ours.micros(0.99)).at_most(10_000.0).note(&ours.note()));
        ours.tell_whole(case);
    }
    Ok(())
}

/// One message a second in all: what a busy bus hides shows here.
fn sparse(order: &Order, ten: &Spec) -> Result<(), String> {
    let seconds = if order.quick { 20.0 } else { 120.0 };
    for (case, power) in [("sparse_process", false), ("sparse_power", true)] {
        say(&format!("bus: {case}"));
        let mut disk = Samples::default();
        let spec = Spec { rate: 0.1, seconds, power, tick_ms: SPARSE_TICK_MS, ..ten.clone() };
        if power {
            sync(order, &mut disk)?;
        }
        let ours = fleet::run(order, &spec)?;
        if power {
            sync(order, &mut disk)?;
        }
        let most = if power { 3.0 * disk.micros(0.99) } else { 10_000.0 };
        let synced = format!("; fdatasync p99 {:.0} us", disk.micros(0.99));
        let note = ours.note() + if power { &synced } else { "" };
        tell(&Row::new("bus", case, "us", "p99", ours.micros(0.99)).at_most(most).note(&note));
        let late = ours.samples.iter().filter(|ns| **ns as f64 / 1e3 > LATE_US).count();
        tell(&Row::new("bus", case, "deliveries", "by the safety poll", late as f64).at_most(0.0));
        ours.tell_whole(case);
    }
    Ok(())
}

/// What the disk itself takes, before and after, at a sparse pace too.
fn sync(order: &Order, samples: &mut Samples) -> Result<(), String> {
    let folder = scratch::folder(order, "bus-sync-")?;
    let mut file = File::create(folder.path().join("plain")).map_err(|error| error.to_string())?;
    for _ in 0..if order.quick { 25 } else { 200 } {
        std::thread::sleep(Duration::from_millis(100));
        let wrote: std::io::Result<()> = samples.time(|| {
            file.write_all(&[b'x'; 4096])?;
            file.sync_data()
        });
        wrote.map_err(|error| error.to_string())?;
    }
    Ok(())
}

fn floods(order: &Order) -> Result<(), String> {
    let time = Duration::from_secs(if order.quick { 3 } else { 10 });
    for (case, batch, most) in [("flood_1", 1, 1e6 / 12_000.0), ("flood_batch_100", 100, 1e6 / 120_000.0)] {
        say(&format!("bus: {case}"));
        let each = single::flood(order, batch, time)? / 1e3;
        let row = Row::new("bus", case, "us", "per notice", each).at_most(most);
        tell(&row.note(&format!("{:.0} notices/s", 1e6 / each)));
    }
    Ok(())
}

fn locks(order: &Order) -> Result<(), String> {
    say("bus: locks, 10 contenders");
    let grants = single::acquire(order, 10, if order.quick { 4.0 } else { 20.0 })?;
    let note = format!("{} grants, p99 {:.0} us", grants.len(), grants.micros(0.99));
    tell(
        &Row::new("bus", "acquire_10_contenders", "us", "p50", grants.micros(0.5)).at_most(500.0).note(&note),
    );
    say("bus: takeover after kill -9");
    let taken = single::takeover(order, if order.quick { 20 } else { 100 })?;
    let note = format!("p50 {:.2} ms, {} kills", taken.millis(0.5), taken.len());
    tell(&Row::new("bus", "takeover_after_kill", "ms", "max", taken.millis(1.0)).at_most(10.0).note(&note));
    cold::rows(order)
}

/// The same traffic beside a long history.
fn history(order: &Order, ten: &Spec) -> Result<(), String> {
    if order.quick {
        tell(&Row::missing("bus", "1GB_history", "left out by --quick"));
        return Ok(());
    }
    say("bus: writing 1 GB of history");
    let folder = scratch::folder(order, "bus-history-")?;
    let bus = wire::open_bus(folder.path(), bus::SAFETY_POLL)?;
    let janitor = bus.keep_house().map_err(|error| error.to_string())?;
    let me = wire::register(&bus, "past")?;
    let payload = serde_json::json!({ "pad": "x".repeat(240) });
    let old = bus::NewNotice {
        ttl_seconds: Some(3_600),
        ..bus::NewNotice::new(me, model::Channel::state(), payload)
    };
    let batch = vec![old; 1_000];
    let size = || std::fs::metadata(folder.path().join("messaging.db")).map_or(0, |found| found.len());
    while size() < 1_000_000_000 {
        bus.publish_all(&batch).map_err(|error| error.to_string())?;
    }
    drop(janitor);
    let (mut ratios, mut beside) = (Vec::new(), Vec::new());
    for round in 0..HISTORY_ROUNDS {
        say(&format!("bus: 1 GB of history, {}/{HISTORY_ROUNDS}", round + 1));
        let empty = fleet::run(order, ten)?;
        let full = fleet::run(order, &Spec { dir: folder.path().to_owned(), ..ten.clone() })?;
        let note = format!("empty: {}; full: {}", empty.note(), full.note());
        ratios.push((full.micros(0.5) / empty.micros(0.5).max(1.0), note));
        beside.push(full);
    }
    ratios.sort_unstable_by(|left, right| left.0.total_cmp(&right.0));
    let of_all: Vec<String> = ratios.iter().map(|(ratio, _)| format!("{ratio:.2}")).collect();
    let (median, note) = &ratios[ratios.len() / 2];
    let note = format!("of the rounds: {}; the median's: {note}", of_all.join(" "));
    tell(&Row::new("bus", "1GB_history", "ratio to none", "p50", *median).at_most(1.2).note(&note));
    fleet::Outcome::join(beside).tell_whole("1GB_history");
    Ok(())
}
