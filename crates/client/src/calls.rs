//! One method per operation of the API, in the order of its nouns.
//!
//! Ids are given as people give them: whole, short, or an unambiguous prefix of the short form.
//! Mutations take an optional idempotency key; without one a fresh key is made, which protects a repeat
//! inside this client only.

mod archive;
mod artifact;
mod board;
mod checkpoint;
mod conflict;
mod context;
mod file;
mod merge;
mod task;
mod worktree;

use crate::client::{Ask, Client, Fresh};
use crate::{ClientError, path};
use protocol::Method::{Delete, Get, Patch, Post};
use protocol::{
    Agent, AgentStats, AgentStatsQuery, Aside, ChannelCount, Compaction, ConfigVersion, CostQuery,
    CostReport, DataReport, Detachment, EventPage, EventQuery, Family, FamilyQuery, Finding, Import,
    InboxQuery, Landed, Launch, LiveTurn, Lock, LockTable, Message, MessageQuery, NewAnswer, NewAttachment,
    NewDecision, NewExport, NewFork, NewImport, NewLanding, NewLock, NewNotice, NewPlan, NewPrompt,
    NewQuestion, NewRepo, NewSession, NewSpawn, NewSteer, Notice, NoticeQuery, Page, Participant, Permission,
    PermissionQuery, PermissionRule, Plan, Presence, Presences, Receipt, RemovalQuery, RemovedSession,
    RemovedWorktree, Repo, RepoPatch, Session, SessionPatch, SessionQuery, SessionTaskQuery, SpawnedSession,
    Status, Stopping, Task, TaskMove, TaskQuery, Version, WorktreeRemoval,
};

type Key<'a> = Option<&'a str>;

impl Client {
    pub async fn version(&self) -> Result<Version, ClientError> {
        self.ask(Ask::new(Get, "/version")).await
    }

    pub async fn status(&self) -> Result<Status, ClientError> {
        self.ask(Ask::new(Get, "/status")).await
    }

    pub async fn doctor(&self) -> Result<Page<Finding>, ClientError> {
        self.ask(Ask::new(Get, "/doctor")).await
    }

    pub async fn reload_config(&self) -> Result<ConfigVersion, ClientError> {
        self.ask(Ask::new(Post, "/config/reload")).await
    }

    /// A code, and the address that lets one browser in with it.
    pub async fn launch(&self) -> Result<Launch, ClientError> {
        self.ask(Ask::new(Post, "/launch")).await
    }

    /// Asks the daemon to stop in good order; it answers before it does.
    pub async fn shut_down(&self) -> Result<Stopping, ClientError> {
        self.ask(Ask::new(Post, "/shutdown")).await
    }

    pub async fn sessions(&self, query: &SessionQuery) -> Result<Fresh<Page<Session>>, ClientError> {
        self.ask_fresh(Ask::new(Get, path::with_query("/sessions", query)?)).await
    }

    pub async fn create_session(&self, new: &NewSession, key: Key<'_>) -> Result<Session, ClientError> {
        self.ask(Ask::new(Post, "/sessions").body(new)?.key(key)).await
    }

    pub async fn session(&self, id: &str) -> Result<Fresh<Session>, ClientError> {
        self.ask_fresh(Ask::new(Get, path::under("sessions", id, ""))).await
    }

    pub async fn change_session(
        &self,
        id: &str,
        patch: &SessionPatch,
        key: Key<'_>,
    ) -> Result<Session, ClientError> {
        self.ask(Ask::new(Patch, path::under("sessions", id, "")).body(patch)?.key(key)).await
    }

    /// A session whose agents know what was said in this one.
    pub async fn fork_session(&self, id: &str, new: &NewFork, key: Key<'_>) -> Result<Session, ClientError> {
        self.ask(Ask::new(Post, path::under("sessions", id, "/fork")).body(new)?.key(key)).await
    }

    /// A child with fresh context, and its first task.
    pub async fn spawn_session(
        &self,
        parent: &str,
        new: &NewSpawn,
        key: Key<'_>,
    ) -> Result<SpawnedSession, ClientError> {
        self.ask(Ask::new(Post, path::under("sessions", parent, "/spawn")).body(new)?.key(key)).await
    }

    /// A question to a session; its answer comes as the end of the task.
    pub async fn ask_session(&self, id: &str, new: &NewQuestion, key: Key<'_>) -> Result<Aside, ClientError> {
        self.ask(Ask::new(Post, path::under("sessions", id, "/ask")).body(new)?.key(key)).await
    }

