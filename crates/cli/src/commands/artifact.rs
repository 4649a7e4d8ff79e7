//! `coditect artifact`: files and outputs agents made, kept by what they hold.

use super::Outcome;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::render::{Cell, Sheet, Table};
use clap::{Args, Subcommand, ValueEnum};
use model::{ARTIFACT_BYTES_MAX, ArtifactKind};
use protocol::{Artifact, ArtifactQuery, NewArtifact, Page};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

#[derive(Debug, Subcommand)]
pub(crate) enum Artifacts {
    /// Keep a file; the same one put again is the artifact that is there
    #[command(
        after_help = "Examples:\n  coditect artifact put report.md --session 7k2m\n  coditect artifact put build.log --kind document --json"
    )]
    Put(Put),
    /// List artifacts, newest first
    #[command(
        visible_alias = "ls",
        after_help = "Examples:\n  coditect artifact list\n  coditect artifact list --session 7k2m --json"
    )]
    List(List),
    /// Show what is known of an artifact
    #[command(after_help = "Examples:\n  coditect artifact show q4x9\n  coditect artifact show @last --json")]
    Show(One),
    /// Write what an artifact holds to stdout, or into a file
    #[command(
        after_help = "Examples:\n  coditect artifact get q4x9 > report.md\n  coditect artifact get q4x9 --out report.md"
    )]
    Get(Get),
    /// List an artifact no more; what it held stays in the journal's store
    #[command(
        name = "rm",
        after_help = "Examples:\n  coditect artifact rm q4x9\n  coditect artifact rm @last --json"
    )]
    Remove(One),
}

