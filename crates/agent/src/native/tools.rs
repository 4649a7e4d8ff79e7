//! The tools a model may call: one file each, with its schema and what it does.
//!
//! Invariant: a tool that was not offered does not run, and whatever goes wrong in one is an answer
//! to the model, never the end of the turn.

mod ask_user;
mod bash;
mod change;
mod edit_file;
mod list_directory;
mod propose_plan;
mod read_file;
mod search_files;
mod send_notice;
mod write_file;

use llm::ToolSpec;
use model::{ParticipantStatus, Refusal, RepoPath, RepoPathError, TaskKind};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::confine::{ConfineError, Tree};
use super::link::Link;
use super::output::{Capped, cut};
use super::turn;
use crate::run::wire::{BashPolicy, Reply, Request, Start};

/// Largest text file that is edited, written, or read as a whole, in bytes.
pub(crate) const FILE_MAX: u64 = 1024 * 1024;
/// Longest result of any tool, in bytes; most have a lower limit of their own.
const RESULT_MAX: usize = 256 * 1024;
/// Longest description of what a participant does, in bytes.
const DETAIL_MAX: usize = 120;

/// What a tool can do at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Category {
    /// Looks at the worktree.
    Read,
    /// Changes files through the daemon's writer.
    Write,
    /// Acts beyond files: commands, the user, other agents.
    Admin,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tool {
    ReadFile,
    ListDirectory,
    SearchFiles,
    WriteFile,
    EditFile,
    Bash,
    AskUser,
    SendNotice,
    ProposePlan,
}

impl Tool {
    const ALL: [Self; 9] = [
        Self::ReadFile,
        Self::ListDirectory,
        Self::SearchFiles,
        Self::WriteFile,
        Self::EditFile,
        Self::Bash,
        Self::AskUser,
        Self::SendNotice,
        Self::ProposePlan,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::ReadFile => "read_file",
            Self::ListDirectory => "list_directory",
            Self::SearchFiles => "search_files",
            Self::WriteFile => "write_file",
            Self::EditFile => "edit_file",
            Self::Bash => "bash",
            Self::AskUser => "ask_user",
            Self::SendNotice => "send_notice",
            Self::ProposePlan => "propose_plan",
        }
    }

    pub(crate) const fn category(self) -> Category {
        match self {
            Self::ReadFile | Self::ListDirectory | Self::SearchFiles => Category::Read,
            Self::WriteFile | Self::EditFile => Category::Write,
            Self::Bash | Self::AskUser | Self::SendNotice | Self::ProposePlan => Category::Admin,
        }
    }

    pub(crate) fn spec(self) -> ToolSpec {
        let (description, schema) = match self {
            Self::ReadFile => read_file::spec(),
            Self::ListDirectory => list_directory::spec(),
            Self::SearchFiles => search_files::spec(),
            Self::WriteFile => write_file::spec(),
            Self::EditFile => edit_file::spec(),
            Self::Bash => bash::spec(),
            Self::AskUser => ask_user::spec(),
            Self::SendNotice => send_notice::spec(),
            Self::ProposePlan => propose_plan::spec(),
        };
        ToolSpec { name: self.name().to_owned(), description: description.to_owned(), schema }
    }

    const fn allowed(self, kind: TaskKind) -> bool {
        match (self.category(), kind) {
            (Category::Read, _) => true,
            (_, TaskKind::Review | TaskKind::Ask) => false,
            (_, TaskKind::Propose) => matches!(self, Self::ProposePlan),
            (_, TaskKind::Prompt | TaskKind::Work) => !matches!(self, Self::ProposePlan),
        }
    }
}

/// The tools of a turn of this kind.
pub(crate) fn offered(kind: TaskKind) -> impl Iterator<Item = Tool> {
    Tool::ALL.into_iter().filter(move |tool| tool.allowed(kind))
}

/// What a tool gives back to the model.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub output: String,
    pub is_error: bool,
    pub exit_code: Option<i32>,
}

impl Outcome {
    fn ok(output: impl Into<String>) -> Self {
        Self { output: output.into(), is_error: false, exit_code: None }
    }

    fn bounded(mut self) -> Self {
        if self.output.len() > RESULT_MAX {
            let mut capped = Capped::new(RESULT_MAX);
            capped.push(self.output.as_bytes());
            self.output = capped.finish();
        }
        self
    }
}

