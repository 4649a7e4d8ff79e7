//! What Gemini CLI's sub-agents may do in a run: rules in its own words, for one process.
//!
//! Over the protocol nobody is asked about a sub-agent's calls. Gemini asks its policy whether the sub-agent may start, by a name that
//! its session knows no tool of, and that is a no; and a call in it for which the policy says "ask the user" waits for an answer that
//! never comes. So the rules leave nothing to be asked: edits are let through, because they come to us to be written, under their locks
//! and only in the worktree; looking is free, as it is for the agent itself; and everything else is denied with a sentence.
//!
//! Invariant: the rules are about sub-agents alone and have the lowest rank above Gemini's defaults, so that the user's own win.

use super::flavor::Flavor;
use crate::connect::jsonc;
use crate::run::wire::Start;
use model::Entropy;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// The sub-agent that has all tools. Those that only look need no rule, and the user's own have the user's.
const SUB_AGENT: &str = "generalist";
/// What a sub-agent may do without a question, as the agent itself may; and its way to end.
const LOOKS: &[&str] = &[
    "glob",
    "grep_search",
    "list_directory",
    "read_file",
    "google_web_search",
    "get_internal_docs",
    "complete_task",
    "read_mcp_resource",
    "list_mcp_resources",
];
const EDITS: &[&str] = &["write_file", "replace"];
/// Files an edit of which Gemini has confirmed whatever the policy says. Nobody could, so they are left to the agent itself.
const CONFIRMED: &str = r#""file_path":"[^"]*\b(BUILD|BUILD\.bazel|WORKSPACE|WORKSPACE\.bazel|MODULE\.bazel|bazelrc|blazerc|[Mm]akefile|GNUmakefile|CMakeLists\.txt|package\.json|package-lock\.json|pnpm-lock\.yaml|yarn\.lock|bun\.lockb|setup\.py|setup\.cfg|pyproject\.toml|go\.mod|go\.sum|Cargo\.toml|Cargo\.lock|pom\.xml|build\.gradle|build\.gradle\.kts|settings\.gradle|settings\.gradle\.kts|(?:Dockerfile|Containerfile)[^/"]*|[^/"]*\.(?:bzl|bazel|bzlmod|mk|cmake))""#;
const NOBODY_TO_ASK: &str = "A sub-agent reads and edits files here and does nothing else, because nobody could be asked about it. \
                             Leave this to the agent that started you.";

/// Rules in a file that is gone when this is dropped.
#[derive(Debug)]
pub(crate) struct Policy {
    file: PathBuf,
    /// Where the user's own rules are, which would not be read any more.
    own: Vec<PathBuf>,
}

impl Policy {
    /// Writes the rules down for an agent that needs some.
    pub(crate) fn of(flavor: Flavor, start: &Start, entropy: &dyn Entropy) -> std::io::Result<Option<Self>> {
        let Some(home) = flavor.folder(start).filter(|_| flavor == Flavor::Gemini) else { return Ok(None) };
        let mut name = [0u8; 16];
        entropy.fill(&mut name);
        // The run's own folder, which goes with the run.
        let folder = std::env::temp_dir();
        let file = folder.join(format!("sub-agents-{:032x}.toml", u128::from_be_bytes(name)));
        let own = start.mcp.as_ref().map(|mcp| mcp.name.as_str());
        let mut written = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&file)?;
        let policy = Self { file, own: users_own(&home) };
        written.write_all(rules(own).as_bytes())?;
        Ok(Some(policy))
    }

    /// The arguments that have them read. Naming a file makes Gemini pass over those it would have read, so these are named, too.
    pub(crate) fn arguments(&self, given: &[String]) -> Vec<String> {
        // The configuration of the agent says already which are to be read.
        let named = given.iter().any(|argument| argument == "--policy" || argument.starts_with("--policy="));
        let own = self.own.iter().filter(|_| !named);
        let all = std::iter::once(&self.file).chain(own);
        all.flat_map(|path| ["--policy".to_owned(), path.display().to_string()]).collect()
    }
}

impl Drop for Policy {
    fn drop(&mut self) {
        // What is left goes with the run's folder.
        let _ = fs::remove_file(&self.file);
    }
}

