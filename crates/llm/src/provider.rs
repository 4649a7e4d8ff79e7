//! The model behind a vendor's HTTP API: one client, its target and its limits.

use crate::call::Call;
use crate::conversation::{chat_options, chat_request};
use crate::fault::Teller;
use crate::{
    CancellationToken, ChunkStream, Endpoint, LanguageModel, LlmError, Price, Request, RetryPolicy, Secret,
};
use genai::adapter::AdapterKind;
use genai::resolver::{AuthData, Endpoint as BaseUrl};
use genai::{Client, ModelIden, ServiceTarget};
use model::{Entropy, Vendor};
use reqwest::{Url, redirect};
use std::sync::Arc;
use std::time::Duration;

/// Longest wait for a connection.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
/// Longest wait for the head of the response, the connection included. Models that think may say
/// nothing for minutes.
pub const FIRST_BYTE_TIMEOUT: Duration = Duration::from_secs(300);
/// Longest silence between two pieces of an answer. Vendors that send signs of life in between count
/// as speaking.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(300);

/// How long each part of a call may take. The answer as a whole has no limit here: a turn has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    pub connect: Duration,
    pub first_byte: Duration,
    pub idle: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { connect: CONNECT_TIMEOUT, first_byte: FIRST_BYTE_TIMEOUT, idle: IDLE_TIMEOUT }
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ProviderOptions {
    pub retry: RetryPolicy,
    pub timeouts: Timeouts,
    /// The user's own price, which goes before our table.
    pub price: Option<Price>,
}

/// A vendor's API with a key. Cheap to clone; clones share their connections.
#[derive(Clone)]
pub struct Provider {
    inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) vendor: Vendor,
    pub(crate) key: Secret,
    base_url: String,
    /// Whether the vendor itself answers, and not something that speaks its dialect.
    own_api: bool,
    pub(crate) client: Client,
    pub(crate) options: ProviderOptions,
    pub(crate) entropy: Arc<dyn Entropy>,
}

impl Provider {
    /// Makes no connection yet. Fails with [`LlmError::MissingKey`], with [`LlmError::BaseUrl`], or
    /// with [`LlmError::Unreachable`] when the system has no usable TLS roots.
    pub fn new(
        endpoint: Endpoint,
        options: ProviderOptions,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, LlmError> {
        let vendor = endpoint.vendor;
        if endpoint.api_key.is_empty() {
            return Err(LlmError::MissingKey(vendor));
        }
        let key = Secret::new(endpoint.api_key.expose().trim());
        if !key.expose().chars().all(|c| c.is_ascii_graphic()) {
            let detail = "it has characters no key has".to_owned();
            return Err(LlmError::Auth { vendor, detail });
        }
        let own_api = endpoint.base_url.is_none();
        let url = base_url(vendor, endpoint.base_url.as_deref())?;
        let client = Client::builder().with_reqwest(http(vendor, &url, &options.timeouts)?).build();
        let client = client.map_err(|error| LlmError::Unreachable { vendor, detail: error.to_string() })?;
        let base_url = url.to_string();
        Ok(Self { inner: Arc::new(Inner { vendor, key, base_url, own_api, client, options, entropy }) })
    }

    /// Where the calls go.
    pub fn base_url(&self) -> &str {
        &self.inner.base_url
    }
}

impl std::fmt::Debug for Provider {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Provider")
            .field("vendor", &self.inner.vendor)
            .field("base_url", &self.inner.base_url)
            .finish_non_exhaustive()
    }
}

impl LanguageModel for Provider {
    fn stream(&self, request: Request, cancel: CancellationToken) -> ChunkStream {
        let vendor = self.inner.vendor;
        let chat = chat_request(vendor, &request);
        let timeouts = &self.inner.options.timeouts;
        let options = chat_options(vendor, &request, self.inner.own_api)
            .with_stream_header_timeout(timeouts.first_byte)
            .with_stream_read_timeout(timeouts.idle);
        Call::new(Arc::clone(&self.inner), request.model, chat, options, cancel).into_stream()
    }
}

impl Inner {
    pub(crate) fn target(&self, model: &str) -> ServiceTarget {
        ServiceTarget {
            endpoint: BaseUrl::from_owned(self.base_url.as_str()),
            auth: AuthData::from_single(self.key.expose()),
            model: ModelIden::new(adapter(self.vendor), model),
        }
    }

    pub(crate) fn teller(&self) -> Teller<'_> {
        Teller { vendor: self.vendor, key: self.key.expose() }
    }
}

/// OpenAI is spoken to in its Responses dialect, Kimi in chat completions: a local server of that
/// dialect is therefore configured as vendor `moonshot`.
const fn adapter(vendor: Vendor) -> AdapterKind {
    match vendor {
        Vendor::Anthropic => AdapterKind::Anthropic,
        Vendor::Google => AdapterKind::Gemini,
        Vendor::Moonshot => AdapterKind::Kimi,
        Vendor::Openai => AdapterKind::OpenAIResp,
    }
}

