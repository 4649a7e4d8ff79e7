//! Worktrees, clones, and the scripts that are trusted.

use super::Key;
use crate::client::{Ask, Client};
use crate::{ClientError, path};
use protocol::Method::{Delete, Get, Post};
use protocol::{
    MergedWorktree, NewAdoption, NewAssignment, NewClone, NewMerge, NewRemoval, NewScriptRun, NewTrust,
    NewWorktree, Page, RemovedWorktree, Repo, RepoClone, Script, ScriptQuery, Worktree, WorktreeQuery,
};

impl Client {
    /// Begins to clone; [`Client::clones`] lists it until it is a repo.
    pub async fn start_clone(&self, new: &NewClone, key: Key<'_>) -> Result<RepoClone, ClientError> {
        self.ask(Ask::new(Post, "/clones").body(new)?.key(key)).await
    }

    pub async fn clones(&self) -> Result<Page<RepoClone>, ClientError> {
        self.ask(Ask::new(Get, "/clones")).await
    }

    pub async fn cancel_clone(&self, id: &str, key: Key<'_>) -> Result<(), ClientError> {
        self.ask(Ask::new(Delete, path::under("clones", id, "")).key(key)).await
    }

    pub async fn scripts(&self, repo: &str, query: &ScriptQuery) -> Result<Page<Script>, ClientError> {
        let path = path::under("repos", repo, "/scripts");
        self.ask(Ask::new(Get, path::with_query(&path, query)?)).await
    }

    pub async fn trust_scripts(
        &self,
        repo: &str,
        trust: &NewTrust,
        key: Key<'_>,
    ) -> Result<Repo, ClientError> {
        self.ask(Ask::new(Post, path::under("repos", repo, "/trust")).body(trust)?.key(key)).await
    }

    pub async fn worktrees(&self, query: &WorktreeQuery) -> Result<Page<Worktree>, ClientError> {
        self.ask(Ask::new(Get, path::with_query("/worktrees", query)?)).await
    }

    pub async fn add_worktree(&self, new: &NewWorktree, key: Key<'_>) -> Result<Worktree, ClientError> {
        self.ask(Ask::new(Post, "/worktrees").body(new)?.key(key)).await
    }

    pub async fn adopt_worktree(&self, new: &NewAdoption, key: Key<'_>) -> Result<Worktree, ClientError> {
        self.ask(Ask::new(Post, "/worktrees/adopt").body(new)?.key(key)).await
    }

    /// By id, short id, name, or repo/name.
    pub async fn worktree(&self, id: &str) -> Result<Worktree, ClientError> {
        self.ask(Ask::new(Get, path::under("worktrees", id, ""))).await
    }

    /// The session works there from its next turn on.
    pub async fn assign_worktree(
        &self,
        session: &str,
        worktree: &NewAssignment,
        key: Key<'_>,
    ) -> Result<Worktree, ClientError> {
        self.ask(Ask::new(Post, path::under("sessions", session, "/worktree")).body(worktree)?.key(key)).await
    }

    pub async fn unassign_worktree(&self, session: &str, key: Key<'_>) -> Result<(), ClientError> {
        self.ask(Ask::new(Delete, path::under("sessions", session, "/worktree")).key(key)).await
    }

    pub async fn merge_worktree(
        &self,
        id: &str,
        merge: &NewMerge,
        key: Key<'_>,
    ) -> Result<MergedWorktree, ClientError> {
        self.ask(Ask::new(Post, path::under("worktrees", id, "/merge")).body(merge)?.key(key)).await
    }

    pub async fn trash_worktree(
        &self,
        id: &str,
        removal: &NewRemoval,
        key: Key<'_>,
    ) -> Result<RemovedWorktree, ClientError> {
        self.ask(Ask::new(Post, path::under("worktrees", id, "/remove")).body(removal)?.key(key)).await
    }

    pub async fn restore_worktree(&self, id: &str, key: Key<'_>) -> Result<Worktree, ClientError> {
        self.ask(Ask::new(Post, path::under("worktrees", id, "/restore")).key(key)).await
    }

    /// Deletes one that is in the trash.
    pub async fn purge_worktree(&self, id: &str, key: Key<'_>) -> Result<RemovedWorktree, ClientError> {
        self.ask(Ask::new(Delete, path::under("worktrees", id, "")).key(key)).await
    }

    pub async fn start_script(
        &self,
        id: &str,
        script: &NewScriptRun,
        key: Key<'_>,
    ) -> Result<Worktree, ClientError> {
        self.ask(Ask::new(Post, path::under("worktrees", id, "/scripts")).body(script)?.key(key)).await
    }

    pub async fn stop_scripts(&self, id: &str, key: Key<'_>) -> Result<Worktree, ClientError> {
        self.ask(Ask::new(Delete, path::under("worktrees", id, "/scripts")).key(key)).await
    }
}
