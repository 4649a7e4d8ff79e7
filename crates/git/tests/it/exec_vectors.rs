//! Every known way a repository can make git run a program, and every verb of this room: the canary
//! must never appear. The same repository under a plain git shows that the vectors are real.

use crate::world::{World, installation, paths};
use git::{Author, Snapshot, UserHome};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use testkit::TempRepo;

/// Shell text that leaves a mark, then behaves like `cat` so that filters go on.
fn canary(mark: &Path, name: &str) -> String {
    format!("touch '{}'; cat", mark.join(name).display())
}

struct Trap {
    name: &'static str,
    plant: fn(&TempRepo, &Path),
    /// A plain git that falls into it; none where only a network verb would.
    sprung_by: Option<&'static [&'static str]>,
}

fn config(repo: &TempRepo, key: &str, value: &str) {
    repo.git(&["config", key, value]);
}

fn script(repo: &TempRepo, path: &Path, mark: &Path, name: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, format!("#!/bin/sh\ntouch '{}'\n", mark.join(name).display())).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    assert!(repo.path().exists());
}

fn attributes(repo: &TempRepo, line: &str) {
    std::fs::create_dir_all(repo.path().join(".git/info")).unwrap();
    std::fs::write(repo.path().join(".git/info/attributes"), format!("{line}\n")).unwrap();
}

