use crate::app::App;
use crate::extract::Query;
use crate::failure::Failure;
use axum::Json;
use axum::extract::State;
use engine::SpendingBy;
use protocol::{CostBy, CostQuery, CostReport, CostRow};
use std::sync::Arc;

pub(super) async fn handle(
    State(app): State<Arc<App>>,
    Query(query): Query<CostQuery>,
) -> Result<Json<CostReport>, Failure> {
    let (by, since) = (query.by()?, query.since()?);
    let session = query.session.as_deref().map(|given| app.engine.resolve_session(given)).transpose()?;
    let told_apart = match by {
        CostBy::Session => SpendingBy::Session,
        CostBy::Task => SpendingBy::Task,
        CostBy::Agent => SpendingBy::Agent,
        CostBy::Model => SpendingBy::Model,
        CostBy::Day => SpendingBy::Day,
    };
    let spending = app.engine.spending(told_apart, session, since.as_deref())?;
    let row = |row: engine::SpendingRow| CostRow {
        key: row.key,
        title: row.title,
        calls: row.calls,
        usage: row.usage.into(),
    };
    Ok(Json(CostReport {
        by,
        since,
        prices_as_of: spending.prices_as_of.to_owned(),
        rows: spending.rows.into_iter().map(row).collect(),
        total: spending.total.into(),
    }))
}
