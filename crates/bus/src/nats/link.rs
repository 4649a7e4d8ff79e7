//! The connection: a small runtime of its own, two streams, and bells. Everything above it is synchronous.
//!
//! Each workspace has a stream of notices and a bucket (a stream with one message per key, as `nats kv` shows it). What
//! is read is what the leader has: with replicas it is asked itself, since another may be behind. A request while the
//! connection is down waits a little for the reconnect and then fails; one that went out and got no answer fails too, and
//! whether it took effect is not known. Bells are rung by whoever has the server's acknowledgement in hand; after a
//! reconnect all ring, since some may have been missed.

use super::address::{Address, Login};
use crate::error::BusError;
use async_nats::connection::State;
use async_nats::jetstream::context::{
    CreateStreamErrorKind, GetStreamErrorKind, PublishError, PublishErrorKind, RequestErrorKind,
};
use async_nats::jetstream::message::{PublishMessage, StreamMessage};
use async_nats::jetstream::stream::{
    Config, DirectGetErrorKind, LastRawMessageErrorKind, StorageType, Stream,
};
use async_nats::jetstream::{self, Context, ErrorCode};
use async_nats::{Client, ConnectErrorKind, ConnectOptions, Event};
use futures_util::StreamExt as _;
use futures_util::future::join_all;
use std::future::Future;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Runtime};

/// How long an operation waits for the connection to come back, and the first connection for an answer.
pub const CONNECT_WAIT_MAX: Duration = Duration::from_secs(3);
/// Longest time one request waits for its answer.
const REQUEST_MAX: Duration = Duration::from_secs(5);
/// Longest pause between two attempts to reconnect.
const RECONNECT_PAUSE_MAX: Duration = Duration::from_secs(4);
/// How often it is tried to make a stream, and the pause between.
const MAKINGS_MAX: u32 = 5;
const MAKING_PAUSE: Duration = Duration::from_millis(50);
/// Messages asked for at the same time.
pub(crate) const PIPELINE: usize = 64;

/// Why a request did not do what it should.
#[derive(Debug)]
pub(crate) enum Fault {
    /// Somebody else changed it first.
    Overtaken,
    /// A stream is not there any more.
    Missing,
    /// More than the server takes in one message.
    TooLarge,
    /// The server's disk, or the account's share of it, is full.
    Full,
    /// The server does not let us, or cannot.
    Refused(String),
    /// There is no connection: nothing was sent.
    Down(String),
    /// It was sent, and no answer came.
    Lost(String),
}

impl Fault {
    fn lost(error: impl std::fmt::Display) -> Self {
        Self::Lost(error.to_string())
    }

    fn refused(error: impl std::fmt::Display) -> Self {
        Self::Refused(error.to_string())
    }
}

impl From<PublishError> for Fault {
    fn from(error: PublishError) -> Self {
        match error.kind() {
            PublishErrorKind::WrongLastSequence => Self::Overtaken,
            PublishErrorKind::StreamNotFound => Self::Missing,
            PublishErrorKind::MaxPayloadExceeded => Self::TooLarge,
            PublishErrorKind::Other => {
                // The server's own words are the cause of the library's error.
                let text =
                    std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string);
                let full = ["error code 10023", "error code 10047", "error code 10077", "maximum bytes"];
                if full.iter().any(|sign| text.contains(sign)) { Self::Full } else { Self::Refused(text) }
            }
            _ => Self::lost(error),
        }
    }
}

/// A value under a key.
#[derive(Debug, Clone)]
pub(crate) struct Doc {
    pub(crate) key: String,
    pub(crate) value: Vec<u8>,
    pub(crate) revision: u64,
    /// When the server stored it, in ns since 1970.
    pub(crate) stamp: i64,
}

/// Where a stream begins and ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Extent {
    /// When the stream was made, in ns since 1970: another one of the same name has another.
    pub(crate) made: i64,
    pub(crate) first: u64,
    pub(crate) last: u64,
}

