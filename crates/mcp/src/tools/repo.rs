//! Repositories of the studio: which there are, and new ones. What may run in them only the user says.

use super::Tool;
use crate::answer::Answer;
use crate::call::Call;
use crate::failure::Failure;
use protocol::{NewClone, NewRepo};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(super) fn tools() -> Vec<Tool> {
    vec![
        Tool::new::<_, Listing, _>(
            "repo_list",
            "List repositories",
            "Lists the git repositories that are registered with the studio, and those that are being cloned.",
            list,
        )
        .reads()
        .of_user(),
        Tool::new::<_, Added, _>(
            "repo_add",
            "Register or clone a repository",
            "Registers a git repository with the studio. An absolute path is registered where it is; an address \
             (https://… or user@host:path, without a password) is cloned into the workspace: then look at repo_list \
             until it is there.",
            add,
        )
        .of_user(),
        Tool::new::<_, Canceled, _>(
            "repo_cancel",
            "End a clone",
            "Ends the clone of a repository that is under way; nothing of it stays.",
            cancel,
        )
        .replaces()
        .of_user(),
    ]
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct List {}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Add {
    /// Absolute path of a checkout, or an address to clone from.
    place: String,
    /// Short name; made from the folder or the address without.
    #[serde(default)]
    name: Option<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Cancel {
    /// Name or id of the repository that is being cloned.
    clone: String,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Repo {
    id: String,
    name: String,
    path: String,
    /// What it was cloned from.
    url: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Cloning {
    id: String,
    name: String,
    url: String,
    phase: String,
    percent: Option<u8>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Listing {
    repos: Vec<Repo>,
    cloning: Vec<Cloning>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Added {
    /// Set when it is there.
    repo: Option<Repo>,
    /// Set while it is being cloned.
    cloning: Option<Cloning>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Canceled {
    canceled: String,
}

impl From<protocol::Repo> for Repo {
    fn from(repo: protocol::Repo) -> Self {
        Self { id: repo.id.to_string(), name: repo.slug, path: repo.path, url: repo.url }
    }
}

impl From<protocol::RepoClone> for Cloning {
    fn from(clone: protocol::RepoClone) -> Self {
        let protocol::RepoClone { id, slug, url, phase, percent, .. } = clone;
        Self { id: id.to_string(), name: slug, url, phase, percent }
    }
}

impl Repo {
    fn line(&self) -> String {
        format!("repo {} at {}", self.name, self.path)
    }
}

impl Cloning {
    fn line(&self) -> String {
        let percent = self.percent.map_or(String::new(), |percent| format!(" {percent} %"));
        format!("cloning {} from {}: {}{percent}", self.name, self.url, self.phase)
    }
}

async fn list(call: Call, _: List) -> Result<Answer, Failure> {
    let daemon = call.daemon();
    let repos: Vec<Repo> = daemon.repos().await?.items.into_iter().map(Repo::from).collect();
    let cloning: Vec<Cloning> = daemon.clones().await?.items.into_iter().map(Cloning::from).collect();
    let lines: Vec<String> = repos.iter().map(Repo::line).chain(cloning.iter().map(Cloning::line)).collect();
    let text = if lines.is_empty() { "There are no repositories.".to_owned() } else { lines.join("\n") };
    Answer::new(text, Listing { repos, cloning })
}

async fn add(call: Call, wish: Add) -> Result<Answer, Failure> {
    let daemon = call.daemon();
    if wish.place.starts_with('/') {
        let new = NewRepo { path: wish.place, slug: wish.name, test_command: None };
        let repo = Repo::from(daemon.add_repo(&new, None).await?);
        return Answer::new(repo.line(), Added { repo: Some(repo), cloning: None });
    }
    let new = NewClone { url: wish.place, slug: wish.name, test_command: None };
    let cloning = Cloning::from(daemon.start_clone(&new, None).await?);
    Answer::new(cloning.line(), Added { repo: None, cloning: Some(cloning) })
}

async fn cancel(call: Call, wish: Cancel) -> Result<Answer, Failure> {
    call.daemon().cancel_clone(&wish.clone, None).await?;
    Answer::new(format!("the clone of {} ends", wish.clone), Canceled { canceled: wish.clone })
}
