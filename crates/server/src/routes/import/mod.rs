mod cancel;
mod get;
mod start;

use crate::failure::Failure;
use crate::router::Binder;
use model::Refusal;

pub(super) fn bind(binder: Binder) -> Binder {
    binder
        .bind("start_import", start::handle)
        .bind("get_import", get::handle)
        .bind("cancel_import", cancel::handle)
}

/// Imports are counted.
fn number(given: &str) -> Result<u64, Failure> {
    Ok(given.parse().map_err(|_| Refusal::not_found("import", given).hint("an import's id is a number"))?)
}
