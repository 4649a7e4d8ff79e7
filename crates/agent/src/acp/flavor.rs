//! What differs between the agents that speak the protocol: how they are started, what they may be trusted with, what they forget.

use crate::cli::Cli;
use crate::connect::jsonc::Text;
use crate::driver::About;
use crate::driver::context_files::Reads;
use crate::driver::place::Place;
use crate::programs::oldest;
use crate::run::wire::Start;
use model::{Isolation, Vendor};
use serde_json::Value;
use std::path::{Path, PathBuf};

static GEMINI: About = About {
    name: "Gemini CLI",
    program: "gemini",
    oldest: oldest(Cli::Gemini),
    install: "install it with `npm install -g @google/gemini-cli@latest`",
    login: "run `gemini` once and log in",
};

static KIMI: About = About {
    name: "Kimi Code",
    program: "kimi",
    oldest: oldest(Cli::Kimi),
    install: "install it with `npm install -g @moonshot-ai/kimi-code@latest`",
    login: "run `kimi login`",
};

static OTHER: About = About {
    name: "The agent",
    program: "",
    oldest: "0",
    install: "install it",
    login: "log in with its own program",
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flavor {
    Gemini,
    Kimi,
    /// Whatever the configuration starts.
    Other,
}

impl Flavor {
    pub(crate) fn of(start: &Start) -> Self {
        let configured = start.program.iter().flat_map(|program| program.argv.first()).next();
        let name = configured.and_then(|program| program.rsplit('/').next());
        match (name, start.endpoint.vendor) {
            (Some("gemini"), _) | (None, Vendor::Google) => Self::Gemini,
            (Some("kimi"), _) | (None, Vendor::Moonshot) => Self::Kimi,
            _ => Self::Other,
        }
    }

    pub(crate) fn about(self) -> &'static About {
        match self {
            Self::Gemini => &GEMINI,
            Self::Kimi => &KIMI,
            Self::Other => &OTHER,
        }
    }

    /// The program and its arguments; the configuration's, with what makes it speak the protocol if that is missing. Empty when
    /// nobody says what to start.
    pub(crate) fn argv(self, start: &Start) -> Vec<String> {
        let configured = start.program.as_ref().map(|program| program.argv.clone()).unwrap_or_default();
        let mut argv = configured;
        if argv.is_empty() && self != Self::Other {
            argv.push(self.about().program.to_owned());
        }
        let mut need = |argument: &str| {
            if !argv.iter().any(|given| given == argument) {
                argv.push(argument.to_owned());
            }
        };
        match self {
            Self::Gemini => {
                need("--acp");
                // In a folder it does not trust it has no MCP servers, not even ours, and reads no GEMINI.md. This trusts the folder
                // for this process only; nothing is written down.
                need("--skip-trust");
                if !start.model.is_empty() && !argv.iter().any(|given| given == "-m" || given == "--model") {
                    argv.extend(["-m".to_owned(), start.model.clone()]);
                }
            }
            Self::Kimi => need("acp"),
            Self::Other => {}
        }
        argv
    }

    /// Keys and addresses, where each agent looks for them.
    pub(crate) fn env(self, start: &Start) -> Vec<(String, String)> {
        let mut env = start.program.as_ref().map(|program| program.env.clone()).unwrap_or_default();
        let endpoint = &start.endpoint;
        let key = Some(endpoint.api_key.expose()).filter(|_| !endpoint.api_key.is_empty());
        let url = endpoint.base_url.as_deref();
        let mut set = |name: &str, value: Option<&str>| {
            if let Some(value) = value {
                env.push((name.to_owned(), value.to_owned()));
            }
        };
        match self {
            Self::Gemini => {
                // Else it starts itself once more, and who ends the first leaves the second.
                set("GEMINI_CLI_NO_RELAUNCH", Some("1"));
                set("GEMINI_API_KEY", key);
                set("GOOGLE_GEMINI_BASE_URL", url.map(without_version));
            }
            Self::Kimi if key.is_some() || url.is_some() => {
                set("KIMI_MODEL_NAME", Some(start.model.as_str()).filter(|model| !model.is_empty()));
                set("KIMI_MODEL_API_KEY", key);
                set("KIMI_MODEL_BASE_URL", url);
            }
            Self::Kimi => {}
            Self::Other => {
                let (name, address) = match endpoint.vendor {
                    Vendor::Anthropic => ("ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL"),
                    Vendor::Google => ("GEMINI_API_KEY", "GOOGLE_GEMINI_BASE_URL"),
                    Vendor::Moonshot => ("MOONSHOT_API_KEY", "MOONSHOT_BASE_URL"),
                    Vendor::Openai => ("OPENAI_API_KEY", "OPENAI_BASE_URL"),
                };
                set(name, key);
                set(address, url);
            }
        }
        env
    }

    /// Whether the agent may read files through us. Gemini then cannot make new ones: it takes our "there is no such file" for a
    /// failure.
    pub(crate) fn reads(self) -> bool {
        self != Self::Gemini
    }

    /// Whether we run its commands. In a sandbox they run where the agent does.
    pub(crate) fn runs_commands(self, start: &Start) -> bool {
        start.isolation != Isolation::Sandbox
    }

    /// Whether the `oldText` of its diffs is the whole file.
    pub(crate) fn shows_whole_files(self) -> bool {
        self == Self::Gemini
    }

    /// The tool's name: Gemini has it in the number of the call, the others in the first title.
    pub(crate) fn tool(self, id: &str, title: &str) -> String {
        match id.split_once("__") {
            Some((name, _)) if self == Self::Gemini => name.to_owned(),
            _ if title.is_empty() => "tool".to_owned(),
            _ => title.to_owned(),
        }
    }

    /// Whether a tool belongs to the MCP server of that name.
    pub(crate) fn is_of(self, tool: &str, server: &str) -> bool {
        let prefix = if self == Self::Gemini { format!("mcp_{server}_") } else { format!("mcp__{server}__") };
        tool.starts_with(&prefix)
    }

    /// The file of a session that may not be loaded yet: Gemini destroys the history of one that is loaded within the clock minute in
    /// which it was made. None for agents without such a file.
    pub(crate) fn session_files(self, start: &Start) -> Option<PathBuf> {
        self.folder(start).map(|folder| folder.join("tmp"))
    }

    /// Where Gemini keeps its things. None for the others, whose things are no concern of ours.
    pub(crate) fn folder(self, start: &Start) -> Option<PathBuf> {
        if self != Self::Gemini {
            return None;
        }
        let home = variable(start, "GEMINI_CLI_HOME").or_else(|| variable(start, "HOME"))?;
        Some(home.join(".gemini"))
    }

    /// Where Kimi keeps its sessions, whose ends it tells there and nowhere else.
    pub(crate) fn sessions_of_kimi(self, start: &Start) -> Option<PathBuf> {
        let text = |name: &str| Some(variable(start, name)?.to_str()?.to_owned());
        (self == Self::Kimi).then(|| crate::transcript::home(Vendor::Moonshot, &text)).flatten()
    }

    /// What the agent reads at the worktree's root by itself. Of one we do not know it is what most agents read.
    pub(crate) fn reads_by_itself(self, start: &Start, place: &Place) -> Reads {
        match self {
            Self::Gemini => {
                let own = self.folder(start).and_then(|folder| named_in(&folder.join("settings.json")));
                let named = named_in(&place.root().join(".gemini/settings.json")).or(own);
                Reads::of(&["GEMINI.md"]).and(named.unwrap_or_default()).with_imports()
            }
            Self::Kimi => Reads::of(&[".kimi-code/AGENTS.md", "AGENTS.md"]),
            Self::Other => Reads::of(&["AGENTS.md"]),
        }
    }
}

