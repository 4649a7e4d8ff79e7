//! Who listens to what, and how far readers have got.

use super::transaction::{Tx, id};
use super::{Postgres, registry};
use crate::cursor::{check_channels, check_names};
use crate::error::BusError;
use crate::inbox::Position;
use model::{Channel, RegistrationId};

pub(crate) fn listen_to(bus: &Postgres, who: RegistrationId, channels: &[Channel]) -> Result<(), BusError> {
    check_channels(channels)?;
    let names: Vec<&str> = channels.iter().map(Channel::as_str).collect();
    bus.write(|tx| {
        registry::present(tx, who)?;
        tx.run("DELETE FROM subscriptions WHERE session_id = $1", &[&id(who)])?;
        tx.run(
            "INSERT INTO subscriptions (session_id, channel) SELECT $1, name FROM unnest($2::text[]) AS name
             ON CONFLICT DO NOTHING",
            &[&id(who), &names],
        )?;
        Ok(())
    })
}

pub(crate) fn cursor(tx: &mut Tx<'_>, consumer: &str, name: &str) -> Result<Option<Position>, BusError> {
    let sql = "SELECT generation, notice FROM cursors WHERE consumer = $1 AND name = $2";
    let Some(row) = tx.row(sql, &[&consumer, &name])? else { return Ok(None) };
    Ok(Some(Position { generation: row.try_get(0)?, id: row.try_get(1)? }))
}

/// One statement: it changes nothing that others decide upon, and rings nobody.
pub(crate) fn move_cursor(bus: &Postgres, consumer: &str, name: &str, to: &Position) -> Result<(), BusError> {
    check_names(consumer, name)?;
    bus.glance(|connection| {
        connection.run(
            "INSERT INTO cursors AS c (consumer, name, generation, notice) VALUES ($1, $2, $3, $4)
             ON CONFLICT (consumer, name) DO UPDATE SET generation = excluded.generation,
                notice = CASE WHEN c.generation = excluded.generation THEN greatest(c.notice, excluded.notice)
                              ELSE excluded.notice END",
            &[&consumer, &name, &to.generation, &to.id],
        )
    })?;
    Ok(())
}
