//! The files at a worktree's root in which a repository tells agents how work is done in it. Each vendor's program reads
//! some of them by itself; the others are told to the agent by us.
//!
//! Invariant: what is told is a file of the worktree itself, bounded, and no text that the agent reads anyway.

use super::place::Place;
use std::io::Read;
use std::path::{Path, PathBuf};

/// In the order in which they are told.
pub(super) const FILES: [&str; 3] = ["AGENTS.md", "CLAUDE.md", "GEMINI.md"];
/// Bytes of each of them that are told.
const FILE_MAX: usize = 32 * 1024;

/// What a vendor's program reads by itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Reads {
    /// Paths from the root.
    files: Vec<String>,
    /// Whether `@path` in one of them brings in that file.
    imports: bool,
}

impl Reads {
    pub(crate) fn of(files: &[&str]) -> Self {
        Self { files: files.iter().map(|file| (*file).to_owned()).collect(), imports: false }
    }

    pub(crate) fn and(mut self, more: impl IntoIterator<Item = String>) -> Self {
        self.files.extend(more);
        self
    }

    pub(crate) fn with_imports(mut self) -> Self {
        self.imports = true;
        self
    }
}

/// The system prompt after what the repository says and the agent does not read.
pub(crate) fn before(system: &str, place: &Place, reads: &Reads) -> String {
    preceded(&asked(place.root(), reads), system)
}

pub(super) fn preceded(asked: &str, system: &str) -> String {
    if asked.is_empty() { system.to_owned() } else { format!("{asked}\n\n{}", system.trim_start()) }
}

/// What the files ask of agents that do not read them; empty when there is nothing.
pub(super) fn asked(root: &Path, reads: &Reads) -> String {
    let told = told(root, reads);
    if told.is_empty() {
        return String::new();
    }
    let files: Vec<String> = told
        .iter()
        .map(|(name, file)| format!("<file name=\"{name}\">\n{}\n</file>", file.shown()))
        .collect();
    format!("What the repository asks of agents, by files at its root:\n\n{}", files.join("\n\n"))
}

fn told(root: &Path, reads: &Reads) -> Vec<(&'static str, ContextFile)> {
    let mut known: Vec<ContextFile> =
        reads.files.iter().filter_map(|name| ContextFile::read(root, name)).collect();
    let imported: Vec<PathBuf> =
        known.iter().filter(|_| reads.imports).flat_map(ContextFile::imports).collect();
    let mut told = Vec::new();
    for name in FILES.into_iter().filter(|name| !reads.files.iter().any(|read| read == name)) {
        let Some(file) = ContextFile::read(root, name) else { continue };
        if imported.contains(&file.real) || known.iter().any(|other| other.has(&file)) || file.points(&known)
        {
            continue;
        }
        known.push(file.clone());
        told.push((name, file));
    }
    told
}

#[derive(Debug, Clone)]
struct ContextFile {
    /// Its own name, with every link followed.
    real: PathBuf,
    text: String,
    cut: bool,
}

impl ContextFile {
    /// None when there is nothing to tell, or when a link leads out of the worktree or into git's own folder.
    fn read(root: &Path, name: &str) -> Option<Self> {
        let real = root.join(name).canonicalize().ok()?;
        let within = real.strip_prefix(root).ok()?;
        if within.components().any(|part| part.as_os_str() == ".git") || !real.metadata().ok()?.is_file() {
            return None;
        }
        let mut bytes = Vec::new();
        let limit = u64::try_from(FILE_MAX + 1).unwrap_or(u64::MAX);
        std::fs::File::open(&real).ok()?.take(limit).read_to_end(&mut bytes).ok()?;
        let mut text = String::from_utf8_lossy(&bytes).into_owned();
        let cut = text.len() > FILE_MAX;
        text.truncate(text.floor_char_boundary(FILE_MAX));
        let text = text.trim().to_owned();
        (!text.is_empty()).then_some(Self { real, text, cut })
    }

    fn shown(&self) -> String {
        if self.cut { format!("{}\n… (the rest is in the file)", self.text) } else { self.text.clone() }
    }

    /// Whether whoever reads this reads the other, too.
    fn has(&self, other: &Self) -> bool {
        self.real == other.real || self.text.contains(&other.text)
    }

    /// The files it brings in, as far as they are there.
    fn imports(&self) -> Vec<PathBuf> {
        let words = self.text.split_whitespace();
        words.filter_map(|word| self.import(word)).collect()
    }

    fn import(&self, word: &str) -> Option<PathBuf> {
        self.real.parent()?.join(word.strip_prefix('@')?).canonicalize().ok()
    }

