//! The four dialects: each reads its requests strictly and writes its answers as the vendor does.
//!
//! To add one: a file with `read`, `stream`, `whole` and `error`, a variant here, a route in
//! `server.rs`, and a vendor in the parity test of `llm`.

pub(crate) mod anthropic;
pub(crate) mod chat;
pub(crate) mod google;
pub(crate) mod responses;

use crate::conversation::Conversation;
use crate::reply::Reply;
use axum::http::HeaderMap;
use model::Vendor;
use serde_json::{Map, Value};
use std::time::Duration;

/// A key every dialect refuses, for trying that out.
pub const REFUSED_KEY: &str = "refused-key";

/// What goes over the wire, in order.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Frame {
    Bytes(String),
    Sleep(Duration),
    /// The connection breaks.
    Cut,
}

/// Why a request is not answered.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Refused {
    pub(crate) status: u16,
    pub(crate) message: String,
}

impl Refused {
    pub(crate) fn bad(message: impl Into<String>) -> Self {
        Self { status: 400, message: message.into() }
    }

    fn key() -> Self {
        Self { status: 401, message: "Incorrect API key provided".into() }
    }
}

/// One of the dialects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    Anthropic,
    Chat,
    Google,
    Responses,
}

impl Dialect {
    pub(crate) const fn vendor(self) -> Vendor {
        match self {
            Self::Anthropic => Vendor::Anthropic,
            Self::Chat => Vendor::Moonshot,
            Self::Google => Vendor::Google,
            Self::Responses => Vendor::Openai,
        }
    }

    /// Reads a request; `path_model` and `path_stream` are what Google says in the path.
    pub(crate) fn read(
        self,
        headers: &HeaderMap,
        body: &Value,
        path: Option<(&str, bool)>,
    ) -> Result<Conversation, Refused> {
        let body = body.as_object().ok_or_else(|| Refused::bad("the body is no JSON object"))?;
        let conversation = match self {
            Self::Anthropic => anthropic::read(headers, body),
            Self::Chat => chat::read(headers, body),
            Self::Google => google::read(headers, body, path.unwrap_or_default()),
            Self::Responses => responses::read(headers, body),
        }?;
        conversation.check().map_err(Refused::bad)?;
        Ok(conversation)
    }

    pub(crate) fn stream(self, reply: &Reply) -> Vec<Frame> {
        match self {
            Self::Anthropic => anthropic::stream(reply),
            Self::Chat => chat::stream(reply),
            Self::Google => google::stream(reply),
            Self::Responses => responses::stream(reply),
        }
    }

    pub(crate) fn whole(self, reply: &Reply) -> Value {
        match self {
            Self::Anthropic => anthropic::whole(reply),
            Self::Chat => chat::whole(reply),
            Self::Google => google::whole(reply),
            Self::Responses => responses::whole(reply),
        }
    }

    pub(crate) fn error(self, status: u16, message: &str) -> Value {
        match self {
            Self::Anthropic => anthropic::error(status, message),
            Self::Google => google::error(status, message),
            Self::Chat | Self::Responses => chat::error(status, message),
        }
    }

    /// Events that are JSON and belong to something else.
    pub(crate) fn wrong_shapes(self) -> &'static [&'static str] {
        match self {
            Self::Anthropic => &[
                "event: content_block_start\ndata: {\"content_block\":{\"type\":\"tool_use\"}}\n\n",
                "event: message_stop\ndata: []\n\n",
            ],
            Self::Chat => &["data: {\"choices\":\"none\"}\n\n", "data: [1,2,3]\n\n"],
            Self::Google => &["data: {\"candidates\":7}\r\n\r\n", "data: 12\r\n\r\n"],
            Self::Responses => &["event: response.completed\ndata: {\"type\":\"response.completed\"}\n\n"],
        }
    }
}

/// What the dialects' readers share.
pub(crate) mod strict {
    use super::{Map, REFUSED_KEY, Refused, Value};
    use axum::http::HeaderMap;

    /// Refuses fields the vendor does not know.
    pub(crate) fn known(object: &Map<String, Value>, known: &[&str], place: &str) -> Result<(), Refused> {
        match object.keys().find(|key| !known.contains(&key.as_str())) {
            Some(key) => Err(Refused::bad(format!("unknown field `{key}` in {place}"))),
            None => Ok(()),
        }
    }

    pub(crate) fn object<'a>(value: &'a Value, place: &str) -> Result<&'a Map<String, Value>, Refused> {
        value.as_object().ok_or_else(|| Refused::bad(format!("{place} is no object")))
    }

    pub(crate) fn array<'a>(
        object: &'a Map<String, Value>,
        field: &str,
        place: &str,
    ) -> Result<&'a Vec<Value>, Refused> {
        object
            .get(field)
            .and_then(Value::as_array)
            .ok_or_else(|| Refused::bad(format!("`{field}` of {place} is no array")))
    }

    pub(crate) fn text<'a>(
        object: &'a Map<String, Value>,
        field: &str,
        place: &str,
    ) -> Result<&'a str, Refused> {
        object
            .get(field)
            .and_then(Value::as_str)
            .ok_or_else(|| Refused::bad(format!("`{field}` of {place} is no string")))
    }

    pub(crate) fn flag(object: &Map<String, Value>, field: &str) -> Result<bool, Refused> {
        match object.get(field) {
            None | Some(Value::Null) => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(_) => Err(Refused::bad(format!("`{field}` is no boolean"))),
        }
    }

    pub(crate) fn positive(object: &Map<String, Value>, field: &str) -> Result<(), Refused> {
        match object.get(field) {
            Some(value) if value.as_u64().is_none_or(|number| number == 0) => {
                Err(Refused::bad(format!("`{field}` is no positive number")))
            }
            _ => Ok(()),
        }
    }

    /// Arguments sent as a string must hold an object.
    pub(crate) fn json_text(text: &str, place: &str) -> Result<Value, Refused> {
        serde_json::from_str(text)
            .ok()
            .filter(Value::is_object)
            .ok_or_else(|| Refused::bad(format!("{place} holds no JSON object")))
    }

    /// The key must be there; one of them is refused.
    pub(crate) fn key(headers: &HeaderMap, name: &str, prefix: &str) -> Result<(), Refused> {
        let given = headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        match given.strip_prefix(prefix) {
            Some(key) if !key.trim().is_empty() && key != REFUSED_KEY => Ok(()),
            _ => Err(Refused::key()),
        }
    }
}

/// One SSE event.
pub(crate) fn event(name: Option<&str>, data: &Value, line: &str) -> Frame {
    let name = name.map(|name| format!("event: {name}{line}")).unwrap_or_default();
    Frame::Bytes(format!("{name}data: {data}{line}{line}"))
}

/// A signature only this server makes, and only for this text: so it can tell whether thinking came
/// back as it went out.
pub(crate) fn signature(text: &str) -> String {
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("c2lnbmVk{hash:016x}")
}

/// JSON text in pieces as vendors stream arguments: first an empty one, then some characters each.
pub(crate) fn argument_pieces(text: &str) -> Vec<String> {
    let chars: Vec<char> = text.chars().collect();
    let pieces = chars.chunks(24).map(|piece| piece.iter().collect::<String>());
    std::iter::once(String::new()).chain(pieces).collect()
}
