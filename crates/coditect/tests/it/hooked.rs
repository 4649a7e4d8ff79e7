//! The vendors' real programs with our hooks in them: a held file stays as it is in the most permissive mode, and the
//! model is told why and who it is.

use crate::house::coditect;
use scripted::{Exchange, Scripted, ScriptedOptions};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use testkit::TempRepo;
use testkit::vendors::{Permission, VendorCli, VendorHome, Vendors};

/// A program connected in a repository of its own.
struct Scene {
    server: Scripted,
    repo: TempRepo,
    home: VendorHome,
    data: tempfile::TempDir,
    bin: std::path::PathBuf,
}

/// Somebody to hold a file, for as long as the test runs.
struct Ada(Child);

impl Drop for Ada {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Scene {
    fn new(vendors: &Vendors, cli: VendorCli) -> Self {
        let scene = Self::apart(vendors, cli);
        scene.connect();
        scene
    }

    fn connect(&self) {
        let said = self.coditect(&["connect", self.home.cli().name(), "--yes", "--json"]);
        assert_eq!(said["changed"], true, "{:?}: {said}", self.home.cli());
    }

    /// Not connected yet.
    fn apart(vendors: &Vendors, cli: VendorCli) -> Self {
        let server = Scripted::start(ScriptedOptions::default()).unwrap();
        let repo = TempRepo::with(&[("held.txt", "as it was\n"), ("free.txt", "one\n")]);
        let home = vendors.home(cli, server.addr());
        Self { server, repo, home, data: tempfile::tempdir().unwrap(), bin: vendors.bin() }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = coditect(self.home.path());
        command.envs(self.home.variables()).current_dir(self.repo.path()).args(args);
        // Connecting asks the vendors' own programs.
        let path = std::env::join_paths(
            std::iter::once(self.bin.clone()).chain(std::env::split_paths(&testkit::search_path())),
        );
        command.env("PATH", path.unwrap()).env("CODITECT_DATA_ROOT", self.data.path());
        command
    }

    fn coditect(&self, args: &[&str]) -> Value {
        let output = self.command(args).output().unwrap();
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("{args:?}: {error}: {out} {err}"))
    }

    /// Ada joins and holds the file.
    fn ada(&self) -> Ada {
        let child =
            self.command(&["msg", "tail"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let pid = child.id().to_string();
        self.coditect(&["join", "--as", "ada", "--pid", &pid, "--json"]);
        self.coditect(&["lock", "acquire", "held.txt", "--holder", "ada", "--ttl", "600", "--json"]);
        Ada(child)
    }

    fn run(&self, prompt: &str) -> Vec<Exchange> {
        let mut command = self.home.headless(self.repo.path(), prompt, Permission::Everything, &[]);
        command.env("CODITECT_DATA_ROOT", self.data.path());
        self.home.start(command).ended().well();
        self.server.requests()
    }

    fn items(&self, args: &[&str]) -> Vec<Value> {
        self.coditect(args)["items"].as_array().unwrap().clone()
    }
}

/// Every file and folder of the home; a folder has no bytes.
fn everything(top: &Path) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
    let mut all = BTreeMap::new();
    let mut folders = vec![top.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            let is_folder = entry.file_type().unwrap().is_dir();
            // A link is what it points to, which may be nothing.
            all.insert(
                path.strip_prefix(top).unwrap().to_owned(),
                (!is_folder).then(|| std::fs::read(&path).unwrap_or_default()),
            );
            folders.extend(is_folder.then_some(path));
        }
    }
    all
}

/// What a program makes in its home whenever it is asked something: Codex is, about the trust of hooks.
fn is_its_own(cli: VendorCli, path: &Path) -> bool {
    let Ok(path) = path.strip_prefix(".codex") else { return false };
    let of_codex = [".tmp", "tmp", "skills", "installation_id"];
    let is_database = |name: &str| name.contains(".sqlite");
    let top = path.iter().next().and_then(|name| name.to_str()).unwrap_or_default();
    cli == VendorCli::Codex && (of_codex.contains(&top) || is_database(top))
}

fn heard(asked: &[Exchange], words: &str) -> bool {
    asked.iter().any(|exchange| exchange.body.to_string().contains(words))
}

#[test]
fn a_held_file_is_not_written_in_the_most_permissive_mode() {
    let Some(vendors) = Vendors::find("hooks keep held files as they are, in all four programs") else {
        return;
    };
    for cli in vendors.wanted() {
        let scene = Scene::new(&vendors, cli);
        let _ada = scene.ada();
        let asked = scene.run(
            "[[write held.txt|EVIL\\n]] [[bash echo EVIL > held.txt]] [[bash echo EVIL > hel?.txt]] [[write new.txt|alpha\\n]]",
        );
        assert_eq!(scene.repo.read("held.txt"), "as it was\n", "{cli:?}");
        assert_eq!(scene.repo.read("new.txt"), "alpha\n", "{cli:?}: what nobody holds is written");
        assert!(heard(&asked, "do not change `held.txt`: ada "), "{cli:?}: the model is told who has it");
        assert!(heard(&asked, &format!("You are {} ", cli.name())), "{cli:?}: the model is told who it is");
        let conflicts = scene.items(&["msg", "list", "--channel", "file_conflict", "--json"]);
        assert_eq!(conflicts[0]["payload"]["agents"], serde_json::json!([cli.name(), "ada"]), "{cli:?}");
        let locks = scene.items(&["lock", "list", "--json"]);
        assert_eq!(locks.len(), 1, "{cli:?}: its own went with its turn: {locks:?}");
        let living = scene.items(&["who", "--json"]);
        assert!(
            living.iter().all(|one| one["agent"] == "ada" || one["vitality"] != "alive"),
            "{cli:?}: {living:?}"
        );
    }
}