const TRAPS: [Trap; 19] = [
    Trap {
        name: "fsmonitor",
        plant: |repo, mark| config(repo, "core.fsmonitor", &canary(mark, "fsmonitor")),
        sprung_by: Some(&["status"]),
    },
    Trap {
        name: "clean filter by .gitattributes",
        plant: |repo, mark| {
            config(repo, "filter.x.clean", &canary(mark, "clean"));
            repo.write(".gitattributes", "a filter=x\n");
        },
        sprung_by: Some(&["add", "a"]),
    },
    Trap {
        name: "clean filter by info/attributes",
        plant: |repo, mark| {
            config(repo, "filter.x.clean", &canary(mark, "clean"));
            attributes(repo, "a filter=x");
        },
        sprung_by: Some(&["add", "a"]),
    },
    Trap {
        name: "smudge filter",
        plant: |repo, mark| {
            config(repo, "filter.x.smudge", &canary(mark, "smudge"));
            attributes(repo, "a filter=x");
        },
        sprung_by: Some(&["checkout", "--", "a"]),
    },
    Trap {
        name: "process filter",
        plant: |repo, mark| {
            config(repo, "filter.x.process", &canary(mark, "process"));
            attributes(repo, "a filter=x");
        },
        sprung_by: Some(&["add", "a"]),
    },
    Trap {
        name: "required filter",
        plant: |repo, mark| {
            config(repo, "filter.x.clean", &canary(mark, "required"));
            config(repo, "filter.x.required", "true");
            attributes(repo, "* filter=x");
        },
        sprung_by: Some(&["add", "a"]),
    },
    Trap {
        name: "diff.external",
        plant: |repo, mark| config(repo, "diff.external", &canary(mark, "external")),
        sprung_by: Some(&["diff"]),
    },
    Trap {
        name: "diff driver command",
        plant: |repo, mark| {
            config(repo, "diff.x.command", &canary(mark, "command"));
            attributes(repo, "a diff=x");
        },
        sprung_by: Some(&["diff"]),
    },
    Trap {
        name: "textconv",
        plant: |repo, mark| {
            config(repo, "diff.x.textconv", &format!("sh -c \"{}\" --", canary(mark, "textconv")));
            attributes(repo, "a diff=x");
        },
        sprung_by: Some(&["diff"]),
    },
    Trap {
        name: "hooks",
        plant: |repo, mark| {
            for hook in
                ["reference-transaction", "post-index-change", "pre-commit", "post-commit", "post-checkout"]
            {
                script(repo, &repo.path().join(".git/hooks").join(hook), mark, hook);
            }
        },
        sprung_by: Some(&["commit", "--allow-empty", "--message", "x"]),
    },
    Trap {
        name: "core.hooksPath",
        plant: |repo, mark| {
            for hook in ["reference-transaction", "post-index-change", "pre-commit"] {
                script(repo, &repo.beside("hooks").join(hook), mark, hook);
            }
            config(repo, "core.hooksPath", repo.beside("hooks").to_str().unwrap());
        },
        sprung_by: Some(&["commit", "--allow-empty", "--message", "x"]),
    },
    Trap {
        name: "merge driver",
        plant: |repo, mark| {
            config(repo, "merge.x.driver", &format!("touch '{}'; true", mark.join("merge").display()));
            attributes(repo, "a merge=x");
        },
        sprung_by: Some(&["merge", "side"]),
    },
    Trap {
        name: "gpg program",
        plant: |repo, mark| {
            let program = repo.beside("gpg");
            script(repo, &program, mark, "gpg");
            config(repo, "gpg.program", program.to_str().unwrap());
            config(repo, "commit.gpgSign", "true");
            config(repo, "log.showSignature", "true");
        },
        sprung_by: Some(&["commit", "--allow-empty", "--message", "x"]),
    },
    Trap {
        name: "ssh command and upload-pack",
        plant: |repo, mark| {
            config(repo, "core.sshCommand", &canary(mark, "ssh"));
            config(repo, "remote.origin.url", "ssh://example.invalid/x");
            config(repo, "remote.origin.uploadpack", &canary(mark, "uploadpack"));
            config(repo, "remote.origin.promisor", "true");
            config(repo, "remote.origin.partialclonefilter", "blob:none");
            config(repo, "extensions.partialClone", "origin");
            config(repo, "core.repositoryFormatVersion", "1");
        },
        sprung_by: Some(&["fetch", "origin"]),
    },
    Trap {
        name: "included configuration",
        plant: |repo, mark| {
            let inc = repo.beside("inc");
            std::fs::write(&inc, format!("[core]\nfsmonitor = \"{}\"\n", canary(mark, "included"))).unwrap();
            config(repo, "include.path", inc.to_str().unwrap());
        },
        sprung_by: Some(&["status"]),
    },
    Trap {
        name: "config.worktree",
        plant: |repo, mark| {
            config(repo, "extensions.worktreeConfig", "true");
            let text = format!("[core]\nfsmonitor = \"{}\"\n", canary(mark, "worktree"));
            std::fs::write(repo.path().join(".git/config.worktree"), text).unwrap();
        },
        sprung_by: Some(&["status"]),
    },
    Trap {
        name: "pager, editor, alias",
        plant: |repo, mark| {
            for key in
                ["core.pager", "core.editor", "sequence.editor", "core.askPass", "pager.log", "pager.diff"]
            {
                config(repo, key, &canary(mark, "pager"));
            }
            for verb in ["st", "status", "log", "update-ref"] {
                config(repo, &format!("alias.{verb}"), &format!("!{}", canary(mark, "alias")));
            }
        },
        sprung_by: Some(&["st"]),
    },
    Trap {
        name: "credential helper and alternate refs",
        plant: |repo, mark| {
            config(repo, "credential.helper", &format!("!{}", canary(mark, "credential")));
            config(repo, "core.alternateRefsCommand", &canary(mark, "alternates"));
            config(repo, "core.gitProxy", &canary(mark, "proxy"));
        },
        sprung_by: None,
    },
    Trap {
        name: "embedded bare repository and submodule",
        plant: |repo, mark| {
            let inner = repo.path().join("inner");
            repo.git(&["init", "--quiet", "--bare", inner.to_str().unwrap()]);
            let git_dir = format!("--git-dir={}", inner.display());
            repo.git(&[&git_dir, "config", "core.bare", "false"]);
            repo.git(&[&git_dir, "config", "core.worktree", "."]);
            repo.git(&[&git_dir, "config", "core.fsmonitor", &canary(mark, "embedded")]);
            let sub = repo.path().join("sub");
            repo.git(&["init", "--quiet", sub.to_str().unwrap()]);
            let sub = sub.to_str().unwrap();
            repo.git(&["-C", sub, "commit", "--quiet", "--allow-empty", "--message", "x"]);
            repo.git(&["add", "sub"]);
            repo.git(&["-C", sub, "config", "core.fsmonitor", &canary(mark, "submodule")]);
        },
        sprung_by: Some(&["status"]),
    },
];