#[derive(Debug, Args)]
pub(crate) struct Put {
    /// The file; `-` is stdin and needs --name
    file: PathBuf,
    /// What it is called; as the file without it
    #[arg(long)]
    name: Option<String>,
    /// Id or short id of the session it belongs to
    #[arg(long)]
    session: Option<String>,
    /// What it is; by its name without it
    #[arg(long, value_enum)]
    kind: Option<Kind>,
    /// Where it lies in its repository
    #[arg(long, value_name = "PATH")]
    path: Option<String>,
    /// The git commit it belongs to
    #[arg(long)]
    commit: Option<String>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Kind {
    Code,
    Document,
    Image,
    Data,
}

impl Kind {
    const fn word(self) -> ArtifactKind {
        match self {
            Self::Code => ArtifactKind::Code,
            Self::Document => ArtifactKind::Document,
            Self::Image => ArtifactKind::Image,
            Self::Data => ArtifactKind::Data,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct List {
    /// Only those of this session
    #[arg(long)]
    session: Option<String>,
    /// At most this many
    #[arg(long)]
    limit: Option<usize>,
    /// Go on where a page ended
    #[arg(long, value_name = "NEXT")]
    before: Option<u64>,
}

#[derive(Debug, Args)]
pub(crate) struct One {
    /// Id or short id of the artifact, or `@last`
    artifact: String,
}

#[derive(Debug, Args)]
pub(crate) struct Get {
    /// Id or short id of the artifact, or `@last`
    artifact: String,
    /// A file that does not exist yet
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl Artifacts {
    pub(crate) fn run(self, context: &Context) -> Outcome {
        match self {
            Self::Put(put) => put.run(context),
            Self::List(List { session, limit, before }) => {
                let query = ArtifactQuery { session, before, limit };
                let page =
                    context.talk("asking the daemon", async |client| Ok(client.artifacts(&query).await?))?;
                context.screen.show(&page, || table(&page))?;
                Ok(Exit::Done)
            }
            Self::Show(One { artifact }) => {
                let found = context
                    .talk("asking the daemon", async |client| Ok(client.artifact(&artifact).await?))?;
                shown(context, &found)
            }
            Self::Get(get) => get.run(context),
            Self::Remove(One { artifact }) => {
                let removed = context
                    .talk("removing", async |client| Ok(client.remove_artifact(&artifact, None).await?))?;
                shown(context, &removed)
            }
        }
    }
}

impl Put {
    fn run(self, context: &Context) -> Outcome {
        let stdin = self.file == Path::new("-");
        let own = (!stdin).then(|| self.file.file_name().map(|name| name.to_string_lossy().into_owned()));
        let Some(name) = self.name.or(own.flatten()) else {
            return Err(Failure::usage("no_name", "nobody knows what it is called").hint("give it a --name"));
        };
        let content = if stdin {
            read(io::stdin().lock(), "stdin")?
        } else {
            let path = context.path(&self.file);
            let shown = path.display().to_string();
            // A folder opens, and fails only when it is read.
            let file = File::open(&path).map_err(|error| unreadable(&shown, &error))?;
            read(file, &shown)?
        };
        let (session, path, commit) = (self.session, self.path, self.commit);
        let new = NewArtifact { name, kind: self.kind.map(Kind::word), session, path, commit };
        let kept = context.talk("keeping it", async |client| {
            Ok(client.put_artifact(&new, content.clone(), None).await?)
        })?;
        shown(context, &kept)
    }
}

fn read(from: impl Read, shown: &str) -> Result<Vec<u8>, Failure> {
    let mut content = Vec::new();
    let most = ARTIFACT_BYTES_MAX as u64;
    from.take(most + 1).read_to_end(&mut content).map_err(|error| unreadable(shown, &error))?;
    if content.len() as u64 > most {
        let message = format!("{shown} has more than {most} bytes, which is the most an artifact may have");
        return Err(Failure::usage("artifact_too_large", message).hint("keep it in the repository"));
    }
    Ok(content)
}

fn unreadable(shown: &str, error: &io::Error) -> Failure {
    Failure::usage("file_unreadable", format!("{shown} cannot be read: {error}")).hint("name a file")
}

impl Get {
    fn run(self, context: &Context) -> Outcome {
        let out = self.out.as_ref().map(|out| context.path(out));
        let bytes = context.talk("fetching it", async |client| {
            let mut content = client.artifact_content(&self.artifact).await?;
            let mut to: Box<dyn Write> = match &out {
                None => Box::new(io::stdout().lock()),
                Some(out) => Box::new(new_file(out)?),
            };
            let mut bytes = 0;
            while let Some(piece) = content.next().await? {
                to.write_all(&piece)?;
                bytes += piece.len();
            }
            to.flush()?;
            Ok(bytes)
        })?;
        if let Some(out) = out {
            context.screen.say(&format!("{bytes} bytes in {}", out.display()));
        }
        Ok(Exit::Done)
    }
}

/// Nothing that is there is written over.
fn new_file(path: &Path) -> Result<File, Failure> {
    OpenOptions::new().write(true).create_new(true).open(path).map_err(|error| {
        Failure::new(Exit::Conflict, "file_exists", format!("{} cannot be made: {error}", path.display()))
            .hint("name a file that does not exist yet")
    })
}

fn table(page: &Page<Artifact>) -> Table {
    Table::of(&["ID", "NAME", "KIND", "BYTES", "AGENT", "SESSION", "MADE"], &page.items, |one| {
        vec![
            Cell::new(&one.short_id),
            Cell::new(&one.name),
            Cell::new(one.kind.as_str()),
            Cell::new(one.bytes.to_string()),
            Cell::maybe(one.agent.as_ref().map(|agent| agent.as_str())),
            Cell::maybe(one.session.map(|session| session.short())),
            Cell::new(one.created_at.to_string()),
        ]
    })
}

fn shown(context: &Context, one: &Artifact) -> Outcome {
    context.screen.show_sheet(one, || {
        Sheet::new()
            .row("artifact", one.short_id.clone())
            .row("name", one.name.clone())
            .row("kind", one.kind.as_str())
            .row("bytes", one.bytes.to_string())
            .maybe("session", one.session.map(|session| session.short()))
            .maybe("agent", one.agent.as_ref().map(ToString::to_string))
            .maybe("path", one.path.clone())
            .maybe("commit", one.commit.clone())
            .row("content", one.hash.clone())
            .row("made", one.created_at.to_string())
    })?;
    Ok(Exit::Done)
}
