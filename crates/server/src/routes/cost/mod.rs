mod get;

use crate::router::Binder;

pub(super) fn bind(binder: Binder) -> Binder {
    binder.bind("get_cost", get::handle)
}
