//! What a sandboxed run may write and what it must not read.
//!
//! Writable are its worktree, its own folder for temporary files, what its vendor's program remembers in the home folder,
//! what the configuration adds, and the bus: hooks and the coordination tools work in there too. Hidden are the data root
//! (tokens, journal, what others said) and the usual places of keys.

use crate::engine::Shared;
use crate::{AgentConfig, SandboxView};
use agent::{Cli, Fence, FenceReport};
use model::{Isolation, Refusal, RefusalKind};
use std::path::{Path, PathBuf};

/// Below the home folder: what opens doors elsewhere.
const SECRETS: [&str; 17] = [
    ".ssh",
    ".gnupg",
    ".aws",
    ".azure",
    ".kube",
    ".docker",
    ".netrc",
    ".git-credentials",
    ".config/git/credentials",
    ".config/gcloud",
    ".config/gh",
    ".npmrc",
    ".pypirc",
    ".cargo/credentials.toml",
    ".password-store",
    ".local/share/keyrings",
    ".mozilla",
];
/// Sockets behind which others write for whoever asks.
const SOCKETS: [&str; 5] =
    ["/run/docker.sock", "/var/run/docker.sock", "/run/podman", "/run/containerd", "/run/user"];

/// What a run needs of the fence.
pub(crate) struct Yard<'a> {
    pub(crate) agent: &'a AgentConfig,
    pub(crate) worktree: &'a Path,
    pub(crate) scratch: &'a Path,
    /// The registered checkout, whose git folder the worktree shares.
    pub(crate) repo: Option<&'a Path>,
}

impl Shared {
    /// What this machine can hold a fence with; tried once in the daemon's life. Blocks the first time.
    pub(crate) fn fences(&self) -> &FenceReport {
        self.fences
            .get_or_init(|| agent::probe(&self.env("PATH").unwrap_or_default(), &self.workspace.runs()))
    }
}

/// The fence of a sandboxed run, or why there is none: an error when the agent must not work without.
pub(crate) fn around(shared: &Shared, yard: &Yard<'_>) -> Result<Result<Fence, String>, Refusal> {
    let report = shared.fences();
    let Some(mechanism) = report.best() else {
        let failure = report.failure();
        if yard.agent.sandbox_required {
            let message = format!("this machine cannot hold a sandbox: {failure}");
            return Err(Refusal::new(RefusalKind::Unavailable, "sandbox_unavailable", message).hint(
                "install bubblewrap, or set `sandbox_required` to false for the agent to let it work UNSANDBOXED",
            ));
        }
        return Ok(Err(failure));
    };
    // Without a home folder nothing is looked for in it.
    let home = shared.env("HOME").map(PathBuf::from).filter(|home| home.is_absolute());
    let home = home.unwrap_or_else(|| PathBuf::from("/nonexistent"));
    let own = own_state(shared, yard.agent, &home);
    let workspace = &shared.workspace;
    let database = workspace.messaging_db();
    let beside = |suffix: &str| PathBuf::from(format!("{}{suffix}", database.display()));
    let mut writable = vec![yard.worktree.to_owned(), workspace.bus().join("rt")];
    writable.extend([
        database.clone(),
        beside("-wal"),
        beside("-shm"),
        workspace.bus().join("messaging.high"),
    ]);
    writable.extend(own.iter().cloned());
    writable.extend(yard.agent.sandbox_writable.iter().map(|path| under(&home, path)));
    let mut readable = vec![yard.scratch.to_owned(), shared.options.executable.clone()];
    readable.extend([shared.options.data_root.daemon_info(), shared.options.data_root.machine_id()]);
    readable.push(workspace.bus().join("messaging.fence"));
    readable.extend(yard.repo.map(Path::to_owned));
    let mut hidden = vec![shared.options.data_root.path().to_owned()];
    hidden.extend(SECRETS.iter().map(|secret| home.join(secret)));
    // Those of its own program, too, where that keeps them elsewhere.
    let logins = Cli::ALL.into_iter().flat_map(|cli| {
        let moved = state_of(cli, &home, |name| shared.env(name));
        state_of(cli, &home, |_| None).into_iter().chain(moved)
    });
    hidden.extend(logins.filter(|path| !own.contains(path)));
    hidden.extend(SOCKETS.iter().map(PathBuf::from));
    Ok(Ok(Fence {
        mechanism,
        writable,
        readable,
        hidden,
        frozen: vec![yard.worktree.join(".git")],
        tmp: yard.scratch.join("tmp"),
    }))
}

