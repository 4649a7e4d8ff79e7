//! Calls that are given up.

use crate::desk::{ask_until, patiently, provider, provider_with, request, server};
use futures_util::StreamExt;
use llm::{CancellationToken, Chunk, LanguageModel, LlmError, ProviderOptions};
use model::Vendor;
use scripted::{Ended, Exchange};
use std::time::Duration;

fn dropped(exchanges: &[Exchange]) -> bool {
    exchanges.last().is_some_and(|exchange| exchange.ended == Ended::Dropped)
}

#[tokio::test]
async fn cancelling_in_the_middle_ends_the_stream_and_closes_the_connection() {
    for vendor in Vendor::ALL {
        let server = server();
        let cancel = CancellationToken::new();
        let script = "[[say hello]] [[sleep 600000]] [[say never]]";
        let mut stream = provider(&server, vendor).stream(request(vendor, script), cancel.clone());
        let first = patiently(stream.next()).await;
        assert_eq!(first, Some(Ok(Chunk::Text("hello".into()))), "{vendor:?}");
        cancel.cancel();
        assert_eq!(patiently(stream.next()).await, Some(Err(LlmError::Canceled)), "{vendor:?}");
        assert_eq!(patiently(stream.next()).await, None, "{vendor:?}");
        drop(stream);
        patiently(server.until(dropped)).await;
    }
}

#[tokio::test]
async fn cancelling_before_the_answer_begins_ends_it_too() {
    for vendor in Vendor::ALL {
        let server = server();
        let cancel = CancellationToken::new();
        let provider = provider(&server, vendor);
        let call = ask_until(&provider, request(vendor, "[[hold 600000]]"), cancel.clone());
        let give_up = async {
            patiently(server.until(|exchanges| exchanges.len() == 1)).await;
            cancel.cancel();
        };
        let ((chunks, result), ()) = tokio::join!(call, give_up);
        assert_eq!((chunks, result), (vec![], Err(LlmError::Canceled)), "{vendor:?}");
        patiently(server.until(dropped)).await;
    }
}

#[tokio::test]
async fn cancelling_while_waiting_for_the_next_attempt_ends_it_too() {
    let server = server();
    let vendor = Vendor::Openai;
    let cancel = CancellationToken::new();
    // The real policy: the vendor's 7 seconds would be waited for.
    let provider = provider_with(&server, vendor, ProviderOptions::default());
    let mut stream = provider.stream(request(vendor, "[[error 429 7]]"), cancel.clone());
    let Some(Ok(Chunk::Retrying { attempt: 2, wait, .. })) = patiently(stream.next()).await else { panic!() };
    assert!(wait >= Duration::from_secs(7) && wait < Duration::from_secs(8), "{wait:?}");
    let (next, ()) = tokio::join!(stream.next(), async { cancel.cancel() });
    assert_eq!(next, Some(Err(LlmError::Canceled)));
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn a_call_that_is_canceled_already_sends_nothing() {
    let server = server();
    let cancel = CancellationToken::new();
    cancel.cancel();
    let provider = provider(&server, Vendor::Google);
    let (chunks, result) = ask_until(&provider, request(Vendor::Google, "[[say hi]]"), cancel).await;
    assert_eq!((chunks, result), (vec![], Err(LlmError::Canceled)));
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn dropping_the_stream_closes_the_connection() {
    for vendor in Vendor::ALL {
        let server = server();
        let script = "[[say hello]] [[sleep 600000]]";
        let mut stream = provider(&server, vendor).stream(request(vendor, script), CancellationToken::new());
        patiently(stream.next()).await.unwrap().unwrap();
        drop(stream);
        patiently(server.until(dropped)).await;
    }
}
