mod archive;
mod asides;
mod ask;
mod attach;
mod change;
mod clients;
mod compact;
mod compactions;
mod create;
mod detach;
mod family;
mod fork;
mod get;
mod list;
mod live;
mod participants;
mod queue;
mod remove;
mod spawn;
mod unarchive;

use crate::router::Binder;

pub(super) fn bind(binder: Binder) -> Binder {
    binder
        .bind("list_sessions", list::handle)
        .bind("create_session", create::handle)
        .bind("get_session", get::handle)
        .bind("change_session", change::handle)
        .bind("remove_session", remove::handle)
        .bind("archive_session", archive::handle)
        .bind("unarchive_session", unarchive::handle)
        .bind("fork_session", fork::handle)
        .bind("spawn_session", spawn::handle)
        .bind("ask_session", ask::handle)
        .bind("list_asides", asides::handle)
        .bind("get_family", family::handle)
        .bind("list_queue", queue::handle)
        .bind("compact_session", compact::handle)
        .bind("list_compactions", compactions::handle)
        .bind("attach_client", attach::handle)
        .bind("detach_client", detach::handle)
        .bind("list_clients", clients::handle)
        .bind("list_participants", participants::handle)
        .bind("list_live_turns", live::handle)
}
