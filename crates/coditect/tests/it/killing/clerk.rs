//! A client that writes down what it was answered, and a watcher that shoots.

use super::stage::{Record, Stage};
use client::ClientError;
use model::{Event, LockMode, LockPhase};
use protocol::{NewLock, NewNotice, NewPrompt, NewSession};
use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long a sniper waits for its mark.
const AIM: Duration = Duration::from_secs(10);
/// One in so many requests is a prompt, which starts processes.
const PROMPT_EVERY: u64 = 32;

/// Asks for one thing after the other, each under a name that is found again in the journal.
pub(super) struct Clerk {
    log: File,
    asked: u64,
    /// Name of the thing and kind of the event that was promised.
    answers: Vec<(String, &'static str)>,
    /// The session that was made last.
    session: Option<String>,
    /// A session that was asked for and not answered: it may be there or not.
    unanswered: Option<String>,
}

impl Clerk {
    pub(super) fn new(stage: &Stage) -> Self {
        let log = File::create(stage.path("answers")).unwrap();
        Self { log, asked: 0, answers: Vec::new(), session: None, unanswered: None }
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
            let answered = match self.asked % PROMPT_EVERY {
                0 => self.prompt(stage).await,
                n if n % 3 == 0 => self.create_session(stage).await,
                n if n % 3 == 1 => self.publish(stage).await,
                _ => self.lock(stage).await,
            };
            if !answered {
                return;
            }
        }
    }

    pub(super) async fn create_session(&mut self, stage: &Stage) -> bool {
        let key = self.key();
        self.ask_for_session(stage, key).await
    }

    async fn ask_for_session(&mut self, stage: &Stage, key: String) -> bool {
        let agents = vec!["claude".parse().unwrap()];
        let new = NewSession { title: key.clone(), repo: None, agents, board: None, parent: None };
        let answer = stage.client().create_session(&new, Some(&key)).await;
        match &answer {
            Ok(session) => self.session = Some(session.id.to_string()),
            Err(_) => self.unanswered = Some(key.clone()),
        }
        self.note(key, "session.created", answer)
    }

    /// What was asked for last and not answered is asked for again, under the same key: it is done once,
    /// whether it was done the first time or not.
    pub(super) async fn ask_again(&mut self, stage: &Stage) {
        if let Some(key) = self.unanswered.take() {
            assert!(self.ask_for_session(stage, key).await, "the daemon lives");
        }
    }

    async fn prompt(&mut self, stage: &Stage) -> bool {
        let Some(session) = self.session.clone() else { return self.create_session(stage).await };
        let key = self.key();
        let text = format!("[[say {key}]]");
        let new = NewPrompt { text, ..NewPrompt::default() };
        let answer = stage.client().prompt(&session, &new, Some(&key)).await;
        self.note(key, "task.submitted", answer)
    }

    async fn publish(&mut self, stage: &Stage) -> bool {
        let key = self.key();
        let payload = serde_json::json!({ "key": key });
        let channel = "clerk".parse().unwrap();
        let new = NewNotice { ttl_seconds: Some(3600), ..NewNotice::new(channel, payload) };
        let answer = stage.client().publish_notice(&new, Some(&key)).await;
        self.note(key, "notice.published", answer)
    }

    async fn lock(&mut self, stage: &Stage) -> bool {
        let key = self.key();
        let new = NewLock {
            repo: stage.repo(),
            paths: vec![key.clone()],
            mode: LockMode::Exclusive,
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
                let unreachable =
                    matches!(error, ClientError::NotRunning { .. } | ClientError::Unreachable { .. });
                assert!(unreachable, "refused: {} {error}", error.code());
                false
            }
        }
    }

    /// Every answer is in the journal, once. What the bus was asked for gets there by its outbox, soon.
    pub(super) async fn check(&self, stage: &Stage, events: &[Record]) {
        let twice = self.kept(events).into_iter().find(|(_, times)| *times > 1);
        assert!(twice.is_none(), "done more than once: {twice:?}");
        if self.kept(events).iter().all(|(_, times)| *times == 1) {
            return;
        }
        let all = || async { self.kept(&stage.events().await).iter().all(|(_, times)| *times == 1) };
        stage.until("every answer is in the journal", all).await;
    }

    /// How often each answer is in the journal.
    fn kept(&self, events: &[Record]) -> Vec<(&str, usize)> {
        let mut times: HashMap<(&str, &str), usize> = HashMap::new();
        for record in events {
            let (kind, name) = match &record.event {
                Event::SessionCreated(session) => ("session.created", session.title.as_str()),
                Event::TaskSubmitted(task) => {
                    ("task.submitted", task.prompt.trim_start_matches("[[say ").trim_end_matches("]]"))
                }
                Event::LockChanged(change) if change.phase == LockPhase::Acquired => {
                    ("lock.changed", change.path.as_str())
                }
                Event::NoticePublished(notice) => {
                    ("notice.published", notice.payload["key"].as_str().unwrap_or_default())
                }
                _ => continue,
            };
            *times.entry((kind, name)).or_default() += 1;
        }
        let of = |(key, kind): &'_ (String, &'static str)| times.get(&(*kind, key.as_str())).copied();
        self.answers.iter().map(|answer| (answer.0.as_str(), of(answer).unwrap_or(0))).collect()
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
        if segment.read_to_end(&mut seen).unwrap() > 0
            && seen.windows(mark.len()).any(|window| window == mark)
        {
            super::stage::shoot(pid);
            return true;
        }
    }
    false
}