/// Why a tool did not do what it was called for; the model reads it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ToolError {
    #[error("wrong arguments: {0}")]
    Arguments(String),
    #[error("{0}")]
    Confined(#[from] ConfineError),
    #[error("{}{}", .0.message, .0.hint.as_deref().map(|hint| format!(" ({hint})")).unwrap_or_default())]
    Refused(#[from] Refusal),
    #[error("{0}")]
    Failed(String),
}

impl From<RepoPathError> for ToolError {
    fn from(error: RepoPathError) -> Self {
        Self::Confined(error.into())
    }
}

/// What tools work with.
pub(crate) struct Toolbox {
    kind: TaskKind,
    bash: BashPolicy,
    tree: Arc<Tree>,
    link: Rc<Link>,
    /// Hashes of files as the model has last seen them, in this run.
    seen: RefCell<HashMap<RepoPath, String>>,
}

impl Toolbox {
    pub(crate) fn new(start: &Start, tree: Tree, link: Rc<Link>) -> Self {
        Self {
            kind: start.kind,
            bash: start.bash.clone(),
            tree: Arc::new(tree),
            link,
            seen: RefCell::default(),
        }
    }

    pub(crate) async fn run(&self, name: &str, arguments: &Value) -> Outcome {
        let Some(tool) = offered(self.kind).find(|tool| tool.name() == name) else {
            let known: Vec<&str> = offered(self.kind).map(Tool::name).collect();
            let output = format!("there is no tool `{}` here; there are {}", cut(name, 64), known.join(", "));
            return Outcome { output, is_error: true, exit_code: None };
        };
        let ran = match tool {
            Tool::ReadFile => read_file::run(self, parse(arguments)).await,
            Tool::ListDirectory => list_directory::run(self, parse(arguments)).await,
            Tool::SearchFiles => search_files::run(self, parse(arguments)).await,
            Tool::WriteFile => write_file::run(self, parse(arguments)).await,
            Tool::EditFile => edit_file::run(self, parse(arguments)).await,
            Tool::Bash => bash::run(self, parse(arguments)).await,
            Tool::AskUser => ask_user::run(self, parse(arguments)).await,
            Tool::SendNotice => send_notice::run(self, parse(arguments)).await,
            Tool::ProposePlan => propose_plan::run(self, parse(arguments)).await,
        };
        let outcome = ran.unwrap_or_else(|error| Outcome {
            output: error.to_string(),
            is_error: true,
            exit_code: None,
        });
        outcome.bounded()
    }

    async fn status(&self, status: ParticipantStatus, detail: &str) {
        let first_line = detail.lines().next().unwrap_or_default();
        turn::status(&self.link, status, cut(first_line, DETAIL_MAX)).await;
    }

    async fn ask(&self, request: Request) -> Result<Reply, ToolError> {
        Ok(self.link.ask(request).await?)
    }

    /// Asks the daemon, whose rules decide or who asks somebody. A no is an answer to the model, after what became of its call.
    async fn permitted(&self, request: Request, if_not: &str) -> Result<(), ToolError> {
        match self.ask(request).await? {
            Reply::Permitted { allowed: true, .. } => Ok(()),
            Reply::Permitted { allowed: false, reason } => {
                Err(ToolError::Failed(format!("{if_not}: {reason}")))
            }
            other => Err(misanswered(&other)),
        }
    }
}

type Parsed<T> = Result<T, ToolError>;

fn parse<T: DeserializeOwned>(arguments: &Value) -> Parsed<T> {
    T::deserialize(arguments).map_err(|error| ToolError::Arguments(error.to_string()))
}

/// The daemon answered something else than what was asked for.
fn misanswered(reply: &Reply) -> ToolError {
    ToolError::Failed(format!("the daemon gave an unexpected answer: {reply:?}"))
}

/// Does work that would keep the process from hearing a cancel. When the future is dropped the flag
/// is set, and the work is to look at it often.
async fn in_background<T: Send + 'static>(
    work: impl FnOnce(&AtomicBool) -> Result<T, ToolError> + Send + 'static,
) -> Result<T, ToolError> {
    struct Stop(Arc<AtomicBool>);
    impl Drop for Stop {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let stop = Stop(Arc::default());
    let flag = Arc::clone(&stop.0);
    tokio::task::spawn_blocking(move || work(&flag))
        .await
        .unwrap_or_else(|error| Err(ToolError::Failed(format!("the tool broke down: {error}"))))
}

/// A directory as models write it: `.`, an empty text and a trailing slash are fine.
fn directory_path(given: Option<&str>) -> Result<Option<RepoPath>, ToolError> {
    let given = given.unwrap_or_default().trim_end_matches('/');
    // `/` alone means the file system's root and is refused as every absolute path.
    match given {
        "" | "." => Ok(None),
        path => Ok(Some(path.parse()?)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tool_has_an_object_schema_whose_required_fields_exist() {
        for tool in Tool::ALL {
            let spec = tool.spec();
            assert_eq!(spec.schema["type"], "object", "{}", spec.name);
            assert!(spec.description.len() > 20, "{}", spec.name);
            let properties = spec.schema["properties"].as_object().unwrap();
            for required in spec.schema["required"].as_array().unwrap() {
                assert!(properties.contains_key(required.as_str().unwrap()), "{} {required}", spec.name);
            }
        }
    }

    #[test]
    fn nothing_but_reading_is_there_for_those_who_may_not_edit() {
        for kind in TaskKind::ALL.into_iter().filter(|kind| !kind.may_edit()) {
            for tool in offered(kind) {
                assert!(tool.category() == Category::Read || tool == Tool::ProposePlan, "{kind:?} {tool:?}");
            }
        }
        assert_eq!(offered(TaskKind::Work).count(), 8);
    }

    #[test]
    fn the_root_is_a_directory_under_several_names_and_the_file_system_is_not() {
        for root in [None, Some(""), Some("."), Some("./")] {
            assert_eq!(directory_path(root).unwrap(), None, "{root:?}");
        }
        assert_eq!(directory_path(Some("src/")).unwrap().unwrap().as_str(), "src");
        for bad in ["..", "../x", "/etc", ".git"] {
            assert!(directory_path(Some(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn no_result_is_longer_than_the_limit() {
        let whole = Outcome::ok("x".repeat(RESULT_MAX)).bounded();
        assert_eq!(whole.output.len(), RESULT_MAX);
        let cut = Outcome::ok("x".repeat(RESULT_MAX + 1)).bounded();
        assert!(cut.output.contains("[… 1 bytes left out …]"));
    }

    #[test]
    fn a_refusal_reaches_the_model_with_its_hint() {
        let refusal = Refusal::conflict("lock_lost", "the lock was lost").hint("try again");
        assert_eq!(ToolError::from(refusal).to_string(), "the lock was lost (try again)");
    }
}
