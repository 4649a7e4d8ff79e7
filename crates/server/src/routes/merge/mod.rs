mod add;
mod cancel;
mod get;
mod list;
mod move_to;
mod run;

use crate::router::Binder;

pub(super) fn bind(binder: Binder) -> Binder {
    binder
        .bind("list_merges", list::handle)
        .bind("add_merge", add::handle)
        .bind("run_merges", run::handle)
        .bind("get_merge", get::handle)
        .bind("cancel_merge", cancel::handle)
        .bind("move_merge", move_to::handle)
}
