//! What the machine has, and how what it lacks is brought.
//!
//! Invariant: [`Machine::need`] installs only when it was allowed to.

use crate::process::{self, command, found, output, told};
use crate::report::Report;
use servers::Server;

/// Node's oldest release the page is built with (`engines` in web/package.json).
const NODE_OLDEST: (u32, u32) = (20, 19);

/// A program some step needs.
pub(crate) struct Tool {
    /// Any of these in PATH will do.
    names: &'static [&'static str],
    /// What brings it: the package for apt-get, or the crate for cargo.
    source: Source,
}

#[derive(Clone, Copy)]
enum Source {
    Package(&'static str),
    Crate(&'static str),
    /// Its package has its name, and its program may be where no PATH leads.
    Server(Server),
    /// Not installed for anybody; the text says how a person does it.
    Person(&'static str),
}

pub(crate) const GIT: Tool = Tool { names: &["git"], source: Source::Package("git") };
pub(crate) const STRACE: Tool = Tool { names: &["strace"], source: Source::Package("strace") };
pub(crate) const POSTGRES: Tool = Tool { names: &["postgresql"], source: Source::Server(Server::Postgres) };
pub(crate) const NATS: Tool = Tool { names: &["nats-server"], source: Source::Server(Server::Nats) };
pub(crate) const REDIS: Tool = Tool { names: &["redis-server"], source: Source::Server(Server::Redis) };
pub(crate) const NEXTEST: Tool = Tool { names: &["cargo-nextest"], source: Source::Crate("cargo-nextest") };
/// No current build of it comes as a package: Debian has none, and PyPI's is of 2023 and cannot read our `deny.toml`. Building it takes longer
/// than all else that is installed here, and tidy looks at the licences everywhere; so whether it is there is a person's choice.
pub(crate) const DENY: Tool =
    Tool { names: &["cargo-deny"], source: Source::Person("cargo install cargo-deny --locked") };
pub(crate) const CHROMIUM: Tool = Tool {
    names: &["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"],
    source: Source::Package("chromium"),
};

pub(crate) struct Machine {
    may_install: bool,
    asked_for_list: bool,
}

impl Machine {
    pub(crate) fn new(asked: bool) -> Machine {
        let ci = told("CI").is_some_and(|value| value == "true" || value == "1");
        Machine { may_install: asked || ci, asked_for_list: false }
    }

    pub(crate) fn may_install(&self) -> bool {
        self.may_install
    }

    /// Whether the tool is there, installed now if it may be; or what a person should type.
    pub(crate) fn need(&mut self, tool: &Tool, report: &mut Report) -> Result<(), String> {
        if tool.is_there() {
            return Ok(());
        }
        let name = tool.names[0];
        let hint = |package: &str| {
            format!("install the package `{package}` (Debian: sudo apt-get install {package})")
        };
        let hint = match tool.source {
            Source::Person(hint) => return Err(format!("{name} is not installed: {hint}")),
            Source::Crate(source) => format!("cargo install {source} --locked"),
            Source::Package(package) => hint(package),
            Source::Server(server) => hint(server.name()),
        };
        let steps = match tool.source {
            _ if !self.may_install => Vec::new(),
            Source::Crate(source) => vec![process::cargo(&["install", source, "--locked"])],
            Source::Package(package) => self.packages(package),
            Source::Server(server) => self.packages(server.name()),
            Source::Person(_) => Vec::new(),
        };
        if steps.is_empty() {
            return Err(format!("{name} is not installed: {hint}, or run with --install"));
        }
        for step in steps {
            report.step(&format!("install {name}"), step);
        }
        if tool.is_there() { Ok(()) } else { Err(format!("{name} could not be installed: {hint}")) }
    }

    fn packages(&mut self, package: &str) -> Vec<std::process::Command> {
        if found("apt-get").is_none() {
            return Vec::new();
        }
        let root = output(command("id", &["-u"])).is_ok_and(|id| id.trim() == "0");
        let apt = |arguments: &[&str]| {
            let mut words = vec!["DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq"];
            words.extend(arguments);
            if root { command("env", &words) } else { command("sudo", &[&["env"], &words[..]].concat()) }
        };
        let install = apt(&["install", "-y", "--no-install-recommends", package]);
        if std::mem::replace(&mut self.asked_for_list, true) {
            return vec![install];
        }
        vec![apt(&["update"]), install]
    }
}

impl Tool {
    fn is_there(&self) -> bool {
        if let Source::Server(server) = self.source {
            return server.program().is_some();
        }
        let named = if self.names[0] == CHROMIUM.names[0] { told("CODITECT_CHROMIUM") } else { None };
        named.is_some() || self.names.iter().any(|name| found(name).is_some())
    }
}

/// Whether Node and npm are there and new enough; or what to do. Nothing here installs them: how Node comes to a machine is
/// its owner's choice.
pub(crate) fn node() -> Result<(), String> {
    let wanted = format!("install Node {}.{} or newer (https://nodejs.org)", NODE_OLDEST.0, NODE_OLDEST.1);
    if found("npm").is_none() {
        return Err(format!("npm is not installed: {wanted}"));
    }
    let version =
        output(command("node", &["--version"])).map_err(|_| format!("node is not installed: {wanted}"))?;
    if parsed(&version).is_some_and(|version| version >= NODE_OLDEST) {
        return Ok(());
    }
    Err(format!("node {} is too old: {wanted}", version.trim()))
}

fn parsed(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.trim().strip_prefix('v')?.split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_node_compare_by_number() {
        assert_eq!(parsed("v20.19.2\n"), Some((20, 19)));
        assert!(parsed("v9.11.0").unwrap() < NODE_OLDEST);
        assert!(parsed("v22.0.0").unwrap() > NODE_OLDEST);
        assert_eq!(parsed("20.19"), None);
    }

    #[test]
    fn what_is_missing_is_said_and_not_installed_unasked() {
        let mut machine = Machine { may_install: false, asked_for_list: false };
        let tool = Tool { names: &["no-such-program-as-this"], source: Source::Package("nothing") };
        let mut report = Report::default();
        let why = machine.need(&tool, &mut report).unwrap_err();
        assert!(why.contains("apt-get install nothing") && why.contains("--install"), "{why}");
        assert!(report.table().starts_with("all"), "no step was taken");
    }
}
