//! Worktrees whose making was cut off: what a daemon that was killed had begun for nobody is taken apart at the next start.
//!
//! Before git makes anything, a file says what is to be made; it goes when the worktree is registered or taken apart.
//!
//! Invariant: what anybody has put into it since, a commit, a changed file or an ignored one, keeps all of it.

use crate::checkpoint;
use crate::engine::Shared;
use git::{Discard, Oid, Repository};
use model::{Refusal, RepoPath, WorktreeId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What the files are called that say what is to be made.
const PREFIX: &str = "worktree-";

/// What is to be made.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct HalfMade {
    pub(super) id: WorktreeId,
    /// Where the repo's checkout is.
    pub(super) repo: String,
    pub(super) path: PathBuf,
    pub(super) git_id: String,
    pub(super) branch: String,
    /// Where the branch begins that is made with it; none when it was there before.
    pub(super) base: Option<String>,
}

fn file(shared: &Shared, id: WorktreeId) -> PathBuf {
    shared.workspace.runs().join(format!("{PREFIX}{id}.json"))
}

impl HalfMade {
    /// Says it, durably.
    pub(super) fn say(&self, shared: &Shared) -> Result<(), Refusal> {
        let path = file(shared, self.id);
        let text = serde_json::to_vec(self).map_err(Refusal::internal)?;
        let written = std::fs::File::create(&path)
            .and_then(|mut file| file.write_all(&text).and_then(|()| file.sync_all()));
        written.map_err(|error| {
            let _ = std::fs::remove_file(&path);
            crate::writer::io(error)
        })
    }

    /// Takes it apart. Says why not when it holds what nobody has elsewhere.
    fn undo(&self, shared: &Shared) -> Result<Option<String>, Refusal> {
        let main = checkpoint::open(shared, &self.repo)?;
        let path = self.path.canonicalize().unwrap_or_else(|_| self.path.clone());
        let tip = main.branch_tip(&self.branch)?;
        if let (Some(base), Some(tip)) = (&self.base, &tip)
            && tip.as_str() != base
        {
            return Ok(Some(format!("the branch {} has moved", self.branch)));
        }
        if path.join(".git").symlink_metadata().is_ok() {
            if let Some(why) = own(&main, &shared.git.open(&path)?)? {
                return Ok(Some(why));
            }
        } else if let Err(error) = std::fs::remove_dir(&path)
            && error.kind() != ErrorKind::NotFound
        {
            return Ok(Some(format!("its folder cannot be removed: {error}")));
        }
        let key = self.id.to_string();
        let to = shared.workspace.trash().join(&key);
        let discard = Discard { key, id: self.git_id.clone(), path, to };
        main.put_aside(&discard)?;
        main.throw_away(&discard)?;
        if let (Some(_), Some(tip)) = (&self.base, &tip) {
            main.drop_branch(&self.branch, tip)?;
        }
        Ok(None)
    }
}

/// What the worktree has that its commit has not, in words. Files that were not written yet are none of it.
fn own(main: &Repository, worktree: &Repository) -> Result<Option<String>, Refusal> {
    let Some(head) = worktree.head()? else {
        let any = files(worktree.top())?.into_iter().next();
        return Ok(any.map(|file| format!("it holds {}", file.display())));
    };
    let survey = worktree.survey()?;
    let changed = worktree.compare(&head, &survey.tree)?;
    if let Some(other) = changed.files.iter().find(|one| one.after.is_some()) {
        return Ok(Some(format!("{} is not as in its commit", other.path)));
    }
    let known: BTreeSet<RepoPath> = main.paths_of(&head)?.files.into_iter().map(|one| one.path).collect();
    let relative = |file: &PathBuf| -> Option<RepoPath> { file.to_str()?.parse().ok() };
    let strange = files(worktree.top())?
        .into_iter()
        .find(|file| relative(file).is_none_or(|path| !known.contains(&path)));
    Ok(strange.map(|file| format!("its commit has no {}", file.display())))
}

