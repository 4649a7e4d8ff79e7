mod add;
mod cancel;
mod change;
mod clones;
mod get;
mod list;
mod remove;
mod scripts;
mod start;
mod trust;

use crate::router::Binder;

pub(super) fn bind(binder: Binder) -> Binder {
    binder
        .bind("list_repos", list::handle)
        .bind("add_repo", add::handle)
        .bind("get_repo", get::handle)
        .bind("change_repo", change::handle)
        .bind("list_clones", clones::handle)
        .bind("start_clone", start::handle)
        .bind("cancel_clone", cancel::handle)
        .bind("list_scripts", scripts::handle)
        .bind("trust_scripts", trust::handle)
        .bind("remove_repo", remove::handle)
}
