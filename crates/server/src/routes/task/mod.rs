mod answer;
mod cancel;
mod get;
mod list;
mod list_of_session;
mod move_to;
mod steer;

use crate::router::Binder;

pub(super) fn bind(binder: Binder) -> Binder {
    binder
        .bind("list_session_tasks", list_of_session::handle)
        .bind("list_tasks", list::handle)
        .bind("get_task", get::handle)
        .bind("move_task", move_to::handle)
        .bind("cancel_task", cancel::handle)
        .bind("answer_task", answer::handle)
        .bind("steer_task", steer::handle)
}
