mod decide;
mod get;
mod list;
mod list_rules;
mod remove_rule;

use crate::router::Binder;

pub(super) fn bind(binder: Binder) -> Binder {
    binder
        .bind("list_permissions", list::handle)
        .bind("get_permission", get::handle)
        .bind("decide_permission", decide::handle)
        .bind("list_permission_rules", list_rules::handle)
        .bind("remove_permission_rule", remove_rule::handle)
}