/// Every file below a folder but git's pointer, relative to it. Links are not followed.
fn files(top: &Path) -> Result<Vec<PathBuf>, Refusal> {
    let (mut found, mut folders) = (Vec::new(), vec![top.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).map_err(Refusal::internal)? {
            let entry = entry.map_err(Refusal::internal)?;
            let path = entry.path();
            if entry.file_type().map_err(Refusal::internal)?.is_dir() {
                folders.push(path);
            } else if path != top.join(".git") {
                found.push(path.strip_prefix(top).map_err(Refusal::internal)?.to_owned());
            }
        }
    }
    Ok(found)
}

/// It is registered, or nothing is left of it.
pub(super) fn over(shared: &Shared, id: WorktreeId) {
    let path = file(shared, id);
    if let Err(error) = std::fs::remove_file(path)
        && error.kind() != ErrorKind::NotFound
    {
        tracing::warn!(%error, worktree = %id, "it is still said to be half made; the next start looks at it");
    }
}

/// Takes apart what the last daemon did not finish; a sentence for each.
pub(crate) async fn mend(shared: &Arc<Shared>) -> Result<Vec<String>, Refusal> {
    let begun = shared.blocking(begun).await?;
    let mut said = Vec::new();
    for half in begun {
        let id = half.id;
        if shared.store.read(|view| view.worktree(id))?.is_some() {
            let done = move |shared: &Shared| {
                over(shared, id);
                Ok(())
            };
            shared.blocking(done).await?;
            continue;
        }
        let place = half.path.display().to_string();
        let undone = shared.blocking(move |shared| {
            let kept = half.undo(shared)?;
            if kept.is_none() {
                over(shared, id);
            }
            Ok(kept)
        });
        let why = match undone.await {
            Ok(None) => {
                said.push(format!("the worktree at {place} was half made, and was taken apart"));
                continue;
            }
            Ok(Some(why)) => why,
            Err(refusal) => refusal.message,
        };
        said.push(format!("the worktree at {place} was half made and stays: {why}"));
    }
    Ok(said)
}

/// What was begun and is not said to be over.
fn begun(shared: &Shared) -> Result<Vec<HalfMade>, Refusal> {
    let mut begun = Vec::new();
    for entry in std::fs::read_dir(shared.workspace.runs()).map_err(Refusal::internal)?.flatten() {
        if !entry.file_name().to_string_lossy().starts_with(PREFIX) {
            continue;
        }
        let text = std::fs::read(entry.path()).map_err(Refusal::internal)?;
        match serde_json::from_slice::<HalfMade>(&text) {
            Ok(half) => begun.push(half),
            // It was cut off while it was written: nothing was begun.
            Err(_) => drop(std::fs::remove_file(entry.path())),
        }
    }
    Ok(begun)
}

