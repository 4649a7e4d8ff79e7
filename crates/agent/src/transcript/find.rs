//! Where the vendors' programs keep their transcripts, and what the place itself says of one.
//!
//! Invariant: nothing is followed out of the folder that was named. Links are not followed at all.

use super::Header;
use model::Vendor;
use serde::Deserialize;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

/// Transcripts looked for at once, at most.
pub const PLACES_MAX: usize = 100_000;
/// Folders below the one that was named, at most.
const DEPTH_MAX: usize = 8;
/// Largest file beside a transcript that is read, in bytes.
const BESIDE_MAX: u64 = 256 * 1024;

/// A transcript.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Transcripts of sub-agents come after all others, so that who started them is there.
    depth: u32,
    pub path: PathBuf,
}

#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    #[error("{path} cannot be looked through: {error}", path = path.display())]
    Unreadable { path: PathBuf, error: std::io::Error },
    #[error("more than {PLACES_MAX} transcripts are below {path}; name a folder further down", path = path.display())]
    TooMany { path: PathBuf },
}

/// The folder below which the vendor's program keeps its transcripts. None without a home.
pub fn home(vendor: Vendor, environment: &dyn Fn(&str) -> Option<String>) -> Option<PathBuf> {
    let set = |name: &str| environment(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let home = || set("HOME");
    match vendor {
        Vendor::Anthropic => {
            Some(set("CLAUDE_CONFIG_DIR").or_else(|| Some(home()?.join(".claude")))?.join("projects"))
        }
        Vendor::Openai => Some(set("CODEX_HOME").or_else(|| Some(home()?.join(".codex")))?.join("sessions")),
        Vendor::Google => Some(set("GEMINI_CLI_HOME").or_else(home)?.join(".gemini").join("tmp")),
        Vendor::Moonshot => {
            Some(set("KIMI_CODE_HOME").or_else(|| Some(home()?.join(".kimi-code")))?.join("sessions"))
        }
    }
}

/// The vendor's transcripts below a folder, in the order they are to be read.
pub fn places(vendor: Vendor, below: &Path) -> Result<Vec<Place>, PlaceError> {
    let mut found = Vec::new();
    walk(vendor, below, 0, &mut found, below)?;
    found.sort();
    Ok(found)
}

fn walk(
    vendor: Vendor,
    dir: &Path,
    depth: usize,
    found: &mut Vec<Place>,
    below: &Path,
) -> Result<(), PlaceError> {
    let listing = match fs::read_dir(dir) {
        Ok(listing) => listing,
        // Only the folder that was named has to be there and readable; the others come and go.
        Err(error) if depth == 0 => return Err(PlaceError::Unreadable { path: dir.to_owned(), error }),
        Err(_) => return Ok(()),
    };
    for entry in listing.flatten() {
        let Ok(kind) = entry.file_type() else { continue };
        let path = entry.path();
        if kind.is_dir() && depth < DEPTH_MAX {
            walk(vendor, &path, depth + 1, found, below)?;
        } else if kind.is_file() && is_transcript(vendor, &path) {
            if found.len() == PLACES_MAX {
                return Err(PlaceError::TooMany { path: below.to_owned() });
            }
            found.push(Place::of(vendor, path));
        }
    }
    Ok(())
}

fn is_transcript(vendor: Vendor, path: &Path) -> bool {
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else { return false };
    match vendor {
        Vendor::Anthropic => name.ends_with(".jsonl"),
        Vendor::Openai => name.starts_with("rollout-") && name.ends_with(".jsonl"),
        Vendor::Google => name.starts_with("session-") && name.ends_with(".jsonl"),
        Vendor::Moonshot => name == "wire.jsonl",
    }
}

impl Place {
    /// The file at this path, whatever it is called.
    pub fn of(vendor: Vendor, path: PathBuf) -> Self {
        let depth = match vendor {
            Vendor::Anthropic => u32::from(parent_name(&path, 0) == Some("subagents")),
            Vendor::Moonshot => u32::from(parent_name(&path, 0).is_some_and(|agent| agent != "main")),
            Vendor::Google | Vendor::Openai => 0,
        };
        Self { depth, path }
    }

    /// What the place says of the session: its name at least.
    pub fn header(&self, vendor: Vendor) -> Header {
        match vendor {
            Vendor::Anthropic => self.claude(),
            Vendor::Moonshot => self.kimi(),
            Vendor::Google => {
                let project = self.path.ancestors().nth(2);
                let cwd = project.and_then(|dir| beside(&dir.join(".project_root")));
                let cwd = cwd.map(|cwd| cwd.trim().to_owned()).filter(|cwd| !cwd.is_empty());
                Header { session: self.stem(), cwd, ..Header::default() }
            }
            Vendor::Openai => Header { session: self.stem(), ..Header::default() },
        }
    }

    fn stem(&self) -> String {
        self.path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default()
    }

    fn claude(&self) -> Header {
        #[derive(Default, Deserialize)]
        #[serde(rename_all = "camelCase", default)]
        struct Meta {
            description: Option<String>,
            tool_use_id: Option<String>,
        }
        let stem = self.stem();
        let (Some(agent), 1, Some(session)) =
            (stem.strip_prefix("agent-"), self.depth, parent_name(&self.path, 1))
        else {
            return Header { session: stem, ..Header::default() };
        };
        let meta = beside(&self.path.with_extension("meta.json"));
        let meta: Meta = meta.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
        Header {
            session: format!("{session}/{agent}"),
            parent: Some(session.to_owned()),
            call: meta.tool_use_id,
            title: meta.description.filter(|title| !title.trim().is_empty()),
            ..Header::default()
        }
    }

    fn kimi(&self) -> Header {
        #[derive(Default, Deserialize)]
        #[serde(rename_all = "camelCase", default)]
        struct State {
            cwd: Option<String>,
            title: Option<String>,
            is_custom_title: bool,
        }
        let (Some(agent), Some(session)) = (parent_name(&self.path, 0), parent_name(&self.path, 2)) else {
            return Header { session: self.stem(), ..Header::default() };
        };
        let state = self.path.ancestors().nth(3).and_then(|dir| beside(&dir.join("state.json")));
        let state: State = state.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
        let main = agent == "main";
        Header {
            session: if main { session.to_owned() } else { format!("{session}/{agent}") },
            parent: (!main).then(|| session.to_owned()),
            cwd: state.cwd,
            title: state.title.filter(|_| main && state.is_custom_title),
            ..Header::default()
        }
    }
}

/// Name of the folder so many steps above the file's own folder.
fn parent_name(path: &Path, steps: usize) -> Option<&str> {
    path.ancestors().nth(steps + 1)?.file_name()?.to_str()
}

/// A small file beside a transcript; it is no matter if there is none.
fn beside(path: &Path) -> Option<String> {
    let mut text = String::new();
    File::open(path).ok()?.take(BESIDE_MAX).read_to_string(&mut text).ok()?;
    Some(text)
}
