//! The shell line that a terminal would run, in one form, so that what was allowed and what is to be run can be compared.
//!
//! Invariant: two lines are the same only when the same words run in the same folder; what an agent adds to the environment is
//! part of the line, but for what only says how output should look.

use super::updates::{list, text};
use serde_json::Value;
use std::path::Path;

/// Shells by the names under which agents start them. One of the same name that lies elsewhere is a program as any other.
const SHELLS: [&str; 10] = [
    "bash",
    "sh",
    "zsh",
    "dash",
    "/bin/bash",
    "/bin/sh",
    "/bin/zsh",
    "/bin/dash",
    "/usr/bin/bash",
    "/usr/bin/sh",
];
/// Variables that change how output looks, or keep a command from asking; not what is run.
const HARMLESS: [&str; 10] = [
    "NO_COLOR",
    "FORCE_COLOR",
    "COLORTERM",
    "TERM",
    "COLUMNS",
    "LINES",
    "CI",
    "LANG",
    "SHELL",
    "GIT_TERMINAL_PROMPT",
];

/// What `terminal/create` would run; none when it names no program.
pub(super) fn of_terminal(params: &Value, root: &Path) -> Option<String> {
    let program = text(params, "command")?;
    let arguments: Vec<&str> = list(params, "args").filter_map(Value::as_str).collect();
    let shell = SHELLS.contains(&program).then_some(arguments.as_slice());
    let line = match shell {
        // Kimi goes to the folder in the line, too.
        Some(["-c" | "-lc", line]) => line.strip_prefix(&in_folder(root, "")).unwrap_or(line).to_owned(),
        _ => {
            std::iter::once(&program).chain(&arguments).map(|word| quoted(word)).collect::<Vec<_>>().join(" ")
        }
    };
    let added = list(params, "env").filter_map(|entry| Some((text(entry, "name")?, text(entry, "value")?)));
    let added: Vec<String> = added
        .filter(|(name, _)| !HARMLESS.contains(name))
        .map(|(name, value)| quoted(&format!("{name}={value}")))
        .collect();
    let line = if added.is_empty() {
        line
    } else {
        format!(
            "env {} {} -c {}",
            added.join(" "),
            if shell.is_some() { program } else { "sh" },
            quoted(&line)
        )
    };
    Some(elsewhere(text(params, "cwd"), root, line))
}

/// What a call of a tool asks to run: its line, and the folder it names.
pub(super) fn of_call(line: &str, cwd: Option<&str>, root: &Path) -> String {
    elsewhere(cwd, root, line.to_owned())
}

fn elsewhere(cwd: Option<&str>, root: &Path, line: String) -> String {
    let folder: std::path::PathBuf = root.join(cwd.unwrap_or_default()).components().collect();
    if folder == root { line } else { in_folder(&folder, &line) }
}

fn in_folder(folder: &Path, line: &str) -> String {
    format!("cd '{}' && {line}", folder.display().to_string().replace('\'', "'\\''"))
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:@%+,=".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn line(params: Value) -> String {
        of_terminal(&params, Path::new("/w")).unwrap()
    }

    #[test]
    fn what_a_shell_is_given_is_the_line_that_was_asked_about() {
        let asked = of_call("touch zz; ls", None, Path::new("/w"));
        for (command, args) in [
            ("/bin/bash", json!(["-c", "cd '/w' && touch zz; ls"])),
            ("bash", json!(["-lc", "touch zz; ls"])),
            ("sh", json!(["-c", "touch zz; ls"])),
        ] {
            let env = json!([{"name": "NO_COLOR", "value": "1"}]);
            assert_eq!(
                line(json!({"command": command, "args": args, "cwd": "/w", "env": env})),
                asked,
                "{command}"
            );
        }
        let below = json!({"command": "bash", "args": ["-c", "cd '/w/sub' && make"], "cwd": "/w"});
        assert_eq!(line(below), of_call("make", Some("./sub"), Path::new("/w")));
        assert_eq!(line(json!({"command": "git", "args": ["log", "a b"]})), "git log 'a b'");
        assert_eq!(of_terminal(&json!({"args": ["x"]}), Path::new("/w")), None);
    }

    #[test]
    fn another_folder_another_environment_and_another_shell_make_another_line() {
        let bash = |more: Value| {
            let mut params = json!({"command": "bash", "args": ["-c", "make"]});
            params.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            line(params)
        };
        assert_eq!(bash(json!({})), "make");
        assert_eq!(bash(json!({"cwd": "/etc"})), "cd '/etc' && make");
        assert_eq!(bash(json!({"cwd": "/w/../etc"})), "cd '/w/../etc' && make");
        let env = json!({"env": [{"name": "LD_PRELOAD", "value": "/tmp/it's"}]});
        assert_eq!(bash(env), r"env 'LD_PRELOAD=/tmp/it'\''s' bash -c make");
        assert_eq!(bash(json!({"command": "./bash"})), "./bash -c make");
        assert_eq!(bash(json!({"args": ["-c", "make", "x"]})), "bash -c make x");
        assert_eq!(line(json!({"command": "rm -r x"})), "'rm -r x'", "a program of that name, not a line");
        let cargo = json!({"command": "cargo", "args": ["test"], "env": [{"name": "A", "value": "b"}]});
        assert_eq!(line(cargo), "env A=b sh -c 'cargo test'");
    }
}
