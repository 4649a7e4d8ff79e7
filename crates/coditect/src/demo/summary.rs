//! What came of it, in figures. Each follows from the journal or the git log, and can be counted again from there.

use super::sample::Sample;
use super::stage::Stage;
use crate::output::{Complaint, say};
use cli::{DemoRun, Host};
use git::LogEntry;
use model::{Event, LockPhase, PlanState};
use protocol::{Cursor, EventQuery, Plan};
use serde::Serialize;
use std::path::PathBuf;
use std::time::Duration;

/// Events read at a time.
const PAGE: usize = 1000;
/// How long the last words of the agents' processes are waited for.
const SETTLE_MAX: Duration = Duration::from_secs(10);
/// The journal is at rest when nothing came for so many looks …
const SETTLED_LOOKS: u32 = 3;
/// … this far apart.
const LOOK_EVERY: Duration = Duration::from_millis(150);

#[derive(Debug, Serialize)]
pub(crate) struct Summary {
    /// The plan was completed, no test failed, and the journal is whole.
    pub(crate) ok: bool,
    pub(crate) tests_passed: u32,
    /// Commits on top of the sample's first one.
    pub(crate) commits: usize,
    /// How often an agent had to wait for another one's lock.
    pub(crate) lock_waits: usize,
    pub(crate) lock_takeovers: usize,
    /// Events in the journal up to `cursor`.
    pub(crate) events: u64,
    pub(crate) journal_verified: bool,
    pub(crate) elapsed_ms: u64,
    pub(crate) data_root: PathBuf,
    pub(crate) repo: PathBuf,
    /// The last event that was counted; whoever starts the daemon again adds some.
    pub(crate) cursor: String,
    #[serde(skip)]
    log: Vec<String>,
}

/// What the events alone say.
#[derive(Debug, Default, PartialEq, Eq)]
struct Count {
    events: u64,
    waits: usize,
    takeovers: usize,
    last: Cursor,
}

pub(crate) async fn collect(
    host: &Host,
    stage: &mut Stage<'_>,
    sample: &Sample,
    plan: &Plan,
    elapsed: impl Fn() -> Duration,
) -> Result<Summary, Complaint> {
    settle(host, stage).await?;
    let count = count(stage).await?;
    let verified = stage.steadily(async |client| client.verify_data().await).await?;
    let commits = sample.commits()?;
    let tests_passed = plan.tests.as_ref().map_or(0, |tests| tests.passed);
    let tests_good = plan.tests.as_ref().is_some_and(|tests| tests.exit_code == Some(0) && tests.failed == 0);
    Ok(Summary {
        ok: plan.state == PlanState::Completed && tests_good && verified.ok,
        tests_passed,
        commits: commits.len(),
        lock_waits: count.waits,
        lock_takeovers: count.takeovers,
        events: count.events,
        journal_verified: verified.ok,
        elapsed_ms: u64::try_from(elapsed().as_millis()).unwrap_or(u64::MAX),
        data_root: stage.scratch().data_root().path().to_owned(),
        repo: sample.path().to_owned(),
        cursor: count.last.to_string(),
        log: commits.iter().map(entry).collect(),
    })
}

/// Waits until the agents' processes are gone and what they left is in the journal.
async fn settle(host: &Host, stage: &mut Stage<'_>) -> Result<(), Complaint> {
    let began = host.clock.uptime();
    let (mut last, mut quiet) = (Cursor::START, 0);
    while quiet < SETTLED_LOOKS && host.clock.uptime().saturating_sub(began) < SETTLE_MAX {
        let status = stage.steadily(async |client| client.status().await).await?;
        let still = status.running_turns == 0 && status.locks == 0 && status.cursor == last;
        quiet = if still { quiet + 1 } else { 0 };
        last = status.cursor;
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(())
}

async fn count(stage: &mut Stage<'_>) -> Result<Count, Complaint> {
    let mut count = Count::default();
    loop {
        let query = EventQuery { after: Some(count.last.to_string()), session: None, limit: Some(PAGE) };
        let page = stage.steadily(async |client| client.events(&query).await).await?;
        if page.reset {
            return Err(Complaint::failed(
                "journal_cut",
                "the journal does not reach back to its first event",
            ));
        }
        if page.items.is_empty() {
            return Ok(count);
        }
        for record in &page.items {
            count.events += 1;
            if let Ok(Event::LockChanged(change)) = record.event() {
                count.waits += usize::from(change.phase == LockPhase::Waiting);
                count.takeovers += usize::from(change.phase == LockPhase::TakenOver);
            }
        }
        count.last = page.next;
    }
}

fn entry(commit: &LogEntry) -> String {
    let who: Vec<&str> = commit.co_authors.iter().map(git::Author::name).collect();
    let oid = commit.oid.as_str();
    format!("{}  {}  ({})", oid.get(..8).unwrap_or(oid), commit.subject, who.join(", "))
}

impl Summary {
    /// The one object, or the same for people.
    pub(crate) fn print(&self, order: &DemoRun) -> std::io::Result<()> {
        if order.json {
            return say(&serde_json::to_string(self)?);
        }
        let yes = |yes: bool| if yes { "yes" } else { "no" };
        let mut lines = vec![
            format!("ok               {}", yes(self.ok)),
            format!("tests passed     {}", self.tests_passed),
            format!("commits          {}", self.commits),
            format!("lock waits       {}", self.lock_waits),
            format!("lock take-overs  {}", self.lock_takeovers),
            format!("events           {}", self.events),
            format!("journal verified {}", yes(self.journal_verified)),
            format!("elapsed          {:.1} s", Duration::from_millis(self.elapsed_ms).as_secs_f64()),
            format!("data root        {}", self.data_root.display()),
            format!("repo             {}", self.repo.display()),
        ];
        lines.extend(self.log.iter().map(|line| format!("  {line}")));
        say(&lines.join("\n"))
    }
}
