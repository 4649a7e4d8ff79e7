//! The store of the workspace, wherever config.json says it is.

use crate::EngineOptions;
use crate::config::DatabaseConfig;
use model::{DataRoot, Refusal};
use store::{PostgresqlOptions, StoreOptions};

/// What the store is opened with.
pub(crate) fn options(engine: &EngineOptions, config: &DatabaseConfig) -> Result<StoreOptions, Refusal> {
    if !config.is_configured() {
        return Ok(StoreOptions::default());
    }
    let url = config.address(&*engine.environment).map_err(|why| {
        Refusal::invalid("database_invalid", why).hint("set it in the daemon's environment and start again")
    })?;
    let name = config.name.as_deref().unwrap_or(&engine.workspace);
    let (machine, place) = machine(&engine.data_root)?;
    let server = PostgresqlOptions { place, ..PostgresqlOptions::new(&url, name, &machine) };
    Ok(StoreOptions { postgresql: Some(server), ..StoreOptions::default() })
}

/// The data root's id and the machine's name. A data root that was given none is told from others by its path.
pub fn machine(root: &DataRoot) -> Result<(String, String), Refusal> {
    let text = match std::fs::read_to_string(root.machine_id()) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(Refusal::internal(error)),
    };
    let machine: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
    let id =
        machine["machine_id"].as_str().map_or_else(|| root.path().display().to_string(), ToOwned::to_owned);
    let name = machine["name"].as_str().unwrap_or(&id).to_owned();
    Ok((id, name))
}
