mod get;
mod list;
mod set;
mod versions;
mod watch;

use crate::failure::Failure;
use crate::router::Binder;
use model::{ContextKey, Refusal};

pub(super) fn bind(binder: Binder) -> Binder {
    binder
        .bind("list_context", list::handle)
        .bind("set_context", set::handle)
        .bind("get_context", get::handle)
        .bind("list_context_versions", versions::handle)
        .bind("watch_context", watch::handle)
}

fn key(given: &str) -> Result<ContextKey, Failure> {
    given.parse().map_err(|words: String| {
        Refusal::invalid("context_key", words).hint("`coditect context list` shows the keys").into()
    })
}
