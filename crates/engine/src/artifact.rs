//! Artifacts: what agents made, kept by content.
//!
//! Invariant: **an artifact is named in the journal only when its content is durable**, and the same content is kept once, whoever
//! puts it. Removing one ends its being listed; the content stays, because the journal names it.

use crate::{Call, Caller, Engine};
use model::{
    ARTIFACT_BYTES_MAX, ARTIFACT_NAME_MAX, Artifact, ArtifactId, ArtifactKind, ArtifactRemoved, Event,
    Refusal, RefusalKind, RepoPath, SessionId, artifact_name,
};
use std::sync::Arc;

/// Most artifacts in one page.
const PAGE_MAX: usize = 200;
/// Longest name of a commit, in characters.
const COMMIT_MAX: usize = 64;

/// Something to be kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewArtifact {
    /// What it is called; of a path the last part.
    pub name: String,
    /// By its name without it.
    pub kind: Option<ArtifactKind>,
    /// None: an agent's own session, or of no session.
    pub session: Option<SessionId>,
    pub path: Option<RepoPath>,
    /// Hex digits.
    pub commit: Option<String>,
    pub content: Vec<u8>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArtifactsPage {
    /// Newest first.
    pub artifacts: Vec<Artifact>,
    /// Where the list goes on; none at its end.
    pub next: Option<u64>,
}

impl Engine {
    /// Keeps something. The same thing put again under the same name is the artifact that is there.
    pub async fn put_artifact(&self, call: &Call, new: NewArtifact) -> Result<Artifact, Refusal> {
        let (session, participant, agent) = match &call.caller {
            Caller::User => (new.session, None, None),
            Caller::Run { session, participant, agent, .. } => {
                (Some(new.session.unwrap_or(*session)), Some(*participant), Some(agent.clone()))
            }
            Caller::Terminal { .. } => (new.session, None, None),
        };
        self.may_act_on(&call.caller, session)?;
        let name = check(&new)?;
        let shared = Arc::clone(&self.shared);
        let content = new.content;
        let bytes = content.len() as u64;
        let hash = shared.blocking(move |shared| Ok(shared.store.reader().blobs().put(&[&content])?)).await?;
        let hash = hash.first().map(|hash| blake3::Hash::from_bytes(*hash).to_hex().to_string());
        let artifact = Artifact {
            id: self.shared.new_id(),
            kind: new.kind.unwrap_or_else(|| ArtifactKind::of_name(&name)),
            name,
            bytes,
            hash: hash.unwrap_or_default(),
            session,
            participant,
            agent,
            path: new.path,
            commit: new.commit.map(|commit| commit.to_ascii_lowercase()),
            created_at: self.shared.now(),
        };
        let made = artifact.clone();
        let receipt = self
            .shared
            .commit(call.actor(), call.key.clone(), move |view| {
                if let Some(session) = made.session {
                    crate::session::visible(view, session)?;
                }
                let same = view
                    .artifacts_of_content(&made.hash)?
                    .into_iter()
                    .any(|row| is_same(&row.artifact, &made));
                Ok(if same { Vec::new() } else { vec![Event::ArtifactCreated(made)] })
            })
            .await?;
        if let Some(Event::ArtifactCreated(kept)) = receipt.records.first().map(|record| &record.event) {
            return Ok(kept.clone());
        }
        let there = self.shared.store.read(|view| view.artifacts_of_content(&artifact.hash))?;
        let there = there.into_iter().map(|row| row.artifact).find(|one| is_same(one, &artifact));
        there.ok_or_else(|| Refusal::not_found("artifact", artifact.id))
    }

    /// The newest first; an agent sees those of the sessions it sees.
    pub fn artifacts(
        &self,
        caller: &Caller,
        session: Option<SessionId>,
        before: Option<u64>,
        limit: usize,
    ) -> Result<ArtifactsPage, Refusal> {
        let session = match (caller, session) {
            (Caller::User, session) => session,
            (Caller::Run { session: own, .. }, session) => Some(session.unwrap_or(*own)),
            (Caller::Terminal { .. }, session) => session,
        };
        self.may_act_on(caller, session)?;
        let limit = if limit == 0 { PAGE_MAX } else { limit.min(PAGE_MAX) };
        let mut rows = self.shared.store.read(|view| view.artifacts(session, before, limit + 1))?;
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = rows.last().filter(|_| more).map(|row| row.seq);
        Ok(ArtifactsPage { artifacts: rows.into_iter().map(|row| row.artifact).collect(), next })
    }

    pub fn artifact(&self, caller: &Caller, id: ArtifactId) -> Result<Artifact, Refusal> {
        let row = self.shared.store.read(|view| view.artifact(id))?;
        let row = row.ok_or_else(|| {
            Refusal::not_found("artifact", id).hint("`coditect artifact list` shows what there is")
        })?;
        self.may_act_on(caller, row.artifact.session)?;
        Ok(row.artifact)
    }

    /// What it holds, checked against its name.
    pub async fn artifact_content(
        &self,
        caller: &Caller,
        id: ArtifactId,
    ) -> Result<(Artifact, Vec<u8>), Refusal> {
        let artifact = self.artifact(caller, id)?;
        let hash = blake3::Hash::from_hex(&artifact.hash).map_err(Refusal::internal)?;
        let read =
            self.shared.blocking(move |shared| Ok(shared.store.reader().blobs().get(hash.as_bytes())?));
        let content = read.await.map_err(|error| {
            Refusal::new(RefusalKind::Unavailable, "artifact_content_gone", error.message)
                .hint("put the file again; `coditect data verify` says what else is damaged")
        })?;
        Ok((artifact, content))
    }