/// The folder of the user's rules, and what the user's settings name beside it.
fn users_own(home: &Path) -> Vec<PathBuf> {
    let settings = fs::read_to_string(home.join("settings.json")).ok();
    let named = settings.and_then(|text| jsonc::Text::read(&text).ok()?.get(&["policyPaths"]).ok()?);
    let named: Vec<PathBuf> = named
        .iter()
        .filter_map(Value::as_array)
        .flatten()
        .filter_map(Value::as_str)
        .map(PathBuf::from)
        .collect();
    if named.is_empty() { vec![home.join("policies")] } else { named }
}

fn rules(own: Option<&str>) -> String {
    let mut text = String::new();
    let mut rule = |fields: &[(&str, Value)]| {
        text.push_str("[[rule]]\n");
        for (name, value) in fields {
            // JSON's texts, numbers and lists are TOML's, too.
            let _ = writeln!(text, "{name} = {value}");
        }
        text.push('\n');
    };
    let sub = || ("subagent", json!(SUB_AGENT));
    let allow = || ("decision", json!("allow"));
    let deny = || ("decision", json!("deny"));
    let rank = |rank: u32| ("priority", json!(rank));
    rule(&[("toolName", json!(SUB_AGENT)), allow(), rank(1)]);
    rule(&[sub(), ("toolName", json!(LOOKS)), allow(), rank(1)]);
    rule(&[sub(), ("toolName", json!(EDITS)), allow(), rank(1)]);
    let build = "A sub-agent does not edit build files here. Leave this edit to the agent that started you.";
    rule(&[
        sub(),
        ("toolName", json!(EDITS)),
        ("argsPattern", json!(CONFIRMED)),
        deny(),
        rank(2),
        ("denyMessage", json!(build)),
    ]);
    if let Some(own) = own {
        rule(&[sub(), ("mcpName", json!(own)), ("toolName", json!("*")), allow(), rank(1)]);
    }
    rule(&[sub(), ("toolName", json!("*")), deny(), rank(0), ("denyMessage", json!(NOBODY_TO_ASK))]);
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::fixture::start;
    use crate::driver::place::tests::Dice;
    use crate::run::wire::Program;
    use model::Vendor;

    fn gemini(home: &Path) -> Start {
        let env = vec![("GEMINI_CLI_HOME".to_owned(), home.display().to_string())];
        let mut start = start();
        start.endpoint.vendor = Vendor::Google;
        start.program = Some(Program { argv: Vec::new(), env });
        start
    }

    #[test]
    fn the_rules_are_read_with_the_users_own_and_are_gone_afterwards() {
        let home = tempfile::tempdir().unwrap();
        let start = gemini(home.path());
        let policy = Policy::of(Flavor::Gemini, &start, &Dice).unwrap().unwrap();
        let file = policy.file.clone();
        assert!(fs::read_to_string(&file).unwrap().contains("generalist"));
        let arguments = policy.arguments(&[]);
        let folder = home.path().join(".gemini/policies").display().to_string();
        assert_eq!(arguments, ["--policy", file.to_str().unwrap(), "--policy", &folder]);
        assert_eq!(policy.arguments(&["--policy=mine.toml".to_owned()]).len(), 2, "the configuration's stay");
        drop(policy);
        assert!(!file.exists());

        fs::create_dir(home.path().join(".gemini")).unwrap();
        fs::write(home.path().join(".gemini/settings.json"), "{ // mine\n\"policyPaths\": [\"~/a.toml\"] }")
            .unwrap();
        let policy = Policy::of(Flavor::Gemini, &start, &Dice).unwrap().unwrap();
        assert_eq!(policy.arguments(&[]).last().unwrap(), "~/a.toml");
        assert!(Policy::of(Flavor::Kimi, &start, &Dice).unwrap().is_none());
    }

    #[test]
    fn only_the_sub_agent_is_ruled_and_nothing_in_it_is_left_to_be_asked() {
        let text = rules(Some("coditect"));
        let all: Vec<&str> = text.split("[[rule]]\n").skip(1).collect();
        for rule in &all {
            let ruled =
                rule.contains("subagent = \"generalist\"") || rule.starts_with("toolName = \"generalist\"\n");
            assert!(ruled && !rule.contains("ask_user"), "{rule}");
        }
        let last = all.last().unwrap();
        assert!(last.contains("toolName = \"*\"\ndecision = \"deny\"\npriority = 0\n"), "{last}");
        assert_eq!(text.matches("mcpName = \"coditect\"").count(), 1);
        assert!(!rules(None).contains("mcpName"));
    }
}
