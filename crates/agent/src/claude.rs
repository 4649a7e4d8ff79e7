//! Claude Code: driven by its stream of JSON with control requests.

pub(crate) mod connect;
mod consent;
mod driver;
pub(crate) mod hook;
mod relay;
mod speech;
mod spending;
pub(crate) mod transcript;
mod wire;

pub(crate) use driver::Claude;
pub use driver::OWN_CHOICE;
