mod acquire;
mod list;
mod release;

use crate::router::Binder;

pub(super) fn bind(binder: Binder) -> Binder {
    binder
        .bind("list_locks", list::handle)
        .bind("acquire_locks", acquire::handle)
        .bind("release_lock", release::handle)
}
