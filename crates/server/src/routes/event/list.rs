use crate::app::App;
use crate::extract::Query;
use crate::failure::Failure;
use crate::show;
use axum::Json;
use axum::extract::State;
use engine::EventsPage;
use model::{Cursor, Refusal};
use protocol::{EventPage, EventQuery};
use std::sync::Arc;

pub(super) async fn handle(
    State(app): State<Arc<App>>,
    Query(query): Query<EventQuery>,
) -> Result<Json<EventPage>, Failure> {
    let after = match &query.after {
        None => Cursor::START,
        Some(text) => text.parse().map_err(|error: String| Refusal::invalid("cursor", error))?,
    };
    let limit = query.size()?;
    let session = query.session.as_deref().map(|given| app.engine.resolve_session(given)).transpose()?;
    Ok(Json(match app.engine.events_after(after, session, limit)? {
        EventsPage::Events { events, next } => {
            let items = events.iter().map(show::event).collect::<Result<_, _>>()?;
            EventPage { items, next, reset: false }
        }
        EventsPage::Reset { newest } => EventPage { items: Vec::new(), next: newest, reset: true },
    }))
}
