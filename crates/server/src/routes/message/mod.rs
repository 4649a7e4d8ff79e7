mod list;
mod prompt;

use crate::router::Binder;

pub(super) fn bind(binder: Binder) -> Binder {
    binder.bind("list_messages", list::handle).bind("prompt", prompt::handle)
}
