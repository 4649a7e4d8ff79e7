mod add;
mod change;
mod get;
mod list;
mod remove;

use crate::router::Binder;

pub(super) fn bind(binder: Binder) -> Binder {
    binder
        .bind("list_repos", list::handle)
        .bind("add_repo", add::handle)
        .bind("get_repo", get::handle)
        .bind("change_repo", change::handle)
        .bind("remove_repo", remove::handle)
}
