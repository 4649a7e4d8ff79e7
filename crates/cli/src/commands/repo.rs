//! `coditect repo`: which repositories agents may work in.

mod clone;
mod trust;

use super::Outcome;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::render::{Cell, Paint, Sheet, Table};
use clap::{Args, Subcommand};
use client::Client;
use protocol::{NewClone, NewRepo, RepoPatch};
use std::path::Path;

#[derive(Debug, Subcommand)]
pub(crate) enum Repo {
    /// Register a git repository: a folder stays where it is, an address is cloned into the workspace
    #[command(
        after_help = "Examples:\n  coditect repo add .\n  coditect repo add https://example.org/shop.git --name shop --test \"cargo test\""
    )]
    Add(Add),
    /// List the registered repositories
    #[command(
        visible_alias = "ls",
        after_help = "Examples:\n  coditect repo list\n  coditect repo list --json"
    )]
    List,
    /// List the repositories that are being cloned
    #[command(after_help = "Examples:\n  coditect repo clones\n  coditect repo clones --json")]
    Clones,
    /// End a clone; nothing of it stays
    #[command(after_help = "Examples:\n  coditect repo cancel shop\n  coditect repo cancel 7k2m --json")]
    Cancel {
        /// Name, id or short id, as `repo clones` shows it
        clone: String,
    },
    /// Show the scripts a repository has for its worktrees
    #[command(
        after_help = "Examples:\n  coditect repo scripts shop\n  coditect repo scripts shop --worktree feat-auth --json"
    )]
    Scripts(trust::Scripts),
    /// Trust a repository's scripts as they are now; they are run in its worktrees
    #[command(after_help = "Examples:\n  coditect repo trust shop\n  coditect repo trust shop --none")]
    Trust(trust::Trust),
    /// Show a repository
    #[command(after_help = "Examples:\n  coditect repo show shop\n  coditect repo show . --json")]
    Show {
        #[command(flatten)]
        which: Which,
    },
    /// Change a repository's name or test command
    #[command(
        after_help = "Examples:\n  coditect repo set shop --test \"npm test\"\n  coditect repo set shop --name store --no-test"
    )]
    Set(Set),
    /// Forget a repository; its files and its history stay
    #[command(after_help = "Examples:\n  coditect repo rm shop\n  coditect repo rm rep_0198c0de --json")]
    Rm {
        #[command(flatten)]
        which: Which,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Which {
    /// Name, id, short id, or path of the repository
    repo: String,
}

#[derive(Debug, Args)]
pub(crate) struct Add {
    /// The repository, or a folder inside it; or an address: https://HOST/PATH, user@HOST:PATH
    #[arg(default_value = ".", value_name = "PATH|URL", allow_hyphen_values = true)]
    place: String,
    /// Short name; without it the folder's
    #[arg(long)]
    name: Option<String>,
    /// Command that runs the tests; a plain command is started as it is, anything else by `sh -c`
    #[arg(long, value_name = "COMMAND")]
    test: Option<String>,
}

#[derive(Debug, Args)]
#[group(id = "change", required = true, multiple = true, args = ["name", "test", "no_test"])]
pub(crate) struct Set {
    #[command(flatten)]
    which: Which,
    #[arg(long)]
    name: Option<String>,
    /// Command that runs the tests
    #[arg(long, value_name = "COMMAND", conflicts_with = "no_test")]
    test: Option<String>,
    /// Forget the test command
    #[arg(long)]
    no_test: bool,
}

impl Repo {
    pub(crate) fn run(self, context: &Context) -> Outcome {
        match self {
            Self::Add(add) if looks_like_url(&add.place) => {
                let test_command = add.test.as_deref().map(argv).transpose()?;
                let new = NewClone { url: add.place, slug: add.name, test_command };
                let repo = context.follow(async |client| clone::follow(context, client, &new).await)?;
                match context.screen.json {
                    true => context.screen.streamed(&repo).map(|()| Exit::Done),
                    false => show(context, &repo),
                }
            }
            Self::Clones => clone::list(context),
            Self::Cancel { clone } => clone::cancel(context, &clone),
            Self::Scripts(scripts) => scripts.run(context),
            Self::Trust(trust) => trust.run(context),
            Self::Add(add) => {
                let new = NewRepo {
                    path: absolute(context, Path::new(&add.place))?,
                    slug: add.name,
                    test_command: add.test.as_deref().map(argv).transpose()?,
                };
                let repo =
                    context.talk("registering", async |client| Ok(client.add_repo(&new, None).await?))?;
                show(context, &repo)
            }
            Self::List => list(context),
            Self::Show { which } => {
                let repo = context.talk("asking the daemon", async |client| {
                    Ok(client.repo(&found(context, client, &which.repo).await?).await?)
                })?;
                show(context, &repo)
            }
            Self::Set(set) => {
                let patch = RepoPatch {
                    slug: set.name,
                    test_command: match (set.no_test, set.test) {
                        (true, _) => Some(None),
                        (false, given) => given.as_deref().map(argv).transpose()?.map(Some),
                    },
                };
                let repo = context.talk("changing", async |client| {
                    let id = found(context, client, &set.which.repo).await?;
                    Ok(client.change_repo(&id, &patch, None).await?)
                })?;
                show(context, &repo)
            }
            Self::Rm { which } => {
                context.talk("forgetting", async |client| {
                    let id = found(context, client, &which.repo).await?;
                    Ok(client.remove_repo(&id, None).await?)
                })?;
                if context.screen.json {
                    context.screen.document(&serde_json::json!({ "removed": which.repo }))?;
                } else {
                    context.screen.say(&format!("forgot {}; its files stay", which.repo));
                }
                Ok(Exit::Done)
            }
        }
    }
}

fn list(context: &Context) -> Outcome {
    let repos = context.talk("asking the daemon", async |client| Ok(client.repos().await?))?;
    context.screen.show(&repos, || {
        Table::of(&["ID", "NAME", "BRANCH", "TESTS", "PATH", "ADDED"], &repos.items, |repo| {
            vec![
                Cell::new(&repo.short_id).paint(Paint::Dim).piped(repo.id.to_string()),
                Cell::new(&repo.slug).paint(Paint::Strong),
                Cell::maybe(repo.default_branch.as_ref()),
                Cell::maybe(repo.test_command.as_ref().map(|argv| argv.join(" "))),
                Cell::new(&repo.path),
                Cell::time(context.now(), repo.added_at),
            ]
        })
    })?;
    if repos.items.is_empty() && !context.screen.json {
        context.screen.say("no repository is registered; register one with `coditect repo add PATH`");
    }
    Ok(Exit::Done)
}

fn show(context: &Context, repo: &protocol::Repo) -> Outcome {
    context.screen.show_sheet(repo, || {
        Sheet::new()
            .row("id", repo.id.to_string())
            .row("short id", &repo.short_id)
            .painted("name", &repo.slug, Paint::Strong)
            .row("path", &repo.path)
            .maybe("branch", repo.default_branch.as_ref())
            .row("tests", repo.test_command.as_ref().map_or("none".to_owned(), |argv| argv.join(" ")))
            .maybe("cloned from", repo.url.as_ref())
            .row("trusted scripts", repo.trusted.len().to_string())
            .row("added", repo.added_at.to_string())
    })?;
    Ok(Exit::Done)
}

/// What the daemon knows a repository by: a folder is looked up among the registered ones, everything else is a
/// name or an id already.
pub(crate) async fn found(context: &Context, client: &Client, given: &str) -> Result<String, Failure> {
    if !looks_like_path(given) {
        return Ok(given.to_owned());
    }
    let path = absolute(context, Path::new(given))?;
    let repos = client.repos().await?.items;
    let known = repos.into_iter().filter(|repo| Path::new(&path).starts_with(&repo.path));
    known.max_by_key(|repo| repo.path.len()).map(|repo| repo.id.to_string()).ok_or_else(|| {
        Failure::new(Exit::NotFound, "not_found", format!("{path} is in no registered repository"))
            .hint(format!("register it with `coditect repo add {given}`"))
    })
}

/// A repository to work in: a folder is registered first, which changes nothing for one that is registered.
pub(crate) async fn registered(
    context: &Context,
    client: &Client,
    given: &str,
) -> Result<protocol::Repo, Failure> {
    if !looks_like_path(given) && !context.path(Path::new(given)).join(".git").exists() {
        return Ok(client.repo(given).await?);
    }
    let path = absolute(context, Path::new(given))?;
    Ok(client.add_repo(&NewRepo { path, slug: None, test_command: None }, None).await?)
}

fn looks_like_path(given: &str) -> bool {
    given.contains('/') || given == "." || given == ".." || given.starts_with('~')
}

/// Whether an address is meant. What begins like an option is, so that it is refused as one.
fn looks_like_url(given: &str) -> bool {
    let host = given.split_once(':').is_some_and(|(place, _)| !place.is_empty() && !place.contains('/'));
    given.contains("://") || given.starts_with('-') || host
}

/// The canonical path; the daemon stands elsewhere.
pub(super) fn absolute(context: &Context, given: &Path) -> Result<String, Failure> {
    let path = context.path(given);
    // What is not there is refused by the daemon, in the same words for everybody.
    let path = path.canonicalize().unwrap_or(path);
    path.into_os_string().into_string().map_err(|path| {
        Failure::usage("path_not_utf8", format!("the path {} is not UTF-8", Path::new(&path).display()))
    })
}

/// A command as argv: split at spaces, unless it needs a shell.
pub(crate) fn argv(given: &str) -> Result<Vec<String>, Failure> {
    if given.trim().is_empty() {
        return Err(Failure::usage("empty_command", "the test command is empty")
            .hint("leave it out, or give --no-test"));
    }
    if given.contains(|c: char| "|&;<>()$`\\\"'*?[]#~%{}\n".contains(c) || c == '=') {
        return Ok(vec!["sh".to_owned(), "-c".to_owned(), given.to_owned()]);
    }
    Ok(given.split_whitespace().map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_command_becomes_argv_or_goes_through_a_shell() {
        assert_eq!(argv("cargo test  -q").unwrap(), ["cargo", "test", "-q"]);
        assert_eq!(argv("make a && make b").unwrap(), ["sh", "-c", "make a && make b"]);
        assert_eq!(argv("A=1 make").unwrap(), ["sh", "-c", "A=1 make"]);
        assert_eq!(argv(" ").unwrap_err().detail.code, "empty_command");
    }

    #[test]
    fn an_address_is_told_from_a_path() {
        for url in ["https://a/b", "git@a:b", "a:b", "ext::sh -c x", "--upload-pack=x", "file:///a"] {
            assert!(looks_like_url(url), "{url}");
        }
        for path in [".", "/a/b:c", "./a:b", "../x", "~/shop", "shop"] {
            assert!(!looks_like_url(path), "{path}");
        }
    }

    #[test]
    fn a_path_is_told_from_a_name() {
        for path in [".", "..", "./shop", "/srv/shop", "~/shop"] {
            assert!(looks_like_path(path), "{path}");
        }
        for name in ["shop", "rep_0198", "a.b"] {
            assert!(!looks_like_path(name), "{name}");
        }
    }
}
