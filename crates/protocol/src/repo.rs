//! Repositories on the wire.

use crate::operation::{
    Access::User,
    Answer,
    Method::{Delete, Get, Patch, Post},
    Operation,
};
use model::{RepoId, Timestamp};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

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
}

impl From<model::Repo> for Repo {
    fn from(repo: model::Repo) -> Self {
        let model::Repo { id, slug, path, default_branch, test_command, added_at } = repo;
        Self { short_id: id.short(), id, slug, path, default_branch, branch: None, test_command, added_at }
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
