//! A vendor's program connected to us: what is written where, what it was before, and how it is taken back.
//!
//! Invariant: before a file of the user's is changed, its bytes are kept under the data root; files appear whole, by
//! rename, through whatever link leads to them; and what was written is taken back when the vendor's program refuses it.

mod diff;
mod file;
mod record;

use crate::context::Context;
use crate::discovery::Source;
use crate::failure::{Exit, Failure};
use crate::worktree::Worktree;
use agent::{Cli, ConnectError, FilePlan, ProbeError, Programs, Scope, Surroundings, Trust};
use file::Present;
use record::Record;
use std::path::{Path, PathBuf};

/// A vendor's program and whom it is connected for.
pub(crate) struct Connection<'a> {
    context: &'a Context,
    pub(crate) cli: Cli,
    pub(crate) scope: Scope,
    place: Surroundings,
    plans: Vec<FilePlan>,
}

/// A file that is going to be different.
pub(crate) struct Edit {
    pub(crate) path: PathBuf,
    pub(crate) present: Present,
    /// None: it goes.
    pub(crate) wanted: Option<Vec<u8>>,
    /// The user has changed it since it was connected, so only what is ours goes.
    pub(crate) changed_since: bool,
}

impl Edit {
    pub(crate) fn diff(&self) -> String {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let before = self.present.bytes.as_deref().map(text).unwrap_or_default();
        let after = self.wanted.as_deref().map(text).unwrap_or_default();
        diff::lines(&before, &after)
    }

    pub(crate) const fn what(&self) -> &'static str {
        match (&self.present.bytes, &self.wanted) {
            (None, _) => "made",
            (_, None) => "removed",
            (Some(_), Some(_)) => "changed",
        }
    }
}

/// How a connection stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    Absent,
    Connected,
    /// Something of ours is there, and not as it should be: an older path, or a part is missing.
    Drifted,
}

impl From<ConnectError> for Failure {
    fn from(error: ConnectError) -> Self {
        let code = match error {
            ConnectError::Unreadable { .. } => "config_unreadable",
            ConnectError::Entangled { .. } => "config_entangled",
            ConnectError::UserOnly => "user_only",
            ConnectError::NoProject => "no_worktree",
        };
        let exit = match error {
            ConnectError::Unreadable { .. } | ConnectError::Entangled { .. } => Exit::Conflict,
            ConnectError::UserOnly | ConnectError::NoProject => Exit::Usage,
        };
        Self::new(exit, code, error.to_string())
    }
}

impl<'a> Connection<'a> {
    pub(crate) fn new(context: &'a Context, cli: Cli, scope: Scope) -> Result<Self, Failure> {
        let place = surroundings(context)?;
        let plans = agent::plan(cli, scope, &place, &programs(context)?)?;
        Ok(Self { context, cli, scope, place, plans })
    }

    fn record(&self) -> Record {
        Record::of(self.context.root.path(), self.cli, self.scope, self.place.project.as_deref())
    }

    /// What connecting would change.
    pub(crate) fn wanted(&self) -> Result<Vec<Edit>, Failure> {
        let mut edits = Vec::new();
        for plan in &self.plans {
            let present = Present::read(&plan.path)?;
            let wanted = plan.connected(present.text(&plan.path)?)?.into_bytes();
            if present.bytes.as_deref() != Some(wanted.as_slice()) {
                let path = plan.path.clone();
                edits.push(Edit { path, present, wanted: Some(wanted), changed_since: false });
            }
        }
        Ok(edits)
    }

