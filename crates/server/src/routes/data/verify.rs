use crate::app::App;
use crate::extract::Bare;
use crate::failure::Failure;
use crate::show;
use axum::Json;
use axum::extract::State;
use protocol::DataReport;
use std::sync::Arc;

pub(super) async fn handle(
    State(app): State<Arc<App>>,
    Bare { call }: Bare,
) -> Result<Json<DataReport>, Failure> {
    Ok(Json(show::data_report(app.engine.verify(&call).await?)))
}
