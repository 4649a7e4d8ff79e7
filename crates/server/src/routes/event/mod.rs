mod list;
mod watch;

use crate::router::Binder;

pub(super) fn bind(binder: Binder) -> Binder {
    binder.bind("list_events", list::handle).bind("watch", watch::handle)
}
