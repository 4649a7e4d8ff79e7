mod list;

use crate::router::Binder;

pub(super) fn bind(binder: Binder) -> Binder {
    binder.bind("list_checkpoints", list::handle)
}
