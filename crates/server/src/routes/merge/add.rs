use crate::app::App;
use crate::extract::Command;
use crate::failure::Failure;
use crate::show;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use engine::{MergeSource, NewMerge};
use model::Refusal;
use protocol::{Merge, NewMergeEntry};
use std::sync::Arc;

pub(super) async fn handle(
    State(app): State<Arc<App>>,
    Command { call, body }: Command<NewMergeEntry>,
) -> Result<(StatusCode, Json<Merge>), Failure> {
    let source = match (body.worktree, body.session, body.agent) {
        (Some(worktree), None, None) => {
            MergeSource::Worktree(app.engine.resolve_worktree(&call.caller, &worktree)?)
        }
        (None, Some(session), Some(agent)) => {
            MergeSource::Lent(app.engine.resolve_session_for(&call.caller, &session)?, agent)
        }
        (None, None, None) => MergeSource::Own,
        _ => {
            let message = "the queue takes a named worktree, or an agent's own in a session";
            return Err(Refusal::invalid("merge_unclear", message)
                .hint("give `worktree`, or `session` and `agent`")
                .into());
        }
    };
    let new = NewMerge {
        source,
        into: body.into,
        mode: body.mode,
        style: body.style,
        priority: body.priority,
        message: body.message,
        hold: body.hold,
    };
    let added = app.engine.add_merge(&call, new).await?;
    Ok((StatusCode::CREATED, Json(show::merge(added))))
}
