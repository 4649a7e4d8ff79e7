//! The file index: what is found by which words, and that the file may be gone or another's.

use crate::workspace::Workspace;
use model::{RepoId, Timestamp};
use rusqlite::Connection;
use store::{FOUND_MAX, FileFilter, FileIndex, FoundFile, GitStatus, INDEX_FILE, SeenFile, Wanted};

fn seen(path: &str, text: &str) -> SeenFile {
    SeenFile {
        path: path.parse().unwrap(),
        print: "1".to_owned(),
        bytes: text.len() as u64,
        modified_at: Timestamp::from_millis(5),
        hash: Some(blake3::hash(text.as_bytes()).to_hex().to_string()),
        text: Some(text.to_owned()),
        language: path.ends_with(".rs").then_some("rust"),
        status: GitStatus::Clean,
        session: None,
        lock: None,
    }
}

struct Place {
    workspace: Workspace,
    repo: RepoId,
}

impl Place {
    fn new() -> Self {
        let workspace = Workspace::new();
        std::fs::create_dir_all(workspace.dir().databases()).unwrap();
        let repo = RepoId::new(&workspace.clock, &workspace.dice);
        Self { workspace, repo }
    }

    fn open(&self) -> FileIndex {
        FileIndex::open(&self.workspace.dir().databases()).unwrap()
    }

    fn search(&self, words: &str, filter: &FileFilter) -> Vec<FoundFile> {
        let wanted = Wanted::parse(words).unwrap();
        FileIndex::search(&self.workspace.dir().databases(), &wanted, filter, 50).unwrap()
    }

    fn paths(&self, words: &str) -> Vec<String> {
        self.search(words, &FileFilter::default()).into_iter().map(|one| one.path.to_string()).collect()
    }
}

#[test]
fn it_has_the_studios_oldest_columns() {
    let place = Place::new();
    drop(place.open());
    let file = Connection::open(place.workspace.database(INDEX_FILE)).unwrap();
    let mut prepared = file.prepare("SELECT name FROM pragma_table_info('workspace_files')").unwrap();
    let columns: Vec<String> =
        prepared.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    assert_eq!(
        columns[..9].join(" "),
        "file_id session_id file_path content_hash last_modified vector_embedding language agent_lock git_status"
    );
}

#[test]
fn a_file_is_what_it_was_put_in_as_last() {
    let place = Place::new();
    let mut index = place.open();
    let (one, two) = (
        index.worktree("/one", place.repo, true).unwrap(),
        index.worktree("/two", place.repo, false).unwrap(),
    );
    index.put(one, &[seen("a.rs", "alpha"), seen("b.md", "beta")]).unwrap();
    index.put(two, &[seen("a.rs", "alpha")]).unwrap();
    let found = place.search("alpha", &FileFilter::default());
    assert_eq!((found.len(), found[0].also_in, found[0].worktree.as_str()), (1, 1, "/one"));
    assert_eq!(index.counts().unwrap().documents, 2);
    let session = Some(model::SessionId::new(&place.workspace.clock, &place.workspace.dice));
    index.put(one, &[SeenFile { session, ..seen("a.rs", "alpha") }]).unwrap();
    index.put(one, &[seen("a.rs", "alpha")]).unwrap();
    assert_eq!(place.search("alpha", &FileFilter::default())[0].session, session, "it is as it was left");
    index.put(one, &[seen("a.rs", "gamma")]).unwrap();
    assert_eq!(place.search("gamma", &FileFilter::default())[0].session, None, "somebody changed it");
    assert_eq!(place.search("alpha", &FileFilter::default())[0].worktree, "/two");
    index.forget(two, &["a.rs".to_owned()]).unwrap();
    assert_eq!((place.paths("alpha"), place.paths("gamma")), (vec![], vec!["a.rs".to_owned()]));
    index.mark(one, &[("a.rs".to_owned(), GitStatus::Modified, Some("claude".to_owned()))]).unwrap();
    let known = index.known(one).unwrap();
    assert_eq!((known["a.rs"].status, known["a.rs"].lock.as_deref()), (GitStatus::Modified, Some("claude")));
    for (filter, expected) in [
        (FileFilter { changed: true, ..FileFilter::default() }, 1),
        (FileFilter { worktree: Some("/two".to_owned()), ..FileFilter::default() }, 0),
        (FileFilter { language: Some("rust".to_owned()), ..FileFilter::default() }, 1),
        (FileFilter { language: Some("go".to_owned()), ..FileFilter::default() }, 0),
        (FileFilter { repo: Some(place.repo), ..FileFilter::default() }, 1),
        (FileFilter { under: Some("a".parse().unwrap()), ..FileFilter::default() }, 0),
    ] {
        assert_eq!(place.search("gamma", &filter).len(), expected, "{filter:?}");
    }
    index.keep_only(&["/two".to_owned()]).unwrap();
    let counts = index.counts().unwrap();
    assert_eq!((counts.worktrees, counts.files, counts.documents), (1, 0, 0));
}

#[test]
fn no_query_is_a_command_and_no_search_is_without_end() {
    let place = Place::new();
    let mut index = place.open();
    let worktree = index.worktree("/one", place.repo, true).unwrap();
    let files: Vec<SeenFile> =
        (0..FOUND_MAX + 5).map(|at| seen(&format!("f{at}.rs"), "alpha or not")).collect();
    index.put(worktree, &files).unwrap();
    for odd in
        ["alpha\"", "alpha OR not", "alpha*", "(alpha", "alpha NEAR(or, 2)", "alpha'; DROP TABLE words"]
    {
        let wanted = Wanted::parse(odd).unwrap();
        let found = FileIndex::search(
            &place.workspace.dir().databases(),
            &wanted,
            &FileFilter::default(),
            usize::MAX,
        );
        assert!([0, FOUND_MAX].contains(&found.unwrap().len()), "{odd}");
    }
    assert_eq!(place.paths("alpha").len(), 50);
}

#[test]
fn one_that_is_gone_damaged_or_of_another_schema_is_empty_and_anothers_file_stays() {
    let place = Place::new();
    let fill = || {
        let mut index = place.open();
        let worktree = index.worktree("/one", place.repo, true).unwrap();
        index.put(worktree, &[seen("a.rs", "alpha")]).unwrap();
    };
    assert_eq!(place.paths("alpha"), Vec::<String>::new(), "nobody has made it yet");
    fill();
    assert_eq!(place.paths("alpha"), ["a.rs"]);
    assert_eq!(place.open().counts().unwrap().files, 1, "it is what it was");
    let file = place.workspace.database(INDEX_FILE);
    Connection::open(&file).unwrap().execute("UPDATE made SET schema = 'another'", []).unwrap();
    assert_eq!(place.open().counts().unwrap().files, 0, "of another schema");
    fill();
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[100..].fill(0xa5);
    std::fs::write(&file, bytes).unwrap();
    assert_eq!(place.open().counts().unwrap().files, 0, "damaged");
    fill();
    std::fs::remove_file(&file).unwrap();
    assert_eq!(place.open().counts().unwrap().files, 0, "deleted");
    place.workspace.replace_database(INDEX_FILE, &b"my own notes, longer than a header is".repeat(4));
    assert!(FileIndex::open(&place.workspace.dir().databases()).is_err());
    assert!(FileIndex::anew(&place.workspace.dir().databases()).is_err());
    assert!(std::fs::read(&file).unwrap().starts_with(b"my own notes"));
}
