//! A repository, our way into it, and a picture of everything that must not change.

use git::{Author, Git, Oid, Repository, Snapshot, Taken};
use model::{RepoPath, Timestamp};
use std::collections::BTreeMap;
use std::path::Path;
use testkit::TempRepo;

pub(crate) const AT: Timestamp = Timestamp::from_millis(1_769_869_381_000);

pub(crate) struct World {
    pub repo: TempRepo,
    pub git: Git,
    pub open: Repository,
}

impl World {
    pub(crate) fn new(repo: TempRepo) -> Self {
        let git = installation(&repo);
        let open = git.open(repo.path()).unwrap();
        Self { repo, git, open }
    }

    pub(crate) fn with(files: &[(&str, &str)]) -> Self {
        Self::new(TempRepo::with(files))
    }

    pub(crate) fn head(&self) -> Oid {
        self.open.head().unwrap().unwrap()
    }

    pub(crate) fn try_snapshot(&self, parent: Option<&Oid>, at: &[&str]) -> Result<Taken, git::GitError> {
        let author = Author::new("Ann", "ann@example.com");
        let co_authors = [Author::agent(&"claude".parse().unwrap()), Author::agent(&"kimi".parse().unwrap())];
        let paths = paths(at);
        let message = "Do the work";
        let snapshot =
            Snapshot { parent, paths: &paths, message, author: &author, co_authors: &co_authors, at: AT };
        self.open.snapshot(&snapshot)
    }

    /// A snapshot of the paths on HEAD that must change something.
    pub(crate) fn snapshot(&self, at: &[&str]) -> Oid {
        let head = self.open.head().unwrap();
        self.try_snapshot(head.as_ref(), at).unwrap().commit.unwrap()
    }

    pub(crate) fn show(&self, at: &Oid, path: &str) -> Option<String> {
        let bytes = self.open.blob(at, &path.parse().unwrap()).unwrap();
        bytes.map(|bytes| String::from_utf8(bytes).unwrap())
    }

    /// HEAD, every ref, the index and every file of the work tree, byte for byte.
    pub(crate) fn picture(&self) -> BTreeMap<String, Vec<u8>> {
        let mut picture = BTreeMap::new();
        let git_dir = self.repo.path().join(".git");
        for name in ["HEAD", "index", "packed-refs", "config"] {
            if let Ok(bytes) = std::fs::read(git_dir.join(name)) {
                picture.insert(format!(".git/{name}"), bytes);
            }
        }
        files(&git_dir.join("refs"), "refs", &mut picture);
        files(self.repo.path(), "", &mut picture);
        picture
    }
}

pub(crate) fn installation(repo: &TempRepo) -> Git {
    Git::new(testkit::search_path(), repo.beside("scratch"))
}

pub(crate) fn paths(given: &[&str]) -> Vec<RepoPath> {
    given.iter().map(|path| path.parse().unwrap()).collect()
}

fn files(dir: &Path, prefix: &str, into: &mut BTreeMap<String, Vec<u8>>) {
    let Ok(entries) = std::fs::read_dir(dir) else { return };
    for entry in entries.map(Result::unwrap) {
        let name = format!("{prefix}/{}", entry.file_name().to_string_lossy());
        let kind = entry.file_type().unwrap();
        if kind.is_dir() && entry.file_name() != ".git" {
            files(&entry.path(), &name, into);
        } else if kind.is_file() {
            into.insert(name, std::fs::read(entry.path()).unwrap());
        }
    }
}
