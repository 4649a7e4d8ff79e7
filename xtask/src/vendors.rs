//! The vendors' programs for the tests, and the official MCP inspector: what is pinned in `vendors.json`, installed once into
//! the user's cache.
//!
//! Invariant: a folder of the cache that has its final name is complete and was tried out. It is made under another
//! name, package by package, so an attempt that broke off is gone on with; two attempts at once wait for each other.

use crate::machine::Machine;
use crate::process::{command, found, output, told};
use crate::report::{Outcome, Report};
use crate::{place, say};
use serde_json::{Value, json};
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// The variable that tells tests where the programs are.
pub(crate) const FOLDER: &str = "CODITECT_TEST_VENDORS";
/// The variable that tells tests which program is the official inspector.
const INSPECTOR: &str = "CODITECT_TEST_INSPECTOR";
/// What `npm ci` wants of a package with dependencies of its own, each pinned.
const LOCK_FILES: [&str; 2] = ["package.json", "package-lock.json"];
/// How many characters of the pins' hash name their folder.
const NAME: usize = 16;

/// One package and the program in it.
#[derive(Debug, Clone, PartialEq)]
struct Pin {
    name: String,
    package: String,
    version: String,
    /// What the program answers to `--version`, somewhere in its answer.
    says: String,
    integrity: String,
    program: PathBuf,
    /// The pin that runs it, when it is a script.
    by: Option<String>,
    /// The folder of the tree that pins what it depends on; without it that is nothing.
    lock: Option<PathBuf>,
}

/// All of them.
#[derive(Debug)]
pub(crate) struct Pins {
    platform: String,
    pins: Vec<Pin>,
    /// Names the folder: another text is another folder.
    hash: String,
}

impl Pins {
    pub(crate) fn read() -> Result<Self, String> {
        let path = place::root().join("xtask/vendors.json");
        let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        Self::parse(&text).map_err(|why| format!("xtask/vendors.json: {why}"))
    }

    fn parse(text: &str) -> Result<Self, String> {
        let value: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let pins = value["packages"].as_array().ok_or("`packages` is no array")?;
        let pins = pins.iter().map(pin).collect::<Result<Vec<_>, _>>()?;
        if let Some(lost) =
            pins.iter().find_map(|pin| pin.by.as_ref().filter(|by| !pins.iter().any(|p| p.name == **by)))
        {
            return Err(format!("nothing is pinned as `{lost}`"));
        }
        let platform = value["platform"].as_str().ok_or("`platform` is missing")?.to_owned();
        let mut hasher = blake3::Hasher::new();
        hasher.update(text.as_bytes());
        for file in pins
            .iter()
            .filter_map(|pin| pin.lock.as_ref())
            .flat_map(|lock| LOCK_FILES.map(|file| lock.join(file)))
        {
            hasher.update(&fs::read(&file).map_err(|error| format!("{}: {error}", file.display()))?);
        }
        let hash = hasher.finalize().to_hex()[..NAME].to_owned();
        Ok(Self { platform, pins, hash })
    }

    fn version(&self, name: &str) -> &str {
        self.pins.iter().find(|pin| pin.name == name).map_or("", |pin| pin.says.as_str())
    }
}

fn pin(value: &Value) -> Result<Pin, String> {
    let field = |name: &str| {
        value[name].as_str().map(str::to_owned).ok_or_else(|| format!("a package without `{name}`"))
    };
    let version = field("version")?;
    if !version.starts_with(|c: char| c.is_ascii_digit()) {
        return Err(format!("`{version}` is not one exact version"));
    }
    Ok(Pin {
        name: field("name")?,
        package: field("package")?,
        says: value["says"].as_str().unwrap_or(&version).to_owned(),
        version,
        integrity: field("integrity")?,
        program: field("program")?.into(),
        by: value["by"].as_str().map(str::to_owned),
        lock: value["lock"].as_str().map(|lock| place::root().join(lock)),
    })
}