/// A repository in which every verb has something to do: changes, a merge to make, a new file.
fn bait() -> TempRepo {
    let repo = TempRepo::with(&[("a", "1\n2\n3\n"), ("gone", "1\n")]);
    repo.git(&["checkout", "--quiet", "-b", "side"]);
    repo.write("a", "1\n2\nside\n");
    repo.commit_all("side");
    repo.git(&["checkout", "--quiet", "main"]);
    repo.write("a", "main\n2\n3\n");
    repo.commit_all("main");
    repo
}

fn marks(mark: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(mark).unwrap().map(|entry| entry.unwrap().path()).collect()
}

/// Every public verb of a repository; errors count, but the canary is what is looked at.
fn all_verbs(repo: &TempRepo) {
    let git = installation(repo);
    let open = git.open(repo.path()).unwrap();
    let head = open.head().unwrap().unwrap();
    open.branch().unwrap();
    open.status(&[]).unwrap();
    open.status(&paths(&["a"])).unwrap();
    open.log(10).unwrap();
    let at = paths(&["a", "new", "gone"]);
    open.diff_work_tree(Some(&head), &at).unwrap();
    let author = open.identity(&UserHome { home: repo.beside("nohome"), xdg_config_home: None }).unwrap();
    let co_authors = [Author::agent(&"kimi".parse().unwrap())];
    let snapshot = Snapshot {
        parent: Some(&head),
        paths: &at,
        message: "m",
        author: &author,
        co_authors: &co_authors,
        at: crate::world::AT,
    };
    let taken = open.snapshot(&snapshot).unwrap();
    let commit = taken.commit.unwrap();
    open.diff(Some(&head), &commit, &[]).unwrap();
    open.blob(&commit, &at[1]).unwrap();
    let parent = open.log(2).unwrap().pop().unwrap().oid;
    open.replay(std::slice::from_ref(&commit), Some(&parent)).ok();
    open.update_ref("refs/coditect/x", &commit).unwrap();
    open.update_refs(&[("refs/coditect/x", &commit), ("refs/coditect/y", &commit)]).unwrap();
    open.resolve_ref("refs/coditect/x").unwrap();
    open.advance(&commit, Some(&head), &taken.changed).unwrap();
    open.log(10).unwrap();
    open.status(&[]).unwrap();
    radar_verbs(repo, &open);
    point_verbs(repo, &open);
    pile_verbs(repo, &open);
    worktree_verbs(repo, &open);
}

/// A point is made of everything, compared, laid out, put into a bundle and read from it.
fn point_verbs(repo: &TempRepo, open: &git::Repository) {
    let head = open.head().unwrap().unwrap();
    let survey = open.survey().unwrap();
    // Many at once go another way than a few.
    (0..40).for_each(|n| repo.write(&format!("many/{n}"), "1"));
    open.survey().unwrap();
    std::fs::remove_dir_all(repo.path().join("many")).unwrap();
    let point = git::Keep { survey: &survey, last: None, message: "m", at: crate::world::AT };
    let kept = open.keep(&point).unwrap().commit;
    let name = "refs/coditect/checkpoints/one".to_owned();
    open.update_ref(&name, &kept).unwrap();
    let tree = open.tree_at(&kept).unwrap();
    open.compare(&head, &tree).unwrap();
    open.paths_of(&tree).unwrap();
    open.contents(&tree, &paths(&["new", "b"]), |_, _| Ok::<(), git::GitError>(())).ok();
    open.with_filter(&paths(&["a", "new"])).unwrap();
    open.facts(std::slice::from_ref(&kept)).unwrap();
    open.missing(std::slice::from_ref(&kept)).unwrap();
    open.refs_below("refs/coditect/checkpoints").unwrap();
    let file = repo.beside("point.bundle");
    open.bundle(&file, std::slice::from_ref(&name), &[]).unwrap();
    open.verify_bundle(&file).unwrap();
    open.unbundle(&file).unwrap();
    open.drop_ref(&name, &kept).unwrap();
    let blob = open.keep_blob("refs/coditect/lost/x", b"x").unwrap();
    open.kept_blob(&blob).unwrap();
}

