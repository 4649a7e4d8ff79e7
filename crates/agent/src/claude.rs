//! Claude Code: driven by its stream of JSON with control requests.

mod consent;
mod driver;
mod relay;
mod speech;
mod spending;
mod wire;

pub(crate) use driver::Claude;
