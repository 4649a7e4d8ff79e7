//! A client that writes down what it was answered, and a watcher that shoots.

use super::stage::{Record, Stage};
use client::ClientError;
use model::Event;
use protocol::{NewLock, NewNotice, NewSession};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long a sniper waits for its mark.
const AIM: Duration = Duration::from_secs(10);

/// Asks for one thing after the other, each under a name that is found again in the journal.
pub(super) struct Clerk {
    log: File,
    asked: u64,
    /// Name of the thing and kind of the event that was promised.
    answers: Vec<(String, &'static str)>,
}

impl Clerk {
    pub(super) fn new(stage: &Stage) -> Self {
        Self { log: File::create(stage.path("answers")).unwrap(), asked: 0, answers: Vec::new() }
    }

    pub(super) fn answered(&self) -> usize {
        self.answers.len()
    }

    pub(super) fn next_key(&self) -> String {
        format!("clerk-{}-end", self.asked + 1)
    }

    fn key(&mut self) -> String {
        let key = self.next_key();
        self.asked += 1;
        key
    }

    /// Asks until the daemon does not answer any more.
    pub(super) async fn work(&mut self, stage: &Stage) {
        loop {
            let answered = match self.asked % 3 {
                0 => self.create_session(stage).await,
                1 => self.publish(stage).await,
                _ => self.lock(stage).await,
            };
            if !answered {
                return;
            }
        }
    }

    pub(super) async fn create_session(&mut self, stage: &Stage) -> bool {
        let key = self.key();
        let agents = vec!["claude".parse().unwrap()];
        let new = NewSession { title: key.clone(), repo: None, agents, board: None, parent: None };
        let answer = stage.client().create_session(&new, Some(&key)).await;
        self.note(key, "session.created", answer)
    }

    async fn publish(&mut self, stage: &Stage) -> bool {
        let key = self.key();
        let payload = serde_json::json!({ "key": key });
        let new =
            NewNotice { channel: "clerk".parse().unwrap(), recipient: None, payload, ttl_seconds: Some(3600) };
        let answer = stage.client().publish_notice(&new, Some(&key)).await;
        self.note(key, "notice.published", answer)
    }

    async fn lock(&mut self, stage: &Stage) -> bool {
        let key = self.key();
        let new = NewLock {
            repo: stage.repo(),
            paths: vec![key.clone()],
            mode: model::LockMode::Exclusive,
            ttl_seconds: 3600,
        };
        let answer = stage.client().acquire_locks(&new, Some(&key)).await;
        self.note(key, "lock.changed", answer)
    }

    /// Keeps an answer, durably, before it counts as one.
    fn note<T>(&mut self, key: String, kind: &'static str, answer: Result<T, ClientError>) -> bool {
        match answer {
            Ok(_) => {
                writeln!(self.log, "{key} {kind}").unwrap();
                self.log.sync_data().unwrap();
                self.answers.push((key, kind));
                true
            }
            Err(error) => {
                let unreachable = matches!(error, ClientError::NotRunning { .. } | ClientError::Unreachable { .. });
                assert!(unreachable, "refused: {} {error}", error.code());
                false
            }
        }
    }

    /// Every answer is in the journal. What the bus was asked for gets there by its outbox, soon.
    pub(super) async fn check(&self, stage: &Stage, events: &[Record]) {
        let missing = |events: &[Record]| {
            let kept: Vec<(&str, String)> = events
                .iter()
                .filter(|record| matches!(record.event, Event::SessionCreated(_) | Event::NoticePublished(_) | Event::LockChanged(_)))
                .map(|record| (record.event.kind(), serde_json::to_string(&record.event).unwrap()))
                .collect();
            let there = |key: &str, kind: &str| kept.iter().any(|(of, text)| *of == kind && text.contains(&format!("\"{key}\"")));
            self.answers.iter().filter(|(key, kind)| !there(key, kind)).cloned().collect::<Vec<_>>()
        };
        if missing(events).is_empty() {
            return;
        }
        stage.until("every answer is in the journal", || async { missing(&stage.events().await).is_empty() }).await;
    }
}

/// Watches the journal for a name and kills the daemon at once when it appears.
pub(super) struct Sniper {
    thread: JoinHandle<bool>,
}

impl Sniper {
    pub(super) fn aim(stage: &Stage, key: &str) -> Self {
        let (journal, pid, mark) = (stage.journal(), stage.pid(), key.to_owned().into_bytes());
        let armed = Arc::new(AtomicBool::new(false));
        let ready = Arc::clone(&armed);
        let thread = std::thread::spawn(move || watch(journal, pid, &mark, &ready));
        while !armed.load(Ordering::Acquire) {
            std::thread::yield_now();
        }
        Self { thread }
    }

    /// True when it shot.
    pub(super) fn join(self) -> bool {
        self.thread.join().unwrap()
    }
}

fn watch(journal: PathBuf, pid: u32, mark: &[u8], ready: &AtomicBool) -> bool {
    let newest = || {
        let segments = std::fs::read_dir(&journal).unwrap().flatten().map(|entry| entry.path());
        segments.filter(|path| path.extension().is_some_and(|end| end == "jsonl")).max().unwrap()
    };
    let mut segment = File::open(newest()).unwrap();
    segment.seek(SeekFrom::End(0)).unwrap();
    ready.store(true, Ordering::Release);
    let deadline = Instant::now() + AIM;
    let mut seen = Vec::new();
    while Instant::now() < deadline {
        if segment.read_to_end(&mut seen).unwrap() > 0 && seen.windows(mark.len()).any(|window| window == mark) {
            super::stage::shoot(pid);
            return true;
        }
    }
    false
}
