//! Worktrees of the studio's repositories: made, looked at, merged and put into the trash, under the daemon's rules. To
//! trust scripts and to delete for good is the user's alone.

use super::Tool;
use crate::answer::{Answer, clipped};
use crate::call::Call;
use crate::failure::Failure;
use protocol::{
    NewAdoption, NewAssignment, NewMerge, NewRemoval, NewScriptRun, NewWorktree, RemovedWorktree, ScriptKind,
    WorktreeQuery,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Worktrees one answer lists.
const LISTED_MAX: usize = 100;
/// How much of a script's output is given, in characters.
const TAIL_SHOWN: usize = 2000;

pub(super) fn tools() -> Vec<Tool> {
    making().into_iter().chain(ending()).map(Tool::of_user).collect()
}

fn making() -> Vec<Tool> {
    vec![
        Tool::new::<_, Listing, _>(
            "worktree_list",
            "List worktrees",
            "Lists the worktrees of the registered repositories, whoever made them, with branch, ports and why each \
             would stay; with trash, those that can be restored.",
            list,
        )
        .reads(),
        Tool::new::<_, Worktree, _>(
            "worktree_get",
            "Show a worktree",
            "Shows one worktree: its path, branch, ports, scripts and what it takes on the disk.",
            get,
        )
        .reads(),
        Tool::new::<_, Worktree, _>(
            "worktree_add",
            "Make a worktree",
            "Makes a worktree of a registered repository on a new branch, or on one that is there with checkout. The \
             repository's setup script runs in it when the user has trusted it.",
            add,
        ),
        Tool::new::<_, Worktree, _>(
            "worktree_adopt",
            "Register a worktree",
            "Registers a worktree that was made with plain git; it stays where it is.",
            adopt,
        ),
        Tool::new::<_, Worktree, _>(
            "worktree_use",
            "Work in a worktree",
            "Lets a session of the studio work in a worktree from its next turn on; several may share one.",
            assign,
        ),
    ]
}

fn ending() -> Vec<Tool> {
    vec![
        Tool::new::<_, Merged, _>(
            "worktree_merge",
            "Merge a worktree",
            "Brings a worktree's commits to a branch: the one that is checked out in the repository, or another. \
             Refused, and nothing changed, when something is not committed or in conflict.",
            merge,
        ),
        Tool::new::<_, Worktree, _>(
            "worktree_run",
            "Run a worktree's script",
            "Runs the repository's setup, run or teardown script in a worktree, when the user has trusted it; with \
             stop it ends those that run. Look at worktree_get for how it ended.",
            run,
        ),
        Tool::new::<_, Removed, _>(
            "worktree_remove",
            "Put a worktree into the trash",
            "Puts a worktree into the trash. Refused while work in it is nowhere else, unless force says so: then it \
             is kept as a checkpoint first. Refused while somebody is in it.",
            remove,
        )
        .replaces(),
        Tool::new::<_, Pruned, _>(
            "worktree_prune",
            "Put away what is done",
            "Puts every worktree into the trash whose work is elsewhere, and says why the others stay.",
            prune,
        )
        .replaces(),
        Tool::new::<_, Worktree, _>(
            "worktree_restore",
            "Restore a worktree",
            "Brings a worktree back from the trash, as it was.",
            restore,
        ),
    ]
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct List {
    /// Name or id of a repository; all of them without.
    #[serde(default)]
    repo: Option<String>,
    /// What is in the trash.
    #[serde(default)]
    trash: bool,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Which {
    /// Name, repository/name, id or short id.
    worktree: String,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Add {
    /// Name or id of a registered repository.
    repo: String,
    /// What it is called: letters, digits, `-`, `_` and `.`.
    name: String,
    /// Branch that is made; one of its name without.
    #[serde(default)]
    branch: Option<String>,
    /// Branch, tag or commit it begins from; what the checkout stands on without.
    #[serde(default)]
    from: Option<String>,
    /// A branch that is there and is worked on as it is.
    #[serde(default)]
    checkout: Option<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Adopt {
    /// Name or id of a registered repository.
    repo: String,
    /// Absolute path of the worktree.
    path: String,
    /// What it is called; as its folder without.
    #[serde(default)]
    name: Option<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Merge {
    /// Name, repository/name, id or short id.
    worktree: String,
    /// Branch that is to have its work; the one that is checked out without.
    #[serde(default)]
    into: Option<String>,
    /// Of the merge commit, where one is needed.
    #[serde(default)]
    message: Option<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Use {
    /// Name, repository/name, id or short id.
    worktree: String,
    /// Id or short id of the session.
    session: String,
}

#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
enum Doing {
    Setup,
    Run,
    Teardown,
    Stop,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Run {
    /// Name, repository/name, id or short id.
    worktree: String,
    /// Which script; stop ends those that run.
    script: Doing,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Remove {
    /// Name, repository/name, id or short id.
    worktree: String,
    /// Also with work that is nowhere else; it is kept as a checkpoint first.
    #[serde(default)]
    force: bool,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Prune {}

#[derive(Debug, Serialize, JsonSchema)]
struct Worktree {
    /// None for one that is not registered.
    id: Option<String>,
    repo: String,
    name: Option<String>,
    path: String,
    branch: Option<String>,
    state: String,
    /// First of twenty ports of its own.
    port_base: Option<u16>,
    bytes: Option<u64>,
    /// Why it would not be taken away.
    kept_because: Option<String>,
    /// Who is in it now.
    inside: Vec<String>,
    scripts: Vec<Script>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Script {
    script: String,
    /// running, done, failed, timed_out, canceled or untrusted.
    state: String,
    /// The end of what it wrote.
    output: String,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Listing {
    worktrees: Vec<Worktree>,
    /// How many more there are.
    more: usize,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Merged {
    into: Option<String>,
    head: String,
    merged: bool,
    changed: Vec<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Removed {
    name: String,
    /// Ref that keeps what was not committed.
    kept_as: Option<String>,
    /// Why it is still there; none when it is in the trash.
    kept_because: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Pruned {
    worktrees: Vec<Removed>,
}

impl From<protocol::Worktree> for Worktree {
    fn from(one: protocol::Worktree) -> Self {
        let state = match one.state {
            protocol::WorktreeState::Live => "live",
            protocol::WorktreeState::Missing => "missing",
            protocol::WorktreeState::Trashed => "trashed",
        };
        let scripts = one.scripts.into_iter().map(|run| Script {
            script: run.script.as_str().to_owned(),
            state: run.end.map_or("running", |end| end.as_str()).to_owned(),
            output: clipped(run.tail.as_deref().unwrap_or_default(), TAIL_SHOWN),
        });
        Self {
            id: one.id.map(|id| id.to_string()),
            repo: one.repo,
            name: one.name,
            path: one.path,
            branch: one.branch,
            state: state.to_owned(),
            port_base: one.port_base,
            bytes: one.bytes,
            kept_because: one.kept_because,
            inside: one.inside,
            scripts: scripts.collect(),
        }
    }
}

impl Worktree {
    fn line(&self) -> String {
        let name = self.name.as_deref().unwrap_or("(not registered)");
        let branch = self.branch.as_deref().unwrap_or("no branch");
        let stays = self.kept_because.as_ref().map_or(String::new(), |why| format!(", stays: {why}"));
        format!("{}/{name} [{}] on {branch} at {}{stays}", self.repo, self.state, self.path)
    }

    fn answer(one: protocol::Worktree) -> Result<Answer, Failure> {
        let one = Self::from(one);
        Answer::new(one.line(), one)
    }
}

impl From<RemovedWorktree> for Removed {
    fn from(one: RemovedWorktree) -> Self {
        Self { name: one.name, kept_as: one.kept_as, kept_because: one.kept_because }
    }
}

impl Removed {
    fn line(&self) -> String {
        match &self.kept_because {
            Some(why) => format!("{} stays: {why}", self.name),
            None => format!("{} is in the trash", self.name),
        }
    }
}

async fn list(call: Call, wish: List) -> Result<Answer, Failure> {
    let query = WorktreeQuery { repo: wish.repo, trash: wish.trash };
    let mut found = call.daemon().worktrees(&query).await?.items;
    let more = found.len().saturating_sub(LISTED_MAX);
    found.truncate(LISTED_MAX);
    let worktrees: Vec<Worktree> = found.into_iter().map(Worktree::from).collect();
    let lines: Vec<String> = worktrees.iter().map(Worktree::line).collect();
    let text = if lines.is_empty() { "There are none.".to_owned() } else { lines.join("\n") };
    Answer::new(text, Listing { worktrees, more })
}

async fn get(call: Call, wish: Which) -> Result<Answer, Failure> {
    Worktree::answer(call.daemon().worktree(&wish.worktree).await?)
}

async fn add(call: Call, wish: Add) -> Result<Answer, Failure> {
    let Add { repo, name, branch, from, checkout } = wish;
    Worktree::answer(
        call.daemon().add_worktree(&NewWorktree { repo, name, branch, from, checkout }, None).await?,
    )
}

async fn adopt(call: Call, wish: Adopt) -> Result<Answer, Failure> {
    let Adopt { repo, path, name } = wish;
    Worktree::answer(call.daemon().adopt_worktree(&NewAdoption { repo, path, name }, None).await?)
}

async fn assign(call: Call, wish: Use) -> Result<Answer, Failure> {
    let assignment = NewAssignment { worktree: wish.worktree };
    Worktree::answer(call.daemon().assign_worktree(&wish.session, &assignment, None).await?)
}

async fn merge(call: Call, wish: Merge) -> Result<Answer, Failure> {
    let merge = NewMerge { into: wish.into, message: wish.message };
    let done = call.daemon().merge_worktree(&wish.worktree, &merge, None).await?;
    let into = done.into.as_deref().unwrap_or("HEAD");
    let text = format!("{into} stands at {}; {} files changed", done.head, done.changed.len());
    let changed = done.changed.iter().map(ToString::to_string).collect();
    Answer::new(text, Merged { into: done.into, head: done.head, merged: done.merged, changed })
}

async fn run(call: Call, wish: Run) -> Result<Answer, Failure> {
    let script = match wish.script {
        Doing::Setup => ScriptKind::Setup,
        Doing::Run => ScriptKind::Run,
        Doing::Teardown => ScriptKind::Teardown,
        Doing::Stop => return Worktree::answer(call.daemon().stop_scripts(&wish.worktree, None).await?),
    };
    Worktree::answer(call.daemon().start_script(&wish.worktree, &NewScriptRun { script }, None).await?)
}

async fn remove(call: Call, wish: Remove) -> Result<Answer, Failure> {
    let removal = NewRemoval { force: wish.force };
    let removed = Removed::from(call.daemon().trash_worktree(&wish.worktree, &removal, None).await?);
    Answer::new(removed.line(), removed)
}

async fn prune(call: Call, _: Prune) -> Result<Answer, Failure> {
    let pruned = call.daemon().prune_worktrees(None).await?.items;
    let worktrees: Vec<Removed> = pruned.into_iter().map(Removed::from).collect();
    let lines: Vec<String> = worktrees.iter().map(Removed::line).collect();
    let text = if lines.is_empty() { "There are none.".to_owned() } else { lines.join("\n") };
    Answer::new(text, Pruned { worktrees })
}

async fn restore(call: Call, wish: Which) -> Result<Answer, Failure> {
    Worktree::answer(call.daemon().restore_worktree(&wish.worktree, None).await?)
}