/// Work is put on top of a branch, and tried in a place of ours; an agent's own worktree comes and goes.
fn pile_verbs(repo: &TempRepo, open: &git::Repository) {
    let head = open.head().unwrap().unwrap();
    let side = open.branch_tip("side").unwrap().unwrap();
    let author = Author::new("Ann", "ann@example.com");
    let landing = git::Landing {
        commit: &side,
        message: "m",
        author: &author,
        at: crate::world::AT,
        forward_only: false,
    };
    open.merged_onto(&head, &landing).ok();
    open.rebased_onto(&head, &landing).ok();
    open.piled_onto(&head, &head, &landing).unwrap();
    open.has_again(&head, &side, &side).unwrap();
    open.would_change(&landing).ok();
    open.is_ancestor(&side, &head).unwrap();
    open.count_between(&side, &head).unwrap();
    open.reached_from(&side).unwrap();
    let place = |name: &str| git::Lent {
        path: repo.beside(name),
        session: "merge-queue".to_owned(),
        agent: name.to_owned(),
    };
    let tried = place("tried");
    open.lay_out(&tried, &head).unwrap();
    open.clear_away(&tried).unwrap();
    let own = place("own");
    open.lend(&own, &head).unwrap();
    assert!(open.lent(&own).unwrap().is_some_and(|own| own.git_dir() != open.common_dir()));
    open.take_away(&own, Some(&head)).unwrap();
}

/// What is public of a repository, as the sources have it.
fn public_verbs() -> Vec<String> {
    let mut verbs = Vec::new();
    for file in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).unwrap().flatten() {
        // A folder has no verbs of a repository.
        let Ok(text) = std::fs::read_to_string(file.path()) else { continue };
        let mut inside = false;
        for line in text.lines() {
            match line {
                "impl Repository {" => inside = true,
                "}" => inside = false,
                line if inside => verbs.extend(
                    line.strip_prefix("    pub fn ")
                        .and_then(|rest| rest.split(['(', '<']).next())
                        .map(str::to_owned),
                ),
                _ => {}
            }
        }
    }
    verbs
}

#[test]
fn no_verb_is_forgotten_here() {
    const HERE: &str = include_str!("exec_vectors.rs");
    let verbs = public_verbs();
    assert!(verbs.len() > 50, "{verbs:?}");
    let forgotten: Vec<&String> = verbs.iter().filter(|verb| !HERE.contains(&format!(".{verb}("))).collect();
    assert_eq!(forgotten, Vec::<&String>::new(), "call it in all_verbs, or in what that calls");
}

/// A worktree is looked at, and merged without anything coming of it.
fn radar_verbs(repo: &TempRepo, open: &git::Repository) {
    let aside = open.writing_aside(&repo.beside("aside")).unwrap();
    let head = aside.head().unwrap().unwrap();
    let dirty = aside.dirty(&repo.beside("look")).unwrap();
    let held = aside.held(&head, &dirty.paths).unwrap();
    let side = open.branch_tip("side").unwrap().unwrap();
    let base = aside.merge_base(&held.commit, &side).unwrap().unwrap();
    let touched: Vec<_> = aside.touched(Some(&base), &held.commit).unwrap().into_keys().collect();
    aside.hunks(Some(&base), &held.commit, &touched).unwrap();
    aside.dry_merges(&[(held.commit, side)]).unwrap();
}