    /// Condenses what was said but for the last messages. Waits for the model.
    pub async fn compact_session(&self, id: &str, key: Key<'_>) -> Result<Compaction, ClientError> {
        self.ask(Ask::new(Post, path::under("sessions", id, "/compact")).key(key)).await
    }

    pub async fn compactions(&self, session: &str) -> Result<Page<Compaction>, ClientError> {
        self.ask(Ask::new(Get, path::under("sessions", session, "/compactions"))).await
    }

    pub async fn asides(&self, session: &str) -> Result<Page<Aside>, ClientError> {
        self.ask(Ask::new(Get, path::under("sessions", session, "/asides"))).await
    }

    pub async fn family(&self, session: &str, query: &FamilyQuery) -> Result<Family, ClientError> {
        let path = path::under("sessions", session, "/family");
        self.ask(Ask::new(Get, path::with_query(&path, query)?)).await
    }

    pub async fn archive_session(&self, id: &str, key: Key<'_>) -> Result<Session, ClientError> {
        self.ask(Ask::new(Post, path::under("sessions", id, "/archive")).key(key)).await
    }

    pub async fn unarchive_session(&self, id: &str, key: Key<'_>) -> Result<Session, ClientError> {
        self.ask(Ask::new(Post, path::under("sessions", id, "/unarchive")).key(key)).await
    }

    /// The session is seen nowhere any more.
    pub async fn remove_session(
        &self,
        id: &str,
        query: &RemovalQuery,
        key: Key<'_>,
    ) -> Result<RemovedSession, ClientError> {
        let path = path::with_query(&path::under("sessions", id, ""), query)?;
        self.ask(Ask::new(Delete, path).key(key)).await
    }

    /// What waits in a session, in the order it will be done.
    pub async fn queue(&self, session: &str) -> Result<Page<Task>, ClientError> {
        self.ask(Ask::new(Get, path::under("sessions", session, "/queue"))).await
    }

    /// Gives a waiting task another place; gives the queue as it is then.
    pub async fn move_task(&self, id: &str, to: &TaskMove, key: Key<'_>) -> Result<Page<Task>, ClientError> {
        self.ask(Ask::new(Post, path::under("tasks", id, "/move")).body(to)?.key(key)).await
    }

    pub async fn attach_client(
        &self,
        session: &str,
        new: &NewAttachment,
        key: Key<'_>,
    ) -> Result<Presences, ClientError> {
        self.ask(Ask::new(Post, path::under("sessions", session, "/attach")).body(new)?.key(key)).await
    }

    pub async fn detach_client(
        &self,
        session: &str,
        gone: &Detachment,
        key: Key<'_>,
    ) -> Result<Presences, ClientError> {
        self.ask(Ask::new(Post, path::under("sessions", session, "/detach")).body(gone)?.key(key)).await
    }

    /// Who is at a session.
    pub async fn clients(&self, session: &str) -> Result<Presences, ClientError> {
        self.ask(Ask::new(Get, path::under("sessions", session, "/clients"))).await
    }

    /// Begins to read transcripts.
    pub async fn start_import(&self, new: &NewImport, key: Key<'_>) -> Result<Import, ClientError> {
        self.ask(Ask::new(Post, "/imports").body(new)?.key(key)).await
    }

    pub async fn import(&self, id: u64) -> Result<Import, ClientError> {
        self.ask(Ask::new(Get, format!("/imports/{id}"))).await
    }

    pub async fn cancel_import(&self, id: u64, key: Key<'_>) -> Result<Import, ClientError> {
        self.ask(Ask::new(Delete, format!("/imports/{id}")).key(key)).await
    }

    pub async fn participants(&self, session: &str) -> Result<Page<Participant>, ClientError> {
        self.ask(Ask::new(Get, path::under("sessions", session, "/participants"))).await
    }

    pub async fn live(&self, session: &str) -> Result<Page<LiveTurn>, ClientError> {
        self.ask(Ask::new(Get, path::under("sessions", session, "/live"))).await
    }

    pub async fn messages(
        &self,
        session: &str,
        query: &MessageQuery,
    ) -> Result<Fresh<Page<Message>>, ClientError> {
        let path = path::under("sessions", session, "/messages");
        self.ask_fresh(Ask::new(Get, path::with_query(&path, query)?)).await
    }

    pub async fn prompt(&self, session: &str, prompt: &NewPrompt, key: Key<'_>) -> Result<Task, ClientError> {
        self.ask(Ask::new(Post, path::under("sessions", session, "/messages")).body(prompt)?.key(key)).await
    }

