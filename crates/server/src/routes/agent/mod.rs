mod list;
mod resume;

use crate::router::Binder;

pub(super) fn bind(binder: Binder) -> Binder {
    binder.bind("list_agents", list::handle).bind("resume_vendor", resume::handle)
}