const fn own_base_url(vendor: Vendor) -> &'static str {
    match vendor {
        Vendor::Anthropic => "https://api.anthropic.com/v1/",
        Vendor::Google => "https://generativelanguage.googleapis.com/v1beta/",
        Vendor::Moonshot => "https://api.moonshot.ai/v1/",
        Vendor::Openai => "https://api.openai.com/v1/",
    }
}

fn base_url(vendor: Vendor, given: Option<&str>) -> Result<Url, LlmError> {
    let given = given.unwrap_or(own_base_url(vendor)).trim();
    let refuse = |detail: &str| LlmError::BaseUrl { given: given.to_owned(), detail: detail.to_owned() };
    let mut url = Url::parse(given).map_err(|error| refuse(&error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(refuse("neither http nor https"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        // Not shown: it would be a key in a place where keys are not looked for.
        let detail = "credentials do not belong into it".to_owned();
        return Err(LlmError::BaseUrl { given: "…".to_owned(), detail });
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(refuse("it must end with the path"));
    }
    let path = url.path().trim_end_matches('/').to_owned();
    let version = if vendor == Vendor::Google { "/v1beta" } else { "/v1" };
    url.set_path(&format!("{}/", if path.is_empty() { version } else { &path }));
    Ok(url)
}

fn http(vendor: Vendor, url: &Url, timeouts: &Timeouts) -> Result<reqwest::Client, LlmError> {
    // Fails when somebody has installed a provider already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("coditect/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(timeouts.connect)
        .tcp_nodelay(true)
        // A redirect would carry the key and the conversation to another host.
        .redirect(redirect::Policy::none());
    if url.scheme() == "http" {
        // Nothing is verified then, so a system without roots is no obstacle.
        builder = builder.tls_certs_only([]);
    }
    if is_loopback(url) {
        builder = builder.no_proxy();
    }
    builder.build().map_err(|error| {
        let detail = std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string);
        LlmError::Unreachable { vendor, detail }
    })
}

fn is_loopback(url: &Url) -> bool {
    url.host_str().is_some_and(|host| {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        bare == "localhost" || bare.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_url_gets_the_version_and_the_slash_it_lacks() {
        let read = |vendor, given: &str| base_url(vendor, Some(given)).unwrap().to_string();
        assert_eq!(read(Vendor::Openai, "http://127.0.0.1:9"), "http://127.0.0.1:9/v1/");
        assert_eq!(read(Vendor::Google, "http://127.0.0.1:9/"), "http://127.0.0.1:9/v1beta/");
        assert_eq!(read(Vendor::Anthropic, " https://proxy/claude/v1 "), "https://proxy/claude/v1/");
        for vendor in Vendor::ALL {
            assert_eq!(base_url(vendor, None).unwrap().as_str(), own_base_url(vendor));
        }
    }

    #[test]
    fn what_is_no_base_url_is_named_without_its_secrets() {
        for bad in ["", "nonsense", "ftp://host/v1", "https://host/v1?key=x", "file:///etc"] {
            let refused = base_url(Vendor::Openai, Some(bad));
            assert!(matches!(refused, Err(LlmError::BaseUrl { .. })), "{bad}");
        }
        let refused = base_url(Vendor::Openai, Some("https://me:hunter2@host/v1")).unwrap_err();
        assert!(!refused.to_string().contains("hunter2"), "{refused}");
    }

    /// Needs the system's TLS roots, and a crypto provider in the process.
    #[test]
    fn the_vendors_own_apis_can_be_set_up_without_a_network() {
        struct Dice;
        impl Entropy for Dice {
            fn fill(&self, buffer: &mut [u8]) {
                buffer.fill(0);
            }
        }
        for vendor in Vendor::ALL {
            let endpoint = Endpoint { vendor, base_url: None, api_key: Secret::new("sk-secret") };
            match Provider::new(endpoint, ProviderOptions::default(), Arc::new(Dice)) {
                Ok(provider) => {
                    assert_eq!(provider.base_url(), own_base_url(vendor));
                    assert!(!format!("{provider:?}").contains("sk-secret"));
                }
                // A system without roots is told so.
                Err(error) => assert!(matches!(error, LlmError::Unreachable { .. }), "{error:?}"),
            }
        }
    }

    #[test]
    fn loopback_is_recognised_in_all_its_spellings() {
        for (url, loopback) in [
            ("http://127.0.0.1:1/", true),
            ("http://127.8.8.8/", true),
            ("http://[::1]:80/", true),
            ("http://localhost/", true),
            ("http://localhost.example/", false),
            ("http://10.0.0.1/", false),
        ] {
            assert_eq!(is_loopback(&Url::parse(url).unwrap()), loopback, "{url}");
        }
    }
}
