//! How a turn of Kimi Code really ended. Over its protocol a turn that failed at the model ends like one that went well; what it came
//! to stands in the transcript that Kimi keeps of the session.
//!
//! Invariant: only what was written after the turn began counts, and only the end of the file is read.

use serde::Deserialize;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// As much of the transcript's end is read, in bytes. Its last lines are short.
const TAIL_MAX: u64 = 256 * 1024;
/// How long the transcript may take to say the end; it says it within a tenth of that.
const PATIENCE: Duration = Duration::from_secs(1);
const PAUSE: Duration = Duration::from_millis(20);

/// The transcript of a session, and how long it was when the turn began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mark {
    sessions: PathBuf,
    session: String,
    length: u64,
}

/// What a turn came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum End {
    Well,
    Failed { status: Option<i64>, message: String },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    #[serde(rename = "type")]
    kind: String,
    agent_id: Option<String>,
    reason: Option<String>,
    error: Option<Error>,
}

#[derive(Deserialize)]
struct Error {
    message: Option<String>,
    details: Option<Details>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Details {
    status_code: Option<i64>,
}

impl Mark {
    /// `sessions` is Kimi's folder of that name.
    pub(crate) fn now(sessions: &Path, session: &str) -> Self {
        let mut mark = Self { sessions: sessions.to_owned(), session: session.to_owned(), length: 0 };
        let length = |path: PathBuf| std::fs::metadata(path).map_or(0, |meta| meta.len());
        mark.length = mark.transcript().map_or(0, length);
        mark
    }

    fn transcript(&self) -> Option<PathBuf> {
        // It is one folder's name.
        if self.session.is_empty() || self.session.contains(['/', '\\']) || self.session.starts_with('.') {
            return None;
        }
        let workspaces = std::fs::read_dir(&self.sessions).ok()?.flatten();
        let of = |dir: PathBuf| dir.join(&self.session).join("agents/main/wire.jsonl");
        workspaces.map(|dir| of(dir.path())).find(|path| path.is_file())
    }

    /// How the turn ended, as soon as that is written: Kimi answers first.
    pub(crate) async fn end_soon(&self) -> Option<End> {
        self.transcript()?;
        let until = Instant::now() + PATIENCE;
        loop {
            let end = self.end();
            if end.is_some() || Instant::now() >= until {
                return end;
            }
            sleep(PAUSE).await;
        }
    }

    /// How the turn ended; none when that is not written yet, or nobody knows where.
    pub(crate) fn end(&self) -> Option<End> {
        let mut file = File::open(self.transcript()?).ok()?;
        let length = file.metadata().ok()?.len();
        let from = self.length.max(length.saturating_sub(TAIL_MAX));
        file.seek(SeekFrom::Start(from)).ok()?;
        let mut bytes = Vec::new();
        file.take(TAIL_MAX).read_to_end(&mut bytes).ok()?;
        let text = String::from_utf8_lossy(&bytes);
        let mut lines = text.lines().rev().filter_map(|line| serde_json::from_str::<Line>(line).ok());
        let ended = lines.find(|line| {
            line.kind == "turn.ended" && line.agent_id.as_deref().is_none_or(|id| id == "main")
        })?;
        if ended.reason.as_deref() != Some("failed") {
            return Some(End::Well);
        }
        let (message, details) = ended.error.map_or((None, None), |error| (error.message, error.details));
        Some(End::Failed {
            status: details.and_then(|details| details.status_code),
            message: message.unwrap_or_else(|| "it gave no reason".to_owned()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// The last lines that the real program wrote when its model had answered 429 for good.
    const REFUSED: &str = r#"{"type":"turn.ended","agentId":"main","turnId":0,"reason":"failed","error":{"code":"provider.api_error","message":"429 Your account is suspended, please check your plan and billing details","name":"APIProviderQuotaExhaustedError","details":{"statusCode":429,"requestId":null,"traceId":null},"retryable":false},"durationMs":228,"time":1795315926151}
{"type":"token_counting.turn_recorded","agentId":"main","turnId":0,"length":3,"tokens":63,"time":1795315926162}
{"type":"prompt.completed","agentId":"main","promptId":"msg_1","finishedAt":"2026-11-22T02:52:06.165Z","reason":"failed","time":1795315926169}
"#;
    const WELL: &str =
        "{\"type\":\"turn.ended\",\"agentId\":\"main\",\"turnId\":0,\"reason\":\"completed\",\"time\":1}\n";

    #[test]
    fn the_end_that_the_transcript_tells_is_the_one_of_this_turn() {
        let sessions = tempfile::tempdir().unwrap();
        let fresh = Mark::now(sessions.path(), "session_1");
        assert_eq!(fresh.end(), None, "nothing is there yet");
        let main = sessions.path().join("wd_work_1/session_1/agents/main");
        fs::create_dir_all(&main).unwrap();
        let wire = main.join("wire.jsonl");
        fs::write(&wire, format!("{}\n{REFUSED}", "x".repeat(2 * TAIL_MAX as usize))).unwrap();
        let refused = End::Failed {
            status: Some(429),
            message: "429 Your account is suspended, please check your plan and billing details".to_owned(),
        };
        assert_eq!(fresh.end(), Some(refused.clone()));
        let next = Mark::now(sessions.path(), "session_1");
        assert_eq!(next.end(), None, "that was the turn before");
        let before = fs::read_to_string(&wire).unwrap();
        // A line that is half written says nothing, and neither does a sub-agent's.
        let half = REFUSED.lines().next().unwrap().split_at(40).0;
        let sub = REFUSED.lines().next().unwrap().replace("\"main\"", "\"agent-1\"");
        fs::write(&wire, format!("{before}{sub}\n{half}")).unwrap();
        assert_eq!(next.end(), None);
        fs::write(&wire, format!("{before}{WELL}")).unwrap();
        assert_eq!(next.end(), Some(End::Well));
        for odd in ["", "..", "a/b", "../wd_work_1/session_1"] {
            assert_eq!(Mark::now(sessions.path(), odd).end(), None, "{odd}");
        }
    }
}
