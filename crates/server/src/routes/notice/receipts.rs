use super::number;
use crate::app::App;
use crate::extract::{Id, Who};
use crate::failure::Failure;
use crate::show;
use axum::Json;
use axum::extract::State;
use protocol::{Page, Receipt};
use std::sync::Arc;

pub(super) async fn handle(
    State(app): State<Arc<App>>,
    Who(caller): Who,
    Id(id): Id,
) -> Result<Json<Page<Receipt>>, Failure> {
    let found = app.engine.receipts(&caller, number(&id)?)?;
    Ok(Json(Page::whole(found.into_iter().map(show::receipt).collect())))
}
