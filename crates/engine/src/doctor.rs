//! Doctor: what could be wrong on this machine, and what to do about it.

use crate::Engine;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    Ok,
    Warning,
    Error,
}

#[derive(Debug, Clone)]
pub struct Finding {
    pub severity: Severity,
    /// `snake_case`, stable.
    pub check: &'static str,
    pub message: String,
    pub hint: Option<String>,
}

impl Engine {
    pub async fn doctor(&self) -> Vec<Finding> {
        todo!()
    }
}
