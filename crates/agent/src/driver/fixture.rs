//! A turn for the unit tests of drivers.

use crate::run::wire::{BashPolicy, Begin, Start};
use llm::{Endpoint, Secret, Thinking};
use model::{Driver, Isolation, TaskKind, Vendor};

pub(crate) fn start() -> Start {
    Start {
        agent: "claude".into(),
        system: String::new(),
        history: Vec::new(),
        prompt: "hello".into(),
        kind: TaskKind::Work,
        driver: Driver::Acp,
        begin: Begin::New,
        program: None,
        isolation: Isolation::Shared,
        mcp: None,
        endpoint: Endpoint { vendor: Vendor::Openai, base_url: None, api_key: Secret::default() },
        model: String::new(),
        max_iterations: 20,
        deadline_ms: 600_000,
        max_tokens: None,
        bash: BashPolicy::default(),
        thinking: Thinking::Off,
    }
}
