use crate::app::App;
use crate::extract::{Query, Who};
use crate::failure::Failure;
use axum::Json;
use axum::extract::State;
use engine::Caller;
use protocol::{Notice, NoticeQuery, Page, page_size};
use std::sync::Arc;

pub(super) async fn handle(
    State(app): State<Arc<App>>,
    Who(caller): Who,
    Query(query): Query<NoticeQuery>,
) -> Result<Json<Page<Notice>>, Failure> {
    let limit = page_size(query.limit)?;
    let found = app.engine.notices(query.channel.as_ref(), query.after, limit)?;
    // The newest page has nothing after it.
    let more = query.after.is_some() && found.len() == limit;
    let next = found.last().filter(|_| more).map(|last| last.id.to_string());
    let items = found.into_iter().filter(|notice| may_read(&caller, notice)).map(Notice::from).collect();
    Ok(Json(Page { items, next }))
}

/// An agent reads what is for everybody, for it, or by it; never another's inbox.
fn may_read(caller: &Caller, notice: &model::Notice) -> bool {
    match caller {
        Caller::User => true,
        Caller::Run { registration, .. } | Caller::Terminal { registration } => {
            let audience = &notice.envelope.audience;
            let addressed = match notice.recipient {
                Some(recipient) => recipient == *registration,
                None => audience.is_empty() || audience.contains(registration),
            };
            addressed || notice.sender == *registration
        }
    }
}