    /// Whether it says nothing but to read files that are known.
    fn points(&self, known: &[Self]) -> bool {
        self.text
            .split_whitespace()
            .all(|word| self.import(word).is_some_and(|real| known.iter().any(|file| file.real == real)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::place::tests::Dice;
    use super::*;
    use std::os::unix::fs::symlink;
    use std::sync::Arc;

    struct Repo(tempfile::TempDir);

    impl Repo {
        fn new(files: &[(&str, &str)]) -> Self {
            let repo = Self(tempfile::tempdir().unwrap());
            for (name, text) in files {
                let path = repo.0.path().join(name);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, text).unwrap();
            }
            repo
        }

        fn place(&self) -> Place {
            Place::at(self.0.path(), Arc::new(Dice)).unwrap()
        }

        fn names(&self, reads: &Reads) -> Vec<&'static str> {
            told(self.place().root(), reads).into_iter().map(|(name, _)| name).collect()
        }
    }

    fn claude() -> Reads {
        Reads::of(&["CLAUDE.md", ".claude/CLAUDE.md"]).with_imports()
    }

    #[test]
    fn what_the_program_does_not_read_is_told_before_the_rest() {
        let repo = Repo::new(&[("AGENTS.md", "Indent by four.\n"), ("CLAUDE.md", "c"), ("GEMINI.md", "g")]);
        assert_eq!(repo.names(&Reads::default()), ["AGENTS.md", "CLAUDE.md", "GEMINI.md"]);
        assert_eq!(repo.names(&claude()), ["AGENTS.md", "GEMINI.md"]);
        assert_eq!(repo.names(&Reads::of(&["AGENTS.md"]).and(["CLAUDE.md".to_owned()])), ["GEMINI.md"]);
        let system = before("\n\nRules.", &repo.place(), &Reads::of(&["CLAUDE.md", "GEMINI.md"]));
        assert!(
            system.ends_with("\n<file name=\"AGENTS.md\">\nIndent by four.\n</file>\n\nRules."),
            "{system}"
        );
        assert_eq!(before("Rules.", &Repo::new(&[]).place(), &Reads::default()), "Rules.");
    }

    #[test]
    fn the_same_text_is_told_once() {
        for (files, reads, names) in [
            (&[("AGENTS.md", "same\n"), ("CLAUDE.md", "same")][..], Reads::default(), &["AGENTS.md"][..]),
            (&[("AGENTS.md", "same"), ("CLAUDE.md", "# all\nsame\n")], claude(), &[]),
            (&[("AGENTS.md", "a"), ("CLAUDE.md", "see @AGENTS.md\nb")], claude(), &[]),
            (&[("AGENTS.md", "a"), (".claude/CLAUDE.md", "b @../AGENTS.md")], claude(), &[]),
            (&[("AGENTS.md", "x"), ("CLAUDE.md", "mail me@AGENTS.md")], claude(), &["AGENTS.md"]),
            // Who takes no imports is told what they would bring in, and not a text that is nothing else.
            (&[("AGENTS.md", "a"), ("CLAUDE.md", "@AGENTS.md\n")], Reads::default(), &["AGENTS.md"]),
            (&[("AGENTS.md", "@GEMINI.md"), ("GEMINI.md", "g")], Reads::of(&["AGENTS.md"]), &["GEMINI.md"]),
        ] {
            assert_eq!(Repo::new(files).names(&reads), names, "{files:?}");
        }
    }

    #[test]
    fn a_link_is_followed_within_the_worktree_only() {
        let repo = Repo::new(&[("docs/agents.md", "a"), (".git/config", "secret"), ("other", "g")]);
        let outside = Repo::new(&[("secret", "of others")]);
        symlink("docs/agents.md", repo.0.path().join("AGENTS.md")).unwrap();
        symlink(".git/config", repo.0.path().join("CLAUDE.md")).unwrap();
        symlink(outside.0.path().join("secret"), repo.0.path().join("GEMINI.md")).unwrap();
        assert_eq!(repo.names(&Reads::default()), ["AGENTS.md"]);

        let repo = Repo::new(&[("AGENTS.md", "a")]);
        symlink("AGENTS.md", repo.0.path().join("CLAUDE.md")).unwrap();
        assert_eq!(repo.names(&Reads::default()), ["AGENTS.md"]);
        assert!(repo.names(&claude()).is_empty());
    }

    #[test]
    fn a_file_is_told_to_its_limit() {
        let repo = Repo::new(&[("AGENTS.md", &"x".repeat(FILE_MAX)), ("CLAUDE.md", &"ä".repeat(FILE_MAX))]);
        let told = told(repo.place().root(), &Reads::default());
        assert_eq!(told[0].1.shown().len(), FILE_MAX);
        assert!(told[1].1.shown().ends_with("ä\n… (the rest is in the file)"));
        assert_eq!(told[1].1.text.len(), FILE_MAX);
        let empty = Repo::new(&[("AGENTS.md", " \n"), ("CLAUDE.md/inside", "a folder")]);
        assert!(empty.names(&Reads::default()).is_empty());
    }
}
