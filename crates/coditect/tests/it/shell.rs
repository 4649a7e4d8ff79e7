//! The command line in the hands of an agent: it acts for the run it is in, and never for the user.

use crate::house::until;
use crate::kill::Workplace;
use serde_json::Value;
use std::path::Path;

/// What the agent's shell tries. Each answer goes into a file of its own; `$1` is the folder for them.
const ATTEMPTS: &str = r#"
coditect=$0 out=$1
try() { name=$1; shift; "$coditect" "$@" --json >"$out/$name" 2>"$out/$name.err"; echo $? >"$out/$name.exit"; }
echo "$CODITECT_REGISTRATION" >"$out/registration"
try version session list
try answer task answer tsk_00000000000000000000000000000000 yes
try stop daemon stop
try open open --headless
try lock lock acquire mine.txt
try holder lock acquire other.txt --holder reg_018f000000007000800000000000000a
try break lock break 1
(unset CODITECT_TOKEN_FILE; try derived daemon stop)
(CODITECT_TOKEN_FILE=$out/none; export CODITECT_TOKEN_FILE; try lost daemon stop)
touch "$out/done"
"#;

fn answer(out: &Path, name: &str) -> (String, Value) {
    let read = |name: &str| std::fs::read_to_string(out.join(name)).unwrap();
    let text = read(name);
    let said = serde_json::from_str(&text)
        .unwrap_or_else(|error| panic!("{name}: {error}: {text}{}", read(&format!("{name}.err"))));
    (read(&format!("{name}.exit")).trim().to_owned(), said)
}

#[test]
fn a_command_in_an_agents_shell_acts_for_the_agent() {
    let place = Workplace::new();
    let daemon = place.daemon();
    let out = tempfile::tempdir().unwrap();
    let script = out.path().join("attempts.sh");
    std::fs::write(&script, ATTEMPTS).unwrap();
    let (bin, script, folder) = (env!("CARGO_BIN_EXE_coditect"), script.display(), out.path().display());
    place.prompted(&format!("[[bash sh -c '. {script}' {bin} {folder}; sleep 600]] [[say done]]"));
    until("the agent's attempts", || out.path().join("done").exists().then_some(()));

    for name in ["answer", "stop", "open", "derived", "holder", "break"] {
        let (exit, said) = answer(out.path(), name);
        assert_eq!(
            (exit.as_str(), &said["error"]["code"]),
            ("4", &Value::from("not_for_agents")),
            "{name}: {said}"
        );
    }
    let (exit, said) = answer(out.path(), "lost");
    assert_eq!((exit.as_str(), &said["error"]["code"]), ("4", &Value::from("run_token_unusable")), "{said}");
    let own = std::fs::read_to_string(out.path().join("registration")).unwrap();
    let (_, lock) = answer(out.path(), "lock");
    assert_eq!(lock["holder"].as_str(), Some(own.trim()), "{lock}");
    assert_eq!(lock["items"][0]["agent"], "claude", "{lock}");
    assert_eq!(place.house.pid(), Some(daemon.pid()), "the daemon still runs");
}