/// What tests are told of the programs: names and values for the environment.
pub(crate) fn variables(folder: &Path) -> [(&'static str, PathBuf); 2] {
    [(FOLDER, folder.to_owned()), (INSPECTOR, folder.join("bin/inspector"))]
}

/// The folder with the programs: there already, or installed now if it may be. What is in the way is said.
pub(crate) fn folder(machine: &Machine, report: &mut Report) -> Result<PathBuf, String> {
    let pins = Pins::read()?;
    let home = cache()?;
    let folder = home.join(&pins.hash);
    if is_ready(&folder) {
        return Ok(folder);
    }
    let here = format!("{}-{}", std::env::consts::OS, std::env::consts::ARCH);
    if pins.platform != here {
        return Err(format!("the vendors' programs are pinned for {}, and this is {here}", pins.platform));
    }
    if !machine.may_install() {
        return Err(
            "the vendors' programs are not installed: cargo xtask e2e --install (470 MB to fetch, 1.3 GB unpacked)"
                .into(),
        );
    }
    if found("npm").is_none() {
        return Err("npm is not installed; it fetches the vendors' programs (https://nodejs.org)".into());
    }
    fs::create_dir_all(&home).map_err(|error| format!("{}: {error}", home.display()))?;
    let lock = File::create(home.join("lock")).map_err(|error| error.to_string())?;
    lock.lock().map_err(|error| format!("another install cannot be waited for: {error}"))?;
    // Whoever had the lock before may have done it.
    if !is_ready(&folder) {
        install(&pins, &home, &folder, report)?;
    }
    Ok(folder)
}

fn is_ready(folder: &Path) -> bool {
    folder.join("versions.json").is_file()
}

fn cache() -> Result<PathBuf, String> {
    let base = told("XDG_CACHE_HOME").filter(|path| !path.is_empty()).map(PathBuf::from);
    let base = base.or_else(|| Some(PathBuf::from(told("HOME")?).join(".cache")));
    Ok(base.ok_or("neither XDG_CACHE_HOME nor HOME is set")?.join("coditect/vendors"))
}

fn install(pins: &Pins, home: &Path, folder: &Path, report: &mut Report) -> Result<(), String> {
    let begun = Instant::now();
    let partial = home.join(format!("{}.partial", pins.hash));
    let done = (|| {
        for pin in &pins.pins {
            fetch(pin, &partial)?;
        }
        for pin in &pins.pins {
            try_out(pins, pin, &partial)?;
        }
        finish(pins, &partial, folder)
    })();
    let outcome = match &done {
        Ok(()) => Outcome::Passed,
        Err(why) => Outcome::Failed(why.clone()),
    };
    // Without a registry there is nothing to install; that is a reason to skip, and the caller says so.
    if done.is_ok() {
        report.done("install the vendors' programs", outcome, begun.elapsed());
        others(home, &pins.hash);
    }
    done
}

/// One package in a folder of its own that gets its name when it is whole.
fn fetch(pin: &Pin, partial: &Path) -> Result<(), String> {
    let whole = partial.join(&pin.name);
    if whole.is_dir() {
        return Ok(());
    }
    say::line(&format!("fetching {}@{}", pin.package, pin.version));
    let half = partial.join(format!("{}.half", pin.name));
    let wrong = |error: std::io::Error| format!("{}: {error}", half.display());
    if half.exists() {
        fs::remove_dir_all(&half).map_err(wrong)?;
    }
    fs::create_dir_all(&half).map_err(wrong)?;
    let wanted = format!("{}@{}", pin.package, pin.version);
    let place = half.to_string_lossy();
    // Scripts of packages do not run: what they would do is done here, or not needed.
    let words = ["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error", "--prefix", &place];
    let order: &[&str] = match &pin.lock {
        None => &["install", "--no-save", &wanted],
        Some(lock) => {
            for file in LOCK_FILES {
                fs::copy(lock.join(file), half.join(file)).map_err(wrong)?;
            }
            &["ci"]
        }
    };
    output(command("npm", &[order, &words[..]].concat()))?;
    check(pin, &half)?;
    fs::rename(&half, &whole).map_err(wrong)
}

/// Whether npm brought what was pinned, and no other file of that name.
fn check(pin: &Pin, half: &Path) -> Result<(), String> {
    let text = fs::read_to_string(half.join("node_modules/.package-lock.json"))
        .map_err(|error| format!("npm left no list of what it installed: {error}"))?;
    let list: Value = serde_json::from_str(&text).map_err(|error| format!("npm's list: {error}"))?;
    let found = &list["packages"][format!("node_modules/{}", pin.package)];
    if found["version"] != pin.version.as_str() || found["integrity"] != pin.integrity.as_str() {
        return Err(format!(
            "{}@{} is not what is pinned: the registry gave version {} with {}",
            pin.package, pin.version, found["version"], found["integrity"]
        ));
    }
    if half.join(&pin.program).is_file() {
        Ok(())
    } else {
        Err(format!("{}@{} has no {}", pin.package, pin.version, pin.program.display()))
    }
}

/// Asks the program for its version, with nothing of the user's environment and a home of its own.
fn try_out(pins: &Pins, pin: &Pin, partial: &Path) -> Result<(), String> {
    let words = words(pins, pin, partial);
    let (program, arguments) = words.split_first().ok_or("a pin without a program")?;
    let home = partial.join("home");
    fs::create_dir_all(&home).map_err(|error| format!("{}: {error}", home.display()))?;
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).chain(["--version"]).collect();
    let mut asked = command(program, &arguments);
    asked.env_clear().env("HOME", &home).env("PATH", "/usr/bin:/bin").current_dir(&home);
    let said = output(asked)?;
    if said.contains(&pin.says) {
        return Ok(());
    }
    Err(format!("{} says it is `{}` and not {}", pin.name, said.trim(), pin.says))
}

/// How the program is started from a folder.
fn words(pins: &Pins, pin: &Pin, folder: &Path) -> Vec<String> {
    let path = |pin: &Pin| folder.join(&pin.name).join(&pin.program).to_string_lossy().into_owned();
    let by = pin.by.as_ref().and_then(|by| pins.pins.iter().find(|other| other.name == *by));
    by.map(path).into_iter().chain([path(pin)]).collect()
}

