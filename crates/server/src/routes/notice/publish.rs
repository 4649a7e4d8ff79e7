use crate::app::App;
use crate::extract::Command;
use crate::failure::Failure;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use protocol::{Durability, NewNotice, Notice};
use std::sync::Arc;

pub(super) async fn handle(
    State(app): State<Arc<App>>,
    Command { call, body }: Command<NewNotice>,
) -> Result<(StatusCode, Json<Notice>), Failure> {
    let new = engine::NewNotice {
        channel: body.channel,
        recipient: body.recipient,
        payload: body.payload,
        ttl_seconds: body.ttl_seconds,
        recipients: body.recipients,
        thread: body.thread,
        priority: body.priority,
        reply_to: body.reply_to,
        ack: body.ack.map(|rule| engine::AckRule { seconds: rule.seconds, attempts: rule.attempts }),
        durability: match body.durability {
            Durability::Process => engine::Durability::Process,
            Durability::Power => engine::Durability::Power,
        },
    };
    Ok((StatusCode::CREATED, Json(app.engine.publish_notice(&call, new).await?.into())))
}
