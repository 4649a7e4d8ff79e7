mod answer;
mod cancel;
mod change;
mod claim;
mod finish;
mod get;
mod list;
mod list_of_session;
mod move_to;
mod pool;
mod renew;
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
        .bind("change_task", change::handle)
        .bind("list_pool", pool::handle)
        .bind("claim_task", claim::handle)
        .bind("renew_claim", renew::handle)
        .bind("finish_claim", finish::handle)
}
