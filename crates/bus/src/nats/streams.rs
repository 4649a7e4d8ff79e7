//! Connecting, and the two streams of a workspace: how they are called and set up, and that they are there.

use super::address::{Address, Login};
use super::bell::{Bell, Bells};
use super::fault::Fault;
use super::link::{CONNECT_WAIT_MAX, REQUEST_MAX};
use async_nats::jetstream::context::{CreateStreamErrorKind, GetStreamErrorKind};
use async_nats::jetstream::stream::{Config, StorageType, Stream};
use async_nats::jetstream::{self, Context, ErrorCode};
use async_nats::{Client, ConnectErrorKind, ConnectOptions, Event};
use futures_util::StreamExt as _;
use std::sync::Arc;
use std::time::Duration;

/// Longest pause between two attempts to reconnect.
const RECONNECT_PAUSE_MAX: Duration = Duration::from_secs(4);
/// How often it is tried to make a stream, and the pause between.
const MAKINGS_MAX: u32 = 5;
const MAKING_PAUSE: Duration = Duration::from_millis(50);

/// How everything of one workspace is called on the server.
#[derive(Debug, Clone)]
pub(crate) struct Names {
    pub(crate) notices: String,
    pub(crate) bucket: String,
    pub(crate) subjects: String,
    pub(crate) keys: String,
    pub(crate) bells: String,
}

impl Names {
    pub(crate) fn of(workspace: &str) -> Self {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        let literal = (1..=64).contains(&workspace.len()) && workspace.chars().all(plain);
        // A name that says it is a hash is hashed too, so that two workspaces never meet.
        let name = if literal && !workspace.starts_with("hash-") {
            workspace.to_owned()
        } else {
            format!("hash-{}", &blake3::hash(workspace.as_bytes()).to_hex()[..32])
        };
        Self {
            notices: format!("coditect_{name}_notices"),
            bucket: format!("KV_coditect_{name}"),
            subjects: format!("coditect.{name}.notices"),
            keys: format!("$KV.coditect_{name}"),
            bells: format!("coditect.{name}.bell"),
        }
    }

    /// Subject of what a sender publishes; those with a key have one of their own.
    pub(crate) fn subject(&self, sender: &str, keyed: bool) -> String {
        format!("{}.{sender}.{}", self.subjects, if keyed { "keyed" } else { "plain" })
    }
}

pub(crate) type Made = (Client, Context, Stream, Stream);

pub(crate) async fn connect(address: Address, names: Names, bells: Arc<Bells>) -> Result<Made, Fault> {
    let told = Arc::clone(&bells);
    let mut options = ConnectOptions::new()
        .name("coditect")
        .connection_timeout(CONNECT_WAIT_MAX)
        .request_timeout(Some(REQUEST_MAX))
        .max_reconnects(None)
        .reconnect_delay_callback(|attempts| {
            let exponent = u32::try_from(attempts).unwrap_or(u32::MAX).min(12);
            RECONNECT_PAUSE_MAX.min(Duration::from_millis(2u64.saturating_pow(exponent)))
        })
        .event_callback(move |event| {
            // Rings may have been missed while the connection was down.
            if event == Event::Connected {
                Bell::ALL.into_iter().for_each(|bell| told.ring(bell));
            }
            std::future::ready(())
        });
    options = match &address.login {
        Login::None => options,
        Login::Token(token) => options.token(token.clone()),
        Login::Password { user, password } => options.user_and_password(user.clone(), password.clone()),
    };
    if address.tls {
        options = options.tls_client_config(super::tls::config(address.roots.as_deref())?);
    }
    let client = options.connect(address.servers.clone()).await.map_err(|error| match error.kind() {
        ConnectErrorKind::Authentication | ConnectErrorKind::AuthorizationViolation => Fault::refused(error),
        ConnectErrorKind::Tls => Fault::refused(error),
        _ => Fault::Down(error.to_string()),
    })?;
    let mut rings = client.subscribe(format!("{}.*", names.bells)).await.map_err(Fault::lost)?;
    tokio::runtime::Handle::current().spawn(async move {
        // Ends with the runtime.
        while let Some(ring) = rings.next().await {
            for bell in Bell::ALL.into_iter().filter(|bell| ring.subject.ends_with(bell.name())) {
                bells.ring(bell);
            }
        }
    });
    let context = jetstream::new(client.clone());
    let notices = prepared(&context, notices_config(&names, address.replicas)).await?;
    let bucket = prepared(&context, bucket_config(&names, address.replicas)).await?;
    Ok((client, context, notices, bucket))
}

