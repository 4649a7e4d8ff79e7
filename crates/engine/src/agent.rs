//! Agents: what is configured, and whether it could work now.

use crate::{AgentView, Engine, fence};

impl Engine {
    pub fn agents(&self) -> Vec<AgentView> {
        let snapshot = self.shared.config.snapshot();
        let view = |(name, agent): (&model::AgentName, &crate::AgentConfig)| AgentView {
            name: name.clone(),
            vendor: agent.vendor,
            driver: agent.driver,
            model: agent.model.clone(),
            base_url: agent.base_url.clone(),
            context_window: agent.context_window,
            api_key_env: agent.api_key_env.clone(),
            key_present: agent.key(&|name| self.shared.env(name)).is_some(),
            isolation: agent.isolation,
            sandbox: fence::state(&self.shared, agent),
        };
        snapshot.config.agents.iter().map(view).collect()
    }
}
