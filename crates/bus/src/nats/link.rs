//! The connection: a small runtime of its own, two streams, and bells. Everything above it is synchronous.
//!
//! Each workspace has a stream of notices and a bucket (a stream with one message per key, as `nats kv` shows it). What
//! is read is what the leader has: with replicas it is asked itself, since another may be behind. A request while the
//! connection is down waits a little for the reconnect and then fails; one that went out and got no answer fails too, and
//! whether it took effect is not known. Bells are rung by whoever has the server's acknowledgement in hand; after a
//! reconnect all ring, since some may have been missed.

use super::address::Address;
use super::bell::{Bell, Bells};
use super::fault::{self, Fault};
use super::reading::{self, Doc, Extent};
use super::streams::{Names, connect};
use crate::error::BusError;
use async_nats::Client;
use async_nats::connection::State;
use async_nats::jetstream::Context;
use async_nats::jetstream::message::{PublishMessage, StreamMessage};
use async_nats::jetstream::stream::Stream;
use futures_util::future::join_all;
use std::future::{Future, IntoFuture};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Runtime};

/// How long an operation waits for the connection to come back, and the first connection for an answer.
pub const CONNECT_WAIT_MAX: Duration = Duration::from_secs(3);
/// Longest time one request waits for its answer.
pub(crate) const REQUEST_MAX: Duration = Duration::from_secs(3);
/// Messages deleted at the same time.
const DELETED_AT_ONCE: usize = 64;

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
                return Err(fault::told(&address, fault));
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
        fault::told(&self.address, fault)
    }

    /// What became of a change that was asked for.
    pub(crate) fn undone(&self, fault: Fault) -> BusError {
        fault::unanswered(&self.address, fault)
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

    /// Asks, and once more when the answer was lost with the connection: to ask changes nothing.
    fn ask<T, F>(&self, work: impl Fn() -> F) -> Result<T, BusError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Fault>> + Send + 'static,
    {
        let answer = match self.run(work()) {
            Err(Fault::Lost(_)) => self.run(work()),
            answer => answer,
        };
        answer.map_err(|fault| self.told(fault))
    }

    /// The values of keys, in their order.
    pub(crate) fn get(&self, keys: &[String]) -> Result<Vec<Option<Doc>>, BusError> {
        let wanted: Vec<(String, String)> =
            keys.iter().map(|key| (key.clone(), format!("{}.{key}", self.names.keys))).collect();
        let mut all = Vec::with_capacity(wanted.len());
        // Each part has the time of a request of its own, so however many there are they come.
        for part in wanted.chunks(reading::PIPELINE) {
            all.extend(self.ask(|| reading::values(self.bucket.clone(), part.to_vec(), self.many()))?);
        }
        Ok(all)
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
        let filter = format!("{}.{prefix}.>", self.names.keys);
        let cut = self.names.keys.len() + 1;
        let keys = self.ask(|| reading::subjects(self.bucket.clone(), filter.clone(), cut))?;
        Ok(self.get(&keys)?.into_iter().flatten().collect())
    }

    /// Forgets keys with all they held.
    pub(crate) fn erase(&self, keys: &[String]) -> Result<(), BusError> {
        for part in keys.chunks(DELETED_AT_ONCE) {
            let bucket = self.bucket.clone();
            let subjects: Vec<String> = part.iter().map(|key| format!("{}.{key}", self.names.keys)).collect();
            let work = async move {
                let purges = subjects.into_iter().map(|subject| bucket.purge().filter(subject).into_future());
                for purged in join_all(purges).await {
                    purged.map_err(Fault::lost)?;
                }
                Ok(())
            };
            self.run(work).map_err(|fault| self.undone(fault))?;
        }
        Ok(())
    }

    pub(crate) fn extent(&self) -> Result<Extent, BusError> {
        self.extent_of(&self.notices)
    }

    pub(crate) fn bucket_extent(&self) -> Result<Extent, BusError> {
        self.extent_of(&self.bucket)
    }

    fn extent_of(&self, stream: &Stream) -> Result<Extent, BusError> {
        self.ask(|| reading::extent(stream.clone()))
    }

    /// The messages under these numbers; none for one that is gone.
    pub(crate) fn fetch(&self, numbers: &[u64]) -> Result<Vec<Option<StreamMessage>>, BusError> {
        self.ask(|| reading::messages(self.notices.clone(), numbers.to_vec()))
    }

    /// The number of the last message of a sender with a key, 0 when there is none.
    pub(crate) fn last_of(&self, subject: &str) -> Result<u64, BusError> {
        self.ask(|| {
            let (notices, subject, many) = (self.notices.clone(), subject.to_owned(), self.many());
            async move { Ok(reading::last(&notices, &subject, many).await?.map_or(0, |message| message.sequence)) }
        })
    }

    /// For each of these numbers the first message of the subject from there on; all in the time of one request.
    pub(crate) fn following(
        &self,
        subject: &str,
        starts: &[u64],
    ) -> Result<Vec<Option<StreamMessage>>, BusError> {
        self.ask(|| {
            reading::following_each(self.notices.clone(), subject.to_owned(), starts.to_vec(), self.many())
        })
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
            for part in numbers.chunks(DELETED_AT_ONCE) {
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

    /// Rings everywhere, soon. A ring that is lost costs time only.
    pub(crate) fn ring(&self, bell: Bell) {
        let (client, subject) = (self.client.clone(), format!("{}.{}", self.names.bells, bell.name()));
        if let Some(runtime) = &self.runtime {
            runtime.spawn(async move { client.publish(subject, Vec::new().into()).await });
        }
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