fn notices_config(names: &Names, replicas: usize) -> Config {
    Config {
        name: names.notices.clone(),
        description: Some("Notices of a coditect workspace".to_owned()),
        subjects: vec![format!("{}.>", names.subjects)],
        storage: StorageType::File,
        num_replicas: replicas,
        // The longest life of a notice and a day: what is over is cleared away long before, by `clear`.
        max_age: Duration::from_secs(u64::from(crate::NOTICE_TTL_MAX) + 24 * 3600),
        duplicate_window: Duration::from_secs(120),
        allow_direct: true,
        max_messages: -1,
        max_bytes: -1,
        max_consumers: -1,
        max_messages_per_subject: -1,
        ..Config::default()
    }
}

fn bucket_config(names: &Names, replicas: usize) -> Config {
    Config {
        name: names.bucket.clone(),
        description: Some("Registrations, locks and marks of a coditect workspace".to_owned()),
        subjects: vec![format!("{}.>", names.keys)],
        max_messages_per_subject: 1,
        allow_rollup: true,
        max_age: Duration::ZERO,
        ..notices_config(names, replicas)
    }
}

/// The stream, made when it is not there. One of ours that is there stays as it was made.
async fn prepared(context: &Context, config: Config) -> Result<Stream, Fault> {
    let mut made = Ok(());
    for _ in 0..MAKINGS_MAX {
        match context.get_stream(&config.name).await {
            Ok(stream) => {
                let known = &stream.cached_info().config;
                let fits = known.allow_direct
                    && known.subjects == config.subjects
                    && known.max_messages_per_subject == config.max_messages_per_subject;
                return if fits {
                    Ok(stream)
                } else {
                    Err(Fault::Refused(format!("the stream {} is not one of ours", config.name)))
                };
            }
            Err(error) => match error.kind() {
                GetStreamErrorKind::JetStream(error) if error.error_code() == ErrorCode::STREAM_NOT_FOUND => {
                }
                _ => return Err(Fault::Refused(format!("asking JetStream for {}: {error}", config.name))),
            },
        }
        made?;
        // Somebody else may make it at the same time: then it is there at the next look. And a server that has just
        // deleted its last stream may not be able to for a moment.
        made = match context.create_stream(config.clone()).await {
            Ok(_) => Ok(()),
            Err(error) => match error.kind() {
                CreateStreamErrorKind::JetStream(error)
                    if error.error_code() == ErrorCode::STREAM_NAME_EXIST =>
                {
                    Ok(())
                }
                CreateStreamErrorKind::JetStream(error) if error.error_code() == ErrorCode::STREAM_CREATE => {
                    tokio::time::sleep(MAKING_PAUSE).await;
                    Ok(())
                }
                _ => Err(Fault::Refused(format!("making the stream {}: {error}", config.name))),
            },
        };
    }
    Err(Fault::Refused(format!("the stream {} cannot be made", config.name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_workspace_may_be_called_anything() {
        assert_eq!(Names::of("my-team_1").notices, "coditect_my-team_1_notices");
        let odd =
            ["a.b", "a b", "ä", "", "hash-0", "a/b", &"x".repeat(65)].map(|name| Names::of(name).bucket);
        for (at, name) in odd.iter().enumerate() {
            assert!(name.starts_with("KV_coditect_hash-") && !odd[..at].contains(name), "{name}");
            assert!(name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-'), "{name}");
        }
    }
}