/// Writes what starts the programs and what tells their versions, and gives the folder its name.
fn finish(pins: &Pins, partial: &Path, folder: &Path) -> Result<(), String> {
    let wrong = |error: std::io::Error| format!("{}: {error}", partial.display());
    let bin = partial.join("bin");
    fs::create_dir_all(&bin).map_err(wrong)?;
    for pin in &pins.pins {
        let quoted: Vec<String> = words(pins, pin, folder)
            .iter()
            .map(|word| format!("'{}'", word.replace('\'', "'\\''")))
            .collect();
        let script = bin.join(&pin.name);
        fs::write(&script, format!("#!/bin/sh\nexec {} \"$@\"\n", quoted.join(" "))).map_err(wrong)?;
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).map_err(wrong)?;
    }
    let versions: serde_json::Map<String, Value> =
        pins.pins.iter().map(|pin| (pin.name.clone(), json!(pins.version(&pin.name)))).collect();
    let tried_in = partial.join("home");
    if tried_in.exists() {
        fs::remove_dir_all(tried_in).map_err(wrong)?;
    }
    fs::write(partial.join("versions.json"), format!("{}\n", Value::Object(versions))).map_err(wrong)?;
    fs::rename(partial, folder).map_err(wrong)
}

/// What was pinned before stays until somebody removes it: another checkout may use it.
fn others(home: &Path, hash: &str) {
    for entry in fs::read_dir(home).into_iter().flatten().flatten() {
        let name = entry.file_name();
        if entry.path().is_dir() && name != *hash {
            say::line(&format!("not needed by these pins, and yours to remove: {}", entry.path().display()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(version: &str, by: &str) -> String {
        json!({"platform": "linux-x86_64", "packages": [{"name": "a", "package": "@v/a", "version": version,
            "integrity": "sha512-x", "program": "node_modules/@v/a/a.js", "by": by}]})
        .to_string()
    }

    #[test]
    fn the_pins_of_the_tree_are_exact_and_complete() {
        let pins = Pins::read().unwrap();
        let names: Vec<&str> = pins.pins.iter().map(|pin| pin.name.as_str()).collect();
        assert_eq!(names, ["node", "claude", "codex", "gemini", "kimi", "inspector"]);
        assert!(pins.pins.iter().all(|pin| pin.integrity.starts_with("sha512-")));
        assert_eq!(pins.hash.len(), NAME);
        // Nothing of what npm resolves for itself is left open: each package of a lock has a version and a hash.
        for lock in pins.pins.iter().filter_map(|pin| pin.lock.as_ref()) {
            let text = fs::read_to_string(lock.join("package-lock.json")).unwrap();
            let list: Value = serde_json::from_str(&text).unwrap();
            let packages = list["packages"].as_object().unwrap();
            let open =
                packages.iter().filter(|(name, one)| !name.is_empty() && !one["integrity"].is_string());
            assert_eq!(open.count(), 0, "{}", lock.display());
            assert!(!text.contains("\"resolved\""), "a registry of somebody's own is named");
        }
        for (bad, why) in [
            (one("^1.0.0", "a"), "exact"),
            (one("1.0.0", "node"), "`node`"),
            ("{}".into(), "packages"),
            ("{".into(), "EOF"),
        ] {
            let said = Pins::parse(&bad).unwrap_err();
            assert!(said.contains(why), "{said}");
        }
    }

    #[test]
    fn another_package_under_the_same_name_is_refused() {
        let pins = Pins::parse(&one("1.0.0", "a")).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let program = dir.path().join(&pins.pins[0].program);
        fs::create_dir_all(program.parent().unwrap()).unwrap();
        let list = |integrity: &str| {
            let text =
                json!({"packages": {"node_modules/@v/a": {"version": "1.0.0", "integrity": integrity}}});
            fs::write(dir.path().join("node_modules/.package-lock.json"), text.to_string()).unwrap();
            check(&pins.pins[0], dir.path())
        };
        assert!(list("sha512-other").unwrap_err().contains("not what is pinned"));
        assert!(list("sha512-x").unwrap_err().contains("has no"), "the program is missing");
        fs::write(program, "").unwrap();
        assert_eq!(list("sha512-x"), Ok(()));
    }

    #[test]
    fn a_folder_gets_its_name_when_it_is_complete_and_its_programs_know_where_they_are() {
        let pins = Pins::parse(&one("1.0.0", "a")).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let (partial, folder) = (dir.path().join("x.partial"), dir.path().join("it's x"));
        fs::create_dir(&partial).unwrap();
        assert!(!is_ready(&folder));
        finish(&pins, &partial, &folder).unwrap();
        assert!(is_ready(&folder) && !partial.exists());
        let script = fs::read_to_string(folder.join("bin/a")).unwrap();
        assert!(script.contains("it'\\''s x/a/node_modules/@v/a/a.js'"), "{script}");
        assert_eq!(fs::read_to_string(folder.join("versions.json")).unwrap(), "{\"a\":\"1.0.0\"}\n");
    }
}
