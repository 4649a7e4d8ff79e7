//! What is found in real worktrees, what is not, and what is read again.

use super::*;
use crate::stage::Stage;
use crate::{Caller, NewWorktree, WorktreeView};
use bus::{Liveness, LockRequest, NewRegistration};
use model::{LockMode, Repo};
use testkit::TempRepo;

struct Scene {
    stage: Stage,
    engine: Engine,
    repo: Repo,
    origin: TempRepo,
}

impl Scene {
    fn new(files: &[(&str, &str)]) -> Self {
        let stage = Stage::with_path();
        let origin = TempRepo::with(files);
        origin.git(&["clone", "-q", ".", stage.worktree().to_str().unwrap()]);
        let (session, _) = stage.session(&["claude"]);
        let repo = stage.shared.store.read(|view| view.repo(session.repo.unwrap())).unwrap().unwrap();
        let engine = Engine { shared: Arc::clone(&stage.shared) };
        stage.shared.tasks.spawn(keep(Arc::clone(&stage.shared)));
        Self { stage, engine, repo, origin }
    }

    fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = Path::new(&self.repo.path).join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    async fn worktree(&self, name: &str) -> WorktreeView {
        let new = NewWorktree {
            repo: self.repo.id,
            name: name.to_owned(),
            branch: None,
            from: None,
            checkout: None,
        };
        self.engine.add_worktree(&Call::user("test"), new).await.unwrap()
    }

    /// Looks at everything, however short a time ago it was looked at.
    async fn search(&self, query: FileQuery) -> FilesFound {
        self.stage.shared.index.edited(Path::new(&self.repo.path), None, None);
        let found = self.engine.search_files(&Caller::User, query).await.unwrap();
        assert!(!found.behind, "{found:?}");
        found
    }

    async fn paths(&self, words: &str) -> Vec<String> {
        let found = self.search(wish(words)).await;
        found.files.iter().map(|one| one.file.path.to_string()).collect()
    }

    async fn refused(&self, query: FileQuery) -> Refusal {
        self.engine.search_files(&Caller::User, query).await.unwrap_err()
    }

    /// An agent that works in a worktree.
    fn terminal(&self, worktree: &str) -> Caller {
        let new = NewRegistration {
            id: None,
            agent: "claude".to_owned(),
            vendor: "anthropic".to_owned(),
            model: None,
            session: None,
            worktree: Some(worktree.to_owned()),
            liveness: Liveness::Lease { ttl: Duration::from_secs(600) },
        };
        Caller::Terminal { registration: self.stage.shared.bus.register(new).unwrap().id }
    }
}

fn wish(words: &str) -> FileQuery {
    FileQuery { query: words.to_owned(), ..FileQuery::default() }
}

const ROOM: &str = "/// Room for one more.\nfn check_room(there: u64) -> bool {\n    there < MOST\n}\n";

