//! Durable cursors: a key per consumer, with a position under each name.

use super::{Nats, read, written};
use crate::cursor::check_names;
use crate::error::BusError;
use crate::inbox::Position;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Place {
    generation: String,
    pub(crate) id: i64,
}

pub(crate) type Cursors = BTreeMap<String, Place>;

/// A consumer may be called anything; a key may not.
pub(crate) fn key(consumer: &str) -> String {
    format!("cursors.{}", &blake3::hash(consumer.as_bytes()).to_hex()[..32])
}

impl Nats {
    pub(super) fn cursor(&self, consumer: &str, name: &str) -> Result<Option<Position>, BusError> {
        let doc = self.link.get_one(&key(consumer))?;
        let mut cursors: Cursors = read(doc.as_ref(), "a cursor")?.unwrap_or_default();
        Ok(cursors.remove(name).map(|place| Position { generation: place.generation, id: place.id }))
    }

    pub(super) fn move_cursor(&self, consumer: &str, name: &str, to: &Position) -> Result<(), BusError> {
        check_names(consumer, name)?;
        self.change(&key(consumer), |doc| {
            let mut cursors: Cursors = read(doc, "a cursor")?.unwrap_or_default();
            if let Some(known) = cursors.get(name)
                && known.generation == to.generation
                && known.id >= to.id
            {
                return Ok((None, ()));
            }
            cursors.insert(name.to_owned(), Place { generation: to.generation.clone(), id: to.id });
            Ok((Some(written(&cursors, "a cursor")?), ()))
        })?;
        Ok(())
    }
}
