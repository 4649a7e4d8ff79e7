//! Turns: one participant's work on a task, from prompt until the agent reports its end.

use crate::{
    CostSource, ParticipantId, RepoId, RepoPath, RunId, SessionId, TaskId, Timestamp, TurnId, Usage,
};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Turn {
    pub id: TurnId,
    pub session: SessionId,
    pub task: TaskId,
    pub participant: ParticipantId,
    pub run: RunId,
    /// Counts from 1; a crash resubmits the task with the next one.
    pub attempt: u32,
    pub started_at: Timestamp,
    /// Where its checkout stood then; none without a repository, or when git did not say.
    #[serde(default)]
    pub git: Option<GitState>,
}

/// Where a checkout stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GitState {
    /// None when no branch is checked out.
    pub branch: Option<String>,
    /// Commit that is checked out; none before the first.
    pub commit: Option<String>,
    /// Something in it is not committed.
    pub dirty: bool,
}

/// How a turn ended. There is always one: a deadline, a death and a restart are endings too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum TurnOutcome {
    Completed { summary: String },
    Failed { code: String, message: String },
    Canceled,
}

impl TurnOutcome {
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Completed { .. } => "completed",
            Self::Failed { .. } => "failed",
            Self::Canceled => "canceled",
        }
    }
}

/// One file an agent changed through the worktree's writer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileChange {
    pub session: SessionId,
    pub task: TaskId,
    pub turn: TurnId,
    pub participant: ParticipantId,
    pub path: RepoPath,
    /// BLAKE3 of the content before, in hex; none when the file was created.
    pub before: Option<String>,
    /// BLAKE3 of the content after, in hex.
    pub after: String,
    pub lines_added: u32,
    pub lines_removed: u32,
    /// Fencing token of the lock it was made under.
    pub token: u64,
    /// What the agent says it changed, as a unified diff; none when it does not say.
    #[serde(default)]
    pub diff: Option<String>,
}

/// A vendor's own session opened for a participant: where the next turn goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opening {
    pub session: SessionId,
    pub participant: ParticipantId,
    pub turn: TurnId,
    /// The vendor's id of its session.
    pub vendor_session: String,
    /// The vendor's program, as it says.
    pub version: Option<String>,
    /// Whether the participant's next prompt goes on there; steps of plans begin anew.
    pub goes_on: bool,
}

/// What the agent intends to do, as it says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outline {
    pub session: SessionId,
    pub turn: TurnId,
    pub participant: ParticipantId,
    pub steps: Vec<OutlineStep>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutlineStep {
    pub text: String,
    pub state: OutlineState,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutlineState {
    Pending,
    InProgress,
    Completed,
}

impl OutlineState {
    pub const ALL: [Self; 3] = [Self::Pending, Self::InProgress, Self::Completed];
}

/// What a vendor's program said, word for word, in the order in which it did. Text as it is written piece by piece is
/// left out: it comes again, whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VendorRecords {
    pub session: SessionId,
    pub turn: TurnId,
    pub participant: ParticipantId,
    /// Number of the first of them in the turn, from 0.
    pub from: u64,
    pub lines: Vec<String>,
}

/// Most files named in one [`StrayFiles`].
pub const STRAY_FILES_MAX: usize = 64;

/// Files that changed without the worktree's writer while a turn had a shell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StrayFiles {
    pub session: SessionId,
    pub task: TaskId,
    /// The turn whose shell call had just ended. Whoever else writes to the worktree at that moment is not told apart.
    pub turn: TurnId,
    pub participant: ParticipantId,
    /// At most [`STRAY_FILES_MAX`], in the order of their paths.
    pub files: Vec<StrayFile>,
    /// How many there are besides.
    pub more: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StrayFile {
    pub path: RepoPath,
    /// Who, other than the turn's own agent, had the file locked.
    pub locked_by: Option<String>,
}

/// A known content was written back to a file of a checkout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileRestored {
    pub repo: RepoId,
    pub path: RepoPath,
    /// `before_lock` or `last_known`.
    pub to: String,
    /// BLAKE3 (hex) of what the file holds now.
    pub restored: String,
    /// The same of what it held before, which is kept; none when there was no file.
    pub overwritten: Option<String>,
    /// Under whose lock it was written; none when nobody held one.
    pub holder: Option<String>,
}

/// Sums over the model calls of a turn.
impl std::iter::Sum for Usage {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        let mut sum = Self::default();
        all.for_each(|one| sum += one);
        sum
    }
}

impl std::ops::AddAssign for Usage {
    /// Stops at the end of the numbers: what a provider claims must not bring a sum down.
    fn add_assign(&mut self, more: Self) {
        self.cost_source = match (self.is_empty(), more.is_empty()) {
            (_, true) => self.cost_source,
            (true, false) => more.cost_source,
            (false, false) if self.cost_source == more.cost_source => self.cost_source,
            (false, false) => CostSource::Mixed,
        };
        self.input_tokens = self.input_tokens.saturating_add(more.input_tokens);
        self.output_tokens = self.output_tokens.saturating_add(more.output_tokens);
        self.cache_read_tokens = self.cache_read_tokens.saturating_add(more.cache_read_tokens);
        self.cache_write_tokens = self.cache_write_tokens.saturating_add(more.cache_write_tokens);
        self.cost_micros = self.cost_micros.saturating_add(more.cost_micros);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_knows_whether_its_figures_are_of_one_source() {
        let of = |cost_source| Usage { output_tokens: 1, cost_source, ..Usage::default() };
        let nothing = Usage { cost_source: CostSource::Vendor, ..Usage::default() };
        let sum = |all: &[Usage]| all.iter().copied().sum::<Usage>().cost_source;
        let (vendor, table, none) = (of(CostSource::Vendor), of(CostSource::Table), of(CostSource::None));
        assert_eq!(sum(&[]), CostSource::None);
        assert_eq!(sum(&[nothing, table, nothing]), CostSource::Table);
        assert_eq!(sum(&[vendor, vendor]), CostSource::Vendor);
        assert_eq!(sum(&[vendor, table]), CostSource::Mixed);
        assert_eq!(sum(&[none, table]), CostSource::Mixed, "a part of it has no price");
        assert_eq!(sum(&[vendor, table, table]), CostSource::Mixed);
    }
}
