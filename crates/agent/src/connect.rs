//! How a vendor's program is told to call our hooks and to start our MCP server: which files, and what in them.
//!
//! Only texts are made here; whoever asks reads and writes the files, and shows what will change before. Invariant: a
//! text that cannot be read as what it should be is never changed, and what was put in is found again and taken out
//! whatever else has changed since.

pub(crate) mod jsonc;
mod toml;

pub(crate) use self::toml::quoted as toml_text;
use crate::{Cli, claude, codex, gemini, kimi};
use jsonc::Text;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What the MCP server is called in every vendor's configuration.
pub const SERVER: &str = "coditect";
/// Largest configuration file that is changed, in bytes.
pub const CONFIG_MAX: u64 = 16 * 1024 * 1024;
/// Longest time a vendor's program waits for a hook, in seconds. Ours decides in milliseconds.
const HOOK_SECONDS: u64 = 10;

/// For whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// Every session of the user; repositories that do not take part are left alone by the hook itself.
    User,
    /// One checkout.
    Project,
}

impl Scope {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Project => "project",
        }
    }
}

/// Where a vendor's program looks for its configuration.
#[derive(Debug, Clone)]
pub struct Surroundings {
    pub home: PathBuf,
    /// The variables by which the programs' folders are moved.
    pub environment: BTreeMap<String, String>,
    /// Top of the checkout, for [`Scope::Project`].
    pub project: Option<PathBuf>,
}

impl Surroundings {
    /// The folder a variable names, or else one in the home folder.
    pub(crate) fn folder(&self, variable: &str, name: &str) -> PathBuf {
        match self.environment.get(variable).filter(|value| !value.is_empty()) {
            Some(given) => self.home.join(given),
            None => self.home.join(name),
        }
    }

    pub(crate) fn project(&self) -> Result<&Path, ConnectError> {
        self.project.as_deref().ok_or(ConnectError::NoProject)
    }
}

/// What is to be called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Programs {
    /// The binary, by its absolute path.
    pub binary: String,
    /// Options both commands need to find the user's data.
    pub options: Vec<String>,
}

impl Programs {
    /// The command line of the hooks, for a shell.
    pub(crate) fn hook(&self, cli: Cli) -> String {
        let words = [self.binary.as_str(), "hook", cli.as_str()].into_iter();
        let words = words.chain(self.options.iter().map(String::as_str)).map(quoted);
        words.collect::<Vec<_>>().join(" ")
    }

    pub(crate) fn server_args(&self) -> Vec<String> {
        std::iter::once("mcp".to_owned()).chain(self.options.iter().cloned()).collect()
    }

    pub(crate) fn server(&self) -> Value {
        json!({ "command": self.binary, "args": self.server_args() })
    }
}

/// As a shell reads it as one word.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+=:@".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    #[error("{} cannot be read ({why}); it is left as it is: correct it, then connect again", .path.display())]
    Unreadable { path: PathBuf, why: String },
    #[error("Kimi reads hooks from the user's configuration alone; connect it with --user")]
    UserOnly,
    #[error("this is no git repository; go into one, or connect with --user")]
    NoProject,
}

