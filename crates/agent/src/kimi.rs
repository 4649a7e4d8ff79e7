//! Kimi Code.

pub(crate) mod connect;
pub(crate) mod hook;
pub(crate) mod transcript;
