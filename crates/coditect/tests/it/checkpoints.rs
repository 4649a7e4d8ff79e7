//! Checkpoints with the real program: by command, by tool, and over a kill in the middle of a restore.

use crate::house::{House, text, until};
use crate::kill::Workplace;
use model::TaskState;
use serde_json::{Value, json};

/// Enough files for a restore to be seen while it goes on.
const MANY: usize = 3000;

fn done(place: &Workplace, session: &str, prompt: &str) {
    let task = place.prompt(session, "claude", prompt);
    let (state, words) = place.over(&task);
    assert_eq!(state, TaskState::Completed, "{words}");
}

fn listed(house: &House, session: &str) -> Vec<Value> {
    let page = house.json(&["checkpoint", "list", session, "--json"]);
    let points = page["items"].as_array().unwrap().iter().filter(|one| one["kind"] != "work");
    points.cloned().collect()
}

fn words(value: &Value) -> &str {
    value.as_str().unwrap()
}

#[test]
fn a_turn_is_taken_back_by_command_and_that_again() {
    let place = Workplace::new();
    let _daemon = place.daemon();
    let house = &place.house;
    let session = place.session("claude");
    done(&place, &session, "[[write note.txt|seen]] [[write README.md|# agent]] [[say done]]");
    let made = listed(house, &session);
    assert_eq!(made.iter().map(|one| words(&one["kind"])).collect::<Vec<_>>(), ["before_turn", "after_turn"]);
    let before = words(&made[0]["id"]);
    let compared = house.json(&["checkpoint", "compare", before, "--json"]);
    let changes: Vec<_> =
        compared["files"].as_array().unwrap().iter().map(|file| words(&file["change"])).collect();
    assert_eq!(changes, ["modified", "added"]);
    let shown = text(&house.run(&["checkpoint", "compare", before, words(&made[1]["id"])]));
    assert!(shown.contains("added note.txt") && shown.contains("+# agent"), "{shown}");
    let restored = house.json(&["checkpoint", "restore", before, "--json"]);
    assert_eq!(place.repo.git(&["status", "-s"]), "");
    let said = text(&house.run(&["checkpoint", "restore", words(&restored["before"])]));
    assert!(said.contains("2 files are back"), "{said}");
    assert_eq!(place.repo.read("note.txt"), "seen");

    let named = house.json(&["checkpoint", "create", &session, "--name", "good", "--json"]);
    let asked = house.json(&["checkpoint", "list", &session, "--asked", "--json"]);
    assert!(asked["items"].as_array().unwrap().iter().any(|one| one["id"] == named["id"]));
    let talk = ["checkpoint", "restore", words(&named["id"]), "--only-conversation", "--json"];
    let fork = house.json(&talk);
    assert_eq!((&fork["before"], &fork["fork"]["forked_from"]), (&Value::Null, &json!(session)));
    house.json(&["checkpoint", "remove", words(&named["id"]), "--json"]);
    let gone = house.run(&["checkpoint", "show", words(&named["id"])]);
    assert!(!gone.status.success() && text(&gone).contains("was removed"), "{}", text(&gone));
    let escaping = house.run(&["checkpoint", "restore", before, "../outside"]);
    assert!(!escaping.status.success(), "{}", text(&escaping));
}

#[test]
fn a_restore_that_was_killed_is_whole_after_the_next_start() {
    let place = Workplace::new();
    let content = |n: usize, word: &str| format!("{word} {n}\n").repeat(50);
    (0..MANY).for_each(|n| place.repo.write(&format!("many/{n}"), content(n, "old")));
    place.repo.commit_all("many");
    let daemon = place.daemon();
    let session = place.session("claude");
    let kept = place.house.json(&["checkpoint", "create", &session, "--name", "old", "--json"]);
    (0..MANY).for_each(|n| place.repo.write(&format!("many/{n}"), content(n, "new")));
    place.repo.write("later", "later\n");
    let mut restoring = place.house.command(&["checkpoint", "restore", words(&kept["id"]), "--json"]);
    let mut restoring =
        restoring.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).spawn().unwrap();
    // The first file that is back: others follow.
    until("the restore to begin", || (!place.repo.path().join("later").exists()).then_some(()));
    daemon.kill();
    restoring.kill().unwrap();
    restoring.wait().unwrap();
    let old = |n: &usize| place.repo.read(&format!("many/{n}")) == content(*n, "old");
    let back = (0..MANY).filter(old).count();
    eprintln!("{back} of {MANY} files were back when the daemon was killed");
    let _daemon = place.daemon();
    assert_eq!((0..MANY).filter(old).count(), MANY);
    assert!(!place.repo.path().join("later").exists());
    assert_eq!(place.repo.git(&["status", "-s"]), "", "nothing unfinished is left");
    let way_back = listed(&place.house, &session);
    let way_back = way_back.iter().rfind(|one| one["kind"] == "before_restore").unwrap();
    place.house.json(&["checkpoint", "restore", words(&way_back["id"]), "--json"]);
    assert_eq!(place.repo.read("many/7"), content(7, "new"));
    assert_eq!(place.repo.read("later"), "later\n");
}

