//! A million deliveries while publishers, receivers and janitors are killed at random.
//!
//! Every process writes down what it was told or saw, outside of SQLite, each line whole or not at all; the judge has only
//! these notes. The database is looked at through SQLite, once, when all is over.

mod actor;
mod judge;

pub(crate) use actor::run as body;

use super::fleet::{Crew, again};
use crate::row::Row;
use crate::{Order, say, scratch, tell};
use actor::Role;
use judge::{Grants, Seen};
use std::path::Path;
use std::process::Child;
use std::time::{Duration, Instant};

const PUBLISHERS: usize = 5;
const RECEIVERS: usize = 10;
const JANITORS: usize = 2;
/// How long receivers may take to catch up when the publishers are done; what they lack then is lost.
const AFTER_MOST: Duration = Duration::from_secs(300);
const LOOK_EVERY: Duration = Duration::from_millis(10);

const DELIVERIES: usize = 1_000_000;
const KILLS: usize = 200;
/// Both, with `--quick`.
const QUICK: (usize, usize) = (50_000, 20);

struct Member {
    role: Role,
    at: usize,
    argument: String,
    child: Child,
}

struct Cast {
    members: Vec<Member>,
    sent: Vec<Seen>,
    received: Vec<Seen>,
}

/// What a run came to.
#[derive(Debug, Default)]
struct Verdict {
    notices: usize,
    deliveries: usize,
    kills: [usize; 3],
    lost: usize,
    /// One wish that became two notices, or one notice handed twice to one life of a receiver.
    doubled: usize,
    /// Handed out again after a kill, under the same id.
    repeated: usize,
    grants: usize,
    /// Grants with a token not above all earlier ones.
    disordered: usize,
    integrity: String,
}

pub(crate) fn run(order: &Order) -> Result<(), String> {
    let (deliveries, kills) = if order.quick { QUICK } else { (DELIVERIES, KILLS) };
    say(&format!("bus: {deliveries} deliveries, {kills} kills"));
    let begun = Instant::now();
    let verdict = play(order, deliveries / RECEIVERS, kills)?;
    let [publishers, receivers, janitors] = verdict.kills;
    let mut note = format!(
        "{} notices, {} deliveries, {} kills ({publishers} of publishers, {receivers} of receivers, \
         {janitors} of janitors), {} handed out again after a kill, {} grants of a lock, {:.0} s",
        verdict.notices,
        verdict.deliveries,
        verdict.kills.iter().sum::<usize>(),
        verdict.repeated,
        verdict.grants,
        begun.elapsed().as_secs_f64(),
    );
    if order.quick {
        note += &format!(
            "; --quick leaves out {} deliveries and {} kills",
            DELIVERIES - deliveries,
            KILLS - kills
        );
    }
    let case = "1M_deliveries_200_kills";
    let row = |unit, stat, figure: usize| {
        tell(&Row::new("bus", case, unit, stat, figure as f64).at_most(0.0).note(&note));
    };
    row("deliveries", "acknowledged and lost", verdict.lost);
    row("deliveries", "duplicates", verdict.doubled);
    row("grants", "tokens that did not rise", verdict.disordered);
    let whole =
        Row::new("bus", case, "faults", "integrity_check", f64::from(u8::from(verdict.integrity != "ok")));
    tell(&whole.at_most(0.0).note(&verdict.integrity));
    Ok(())
}

fn play(order: &Order, notices: usize, kills: usize) -> Result<Verdict, String> {
    let folder = scratch::folder(order, "bus-kills-")?;
    let mut cast = Cast::start(folder.path(), notices / PUBLISHERS)?;
    let mut verdict = Verdict { notices: notices / PUBLISHERS * PUBLISHERS, ..Verdict::default() };
    let mut dice = Dice(u64::from(std::process::id()) << 20 ^ crate::rest::now() | 1);
    // Spread over the whole: the next one comes when this much has been acknowledged.
    let mut due = dice.below(verdict.notices / kills);
    let mut killed = 0;
    loop {
        let sent = cast.look_at_sent()?;
        if killed < kills && sent >= due {
            std::thread::sleep(Duration::from_micros(dice.below(20_000) as u64));
            // A role first, so that each has its share.
            let role = Role::ALL[dice.below(3)];
            if cast.kill(role, dice.below(PUBLISHERS * RECEIVERS * JANITORS))? {
                killed += 1;
                verdict.kills[role as usize] += 1;
                due = killed * verdict.notices / kills + dice.below(verdict.notices / kills);
            }
        } else if sent == verdict.notices {
            break;
        }
        std::thread::sleep(LOOK_EVERY);
    }
    if killed < kills {
        return Err(format!("all was sent after {killed} of {kills} kills"));
    }
    cast.wait_for_receivers(verdict.notices)?;
    cast.judge(&mut verdict);
    drop(cast);
    verdict.integrity = integrity(folder.path())?;
    Ok(verdict)
}

