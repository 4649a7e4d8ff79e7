//! Agents that work apart: in worktrees of their own, and in sandboxes.

use crate::house::{Daemon, text, until};
use crate::kill::Workplace;
use model::TaskState;
use serde_json::{Value, json};
use testkit::vendors::{VendorCli, Vendors};

fn place(isolation: &str) -> (Workplace, Daemon) {
    let place = Workplace::with(&[("claude", json!({ "isolation": isolation }))]);
    // What the fence holds is seen only where no rule forbade it before.
    let path = place.house.root.config();
    let mut config: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    config["permissions"] = json!({ "default": { "admin": "allow" } });
    std::fs::write(&path, config.to_string()).unwrap();
    let daemon = place.daemon();
    (place, daemon)
}

/// A session in which the agent has done this.
fn done(place: &Workplace, prompt: &str) -> String {
    let session = place.session("claude");
    done_in(place, &session, prompt);
    session
}

fn done_in(place: &Workplace, session: &str, prompt: &str) {
    let task = place.prompt(session, "claude", prompt);
    let (state, words) = place.over(&task);
    assert_eq!(state, TaskState::Completed, "{words}");
}

fn worktrees(place: &Workplace) -> Vec<Value> {
    place.house.json(&["worktree", "list", "--json"])["items"].as_array().unwrap().clone()
}

/// Code and message of a command that is refused.
fn refused(place: &Workplace, args: &[&str]) -> String {
    let output = place.house.run(args);
    assert!(!output.status.success(), "{args:?}: {}", text(&output));
    text(&output)
}

#[test]
fn work_in_a_worktree_of_ones_own_comes_home_when_it_is_landed() {
    let (place, _daemon) = place("worktree");
    let session = done(&place, "[[write note.txt|mine]] [[bash echo shell > shell.txt]] [[say done]]");
    assert_eq!(place.repo.git(&["status", "-s"]), "", "the user's checkout is the user's");
    assert!(!place.repo.path().join("note.txt").exists());
    // The run leaves after its task is over.
    let in_use = |one: &Value| one["kept_because"] == "claude works in it";
    let listed = until("the run to leave", || Some(worktrees(&place)).filter(|all| !all.iter().any(in_use)));
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0]["kept_because"], "1 commit not landed", "what a shell made is committed, too");
    let own = std::path::PathBuf::from(listed[0]["path"].as_str().unwrap());
    assert_eq!(std::fs::read_to_string(own.join("shell.txt")).unwrap(), "shell\n");

    let said = refused(&place, &["worktree", "rm", &session, "claude"]);
    assert!(said.contains("1 commit not landed") && said.contains("session land"), "{said}");
    place.repo.write("README.md", "# the user's\n");
    let landed = place.house.json(&["session", "land", &session, "--json"]);
    assert_eq!(landed["items"][0]["merged"], false);
    assert_eq!(
        (place.repo.read("note.txt"), place.repo.read("shell.txt")),
        ("mine".into(), "shell\n".into())
    );
    assert_eq!(place.repo.git(&["status", "-s"]), " M README.md\n");

    done_in(&place, &session, "[[bash cat note.txt > again.txt]] [[say done]]");
    assert_eq!(std::fs::read_to_string(own.join("again.txt")).unwrap(), "mine", "it is the same worktree");
    place.house.json(&["session", "land", &session, "--agent", "claude", "--json"]);
    let (mut agent, _home) = crate::mcp_client::Agent::of_user(&place.house.root);
    std::fs::write(own.join("unfinished"), "x").unwrap();
    let kept = agent.call("worktree_prune", json!({}));
    assert_ne!(kept.data()["worktrees"][0]["kept_because"], Value::Null, "{kept:?}");
    std::fs::remove_file(own.join("unfinished")).unwrap();
    let pruned = agent.call("worktree_prune", json!({}));
    assert_eq!(pruned.data()["worktrees"][0]["kept_because"], Value::Null, "{pruned:?}");
    let again = place.house.json(&["worktree", "prune", "--json"]);
    assert_eq!(again["items"], json!([]));
    assert!(!own.exists() && worktrees(&place).is_empty());
    assert_eq!(place.repo.read("again.txt"), "mine");
}

#[test]
fn a_conflict_is_refused_by_name_and_nothing_changes() {
    let (place, _daemon) = place("worktree");
    let session = done(&place, "[[write README.md|# agent]] [[say done]]");
    place.repo.write("README.md", "# user\n");
    let said = refused(&place, &["session", "land", &session]);
    assert!(said.contains("README.md") && said.contains("commit, stash or move"), "{said}");
    place.repo.git(&["commit", "-qam", "mine"]);
    let head = place.repo.git(&["rev-parse", "HEAD"]);
    let said = refused(&place, &["session", "land", &session]);
    assert!(said.contains("both sides changed README.md"), "{said}");
    assert_eq!(place.repo.git(&["rev-parse", "HEAD"]), head);
    assert_eq!(place.repo.git(&["status", "-s"]), "");
    assert_eq!(place.repo.read("README.md"), "# user\n");
}

