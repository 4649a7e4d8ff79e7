//! The bridge to other machines: there while the configuration names a server between them.

#[cfg(test)]
mod tests;

use crate::config::BusConfig;
use crate::doctor::{Finding, Severity};
use crate::engine::Shared;
use bus::{Backend, Bridge, BusError, open_backend};
use model::Refusal;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The bridge, and what it was built for.
#[derive(Default)]
pub(crate) struct Crossing {
    /// Held for as long as one is taken down and another built, which may take seconds.
    changing: Mutex<()>,
    /// Held for a moment.
    present: Mutex<Option<(BusConfig, Bridge)>>,
}

impl Crossing {
    /// Makes it what the configuration says: built, taken down, or built anew.
    pub(crate) fn follow(&self, shared: &Shared) -> Result<(), Refusal> {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let wanted = shared.config.snapshot().config.bus.clone();
        let old = self.locked().take();
        let (built, old) = match old {
            Some((built, bridge)) if built == wanted => {
                *self.locked() = Some((built, bridge));
                return Ok(());
            }
            Some((built, bridge)) => (Some(built), Some(bridge)),
            None => (None, None),
        };
        if let Some(old) = old {
            let stays = built.is_some_and(|built| built.meets(&wanted));
            // The old one first: two bridges of one machine would take each other's place there.
            if stays { drop(old) } else { old.part().map_err(|error| error.refusal())? }
        }
        if wanted.is_configured() {
            let bridge = build(shared, &wanted)?;
            *self.locked() = Some((wanted, bridge));
        }
        Ok(())
    }

    /// Something changed on the bus here.
    pub(crate) fn poke(&self) {
        if let Some((_, bridge)) = &*self.locked() {
            bridge.poke();
        }
    }

    pub(crate) fn take_down(&self) {
        let old = self.locked().take();
        drop(old);
    }

    fn locked(&self) -> MutexGuard<'_, Option<(BusConfig, Bridge)>> {
        self.present.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What doctor says about it; nothing when there is none.
    pub(crate) fn finding(&self) -> Option<Finding> {
        let state = self.locked().as_ref().map(|(_, bridge)| bridge.state())?;
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

/// What the machine was called when it got its id, with a piece of that, since hosts of one name are common. A host that
/// is renamed keeps it: who is known elsewhere under a name cannot take another.
fn own_name(shared: &Shared) -> Result<String, Refusal> {
    let path = shared.options.data_root.machine_id();
    let text = std::fs::read_to_string(&path).map_err(Refusal::internal)?;
    let machine: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
    let id = machine["machine_id"].as_str().and_then(|id| id.get(..8));
    let id = id.ok_or_else(|| {
        Refusal::invalid("machine_id_invalid", format!("{} names no machine", path.display()))
            .hint("set bus.machine in config.json")
    })?;
    Ok(named(machine["name"].as_str().unwrap_or_default(), id))
}

fn named(host: &str, id: &str) -> String {
    let fits = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let host: String = host.chars().take_while(|c| *c != '.').filter(fits).take(40).collect();
    let id: String = id.chars().filter(char::is_ascii_alphanumeric).collect();
    if host.is_empty() { id } else { format!("{host}-{id}") }
}
