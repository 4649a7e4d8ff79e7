//! Opening: what is a repository, which one, and what is not.

use crate::world::{World, installation};
use git::{Git, GitError, Limits};
use model::{Refusal, RefusalKind};
use std::os::unix::fs::symlink;
use testkit::TempRepo;

#[test]
fn a_nested_path_and_a_link_lead_to_the_top() {
    let world = World::with(&[("src/deep/a.rs", "1")]);
    let nested = world.git.open(&world.repo.path().join("src/deep")).unwrap();
    assert_eq!(nested.top(), world.repo.path());
    let link = world.repo.beside("link");
    symlink(world.repo.path(), &link).unwrap();
    assert_eq!(world.git.open(&link).unwrap().top(), world.repo.path());
}

#[test]
fn what_is_no_repository_is_refused_by_type() {
    let repo = TempRepo::with(&[("a", "1")]);
    let git = installation(&repo);
    let plain = repo.beside("plain");
    std::fs::create_dir(&plain).unwrap();
    assert!(matches!(git.open(&plain), Err(GitError::NotARepo(_))));
    assert!(matches!(git.open(&repo.beside("nothing")), Err(GitError::Missing(_))));
    assert!(matches!(git.open(&repo.path().join("a")), Err(GitError::Missing(_))));
    let bare = repo.beside("bare");
    repo.git(&["clone", "--quiet", "--bare", ".", bare.to_str().unwrap()]);
    assert!(matches!(git.open(&bare), Err(GitError::Bare(_))));
    assert!(matches!(git.open(&repo.path().join(".git")), Err(GitError::Bare(_))));
    repo.git(&["config", "core.bare", "true"]);
    assert!(matches!(git.open(repo.path()), Err(GitError::Bare(_))));
}

#[test]
fn a_missing_and_an_old_git_say_what_to_install() {
    let repo = TempRepo::with(&[("a", "1")]);
    let empty = repo.beside("empty");
    std::fs::create_dir(&empty).unwrap();
    let none = Git::new(empty.as_os_str(), repo.beside("scratch"));
    let error = none.open(repo.path()).unwrap_err();
    assert!(matches!(error, GitError::GitMissing { .. }), "{error}");
    assert_eq!(Refusal::from(error).kind, RefusalKind::Unavailable);
    // A relative entry of the search path would find a git in whatever directory we stand in.
    let relative = Git::new("usr/bin:.", repo.beside("scratch"));
    assert!(matches!(relative.version(), Err(GitError::GitMissing { .. })));
    let old = fake_git(&repo, "echo git version 2.20.1");
    assert!(matches!(old.version(), Err(GitError::GitTooOld { found, .. }) if found == "2.20.1"));
}

#[test]
fn a_removed_work_tree_is_missing() {
    let world = World::with(&[("a", "1")]);
    std::fs::rename(world.repo.path(), world.repo.beside("elsewhere")).unwrap();
    assert!(matches!(world.open.head(), Err(GitError::Missing(_))));
    assert!(matches!(world.try_snapshot(None, &["a"]), Err(GitError::Missing(_))));
}

#[test]
fn a_linked_work_tree_has_its_own_branch_and_shares_objects() {
    let world = World::with(&[("a", "1")]);
    let linked = world.repo.beside("linked");
    world.repo.git(&["worktree", "add", "--quiet", "-b", "side", linked.to_str().unwrap()]);
    let open = world.git.open(&linked).unwrap();
    assert_eq!(open.top(), linked);
    assert_eq!(open.branch().unwrap().as_deref(), Some("side"));
    assert_eq!(open.head().unwrap(), world.open.head().unwrap());
    assert_eq!(world.open.branch().unwrap().as_deref(), Some("main"));
}

#[test]
fn a_forged_pointer_does_not_lead_into_another_repository() {
    let victim = TempRepo::with(&[("secret", "1")]);
    let repo = TempRepo::with(&[("a", "1")]);
    let git = installation(&repo);
    let victims = victim.path().join(".git");

    let forged = repo.beside("forged");
    std::fs::create_dir(&forged).unwrap();
    std::fs::write(forged.join(".git"), format!("gitdir: {}\n", victims.display())).unwrap();
    assert!(matches!(git.open(&forged), Err(GitError::Unlinked { .. })));
    std::fs::remove_file(forged.join(".git")).unwrap();
    symlink(&victims, forged.join(".git")).unwrap();
    assert!(matches!(git.open(&forged), Err(GitError::Unlinked { .. })));

    std::fs::write(repo.path().join(".git/commondir"), victims.to_str().unwrap()).unwrap();
    assert!(matches!(git.open(repo.path()), Err(GitError::Unlinked { .. })));
    std::fs::remove_file(repo.path().join(".git/commondir")).unwrap();

    let linked = repo.beside("linked");
    repo.git(&["worktree", "add", "--quiet", "-b", "side", linked.to_str().unwrap()]);
    let own = repo.path().join(".git/worktrees/linked");
    let honest = std::fs::read(own.join("commondir")).unwrap();
    std::fs::write(own.join("commondir"), victims.to_str().unwrap()).unwrap();
    assert!(matches!(git.open(&linked), Err(GitError::Unlinked { .. })));
    std::fs::write(own.join("commondir"), honest).unwrap();
    assert_eq!(git.open(&linked).unwrap().top(), linked);
}

