//! Repositories and worktrees, as config.json says it.

use serde::{Deserialize, Serialize};
use std::ops::RangeInclusive;

/// Days a worktree stays in the trash when nothing else is said.
pub(crate) const TRASH_DAYS: u32 = 14;
/// So many days are too short to notice, or too long to ever end.
const TRASH_DAYS_RANGE: RangeInclusive<u32> = 1..=3650;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RepoConfig {
    /// Days a worktree stays in the trash before it goes for good.
    pub trash_days: u32,
    /// Whether `file://` addresses may be cloned from.
    pub clone_files: bool,
}

impl Default for RepoConfig {
    fn default() -> Self {
        Self { trash_days: TRASH_DAYS, clone_files: false }
    }
}

impl RepoConfig {
    pub(super) fn check(&self) -> Result<(), String> {
        if TRASH_DAYS_RANGE.contains(&self.trash_days) {
            return Ok(());
        }
        let (least, most) = (TRASH_DAYS_RANGE.start(), TRASH_DAYS_RANGE.end());
        Err(format!("repos.trash_days is {least} to {most}"))
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
}
