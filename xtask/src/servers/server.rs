//! What each server is: where its program is, how it is started in a folder and on a port, how it says that it is ready.

use super::{Disk, command, search_path};
use rustix::process::Signal;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Where packages put servers that are in no user's PATH.
const SYSTEM: &[&str] = &["/usr/sbin", "/usr/local/sbin", "/opt/homebrew/bin"];
/// Where Debian keeps each release of PostgreSQL.
const RELEASES: &str = "/usr/lib/postgresql";
/// Connections PostgreSQL allows: fifty sessions of the bench have two each.
const CONNECTIONS: u32 = 200;
/// How long an answer to the first question may take.
const ANSWER_MOST: Duration = Duration::from_secs(2);
/// The owner of everything in the tests' database.
const OWNER: &str = "coditect";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Server {
    Postgres,
    Nats,
    Redis,
}

/// Whom a server runs as: PostgreSQL refuses to be root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Person {
    pub(super) uid: u32,
    pub(super) gid: u32,
}

impl Server {
    pub const ALL: [Server; 3] = [Server::Postgres, Server::Nats, Server::Redis];

    /// The Debian package, too.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Server::Postgres => "postgresql",
            Server::Nats => "nats-server",
            Server::Redis => "redis-server",
        }
    }

    pub(super) fn named(name: &str) -> Option<Server> {
        Server::ALL.into_iter().find(|server| server.name() == name)
    }

    /// The variable in which tests find its address.
    #[must_use]
    pub fn variable(self) -> &'static str {
        match self {
            Server::Postgres => "CODITECT_TEST_POSTGRES",
            Server::Nats => "CODITECT_TEST_NATS",
            Server::Redis => "CODITECT_TEST_REDIS",
        }
    }

    /// Where the program is, if it is installed.
    #[must_use]
    pub fn program(self) -> Option<PathBuf> {
        let name = if self == Server::Postgres { "postgres" } else { self.name() };
        let mut folders = search_path();
        folders.extend(SYSTEM.iter().map(PathBuf::from));
        if self == Server::Postgres {
            folders.extend(releases());
            // Its database is made by the program beside it.
            folders.retain(|folder| folder.join("initdb").is_file());
        }
        folders.into_iter().map(|folder| folder.join(name)).find(|path| path.is_file())
    }

    /// Whom it has to run as, when we are root.
    pub(super) fn person(self) -> Option<Person> {
        (self == Server::Postgres && rustix::process::geteuid().is_root()).then(|| {
            let text = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
            account(&text, "postgres")
                .or_else(|| account(&text, "nobody"))
                .unwrap_or(Person { uid: 65534, gid: 65534 })
        })
    }

    /// What has to run to the end before the server can start.
    pub(super) fn prepare(self, program: &Path, folder: &Path, password: &Path) -> Option<Command> {
        (self == Server::Postgres).then(|| {
            let mut initdb = self.command(&program.with_file_name("initdb"), folder);
            initdb.args(["--username", OWNER, "--auth", "password", "--encoding", "UTF8", "--locale", "C"]);
            // What is made here is gone with the machine, whatever is measured on it afterwards.
            initdb.arg("--no-sync").arg("--pwfile").arg(password).arg("--pgdata").arg(folder.join("data"));
            initdb
        })
    }

    pub(super) fn start(self, program: &Path, folder: &Path, port: u16, disk: Disk) -> Command {
        let mut server = self.command(program, folder);
        match self {
            Server::Postgres => {
                server.arg("-D").arg(folder.join("data")).args(["-p", &port.to_string()]);
                let mut settings = vec![
                    "listen_addresses=127.0.0.1".to_owned(),
                    "unix_socket_directories=".to_owned(),
                    "shared_buffers=32MB".to_owned(),
                    format!("max_connections={CONNECTIONS}"),
                ];
                if disk == Disk::Careless {
                    settings.push("fsync=off".to_owned());
                }
                server.args(settings.iter().flat_map(|setting| ["-c", setting.as_str()]));
            }
            Server::Nats => {
                server.args([
                    "--addr",
                    "127.0.0.1",
                    "--port",
                    &port.to_string(),
                    "--jetstream",
                    "--store_dir",
                ]);
                server.arg(folder.join("data"));
            }
            Server::Redis => {
                server.args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--daemonize", "no"]);
                server.args(["--save", "", "--appendonly", "no", "--dir"]).arg(folder);
            }
        }
        server
    }

    fn command(self, program: &Path, folder: &Path) -> Command {
        let mut command = command(program);
        command.current_dir(folder).env("LC_ALL", "C");
        if let Some(person) = self.person() {
            command.uid(person.uid).gid(person.gid);
        }
        command
    }

    /// Whether it does its work yet.
    pub(super) fn is_ready(self, folder: &Path, port: u16) -> bool {
        let answers = |question: &[u8], answer: &str| {
            let mut stream = TcpStream::connect(("127.0.0.1", port))?;
            stream.set_read_timeout(Some(ANSWER_MOST))?;
            stream.write_all(question)?;
            let mut line = String::new();
            BufReader::new(stream.take(4096)).read_line(&mut line)?;
            Ok::<bool, std::io::Error>(line.starts_with(answer))
        };
        match self {
            // It answers on its port before it lets anybody in; what it tells its own tools is in the eighth line.
            Server::Postgres => std::fs::read_to_string(folder.join("data/postmaster.pid"))
                .is_ok_and(|text| text.lines().nth(7).is_some_and(|state| state.trim() == "ready")),
            Server::Nats => answers(b"", "INFO ").unwrap_or(false),
            Server::Redis => answers(b"PING\r\n", "+PONG").unwrap_or(false),
        }
    }

    pub(super) fn url(self, port: u16, password: &str) -> String {
        match self {
            Server::Postgres => format!("postgresql://{OWNER}:{password}@127.0.0.1:{port}/postgres"),
            Server::Nats => format!("nats://127.0.0.1:{port}"),
            Server::Redis => format!("redis://127.0.0.1:{port}"),
        }
    }

    /// The way to ask it to end now, without waiting for its clients.
    pub(super) fn farewell(self) -> Signal {
        if self == Server::Postgres { Signal::INT } else { Signal::TERM }
    }
}

/// The newest release first.
fn releases() -> Vec<PathBuf> {
    let folders = std::fs::read_dir(RELEASES).into_iter().flatten().flatten();
    let mut found: Vec<(u32, PathBuf)> = folders
        .filter_map(|folder| Some((folder.file_name().to_str()?.parse().ok()?, folder.path().join("bin"))))
        .collect();
    found.sort_unstable_by(|left, right| right.cmp(left));
    found.into_iter().map(|(_, folder)| folder).collect()
}

fn account(text: &str, name: &str) -> Option<Person> {
    let mut fields = text
        .lines()
        .map(|line| line.split(':'))
        .find_map(|mut fields| (fields.next() == Some(name)).then_some(fields))?;
    let (uid, gid) = (fields.nth(1)?.parse().ok()?, fields.next()?.parse().ok()?);
    Some(Person { uid, gid })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whom_a_server_runs_as_is_read_from_the_accounts() {
        let text = "root:x:0:0:root:/root:/bin/sh\npostgres:x:101:104:admin:/var:/bin/sh\n";
        assert_eq!(account(text, "postgres"), Some(Person { uid: 101, gid: 104 }));
        assert_eq!(account(text, "nobody"), None);
    }

    #[test]
    fn every_server_is_found_by_the_name_it_has() {
        for server in Server::ALL {
            assert_eq!(Server::named(server.name()), Some(server));
        }
        assert_eq!(Server::named("postgres"), None);
    }
}
