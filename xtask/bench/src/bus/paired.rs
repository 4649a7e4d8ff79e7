//! One case, ours and everything it is measured beside: in turns, round after round.
//!
//! Each transport gives one row with all its figures; what was promised of ours follows as rows with a target.

use super::beside::Beside;
use super::fleet::{self, Outcome};
use super::node::Spec;
use super::wire::{POLL, REDIS};
use crate::row::{Row, round};
use crate::scratch::load;
use crate::{Order, say, tell, tell_text};
use serde_json::{Value, json};

/// What is run, and what was promised of it.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) spec: Spec,
    pub(crate) rounds: usize,
    /// In microseconds.
    pub(crate) p99: f64,
    /// In percent of one core, all sessions together.
    pub(crate) cpu: f64,
    /// How much slower than Redis the median may be.
    pub(crate) redis: Option<f64>,
}

/// A transport, and what its rounds came to.
struct Runs {
    name: &'static str,
    note: &'static str,
    rounds: Vec<Outcome>,
    /// Why somebody else's could not go on.
    failed: Option<String>,
}

impl Runs {
    fn new(name: &'static str, note: &'static str) -> Self {
        Self { name, note, rounds: Vec::new(), failed: None }
    }
}

/// Shares that are told of every transport.
const STATS: &[(&str, f64)] = &[("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999), ("max", 1.0)];
/// Ours at most, of the older design's 250 ms poll: its gate was 50 ms.
const GATE: f64 = 0.2;

pub(crate) fn run(order: &Order, beside: &Beside, case: &Case) -> Result<(), String> {
    let mut all = vec![Runs::new("ours", "kept, and acknowledged after COMMIT")];
    all.extend(beside.peers().iter().map(|peer| Runs::new(peer.name, peer.note)));
    let before = load();
    for round in 0..case.rounds {
        for (at, runs) in all.iter_mut().enumerate().filter(|(_, runs)| runs.failed.is_none()) {
            say(&format!("bus: {}, {}, {}/{}", case.name, runs.name, round + 1, case.rounds));
            let server = at.checked_sub(1).and_then(|peer| beside.server(beside.peers()[peer]));
            let url = server.map(|one| one.url.clone()).unwrap_or_default();
            let spec = Spec { wire: runs.name.to_owned(), url, ..case.spec.clone() };
            match fleet::run_beside(order, &spec, server.map(|one| one.pid)) {
                Ok(outcome) => runs.rounds.push(outcome),
                Err(why) if at == 0 => return Err(why),
                Err(why) => runs.failed = Some(why),
            }
        }
    }
    let load = load_between(&before);
    for runs in &all {
        if let Some(why) = &runs.failed {
            tell(&Row::missing("bus", case.name, &format!("{}: {why}", runs.name)));
        }
    }
    all.retain(|runs| runs.failed.is_none());
    let joined: Vec<Outcome> = all.iter().map(|runs| Outcome::join(runs.rounds.clone())).collect();
    for (runs, figures) in all.iter().zip(&joined) {
        let transport = Transport { case: case.name, name: runs.name, note: runs.note, rounds: &runs.rounds };
        tell_text(&transport.row(figures, &joined[0], &load).to_string());
    }
    promises(case, &all, &joined, &load);
    Ok(())
}

/// What else went on meanwhile.
pub(crate) fn load_between(before: &str) -> String {
    format!("load {before} before, {} after", load())
}

/// Everything about one transport in one object.
pub(crate) struct Transport<'a> {
    pub(crate) case: &'a str,
    pub(crate) name: &'a str,
    pub(crate) note: &'a str,
    pub(crate) rounds: &'a [Outcome],
}

impl Transport<'_> {
    pub(crate) fn row(&self, figures: &Outcome, ours: &Outcome, load: &str) -> Value {
        let mut row = json!({ "bench": "bus", "case": self.case, "transport": self.name, "unit": "us" });
        let mut of_ours = json!({});
        for (stat, share) in STATS {
            row[*stat] = round(figures.micros(*share));
            of_ours[*stat] = round(figures.micros(*share) / ours.micros(*share).max(1.0));
        }
        for (stat, share) in [("p50_of_rounds", 0.5), ("p99_of_rounds", 0.99)] {
            row[stat] = self.rounds.iter().map(|run| round(run.micros(share))).collect();
        }
        of_ours["cpu"] = round(figures.cpu() / ours.cpu().max(0.001));
        row["cpu_percent"] = round(figures.cpu());
        row["cpu_percent_server"] = round(figures.server);
        row["deliveries"] = figures.samples.len().into();
        row["lost"] = figures.lost().into();
        row["duplicates"] = figures.duplicates.into();
        row["times_ours"] = of_ours;
        let comma = if self.note.is_empty() { "" } else { "; " };
        row["note"] = format!("{}{comma}{load}", self.note).into();
        row
    }
}

