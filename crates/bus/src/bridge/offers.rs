//! Work offered here and claimed on another machine: the claim is made here, like everybody's, and answered.

use super::Crossing;
use crate::ask::{Answer, Ask, Question};
use crate::backend::Backend;
use crate::error::BusError;
use crate::notice::NewNotice;
use model::{Notice, RegistrationId};
use std::collections::HashSet;
use std::time::Duration;

/// Answers travel on it.
pub(super) const ANSWER_CHANNEL: &str = "bridge.claimed";

/// Does what is asked, and sends the answer. `ours` are those in whose name it can go.
pub(super) fn serve(
    crossing: &Crossing,
    hub: &dyn Backend,
    generation: &str,
    request: &Notice,
    ours: &HashSet<RegistrationId>,
) -> Result<(), BusError> {
    let offer = match request.envelope.reply_to {
        Some(there) => crossing.bus.here(generation, there)?,
        None => None,
    };
    // Somebody else's work, or over for long.
    let Some(offer) = offer else { return Ok(()) };
    if crossing.bus.offered_elsewhere(offer)?.is_some() {
        return Ok(());
    }
    let done = match serde_json::from_value::<Question>(request.payload.clone()) {
        Ok(question) => carry_out(crossing, offer, request.sender, &question),
        Err(error) => {
            Err(BusError::Malformed { what: "a question of another machine", detail: error.to_string() })
        }
    };
    let answer = serde_json::to_value(Answer::to(done))
        .map_err(|error| BusError::Malformed { what: "an answer", detail: error.to_string() })?;
    let channel = super::channel(ANSWER_CHANNEL)?;
    for sender in ours {
        let new = NewNotice {
            recipient: Some(request.sender),
            reply_to: Some(request.id),
            key: Some(format!("answer:{}", request.id)),
            ..NewNotice::new(*sender, channel.clone(), answer.clone())
        };
        match hub.publish_all(&[new]) {
            // It is not announced there yet; another one is.
            Err(BusError::NotRegistered(id) | BusError::Ended(id)) if id == *sender => {}
            // The asker has gone, or was answered before a crash.
            Err(BusError::NotRegistered(_) | BusError::Ended(_) | BusError::KeyReused { .. }) => {
                return Ok(());
            }
            done => return done.map(drop),
        }
    }
    Ok(())
}

fn carry_out(
    crossing: &Crossing,
    offer: i64,
    asker: RegistrationId,
    question: &Question,
) -> Result<Option<crate::claim::Claim>, BusError> {
    let bus = &crossing.bus;
    match &question.ask {
        Ask::Claim { ttl_ms } => bus.claim(offer, asker, Duration::from_millis(*ttl_ms)).map(Some),
        Ask::Renew { ttl_ms } => {
            bus.renew_claim(question.token, asker, Duration::from_millis(*ttl_ms)).map(|()| None)
        }
        Ask::Finish => bus.finish_claim(question.token, asker).map(|()| None),
        Ask::GiveBack => bus.give_back_claim(question.token, asker).map(|()| None),
    }
}

/// The answer to a question of ours.
pub(super) fn take_answer(crossing: &Crossing, generation: &str, notice: &Notice) -> Result<(), BusError> {
    let Some(there) = notice.envelope.reply_to else { return Ok(()) };
    let Some(request) = crossing.bus.here(generation, there)? else { return Ok(()) };
    match serde_json::from_value::<Answer>(notice.payload.clone()) {
        Ok(answer) => crossing.bus.answered(request, &answer),
        // Of a newer version, perhaps: who asked hears that nobody answered.
        Err(_) => Ok(()),
    }
}