    /// The newest tasks of a session, as many as one page has.
    pub async fn session_tasks(&self, session: &str) -> Result<Fresh<Page<Task>>, ClientError> {
        self.session_tasks_page(session, &SessionTaskQuery::default()).await
    }

    pub async fn session_tasks_page(
        &self,
        session: &str,
        query: &SessionTaskQuery,
    ) -> Result<Fresh<Page<Task>>, ClientError> {
        let path = path::under("sessions", session, "/tasks");
        self.ask_fresh(Ask::new(Get, path::with_query(&path, query)?)).await
    }

    pub async fn tasks(&self, query: &TaskQuery) -> Result<Page<Task>, ClientError> {
        self.ask(Ask::new(Get, path::with_query("/tasks", query)?)).await
    }

    pub async fn task(&self, id: &str) -> Result<Fresh<Task>, ClientError> {
        self.ask_fresh(Ask::new(Get, path::under("tasks", id, ""))).await
    }

    pub async fn cancel_task(&self, id: &str, key: Key<'_>) -> Result<Task, ClientError> {
        self.ask(Ask::new(Post, path::under("tasks", id, "/cancel")).key(key)).await
    }

    pub async fn answer_task(&self, id: &str, answer: &NewAnswer, key: Key<'_>) -> Result<Task, ClientError> {
        self.ask(Ask::new(Post, path::under("tasks", id, "/answer")).body(answer)?.key(key)).await
    }

    /// Words for the agents who work on the task; gives the task in which they are.
    pub async fn steer_task(&self, id: &str, words: &NewSteer, key: Key<'_>) -> Result<Task, ClientError> {
        self.ask(Ask::new(Post, path::under("tasks", id, "/steer")).body(words)?.key(key)).await
    }

    pub async fn plans(&self, session: &str) -> Result<Page<Plan>, ClientError> {
        self.ask(Ask::new(Get, path::under("sessions", session, "/plans"))).await
    }

    /// Lets the agents of a session plan and change its repository together.
    pub async fn coordinate(&self, session: &str, new: &NewPlan, key: Key<'_>) -> Result<Plan, ClientError> {
        self.ask(Ask::new(Post, path::under("sessions", session, "/plans")).body(new)?.key(key)).await
    }

    pub async fn plan(&self, id: &str) -> Result<Fresh<Plan>, ClientError> {
        self.ask_fresh(Ask::new(Get, path::under("plans", id, ""))).await
    }

    /// Ends a plan, its tasks and its tests.
    pub async fn cancel_plan(&self, id: &str, key: Key<'_>) -> Result<Plan, ClientError> {
        self.ask(Ask::new(Post, path::under("plans", id, "/cancel")).key(key)).await
    }

    pub async fn permissions(&self, query: &PermissionQuery) -> Result<Page<Permission>, ClientError> {
        self.ask(Ask::new(Get, path::with_query("/permissions", query)?)).await
    }

    pub async fn permission(&self, id: &str) -> Result<Permission, ClientError> {
        self.ask(Ask::new(Get, path::under("permissions", id, ""))).await
    }

    /// Allows or denies what was asked; the first decision counts.
    pub async fn decide_permission(
        &self,
        id: &str,
        new: &NewDecision,
        key: Key<'_>,
    ) -> Result<Permission, ClientError> {
        self.ask(Ask::new(Post, path::under("permissions", id, "/decide")).body(new)?.key(key)).await
    }

    pub async fn permission_rules(&self) -> Result<Page<PermissionRule>, ClientError> {
        self.ask(Ask::new(Get, "/permission-rules")).await
    }

    pub async fn remove_permission_rule(&self, id: &str, key: Key<'_>) -> Result<(), ClientError> {
        self.ask(Ask::new(Delete, path::under("permission-rules", id, "")).key(key)).await
    }

    pub async fn cost(&self, query: &CostQuery) -> Result<CostReport, ClientError> {
        self.ask(Ask::new(Get, path::with_query("/cost", query)?)).await
    }

    pub async fn agents(&self) -> Result<Page<Agent>, ClientError> {
        self.ask(Ask::new(Get, "/agents")).await
    }

    pub async fn locks(&self) -> Result<LockTable, ClientError> {
        self.ask(Ask::new(Get, "/locks")).await
    }

    pub async fn acquire_locks(&self, new: &NewLock, key: Key<'_>) -> Result<Page<Lock>, ClientError> {
        self.ask(Ask::new(Post, "/locks").body(new)?.key(key)).await
    }

    pub async fn release_lock(&self, token: u64, key: Key<'_>) -> Result<(), ClientError> {
        self.ask(Ask::new(Delete, format!("/locks/{token}")).key(key)).await
    }

