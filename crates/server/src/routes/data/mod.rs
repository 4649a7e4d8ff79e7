mod export;
mod rebuild;
mod verify;

use crate::router::Binder;

pub(super) fn bind(binder: Binder) -> Binder {
    binder
        .bind("verify_data", verify::handle)
        .bind("rebuild_data", rebuild::handle)
        .bind("export_data", export::handle)
}