/// What a bell is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bell {
    /// Something to read, or a registration came or went.
    Notices,
    /// Locks and their queue changed.
    Locks,
}

impl Bell {
    const ALL: [Self; 2] = [Self::Notices, Self::Locks];

    const fn name(self) -> &'static str {
        match self {
            Self::Notices => "notices",
            Self::Locks => "locks",
        }
    }
}

/// Counts rings of each bell, and wakes who waits.
#[derive(Debug, Default)]
pub(crate) struct Bells {
    rings: Mutex<[u64; 2]>,
    rung: Condvar,
}

impl Bells {
    /// Ask before looking: a ring after this ends the wait.
    pub(crate) fn count(&self, bell: Bell) -> u64 {
        self.rings.lock().unwrap_or_else(PoisonError::into_inner)[bell as usize]
    }

    pub(crate) fn wait(&self, bell: Bell, seen: u64, timeout: Duration) {
        let rings = self.rings.lock().unwrap_or_else(PoisonError::into_inner);
        let quiet = |rings: &mut [u64; 2]| rings[bell as usize] == seen;
        drop(self.rung.wait_timeout_while(rings, timeout, quiet).unwrap_or_else(PoisonError::into_inner));
    }

    fn ring(&self, bell: Bell) {
        self.rings.lock().unwrap_or_else(PoisonError::into_inner)[bell as usize] += 1;
        self.rung.notify_all();
    }
}

/// How everything of one workspace is called on the server.
#[derive(Debug, Clone)]
pub(crate) struct Names {
    notices: String,
    bucket: String,
    subjects: String,
    keys: String,
    bells: String,
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

pub(crate) struct Link {
    runtime: Option<Runtime>,
    client: Client,
    context: Context,
    notices: Stream,
    bucket: Stream,
    pub(crate) names: Names,
    pub(crate) bells: Arc<Bells>,
    address: Address,
}

impl Link {
    pub(crate) fn open(address: Address, workspace: &str) -> Result<Self, BusError> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("bus-nats")
            .enable_io()
            .enable_time()
            .build()
            .map_err(BusError::io("starting the thread of the NATS connection"))?;
        let (names, bells) = (Names::of(workspace), Arc::<Bells>::default());
        let made =
            on(&runtime, connect(address.clone(), names.clone(), Arc::clone(&bells)), CONNECT_WAIT_MAX * 3);
        let (client, context, notices, bucket) = match made {
            Ok(made) => made,
            Err(fault) => {
                runtime.shutdown_background();
                return Err(told(&address, fault));
            }
        };
        Ok(Self { runtime: Some(runtime), client, context, notices, bucket, names, bells, address })
    }

    /// Most bytes the server takes in one message, headers included.
    pub(crate) fn payload_max(&self) -> usize {
        self.client.max_payload()
    }

    /// With replicas another one than the leader may be behind.
    fn many(&self) -> bool {
        self.bucket.cached_info().config.num_replicas > 1
    }

    pub(crate) fn told(&self, fault: Fault) -> BusError {
        told(&self.address, fault)
    }

    /// What became of a change that was asked for.
    pub(crate) fn undone(&self, fault: Fault) -> BusError {
        unanswered(&self.address, fault)
    }

    fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, Fault>> + Send + 'static,
    ) -> Result<T, Fault> {
        let deadline = Instant::now() + CONNECT_WAIT_MAX;
        while self.client.connection_state() != State::Connected {
            if Instant::now() >= deadline {
                return Err(Fault::Down(
                    "the connection is down, and comes back when the server does".to_owned(),
                ));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        match &self.runtime {
            Some(runtime) => on(runtime, work, REQUEST_MAX * 2),
            None => Err(Fault::Down("the connection is closed".to_owned())),
        }
    }

    /// The values of keys, in their order.
    pub(crate) fn get(&self, keys: &[String]) -> Result<Vec<Option<Doc>>, BusError> {
        let (bucket, many) = (self.bucket.clone(), self.many());
        let wanted: Vec<(String, String)> =
            keys.iter().map(|key| (key.clone(), format!("{}.{key}", self.names.keys))).collect();
        let work = async move {
            let mut all = Vec::with_capacity(wanted.len());
            for part in wanted.chunks(PIPELINE) {
                let found = join_all(part.iter().map(|(_, subject)| last(&bucket, subject, many))).await;
                for ((key, _), message) in part.iter().zip(found) {
                    all.push(message?.map(|message| doc(key.clone(), &message)));
                }
            }
            Ok(all)
        };
        self.run(work).map_err(|fault| self.told(fault))
    }

    pub(crate) fn get_one(&self, key: &str) -> Result<Option<Doc>, BusError> {
        Ok(self.get(&[key.to_owned()])?.pop().flatten())
    }

    /// Stores a value if the key's revision is still this one (0: there is none), and returns the new one.
    pub(crate) fn put(&self, key: &str, value: Vec<u8>, revision: u64) -> Result<u64, Fault> {
        let subject = format!("{}.{key}", self.names.keys);
        let message = PublishMessage::build().payload(value.into()).expected_last_subject_sequence(revision);
        let context = self.context.clone();
        self.run(async move { Ok(context.send_publish(subject, message).await?.await?.sequence) })
    }

    /// Stores a value whatever was there.
    pub(crate) fn set(&self, key: &str, value: Vec<u8>) -> Result<u64, BusError> {
        let subject = format!("{}.{key}", self.names.keys);
        let context = self.context.clone();
        let work = async move { Ok(context.publish(subject, value.into()).await?.await?.sequence) };
        self.run(work).map_err(|fault| self.undone(fault))
    }

    /// Every value whose key begins with this and a dot.
    pub(crate) fn list(&self, prefix: &str) -> Result<Vec<Doc>, BusError> {
        let bucket = self.bucket.clone();
        let filter = format!("{}.{prefix}.>", self.names.keys);
        let cut = self.names.keys.len() + 1;
        let work = async move {
            let mut subjects = bucket.info_with_subjects(filter).await.map_err(Fault::lost)?;
            let mut keys = Vec::new();
            while let Some(found) = subjects.next().await {
                let (subject, _) = found.map_err(Fault::lost)?;
                keys.extend(subject.get(cut..).map(str::to_owned));
            }
            keys.sort_unstable();
            Ok(keys)
        };
        let keys = self.run(work).map_err(|fault| self.told(fault))?;
        Ok(self.get(&keys)?.into_iter().flatten().collect())
    }

    /// Forgets keys with all they held.
    pub(crate) fn erase(&self, keys: &[String]) -> Result<(), BusError> {
        let bucket = self.bucket.clone();
        let subjects: Vec<String> = keys.iter().map(|key| format!("{}.{key}", self.names.keys)).collect();
        let work = async move {
            for subject in subjects {
                bucket.purge().filter(subject).await.map_err(Fault::lost)?;
            }
            Ok(())
        };
        self.run(work).map_err(|fault| self.undone(fault))
    }

    pub(crate) fn extent(&self) -> Result<Extent, BusError> {
        self.extent_of(&self.notices)
    }

    pub(crate) fn bucket_extent(&self) -> Result<Extent, BusError> {
        self.extent_of(&self.bucket)
    }

    fn extent_of(&self, stream: &Stream) -> Result<Extent, BusError> {
        let stream = stream.clone();
        let work = async move {
            let info = stream.get_info().await.map_err(|error| match error.kind() {
                RequestErrorKind::NoResponders => Fault::Missing,
                _ if format!("{error:?}").contains("10059") => Fault::Missing,
                _ => Fault::lost(error),
            })?;
            let (first, last) = (info.state.first_sequence, info.state.last_sequence);
            Ok(Extent { made: stamp(info.created), first, last })
        };
        self.run(work).map_err(|fault| self.told(fault))
    }

    /// The messages under these numbers; none for one that is gone.
    pub(crate) fn fetch(&self, numbers: &[u64]) -> Result<Vec<Option<StreamMessage>>, BusError> {
        let (notices, numbers) = (self.notices.clone(), numbers.to_vec());
        let work = async move {
            let mut all = Vec::with_capacity(numbers.len());
            for part in numbers.chunks(PIPELINE) {
                for found in join_all(part.iter().map(|number| numbered(&notices, *number))).await {
                    all.push(found?);
                }
            }
            Ok(all)
        };
        self.run(work).map_err(|fault| self.told(fault))
    }

    /// The number of the last message of a sender with a key, 0 when there is none.
    pub(crate) fn last_of(&self, subject: &str) -> Result<u64, BusError> {
        let (notices, subject, many) = (self.notices.clone(), subject.to_owned(), self.many());
        let work =
            async move { Ok(last(&notices, &subject, many).await?.map_or(0, |message| message.sequence)) };
        self.run(work).map_err(|fault| self.told(fault))
    }

    /// The messages of one subject from a number on.
    pub(crate) fn on_subject(&self, subject: &str, from: u64) -> Result<Vec<StreamMessage>, BusError> {
        let (notices, subject, many) = (self.notices.clone(), subject.to_owned(), self.many());
        let work = async move {
            let (mut next, mut all) = (from, Vec::new());
            while let Some(message) = following(&notices, &subject, next, many).await? {
                next = message.sequence + 1;
                all.push(message);
            }
            Ok(all)
        };
        self.run(work).map_err(|fault| self.told(fault))
    }

    /// Publishes a message and rings once the server has it. `id` makes a second try the same message; `after` is the
    /// number the subject's last message must still have.
    pub(crate) fn publish(
        &self,
        subject: &str,
        id: &str,
        body: Vec<u8>,
        after: Option<u64>,
    ) -> Result<u64, Fault> {
        let mut message = PublishMessage::build().payload(body.into()).message_id(id);
        if let Some(after) = after {
            message = message.expected_last_subject_sequence(after);
        }
        let (context, client) = (self.context.clone(), self.client.clone());
        let (subject, bell) = (subject.to_owned(), format!("{}.{}", self.names.bells, Bell::Notices.name()));
        self.run(async move {
            let stored = context.send_publish(subject, message).await?.await?;
            // What was stored is found by the safety poll too.
            let _ = client.publish(bell, Vec::new().into()).await;
            Ok(stored.sequence)
        })
    }

    /// Deletes messages; one that is gone already is no error.
    pub(crate) fn delete(&self, numbers: &[u64]) -> Result<(), BusError> {
        let (notices, numbers) = (self.notices.clone(), numbers.to_vec());
        let work = async move {
            for part in numbers.chunks(PIPELINE) {
                for deleted in join_all(part.iter().map(|number| notices.delete_message(*number))).await {
                    use async_nats::jetstream::stream::DeleteMessageErrorKind::JetStream;
                    match deleted {
                        Ok(_) => {}
                        Err(error) if matches!(error.kind(), JetStream(_)) => {}
                        Err(error) => return Err(Fault::lost(error)),
                    }
                }
            }
            Ok(())
        };
        self.run(work).map_err(|fault| self.undone(fault))
    }

    /// Rings everywhere. A ring that is lost costs time only.
    pub(crate) fn ring(&self, bell: Bell) {
        let (client, subject) = (self.client.clone(), format!("{}.{}", self.names.bells, bell.name()));
        let _ =
            self.run(async move { client.publish(subject, Vec::new().into()).await.map_err(Fault::lost) });
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // What was only handed to the connection, such as a ring, still goes out.
            let client = self.client.clone();
            let _ = on(
                &runtime,
                async move { client.flush().await.map_err(Fault::lost) },
                Duration::from_millis(200),
            );
            // Whoever drops it may be a thread of another runtime, which must not wait.
            runtime.shutdown_background();
        }
    }
}

