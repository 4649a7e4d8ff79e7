//! Which commands name a file to change it, as far as a text tells.

use super::*;
use proptest::prelude::*;

fn hit(command: &str) -> bool {
    changes(command, ("/repo", ""), ["src/held.rs"].into_iter()).is_some()
}

#[test]
fn a_command_that_plainly_changes_a_held_file_is_seen() {
    for command in [
        "echo x > src/held.rs",
        "echo x >>src/held.rs",
        "echo x >| ./src/held.rs",
        "make 2>src/held.rs",
        "printf x | tee -a src/held.rs",
        "rm src/held.rs",
        "/bin/rm -rf src",
        "sudo rm -rf ./src/",
        "cd src && rm held.rs",
        "cd src; echo x > held.rs",
        "sed -i s/a/b/ src/held.rs",
        "perl -pi -e s/a/b/ src/held.rs",
        "mv src/held.rs src/other.rs",
        "cp other src/held.rs",
        "cp /elsewhere/held.rs src/",
        "mv src/held.rs /elsewhere/",
        "echo EVIL > src/hel?.rs",
        "rm src/*.rs",
        "rm 'src/held.rs'",
        "rm src/\\held.rs",
        "rm \"src/held.rs\"",
        "A=1 B=2 rm /repo/src/held.rs",
        "dd if=/dev/zero of=src/held.rs",
        "truncate -s 0 src/held.rs",
        "bash -c 'rm src/held.rs'",
        "bash -lc \"echo x > src/held.rs\"",
        "$(rm src/held.rs)",
        "git checkout -- src/held.rs",
        "git restore .",
        "git reset --hard",
        "git -C src rm held.rs",
        "git stash",
        "git clean -fd",
        "find src -name '*.rs' -delete",
        "python3 -c \"open('src/held.rs','w').write('x')\"",
        "python3 - <<E\nopen('src/held.rs', 'w').write('x')\nE",
        "node -e \"require('fs').writeFileSync('src/held.rs','')\"",
        "find src -type f | xargs rm src/held.rs",
    ] {
        assert!(hit(command), "{command}");
    }
}

#[test]
fn reading_and_other_files_are_free() {
    for command in [
        "cat src/held.rs",
        "grep -n x src/held.rs > out.txt",
        "cat < src/held.rs",
        "sed -n 1,5p src/held.rs",
        "cargo test",
        "git diff src/held.rs",
        "git status && git log -1 -- src/held.rs",
        "git add src/held.rs",
        "git commit -m 'rm src/held.rs'",
        "git reset",
        "git stash list",
        "git checkout -b topic",
        "rm src/other.rs",
        "echo 'rm src/held.rs'",
        "echo x > src/held.rs.bak",
        "rm /elsewhere/src/held.rs",
        "rm ../src/held.rs",
        "cd /elsewhere && ls 2>&1",
        "python3 src/held.rs",
        "python3 -c \"print(open('src/held.rs').read())\"",
        "cp src/other.rs docs/",
        "cp src/held.rs docs/",
        "cp /elsewhere/other.rs src/",
        "mkdir -p src/new",
        "ls 2>/dev/null",
        "",
    ] {
        assert!(!hit(command), "{command}");
    }
}

#[test]
fn a_glob_that_is_held_covers_what_it_matches() {
    let held = ["docs/**"];
    assert_eq!(changes("rm docs/a.md", ("/repo", ""), held.into_iter()), Some("docs/**"));
    assert_eq!(changes("rm a.md", ("/repo", "docs"), held.into_iter()), Some("docs/**"));
    assert_eq!(changes("rm src/a.md", ("/repo", ""), held.into_iter()), None);
}

#[test]
fn of_a_command_beyond_the_limit_the_beginning_is_read() {
    let tail = " x".repeat(COMMAND_MAX);
    assert!(hit(&format!("rm src/held.rs{tail}")));
    assert!(!hit(&format!("rm a{}; rm src/held.rs", " ".repeat(COMMAND_MAX))));
}

proptest! {
    #[test]
    fn no_command_makes_it_panic(command in ".{0,200}") {
        let _ = hit(&command);
    }

    #[test]
    fn no_shell_syntax_makes_it_panic(command in "[ a-c<>|&;(){}$`'\"\\\\=./*?\\[\\]\n-]{0,80}") {
        let _ = hit(&command);
    }
}