#[test]
fn a_held_file_that_a_command_changes_by_stealth_is_told_to_the_model() {
    let Some(vendors) = Vendors::find("what hooks cannot stop is noticed, in all four programs") else {
        return;
    };
    for cli in vendors.wanted() {
        let scene = Scene::new(&vendors, cli);
        let _ada = scene.ada();
        let asked = scene.run("[[bash f=held; echo EVIL > $f.txt]] [[read free.txt]]");
        assert_eq!(scene.repo.read("held.txt"), "EVIL\n", "{cli:?}: no text check sees this");
        let conflicts = scene.items(&["msg", "list", "--channel", "file_conflict", "--json"]);
        assert_eq!(conflicts[0]["payload"]["event"], "changed_without_lock", "{cli:?}: {conflicts:?}");
        // Kimi's model hears nothing before its next prompt.
        if cli != VendorCli::Kimi {
            assert!(heard(&asked, "`held.txt` changed while your "), "{cli:?}");
        }
    }
}

#[test]
fn a_sub_agent_is_told_apart_from_the_session_that_started_it() {
    let Some(vendors) = Vendors::find("sub-agents of sessions that were started by hand") else { return };
    for cli in vendors.wanted() {
        let scene = Scene::new(&vendors, cli);
        let asked = scene.run(
            "[[write own.txt|mine\\n]] [[agent Your part: <<read own.txt>> <<write own.txt|stolen\\n>> \
             <<write part.txt|by another\\n>> <<say part done>>]] [[say done]]",
        );
        assert_eq!(scene.repo.read("part.txt"), "by another\n", "{cli:?}: what nobody holds is written");
        let conflicts = scene.items(&["msg", "list", "--channel", "file_conflict", "--json"]);
        // The other two do not tell their hooks who calls.
        if !matches!(cli, VendorCli::Claude | VendorCli::Codex) {
            assert_eq!(scene.repo.read("own.txt"), "stolen\n", "{cli:?}: one session, one holder");
            assert_eq!(conflicts.len(), 0, "{cli:?}: {conflicts:?}");
            continue;
        }
        assert_eq!(scene.repo.read("own.txt"), "mine\n", "{cli:?}: its parent holds it");
        assert!(heard(&asked, &format!("do not change `own.txt`: {} ", cli.name())), "{cli:?}");
        let payload = &conflicts[0]["payload"];
        let agents: Vec<&str> =
            payload["agents"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        assert!(agents[0].starts_with(&format!("{}:", cli.name())), "{cli:?}: {agents:?}");
        assert_eq!(agents[1], cli.name(), "{cli:?}: {agents:?}");
        assert_ne!(payload["sessions"][0], payload["sessions"][1], "{cli:?}: each has its own registration");
        let living = scene.items(&["who", "--json"]);
        assert!(living.iter().all(|one| one["vitality"] != "alive"), "{cli:?}: {living:?}");
        assert_eq!(scene.items(&["lock", "list", "--json"]).len(), 0, "{cli:?}: both have given theirs back");
    }
}

#[test]
fn a_program_that_was_disconnected_is_as_it_was() {
    let Some(vendors) = Vendors::find("disconnecting leaves the four programs as they were") else { return };
    let mut left = Vec::new();
    for cli in vendors.wanted() {
        let scene = Scene::apart(&vendors, cli);
        let before = everything(scene.home.path());
        scene.connect();
        let between = everything(scene.home.path());
        assert!(between.iter().any(|(path, bytes)| before.get(path) != Some(bytes)), "{cli:?}");
        let said = scene.coditect(&["disconnect", cli.name(), "--yes", "--json"]);
        assert_eq!(
            (&said["changed"], &said["changed_since"]),
            (&true.into(), &serde_json::json!([])),
            "{cli:?}"
        );
        let after = everything(scene.home.path());
        for (path, bytes) in &before {
            assert!(after.get(path) == Some(bytes), "{cli:?}: {} is not as it was", path.display());
        }
        let more = after.into_keys().filter(|path| !before.contains_key(path) && !is_its_own(cli, path));
        left.extend(more.map(|path| (cli, path)));
        let _ada = scene.ada();
        scene.run("[[write held.txt|free for all\\n]]");
        assert_eq!(scene.repo.read("held.txt"), "free for all\n", "{cli:?}: no hook is left");
    }
    assert_eq!(left, [], "nothing is there that was not");
}