/// Runs on the backend's own thread while this one waits; so it works on any thread.
fn on<T: Send + 'static>(
    runtime: &Runtime,
    work: impl Future<Output = Result<T, Fault>> + Send + 'static,
    patience: Duration,
) -> Result<T, Fault> {
    let (done, outcome) = std::sync::mpsc::sync_channel(1);
    runtime.spawn(async move {
        // Who asked may have lost patience.
        let _ = done.send(work.await);
    });
    outcome.recv_timeout(patience).unwrap_or_else(|_| Err(Fault::Lost("no answer".to_owned())))
}

fn told(address: &Address, fault: Fault) -> BusError {
    let refused = |detail: String| BusError::Refused { backend: "nats", detail };
    match fault {
        Fault::Full => BusError::Full,
        Fault::Overtaken => BusError::Busy(crate::WRITE_WAIT_MAX),
        Fault::Missing => refused("the streams of this workspace are gone; open the bus again".to_owned()),
        Fault::TooLarge => refused("a message is larger than the server takes (max_payload)".to_owned()),
        Fault::Refused(detail) => refused(address.scrub(&detail)),
        Fault::Down(detail) | Fault::Lost(detail) => {
            BusError::Unreachable { backend: "nats", detail: address.scrub(&detail) }
        }
    }
}

