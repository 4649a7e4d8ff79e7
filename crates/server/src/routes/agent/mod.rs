mod list;
mod resume;
mod stats;

use crate::router::Binder;

pub(super) fn bind(binder: Binder) -> Binder {
    binder
        .bind("list_agents", list::handle)
        .bind("resume_vendor", resume::handle)
        .bind("get_agent_stats", stats::handle)
}
