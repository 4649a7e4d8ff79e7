//! Plans: several agents propose, the proposals are merged, the tasks are done under locks.

use crate::{Call, Engine, PlanView};
use model::{AgentName, PlanId, Refusal, SessionId};

#[derive(Debug, Clone, Default)]
pub struct NewPlan {
    pub prompt: String,
    /// Empty: every participant.
    pub agents: Vec<AgentName>,
}

impl Engine {
    pub async fn coordinate(
        &self,
        call: &Call,
        session: SessionId,
        new: NewPlan,
    ) -> Result<PlanView, Refusal> {
        todo!()
    }

    pub fn plans(&self, session: SessionId) -> Result<Vec<PlanView>, Refusal> {
        todo!()
    }

    pub fn plan(&self, plan: PlanId) -> Result<PlanView, Refusal> {
        todo!()
    }

    pub fn resolve_plan(&self, given: &str) -> Result<PlanId, Refusal> {
        todo!()
    }
}