#[test]
fn the_users_tools_keep_files_and_bring_them_back() {
    let place = Workplace::new();
    let _daemon = place.daemon();
    let session = place.session("claude");
    done(&place, &session, "[[write a|one]] [[say done]]");
    let after = words(&listed(&place.house, &session)[1]["id"]).to_owned();
    done(&place, &session, "[[write a|two]] [[say done]]");
    let (mut agent, _home) = crate::mcp_client::Agent::of_user(&place.house.root);
    let listed = agent.call("checkpoint_list", json!({ "session": session }));
    assert!(listed.data()["checkpoints"].as_array().unwrap().iter().any(|one| one["id"] == json!(after)));
    let made = agent.call("checkpoint_create", json!({ "session": session, "name": "by tool" }));
    assert_eq!(made.data()["kind"], "named");
    let back = agent.call("checkpoint_restore", json!({ "checkpoint": after, "paths": ["a"] }));
    assert_eq!(back.data()["files"], json!(["a"]));
    assert_eq!(place.repo.read("a"), "one");
    let bad = agent.call("checkpoint_restore", json!({ "checkpoint": after, "paths": ["../x"] }));
    assert_eq!(bad.code(), "path_refused");
    let unknown = agent.call("checkpoint_restore", json!({ "checkpoint": "zzzzzzzz", "paths": ["a"] }));
    assert_eq!(unknown.code(), "not_found");
}

/// Without a git that works no turn begins, nothing is half done, and every face says the same.
#[test]
fn without_git_or_with_an_old_one_everything_says_so_and_nothing_is_lost() {
    let place = Workplace::new();
    let daemon = place.daemon();
    let session = place.session("claude");
    done(&place, &session, "[[write a|one]] [[say done]]");
    let before = words(&listed(&place.house, &session)[0]["id"]).to_owned();
    daemon.kill();
    let folder = place.house.dir.path().join("old-git");
    std::fs::create_dir(&folder).unwrap();
    let empty = place.house.dir.path().join("no-git");
    std::fs::create_dir(&empty).unwrap();
    std::fs::write(folder.join("git"), "#!/bin/sh\necho git version 2.20.1\n").unwrap();
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(folder.join("git"), executable).unwrap();
    for (path, code, step) in
        [(&empty, "git_missing", "install git"), (&folder, "git_too_old", "install a newer git")]
    {
        let mut command = place.house.command(&["daemon", "run"]);
        command.env("CODITECT_TEST_KEY", "a-key-of-no-value").env("PATH", path);
        let daemon = crate::house::Daemon::start(command);
        let task = place.prompt(&session, "claude", "[[write a|two]] [[say done]]");
        let (state, said) = place.over(&task);
        assert_eq!(state, TaskState::Failed);
        assert!(said.contains("git"), "{said}");
        assert_eq!(place.repo.read("a"), "one", "no turn was begun");
        for args in [
            vec!["checkpoint", "create", &session, "--name", "x"],
            vec!["checkpoint", "compare", &before],
            vec!["checkpoint", "restore", &before],
            vec!["checkpoint", "import", "--repo", place.repo.path().to_str().unwrap()],
            vec!["repo", "add", place.repo.path().to_str().unwrap(), "--name", "again"],
            vec!["worktree", "add", place.repo.path().to_str().unwrap(), "feat"],
        ] {
            let output = place.house.run(&[&args[..], &["--json"]].concat());
            let said = text(&output);
            assert!(
                !output.status.success() && said.contains(code) && said.contains(step),
                "{args:?}: {said}"
            );
        }
        assert_eq!(place.repo.read("a"), "one");
        assert_eq!(listed(&place.house, &session).len(), 2);
        let doctor = text(&place.house.run(&["doctor"]));
        assert!(doctor.contains("git"), "{doctor}");
        daemon.kill();
    }
    let _daemon = place.daemon();
    place.house.json(&["checkpoint", "restore", &before, "--json"]);
    assert!(!place.repo.path().join("a").exists(), "with git all is as before");
}
