//! Events on the wire: the journal's records as subscribers read them.
//!
//! The payload is the journal's own, word for word: what a subscriber sees, an export holds and a
//! replay folds are one shape, described by `fact.rs`.

use crate::fact::Fact;
use crate::limits::{EVENTS_MAX, PAGE_MAX};
use crate::operation::{Access::User, Answer, Method::Get, Operation};
use model::{Actor, Cursor, Event, EventError, Refusal, SessionId, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::openapi::schema::{AllOfBuilder, KnownFormat, ObjectBuilder, Schema, SchemaFormat, Type};
use utoipa::openapi::{Ref, RefOr};
use utoipa::{IntoParams, PartialSchema, ToSchema};

/// A committed fact with its place in the journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EventRecord {
    #[serde(with = "cursor_text")]
    pub cursor: Cursor,
    pub ts: Timestamp,
    pub session: Option<SessionId>,
    /// `user`, `system` or an agent's name.
    pub actor: Actor,
    /// As in `task.submitted`.
    pub kind: String,
    pub payload: serde_json::Value,
}

impl EventRecord {
    pub fn new(
        cursor: Cursor,
        ts: Timestamp,
        session: Option<SessionId>,
        actor: Actor,
        event: &Event,
    ) -> Result<Self, serde_json::Error> {
        let payload = match serde_json::to_value(event)? {
            serde_json::Value::Object(mut whole) => whole.remove("payload").unwrap_or_default(),
            _ => serde_json::Value::Null,
        };
        Ok(Self { cursor, ts, session, actor, kind: event.kind().to_owned(), payload })
    }

    /// The fact itself. Fails for a kind that this version does not know.
    pub fn event(&self) -> Result<Event, EventError> {
        Event::parse(&self.kind, &self.payload.to_string())
    }
}

impl PartialSchema for EventRecord {
    fn schema() -> RefOr<Schema> {
        let text = || ObjectBuilder::new().schema_type(Type::String);
        let place = ObjectBuilder::new()
            .property("cursor", text().description(Some("`epoch.seq`, as in `1.42`")))
            .required("cursor")
            .property("ts", text().format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime))))
            .required("ts")
            .property("session", Option::<String>::schema())
            .required("session")
            .property("actor", text().description(Some("`user`, `system` or an agent's name")))
            .required("actor");
        AllOfBuilder::new()
            .description(Some("A committed fact with its place in the journal."))
            .item(place)
            .item(Ref::from_schema_name("Fact"))
            .into()
    }
}

impl ToSchema for EventRecord {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((Fact::name().into(), Fact::schema()));
        Fact::schemas(schemas);
    }
}

/// Events after a cursor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct EventPage {
    pub items: Vec<EventRecord>,
    /// Where to go on reading; beyond the last item when a filter passed some over.
    #[serde(with = "cursor_text")]
    #[schema(value_type = String)]
    pub next: Cursor,
    /// The cursor was of history that was cut off or never was: take a fresh look at everything, then
    /// go on from `next`.
    pub reset: bool,
}

/// Which events to read; oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct EventQuery {
    /// `epoch.seq`; without it, from the first event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// Only events of this session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// 1 to 1,000; 200 without.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
}

impl EventQuery {
    /// The number of events to give.
    pub fn size(&self) -> Result<usize, Refusal> {
        match self.limit {
            None => Ok(PAGE_MAX),
            Some(n) if (1..=EVENTS_MAX).contains(&n) => Ok(n),
            Some(n) => Err(Refusal::invalid(
                "limit_out_of_range",
                format!("limit {n} is not between 1 and {EVENTS_MAX}"),
            )),
        }
    }
}

/// A cursor as text, for serde's `with`.
pub(crate) mod cursor_text {
    use model::Cursor;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(cursor: &Cursor, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(cursor)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Cursor, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// A cursor that may be absent, as text.
pub(crate) mod optional_cursor_text {
    use model::Cursor;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(
        cursor: &Option<Cursor>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match cursor {
            Some(cursor) => serializer.collect_str(cursor),
            None => serializer.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Cursor>, D::Error> {
        let text = Option::<std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.map(|text| text.parse().map_err(serde::de::Error::custom)).transpose()
    }
}

/// What can be done with events.
pub(crate) fn operations() -> Vec<Operation> {
    let op = |id, path, summary| Operation::new("events", id, Get, path, User, summary);
    vec![
        op("list_events", "/events", "Lists events after a cursor, oldest first.")
            .query::<EventQuery>()
            .returns::<EventPage>(),
        op("watch", "/ws", "Opens the WebSocket: `ClientMessage` in, `ServerMessage` out.")
            .answers(101, Answer::Upgrade),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_read_has_a_bound() {
        let size = |limit| EventQuery { limit, ..EventQuery::default() }.size();
        assert_eq!((size(None), size(Some(EVENTS_MAX))), (Ok(PAGE_MAX), Ok(EVENTS_MAX)));
        assert!(size(Some(0)).is_err() && size(Some(EVENTS_MAX + 1)).is_err());
    }

    #[test]
    fn a_record_gives_its_event_back() {
        let event = Event::JournalRepaired(model::JournalRepair {
            side_file: "torn-2.bin".to_owned(),
            torn_bytes: 17,
            previous_epoch: 2,
        });
        let cursor = Cursor { epoch: 3, seq: 9 };
        let record =
            EventRecord::new(cursor, Timestamp::from_millis(0), None, Actor::System, &event).unwrap();
        let text = serde_json::to_string(&record).unwrap();
        assert!(text.contains(r#""cursor":"3.9""#), "{text}");
        assert_eq!(serde_json::from_str::<EventRecord>(&text).unwrap().event().unwrap(), event);
    }
}