#[test]
fn a_git_directory_kept_elsewhere_counts_when_it_names_the_work_tree() {
    let repo = TempRepo::with(&[("a", "1")]);
    let elsewhere = repo.beside("elsewhere.git");
    repo.git(&["init", "--quiet", "--separate-git-dir", elsewhere.to_str().unwrap()]);
    let git = installation(&repo);
    assert!(matches!(git.open(repo.path()), Err(GitError::Unlinked { .. })));
    repo.git(&["config", "core.worktree", repo.path().to_str().unwrap()]);
    assert_eq!(git.open(repo.path()).unwrap().branch().unwrap().as_deref(), Some("main"));
}

#[test]
fn an_unknown_extension_is_refused_and_known_ones_work() {
    let repo = TempRepo::with(&[("a", "1")]);
    let git = installation(&repo);
    repo.git(&["config", "extensions.worktreeConfig", "true"]);
    assert!(git.open(repo.path()).is_ok());
    repo.git(&["config", "core.repositoryformatversion", "1"]);
    repo.git(&["config", "extensions.hyperdrive", "on"]);
    assert!(matches!(git.open(repo.path()), Err(GitError::Extension(name)) if name == "hyperdrive"));
}

#[test]
fn sha_256_and_reftable_repositories_work() {
    let repo = TempRepo::new();
    for format in [
        ["--object-format=sha256", "--ref-format=files"],
        ["--object-format=sha256", "--ref-format=reftable"],
    ] {
        std::fs::remove_dir_all(repo.path().join(".git")).unwrap();
        repo.git(&["init", "--quiet", "--initial-branch=main", format[0], format[1]]);
        let open = installation(&repo).open(repo.path()).unwrap();
        assert_eq!(open.head().unwrap(), None);
        repo.write("a", "1");
        let world = World { git: installation(&repo), repo: TempRepo::new(), open };
        let commit = world.try_snapshot(None, &["a"]).unwrap().commit.unwrap();
        assert_eq!(commit.as_str().len(), 64);
        world.open.advance(&commit, None, &["a".parse().unwrap()]).unwrap();
        assert_eq!(repo.git(&["rev-parse", "HEAD"]).trim(), commit.as_str());
        assert_eq!(repo.git(&["status", "--porcelain"]), "");
        repo.git(&["gc", "--quiet"]);
    }
}

/// An installation whose git is this shell script.
pub(crate) fn fake_git(repo: &TempRepo, script: &str) -> Git {
    fake_git_within(repo, script, Limits::default())
}

pub(crate) fn fake_git_within(repo: &TempRepo, script: &str, limits: Limits) -> Git {
    use std::os::unix::fs::PermissionsExt;
    let dir = repo.beside(&format!("fake-{}", script.len()));
    std::fs::create_dir_all(&dir).unwrap();
    let program = dir.join("git");
    std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = std::env::join_paths([dir, "/usr/bin".into(), "/bin".into()]).unwrap();
    Git::with_limits(path, repo.beside("scratch"), limits)
}

#[test]
fn the_branch_is_read_without_running_git() {
    let repo = TempRepo::with(&[("src/a", "1")]);
    let shown = || git::branch_at(&repo.path().join("src"));
    assert_eq!(shown(), installation(&repo).open(repo.path()).unwrap().branch().unwrap());
    repo.git(&["checkout", "--quiet", "-b", "feat/two"]);
    assert_eq!(shown().as_deref(), Some("feat/two"));
    let linked = repo.beside("linked");
    repo.git(&["worktree", "add", "--quiet", "-b", "other", linked.to_str().unwrap()]);
    assert_eq!(git::branch_at(&linked).as_deref(), Some("other"));
    repo.git(&["checkout", "--quiet", "--detach"]);
    assert_eq!(shown(), None);
    assert_eq!(git::branch_at(&repo.beside("nothing")), None);
}
