//! Artifacts: what an agent made and others may want, kept by what it holds.

use super::Tool;
use crate::answer::Answer;
use crate::call::Call;
use crate::failure::Failure;
use protocol::{ArtifactQuery, NewArtifact};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Longest text put or given at once, in bytes.
const TEXT_MAX: usize = 256 * 1024;

pub(super) fn tools() -> Vec<Tool> {
    vec![
        Tool::new::<_, Artifact, _>(
            "artifact_put",
            "Keep a text",
            "Keeps a text you made (a report, a patch, a log) under a name, for the user and for other agents of your \
             session. The same text under the same name is kept once.",
            put,
        )
        .idempotent()
        .of_session(),
        Tool::new::<_, Content, _>(
            "artifact_get",
            "Read what was kept",
            "Gives an artifact and the text it holds. Of one that is no text, or too long, only what is known of it.",
            get,
        )
        .reads()
        .of_session(),
        Tool::new::<_, Kept, _>(
            "artifact_list",
            "List what was kept",
            "Lists the artifacts of your session, or of another one you may see, newest first.",
            list,
        )
        .reads()
        .of_session(),
    ]
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Put {
    /// A file name, as in `report.md`.
    name: String,
    /// At most 256 KiB.
    text: String,
    /// Where it lies in the repository.
    #[serde(default)]
    path: Option<String>,
    /// The git commit it belongs to, in hex.
    #[serde(default)]
    commit: Option<String>,
    /// Id or short id; your own without it.
    #[serde(default)]
    session: Option<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Get {
    /// Id or short id of the artifact.
    artifact: String,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct List {
    /// Id or short id; your own without it.
    #[serde(default)]
    session: Option<String>,
    /// `next` of the page before.
    #[serde(default)]
    before: Option<u64>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Artifact {
    artifact: String,
    short_id: String,
    name: String,
    /// `code`, `document`, `image` or `data`.
    kind: String,
    bytes: u64,
    agent: Option<String>,
    path: Option<String>,
    commit: Option<String>,
    created_at: String,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Content {
    artifact: Artifact,
    /// None when it is no text or longer than 256 KiB.
    text: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Kept {
    artifacts: Vec<Artifact>,
    /// Give it as `before` to read on.
    next: Option<u64>,
}

impl From<protocol::Artifact> for Artifact {
    fn from(one: protocol::Artifact) -> Self {
        Self {
            artifact: one.id.to_string(),
            short_id: one.short_id,
            name: one.name,
            kind: one.kind.as_str().to_owned(),
            bytes: one.bytes,
            agent: one.agent.map(|agent| agent.to_string()),
            path: one.path,
            commit: one.commit,
            created_at: one.created_at.to_string(),
        }
    }
}

impl Artifact {
    fn line(&self) -> String {
        let by = self.agent.as_deref().unwrap_or("the user");
        format!("{} {} ({}, {} bytes, by {by})", self.short_id, self.name, self.kind, self.bytes)
    }
}

async fn put(call: Call, wish: Put) -> Result<Answer, Failure> {
    if wish.text.len() > TEXT_MAX {
        let words = format!("the text has {} bytes; at most {TEXT_MAX} are taken", wish.text.len());
        return Err(Failure::new(
            "text_too_long",
            words,
            "put the parts that matter, or write it into a file",
        ));
    }
    let Put { name, text, path, commit, session } = wish;
    let new = NewArtifact { name, kind: None, session, path, commit };
    let kept = Artifact::from(call.daemon().put_artifact(&new, text.into_bytes(), None).await?);
    Answer::new(format!("Kept as {}.", kept.line()), kept)
}

async fn get(call: Call, wish: Get) -> Result<Answer, Failure> {
    let daemon = call.daemon();
    let artifact = Artifact::from(daemon.artifact(&wish.artifact).await?);
    let text = match usize::try_from(artifact.bytes) {
        Ok(bytes) if bytes <= TEXT_MAX => {
            let mut content = daemon.artifact_content(&wish.artifact).await?;
            let mut held = Vec::with_capacity(bytes);
            while let Some(piece) = content.next().await? {
                held.extend_from_slice(&piece);
            }
            String::from_utf8(held).ok()
        }
        _ => None,
    };
    let said =
        text.clone().unwrap_or_else(|| "What it holds is no text, or too long to be given here.".to_owned());
    Answer::new(format!("{}\n\n{said}", artifact.line()), Content { artifact, text })
}

async fn list(call: Call, wish: List) -> Result<Answer, Failure> {
    let query = ArtifactQuery { session: wish.session, before: wish.before, limit: None };
    let page = call.daemon().artifacts(&query).await?;
    let next = page.next.as_deref().and_then(|next| next.parse().ok());
    let artifacts: Vec<Artifact> = page.items.into_iter().map(Artifact::from).collect();
    let lines: Vec<String> = artifacts.iter().map(Artifact::line).collect();
    let text = if lines.is_empty() { "Nothing was kept.".to_owned() } else { lines.join("\n") };
    Answer::new(text, Kept { artifacts, next })
}
