//! What is asked of the two streams. With replicas the leader is asked itself, since another may be behind.

use super::fault::Fault;
use async_nats::jetstream::context::RequestErrorKind;
use async_nats::jetstream::message::StreamMessage;
use async_nats::jetstream::stream::{
    DirectGetError, DirectGetErrorKind, LastRawMessageErrorKind, RawMessageError, Stream,
};
use futures_util::StreamExt as _;
use futures_util::future::join_all;

/// Messages asked for at the same time.
pub(crate) const PIPELINE: usize = 64;

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

pub(crate) fn stamp(time: async_nats::datetime::DateTime) -> i64 {
    i64::try_from(time.unix_timestamp_nanos()).unwrap_or(0)
}

pub(crate) fn doc(key: String, message: &StreamMessage) -> Doc {
    Doc { key, value: message.payload.to_vec(), revision: message.sequence, stamp: stamped(message) }
}

/// When the server stored it, in ns since 1970.
pub(crate) fn stamped(message: &StreamMessage) -> i64 {
    stamp(message.time)
}

type Found = Result<Option<StreamMessage>, Fault>;

fn direct(found: Result<StreamMessage, DirectGetError>) -> Found {
    match found {
        Ok(message) => Ok(Some(message)),
        Err(error) => match error.kind() {
            DirectGetErrorKind::NotFound => Ok(None),
            DirectGetErrorKind::ErrorResponse(status, _) if status.as_u16() == 503 => Err(Fault::Missing),
            _ => Err(Fault::lost(error)),
        },
    }
}

fn raw(found: Result<StreamMessage, RawMessageError>) -> Found {
    match found {
        Ok(message) => Ok(Some(message)),
        Err(error) => match error.kind() {
            LastRawMessageErrorKind::NoMessageFound => Ok(None),
            LastRawMessageErrorKind::JetStream(error) if error.code() == 404 => Ok(None),
            _ => Err(Fault::lost(error)),
        },
    }
}

pub(crate) async fn last(stream: &Stream, subject: &str, leader: bool) -> Found {
    if leader {
        return raw(stream.get_last_raw_message_by_subject(subject).await);
    }
    direct(stream.direct_get_last_for_subject(subject).await)
}

pub(crate) async fn following(stream: &Stream, subject: &str, from: u64, leader: bool) -> Found {
    if leader {
        return raw(stream.raw_message_builder().sequence(from).next_by_subject(subject).send().await);
    }
    direct(stream.direct_get_next_for_subject(subject, Some(from)).await)
}

pub(crate) async fn numbered(stream: &Stream, number: u64) -> Found {
    match direct(stream.direct_get(number).await)? {
        Some(message) => Ok(Some(message)),
        // Gone, or the one who answered has not got it yet: the leader knows.
        None => raw(stream.get_raw_message(number).await),
    }
}

pub(crate) async fn values(
    bucket: Stream,
    wanted: Vec<(String, String)>,
    many: bool,
) -> Result<Vec<Option<Doc>>, Fault> {
    let mut all = Vec::with_capacity(wanted.len());
    for part in wanted.chunks(PIPELINE) {
        let found = join_all(part.iter().map(|(_, subject)| last(&bucket, subject, many))).await;
        for ((key, _), message) in part.iter().zip(found) {
            all.push(message?.map(|message| doc(key.clone(), &message)));
        }
    }
    Ok(all)
}

/// What is under a filter, cut to the keys.
pub(crate) async fn subjects(bucket: Stream, filter: String, cut: usize) -> Result<Vec<String>, Fault> {
    let mut subjects = bucket.info_with_subjects(filter).await.map_err(Fault::lost)?;
    let mut keys = Vec::new();
    while let Some(found) = subjects.next().await {
        let (subject, _) = found.map_err(Fault::lost)?;
        keys.extend(subject.get(cut..).map(str::to_owned));
    }
    keys.sort_unstable();
    Ok(keys)
}

pub(crate) async fn extent(stream: Stream) -> Result<Extent, Fault> {
    let info = stream.get_info().await.map_err(|error| {
        let told = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
        match error.kind() {
            RequestErrorKind::NoResponders => Fault::Missing,
            RequestErrorKind::Other if told.contains("error code 10059") => Fault::Missing,
            _ => Fault::lost(error),
        }
    })?;
    let (first, last) = (info.state.first_sequence, info.state.last_sequence);
    Ok(Extent { made: stamp(info.created), first, last })
}

pub(crate) async fn messages(
    notices: Stream,
    numbers: Vec<u64>,
) -> Result<Vec<Option<StreamMessage>>, Fault> {
    let mut all = Vec::with_capacity(numbers.len());
    for part in numbers.chunks(PIPELINE) {
        for found in join_all(part.iter().map(|number| numbered(&notices, *number))).await {
            all.push(found?);
        }
    }
    Ok(all)
}

/// For each of these numbers the first message of the subject from there on.
pub(crate) async fn following_each(
    notices: Stream,
    subject: String,
    starts: Vec<u64>,
    many: bool,
) -> Result<Vec<Option<StreamMessage>>, Fault> {
    let asked = starts.into_iter().map(|from| following(&notices, &subject, from, many));
    join_all(asked).await.into_iter().collect()
}