/// The commit a new branch begins at, as its file says it.
pub(super) fn base_of(start: &git::Start<'_>) -> Option<String> {
    match start {
        git::Start::New(base) => Some(Oid::to_string(base)),
        git::Start::Existing => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::add::{NewWorktree, make};
    use super::*;
    use crate::stage::Stage;
    use crate::{Call, Engine};
    use model::Repo;
    use testkit::TempRepo;

    struct Scene {
        stage: Stage,
        engine: Engine,
        repo: Repo,
        origin: TempRepo,
    }

    impl Scene {
        fn new() -> Self {
            let stage = Stage::with_path();
            let files = [(".gitignore", "*.log\n"), ("a.txt", "one\n"), ("dir/b.txt", "two\n")];
            let origin = TempRepo::with(&files);
            origin.git(&["clone", "-q", ".", stage.worktree().to_str().unwrap()]);
            let (session, _) = stage.session(&["claude"]);
            let repo = stage.shared.store.read(|view| view.repo(session.repo.unwrap())).unwrap().unwrap();
            let engine = Engine { shared: Arc::clone(&stage.shared) };
            Self { stage, engine, repo, origin }
        }

        fn wish(&self) -> NewWorktree {
            let name = "feat".to_owned();
            NewWorktree { repo: self.repo.id, name, branch: None, from: None, checkout: None }
        }

        /// What a kill between git and the journal leaves.
        fn cut_off(&self) -> PathBuf {
            let made =
                make(&self.stage.shared, &self.repo, &self.wish(), self.stage.shared.new_id()).unwrap();
            made.path.into()
        }

        fn git(&self, args: &[&str]) -> String {
            self.origin.git(&[&["-C", &self.repo.path], args].concat())
        }

        async fn mend(&self) -> Vec<String> {
            mend(&self.stage.shared).await.unwrap()
        }

        /// Nothing is left, and the same can be made again.
        async fn nothing_is_left(&self, path: &Path) {
            assert!(!path.exists() && self.mend().await.is_empty());
            assert_eq!(self.git(&["branch", "--list", "feat"]), "");
            assert_eq!(self.git(&["worktree", "list", "--porcelain"]).matches("worktree ").count(), 1);
            let made = self.engine.add_worktree(&Call::user("test"), self.wish()).await.unwrap();
            assert!(Path::new(&made.path).join("dir/b.txt").exists());
            assert!(self.mend().await.is_empty() && Path::new(&made.path).exists(), "it is registered");
            assert!(begun(&self.stage.shared).unwrap().is_empty());
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_was_whole_and_nobody_was_told_of_is_taken_apart() {
        let scene = Scene::new();
        let path = scene.cut_off();
        assert!(path.join("a.txt").exists());
        assert!(scene.mend().await[0].contains("was taken apart"));
        scene.nothing_is_left(&path).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn one_that_was_cut_off_in_its_checkout_is_taken_apart() {
        let scene = Scene::new();
        let path = scene.cut_off();
        std::fs::remove_file(path.join("a.txt")).unwrap();
        let admin =
            PathBuf::from(scene.origin.git(&["-C", path.to_str().unwrap(), "rev-parse", "--git-dir"]).trim());
        std::fs::rename(admin.join("index"), admin.join("index.lock")).unwrap();
        assert!(scene.mend().await[0].contains("was taken apart"));
        scene.nothing_is_left(&path).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn an_empty_folder_that_git_never_saw_goes() {
        let scene = Scene::new();
        let path = scene.cut_off();
        // As before the pointer was written.
        let main = checkpoint::open(&scene.stage.shared, &scene.repo.path).unwrap();
        let half = begun(&scene.stage.shared).unwrap().remove(0);
        std::fs::remove_dir_all(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        std::fs::remove_dir_all(main.common_dir().join("worktrees").join(&half.git_id)).unwrap();
        scene.git(&["update-ref", "-d", "refs/heads/feat"]);
        assert!(scene.mend().await[0].contains("was taken apart"));
        scene.nothing_is_left(&path).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn one_whose_branch_was_not_made_yet_goes() {
        let scene = Scene::new();
        let path = scene.cut_off();
        std::fs::remove_file(path.join("a.txt")).unwrap();
        std::fs::remove_file(path.join(".gitignore")).unwrap();
        scene.git(&["update-ref", "-d", "refs/heads/feat"]);
        let said = scene.mend().await;
        assert!(said[0].contains("stays") && said[0].contains("dir/b.txt"), "{said:?}");
        std::fs::remove_dir_all(path.join("dir")).unwrap();
        assert!(scene.mend().await[0].contains("was taken apart"));
        scene.nothing_is_left(&path).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_somebody_put_into_it_keeps_it() {
        let scene = Scene::new();
        let path = scene.cut_off();
        for (file, text, why) in [
            ("a.txt", "mine\n", "a.txt"),
            ("new.txt", "mine\n", "new.txt"),
            ("out.log", "built\n", "out.log"),
        ] {
            let before = std::fs::read(path.join(file)).ok();
            std::fs::write(path.join(file), text).unwrap();
            let said = scene.mend().await;
            assert!(said[0].contains("stays") && said[0].contains(why), "{said:?}");
            assert_eq!(std::fs::read_to_string(path.join(file)).unwrap(), text);
            match before {
                Some(before) => std::fs::write(path.join(file), before).unwrap(),
                None => std::fs::remove_file(path.join(file)).unwrap(),
            }
        }
        let at = path.to_str().unwrap();
        scene.origin.git(&["-C", at, "commit", "-q", "--allow-empty", "-m", "mine"]);
        let said = scene.mend().await;
        assert!(said[0].contains("the branch feat has moved"), "{said:?}");
        scene.origin.git(&["-C", at, "reset", "-q", "--hard", "HEAD~"]);
        assert!(scene.mend().await[0].contains("was taken apart"));
        scene.nothing_is_left(&path).await;
    }
}
