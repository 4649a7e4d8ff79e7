//! Fields of foreign records, read without copying what can be borrowed and without refusing what can be understood.

use model::{Block, Timestamp};
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use std::borrow::Cow;
use std::fmt;

/// A string, borrowed where the JSON has no escapes in it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Text<'a>(pub(crate) Cow<'a, str>);

impl Text<'_> {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Text<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
            fn visit_string<E>(self, text: String) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text)))
            }
        }
        deserializer.deserialize_str(Read)
    }
}

/// A time: RFC 3339, or milliseconds since 1970. Another one is none.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct At(pub(crate) Option<Timestamp>);

impl<'de> Deserialize<'de> for At {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = At;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a time")
            }
            fn visit_str<E>(self, text: &str) -> Result<At, E> {
                Ok(At(text.parse().ok()))
            }
            fn visit_u64<E>(self, millis: u64) -> Result<At, E> {
                Ok(At(i64::try_from(millis).ok().filter(|at| *at < YEAR_9999).map(Timestamp::from_millis)))
            }
            fn visit_i64<E>(self, _: i64) -> Result<At, E> {
                Ok(At(None))
            }
            fn visit_f64<E>(self, millis: f64) -> Result<At, E> {
                let whole = millis.is_finite() && millis >= 0.0 && millis < YEAR_9999 as f64;
                Ok(At(whole.then(|| Timestamp::from_millis(millis as i64))))
            }
            fn visit_unit<E>(self) -> Result<At, E> {
                Ok(At(None))
            }
            fn visit_none<E>(self) -> Result<At, E> {
                Ok(At(None))
            }
        }
        deserializer.deserialize_any(Read)
    }
}

/// Times after it are no times of a transcript.
const YEAR_9999: i64 = 253_402_300_799_000;

/// One part of a message of any vendor: a flat record, because a tag may come after what it tells apart.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Flat<'a> {
    #[serde(rename = "type", borrow)]
    pub(crate) kind: Option<Text<'a>>,
    pub(crate) text: Option<String>,
    pub(crate) thinking: Option<String>,
    pub(crate) signature: Option<String>,
    #[serde(borrow)]
    pub(crate) id: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) name: Option<Text<'a>>,
    pub(crate) input: Option<Value>,
    #[serde(borrow)]
    pub(crate) tool_use_id: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) content: Option<Content<'a>>,
    pub(crate) is_error: Option<bool>,
    #[serde(borrow)]
    pub(crate) source: Option<Source<'a>>,
    /// Gemini.
    #[serde(rename = "functionResponse", borrow)]
    pub(crate) function_response: Option<&'a serde_json::value::RawValue>,
}

impl Flat<'_> {
    pub(crate) fn kind(&self) -> &str {
        self.kind.as_ref().map_or("", Text::as_str)
    }
}

/// Of an image, how large it is; the image stays where it is.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Source<'a> {
    #[serde(borrow)]
    media_type: Option<Text<'a>>,
    #[serde(borrow)]
    data: Option<Text<'a>>,
}

impl Source<'_> {
    pub(crate) fn note(&self) -> Block {
        let media = self.media_type.as_ref().map_or("image", Text::as_str);
        // Four characters of base64 are three bytes.
        let bytes = self.data.as_ref().map_or(0, |data| data.as_str().len() / 4 * 3);
        Block::Text { text: format!("[{media}, {bytes} bytes, in the vendor's transcript]") }
    }
}

/// The content of a message: a string, or parts.
#[derive(Debug)]
pub(crate) enum Content<'a> {
    Text(String),
    Parts(Vec<Flat<'a>>),
    /// Something else: not understood.
    Other,
}

impl Content<'_> {
    /// The text of a tool's result.
    pub(crate) fn into_text(self) -> String {
        match self {
            Self::Text(text) => text,
            Self::Parts(parts) => {
                let texts: Vec<String> = parts
                    .into_iter()
                    .filter_map(|part| match (part.text, part.source) {
                        (Some(text), _) => Some(text),
                        (None, Some(source)) => match source.note() {
                            Block::Text { text } => Some(text),
                            _ => None,
                        },
                        (None, None) => part.kind.map(|kind| format!("[{}]", kind.0)),
                    })
                    .collect();
                texts.join("\n")
            }
            Self::Other => String::new(),
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Content<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Content<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text or parts")
            }
            fn visit_str<E>(self, text: &str) -> Result<Content<'de>, E> {
                Ok(Content::Text(text.to_owned()))
            }
            fn visit_string<E>(self, text: String) -> Result<Content<'de>, E> {
                Ok(Content::Text(text))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Content<'de>, A::Error> {
                let mut parts = Vec::new();
                while let Some(part) = seq.next_element::<Flat<'de>>()? {
                    parts.push(part);
                }
                Ok(Content::Parts(parts))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Content<'de>, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Content::Other)
            }
            fn visit_unit<E>(self) -> Result<Content<'de>, E> {
                Ok(Content::Other)
            }
            fn visit_bool<E>(self, _: bool) -> Result<Content<'de>, E> {
                Ok(Content::Other)
            }
            fn visit_u64<E>(self, _: u64) -> Result<Content<'de>, E> {
                Ok(Content::Other)
            }
            fn visit_i64<E>(self, _: i64) -> Result<Content<'de>, E> {
                Ok(Content::Other)
            }
            fn visit_f64<E>(self, _: f64) -> Result<Content<'de>, E> {
                Ok(Content::Other)
            }
        }
        deserializer.deserialize_any(Read)
    }
}

/// The exit code in the words the vendors' shells put before their output.
pub(crate) fn exit_code(output: &str, words: &[&str]) -> Option<i32> {
    // Looked for at the head only: what follows is the command's own.
    let head = &output[..output.floor_char_boundary(400)];
    words.iter().find_map(|word| {
        let rest = &head[head.find(word)? + word.len()..];
        let digits: String =
            rest.trim_start().chars().take_while(|c| c.is_ascii_digit() || *c == '-').collect();
        digits.parse().ok()
    })
}
