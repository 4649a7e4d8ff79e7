//! What the demo needs of the machine: git, and Node 20 or newer for the sample's tests.

use crate::output::Complaint;
use crate::process::command;
use cli::Host;
use std::process::Stdio;

/// Node with `--test` as the sample uses it.
const NODE_MIN: u32 = 20;
const NODE_HINT: &str =
    "install Node 20 or newer: `apt install nodejs`, `brew install node`, or https://nodejs.org";
const GIT_HINT: &str = "install git: `apt install git`, `brew install git`, or https://git-scm.com";

pub(crate) fn check(host: &Host) -> Result<(), Complaint> {
    version(host, "git").ok_or_else(|| missing("git", "git_missing", "git is not installed", GIT_HINT))?;
    let node = version(host, "node").ok_or_else(|| {
        missing("node", "node_missing", "the sample's tests need Node, which is not installed", NODE_HINT)
    })?;
    match major(&node) {
        Some(found) if found >= NODE_MIN => Ok(()),
        _ => Err(Complaint::failed(
            "node_too_old",
            format!("the sample's tests need Node {NODE_MIN} or newer; this is {node}"),
        )
        .hint(NODE_HINT)),
    }
}

fn missing(name: &str, code: &'static str, message: &str, hint: &str) -> Complaint {
    Complaint::failed(code, format!("{message} (`{name}` is not on PATH)")).hint(hint)
}

/// What `<program> --version` says.
fn version(host: &Host, program: &str) -> Option<String> {
    let mut asked = command(program);
    asked.arg("--version").env_clear().stdin(Stdio::null());
    if let Some(path) = host.environment.get("PATH") {
        asked.env("PATH", path);
    }
    let answer = asked.output().ok().filter(|answer| answer.status.success())?;
    Some(String::from_utf8_lossy(&answer.stdout).trim().to_owned())
}

/// 22 of `v22.1.0`.
fn major(version: &str) -> Option<u32> {
    version.trim_start_matches('v').split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_node_are_read() {
        assert_eq!(major("v22.1.0"), Some(22));
        assert_eq!(major("v8.17"), Some(8));
        assert_eq!(major("node"), None);
    }
}
