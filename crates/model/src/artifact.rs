//! Artifacts: files and outputs agents made, stored by what they hold.

use crate::{AgentName, ArtifactId, ParticipantId, RepoPath, SessionId, Timestamp};
use serde::{Deserialize, Serialize};

/// Longest name of an artifact, in characters.
pub const ARTIFACT_NAME_MAX: usize = 200;
/// Largest artifact, in bytes.
pub const ARTIFACT_BYTES_MAX: usize = 32 * 1024 * 1024;

/// What an artifact is, in the studio's oldest words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ArtifactKind {
    Code,
    Document,
    Image,
    Data,
}

impl ArtifactKind {
    pub const ALL: [Self; 4] = [Self::Code, Self::Document, Self::Image, Self::Data];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Code => "code",
            Self::Document => "document",
            Self::Image => "image",
            Self::Data => "data",
        }
    }

    /// What a file of this name is, as far as its name tells.
    pub fn of_name(name: &str) -> Self {
        let end = name.rsplit_once('.').map_or("", |(_, end)| end).to_ascii_lowercase();
        match end.as_str() {
            "png" | "jpg" | "jpeg" | "gif" | "webp" | "svg" | "bmp" | "ico" => Self::Image,
            "md" | "txt" | "pdf" | "html" | "rst" | "adoc" | "docx" | "odt" | "log" => Self::Document,
            "rs" | "ts" | "tsx" | "js" | "jsx" | "py" | "go" | "c" | "h" | "cpp" | "java" | "rb" | "sh"
            | "sql" | "css" | "patch" | "diff" | "toml" | "kt" | "swift" | "php" => Self::Code,
            _ => Self::Data,
        }
    }
}

/// A file or an output, by the hash of what it holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Artifact {
    pub id: ArtifactId,
    /// A plain file name.
    pub name: String,
    pub kind: ArtifactKind,
    pub bytes: u64,
    /// BLAKE3 of the content, in hex: its name in the blob store.
    pub hash: String,
    pub session: Option<SessionId>,
    /// Who made it; none when the user put it there.
    pub participant: Option<ParticipantId>,
    pub agent: Option<AgentName>,
    /// Where it lies in its repository.
    pub path: Option<RepoPath>,
    /// The git commit it belongs to.
    pub commit: Option<String>,
    pub created_at: Timestamp,
}

/// An artifact is listed no more. What it held stays in the blob store: the journal names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArtifactRemoved {
    pub artifact: ArtifactId,
    pub session: Option<SessionId>,
}

/// A plain file name out of what somebody called it: the last part of a path, without what steers a terminal, a shell or a file
/// system. None when nothing is left.
pub fn artifact_name(given: &str) -> Option<String> {
    let last = given.rsplit(['/', '\\']).next().unwrap_or_default();
    let plain: String = last
        .chars()
        .filter(|c| !c.is_control() && !is_hidden(*c))
        .map(|c| if "<>:\"|?*".contains(c) { '_' } else { c })
        .take(ARTIFACT_NAME_MAX)
        .collect();
    let trimmed = plain.trim_matches([' ', '.']);
    Some(trimmed.to_owned()).filter(|name| !name.is_empty())
}

/// Characters that show as nothing or turn what is around them.
const fn is_hidden(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_plain_file_name() {
        for (given, name) in [
            ("report.md", "report.md"),
            ("../../etc/passwd", "passwd"),
            ("C:\\temp\\x.txt", "x.txt"),
            ("a\u{202e}gpj.exe", "agpj.exe"),
            ("a\nb\u{1b}[2J", "ab[2J"),
            ("what? \"this\" <is>", "what_ _this_ _is_"),
            (".hidden", "hidden"),
            ("größe.png", "größe.png"),
        ] {
            assert_eq!(artifact_name(given).as_deref(), Some(name), "{given:?}");
        }
        for bad in ["", "/", "..", "...", " ", "a/", "\u{200b}", "\n"] {
            assert_eq!(artifact_name(bad), None, "{bad:?}");
        }
        let long = "n".repeat(ARTIFACT_NAME_MAX + 1);
        assert_eq!(artifact_name(&long).unwrap().chars().count(), ARTIFACT_NAME_MAX);
    }

    #[test]
    fn a_kind_follows_from_the_name() {
        for (name, kind) in [
            ("a.rs", ArtifactKind::Code),
            ("A.PNG", ArtifactKind::Image),
            ("README.md", ArtifactKind::Document),
            ("rows.csv", ArtifactKind::Data),
            ("Makefile", ArtifactKind::Data),
        ] {
            assert_eq!(ArtifactKind::of_name(name), kind, "{name}");
        }
    }
}