impl Cast {
    /// Receivers first: they are there when the first notice comes.
    fn start(dir: &Path, each: usize) -> Result<Self, String> {
        drop(super::wire::open_bus(dir, bus::SAFETY_POLL)?);
        let mut cast = Self { members: Vec::new(), sent: Vec::new(), received: Vec::new() };
        for (role, count) in
            [(Role::Receiver, RECEIVERS), (Role::Janitor, JANITORS), (Role::Publisher, PUBLISHERS)]
        {
            for at in 0..count {
                let argument = actor::argument(role, at, each, dir);
                let child = again(&["bus-kills", &argument])?;
                cast.members.push(Member { role, at, argument, child });
                let notes = actor::notes(dir, role, at);
                match role {
                    Role::Publisher => cast.sent.push(Seen::new(notes)),
                    Role::Receiver => cast.received.push(Seen::new(notes)),
                    Role::Janitor => {}
                }
            }
        }
        Ok(cast)
    }

    /// How many notices were acknowledged; ends when somebody failed by himself.
    fn look_at_sent(&mut self) -> Result<usize, String> {
        for member in &mut self.members {
            if let Ok(Some(status)) = member.child.try_wait()
                && !(member.role == Role::Publisher && status.success())
            {
                return Err(format!("{:?} {} ended with {status}", member.role, member.at));
            }
        }
        self.sent.iter_mut().try_for_each(Seen::read)?;
        Ok(self.sent.iter().map(|seen| seen.notices.len()).sum())
    }

    /// Kills one of a role, and starts it again; false when that one has done its work.
    fn kill(&mut self, role: Role, roll: usize) -> Result<bool, String> {
        let mut of_role: Vec<&mut Member> =
            self.members.iter_mut().filter(|member| member.role == role).collect();
        let count = of_role.len();
        let member = &mut of_role[roll % count];
        if !matches!(member.child.try_wait(), Ok(None)) {
            return Ok(false);
        }
        member.child.kill().map_err(|error| error.to_string())?;
        member.child.wait().map_err(|error| error.to_string())?;
        member.child = again(&["bus-kills", &member.argument])?;
        Ok(true)
    }

    fn wait_for_receivers(&mut self, notices: usize) -> Result<(), String> {
        let begun = Instant::now();
        loop {
            self.look_at_sent()?;
            self.received.iter_mut().try_for_each(Seen::read)?;
            let whole = self.received.iter().all(|seen| seen.notices.len() >= notices);
            if whole || begun.elapsed() > AFTER_MOST {
                return Ok(());
            }
            std::thread::sleep(LOOK_EVERY * 10);
        }
    }

    fn judge(&self, verdict: &mut Verdict) {
        let sent = judge::sent(&self.sent, &mut verdict.doubled);
        let mut grants = Grants::default();
        for (at, seen) in self.received.iter().enumerate() {
            let (had, lost) = judge::compare(&sent, &seen.notices);
            verdict.deliveries += had;
            verdict.lost += lost;
            verdict.doubled += seen.doubled;
            verdict.repeated += seen.repeated;
            grants.add(at, &seen.grants);
        }
        verdict.grants = grants.len();
        verdict.disordered = grants.disordered();
    }
}

impl Drop for Cast {
    fn drop(&mut self) {
        drop(Crew(std::mem::take(&mut self.members).into_iter().map(|member| member.child).collect()));
    }
}

/// What SQLite says of the file, when nobody else has it open.
fn integrity(dir: &Path) -> Result<String, String> {
    let ask = || -> rusqlite::Result<String> {
        let conn = rusqlite::Connection::open(dir.join("messaging.db"))?;
        conn.query_row("PRAGMA integrity_check", [], |row| row.get(0))
    };
    ask().map_err(|error| error.to_string())
}

struct Dice(u64);

impl Dice {
    fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % most.max(1)
    }
}
