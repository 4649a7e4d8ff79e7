//! Work offered here and claimed on another machine: the claim is made here, like everybody's, and answered.

use super::Crossing;
use crate::ask::{Answer, Ask, CLAIM_CHANNEL, Question};
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
    let offered_there = request.envelope.reply_to.unwrap_or(0);
    let answer = serde_json::to_value(Answer::to(done, offered_there))
        .map_err(|error| BusError::Malformed { what: "an answer", detail: error.to_string() })?;
    let channel = super::channel(ANSWER_CHANNEL)?;
    // Always in the same name, so that an answer sent twice is one.
    let mut names: Vec<&RegistrationId> = ours.iter().collect();
    names.sort_by_key(ToString::to_string);
    for sender in names {
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
        Ask::Finish => {
            again(bus.finish_claim(question.token, asker), || bus.has_finished(question.token, asker))
        }
        Ask::GiveBack => {
            again(bus.give_back_claim(question.token, asker), || bus.has_given_back(question.token, asker))
        }
    }
}

/// What was done before a crash, and not answered, is done.
fn again(
    done: Result<(), BusError>,
    before: impl FnOnce() -> Result<bool, BusError>,
) -> Result<Option<crate::claim::Claim>, BusError> {
    match done {
        Err(BusError::Lost(lost)) => {
            if before()? {
                Ok(None)
            } else {
                Err(BusError::Lost(lost))
            }
        }
        done => done.map(|()| None),
    }
}

/// The answer to a question of ours.
pub(super) fn take_answer(
    crossing: &Crossing,
    hub: &dyn Backend,
    generation: &str,
    notice: &Notice,
) -> Result<(), BusError> {
    // Of a newer version, perhaps: who asked hears that nobody answered.
    let Ok(answer) = serde_json::from_value::<Answer>(notice.payload.clone()) else { return Ok(()) };
    let request = match notice.envelope.reply_to {
        Some(there) => crossing.bus.here(generation, there)?,
        None => None,
    };
    let waits = match request {
        Some(request) => crossing.bus.answered(request, &answer)?,
        None => false,
    };
    let (Answer::Granted { token, attempts: 1.., offer }, Some(asker), false) =
        (answer, notice.recipient, waits)
    else {
        return Ok(());
    };
    // It came too late, and nobody here knows that he has the work: others may have it.
    let payload = serde_json::to_value(Question { ask: Ask::GiveBack, token })
        .map_err(|error| BusError::Malformed { what: "a question", detail: error.to_string() })?;
    let new = NewNotice {
        recipient: Some(notice.sender),
        reply_to: Some(offer),
        key: Some(format!("late:{}", notice.id)),
        ..NewNotice::new(asker, super::channel(CLAIM_CHANNEL)?, payload)
    };
    match hub.publish_all(&[new]) {
        // The asker has gone: so has his claim.
        Err(BusError::NotRegistered(_) | BusError::Ended(_) | BusError::KeyReused { .. }) => Ok(()),
        done => done.map(drop),
    }
}
