//! The bridge to other machines: there while the configuration names a server between them.

#[cfg(test)]
mod tests;

use crate::config::BusConfig;
use crate::doctor::{Finding, Severity};
use crate::engine::Shared;
use bus::{Backend, Bridge, BusError, open_backend};
use model::Refusal;
use std::sync::{Arc, Mutex, PoisonError};

/// The bridge, and what it was built for.
#[derive(Default)]
pub(crate) struct Crossing {
    present: Mutex<Option<(BusConfig, Bridge)>>,
}

impl Crossing {
    /// Makes it what the configuration says: built, taken down, or built anew.
    pub(crate) fn follow(&self, shared: &Shared) -> Result<(), Refusal> {
        let wanted = shared.config.snapshot().config.bus.clone();
        let mut present = self.present.lock().unwrap_or_else(PoisonError::into_inner);
        if present.as_ref().is_some_and(|(built, _)| *built == wanted) {
            return Ok(());
        }
        // The old one first: two bridges of one machine would take each other's place there.
        *present = None;
        if wanted.is_configured() {
            let bridge = build(shared, &wanted)?;
            *present = Some((wanted, bridge));
        }
        Ok(())
    }

    /// Something changed on the bus here.
    pub(crate) fn poke(&self) {
        if let Some((_, bridge)) = &*self.present.lock().unwrap_or_else(PoisonError::into_inner) {
            bridge.poke();
        }
    }

    pub(crate) fn take_down(&self) {
        *self.present.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// What doctor says about it; nothing when there is none.
    pub(crate) fn finding(&self) -> Option<Finding> {
        let present = self.present.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, bridge) = present.as_ref()?;
        let state = bridge.state();
        let name = state.backend.unwrap_or("the server");
        Some(match state.trouble {
            None => Finding {
                severity: Severity::Ok,
                check: "other_machines",
                message: format!(
                    "joined through {name}: {} notices sent, {} received, {} left out",
                    state.exported, state.imported, state.left_out
                ),
                hint: None,
            },
            Some(trouble) => Finding {
                severity: Severity::Warning,
                check: "other_machines",
                message: format!("other machines are not reached through {name}: {trouble}"),
                hint: Some("work here goes on; what was said follows when the server answers".to_owned()),
            },
        })
    }
}

fn build(shared: &Shared, config: &BusConfig) -> Result<Bridge, Refusal> {
    let machine = match &config.machine {
        Some(name) => name.clone(),
        None => own_name(shared)?,
    };
    let workspace = config.team.clone().unwrap_or_else(|| shared.options.workspace.to_string());
    let (config, environment) = (config.clone(), Arc::clone(&shared.options.environment));
    let (clock, entropy) = (Arc::clone(&shared.options.clock), Arc::clone(&shared.options.entropy));
    let connect = move || -> Result<Arc<dyn Backend>, BusError> {
        // Read at each try: what was missing may have been set right.
        let url = config.address(&*environment).map_err(BusError::Invalid)?;
        open_backend(&url, &workspace, Arc::clone(&clock), Arc::clone(&entropy))
    };
    Bridge::start(shared.bus.clone(), &machine, Box::new(connect)).map_err(|error| error.refusal())
}

/// The host's name with a piece of the machine's id, since hosts of one name are common.
fn own_name(shared: &Shared) -> Result<String, Refusal> {
    let path = shared.options.data_root.machine_id();
    let text = std::fs::read_to_string(&path).map_err(Refusal::internal)?;
    let id = serde_json::from_str::<serde_json::Value>(&text).ok();
    let id = id.as_ref().and_then(|value| value["machine_id"].as_str()).and_then(|id| id.get(..8));
    let id = id.ok_or_else(|| {
        Refusal::invalid("machine_id_invalid", format!("{} names no machine", path.display()))
            .hint("set bus.machine in config.json")
    })?;
    Ok(named(&bus::system::host_name(), id))
}

fn named(host: &str, id: &str) -> String {
    let fits = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let host: String = host.chars().take_while(|c| *c != '.').filter(fits).take(40).collect();
    let id: String = id.chars().filter(char::is_ascii_alphanumeric).collect();
    if host.is_empty() { id } else { format!("{host}-{id}") }
}
