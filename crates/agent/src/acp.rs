//! Agents that speak the Agent Client Protocol, driven: Gemini CLI, Kimi Code, and any other by configuration.

mod driver;
mod flavor;
mod line;
mod link;
mod options;
mod policy;
mod session;
mod terminal;
mod updates;

pub(crate) use driver::Acp;
