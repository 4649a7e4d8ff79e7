//! Agents: what is configured, and whether it could work now.

use crate::{AgentView, Engine};

impl Engine {
    pub fn agents(&self) -> Vec<AgentView> {
        todo!()
    }
}
