mod add;
mod adopt;
mod assign;
mod get;
mod land;
mod list;
mod merge;
mod prune;
mod purge;
mod remove;
mod restore;
mod start;
mod stop;
mod trash;
mod unassign;

use crate::router::Binder;

pub(super) fn bind(binder: Binder) -> Binder {
    binder
        .bind("list_worktrees", list::handle)
        .bind("add_worktree", add::handle)
        .bind("adopt_worktree", adopt::handle)
        .bind("assign_worktree", assign::handle)
        .bind("unassign_worktree", unassign::handle)
        .bind("get_worktree", get::handle)
        .bind("merge_worktree", merge::handle)
        .bind("trash_worktree", trash::handle)
        .bind("restore_worktree", restore::handle)
        .bind("purge_worktree", purge::handle)
        .bind("start_script", start::handle)
        .bind("stop_scripts", stop::handle)
        .bind("land_session", land::handle)
        .bind("remove_worktree", remove::handle)
        .bind("prune_worktrees", prune::handle)
}
