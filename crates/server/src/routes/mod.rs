//! One folder per noun, one file per operation: `routes/<noun>/<verb>.rs`.

mod agent;
mod archive;
mod artifact;
mod board;
mod checkpoint;
mod conflict;
mod context;
mod cost;
mod daemon;
mod data;
mod event;
mod file;
mod import;
mod lock;
mod merge;
mod message;
mod notice;
mod permission;
mod plan;
mod registration;
mod repo;
mod session;
mod task;
mod worktree;

use crate::router::Binder;

pub(crate) fn bind(binder: Binder) -> Binder {
    let nouns = [
        daemon::bind,
        session::bind,
        archive::bind,
        message::bind,
        task::bind,
        plan::bind,
        permission::bind,
        cost::bind,
        checkpoint::bind,
        board::bind,
        artifact::bind,
        agent::bind,
        import::bind,
        lock::bind,
        notice::bind,
        context::bind,
        registration::bind,
        repo::bind,
        worktree::bind,
        conflict::bind,
        merge::bind,
        file::bind,
        event::bind,
        data::bind,
    ];
    nouns.into_iter().fold(binder, |binder, noun| noun(binder))
}