/// The files that settings of Gemini's name beside `GEMINI.md`, which it reads in any case.
fn named_in(settings: &Path) -> Option<Vec<String>> {
    let text = std::fs::read_to_string(settings).ok()?;
    match Text::read(&text).ok()?.get(&["context", "fileName"]).ok()?? {
        Value::String(name) => Some(vec![name]),
        Value::Array(names) => {
            Some(names.iter().filter_map(|name| name.as_str().map(str::to_owned)).collect())
        }
        _ => None,
    }
}

/// A variable as the agent sees it: the configuration's, else ours.
fn variable(start: &Start, name: &str) -> Option<PathBuf> {
    let env = start.program.iter().flat_map(|program| &program.env);
    let given = env.rev().find(|(key, _)| key == name).map(|(_, value)| PathBuf::from(value));
    given.or_else(|| inherited(name))
}

#[expect(
    clippy::disallowed_methods,
    reason = "the agent finds its home in the environment it has from us; so must we"
)]
fn inherited(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).map(PathBuf::from)
}

/// Gemini adds the version of the API itself.
fn without_version(url: &str) -> &str {
    let url = url.trim_end_matches('/');
    ["/v1beta", "/v1alpha", "/v1"].iter().find_map(|version| url.strip_suffix(version)).unwrap_or(url)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::fixture::start;
    use crate::driver::place::tests::Dice;
    use crate::run::wire::Program;
    use llm::Secret;

    fn with(vendor: Vendor, argv: &[&str]) -> Start {
        let argv = argv.iter().map(|part| (*part).to_owned()).collect();
        let mut start = start();
        start.endpoint.vendor = vendor;
        start.endpoint.base_url = Some("http://127.0.0.1:1/v1beta/".into());
        start.endpoint.api_key = Secret::new("key");
        start.model = "m".into();
        start.program = Some(Program { argv, env: vec![("HOME".into(), "/home/of/it".into())] });
        start
    }

    #[test]
    fn each_agent_is_started_so_that_it_speaks_the_protocol() {
        for (vendor, argv, flavor, started) in [
            (Vendor::Google, &[][..], Flavor::Gemini, "gemini --acp --skip-trust -m m"),
            (
                Vendor::Google,
                &["/x/gemini", "--acp", "-m", "n"],
                Flavor::Gemini,
                "/x/gemini --acp -m n --skip-trust",
            ),
            (Vendor::Moonshot, &[], Flavor::Kimi, "kimi acp"),
            (Vendor::Openai, &["kimi", "acp"], Flavor::Kimi, "kimi acp"),
            (Vendor::Anthropic, &["opencode", "acp"], Flavor::Other, "opencode acp"),
            (Vendor::Google, &["goose", "acp"], Flavor::Other, "goose acp"),
            (Vendor::Openai, &[], Flavor::Other, ""),
        ] {
            let start = with(vendor, argv);
            assert_eq!(Flavor::of(&start), flavor);
            assert_eq!(flavor.argv(&start).join(" "), started);
            assert!(!flavor.argv(&start).iter().any(|argument| argument.contains("key")));
        }
    }

    #[test]
    fn keys_go_where_each_agent_looks_for_them() {
        let value = |start: &Start, name: &str| {
            let env = Flavor::of(start).env(start);
            env.into_iter().find(|(key, _)| key == name).map(|(_, value)| value)
        };
        let gemini = with(Vendor::Google, &[]);
        assert_eq!(value(&gemini, "GOOGLE_GEMINI_BASE_URL").unwrap(), "http://127.0.0.1:1");
        assert_eq!(value(&gemini, "GEMINI_API_KEY").unwrap(), "key");
        assert_eq!(value(&gemini, "GEMINI_CLI_NO_RELAUNCH").unwrap(), "1");
        let mut kimi = with(Vendor::Moonshot, &[]);
        assert_eq!(value(&kimi, "KIMI_MODEL_NAME").unwrap(), "m");
        assert_eq!(value(&kimi, "KIMI_MODEL_API_KEY").unwrap(), "key");
        kimi.endpoint.base_url = None;
        kimi.endpoint.api_key = Secret::default();
        assert_eq!(value(&kimi, "KIMI_MODEL_NAME"), None, "its own configuration names the model then");
        assert_eq!(value(&with(Vendor::Openai, &["x"]), "OPENAI_API_KEY").unwrap(), "key");
    }

    #[test]
    fn tools_have_the_vendors_names() {
        let gemini = Flavor::Gemini.tool("write_file__write_file_1795_0", "Writing to a.txt");
        assert_eq!(gemini, "write_file");
        assert_eq!(Flavor::Kimi.tool("0:call_1", "mcp__coditect__who"), "mcp__coditect__who");
        assert_eq!(Flavor::Other.tool("1", ""), "tool");
        assert!(Flavor::Gemini.is_of("mcp_coditect_who", "coditect"));
        assert!(Flavor::Kimi.is_of("mcp__coditect__who", "coditect"));
        assert!(!Flavor::Kimi.is_of("mcp__coditect_not__who", "coditect"));
    }

    #[test]
    fn gemini_reads_what_its_settings_name_and_the_others_have_no_choice() {
        let (home, repo) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let place = Place::at(repo.path(), std::sync::Arc::new(Dice)).unwrap();
        let mut start = with(Vendor::Google, &[]);
        start.program.as_mut().unwrap().env =
            vec![("GEMINI_CLI_HOME".into(), home.path().to_str().unwrap().into())];
        let reads = || Flavor::Gemini.reads_by_itself(&start, &place);
        let gemini = Reads::of(&["GEMINI.md"]).with_imports();
        let settings = |folder: &Path, text: &str| {
            std::fs::create_dir_all(folder.join(".gemini")).unwrap();
            std::fs::write(folder.join(".gemini/settings.json"), text).unwrap();
        };
        assert_eq!(reads(), gemini);
        settings(home.path(), r#"{ /* mine */ "context": { "fileName": ["AGENTS.md", "a.md"] } }"#);
        assert_eq!(reads(), gemini.clone().and(["AGENTS.md", "a.md"].map(str::to_owned)));
        settings(repo.path(), r#"{ "context": { "fileName": "CLAUDE.md" } }"#);
        assert_eq!(reads(), gemini.clone().and(["CLAUDE.md".to_owned()]), "the nearer settings count");
        settings(repo.path(), "{ broken");
        settings(home.path(), r#"{ "context": { "fileName": 7 } }"#);
        assert_eq!(reads(), gemini);
        assert_eq!(Flavor::Other.reads_by_itself(&start, &place), Reads::of(&["AGENTS.md"]));
    }

    #[test]
    fn only_gemini_has_sessions_that_must_rest() {
        let start = with(Vendor::Google, &[]);
        assert_eq!(Flavor::Gemini.session_files(&start).unwrap(), PathBuf::from("/home/of/it/.gemini/tmp"));
        assert_eq!(Flavor::Kimi.session_files(&start), None);
    }
}
