use crate::app::App;
use crate::extract::Command;
use crate::failure::Failure;
use crate::show;
use axum::Json;
use axum::extract::State;
use model::Refusal;
use protocol::{DataReport, NewExport};
use std::path::PathBuf;
use std::sync::Arc;

pub(super) async fn handle(
    State(app): State<Arc<App>>,
    Command { call, body }: Command<NewExport>,
) -> Result<Json<DataReport>, Failure> {
    let to = body.to.map(PathBuf::from);
    if to.as_ref().is_some_and(|to| !to.is_absolute()) {
        return Err(Refusal::invalid("path_relative", "the daemon does not know which folder you are in")
            .hint("give an absolute path")
            .into());
    }
    Ok(Json(show::data_report(app.engine.export(&call, to).await?)))
}
