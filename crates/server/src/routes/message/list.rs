use crate::app::App;
use crate::extract::{Id, Query, Who};
use crate::failure::Failure;
use axum::Json;
use axum::extract::State;
use protocol::{Message, MessageQuery, Page, page_size};
use std::sync::Arc;

pub(super) async fn handle(
    State(app): State<Arc<App>>,
    who: Who,
    Id(id): Id,
    Query(query): Query<MessageQuery>,
) -> Result<Json<Page<Message>>, Failure> {
    let session = who.session(&app, &id)?;
    let page = app.engine.messages(session, query.before, page_size(query.limit)?, query.inherited)?;
    let items = page.messages.into_iter().map(Message::from).collect();
    Ok(Json(Page { items, next: page.earlier.map(|earlier| earlier.to_string()) }))
}
