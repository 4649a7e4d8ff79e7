mod restore;

use crate::router::Binder;

pub(super) fn bind(binder: Binder) -> Binder {
    binder.bind("restore_file", restore::handle)
}
