mod compare;
mod create;
mod get;
mod import;
mod list;
mod remove;
mod restore;

use crate::router::Binder;

pub(super) fn bind(binder: Binder) -> Binder {
    binder
        .bind("list_checkpoints", list::handle)
        .bind("create_checkpoint", create::handle)
        .bind("get_checkpoint", get::handle)
        .bind("compare_checkpoint", compare::handle)
        .bind("restore_checkpoint", restore::handle)
        .bind("remove_checkpoint", remove::handle)
        .bind("import_bundle", import::handle)
}