#[tokio::test(flavor = "multi_thread")]
async fn files_are_found_by_their_names_and_by_the_words_in_them() {
    let scene = Scene::new(&[
        ("src/room.rs", ROOM),
        ("src/board.rs", "use crate::room::check_room;\n\nfn placeCard() {}\n"),
        ("docs/guide.md", "# Rooms and boards\n"),
        ("LICENSE", "MIT\n"),
    ]);
    assert_eq!(scene.paths("check_room").await, ["src/room.rs", "src/board.rs"], "its own file comes first");
    assert_eq!(scene.paths("place CARD").await, ["src/board.rs"], "by the parts of a name");
    assert_eq!(scene.paths("checkRoom").await.len(), 2, "however it is written");
    assert_eq!(scene.paths("licen").await, ["LICENSE"], "by the beginning of a word of its name");
    assert_eq!(scene.paths("room card").await, ["src/board.rs"], "all words must be there");
    assert_eq!(scene.paths("nothing_of_that").await, Vec::<String>::new());
    let found = scene.search(FileQuery { language: Some("rust".to_owned()), ..wish("room there") }).await;
    let [one] = &found.files[..] else { panic!("{found:?}") };
    let lines: Vec<(usize, &str)> = one.lines.iter().map(|line| (line.number, line.text.as_str())).collect();
    assert_eq!(
        lines,
        [(1, "/// Room for one more."), (2, "fn check_room(there: u64) -> bool {"), (3, "there < MOST")]
    );
    assert_eq!((one.file.language.as_deref(), one.file.status), (Some("rust"), store::GitStatus::Clean));
    assert_eq!(one.file.hash.as_deref(), Some(blake3::hash(ROOM.as_bytes()).to_hex().as_str()));
    let under = FileQuery { under: Some("src".parse().unwrap()), limit: 1, ..wish("room") };
    let found = scene.search(under).await;
    assert_eq!((found.files.len(), found.more), (1, true));
    let file = FileQuery { under: Some("docs/guide.md".parse().unwrap()), ..wish("room") };
    assert_eq!(scene.search(file).await.files.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_index_follows_what_changes_and_says_how() {
    let scene = Scene::new(&[("a.txt", "alpha\n"), ("b.txt", "beta\n"), (".gitignore", "target/\n")]);
    assert_eq!(scene.paths("alpha").await, ["a.txt"]);
    scene.write("a.txt", "gamma\n");
    scene.write("new.txt", "gamma\n");
    scene.write("target/out.txt", "gamma\n");
    std::fs::remove_file(Path::new(&scene.repo.path).join("b.txt")).unwrap();
    assert_eq!(scene.paths("alpha").await, Vec::<String>::new(), "what it held is forgotten");
    assert_eq!(scene.paths("beta").await, Vec::<String>::new(), "and what is gone");
    let found = scene.search(FileQuery { changed: true, ..wish("gamma") }).await;
    let mut seen: Vec<(&str, &str)> =
        found.files.iter().map(|one| (one.file.path.as_str(), one.file.status.as_str())).collect();
    seen.sort_unstable();
    assert_eq!(seen, [("a.txt", "modified"), ("new.txt", "untracked")], "what git ignores is not found");
    scene.origin.git(&["-C", &scene.repo.path, "add", "--all"]);
    let found = scene.search(wish("gamma")).await;
    assert!(found.files.iter().all(|one| one.file.status == store::GitStatus::Staged), "{found:?}");
    scene.origin.git(&["-C", &scene.repo.path, "commit", "-q", "-m", "second"]);
    assert_eq!(scene.search(FileQuery { changed: true, ..wish("gamma") }).await.files, []);
}

/// Of each file what tells whether it is to be read again.
fn prints(scene: &Scene) -> Vec<String> {
    let index = FileIndex::open(&scene.stage.shared.workspace.databases()).unwrap();
    let worktree = index.find(&scene.repo.path).unwrap().unwrap();
    index.known(worktree).unwrap().into_values().map(|known| known.print).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_read_again_only_while_it_may_still_change_without_a_trace() {
    let scene = Scene::new(&[("a.txt", "alpha\n"), ("b.txt", "beta\n")]);
    scene.paths("alpha").await;
    assert_eq!(prints(&scene), ["", ""], "the clock says that they were written this moment");
    scene.stage.clock.advance(Duration::from_secs(100 * 365 * 24 * 3600));
    scene.paths("alpha").await;
    let settled = prints(&scene);
    assert!(settled.iter().all(|print| !print.is_empty()), "{settled:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_that_was_told_is_known_with_its_session_and_its_lock() {
    let scene = Scene::new(&[("a.txt", "alpha\n"), ("b.txt", "beta\n")]);
    scene.paths("alpha").await;
    let (session, _) = scene.stage.session(&["claude"]);
    scene.write("a.txt", "delta\n");
    let top = Path::new(&scene.repo.path);
    let lock = LockRequest {
        worktree: scene.repo.path.clone(),
        paths: vec!["a.txt".to_owned()],
        mode: LockMode::Exclusive,
        holder: scene.stage.shared.user,
        ttl: Duration::from_secs(60),
    };
    scene.stage.shared.bus.acquire(&lock).unwrap();
    scene.stage.shared.edited(top, Some(&"a.txt".parse().unwrap()), Some(session.id));
    let found = scene.engine.search_files(&Caller::User, wish("delta")).await.unwrap();
    let [one] = &found.files[..] else { panic!("{found:?}") };
    assert_eq!((one.file.session, one.lock.as_deref()), (Some(session.id), Some("user")));
    let found = scene.search(wish("beta")).await;
    assert_eq!((found.files[0].file.session, found.files[0].lock.as_deref()), (None, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_text_or_too_long_is_found_by_its_name_alone_and_links_lead_nowhere() {
    let scene = Scene::new(&[("a.txt", "alpha\n")]);
    let outside = scene.origin.beside("secret.txt");
    std::fs::write(&outside, "password\n").unwrap();
    let top = Path::new(&scene.repo.path);
    std::os::unix::fs::symlink(&outside, top.join("link.txt")).unwrap();
    std::os::unix::fs::symlink(outside.parent().unwrap(), top.join("folder")).unwrap();
    scene.write("image.png", b"\x89PNG\0alpha");
    scene.write("latin.txt", b"alpha \xe9\n");
    let longest = usize::try_from(scan::TEXT_MAX).unwrap();
    scene.write("long.txt", "alpha ".repeat(longest / 6));
    scene.write("longer.txt", "alpha ".repeat(longest / 6 + 1));
    let mut found = scene.paths("alpha").await;
    found.sort();
    assert_eq!(found, ["a.txt", "long.txt"]);
    assert_eq!(scene.paths("image").await, ["image.png"]);
    let longer = scene.search(wish("longer")).await;
    assert_eq!((&longer.files[0].file.hash, longer.files[0].lines.len()), (&None, 0));
    for word in ["password", "secret", "link", "folder"] {
        assert_eq!(scene.paths(word).await, Vec::<String>::new(), "{word}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_file_of_several_worktrees_is_one_until_it_differs() {
    let scene = Scene::new(&[("a.txt", "alpha\n"), ("b.txt", "beta\n")]);
    let feat = scene.worktree("feat").await;
    let found = scene.search(wish("alpha")).await;
    let [one] = &found.files[..] else { panic!("{found:?}") };
    assert_eq!((one.file.also_in, &one.file.worktree), (1, &scene.repo.path));
    std::fs::write(Path::new(&feat.path).join("a.txt"), "alpha omega\n").unwrap();
    scene.stage.shared.index.edited(Path::new(&feat.path), None, None);
    assert_eq!(scene.search(wish("alpha")).await.files.len(), 2);
    let own = scene.search(FileQuery { worktree: Some("feat".to_owned()), ..wish("alpha") }).await;
    assert_eq!((own.files.len(), &own.files[0].file.worktree), (1, &feat.path));
    let counts = scene.engine.index_files(&Call::user("test"), None, false).await.unwrap();
    assert_eq!((counts.worktrees, counts.files, counts.documents, counts.left_out), (2, 4, 3, 0));
    assert!(counts.bytes > 0);
    // An agent finds what is in its own worktree, and is told nothing of others.
    let agent = scene.terminal(&feat.path);
    let found = scene.engine.search_files(&agent, wish("alpha")).await.unwrap();
    assert_eq!((found.files.len(), &found.files[0].file.worktree), (1, &feat.path));
    for query in [
        FileQuery { worktree: Some(scene.repo.path.clone()), ..wish("alpha") },
        FileQuery { worktree: Some("feat".to_owned()), ..wish("alpha") },
        FileQuery { worktree: Some("/nowhere".to_owned()), ..wish("alpha") },
        FileQuery { repo: Some(scene.repo.slug.clone()), ..wish("alpha") },
    ] {
        let refused = scene.engine.search_files(&agent, query.clone()).await.unwrap_err();
        assert_eq!(refused.code, "not_your_worktree", "{query:?}");
    }
    let lost = scene.terminal("/nowhere");
    let refused = scene.engine.search_files(&lost, wish("alpha")).await.unwrap_err();
    assert_eq!(refused.code, "worktree_not_found");
    let call = Call { caller: agent, ..Call::user("test") };
    assert_eq!(scene.engine.index_files(&call, None, true).await.unwrap_err().code, "not_for_agents");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_can_be_deleted_damaged_or_made_anew_at_any_time() {
    let scene = Scene::new(&[("a.txt", "alpha\n")]);
    let file = scene.stage.shared.workspace.databases().join(store::INDEX_FILE);
    assert!(!file.exists(), "nobody pays for it before somebody asks");
    scene.engine.rebuild(&Call::user("test")).await.unwrap();
    assert!(!file.exists());
    assert_eq!(scene.paths("alpha").await, ["a.txt"]);
    std::fs::remove_file(&file).unwrap();
    let rebuilt = scene.engine.rebuild(&Call::user("test")).await.unwrap();
    assert_eq!((rebuilt.ok, rebuilt.problems), (true, Vec::new()));
    assert_eq!(scene.paths("alpha").await, ["a.txt"]);
    let counts = scene.engine.index_files(&Call::user("test"), Some(scene.repo.id), true).await.unwrap();
    assert_eq!((counts.worktrees, counts.files), (1, 1));
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[100..].fill(0xa5);
    std::fs::write(&file, bytes).unwrap();
    assert_eq!(scene.paths("alpha").await, ["a.txt"], "a damaged one is made anew");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_not_ours_is_left_alone() {
    let scene = Scene::new(&[("a.txt", "alpha\n")]);
    let file = scene.stage.shared.workspace.databases().join(store::INDEX_FILE);
    std::fs::write(&file, "my own notes, longer than the header of a database".repeat(3)).unwrap();
    let refused = scene.refused(wish("alpha")).await;
    assert!(refused.message.contains(store::INDEX_FILE), "{refused:?}");
    assert!(std::fs::read_to_string(&file).unwrap().starts_with("my own notes"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_looked_for_is_refused_with_a_next_step() {
    let scene = Scene::new(&[("a.txt", "alpha\n")]);
    let longest = "a".repeat(QUERY_MAX);
    let with = |change: fn(&mut FileQuery)| {
        let mut query = wish("alpha");
        change(&mut query);
        query
    };
    for (query, code) in [
        (wish(""), "query_without_words"),
        (wish("+ - *"), "query_without_words"),
        (wish(&"a ".repeat(store::QUERY_WORDS_MAX + 1)), "query_without_words"),
        (wish(&format!("{longest}a")), "query_too_long"),
        (with(|query| query.language = Some("klingon".to_owned())), "language_unknown"),
        (with(|query| query.worktree = Some("nowhere".to_owned())), "worktree_not_found"),
        (with(|query| query.worktree = Some("/nowhere".to_owned())), "worktree_not_found"),
        (with(|query| query.repo = Some("nowhere".to_owned())), "not_found"),
    ] {
        let refused = scene.refused(query).await;
        assert_eq!((refused.code.as_ref(), refused.hint.is_some()), (code, true), "{refused:?}");
    }
    assert_eq!(scene.refused(wish(&longest)).await.code, "query_without_words", "a word has a limit, too");
    let many = FileQuery { limit: usize::MAX, ..wish("alpha") };
    assert_eq!(scene.search(many).await.files.len(), 1);
}
