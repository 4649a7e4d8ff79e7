//! The tools: one file per noun, each with its functions and their list.

mod artifact;
mod board;
mod checkpoint;
mod conflict;
mod context;
mod file;
mod lineage;
mod lock;
mod merge;
mod notice;
mod plan;
mod pool;
mod queue;
mod repo;
mod session;
mod task;
mod who;
mod worktree;

use crate::answer::Answer;
use crate::call::Call;
use crate::failure::Failure;
use crate::schema;
use bus::Bus;
use model::{RegistrationId, SHORT_ID_MIN, Vitality};
use rmcp::model::{JsonObject, ToolAnnotations};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::pin::Pin;
use std::sync::{Arc, LazyLock};

/// Most tools there are: each one costs every agent's context some hundred tokens.
#[cfg(test)]
const TOOLS_MAX: usize = 63;
/// Longest text a tool takes, in bytes, where nothing says otherwise.
pub const TEXT_MAX: usize = 32 * 1024;

type Outcome = Pin<Box<dyn Future<Output = Result<Answer, Failure>> + Send>>;

/// What a tool needs to be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Uses {
    /// The bus of this machine: always there.
    Bus,
    /// A daemon; without one the tool is not listed.
    Daemon,
}

/// Who may ask the daemon for what a tool asks it for. Each may what those above it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Whose {
    /// Whoever is on the bus: also a program of the user's own, by a token that was lent to it.
    Anybody,
    /// Whoever works in a session of the studio: an agent's run.
    Session,
    User,
}

/// What calling a tool does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    Reads,
    /// Adds; nothing of anybody's is lost.
    Adds,
    /// May end or replace something that is there.
    Replaces,
}

/// One tool.
pub struct Tool {
    pub name: &'static str,
    pub title: &'static str,
    /// For the model: what it does and when to use it.
    pub description: &'static str,
    pub uses: Uses,
    /// Who is not at least this is not shown it, and is refused it.
    pub whose: Whose,
    effect: Effect,
    /// A second call with the same arguments changes nothing more.
    idempotent: bool,
    input: fn() -> JsonObject,
    output: fn() -> JsonObject,
    pub(crate) run: Box<dyn Fn(Call, JsonObject) -> Outcome + Send + Sync>,
}

impl Tool {
    fn new<I, O, F>(
        name: &'static str,
        title: &'static str,
        description: &'static str,
        run: impl Fn(Call, I) -> F + Copy + Send + Sync + 'static,
    ) -> Self
    where
        I: DeserializeOwned + JsonSchema + Send + 'static,
        O: JsonSchema,
        F: Future<Output = Result<Answer, Failure>> + Send + 'static,
    {
        Self {
            name,
            title,
            description,
            uses: Uses::Bus,
            whose: Whose::Anybody,
            effect: Effect::Adds,
            idempotent: false,
            input: schema::taken::<I>,
            output: schema::given::<O>,
            run: Box::new(move |call, arguments| Box::pin(async move { run(call, read(arguments)?).await })),
        }
    }

    fn reads(self) -> Self {
        Self { effect: Effect::Reads, idempotent: true, ..self }
    }

    fn replaces(self) -> Self {
        Self { effect: Effect::Replaces, ..self }
    }

    fn idempotent(self) -> Self {
        Self { idempotent: true, ..self }
    }

    fn of_daemon(self) -> Self {
        Self { uses: Uses::Daemon, ..self }
    }

    fn of_session(self) -> Self {
        Self { whose: Whose::Session, ..self.of_daemon() }
    }

    fn of_user(self) -> Self {
        Self { whose: Whose::User, ..self.of_daemon() }
    }

    /// As the protocol has it.
    pub fn described(&self) -> rmcp::model::Tool {
        let annotations = ToolAnnotations::new()
            .read_only(self.effect == Effect::Reads)
            .destructive(self.effect == Effect::Replaces)
            .idempotent(self.idempotent)
            .open_world(false);
        rmcp::model::Tool::new(self.name, self.description, Arc::new((self.input)()))
            .with_title(self.title)
            .with_raw_output_schema(Arc::new((self.output)()))
            .with_annotations(annotations)
    }
}

/// Every tool, in the order they are listed.
pub fn tools() -> &'static [Tool] {
    static ALL: LazyLock<Vec<Tool>> = LazyLock::new(|| {
        [
            lock::tools(),
            notice::tools(),
            task::tools(),
            context::tools(),
            artifact::tools(),
            file::tools(),
            who::tools(),
            session::tools(),
            lineage::tools(),
            plan::tools(),
            queue::tools(),
            board::tools(),
            pool::tools(),
            repo::tools(),
            worktree::tools(),
            conflict::tools(),
            checkpoint::tools(),
            merge::tools(),
        ]
        .into_iter()
        .flatten()
        .collect()
    });
    &ALL
}

pub(crate) fn find(name: &str) -> Option<&'static Tool> {
    tools().iter().find(|tool| tool.name == name)
}

