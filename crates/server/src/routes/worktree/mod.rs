mod land;
mod list;
mod prune;
mod remove;

use crate::router::Binder;

pub(super) fn bind(binder: Binder) -> Binder {
    binder
        .bind("list_worktrees", list::handle)
        .bind("land_session", land::handle)
        .bind("remove_worktree", remove::handle)
        .bind("prune_worktrees", prune::handle)
}