/// One file, and what of ours belongs into it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilePlan {
    pub path: PathBuf,
    cli: Cli,
    part: Part,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Part {
    /// Hooks, an MCP server, and a word that it may be used, in the user's JSON.
    Json { hooks: Vec<(&'static str, Value)>, server: Option<Value>, approved: bool },
    /// A block at the end of the user's TOML.
    Toml(String),
    /// A file of ours alone.
    Whole(String),
}

/// The files of a connection.
pub fn plan(
    cli: Cli,
    scope: Scope,
    place: &Surroundings,
    programs: &Programs,
) -> Result<Vec<FilePlan>, ConnectError> {
    let parts = match cli {
        Cli::Claude => claude::connect::parts(scope, place, programs)?,
        Cli::Codex => codex::connect::parts(scope, place, programs)?,
        Cli::Gemini => gemini::connect::parts(scope, place, programs)?,
        Cli::Kimi => kimi::connect::parts(scope, place, programs)?,
    };
    Ok(parts.into_iter().map(|(path, part)| FilePlan { path, cli, part }).collect())
}

/// A hook as three of the four write it.
pub(crate) fn group(matcher: Option<&str>, command: &str, timeout: u64) -> Value {
    let mut group = json!({ "hooks": [{ "type": "command", "command": command, "timeout": timeout }] });
    if let (Some(matcher), Some(fields)) = (matcher, group.as_object_mut()) {
        fields.insert("matcher".to_owned(), matcher.into());
    }
    group
}

/// In the unit of those who count seconds.
pub(crate) const fn hook_seconds() -> u64 {
    HOOK_SECONDS
}

impl FilePlan {
    /// The file's text with ours in it; the same when it is there already.
    pub fn connected(&self, present: Option<&str>) -> Result<String, ConnectError> {
        match &self.part {
            Part::Whole(text) => Ok(text.clone()),
            Part::Toml(block) => {
                toml::with(present.unwrap_or_default(), block, self.cli).map_err(|why| self.unreadable(why))
            }
            Part::Json { hooks, server, approved } => self
                .json(present, hooks, server.as_ref(), *approved)
                .map_err(|fault| self.unreadable(fault.to_string())),
        }
    }

    /// The file's text without ours; none when nothing is left of it.
    pub fn disconnected(&self, present: &str) -> Result<Option<String>, ConnectError> {
        let left = match &self.part {
            Part::Whole(_) => return Ok(None),
            Part::Toml(_) => toml::without_any(present, self.cli),
            Part::Json { .. } => {
                self.without_json(present).map_err(|fault| self.unreadable(fault.to_string()))?
            }
        };
        let empty = left.trim().is_empty() || left.split_whitespace().collect::<String>() == "{}";
        Ok((!empty).then_some(left))
    }

    fn unreadable(&self, why: String) -> ConnectError {
        ConnectError::Unreadable { path: self.path.clone(), why }
    }

    fn json(
        &self,
        present: Option<&str>,
        hooks: &[(&'static str, Value)],
        server: Option<&Value>,
        approved: bool,
    ) -> Result<String, jsonc::Fault> {
        let present = present.filter(|text| !text.trim().is_empty()).unwrap_or("{}\n");
        let mut text = Text::read(present)?;
        let known = text.get(&["hooks"])?.unwrap_or_default();
        for event in known.as_object().into_iter().flat_map(|events| events.keys()) {
            let wanted = hooks.iter().find(|(name, _)| name == event).map(|(_, group)| group);
            text.retain(&["hooks", event], |group| !is_ours(group, self.cli) || Some(group) == wanted)?;
        }
        for (event, group) in hooks {
            let there = text.get(&["hooks", event])?.unwrap_or_default();
            if !there.as_array().is_some_and(|all| all.contains(group)) {
                text.push(&["hooks", event], group)?;
            }
        }
        if let Some(server) = server {
            text.set(&["mcpServers", SERVER], server)?;
        }
        if approved {
            let there = text.get(&[APPROVED])?.unwrap_or_default();
            if !there.as_array().is_some_and(|all| all.iter().any(|name| name == SERVER)) {
                text.push(&[APPROVED], &json!(SERVER))?;
            }
        }
        Ok(text.into_string())
    }

    fn without_json(&self, present: &str) -> Result<String, jsonc::Fault> {
        let Part::Json { hooks, server, approved } = &self.part else { return Ok(present.to_owned()) };
        let mut text = Text::read(present)?;
        let known = text.get(&["hooks"])?.unwrap_or_default();
        for (event, groups) in known.as_object().filter(|_| !hooks.is_empty()).into_iter().flatten() {
            let ours = |groups: &Value| {
                groups.as_array().is_some_and(|all| all.iter().any(|one| is_ours(one, self.cli)))
            };
            if !ours(groups) {
                continue;
            }
            text.retain(&["hooks", event], |group| !is_ours(group, self.cli))?;
            if text.get(&["hooks", event])? == Some(json!([])) {
                text.remove(&["hooks", event], 0)?;
            }
        }
        if server.is_some() {
            text.remove(&["mcpServers", SERVER], 0)?;
        }
        if *approved {
            text.retain(&[APPROVED], |name| name != SERVER)?;
            if text.get(&[APPROVED])? == Some(json!([])) {
                text.remove(&[APPROVED], 0)?;
            }
        }
        Ok(text.into_string())
    }
}

/// Where Claude Code keeps which of a project's servers may run.
const APPROVED: &str = "enabledMcpjsonServers";

/// Whether a group of hooks calls our binary, whichever copy of it.
fn is_ours(group: &Value, cli: Cli) -> bool {
    let hooks = group.get("hooks").and_then(Value::as_array);
    let commands = hooks.into_iter().flatten().filter_map(|hook| hook.get("command")?.as_str());
    let mut commands = commands.peekable();
    commands.peek().is_some() && commands.all(|command| calls_us(command, cli))
}

fn calls_us(command: &str, cli: Cli) -> bool {
    let Some((program, rest)) = command.split_once(&format!(" hook {cli}")) else { return false };
    let name = program.trim_matches('\'').rsplit('/').next().unwrap_or_default();
    name.starts_with("coditect") && (rest.is_empty() || rest.starts_with(' '))
}

#[cfg(test)]
mod tests;