/// A worktree is made, looked at, landed, put aside and brought back.
fn worktree_verbs(repo: &TempRepo, open: &git::Repository) {
    let head = open.head().unwrap().unwrap();
    let site = git::Site { path: repo.beside("tree"), id: "coditect-w-1".into(), branch: "tree".into() };
    let tree = open.make_worktree(&site, git::Start::New(&head)).unwrap();
    let side = open.branch_tip("side").unwrap().unwrap();
    for to in [&side, &head] {
        tree.move_to(to).ok();
        tree.lay_on(to).ok();
        tree.lay_commit(to).ok();
        tree.lay_again(to).ok();
    }
    open.marked(&side).unwrap();
    open.files().unwrap();
    std::fs::write(tree.top().join("a"), "of the worktree\n").unwrap();
    tree.holding().unwrap();
    open.worktrees().unwrap();
    open.commit_at("side").unwrap();
    let author = Author::new("Ann", "ann@example.com");
    let landing = git::Landing {
        commit: &side,
        message: "m",
        author: &author,
        at: crate::world::AT,
        forward_only: false,
    };
    open.land_on("tree", &landing).ok();
    open.land(&landing).ok();
    open.finish_landing().unwrap();
    open.keep_standing(&tree, "1", crate::world::AT).unwrap();
    let discard =
        git::Discard { key: "1".into(), id: site.id, path: tree.top().to_owned(), to: repo.beside("trash") };
    open.put_aside(&discard).unwrap();
    open.put_back(&discard, &head, Some("tree")).unwrap();
    open.put_aside(&discard).unwrap();
    open.throw_away(&discard).unwrap();
    let tip = open.branch_tip("tree").unwrap().unwrap();
    open.drop_branch("tree", &tip).unwrap();
}

#[test]
fn no_verb_runs_anything_of_the_repository() {
    for trap in &TRAPS {
        let repo = bait();
        let mark = repo.beside("marks");
        std::fs::create_dir(&mark).unwrap();
        (trap.plant)(&repo, &mark);
        // As long as before, so that only reading it, through its filters, tells that it changed.
        repo.write("a", "niam\n2\n3\n");
        repo.write("new", "1\n");
        repo.remove("gone");
        for old in marks(&mark) {
            // Planting runs a plain git, which may have sprung the trap already.
            std::fs::remove_file(old).unwrap();
        }
        all_verbs(&repo);
        assert_eq!(marks(&mark), [] as [PathBuf; 0], "{}", trap.name);

        let Some(args) = trap.sprung_by else { continue };
        if args[0] == "merge" {
            repo.git(&["-c", "core.attributesFile=/dev/null", "reset", "--quiet", "--hard", "main~1"]);
        }
        repo.write("a", if args[0] == "merge" { "main\n2\n3\n" } else { "changed again\n2\n3\n" });
        repo.try_git(args);
        assert_ne!(marks(&mark), [] as [PathBuf; 0], "plain git does not fall for: {}", trap.name);
    }
}

#[test]
fn all_traps_at_once_do_not_help() {
    let repo = bait();
    let mark = repo.beside("marks");
    std::fs::create_dir(&mark).unwrap();
    for trap in TRAPS.iter().filter(|trap| !trap.name.contains("hook") && !trap.name.contains("embedded")) {
        (trap.plant)(&repo, &mark);
    }
    attributes(&repo, "* filter=x diff=x merge=x");
    repo.write("new", "1\n");
    repo.write("a", "changed\n");
    for old in marks(&mark) {
        std::fs::remove_file(old).unwrap();
    }
    let world = World::new(repo);
    let head = world.head();
    world.open.status(&[]).unwrap();
    // With a filter on everything there is nothing left that could be stored as the user's git would.
    let taken = world.try_snapshot(Some(&head), &["a", "new"]).unwrap();
    assert_eq!((taken.commit, taken.filtered), (None, paths(&["a", "new"])));
    assert_eq!(marks(&mark), [] as [PathBuf; 0]);
}
