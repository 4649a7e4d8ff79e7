//! A whole turn over the WebSocket, from the prompt to the news that its task is done: in a session of a thousand messages, and in
//! turns in one of a million.
//!
//! Daemon, guard and native loop are the real binary; the model is scripted and answers at once.

use super::{corpus, daemon, deed};
use crate::rest::rest;
use crate::row::Row;
use crate::sample::Samples;
use crate::{Order, say, scratch, tell};
use bus::system::SystemEntropy;
use client::{Client, EventStream, Options, StreamItem};
use model::{DataRoot, SessionId, Vendor};
use protocol::NewPrompt;
use protocol::ws::{Feed, ServerMessage, Subscription};
use scripted::{Scripted, ScriptedOptions};
use serde_json::json;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

const FEW: usize = 1_000;
const MANY: usize = 1_000_000;
const MANY_QUICK: usize = 20_000;
/// How much longer a turn in the long session may take.
const RATIO_MOST: f64 = 1.5;
const KEY: &str = "CODITECT_BENCH_KEY";
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) fn bench(order: &Order, folder: &Path) -> Result<(), String> {
    let many = if order.quick { MANY_QUICK } else { MANY };
    let begun = Instant::now();
    let (short, long) = corpus::conversations(folder, FEW, many)?;
    say(&format!("core: {many} messages written in {:.0} s", begun.elapsed().as_secs_f64()));
    let models = Scripted::start(ScriptedOptions::default()).map_err(|error| error.to_string())?;
    let agent = json!({"vendor": "anthropic", "driver": "native", "model": "a-model", "permissions": "all",
        "base_url": models.base_url(Vendor::Anthropic), "api_key_env": KEY});
    let config = json!({"agents": {"claude": agent}, "titles": "words"});
    let root = DataRoot::new(folder);
    std::fs::write(root.config(), config.to_string()).map_err(|error| error.to_string())?;
    // The first start folds the databases, for which the second one does not wait.
    folded(folder)?;
    let served = daemon::serve_with(order, folder, &[(KEY, "a-key-of-no-value")])?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let count = if order.quick { 30 } else { 200 };
    let (few, much) = runtime.block_on(async {
        let (client, _) = Client::connect(Options::user(root, Arc::new(SystemEntropy)))
            .await
            .map_err(|error| error.to_string())?;
        measure(&client, short, long, count).await
    })?;
    served.stop();
    let note = format!("{} turns each; load {}", few.len(), scratch::load());
    for (stat, share) in [("p50", 0.5), ("p95", 0.95)] {
        let (with, without) = (much.millis(share), few.millis(share));
        let row = Row::new("core", "turn", "ms", stat, with).peer(&format!("{FEW}_messages"), Some(without));
        tell(&row.note(&format!("{many} messages before; {note}")));
        let ratio = Row::new("core", "turn", "ratio", stat, with / without);
        tell(&if stat == "p95" { ratio.at_most(RATIO_MOST) } else { ratio });
    }
    Ok(())
}

fn folded(root: &Path) -> Result<(), String> {
    let workspace = corpus::workspace(root)?;
    let (clock, entropy) = (Arc::new(bus::system::SystemClock), Arc::new(SystemEntropy));
    let opened = store::Store::open(&workspace, clock, entropy, store::StoreOptions::default());
    let (store, _) = opened.map_err(|error| error.to_string())?;
    // The archive follows behind.
    rest(deed::REST_MOST);
    store.close();
    Ok(())
}

async fn measure(
    client: &Client,
    short: SessionId,
    long: SessionId,
    count: usize,
) -> Result<(Samples, Samples), String> {
    say(&format!("core: {count} turns in each of two sessions"));
    let mut short = Talk::open(client, short).await?;
    let mut long = Talk::open(client, long).await?;
    let (mut few, mut much) = (Samples::default(), Samples::default());
    for turn in 0..=count {
        // Whoever goes second finds the disk busy with the first one's end: so they take turns in that too.
        let mut pair = [(&mut short, &mut few), (&mut long, &mut much)];
        if turn % 2 == 1 {
            pair.reverse();
        }
        for (talk, samples) in pair {
            let took = talk.turn(client).await?;
            // The first one of each warms everything up.
            if turn > 0 {
                samples.add(took);
            }
        }
    }
    Ok((few, much))
}

/// A session, and whoever watches it.
struct Talk {
    session: String,
    events: EventStream,
}

impl Talk {
    async fn open(client: &Client, session: SessionId) -> Result<Self, String> {
        let session = session.to_string();
        let wish = Subscription {
            session: Some(session.clone()),
            feeds: vec![Feed::Events],
            ..Subscription::default()
        };
        Ok(Self { session, events: client.watch(wish, Some(PATIENCE)) })
    }

    /// Prompts, and waits for the news that the task is done.
    async fn turn(&mut self, client: &Client) -> Result<Duration, String> {
        let prompt = NewPrompt { text: "[[say All leases are renewed.]]".to_owned(), ..NewPrompt::default() };
        let begun = Instant::now();
        let task = client.prompt(&self.session, &prompt, None).await.map_err(|error| error.to_string())?;
        let of = task.id.to_string();
        let done = async {
            loop {
                let item = self.events.next().await.map_err(|error| error.to_string())?;
                let StreamItem::Message(message) = item else { continue };
                let ServerMessage::Event(event) = *message else { continue };
                if event.payload["task"].as_str() != Some(of.as_str()) {
                    continue;
                }
                match event.kind.as_str() {
                    "task.completed" => return Ok(()),
                    "task.failed" | "task.rejected" | "task.canceled" => {
                        return Err(format!("{}: {}", event.kind, event.payload));
                    }
                    _ => {}
                }
            }
        };
        tokio::time::timeout(PATIENCE, done).await.map_err(|_| "the turn did not end".to_owned())??;
        Ok(begun.elapsed())
    }
}
