//! Kimi Code.

pub(crate) mod hook;
