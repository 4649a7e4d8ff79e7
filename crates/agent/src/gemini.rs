//! Gemini CLI.

pub(crate) mod hook;