    /// What disconnecting would change.
    pub(crate) fn unwanted(&self) -> Result<Vec<Edit>, Failure> {
        let record = self.record();
        let mut edits = Vec::new();
        for plan in &self.plans {
            let present = Present::read(&plan.path)?;
            let Some(bytes) = &present.bytes else { continue };
            let kept = record.kept(&plan.path);
            let as_we_left_it = kept.as_ref().is_some_and(|kept| kept.after == record::hash(bytes));
            let wanted = match kept.as_ref().filter(|_| as_we_left_it) {
                Some(kept) => record.original(kept)?,
                None => match plan.disconnected(present.text(&plan.path)?.unwrap_or_default())? {
                    Some(left) => Some(left.into_bytes()),
                    None if kept.is_some_and(|kept| kept.before.is_some()) => Some(file::empty(&plan.path)),
                    None => None,
                },
            };
            if wanted.as_ref() != Some(bytes) {
                edits.push(Edit { path: plan.path.clone(), present, wanted, changed_since: !as_we_left_it });
            }
        }
        Ok(edits)
    }

    pub(crate) fn standing(&self) -> Result<Standing, Failure> {
        let (mut good, mut some) = (0, 0);
        for plan in &self.plans {
            let present = Present::read(&plan.path)?;
            let Some(text) = present.text(&plan.path)? else { continue };
            if plan.connected(Some(text))? == text {
                good += 1;
            } else if plan.disconnected(text)?.as_deref() != Some(text) {
                some += 1;
            }
        }
        Ok(match (good, some) {
            (0, 0) => Standing::Absent,
            (good, _) if good == self.plans.len() => Standing::Connected,
            _ => Standing::Drifted,
        })
    }

    /// Writes what was shown, and has the vendor's program check it.
    pub(crate) fn connect(&self, edits: &[Edit]) -> Result<Vec<String>, Failure> {
        let mut record = self.record();
        for edit in edits {
            let before = self.before(&record, edit)?;
            record.keep(&edit.path, before.as_deref())?;
        }
        record.write()?;
        let mut done = Vec::new();
        let written = edits.iter().try_for_each(|edit| {
            edit.present.replace(edit.wanted.as_deref())?;
            done.push(edit);
            Ok(())
        });
        let notes = match written.and_then(|()| self.checked()) {
            Ok(notes) => notes,
            Err(failure) => {
                // All that can be put back is, before it is said what cannot.
                let back: Vec<_> =
                    done.iter().map(|edit| edit.present.put_back(edit.wanted.as_deref())).collect();
                back.into_iter().collect::<Result<(), Failure>>()?;
                if edits.iter().any(|edit| edit.present.bytes.is_none()) || !record.was_there {
                    record.remove()?;
                }
                return Err(failure);
            }
        };
        // Its own trust goes to a file we wrote to, so the last state is what counts.
        for plan in &self.plans {
            if let Some(bytes) = Present::read(&plan.path)?.bytes {
                record.settle(&plan.path, &bytes);
            }
        }
        record.write()?;
        Ok(notes)
    }

    /// What disconnecting is to bring back: what was there before the first connection, or what the user has made of it.
    fn before(&self, record: &Record, edit: &Edit) -> Result<Option<Vec<u8>>, Failure> {
        let Some(bytes) = &edit.present.bytes else { return Ok(None) };
        if let Some(kept) = record.kept(&edit.path)
            && kept.after == record::hash(bytes)
        {
            return record.original(&kept);
        }
        let Some(plan) = self.plans.iter().find(|plan| plan.path == edit.path) else { return Ok(None) };
        let text = edit.present.text(&edit.path)?.unwrap_or_default();
        Ok(match plan.disconnected(text)? {
            Some(left) => Some(left.into_bytes()),
            None => Some(bytes.clone()).filter(|_| plan.connected(Some(text)).is_ok_and(|with| with != text)),
        })
    }

    pub(crate) fn disconnect(&self, edits: &[Edit]) -> Result<(), Failure> {
        for edit in edits {
            edit.present.replace(edit.wanted.as_deref())?;
            if edit.wanted.is_none() {
                file::tidy(&edit.path, self.record().made(&edit.path));
            }
        }
        self.record().remove()
    }

    /// Forgets what was kept when there is nothing to take back any more.
    pub(crate) fn forget(&self) -> Result<(), Failure> {
        self.record().remove()
    }

