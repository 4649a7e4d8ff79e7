//! The servers of the tests: there while a command runs, gone when it is over or whoever started them was killed.

use servers::{Disk, Server, Servers};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use tempfile::TempDir;

#[expect(clippy::disallowed_methods, reason = "the one place where these tests start a process")]
fn xtask(target: &Path, arguments: &[&str]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command.args(arguments).env("CARGO_TARGET_DIR", target);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap()
}

/// Those of the servers that are installed here; the others are skipped, and said to be.
fn installed() -> Vec<Server> {
    let (there, missing): (Vec<_>, Vec<_>) =
        Server::ALL.into_iter().partition(|server| server.program().is_some());
    for server in missing {
        testkit::skipped(&format!("{} is seen to end", server.name()), "it is not installed");
    }
    there
}

fn address(url: &str) -> SocketAddr {
    url.rsplit(['/', '@']).find_map(|part| part.parse().ok()).unwrap()
}

fn until(mut done: impl FnMut() -> bool) {
    while !done() {
        std::thread::yield_now();
    }
}

fn is_closed(at: &SocketAddr) -> bool {
    TcpStream::connect(at).is_err()
}

fn left(target: &Path) -> Vec<PathBuf> {
    let folders = std::fs::read_dir(target.join("servers")).into_iter().flatten().flatten();
    folders.map(|folder| folder.path()).collect()
}

#[test]
fn servers_answer_and_end_with_whoever_started_them() {
    let (dir, wanted) = (tempfile::tempdir().unwrap(), installed());
    let guard = Path::new(env!("CARGO_BIN_EXE_xtask"));
    let servers = Servers::start(guard, &wanted, &dir.path().join("servers"), Disk::Careless).unwrap();
    assert_eq!(servers.running().iter().map(|one| one.server).collect::<Vec<_>>(), wanted);
    let addresses: Vec<SocketAddr> = servers.running().iter().map(|one| address(&one.url)).collect();
    for (one, at) in servers.running().iter().zip(&addresses) {
        assert!(at.ip().is_loopback());
        let mut stream = TcpStream::connect(at).unwrap();
        let (question, answer): (&[u8], &[u8]) = match one.server {
            // It is asked whether it would speak TLS, and says no.
            Server::Postgres => (&[0, 0, 0, 8, 4, 210, 22, 47], b"N"),
            Server::Nats => (b"", b"INFO"),
            Server::Redis => (b"PING\r\n", b"+PONG"),
        };
        stream.write_all(question).unwrap();
        let mut said = vec![0; answer.len()];
        stream.read_exact(&mut said).unwrap();
        assert_eq!(said, answer, "{}", one.server.name());
    }
    drop(servers);
    assert!(addresses.iter().all(is_closed));
    assert_eq!(left(dir.path()), Vec::<PathBuf>::new());
}

/// A command under `xtask servers` that says what it was told, and waits.
fn waiting(target: &TempDir) -> (Child, BufReader<ChildStdout>, Vec<SocketAddr>) {
    let script = "env; echo over; read line";
    let mut child = xtask(target.path(), &["servers", "sh", "-c", script]);
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    let mut told = Vec::new();
    loop {
        let mut line = String::new();
        lines.read_line(&mut line).unwrap();
        match line.trim().split_once('=') {
            Some((name, url)) if name.starts_with("CODITECT_TEST_") && url.contains("://") => {
                told.push(address(url))
            }
            _ if line.trim() == "over" => return (child, lines, told),
            _ => assert!(!line.is_empty(), "the command ended"),
        }
    }
}

#[test]
fn a_command_is_told_where_they_are_and_its_end_is_theirs() {
    let target = tempfile::tempdir().unwrap();
    let (mut child, _lines, told) = waiting(&target);
    let tested = installed().iter().filter(|server| **server != Server::Redis).count();
    assert_eq!(told.len(), tested);
    assert!(!told.iter().any(is_closed));
    child.stdin.take().unwrap().write_all(b"enough\n").unwrap();
    assert!(child.wait().unwrap().success());
    assert!(told.iter().all(is_closed));
    assert_eq!(left(target.path()), Vec::<PathBuf>::new());
}

#[test]
fn whoever_is_killed_leaves_no_server_behind() {
    let target = tempfile::tempdir().unwrap();
    let (mut child, _lines, told) = waiting(&target);
    child.kill().unwrap();
    child.wait().unwrap();
    // Nobody is left to wait for; a server that stays hangs this test.
    until(|| told.iter().all(is_closed));
    until(|| left(target.path()).is_empty());
}

#[test]
fn one_that_does_not_start_is_said_and_none_is_left() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "not a folder").unwrap();
    let guard = Path::new(env!("CARGO_BIN_EXE_xtask"));
    let refused = Servers::start(guard, &Server::ALL, &file, Disk::Careless);
    let why = refused.err().unwrap();
    assert!(why.contains("file"), "{why}");
}
