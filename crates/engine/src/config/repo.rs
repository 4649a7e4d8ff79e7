//! Repositories and worktrees, as config.json says it.

use serde::{Deserialize, Serialize};
use std::ops::RangeInclusive;

/// Days a worktree stays in the trash when nothing else is said.
pub(crate) const TRASH_DAYS: u32 = 14;
/// Days automatic checkpoints stay when nothing else is said.
pub(crate) const CHECKPOINT_DAYS: u32 = 14;
/// More days would never end.
const CHECKPOINT_DAYS_MAX: u32 = 3650;
/// So many days are too short to notice, or too long to ever end.
const TRASH_DAYS_RANGE: RangeInclusive<u32> = 1..=3650;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RepoConfig {
    /// Days a worktree stays in the trash before it goes for good.
    pub trash_days: u32,
    /// Days after which the automatic checkpoints of a session that is over are thinned out; 0 keeps them all.
    pub checkpoint_days: u32,
    /// Whether `file://` addresses may be cloned from.
    pub clone_files: bool,
}

impl Default for RepoConfig {
    fn default() -> Self {
        Self { trash_days: TRASH_DAYS, checkpoint_days: CHECKPOINT_DAYS, clone_files: false }
    }
}

impl RepoConfig {
    pub(super) fn check(&self) -> Result<(), String> {
        if self.checkpoint_days > CHECKPOINT_DAYS_MAX {
            return Err(format!("repos.checkpoint_days is 0 to {CHECKPOINT_DAYS_MAX}"));
        }
        if TRASH_DAYS_RANGE.contains(&self.trash_days) {
            return Ok(());
        }
        let (least, most) = (TRASH_DAYS_RANGE.start(), TRASH_DAYS_RANGE.end());
        Err(format!("repos.trash_days is {least} to {most}"))
    }

    /// None: they stay.
    pub(crate) fn checkpoint_millis(&self) -> Option<i64> {
        (self.checkpoint_days > 0).then(|| i64::from(self.checkpoint_days) * 24 * 60 * 60 * 1000)
    }

    pub(crate) fn trash_millis(&self) -> i64 {
        i64::from(self.trash_days) * 24 * 60 * 60 * 1000
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_trash_keeps_for_some_days() {
        let days = |trash_days| RepoConfig { trash_days, ..RepoConfig::default() };
        assert_eq!(RepoConfig::default().trash_days, TRASH_DAYS);
        assert!(days(1).check().is_ok() && days(3650).check().is_ok());
        assert!(days(0).check().is_err() && days(3651).check().is_err());
    }

    #[test]
    fn automatic_checkpoints_stay_for_some_days_or_for_ever() {
        let days = |checkpoint_days| RepoConfig { checkpoint_days, ..RepoConfig::default() };
        assert_eq!(days(0).checkpoint_millis(), None);
        assert_eq!(days(1).checkpoint_millis(), Some(86_400_000));
        assert!(days(0).check().is_ok() && days(CHECKPOINT_DAYS_MAX).check().is_ok());
        assert!(days(CHECKPOINT_DAYS_MAX + 1).check().is_err());
    }
}