fn read<I: DeserializeOwned>(arguments: JsonObject) -> Result<I, Failure> {
    serde_json::from_value(Value::Object(arguments)).map_err(|error| {
        let words = format!("the arguments cannot be read: {error}");
        Failure::new("bad_arguments", words, "see the tool's input schema and call again")
    })
}

/// A text that came in.
fn text(given: &str) -> Result<&str, Failure> {
    if given.len() > TEXT_MAX {
        let words = format!("the text has {} bytes; at most {TEXT_MAX} are taken", given.len());
        return Err(Failure::new("text_too_long", words, "put it into a file of the worktree and name it"));
    }
    Ok(given)
}

/// The session that is meant: by id, by an unambiguous start of its short id, or by name.
fn meant(bus: &Bus, given: &str) -> Result<RegistrationId, Failure> {
    if let Ok(id) = given.parse() {
        return Ok(id);
    }
    let sessions = bus.sessions()?;
    let small = given.to_ascii_lowercase();
    let alive = sessions.iter().filter(|one| one.vitality != Vitality::Dead);
    let mut found = alive.map(|one| &one.registration).filter(|one| {
        one.agent == given || small.len() >= SHORT_ID_MIN && one.id.short().starts_with(&small)
    });
    match (found.next(), found.next()) {
        (Some(one), None) => Ok(one.id),
        (Some(_), Some(_)) => {
            let words = format!("`{given}` names several sessions");
            Err(Failure::new("ambiguous_session", words, "call who, and give a short_id"))
        }
        (None, _) => {
            let words = format!("no live session is called `{given}`");
            Err(Failure::new("no_session", words, "call who to see who is there"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_follow_one_scheme_and_are_unique() {
        let mut seen = BTreeSet::new();
        for tool in tools() {
            assert!(seen.insert(tool.name), "{} twice", tool.name);
            let ok = tool.name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
            assert!(ok && (tool.name == "who" || tool.name.split('_').count() == 2), "{}", tool.name);
            assert!(tool.description.len() < 600, "{}: {}", tool.name, tool.description.len());
        }
        let of_bus = tools().iter().filter(|tool| tool.uses == Uses::Bus).count();
        assert!(of_bus <= 20 && tools().len() <= TOOLS_MAX, "few tools, and fewer without a daemon");
    }

    #[test]
    fn every_tool_describes_what_it_takes_and_gives() {
        for tool in tools() {
            let described = serde_json::to_value(tool.described()).unwrap();
            for schema in ["inputSchema", "outputSchema"] {
                assert_eq!(described[schema]["type"], "object", "{} {schema}", tool.name);
                let text = described[schema].to_string();
                assert!(!text.contains("$ref"), "{} {schema}: {text}", tool.name);
                let properties = described[schema]["properties"].as_object().unwrap();
                assert!(properties.values().all(Value::is_object), "{} {schema}: {text}", tool.name);
            }
            let input = &described["inputSchema"];
            assert_eq!(input["additionalProperties"], false, "{}", tool.name);
            for (name, field) in input["properties"].as_object().unwrap() {
                assert!(field["description"].is_string(), "{}.{name} is not described", tool.name);
            }
            assert!(described["annotations"]["readOnlyHint"].is_boolean());
        }
    }

    #[test]
    fn the_manual_lists_these_tools_and_no_others() {
        const MANUAL: &str = include_str!("../../../docs/guide/mcp.md");
        let listed: Vec<&str> = MANUAL.lines().filter(|line| line.starts_with("| `")).collect();
        let expected: Vec<String> = tools()
            .iter()
            .map(|tool| {
                let needs = match (tool.uses, tool.whose) {
                    (Uses::Daemon, Whose::User) => "a daemon, the user",
                    (Uses::Daemon, Whose::Session) => "a daemon, a session",
                    (Uses::Daemon, Whose::Anybody) => "a daemon",
                    (Uses::Bus, _) => "nothing",
                };
                format!("| `{}` | {} | {needs} |", tool.name, tool.title)
            })
            .collect();
        assert_eq!(listed, expected);
    }

    #[test]
    fn what_reads_never_replaces() {
        for tool in tools().iter().filter(|tool| tool.effect == Effect::Reads) {
            assert!(tool.idempotent, "{}", tool.name);
            let name = tool.name;
            assert!(
                ["_list", "_get", "_read", "_search", "who", "_wait"].iter().any(|end| name.ends_with(end)),
                "{name}"
            );
        }
    }

    #[test]
    fn arguments_that_do_not_fit_are_named() {
        #[derive(Debug, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Wish {
            #[expect(dead_code, reason = "only reading it matters")]
            count: u64,
        }
        for bad in [r#"{"count":"x"}"#, r#"{"count":-1}"#, "{}", r#"{"count":1,"more":2}"#] {
            let failure = read::<Wish>(serde_json::from_str(bad).unwrap()).unwrap_err();
            assert_eq!(failure.code, "bad_arguments");
            assert!(failure.next.is_some());
        }
    }

    #[test]
    fn a_text_has_a_limit() {
        assert!(text(&"x".repeat(TEXT_MAX)).is_ok());
        assert_eq!(text(&"x".repeat(TEXT_MAX + 1)).unwrap_err().code, "text_too_long");
    }
}
