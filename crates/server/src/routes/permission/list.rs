use crate::app::App;
use crate::extract::Query;
use crate::failure::Failure;
use crate::show;
use axum::Json;
use axum::extract::State;
use protocol::{Page, Permission, PermissionQuery, page_size};
use std::sync::Arc;

pub(super) async fn handle(
    State(app): State<Arc<App>>,
    Query(query): Query<PermissionQuery>,
) -> Result<Json<Page<Permission>>, Failure> {
    let (all, size) = (query.all()?, page_size(query.limit)?);
    let session = query.session.as_deref().map(|given| app.engine.resolve_session(given)).transpose()?;
    if !all {
        let open = app.engine.open_permissions(session)?;
        return Ok(Json(Page::whole(open.into_iter().map(show::permission).collect())));
    }
    let (found, more) = app.engine.permissions(session, query.before, size)?;
    let next = found.last().filter(|_| more).map(|last| last.permission.id.to_string());
    Ok(Json(Page { items: found.into_iter().map(show::permission).collect(), next }))
}
