//! The command line as a user has it: the real binary, a home directory and a data root of its own.

use crate::house::coditect;
use protocol::DaemonInfo;
use serde_json::Value;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

/// A scratch home with a git repository in it. The daemon, if one was started, is stopped at the end.
pub(crate) struct Home {
    dir: tempfile::TempDir,
    variables: Vec<(String, String)>,
}

/// What a command came to.
pub(crate) struct Said {
    pub(crate) exit: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Said {
    /// The one document on stdout.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out)
            .unwrap_or_else(|error| panic!("not one JSON document ({error}): {:?} {:?}", self.out, self.err))
    }

    pub(crate) fn code(&self) -> String {
        self.json()["error"]["code"].as_str().unwrap_or_default().to_owned()
    }
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        Self {
            exit: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Home {
    pub(crate) fn new() -> Self {
        let home = Self { dir: tempfile::tempdir().unwrap(), variables: Vec::new() };
        std::fs::create_dir_all(home.repo().join("src")).unwrap();
        std::fs::create_dir(home.repo().join(".git")).unwrap();
        std::fs::write(home.repo().join(".git/HEAD"), "ref: refs/heads/main\n").unwrap();
        home
    }

    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.variables.push((name.to_owned(), value.to_owned()));
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn data_root(&self) -> model::DataRoot {
        model::DataRoot::new(self.path("data"))
    }

    /// Looks like a repository to locks, which only want to know where it begins.
    pub(crate) fn repo(&self) -> PathBuf {
        self.path("repo")
    }

    /// Runs a command to its end, standing in the repository.
    pub(crate) fn run(&self, args: &[&str]) -> Said {
        self.command(&self.repo(), args).output().unwrap().into()
    }

    pub(crate) fn run_in(&self, place: &Path, args: &[&str]) -> Said {
        self.command(place, args).output().unwrap().into()
    }

    /// Runs a command that reads this from its stdin; it need not read all of it.
    pub(crate) fn feed(&self, args: &[&str], input: &[u8]) -> Said {
        let mut command = self.command(&self.repo(), args);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        std::thread::scope(|scope| {
            scope.spawn(move || drop(stdin.write_all(input)));
            child.wait_with_output().unwrap().into()
        })
    }

    /// Starts a command and lets it go on.
    pub(crate) fn start(&self, args: &[&str]) -> Child {
        self.command(&self.repo(), args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// A request to the daemon written by hand, as a program in any language would; answers with the status and the body.
    pub(crate) fn http(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let root = self.data_root();
        let info: DaemonInfo = serde_json::from_slice(&std::fs::read(root.daemon_info()).unwrap()).unwrap();
        let token = std::fs::read_to_string(root.token()).unwrap();
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let kind = if body.is_empty() { "" } else { "content-type: application/json\r\n" };
        let request = format!(
            "{method} /api/v1{path} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {}\r\n{kind}\
             connection: close\r\ncontent-length: {}\r\n\r\n{body}",
            info.address,
            token.trim(),
            body.len(),
        );
        let mut stream = TcpStream::connect(info.address).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split_whitespace().nth(1).unwrap().parse().unwrap();
        (status, serde_json::from_str(body).unwrap_or(Value::Null))
    }

    pub(crate) fn command(&self, place: &Path, args: &[&str]) -> Command {
        let mut command = coditect(self.dir.path());
        command.args(args).current_dir(place);
        command.env("CODITECT_DATA_ROOT", self.data_root().path());
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        if self.data_root().daemon_info().exists() {
            self.run(&["daemon", "stop"]);
        }
    }
}
