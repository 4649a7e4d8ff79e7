//! Many nodes at once, and what they measured together.

use super::node::Spec;
use crate::process::command;
use crate::row::Row;
use crate::scratch;
use crate::{Order, tell};
use serde_json::Value;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// What a run of all nodes came to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outcome {
    /// Latencies in ns of first arrivals, sorted.
    pub(crate) samples: Vec<u64>,
    /// Deliveries there should have been.
    pub(crate) expected: u64,
    /// What arrived once more.
    pub(crate) duplicates: u64,
    /// In percent of one core, all nodes together.
    pub(crate) clients: f64,
    /// The same of the server they share, if there is one.
    pub(crate) server: f64,
}

impl Outcome {
    /// Of what never arrived the latency is endless: no target is met by losing everything.
    pub(crate) fn micros(&self, share: f64) -> f64 {
        let at = ((self.samples.len() as f64 * share).ceil() as usize).saturating_sub(1);
        self.samples
            .get(at.min(self.samples.len().saturating_sub(1)))
            .map_or(f64::INFINITY, |ns| *ns as f64 / 1e3)
    }

    pub(crate) fn lost(&self) -> u64 {
        self.expected.saturating_sub(self.samples.len() as u64)
    }

    /// Everybody's work, in percent of one core.
    pub(crate) fn cpu(&self) -> f64 {
        self.clients + self.server
    }

    pub(crate) fn note(&self) -> String {
        let (p50, p999) = (self.micros(0.5), self.micros(0.999));
        let max = self.micros(1.0);
        format!(
            "p50 {p50:.0} p99 {:.0} p99.9 {p999:.0} max {max:.0} us, {} deliveries, {} lost, {} twice, cpu {:.2} %",
            self.micros(0.99),
            self.samples.len(),
            self.lost(),
            self.duplicates,
            self.cpu()
        )
    }

    /// Rows that say that everything arrived, and once.
    pub(crate) fn tell_whole(&self, case: &str) {
        for (stat, count) in [("lost", self.lost()), ("duplicates", self.duplicates)] {
            tell(&Row::new("bus", case, "deliveries", stat, count as f64).at_most(0.0));
        }
    }

    /// Several runs as one.
    pub(crate) fn join(runs: Vec<Self>) -> Self {
        let count = runs.len().max(1) as f64;
        let mut all = Self::default();
        for run in runs {
            all.samples.extend(run.samples);
            all.expected += run.expected;
            all.duplicates += run.duplicates;
            all.clients += run.clients / count;
            all.server += run.server / count;
        }
        all.samples.sort_unstable();
        all
    }
}

/// Processes that end with this, whatever happens.
pub(crate) struct Crew(pub(crate) Vec<Child>);

impl Crew {
    /// A line to each of them.
    fn tell(&mut self, line: &str) -> Result<(), String> {
        for child in &mut self.0 {
            let stdin = child.stdin.as_mut().ok_or("a node has no input")?;
            stdin.write_all(line.as_bytes()).map_err(|error| error.to_string())?;
        }
        Ok(())
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// This program again, as somebody else.
pub(crate) fn again(arguments: &[&str]) -> Result<Child, String> {
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut command = command(own);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
    command.spawn().map_err(|error| format!("a node cannot be started: {error}"))
}

static RUNS: AtomicU64 = AtomicU64::new(1);

/// One run: `count` nodes as the spec says, in a folder of their own unless it names one.
pub(crate) fn run(order: &Order, spec: &Spec) -> Result<Outcome, String> {
    run_beside(order, spec, None)
}

/// The same, over a server with this first process.
pub(crate) fn run_beside(order: &Order, spec: &Spec, server: Option<u32>) -> Result<Outcome, String> {
    let folder = scratch::folder(order, "bus-")?;
    let dir = if spec.dir.as_os_str().is_empty() { folder.path().to_owned() } else { spec.dir.clone() };
    let run = RUNS.fetch_add(1, Ordering::Relaxed);
    let mut crew = Crew(Vec::new());
    let mut lines = Vec::new();
    for index in 0..spec.count {
        let text = Spec { index, run, dir: dir.clone(), ..spec.clone() }.text();
        let mut child = again(&["bus-node", &text])?;
        lines.push(BufReader::new(child.stdout.take().ok_or("a node has no output")?).lines());
        crew.0.push(child);
    }
    for line in &mut lines {
        line.next().ok_or("a node ended before it was ready")?.map_err(|error| error.to_string())?;
    }
    let (begun, worked) = (Instant::now(), server.map_or(0, scratch::worked_by_all));
    crew.tell("go\n")?;
    let mut outcome = Outcome::default();
    for line in &mut lines {
        let text = line.next().ok_or("a node ended before its report")?.map_err(|error| error.to_string())?;
        let report: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
        let figure = |key: &str| report[key].as_u64().unwrap_or(0);
        let each = if spec.cast { spec.count as u64 - 1 } else { 1 };
        outcome.expected += figure("sent") * each;
        outcome.duplicates += figure("again");
        outcome.clients += figure("cpu") as f64 / figure("wall").max(1) as f64 * 100.0;
        outcome.samples.extend(report["samples"].as_array().into_iter().flatten().filter_map(Value::as_u64));
    }
    let worked = server.map_or(0, scratch::worked_by_all).saturating_sub(worked);
    outcome.server = worked as f64 / begun.elapsed().as_nanos() as f64 * 100.0;
    crew.tell("leave\n")?;
    for child in &mut crew.0 {
        child.wait().map_err(|error| error.to_string())?;
    }
    outcome.samples.sort_unstable();
    Ok(outcome)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losing_everything_meets_no_target() {
        let nothing = Outcome { expected: 10, ..Outcome::default() };
        let row = Row::new("bus", "x", "us", "p99", nothing.micros(0.99)).at_most(1e12);
        let row: Value = serde_json::from_str(&row.json()).unwrap();
        assert_eq!((&row["met"], &row["ours"]), (&Value::Bool(false), &Value::Null));
        assert_eq!(nothing.lost(), 10);
        let all = Outcome { samples: vec![1_000, 2_000], expected: 2, ..Outcome::default() };
        assert_eq!((all.micros(0.5), all.micros(1.0), all.lost()), (1.0, 2.0, 0));
    }
}
