mod export;
mod import;

use crate::router::Binder;

pub(super) fn bind(binder: Binder) -> Binder {
    binder.bind("export_session", export::handle).bind("import_session", import::handle)
}
