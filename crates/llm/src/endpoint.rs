//! Where a model is reached and with which key. A key is never printed: it leaves a [`Secret`] only
//! through [`Secret::expose`] or by serialising an [`Endpoint`] into the pipe of a run.

use model::Vendor;
use serde::{Deserialize, Serialize, Serializer};
use std::fmt;

/// One vendor's API as an agent uses it.
///
/// Serialising it writes the key in clear: that is for the stdin of a run and nothing else, never
/// for the journal, a log or a response.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    pub vendor: Vendor,
    /// Root of the API with its version (`http://127.0.0.1:8080/v1`); without a path the vendor's own
    /// version path is added; the vendor's own API when none.
    #[serde(default)]
    pub base_url: Option<String>,
    /// Empty when none was configured: no provider can be made then, see [`LlmError::MissingKey`].
    ///
    /// [`LlmError::MissingKey`]: crate::LlmError::MissingKey
    #[serde(default, serialize_with = "in_clear")]
    pub api_key: Secret,
}

/// A key. Its `Debug` and `Display` show nothing of it, not even its length.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    pub fn new(secret: impl Into<String>) -> Self {
        Self(secret.into())
    }

    /// The key itself, for the one place that puts it on the wire.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether there is no key (blank counts as none).
    pub fn is_empty(&self) -> bool {
        self.0.trim().is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_empty() { "Secret(none)" } else { "Secret(…)" })
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

fn in_clear<S: Serializer>(secret: &Secret, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(secret.expose())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_never_printed_and_travels_only_inside_an_endpoint() {
        let endpoint =
            Endpoint { vendor: Vendor::Openai, base_url: None, api_key: Secret::new("sk-very-secret") };
        let shown = format!("{endpoint:?} {endpoint:#?} {}", endpoint.api_key);
        assert!(!shown.contains("very-secret"), "{shown}");
        let text = serde_json::to_string(&endpoint).unwrap();
        assert_eq!(serde_json::from_str::<Endpoint>(&text).unwrap(), endpoint);
    }

    #[test]
    fn blank_is_none() {
        for none in ["", "  ", "\n"] {
            assert!(Secret::new(none).is_empty());
        }
        assert!(!Secret::new("x").is_empty());
    }
}