    /// It is listed no more. What it held stays: the journal names it.
    pub async fn remove_artifact(&self, call: &Call, id: ArtifactId) -> Result<Artifact, Refusal> {
        call.only_user()?;
        let artifact = self.artifact(&call.caller, id)?;
        let session = artifact.session;
        self.shared
            .commit(call.actor(), call.key.clone(), move |view| {
                let there = view.artifact(id)?.is_some();
                let removed = Event::ArtifactRemoved(ArtifactRemoved { artifact: id, session });
                Ok(if there { vec![removed] } else { Vec::new() })
            })
            .await?;
        Ok(artifact)
    }

    /// What is of no session is the user's.
    fn may_act_on(&self, caller: &Caller, session: Option<SessionId>) -> Result<(), Refusal> {
        match (caller, session) {
            (Caller::User, _) => Ok(()),
            (caller, Some(session)) => self.may_see(caller, session),
            (_, None) => {
                Err(Refusal::new(RefusalKind::Forbidden, "not_your_session", "it is of no session of yours")
                    .hint("agents keep and read artifacts of their own session"))
            }
        }
    }
}

fn is_same(one: &Artifact, other: &Artifact) -> bool {
    let of = |artifact: &Artifact| {
        let Artifact { name, kind, hash, session, agent, path, commit, .. } = artifact.clone();
        (name, kind, hash, session, agent, path, commit)
    };
    of(one) == of(other)
}

/// The name it is kept under, once the rest is in order.
fn check(new: &NewArtifact) -> Result<String, Refusal> {
    if new.content.len() > ARTIFACT_BYTES_MAX {
        let message =
            format!("an artifact has at most {ARTIFACT_BYTES_MAX} bytes, this one has {}", new.content.len());
        return Err(Refusal::invalid("artifact_too_large", message)
            .hint("keep it in the repository, or put the parts that matter"));
    }
    let hex = |commit: &String| {
        (4..=COMMIT_MAX).contains(&commit.len()) && commit.bytes().all(|digit| digit.is_ascii_hexdigit())
    };
    if new.commit.as_ref().is_some_and(|commit| !hex(commit)) {
        let message = format!("a commit is 4 to {COMMIT_MAX} hex digits");
        return Err(
            Refusal::invalid("commit_malformed", message).hint("`git rev-parse HEAD` says which it is")
        );
    }
    artifact_name(&new.name).ok_or_else(|| {
        let message = format!("`{}` is no name of a file", new.name.chars().take(80).collect::<String>());
        Refusal::invalid("artifact_name", message)
            .hint(format!("call it something of 1 to {ARTIFACT_NAME_MAX} printable characters"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage::Stage;
    use std::sync::Arc;

    /// With ids that differ in their last character alone.
    fn kept(stage: &Stage, last: char, name: &str, session: Option<SessionId>) -> ArtifactId {
        let id: ArtifactId = format!("art_018f00000000700080000000000000a{last}").parse().unwrap();
        stage.commit(vec![Event::ArtifactCreated(Artifact {
            id,
            name: name.to_owned(),
            kind: ArtifactKind::Document,
            bytes: 1,
            hash: blake3::hash(name.as_bytes()).to_hex().to_string(),
            session,
            participant: None,
            agent: None,
            path: None,
            commit: None,
            created_at: stage.shared.now(),
        })]);
        id
    }

    #[test]
    fn what_an_agent_may_not_see_is_no_candidate_and_is_not_named() {
        let stage = Stage::new();
        let engine = Engine { shared: Arc::clone(&stage.shared) };
        let (own, seats) = stage.session(&["claude"]);
        let (other, _) = stage.session(&["claude"]);
        let run = Caller::Run {
            run: stage.shared.new_id(),
            registration: stage.shared.user,
            participant: seats[0].id,
            session: own.id,
            agent: seats[0].agent.clone(),
        };
        let foreign = kept(&stage, '0', "salaries.md", Some(other.id));
        kept(&stage, '1', "passwords.md", None);
        let short = foreign.short();
        let start = &short[..short.len() - 2];
        let terminal = Caller::Terminal { registration: stage.shared.user };
        for caller in [&run, &terminal] {
            let refused = engine.resolve_artifact(caller, start).unwrap_err();
            assert_eq!(refused.code, "not_found", "{refused:?}");
            assert!(engine.resolve_artifact(caller, store::LAST).is_err());
        }
        let mine = kept(&stage, '2', "report.md", Some(own.id));
        kept(&stage, '3', "salaries-2.md", Some(other.id));
        assert_eq!(engine.resolve_artifact(&run, start).unwrap(), mine, "the only one it may see");
        assert_eq!(engine.resolve_artifact(&run, store::LAST).unwrap(), mine);
        kept(&stage, '4', "report-2.md", Some(own.id));
        let refused = engine.resolve_artifact(&run, start).unwrap_err();
        assert_eq!(refused.code, "ambiguous_id");
        let said = format!("{} {:?}", refused.message, refused.hint);
        assert!(said.contains("report.md") && said.contains("report-2.md"), "{said}");
        assert!(!said.contains("salaries") && !said.contains("passwords"), "{said}");
        let said = engine.resolve_artifact(&Caller::User, start).unwrap_err().message;
        assert!(said.contains("salaries.md") && said.contains("passwords.md"), "{said}");
    }
}
