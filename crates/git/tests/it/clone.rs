//! Clones, from a repository of this machine.

use crate::world::installation;
use git::{CloneOrder, CloneUrl, GitError, Repository};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use testkit::TempRepo;

/// A repository in a folder without a space.
fn source() -> TempRepo {
    TempRepo::with(&[("a", "1\n"), ("dir/b", "2\n")])
}

fn plain(repo: &TempRepo) -> PathBuf {
    let at = repo.beside("source");
    std::fs::rename(repo.path(), &at).unwrap();
    std::os::unix::fs::symlink(&at, repo.path()).unwrap();
    at
}

fn clone_of(repo: &TempRepo, at: &Path, name: &str) -> Result<Repository, GitError> {
    let url = CloneUrl::parse(&format!("file://{}", at.display()), true).unwrap();
    let to = repo.beside(name);
    let order = CloneOrder {
        url: &url,
        to: &to,
        ssh_agent: None,
        bytes_max: u64::MAX,
        timeout: Duration::from_secs(60),
    };
    installation(repo).clone_repository(&order, &mut |_| true)
}

#[test]
fn a_clone_has_the_files_and_the_branch_and_says_how_far_it_is() {
    let repo = source();
    let at = plain(&repo);
    let mut steps = Vec::new();
    let url = CloneUrl::parse(&format!("file://{}", at.display()), true).unwrap();
    let to = repo.beside("clone");
    let order = CloneOrder {
        url: &url,
        to: &to,
        ssh_agent: None,
        bytes_max: u64::MAX,
        timeout: Duration::from_secs(60),
    };
    let cloned = installation(&repo)
        .clone_repository(&order, &mut |step| {
            steps.push(step.clone());
            true
        })
        .unwrap();
    assert_eq!(std::fs::read_to_string(to.join("dir/b")).unwrap(), "2\n");
    assert_eq!(cloned.branch().unwrap().as_deref(), Some("main"));
    assert!(cloned.status(&[]).unwrap().entries.is_empty());
    assert_eq!(repo.git(&["-C", to.to_str().unwrap(), "remote", "get-url", "origin"]).trim(), url.as_str());
    assert!(steps.iter().any(|step| step.percent == Some(100)), "{steps:?}");
    let config = std::fs::read_to_string(to.join(".git/config")).unwrap();
    assert!(!config.contains("followRedirects") && !config.contains("fsck"), "ours stays ours: {config}");
}

#[test]
fn whoever_breaks_it_off_is_told_so_and_too_much_is_too_much() {
    let repo = source();
    let at = plain(&repo);
    let url = CloneUrl::parse(&format!("file://{}", at.display()), true).unwrap();
    let order = |to: &'static str, bytes_max| (repo.beside(to), bytes_max);
    for (place, watched, expected) in
        [(order("one", u64::MAX), false, "canceled"), (order("two", 0), true, "clone_too_large")]
    {
        let (to, bytes_max) = place;
        let order =
            CloneOrder { url: &url, to: &to, ssh_agent: None, bytes_max, timeout: Duration::from_secs(60) };
        let result =
            installation(&repo).clone_repository(&order, &mut |step| watched || step.phase == "Nothing");
        // A small one may be over before its size was seen.
        match result {
            Err(error) => assert_eq!(error.code(), expected),
            Ok(_) => assert_eq!(expected, "clone_too_large"),
        }
    }
}

#[test]
fn nothing_there_is_an_error_and_a_folder_in_the_way_is_left() {
    let repo = source();
    let missing = repo.beside("missing");
    match clone_of(&repo, &missing, "one") {
        Err(GitError::CloneFailed { reason }) => assert!(reason.contains("missing"), "{reason}"),
        other => panic!("{other:?}"),
    }
    std::fs::create_dir(repo.beside("two")).unwrap();
    std::fs::write(repo.beside("two").join("mine"), "mine").unwrap();
    let at = plain(&repo);
    assert!(matches!(clone_of(&repo, &at, "two"), Err(GitError::PathTaken(_))));
    assert!(repo.beside("two").join("mine").exists());
}

#[test]
fn an_empty_repository_is_cloned_too() {
    let repo = TempRepo::new();
    let at = plain(&repo);
    assert_eq!(clone_of(&repo, &at, "one").unwrap().head().unwrap(), None);
}

/// The server's repository may hold what it likes; a clone brings objects and refs, and starts nothing.
#[test]
fn nothing_of_the_repository_and_nothing_of_the_users_runs() {
    let repo = source();
    let mark = repo.beside("marks");
    std::fs::create_dir(&mark).unwrap();
    let touch = format!("touch '{}'", mark.join("x").display());
    repo.write(".gitattributes", "* filter=x diff=x merge=x\n");
    repo.write(
        ".gitmodules",
        "[submodule \"s\"]\n\tpath = s\n\turl = ext::sh -c 'touch /nonexistent/x'\n\tupdate = none\n",
    );
    let hook = repo.path().join(".git/hooks/post-checkout");
    std::fs::create_dir_all(hook.parent().unwrap()).unwrap();
    std::fs::write(&hook, format!("#!/bin/sh\n{touch}\n")).unwrap();
    std::fs::set_permissions(&hook, std::fs::Permissions::from_mode(0o755)).unwrap();
    repo.git(&["add", ".gitattributes", ".gitmodules"]);
    repo.git(&["commit", "-qm", "hostile"]);
    for (key, value) in [
        ("filter.x.smudge", touch.as_str()),
        ("uploadpack.packObjectsHook", touch.as_str()),
        ("core.fsmonitor", touch.as_str()),
        ("core.alternateRefsCommand", touch.as_str()),
    ] {
        repo.git(&["config", key, value]);
    }
    let at = plain(&repo);
    for old in std::fs::read_dir(&mark).unwrap() {
        std::fs::remove_file(old.unwrap().path()).unwrap();
    }
    let cloned = clone_of(&repo, &at, "one");
    assert_eq!(std::fs::read_dir(&mark).unwrap().count(), 0);
    // Git may refuse the odd submodule; what matters is that nothing ran.
    if let Ok(cloned) = cloned {
        assert!(!cloned.top().join(".git/hooks/post-checkout").exists());
        assert!(!cloned.top().join("s").join(".git").exists());
    }
}

#[test]
fn a_tree_with_another_git_folder_in_it_is_not_taken() {
    let repo = source();
    let blob = repo.git(&["rev-parse", "HEAD:a"]).trim().to_owned();
    // `git mktree` writes what `git add` would refuse.
    let script = format!("printf '100644 blob {blob}\\tconfig\\n' | git mktree");
    let inner = run(&repo, &script);
    let tree = run(&repo, &format!("printf '040000 tree {inner}\\t.git\\n' | git mktree"));
    let commit = run(&repo, &format!("git commit-tree {tree} -m hostile"));
    repo.git(&["update-ref", "refs/heads/main", &commit]);
    let at = plain(&repo);
    match clone_of(&repo, &at, "one") {
        Err(GitError::CloneFailed { reason }) => assert!(reason.contains("hasDotgit"), "{reason}"),
        other => panic!("{other:?}"),
    }
}

fn run(repo: &TempRepo, script: &str) -> String {
    repo.git(&["-c", &format!("alias.x=!{script}"), "x"]).trim().to_owned()
}