    /// Asks the vendor's program whether it takes what was written. What remains to be done is said.
    fn checked(&self) -> Result<Vec<String>, Failure> {
        let environment = &self.context.host.environment;
        let program = || file::on_path(self.cli.as_str(), environment);
        match self.cli {
            Cli::Claude | Cli::Gemini => Ok(Vec::new()),
            Cli::Kimi => match program() {
                Some(program) => {
                    agent::kimi_doctor(&program, environment).map_err(refused)?;
                    Ok(vec!["`kimi doctor` accepts it".to_owned()])
                }
                None => Ok(vec![
                    "kimi is not installed; run `kimi doctor` when it is: it drops all hooks when it dislikes one".to_owned(),
                ]),
            },
            Cli::Codex => match program() {
                Some(program) => self.trusted(&program),
                None => Ok(vec![
                    "codex is not installed; connect again when it is, or trust the hooks there with /hooks: it passes over \
                     hooks nobody trusted"
                        .to_owned(),
                ]),
            },
        }
    }

    fn trusted(&self, program: &Path) -> Result<Vec<String>, Failure> {
        match self.trust(program, true) {
            Ok(Trust::Given(0)) => Ok(vec!["codex trusted the hooks already".to_owned()]),
            Ok(Trust::Given(count)) => Ok(vec![format!("codex trusts the {count} hooks now")]),
            Ok(Trust::Missing(count)) => {
                Ok(vec![format!("{count} hooks are not trusted; see /hooks in codex")])
            }
            // What was written is right all the same; the user can do the rest.
            Err(error) => Ok(vec![format!(
                "codex could not be told to trust the hooks ({error}); do it there with /hooks: it passes over hooks nobody \
                 trusted"
            )]),
        }
    }

    /// Whether Codex would run the hooks; with `give` it is told to.
    pub(crate) fn trust(&self, program: &Path, give: bool) -> Result<Trust, ProbeError> {
        let file =
            self.plans.iter().map(|plan| plan.path.as_path()).find(|path| path.ends_with("hooks.json"));
        let file = file.unwrap_or(Path::new(""));
        let real = file.canonicalize().unwrap_or_else(|_| file.to_owned());
        let cwd = self.place.project.as_deref().unwrap_or(&self.context.cwd);
        agent::codex_trust(program, &self.context.host.environment, (cwd, &real), give)
    }

    pub(crate) fn login(&self) -> agent::Login {
        agent::login(self.cli, &self.place)
    }
}

fn refused(error: ProbeError) -> Failure {
    Failure::new(Exit::Conflict, "config_refused", format!("{error}; everything is as it was"))
        .hint("correct what it names, then connect again")
}

/// Where the vendors' programs of this user look.
fn surroundings(context: &Context) -> Result<Surroundings, Failure> {
    let home = context.variable("HOME").map(PathBuf::from).ok_or_else(|| {
        Failure::usage("no_home", "HOME is not set, so nobody knows where the configuration is")
            .hint("set HOME to your home folder")
    })?;
    let project = Worktree::around(&context.cwd).ok().map(|worktree| worktree.top);
    Ok(Surroundings { home, environment: context.host.environment.clone(), project })
}

/// What the vendors' programs are to start: this very binary, and the data root if it is not where it is found anyway.
fn programs(context: &Context) -> Result<Programs, Failure> {
    let text = |path: &Path| {
        path.to_str().map(str::to_owned).ok_or_else(|| {
            Failure::usage("path_not_utf8", format!("the path {} is not UTF-8", path.display()))
        })
    };
    let given = matches!(context.source, Source::Flag | Source::DataRootVariable | Source::ProjectsVariable);
    let options = match given {
        true => vec!["--data-root".to_owned(), text(context.root.path())?],
        false => Vec::new(),
    };
    Ok(Programs { binary: text(&context.host.executable)?, options })
}
