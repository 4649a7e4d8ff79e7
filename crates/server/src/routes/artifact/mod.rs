mod content;
mod get;
mod list;
mod put;
mod remove;

use crate::router::Binder;

pub(super) fn bind(binder: Binder) -> Binder {
    binder
        .bind("list_artifacts", list::handle)
        .bind("put_artifact", put::handle)
        .bind("get_artifact", get::handle)
        .bind("get_artifact_content", content::handle)
        .bind("remove_artifact", remove::handle)
}
