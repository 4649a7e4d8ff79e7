//! Kimi Code.

pub(crate) mod connect;
pub(crate) mod ending;
pub(crate) mod hook;
pub(crate) mod transcript;
