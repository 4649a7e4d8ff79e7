//! Messages and drafts, into messages.db.

use super::{at, optional, seq};
use crate::sql::{Connection, params};
use crate::statement::{row, run, statements};
use crate::{StoreError, column};
use journal::Record;
use model::{Message, MessageDraft, Participant, ParticipantId, TurnEnd, TurnOutcome};

statements! { STATEMENTS in Messages {
    INSERT_SPEAKER = "INSERT INTO speakers (participant_id, agent) VALUES (?1, ?2)
        ON CONFLICT (participant_id) DO NOTHING";
    SPEAKER = "SELECT agent FROM speakers WHERE participant_id = ?1";
    INSERT_MESSAGE = "INSERT INTO agent_messages (message_id, session_id, agent_id, message_type, content, tokens_input,
            tokens_output, latency_ms, cost, timestamp, parent_message_id, short_id, seq, task_id, turn_id,
            participant_id, role, cost_micros, usage, blocks)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20)
        ON CONFLICT (message_id) DO NOTHING";
    UPSERT_DRAFT = "INSERT INTO drafts (turn_id, session_id, participant_id, text, thinking, seq, updated_at)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
        ON CONFLICT (turn_id) DO UPDATE
        SET text = excluded.text, thinking = excluded.thinking, updated_at = excluded.updated_at";
    DRAFT_SO_FAR = "SELECT text, thinking FROM drafts WHERE turn_id = ?1";
    DELETE_DRAFT = "DELETE FROM drafts WHERE turn_id = ?1";
} }

pub(super) fn joined(db: &Connection, participant: &Participant) -> Result<(), StoreError> {
    run(db, &INSERT_SPEAKER, [participant.id.to_string().as_str(), participant.agent.as_str()])?;
    Ok(())
}

pub(super) fn appended(db: &Connection, record: &Record, message: &Message) -> Result<(), StoreError> {
    let agent = match message.participant {
        Some(participant) => speaker(db, participant)?,
        None => None,
    };
    let agent = agent.unwrap_or_else(|| record.actor.to_string());
    let usage = message.usage.as_ref();
    let cost = usage.map(|usage| usage.cost_micros);
    run(
        db,
        &INSERT_MESSAGE,
        params![
            message.id.to_string(),
            message.session.to_string(),
            agent,
            message.message_type(),
            message.text(),
            usage.map(|usage| column::figure(usage.input_tokens)),
            usage.map(|usage| column::figure(usage.output_tokens)),
            message.latency_ms.map(u64::cast_signed),
            cost.map(dollars),
            message.created_at.as_millis(),
            optional(message.parent),
            message.id.short(),
            seq(record),
            optional(message.task),
            optional(message.turn),
            optional(message.participant),
            message.role.as_str(),
            cost.map(column::figure),
            usage.map(column::to_json).transpose()?,
            column::to_json(&message.blocks)?
        ],
    )?;
    // The draft was of this message, if the turn's own agent wrote it.
    if let (Some(turn), Some(_)) = (message.turn, message.participant) {
        run(db, &DELETE_DRAFT, [turn.to_string()])?;
    }
    Ok(())
}

/// A draft says what was added since the last one, so that the journal holds a long answer twice and not once a second.
pub(super) fn drafted(db: &Connection, record: &Record, draft: &MessageDraft) -> Result<(), StoreError> {
    let before = row(db, &DRAFT_SO_FAR, [draft.turn.to_string()], |row| {
        Ok((row.get::<_, String>("text")?, row.get::<_, String>("thinking")?))
    })?;
    let (text, thinking) = before.unwrap_or_default();
    run(
        db,
        &UPSERT_DRAFT,
        params![
            draft.turn.to_string(),
            draft.session.to_string(),
            draft.participant.to_string(),
            continued(text, draft.text_from, &draft.text),
            continued(thinking, draft.thinking_from, &draft.thinking),
            seq(record),
            at(record)
        ],
    )?;
    Ok(())
}

/// Total: what does not follow on what is there goes behind as much of it as there is.
fn continued(mut before: String, from: u64, more: &str) -> String {
    let from = usize::try_from(from).unwrap_or(usize::MAX);
    before.truncate(before.floor_char_boundary(from));
    before.push_str(more);
    before
}

/// A completed turn has said all it had to say. What another turn was writing stays, to show what was half done.
pub(super) fn turn_ended(db: &Connection, end: &TurnEnd) -> Result<(), StoreError> {
    if matches!(end.outcome, TurnOutcome::Completed { .. }) {
        run(db, &DELETE_DRAFT, [end.turn.to_string()])?;
    }
    Ok(())
}

fn speaker(db: &Connection, participant: ParticipantId) -> Result<Option<String>, StoreError> {
    row(db, &SPEAKER, [participant.to_string()], |row| row.get::<_, String>("agent"))
}

/// The seed's column is in dollars with six places, which is what a micro is.
fn dollars(micros: u64) -> f64 {
    micros.min(column::FIGURE_MAX) as f64 / 1_000_000.0
}