    /// Takes a lock away from its holder, who is told.
    pub async fn break_lock(&self, token: u64, key: Key<'_>) -> Result<(), ClientError> {
        self.ask(Ask::new(Delete, format!("/locks/{token}?break=true")).key(key)).await
    }

    pub async fn notices(&self, query: &NoticeQuery) -> Result<Page<Notice>, ClientError> {
        self.ask(Ask::new(Get, path::with_query("/notices", query)?)).await
    }

    /// What agents' turns came to.
    pub async fn agent_stats(&self, query: &AgentStatsQuery) -> Result<AgentStats, ClientError> {
        self.ask(Ask::new(Get, path::with_query("/agents/stats", query)?)).await
    }

    pub async fn publish_notice(&self, new: &NewNotice, key: Key<'_>) -> Result<Notice, ClientError> {
        self.ask(Ask::new(Post, "/notices").body(new)?.key(key)).await
    }

    /// What was addressed to the caller, or to `query.registration`, and is not acknowledged.
    pub async fn inbox(&self, query: &InboxQuery) -> Result<Page<Notice>, ClientError> {
        self.ask(Ask::new(Get, path::with_query("/notices/inbox", query)?)).await
    }

    pub async fn ack_notice(&self, notice: i64, key: Key<'_>) -> Result<(), ClientError> {
        self.ask(Ask::new(Post, format!("/notices/{notice}/ack")).key(key)).await
    }

    pub async fn receipts(&self, notice: i64) -> Result<Page<Receipt>, ClientError> {
        self.ask(Ask::new(Get, format!("/notices/{notice}/receipts"))).await
    }

    pub async fn channels(&self) -> Result<Page<ChannelCount>, ClientError> {
        self.ask(Ask::new(Get, "/channels")).await
    }

    pub async fn registrations(&self) -> Result<Page<Presence>, ClientError> {
        self.ask(Ask::new(Get, "/registrations")).await
    }

    pub async fn repos(&self) -> Result<Page<Repo>, ClientError> {
        self.ask(Ask::new(Get, "/repos")).await
    }

    pub async fn add_repo(&self, new: &NewRepo, key: Key<'_>) -> Result<Repo, ClientError> {
        self.ask(Ask::new(Post, "/repos").body(new)?.key(key)).await
    }

    pub async fn repo(&self, id: &str) -> Result<Repo, ClientError> {
        self.ask(Ask::new(Get, path::under("repos", id, ""))).await
    }

    pub async fn change_repo(&self, id: &str, patch: &RepoPatch, key: Key<'_>) -> Result<Repo, ClientError> {
        self.ask(Ask::new(Patch, path::under("repos", id, "")).body(patch)?.key(key)).await
    }

    pub async fn remove_repo(&self, id: &str, key: Key<'_>) -> Result<(), ClientError> {
        self.ask(Ask::new(Delete, path::under("repos", id, "")).key(key)).await
    }

    /// Brings agents' work to the branch that is checked out.
    pub async fn land_session(
        &self,
        session: &str,
        new: &NewLanding,
        key: Key<'_>,
    ) -> Result<Page<Landed>, ClientError> {
        self.ask(Ask::new(Post, path::under("sessions", session, "/land")).body(new)?.key(key)).await
    }

    pub async fn remove_worktree(
        &self,
        removal: &WorktreeRemoval,
        key: Key<'_>,
    ) -> Result<RemovedWorktree, ClientError> {
        self.ask(Ask::new(Post, "/worktrees/remove").body(removal)?.key(key)).await
    }

    pub async fn prune_worktrees(&self, key: Key<'_>) -> Result<Page<RemovedWorktree>, ClientError> {
        self.ask(Ask::new(Post, "/worktrees/prune").key(key)).await
    }

    pub async fn events(&self, query: &EventQuery) -> Result<EventPage, ClientError> {
        self.ask(Ask::new(Get, path::with_query("/events", query)?)).await
    }

    pub async fn verify_data(&self) -> Result<DataReport, ClientError> {
        self.ask(Ask::new(Post, "/data/verify")).await
    }

    pub async fn rebuild_data(&self) -> Result<DataReport, ClientError> {
        self.ask(Ask::new(Post, "/data/rebuild")).await
    }

    pub async fn export_data(&self, new: &NewExport) -> Result<DataReport, ClientError> {
        self.ask(Ask::new(Post, "/data/export").body(new)?).await
    }

    /// The API's own description.
    pub async fn openapi(&self) -> Result<serde_json::Value, ClientError> {
        self.ask(Ask::new(Get, "/openapi.json")).await
    }
}
