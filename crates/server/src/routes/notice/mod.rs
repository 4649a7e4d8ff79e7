mod list;
mod publish;

use crate::router::Binder;

pub(super) fn bind(binder: Binder) -> Binder {
    binder.bind("list_notices", list::handle).bind("publish_notice", publish::handle)
}
