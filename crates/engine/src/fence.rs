//! What a sandboxed run may write and what it must not read.
//!
//! Writable are its worktree, its own folder for temporary files, what its vendor's program remembers in the home folder,
//! what the configuration adds, and the bus: hooks and the coordination tools work in there too. Hidden are the data root
//! (tokens, journal, what others said) and the usual places of keys.

use crate::engine::Shared;
use crate::{AgentConfig, SandboxView};
use agent::{Fence, FenceReport};
use model::{Driver, Isolation, Refusal, RefusalKind, Vendor};
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
    let own = own_state(yard.agent, &home);
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
    let others = Vendor::ALL.iter().flat_map(|vendor| state_of(*vendor)).map(|name| home.join(name));
    hidden.extend(others.filter(|path| !own.contains(path)));
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

/// Where the vendors' own programs keep their sessions and their logins.
fn state_of(vendor: Vendor) -> &'static [&'static str] {
    match vendor {
        Vendor::Anthropic => &[".claude", ".claude.json"],
        Vendor::Openai => &[".codex"],
        Vendor::Google => &[".gemini"],
        Vendor::Moonshot => &[".kimi-code"],
    }
}

fn own_state(agent: &AgentConfig, home: &Path) -> Vec<PathBuf> {
    if agent.driver == Driver::Native {
        return Vec::new();
    }
    // Where the agent's own environment sends them.
    let moved = ["CODEX_HOME", "CLAUDE_CONFIG_DIR", "GEMINI_CLI_HOME", "KIMI_CODE_HOME"];
    let moved = moved.iter().filter_map(|name| agent.env.get(*name)).map(PathBuf::from);
    state_of(agent.vendor).iter().map(|name| home.join(name)).chain(moved).collect()
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
    fn configured_paths_may_begin_at_home() {
        let home = Path::new("/home/ann");
        assert_eq!(under(home, "~/.cache/x"), Path::new("/home/ann/.cache/x"));
        assert_eq!(under(home, "/srv/cache"), Path::new("/srv/cache"));
    }
}