/// The variable that sends a vendor's program elsewhere with its sessions and its login, and how these are called in the home
/// folder otherwise.
fn keeps(cli: Cli) -> (&'static str, &'static [&'static str]) {
    match cli {
        Cli::Claude => ("CLAUDE_CONFIG_DIR", &[".claude", ".claude.json"]),
        Cli::Codex => ("CODEX_HOME", &[".codex"]),
        Cli::Gemini => ("GEMINI_CLI_HOME", &[".gemini"]),
        Cli::Kimi => ("KIMI_CODE_HOME", &[".kimi-code"]),
    }
}

/// Where a vendor's program keeps its sessions and its login.
fn state_of(cli: Cli, home: &Path, env: impl Fn(&str) -> Option<String>) -> Vec<PathBuf> {
    let (variable, names) = keeps(cli);
    match env(variable).map(PathBuf::from).filter(|folder| folder.is_absolute()) {
        // This one names what stands for the home folder.
        Some(folder) if cli == Cli::Gemini => names.iter().map(|name| folder.join(name)).collect(),
        Some(folder) => vec![folder],
        None => names.iter().map(|name| home.join(name)).collect(),
    }
}

/// What the agent's own program keeps. It is the program that counts: whose models it uses says nothing of where it keeps its
/// things, and of one that we do not know we know nothing.
fn own_state(shared: &Shared, agent: &AgentConfig, home: &Path) -> Vec<PathBuf> {
    let Some(cli) = agent::driven_by(agent.driver, agent.vendor, &agent.command) else { return Vec::new() };
    let passed = |name: &str| agent.pass_env.iter().any(|passed| passed == name).then(|| shared.env(name));
    // As the run's program is given it: what is set for the agent goes before what is passed on.
    let env = |name: &str| agent.env.get(name).cloned().or_else(|| passed(name).flatten());
    let home = env("HOME").map_or_else(|| home.to_owned(), PathBuf::from);
    state_of(cli, &home, env)
}

/// A configured path; `~/` is the home folder.
fn under(home: &Path, path: &str) -> PathBuf {
    match path.strip_prefix("~/") {
        Some(rest) => home.join(rest),
        None => PathBuf::from(path),
    }
}

/// How an agent's sandbox is held; none for an agent that has none.
pub(crate) fn state(shared: &Shared, agent: &AgentConfig) -> Option<SandboxView> {
    if agent.isolation != Isolation::Sandbox {
        return None;
    }
    let report = shared.fences();
    Some(match report.best() {
        Some(mechanism) => SandboxView { held_by: Some(mechanism.as_str()), reason: None },
        None => SandboxView { held_by: None, reason: Some(report.failure()) },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agent(more: serde_json::Value) -> AgentConfig {
        let mut agent = serde_json::json!({
            "vendor": "anthropic", "driver": "claude", "model": "m", "isolation": "sandbox",
        });
        for (key, value) in more.as_object().unwrap() {
            agent[key] = value.clone();
        }
        serde_json::from_value(agent).unwrap()
    }

    fn yard(agent: &AgentConfig) -> Yard<'_> {
        Yard { agent, worktree: Path::new("/w"), scratch: Path::new("/s"), repo: Some(Path::new("/r")) }
    }

    #[test]
    fn where_nothing_holds_a_sandbox_an_agent_does_not_work_unless_it_may() {
        let stage = crate::stage::Stage::new();
        let nothing =
            FenceReport { bubblewrap: Err("not installed".into()), landlock: Err("too old".into()) };
        stage.shared.fences.set(nothing).unwrap();
        let strict = agent(serde_json::json!({}));
        let refusal = around(&stage.shared, &yard(&strict)).unwrap_err();
        assert_eq!(refusal.code, "sandbox_unavailable");
        assert!(
            refusal.message.contains("not installed") && refusal.message.contains("too old"),
            "{refusal}"
        );
        let lax = agent(serde_json::json!({ "sandbox_required": false }));
        assert!(around(&stage.shared, &yard(&lax)).unwrap().unwrap_err().contains("too old"));
        assert_eq!(state(&stage.shared, &lax).unwrap().held_by, None);
        assert_eq!(state(&stage.shared, &agent(serde_json::json!({ "isolation": "worktree" }))), None);
    }

    #[test]
    fn what_is_ours_and_other_vendors_logins_are_hidden_and_its_own_is_not() {
        let stage = crate::stage::Stage::new();
        let works = FenceReport { bubblewrap: Err("not installed".into()), landlock: Ok(()) };
        stage.shared.fences.set(works).unwrap();
        let agent = agent(serde_json::json!({ "sandbox_writable": ["~/.cache", "/srv/cache"] }));
        let fence = around(&stage.shared, &yard(&agent)).unwrap().unwrap();
        let home = Path::new("/nonexistent");
        assert!(fence.hidden.contains(&stage.shared.options.data_root.path().to_owned()));
        assert!(fence.hidden.contains(&home.join(".codex")) && !fence.hidden.contains(&home.join(".claude")));
        assert!(fence.writable.contains(&PathBuf::from("/srv/cache")));
        assert!(fence.writable.contains(&home.join(".cache")));
        assert!(!fence.writable.iter().any(|path| fence.hidden.contains(path)));
        assert_eq!(fence.frozen, [PathBuf::from("/w/.git")]);
    }

    #[test]
    fn what_may_be_written_is_what_the_program_keeps_whosever_models_it_uses() {
        let stage = crate::stage::Stage::new();
        let works = FenceReport { bubblewrap: Err("not installed".into()), landlock: Ok(()) };
        stage.shared.fences.set(works).unwrap();
        let home = Path::new("/nonexistent");
        let fence = |more: serde_json::Value| around(&stage.shared, &yard(&agent(more))).unwrap().unwrap();
        let logins = || Cli::ALL.into_iter().flat_map(|cli| state_of(cli, home, |_| None));
        // Somebody else's program with Anthropic's models.
        for command in ["/opt/goose", "opencode"] {
            let foreign = fence(serde_json::json!({ "driver": "acp", "command": [command, "acp"] }));
            for login in logins() {
                assert!(!foreign.writable.contains(&login) && foreign.hidden.contains(&login), "{login:?}");
            }
        }
        let kimi = fence(serde_json::json!({ "driver": "acp", "command": ["/opt/bin/kimi"] }));
        assert!(kimi.writable.contains(&home.join(".kimi-code")));
        assert!(
            kimi.hidden.contains(&home.join(".claude")) && !kimi.writable.contains(&home.join(".claude"))
        );
        let moved = serde_json::json!({ "driver": "acp", "vendor": "google", "env": { "GEMINI_CLI_HOME": "/srv/g" } });
        let gemini = fence(moved);
        assert!(gemini.writable.contains(&PathBuf::from("/srv/g/.gemini")));
        assert!(!gemini.writable.contains(&PathBuf::from("/srv/g")), "not all that lies beside it");
        assert!(gemini.hidden.contains(&home.join(".gemini")), "it is not used");
        let ours = fence(serde_json::json!({ "driver": "native" }));
        assert!(logins().all(|login| ours.hidden.contains(&login)));
    }

    #[test]
    fn a_folder_that_is_passed_on_by_name_is_where_the_program_keeps_its_things() {
        let stage = crate::stage::Stage::with_environment(|name| {
            (name == "CODEX_HOME").then(|| "/srv/codex".to_owned())
        });
        let works = FenceReport { bubblewrap: Err("not installed".into()), landlock: Ok(()) };
        stage.shared.fences.set(works).unwrap();
        let folder = PathBuf::from("/srv/codex");
        for (passed, writable) in [(vec!["CODEX_HOME"], true), (vec![], false)] {
            let codex =
                agent(serde_json::json!({ "driver": "codex", "vendor": "openai", "pass_env": passed }));
            let fence = around(&stage.shared, &yard(&codex)).unwrap().unwrap();
            assert_eq!(fence.writable.contains(&folder), writable, "{passed:?}");
            assert_eq!(fence.hidden.contains(&folder), !writable, "{passed:?}");
        }
    }

    #[test]
    fn configured_paths_may_begin_at_home() {
        let home = Path::new("/home/ann");
        assert_eq!(under(home, "~/.cache/x"), Path::new("/home/ann/.cache/x"));
        assert_eq!(under(home, "/srv/cache"), Path::new("/srv/cache"));
    }
}