fn promises(case: &Case, all: &[Runs], joined: &[Outcome], load: &str) {
    let ours = &joined[0];
    let of_all = |row: Row, figure: &dyn Fn(&Outcome) -> f64| {
        all.iter().zip(joined).skip(1).fold(row, |row, (runs, one)| row.peer(runs.name, Some(figure(one))))
    };
    let p99 = Row::new("bus", case.name, "us", "p99", ours.micros(0.99)).at_most(case.p99);
    let rounds = all[0].rounds.iter().map(|run| run.micros(0.99));
    let note = format!("median of the rounds {:.0}; {load}", median(rounds.collect()));
    tell(&of_all(p99.note(&note), &|one| one.micros(0.99)));
    let cpu = Row::new("bus", case.name, "percent of a core", "cpu", ours.cpu()).at_most(case.cpu);
    tell(&of_all(cpu, &Outcome::cpu));
    let lost = Row::new("bus", case.name, "deliveries", "lost", ours.lost() as f64).at_most(0.0);
    tell(&of_all(lost, &|one| one.lost() as f64));
    let again = Row::new("bus", case.name, "deliveries", "duplicates", ours.duplicates as f64).at_most(0.0);
    tell(&of_all(again, &|one| one.duplicates as f64));
    let rounds_of = |name: &str| all.iter().find(|runs| runs.name == name);
    if let (Some(most), Some(redis)) = (case.redis, rounds_of(REDIS)) {
        let ratios = ratios(&all[0], redis, 0.5);
        let note = format!("of the rounds: {}", listed(&ratios));
        tell(
            &Row::new("bus", case.name, "ratio to redis_pubsub", "p50", median(ratios))
                .at_most(most)
                .note(&note),
        );
    }
    if let Some(poll) = rounds_of(POLL) {
        let ratios = ratios(&all[0], poll, 0.99);
        tell(&Row::new("bus", case.name, "ratio to poll_250ms", "p99", median(ratios)).at_most(GATE));
    }
}

/// Ours by theirs, each round by its neighbour: what disturbed the one disturbed the other.
fn ratios(ours: &Runs, theirs: &Runs, share: f64) -> Vec<f64> {
    let pairs = ours.rounds.iter().zip(&theirs.rounds);
    pairs.map(|(ours, theirs)| ours.micros(share) / theirs.micros(share).max(1.0)).collect()
}

/// The middle one; of an even number, the worse of the two.
pub(crate) fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_unstable_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(0.0)
}

fn listed(figures: &[f64]) -> String {
    figures.iter().map(|figure| format!("{figure:.2}")).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_five_is_the_third() {
        assert_eq!(median(vec![9.0, 1.0, 5.0, 2.0, 7.0]), 5.0);
        assert_eq!(median(vec![2.0, 1.0]), 2.0);
        assert_eq!(median(Vec::new()), 0.0);
    }

    #[test]
    fn a_round_is_compared_with_its_neighbour() {
        let runs = |name, each: &[u64]| Runs {
            name,
            note: "",
            rounds: each
                .iter()
                .map(|micros| Outcome { samples: vec![micros * 1_000], ..Outcome::default() })
                .collect(),
            failed: None,
        };
        let (ours, theirs) = (runs("ours", &[100, 900]), runs("theirs", &[200, 300]));
        assert_eq!(ratios(&ours, &theirs, 0.5), [0.5, 3.0]);
    }
}
