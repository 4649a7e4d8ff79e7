//! Gemini CLI.

pub(crate) mod connect;
pub(crate) mod hook;
pub(crate) mod transcript;