/// For a request that changes something: sent and not answered, it may have.
fn unanswered(address: &Address, fault: Fault) -> BusError {
    match fault {
        Fault::Lost(_) => BusError::Unanswered { backend: "nats" },
        fault => told(address, fault),
    }
}

type Made = (Client, Context, Stream, Stream);

async fn connect(address: Address, names: Names, bells: Arc<Bells>) -> Result<Made, Fault> {
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

fn stamp(time: async_nats::datetime::DateTime) -> i64 {
    i64::try_from(time.unix_timestamp_nanos()).unwrap_or(0)
}

fn doc(key: String, message: &StreamMessage) -> Doc {
    Doc { key, value: message.payload.to_vec(), revision: message.sequence, stamp: stamped(message) }
}

/// When the server stored it, in ns since 1970.
pub(crate) fn stamped(message: &StreamMessage) -> i64 {
    stamp(message.time)
}

type Found = Result<Option<StreamMessage>, Fault>;

fn direct(found: Result<StreamMessage, async_nats::jetstream::stream::DirectGetError>) -> Found {
    match found {
        Ok(message) => Ok(Some(message)),
        Err(error) => match error.kind() {
            DirectGetErrorKind::NotFound => Ok(None),
            DirectGetErrorKind::ErrorResponse(status, _) if status.as_u16() == 503 => Err(Fault::Missing),
            _ => Err(Fault::lost(error)),
        },
    }
}

fn raw(found: Result<StreamMessage, async_nats::jetstream::stream::RawMessageError>) -> Found {
    match found {
        Ok(message) => Ok(Some(message)),
        Err(error) => match error.kind() {
            LastRawMessageErrorKind::NoMessageFound => Ok(None),
            LastRawMessageErrorKind::JetStream(error) if error.code() == 404 => Ok(None),
            _ => Err(Fault::lost(error)),
        },
    }
}

async fn last(stream: &Stream, subject: &str, leader: bool) -> Found {
    if leader {
        return raw(stream.get_last_raw_message_by_subject(subject).await);
    }
    direct(stream.direct_get_last_for_subject(subject).await)
}

async fn following(stream: &Stream, subject: &str, from: u64, leader: bool) -> Found {
    if leader {
        return raw(stream.raw_message_builder().sequence(from).next_by_subject(subject).send().await);
    }
    direct(stream.direct_get_next_for_subject(subject, Some(from)).await)
}

async fn numbered(stream: &Stream, number: u64) -> Found {
    match direct(stream.direct_get(number).await)? {
        Some(message) => Ok(Some(message)),
        // Gone, or the one who answered has not got it yet: the leader knows.
        None => raw(stream.get_raw_message(number).await),
    }
}
