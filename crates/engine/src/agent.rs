//! Agents: what is configured, and whether it could work now.

use crate::aside::aside;
use crate::{AgentView, Call, Engine, assign, fence, recovery};
use model::{Event, Refusal, SessionId, Timestamp, Vendor, VendorPause};
use store::{AgentFigures, FollowerStatus};

impl Engine {
    pub fn agents(&self) -> Vec<AgentView> {
        let snapshot = self.shared.config.snapshot();
        let now = self.shared.now();
        let pauses = self.shared.store.read(|view| view.vendor_pauses()).unwrap_or_default();
        let paused =
            |vendor| pauses.iter().find(|pause| pause.vendor == vendor && pause.until > now).cloned();
        let view = |(name, agent): (&model::AgentName, &crate::AgentConfig)| AgentView {
            name: name.clone(),
            vendor: agent.vendor,
            driver: agent.driver,
            model: agent.model.clone(),
            base_url: agent.base_url.clone(),
            context_window: agent.context_window,
            api_key_env: agent.api_key_env.clone(),
            key_present: agent.key(&|name| self.shared.env(name)).is_some(),
            capabilities: assign::capabilities(agent).into_iter().collect(),
            paused: paused(agent.vendor),
            isolation: agent.isolation,
            sandbox: fence::state(&self.shared, agent),
        };
        snapshot.config.agents.iter().map(view).collect()
    }

    /// Tries a vendor before the time it has said itself.
    pub async fn resume_vendor(&self, call: &Call, vendor: Vendor) -> Result<Vec<AgentView>, Refusal> {
        call.only_user()?;
        let now = self.shared.now();
        let command = move |view: &store::View<'_>| {
            let open =
                view.vendor_pauses()?.into_iter().find(|pause| pause.vendor == vendor && pause.until > now);
            let reason = "the user wants it tried".to_owned();
            Ok(open
                .map(|_| Event::VendorPaused(VendorPause { vendor, until: now, reason }))
                .into_iter()
                .collect())
        };
        self.shared.commit(call.actor(), call.key.clone(), command).await?;
        recovery::resume(&self.shared).await?;
        Ok(self.agents().into_iter().filter(|agent| agent.vendor == vendor).collect())
    }

    /// What agents' turns came to, and how far they are counted: of one session or all, since a time or ever.
    pub fn agent_figures(
        &self,
        session: Option<SessionId>,
        since: Option<Timestamp>,
    ) -> Result<(Vec<AgentFigures>, FollowerStatus), Refusal> {
        Ok(aside(|| self.shared.store.agent_figures(session, since))?)
    }
}
