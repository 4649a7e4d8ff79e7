//! Terms of tasks, and the pool.

use super::Key;
use crate::client::{Ask, Client};
use crate::{ClientError, path};
use protocol::Method::{Get, Patch, Post};
use protocol::{Agent, ClaimEnd, ClaimRenewal, NewClaim, NewResumption, Page, Task, TaskPatch};

impl Client {
    /// Changes what a task depends on, its deadline and its other terms.
    pub async fn change_task(&self, id: &str, patch: &TaskPatch, key: Key<'_>) -> Result<Task, ClientError> {
        self.ask(Ask::new(Patch, path::under("tasks", id, "")).body(patch)?.key(key)).await
    }

    /// Tasks that can be claimed, the most urgent first.
    pub async fn task_pool(&self) -> Result<Page<Task>, ClientError> {
        self.ask(Ask::new(Get, "/pool")).await
    }

    pub async fn claim_task(&self, new: &NewClaim, key: Key<'_>) -> Result<Task, ClientError> {
        self.ask(Ask::new(Post, "/pool/claim").body(new)?.key(key)).await
    }

    pub async fn renew_claim(
        &self,
        id: &str,
        renewal: &ClaimRenewal,
        key: Key<'_>,
    ) -> Result<Task, ClientError> {
        self.ask(Ask::new(Post, path::under("tasks", id, "/renew")).body(renewal)?.key(key)).await
    }

    pub async fn finish_claim(&self, id: &str, end: &ClaimEnd, key: Key<'_>) -> Result<Task, ClientError> {
        self.ask(Ask::new(Post, path::under("tasks", id, "/finish")).body(end)?.key(key)).await
    }

    /// Tries a vendor before the time it has said itself; gives its agents.
    pub async fn resume_vendor(&self, new: &NewResumption, key: Key<'_>) -> Result<Page<Agent>, ClientError> {
        self.ask(Ask::new(Post, "/agents/resume").body(new)?.key(key)).await
    }
}
