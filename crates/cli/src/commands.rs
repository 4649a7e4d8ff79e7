//! The tree: one file or folder per noun, and what they have in common.

mod agent;
mod artifact;
mod board;
mod checkpoint;
mod completions;
mod conflict;
mod connect;
mod context;
mod cost;
mod daemon;
mod data;
mod demo;
mod doctor;
mod events;
mod file;
mod hook;
mod init;
mod join;
mod lock;
mod mcp;
mod merge;
mod msg;
mod permission;
mod repo;
mod run;
mod session;
mod task;
mod up;
mod version;
mod who;
mod worktree;

pub(crate) use daemon::is_locked;
pub(crate) use msg::said;

use crate::context::Context;
use crate::failure::{Exit, Failure};
use clap::Subcommand;

/// How a command came out.
pub(crate) type Outcome = Result<Exit, Failure>;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make the data root and look around
    Init(init::Init),
    /// Start the daemon and open the page
    Up(up::Up),
    /// Open the page of the running daemon
    Open(up::Open),
    /// The process that does the work: start, stop, look at it
    #[command(subcommand)]
    Daemon(daemon::Daemon),
    /// Conversations with agents
    #[command(subcommand)]
    Session(session::Session),
    /// Pieces of wanted work
    #[command(subcommand)]
    Task(task::Task),
    /// Views of sessions, worktrees and notes, with zones that prompt
    #[command(subcommand)]
    Board(board::Board),
    /// What agents have to be allowed, and the rules that answers leave behind
    #[command(subcommand)]
    Permission(permission::Permission),
    /// What work has cost, by agent, model, task, session or day
    Cost(cost::Cost),
    /// Files and outputs agents made, kept by what they hold
    #[command(subcommand)]
    Artifact(artifact::Artifacts),
    /// The configured agents
    #[command(subcommand)]
    Agent(agent::Agent),
    /// Bring this terminal onto the bus, for as long as its shell lives; works without a daemon
    Join(join::Join),
    /// Take this terminal off the bus
    Leave(join::Leave),
    Connect(connect::Connect),
    Disconnect(connect::Disconnect),
    /// Show the live sessions of every vendor on this machine; works without a daemon
    Who(who::Who),
    /// Claims on files; works without a daemon
    #[command(subcommand)]
    Lock(lock::Lock),
    /// Notices between sessions; works without a daemon
    #[command(subcommand, visible_alias = "bus")]
    Msg(msg::Msg),
    /// What the agents of a workspace share, by key; works without a daemon
    #[command(subcommand)]
    Context(context::Shared),
    /// Lend locks, notices, work and shared context to an agent as MCP tools, on stdin and stdout; works without a
    /// daemon
    Mcp(mcp::Mcp),
    /// Registered git repositories
    #[command(subcommand)]
    Repo(repo::Repo),
    /// Worktrees: yours, those lent to agents, and those others made
    #[command(subcommand)]
    Worktree(worktree::Worktree),
    /// Worktrees that are on their way to change the same things
    #[command(subcommand)]
    Conflict(conflict::Conflict),
    /// Restorable points of files and conversations
    #[command(subcommand)]
    Checkpoint(checkpoint::Checkpoint),
    /// The queue in which worktrees land on their branch, each checked first
    #[command(subcommand)]
    Merge(merge::Merge),
    /// Files of the worktrees: found, and brought back
    #[command(subcommand)]
    File(file::File),
    /// Let agents plan and change a repository together, and watch them
    Run(run::Run),
    /// See four agents repair a small library, with scripted models
    Demo(demo::Demo),
    /// The journal and the databases made from it
    #[command(subcommand)]
    Data(data::Data),
    /// Committed facts, as they happen or all of them
    #[command(subcommand)]
    Events(events::Events),
    /// Look for what could be wrong on this machine
    Doctor(doctor::Doctor),
    /// Completion for your shell
    Completions(completions::Completions),
    #[command(hide = true)]
    Hook(hook::Hook),
    /// Versions of the program and of the running daemon
    Version(version::Version),
}

pub(crate) fn run(context: &Context, command: Command) -> Outcome {
    match command {
        Command::Init(command) => command.run(context),
        Command::Up(command) => command.run(context),
        Command::Open(command) => command.run(context),
        Command::Daemon(command) => command.run(context),
        Command::Session(command) => command.run(context),
        Command::Task(command) => command.run(context),
        Command::Board(command) => command.run(context),
        Command::Permission(command) => command.run(context),
        Command::Cost(command) => command.run(context),
        Command::Artifact(command) => command.run(context),
        Command::Agent(command) => command.run(context),
        Command::Join(command) => command.run(context),
        Command::Leave(command) => command.run(context),
        Command::Connect(command) => command.run(context),
        Command::Disconnect(command) => command.run(context),
        Command::Who(command) => command.run(context),
        Command::Lock(command) => command.run(context),
        Command::Msg(command) => command.run(context),
        Command::Context(command) => command.run(context),
        Command::Mcp(command) => command.run(context),
        Command::Repo(command) => command.run(context),
        Command::Worktree(command) => command.run(context),
        Command::Conflict(command) => command.run(context),
        Command::Checkpoint(command) => command.run(context),
        Command::Merge(command) => command.run(context),
        Command::File(command) => command.run(context),
        Command::Run(command) => command.run(context),
        Command::Demo(command) => Ok(command.run(context)),
        Command::Data(command) => command.run(context),
        Command::Events(command) => command.run(context),
        Command::Doctor(command) => command.run(context),
        Command::Completions(command) => command.run(context),
        Command::Hook(command) => command.run(),
        Command::Version(command) => command.run(context),
    }
}
