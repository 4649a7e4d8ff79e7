use crate::app::App;
use crate::extract::{Id, Query, Who};
use crate::failure::Failure;
use crate::pour;
use axum::extract::State;
use axum::response::Response;
use engine::Call;
use protocol::SessionExportQuery;
use std::sync::Arc;

pub(super) async fn handle(
    State(app): State<Arc<App>>,
    who: Who,
    Id(id): Id,
    Query(query): Query<SessionExportQuery>,
) -> Result<Response, Failure> {
    let session = who.session(&app, &id)?;
    let call = Call { caller: who.0, key: None, client: None, correlation: String::new() };
    let archive = app.engine.export_session(&call, session, query.family)?;
    let name = archive.file_name();
    Ok(pour::lines(&app, &name, move |out| archive.write_to(out).map(drop)))
}
