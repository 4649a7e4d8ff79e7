//! Artifacts on the wire.

use crate::operation::{
    Access::{Run, User},
    Answer,
    Method::{Delete, Get, Post},
    Operation,
};
use crate::words;
use model::{AgentName, ArtifactId, ArtifactKind, ParticipantId, SessionId, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Where contents are sent to: the one path that takes bytes.
pub const ARTIFACTS_PATH: &str = "/api/v1/artifacts";

/// A file or an output an agent made, kept by what it holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Artifact {
    #[schema(value_type = String)]
    pub id: ArtifactId,
    pub short_id: String,
    /// A plain file name.
    pub name: String,
    #[schema(value_type = words::ArtifactKind)]
    pub kind: ArtifactKind,
    pub bytes: u64,
    /// BLAKE3 of the content, in hex.
    pub hash: String,
    #[schema(value_type = Option<String>)]
    pub session: Option<SessionId>,
    /// Who made it; none when you put it there.
    #[schema(value_type = Option<String>)]
    pub participant: Option<ParticipantId>,
    #[schema(value_type = Option<String>)]
    pub agent: Option<AgentName>,
    /// Where it lies in its repository.
    pub path: Option<String>,
    /// The git commit it belongs to.
    pub commit: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
}

impl From<model::Artifact> for Artifact {
    fn from(artifact: model::Artifact) -> Self {
        Self {
            id: artifact.id,
            short_id: artifact.id.short(),
            name: artifact.name,
            kind: artifact.kind,
            bytes: artifact.bytes,
            hash: artifact.hash,
            session: artifact.session,
            participant: artifact.participant,
            agent: artifact.agent,
            path: artifact.path.map(|path| path.as_str().to_owned()),
            commit: artifact.commit,
            created_at: artifact.created_at,
        }
    }
}

/// What the bytes of `POST /artifacts` are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct NewArtifact {
    /// What it is called; of a path the last part is taken.
    pub name: String,
    /// By its name without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<words::ArtifactKind>, inline)]
    pub kind: Option<ArtifactKind>,
    /// Id or short id; an agent's own without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// Where it lies in its repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The git commit it belongs to, in hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
}

/// Which artifacts to list; newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct ArtifactQuery {
    /// Id or short id; all you may see without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// `next` of the page before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<u64>,
    /// 1 to 200; 50 without.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
}

/// What can be done with artifacts.
pub(crate) fn operations() -> Vec<Operation> {
    let op =
        |id, method, path, access, summary| Operation::new("artifacts", id, method, path, access, summary);
    vec![
        op("list_artifacts", Get, "/artifacts", Run, "Lists artifacts, newest first.")
            .query::<ArtifactQuery>()
            .lists::<Artifact>(),
        op(
            "put_artifact",
            Post,
            "/artifacts",
            Run,
            "Keeps the bytes of the body. The same put again is the artifact that is there.",
        )
        .query::<NewArtifact>()
        .bytes()
        .creates::<Artifact>(),
        op("get_artifact", Get, "/artifacts/{id}", Run, "Shows what is known of an artifact.")
            .returns::<Artifact>(),
        op(
            "get_artifact_content",
            Get,
            "/artifacts/{id}/content",
            Run,
            "Gives what an artifact holds, to be saved.",
        )
        .answers(200, Answer::Bytes),
        op(
            "remove_artifact",
            Delete,
            "/artifacts/{id}",
            User,
            "Lists an artifact no more. What it held stays: the journal names it.",
        )
        .returns::<Artifact>(),
    ]
}
