//! Repositories on the wire.

use crate::operation::{
    Access::User,
    Answer,
    Method::{Delete, Get, Patch, Post},
    Operation,
};
use crate::words;
use model::{RepoId, ScriptKind, Timestamp};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::{IntoParams, ToSchema};

/// A registered git repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Repo {
    #[schema(value_type = String)]
    pub id: RepoId,
    pub short_id: String,
    /// Short name, unique in the workspace; accepted wherever the id is.
    pub slug: String,
    /// Canonical absolute path of the main worktree.
    pub path: String,
    pub default_branch: Option<String>,
    /// Branch that is checked out now; none when HEAD is detached, the folder is away, or in a resource event.
    pub branch: Option<String>,
    /// Command that runs the repository's tests, as argv.
    pub test_command: Option<Vec<String>>,
    #[schema(value_type = String, format = DateTime)]
    pub added_at: Timestamp,
    /// What it was cloned from; none for one that stays where it was.
    pub url: Option<String>,
    /// Hashes of the scripts of its worktrees that you trust.
    pub trusted: Vec<String>,
}

impl From<model::Repo> for Repo {
    fn from(repo: model::Repo) -> Self {
        let model::Repo { id, slug, path, default_branch, test_command, added_at, url, trusted } = repo;
        Self {
            short_id: id.short(),
            id,
            slug,
            path,
            default_branch,
            branch: None,
            test_command,
            added_at,
            url,
            trusted,
        }
    }
}

/// Body of `POST /repos`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewRepo {
    /// Absolute path of the repository, or of a folder inside it.
    pub path: String,
    /// Without it, made from the folder's name.
    #[serde(default)]
    pub slug: Option<String>,
    #[serde(default)]
    pub test_command: Option<Vec<String>>,
}

/// Body of `POST /clones`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewClone {
    /// `https://HOST/PATH` or `user@HOST:PATH`, without a password or token.
    pub url: String,
    /// Without it, made from the address.
    #[serde(default)]
    pub slug: Option<String>,
    #[serde(default)]
    pub test_command: Option<Vec<String>>,
}

/// A repository that is being cloned. When it is done it is a repository of the same id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RepoClone {
    /// Id of the repository that it will be.
    #[schema(value_type = String)]
    pub id: RepoId,
    pub short_id: String,
    pub slug: String,
    pub url: String,
    /// As git calls it: `Receiving objects`.
    pub phase: String,
    /// Of the phase.
    pub percent: Option<u8>,
    /// What has come.
    pub bytes: u64,
    #[schema(value_type = String, format = DateTime)]
    pub started_at: Timestamp,
}

impl From<model::CloneStart> for RepoClone {
    fn from(start: model::CloneStart) -> Self {
        let model::CloneStart { repo, slug, url, started_at } = start;
        let phase = "Connecting".to_owned();
        Self { short_id: repo.short(), id: repo, slug, url, phase, percent: None, bytes: 0, started_at }
    }
}

/// What a trusted repository may have done to its worktrees.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Script {
    #[schema(value_type = words::ScriptKind)]
    pub script: ScriptKind,
    /// File in the repository.
    pub path: String,
    /// BLAKE3 (hex) of its kind and text; this is what is trusted.
    pub hash: String,
    pub text: String,
    pub trusted: bool,
}

/// Query of `GET /repos/{id}/scripts`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct ScriptQuery {
    /// As they are in this worktree; without it, in the checkout.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worktree: Option<String>,
}

/// Body of `POST /repos/{id}/trust`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewTrust {
    /// Hashes of scripts as they were seen. A script that changes is another one, and is asked about again.
    pub hashes: Vec<String>,
    /// Trust none but these from now on.
    #[serde(default)]
    pub only: bool,
}

/// Body of `PATCH /repos/{id}`; what is absent stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RepoPatch {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slug: Option<String>,
    /// `null` forgets the command.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<String>>)]
    pub test_command: Option<Option<Vec<String>>>,
}

/// Tells `null` from absent: serde calls this only for a field that is there.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<Vec<String>>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// What can be done with repositories.
pub(crate) fn operations() -> Vec<Operation> {
    let op = |id, method, path, summary| Operation::new("repos", id, method, path, User, summary);
    vec![
        op("list_repos", Get, "/repos", "Lists the registered repositories.").lists::<Repo>(),
        op("add_repo", Post, "/repos", "Registers a repository; it stays where it is.")
            .body::<NewRepo>()
            .creates::<Repo>(),
        op("get_repo", Get, "/repos/{id}", "Shows a repository.").returns::<Repo>(),
        op("change_repo", Patch, "/repos/{id}", "Changes a repository's name or test command.")
            .body::<RepoPatch>()
            .returns::<Repo>(),
        op("list_clones", Get, "/clones", "Lists the repositories that are being cloned.")
            .lists::<RepoClone>(),
        op("start_clone", Post, "/clones", "Begins to clone a repository into the workspace.")
            .body::<NewClone>()
            .creates::<RepoClone>(),
        op("cancel_clone", Delete, "/clones/{id}", "Ends a clone; nothing of it stays.")
            .answers(204, Answer::Nothing),
        op(
            "list_scripts",
            Get,
            "/repos/{id}/scripts",
            "Lists the scripts a repository has for its worktrees.",
        )
        .query::<ScriptQuery>()
        .lists::<Script>(),
        op("trust_scripts", Post, "/repos/{id}/trust", "Trusts scripts of a repository, as they are.")
            .body::<NewTrust>()
            .returns::<Repo>(),
        op("remove_repo", Delete, "/repos/{id}", "Forgets a repository; its files stay.")
            .answers(204, Answer::Nothing),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn null_and_absent_are_two_wishes() {
        let patch = |text: &str| serde_json::from_str::<RepoPatch>(text).unwrap().test_command;
        assert_eq!(patch("{}"), None);
        assert_eq!(patch(r#"{"test_command":null}"#), Some(None));
        assert_eq!(patch(r#"{"test_command":["make"]}"#), Some(Some(vec!["make".to_owned()])));
        for wish in [None, Some(None), Some(Some(vec!["a".to_owned()]))] {
            let sent = RepoPatch { slug: None, test_command: wish.clone() };
            assert_eq!(patch(&serde_json::to_string(&sent).unwrap()), wish);
        }
    }
}
