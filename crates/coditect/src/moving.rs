//! `coditect data move`: a workspace from files to a server, or back.
//!
//! Invariant: config.json is exchanged in one step, and only when the copy is whole: killed at any moment before, the daemon
//! opens the original.

use crate::daemon::{DaemonLock, identify, place};
use cli::{Host, MoveRun, MoveTo, MovedData};
use engine::DatabaseConfig;
use model::{DataRoot, Refusal, RefusalKind};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::Path;
use std::sync::Arc;
use store::{Moved, PostgresqlOptions};

/// The member of config.json that says where the data are.
const MEMBER: &str = "database";

pub(crate) fn run(host: &Host, order: MoveRun) -> Result<MovedData, Refusal> {
    let MoveRun { root, workspace, to } = order;
    place::prepare(&root, &workspace).map_err(|error| error.refusal())?;
    // A daemon that starts meanwhile would write to what is being copied.
    let _lock = DaemonLock::take(&root, host.clock.now()).map_err(|error| error.refusal())?;
    identify(&root.machine_id(), &*host.clock, &*host.entropy).map_err(|error| error.refusal())?;
    let mut config = read(&root.config())?;
    let present = present(&config)?;
    let dir = root.workspace(&workspace);
    let (clock, entropy) = (Arc::clone(&host.clock), Arc::clone(&host.entropy));
    let (moved, to) = match (present.is_configured(), to) {
        (true, MoveTo::Files) => {
            let from = server(host, &root, &workspace, &present)?;
            let moved = store::move_to_files(&dir, &clock, &entropy, &from)?;
            config.shift_remove(MEMBER);
            (moved, "sqlite".to_owned())
        }
        (false, MoveTo::Server { url, url_env, name }) => {
            let wanted = DatabaseConfig { url, url_env, name };
            wanted.check().map_err(|why| {
                Refusal::invalid("database_invalid", why).hint("give the variable's name with --to-env")
            })?;
            let to = server(host, &root, &workspace, &wanted)?;
            let moved = store::move_to_server(&dir, clock, entropy, &to)?;
            config.insert(MEMBER.to_owned(), member(&wanted));
            (moved, wanted.url.or(wanted.url_env).unwrap_or_default())
        }
        (true, MoveTo::Server { .. }) => return Err(already("on a server", "move it to sqlite first")),
        (false, MoveTo::Files) => return Err(already("in files", "nothing is to be done")),
    };
    write(&root.config(), &config)?;
    let Moved { records, blobs } = moved;
    Ok(MovedData { records, blobs, to })
}

fn already(place: &str, hint: &str) -> Refusal {
    Refusal::conflict("moved_already", format!("the workspace's data are {place} already")).hint(hint)
}

fn server(
    host: &Host,
    root: &DataRoot,
    workspace: &str,
    config: &DatabaseConfig,
) -> Result<PostgresqlOptions, Refusal> {
    let environment = |name: &str| host.environment.get(name).cloned();
    let url = config.address(&environment).map_err(|why| {
        Refusal::invalid("database_invalid", why).hint("set it in the environment of this command")
    })?;
    let (machine, place) = engine::machine(root)?;
    let name = config.name.as_deref().unwrap_or(workspace);
    Ok(PostgresqlOptions { place, ..PostgresqlOptions::new(&url, name, &machine) })
}

fn member(config: &DatabaseConfig) -> Value {
    let fields = [("url", &config.url), ("url_env", &config.url_env), ("name", &config.name)];
    let given = fields.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value.clone()?.into())));
    Value::Object(given.collect())
}

fn present(config: &Map<String, Value>) -> Result<DatabaseConfig, Refusal> {
    let member = config.get(MEMBER).cloned().unwrap_or_else(|| Value::Object(Map::new()));
    let present = DatabaseConfig::deserialize(member).map_err(|error| unreadable(&error))?;
    present.check().map_err(|why| unreadable(&why))?;
    Ok(present)
}

fn unreadable(why: &dyn std::fmt::Display) -> Refusal {
    Refusal::invalid("config_invalid", format!("config.json: {why}")).hint("mend the file first")
}

fn read(path: &Path) -> Result<Map<String, Value>, Refusal> {
    match std::fs::read_to_string(path) {
        Ok(text) => serde_json::from_str(&text).map_err(|error| unreadable(&error)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Map::new()),
        Err(error) => Err(unreadable(&error)),
    }
}

/// Whole or not at all; with the rights the file had.
fn write(path: &Path, config: &Map<String, Value>) -> Result<(), Refusal> {
    let text = serde_json::to_string_pretty(config).map_err(Refusal::internal)?;
    let beside = path.with_extension("json.new");
    let put = || -> std::io::Result<()> {
        let mut file = File::create(&beside)?;
        if let Ok(old) = std::fs::metadata(path) {
            file.set_permissions(old.permissions())?;
        }
        writeln!(file, "{text}")?;
        file.sync_all()?;
        std::fs::rename(&beside, path)?;
        path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
    };
    put().map_err(|error| {
        let why = format!("the copy is whole, and {} was not written: {error}", path.display());
        Refusal::new(RefusalKind::Unavailable, "config_not_written", why)
            .hint("the daemon still opens the original; mend that and run the command again")
    })
}
