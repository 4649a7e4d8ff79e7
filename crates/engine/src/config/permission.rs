//! What agents may do without asking, as config.json says it.

use crate::permission::rules::{PermissionRuleConfig, Rule};
use model::{PermissionEffect, ToolCategory};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Most rules in config.json.
pub(crate) const RULES_MAX: usize = 256;

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PermissionConfig {
    pub rules: Vec<PermissionRuleConfig>,
    /// For calls that no rule speaks of; goes before the agents' presets.
    pub default: BTreeMap<ToolCategory, PermissionEffect>,
    /// Somebody looks at the inbox even when neither a page nor a follower is connected.
    pub watched: bool,
}

/// What happens to calls that no rule speaks of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PermissionPreset {
    /// Reads and edits go ahead; everything else asks.
    #[default]
    Ask,
    /// Reads and edits go ahead; everything else is denied, and nobody is asked.
    Edits,
    /// Everything goes ahead that does not administer agents.
    All,
}

/// What becomes of a question while nobody watches.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unattended {
    Deny,
    #[default]
    Wait,
    Allow,
}

impl PermissionConfig {
    pub(crate) fn compiled(&self) -> Result<Vec<Rule>, String> {
        let compiled =
            |(at, rule)| Rule::of_config(rule).map_err(|why| format!("permissions.rules[{at}]: {why}"));
        self.rules.iter().enumerate().map(compiled).collect()
    }

    pub(super) fn check(&self) -> Result<(), String> {
        if self.rules.len() > RULES_MAX {
            return Err(format!("permissions.rules has more than {RULES_MAX} rules"));
        }
        self.compiled().map(drop)
    }
}
