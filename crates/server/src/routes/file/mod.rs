mod index;
mod restore;
mod search;

use crate::router::Binder;

pub(super) fn bind(binder: Binder) -> Binder {
    binder
        .bind("search_files", search::handle)
        .bind("index_files", index::handle)
        .bind("restore_file", restore::handle)
}
