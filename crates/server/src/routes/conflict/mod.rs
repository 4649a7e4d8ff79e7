mod list;
mod sweep;

use crate::router::Binder;

pub(super) fn bind(binder: Binder) -> Binder {
    binder.bind("list_conflicts", list::handle).bind("sweep_conflicts", sweep::handle)
}