#[test]
fn what_is_discarded_is_kept_first() {
    let (place, _daemon) = place("worktree");
    let session = done(&place, "[[write note.txt|mine]] [[say done]]");
    let own = std::path::PathBuf::from(worktrees(&place)[0]["path"].as_str().unwrap());
    std::fs::write(own.join("loose.txt"), "not committed").unwrap();
    let said = refused(&place, &["worktree", "rm", &session, "claude"]);
    assert!(said.contains("not committed: loose.txt"), "{said}");
    let said = refused(&place, &["session", "land", &session]);
    assert!(said.contains("loose.txt"), "{said}");
    let removed = place.house.json(&["worktree", "rm", &session, "claude", "--discard", "--json"]);
    assert!(!own.exists());
    let kept = removed["kept_as"].as_str().unwrap();
    assert_eq!(place.repo.git(&["show", &format!("{kept}:loose.txt")]), "not committed");
    assert_eq!(place.repo.git(&["show", &format!("{kept}:note.txt")]), "mine");
}

#[test]
fn a_worktree_in_which_somebody_works_is_let_alone() {
    let (place, daemon) = place("worktree");
    let session = place.session("claude");
    let go = place.house.dir.path().join("go");
    let wait =
        format!("[[write a|1]] [[bash until [ -e {} ]; do sleep 0.02; done]] [[say done]]", go.display());
    let task = place.prompt(&session, "claude", &wait);
    until("the edit", || {
        worktrees(&place).first().and_then(|one| one["dirty"].as_u64()).filter(|dirty| *dirty > 0)
    });
    for args in [vec!["worktree", "rm", &session, "claude", "--discard"], vec!["session", "land", &session]] {
        let said = refused(&place, &args);
        assert!(said.contains("claude works in the worktree"), "{said}");
    }
    std::fs::write(go, "").unwrap();
    assert_eq!(place.over(&task).0, TaskState::Completed);
    drop(daemon);
}

#[test]
fn the_real_claude_code_works_in_a_sandbox() {
    let Some(vendors) = Vendors::find("Claude Code works in a sandbox") else { return };
    let models = scripted::Scripted::start(scripted::ScriptedOptions::default()).unwrap();
    let home = vendors.home(VendorCli::Claude, models.addr());
    let variables = home.variables().into_iter();
    let env: serde_json::Map<String, Value> =
        variables.map(|(name, value)| (name.to_owned(), value.into_string().unwrap().into())).collect();
    let place = Workplace::with(&[(
        "claude",
        json!({
            "driver": "claude", "isolation": "sandbox", "model": home.model(), "env": env, "base_url": null,
            "api_key_env": "", "command": [vendors.program(VendorCli::Claude)],
            "sandbox_writable": [env["HOME"]],
        }),
    )]);
    let _daemon = place.daemon();
    let agents = place.house.json(&["agent", "list", "--json"]);
    if agents["items"][0]["sandbox"]["held_by"].is_null() {
        testkit::no_sandbox("Claude Code works in a sandbox", "nothing holds one here");
        return;
    }
    let session = done(&place, "[[write note.txt|mine]] [[say done]]");
    assert!(!place.repo.path().join("note.txt").exists());
    place.house.json(&["session", "land", &session, "--json"]);
    assert_eq!(place.repo.read("note.txt"), "mine");
}

#[test]
fn a_sandboxed_agent_does_its_work_and_reaches_nothing_else() {
    let (place, _daemon) = place("sandbox");
    let doctor = place.house.run(&["doctor", "--json"]);
    let doctor: Value = serde_json::from_slice(&doctor.stdout).unwrap();
    let found = doctor.to_string();
    if !found.contains("held by") {
        testkit::no_sandbox("a sandboxed agent", &format!("nothing holds a sandbox here: {found}"));
        return;
    }
    let home = place.house.dir.path();
    std::fs::create_dir_all(home.join(".ssh")).unwrap();
    std::fs::write(home.join(".ssh/id"), "a private key").unwrap();
    let out = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let (ssh, root) = (home.join(".ssh/id"), place.house.root.path().display().to_string());
    let evil = format!(
        "echo evil > {out}/evil; echo evil > {root}/evil; echo evil > {repo}/evil; \
         cat {ssh} > stolen; cat {token} >> stolen; cat {root}/studio/default/journal/* >> stolen; \
         echo evil > {repo}/.git/hooks/pre-commit; sh -c 'echo fine > made'; git status -s > status; \
         {coditect} --data-root {root} msg send fenced hello --json > sent 2>&1; true",
        coditect = env!("CARGO_BIN_EXE_coditect"),
        out = out.path().display(),
        repo = place.repo.path().display(),
        ssh = ssh.display(),
        token = place.house.root.token().display(),
    );
    let session = done(&place, &format!("[[write note.txt|mine]] [[bash {evil}]] [[say done]]"));
    assert_eq!(std::fs::read_dir(out.path()).unwrap().count(), 0);
    assert!(!place.house.root.path().join("evil").exists() && !place.repo.path().join("evil").exists());
    assert!(!place.repo.path().join(".git/hooks/pre-commit").exists());
    place.house.json(&["session", "land", &session, "--json"]);
    assert_eq!(place.repo.read("stolen"), "", "no secret was read");
    assert_eq!((place.repo.read("note.txt"), place.repo.read("made")), ("mine".into(), "fine\n".into()));
    assert!(place.repo.read("status").contains("note.txt"), "git works in there");
    let heard = place.house.json(&["msg", "list", "--channel", "fenced", "--json"]);
    let sent = place.repo.read("sent");
    assert_eq!(heard["items"].as_array().unwrap().len(), 1, "the bus is reached from inside: {sent}");
    let agents = place.house.json(&["agent", "list", "--json"]);
    assert!(agents["items"][0]["sandbox"]["held_by"].is_string(), "{agents}");
}
