//! Servers for the tests: as many of them as the machine has, or may be given.

use crate::machine::{Machine, NATS, POSTGRES, Tool};
use crate::place;
use crate::process::{command, shown};
use crate::report::{Outcome, Report};
use crate::say;
use servers::{Disk, Server, Servers};
use std::path::PathBuf;
use std::process::{ExitCode, Stdio};
use std::time::Instant;

/// What tests talk to, and what is left out without it.
const TESTED: &[(Server, &Tool, &str)] =
    &[(Server::Postgres, &POSTGRES, "tests on PostgreSQL"), (Server::Nats, &NATS, "tests on NATS")];

/// Starts what is there; what is not is in the report, with its reason.
pub(crate) fn start(machine: &mut Machine, report: &mut Report) -> Option<Servers> {
    let mut there = Vec::new();
    for (server, tool, what) in TESTED {
        match machine.need(tool, report) {
            Ok(()) => there.push(*server),
            Err(why) => report.skip(what, &why),
        }
    }
    let begun = Instant::now();
    match all(&there) {
        Ok(servers) => {
            report.done("servers for the tests", Outcome::Passed, begun.elapsed());
            servers
        }
        Err(why) => {
            say::line(&why);
            report.done("servers for the tests", Outcome::Failed(first_line(&why)), begun.elapsed());
            None
        }
    }
}

fn all(servers: &[Server]) -> Result<Option<Servers>, String> {
    if servers.is_empty() {
        return Ok(None);
    }
    // The tests' build may have put another file in this program's place; the kernel still has the one that runs.
    let running = PathBuf::from("/proc/self/exe");
    let own = match running.exists() {
        true => running,
        false => std::env::current_exe().map_err(|error| error.to_string())?,
    };
    Servers::start(&own, servers, &place::target().join("servers"), Disk::Careless).map(Some)
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}

/// `cargo xtask servers <command…>`: the command, told where the servers are; they end with it.
pub(crate) fn servers(arguments: &[String]) -> ExitCode {
    let Some((program, rest)) = arguments.split_first() else {
        say::line("cargo xtask servers <command> [arguments]");
        return ExitCode::from(2);
    };
    let servers = start(&mut Machine::new(false), &mut Report::default());
    let rest: Vec<&str> = rest.iter().map(String::as_str).collect();
    let mut command = command(program, &rest);
    command.envs(servers.iter().flat_map(Servers::variables)).stdin(Stdio::inherit());
    // What the person names, is named from where the person stands.
    if let Ok(here) = std::env::current_dir() {
        command.current_dir(here);
    }
    match command.status() {
        Ok(status) => ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)),
        Err(error) => {
            say::line(&format!("`{}` cannot be started: {error}", shown(&command)));
            ExitCode::FAILURE
        }
    }
}
