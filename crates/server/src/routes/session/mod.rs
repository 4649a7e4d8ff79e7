mod archive;
mod change;
mod create;
mod fork;
mod get;
mod list;
mod live;
mod participants;

use crate::router::Binder;

pub(super) fn bind(binder: Binder) -> Binder {
    binder
        .bind("list_sessions", list::handle)
        .bind("create_session", create::handle)
        .bind("get_session", get::handle)
        .bind("change_session", change::handle)
        .bind("archive_session", archive::handle)
        .bind("fork_session", fork::handle)
        .bind("list_participants", participants::handle)
        .bind("list_live_turns", live::handle)
}
