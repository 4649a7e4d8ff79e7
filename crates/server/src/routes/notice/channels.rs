use crate::app::App;
use crate::failure::Failure;
use axum::Json;
use axum::extract::State;
use protocol::{ChannelCount, Page};
use std::sync::Arc;

pub(super) async fn handle(State(app): State<Arc<App>>) -> Result<Json<Page<ChannelCount>>, Failure> {
    let counted = app.engine.channels()?.into_iter();
    Ok(Json(Page::whole(counted.map(|(channel, notices)| ChannelCount { channel, notices }).collect())))
}
