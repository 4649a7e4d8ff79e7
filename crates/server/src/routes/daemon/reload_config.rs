use crate::app::App;
use crate::extract::Bare;
use crate::failure::Failure;
use axum::Json;
use axum::extract::State;
use model::Refusal;
use protocol::ConfigVersion;
use std::sync::Arc;

/// A file that is not valid leaves the configuration as it was.
pub(super) async fn handle(State(app): State<Arc<App>>, _: Bare) -> Result<Json<ConfigVersion>, Failure> {
    match app.engine.reload_config() {
        Ok(snapshot) => Ok(Json(ConfigVersion { version: snapshot.version })),
        Err(error) => {
            let hint = "mend the file and try again; until then the old configuration is in force";
            Err(Refusal::invalid("config_invalid", error.to_string()).hint(hint).into())
        }
    }
}
