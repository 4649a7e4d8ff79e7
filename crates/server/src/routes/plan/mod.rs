mod cancel;
mod coordinate;
mod get;
mod list;

use crate::router::Binder;

pub(super) fn bind(binder: Binder) -> Binder {
    binder
        .bind("list_plans", list::handle)
        .bind("coordinate", coordinate::handle)
        .bind("get_plan", get::handle)
        .bind("cancel_plan", cancel::handle)
}
