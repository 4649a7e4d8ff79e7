//! Shell lines, read just far enough to know which programs they run.
//!
//! Invariant: a line is taken apart only when nothing in it could run, read or write anything else than the commands
//! that come out. Whatever could (substitution, redirection, variables, globs, escapes, control words, assignments)
//! makes the line unclear, and an unclear line is never allowed by the first words of it.

/// Words that begin a piece of shell grammar instead of a command.
const CONTROL: [&str; 20] = [
    "if", "then", "else", "elif", "fi", "for", "while", "until", "do", "done", "case", "esac", "in",
    "select", "function", "time", "coproc", "!", "[[", "{",
];
/// What makes a line unclear outside of quotes.
const UNCLEAR: [char; 17] =
    ['$', '`', '\\', '(', ')', '{', '}', '<', '>', '*', '?', '[', ']', '#', '~', '!', '\r'];

/// The words of each command of the line; none when the line is unclear.
pub(crate) fn commands(line: &str) -> Option<Vec<Vec<String>>> {
    let mut reader = Reader::default();
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\'' => reader.quoted(&mut chars, '\'', &[])?,
            '"' => reader.quoted(&mut chars, '"', &['$', '`', '\\', '!'])?,
            ' ' | '\t' => reader.end_word(),
            ';' | '\n' => reader.end_command(c == '\n', false)?,
            '&' => {
                // One alone puts the command into the background, beyond what is looked at afterwards.
                chars.next_if_eq(&'&')?;
                reader.end_command(false, true)?;
            }
            '|' => {
                chars.next_if_eq(&'|');
                if chars.peek() == Some(&'&') {
                    return None;
                }
                reader.end_command(false, true)?;
            }
            c if UNCLEAR.contains(&c) || c.is_control() => return None,
            c => reader.word.get_or_insert_default().push(c),
        }
    }
    reader.end_command(true, false)?;
    let clear = |command: &Vec<String>| {
        let first = command.first().map_or("", String::as_str);
        !CONTROL.contains(&first) && !first.contains('=') && !first.is_empty()
    };
    (!reader.commands.is_empty() && reader.commands.iter().all(clear)).then_some(reader.commands)
}

#[derive(Default)]
struct Reader {
    commands: Vec<Vec<String>>,
    words: Vec<String>,
    word: Option<String>,
    /// Something must follow.
    open: bool,
}

impl Reader {
    fn quoted(&mut self, chars: &mut impl Iterator<Item = char>, end: char, unclear: &[char]) -> Option<()> {
        let word = self.word.get_or_insert_default();
        for c in chars {
            if c == end {
                return Some(());
            }
            if unclear.contains(&c) || c == '\0' {
                return None;
            }
            word.push(c);
        }
        // It never ends.
        None
    }

    fn end_word(&mut self) {
        self.words.extend(self.word.take());
    }

    /// An empty command is the shell's own error, or the end of the line. After `open` another one must follow.
    fn end_command(&mut self, may_be_empty: bool, open: bool) -> Option<()> {
        self.end_word();
        let words = std::mem::take(&mut self.words);
        if words.is_empty() {
            return (may_be_empty && !self.open).then_some(());
        }
        self.open = open;
        self.commands.push(words);
        Some(())
    }
}

/// Every word that stands in the line, however it is wrapped: for those who look for what must not be there.
/// Programs go by their names, without their folders.
pub(crate) fn traces(line: &str) -> Vec<String> {
    let apart = |c: char| c.is_whitespace() || c.is_control() || "'\"`$(){};&|<>\\,".contains(c);
    let named = |word: &str| word.rsplit('/').find(|name| !name.is_empty()).unwrap_or(word).to_owned();
    line.split(apart).filter(|word| !word.is_empty()).map(named).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(line: &str) -> Option<Vec<String>> {
        commands(line).map(|all| all.iter().map(|words| words.join("·")).collect())
    }

    #[test]
    fn a_clear_line_is_its_commands() {
        for (line, commands) in [
            ("cargo test", vec!["cargo·test"]),
            ("  git  commit -m 'it; works && $HOME' ", vec!["git·commit·-m·it; works && $HOME"]),
            (
                "cd src && cargo test || echo \"no\"; ls | wc -l",
                vec!["cd·src", "cargo·test", "echo·no", "ls", "wc·-l"],
            ),
            ("a\nb\n\n", vec!["a", "b"]),
            ("ec'h'o x", vec!["echo·x"]),
        ] {
            assert_eq!(read(line), Some(commands.into_iter().map(str::to_owned).collect()), "{line}");
        }
    }

    #[test]
    fn whatever_could_do_more_is_unclear() {
        for line in [
            "",
            " ",
            "cargo test $(rm x)",
            "cargo test `rm x`",
            "cargo test > f",
            "cargo test < f",
            "cargo test & rm x",
            "cargo test 2>&1",
            "X=1 cargo test",
            "cargo test $X",
            "cargo test \\; rm",
            "(rm x)",
            "{ rm x; }",
            "if true; then rm x; fi",
            "! true",
            "cargo test 'open",
            "cargo test \"$(rm x)\"",
            "cargo test \"`rm`\"",
            "ls *",
            "ls ~",
            "echo # comment",
            "a && ",
            "; a",
            "a ;; b",
            "a |& b",
            "a\rb",
            "time rm",
            "a\0b",
            "x <<< y",
            "''",
            "\"\" rm",
        ] {
            assert_eq!(read(line), None, "{line:?}");
        }
    }

    #[test]
    fn traces_are_found_through_wrappings() {
        for line in [
            "rm -rf x",
            "sudo /bin/rm -rf x",
            "bash -c 'rm -rf x'",
            "a;rm -rf x",
            "$(rm -rf x)",
            "x=`rm -rf x`",
        ] {
            let words = traces(line);
            assert!(words.windows(2).any(|two| two[0] == "rm" && two[1] == "-rf"), "{line}: {words:?}");
        }
    }

    proptest! {
        #[test]
        fn plain_words_come_back_as_they_are(words in prop::collection::vec("[a-zA-Z0-9_./:@%+,-]{1,8}", 1..6)) {
            prop_assume!(!CONTROL.contains(&words[0].as_str()));
            prop_assert_eq!(commands(&words.join(" ")), Some(vec![words]));
        }

        #[test]
        fn nothing_makes_it_stumble(line in "\\PC{0,60}") {
            if let Some(all) = commands(&line) {
                prop_assert!(all.iter().all(|words| !words.is_empty() && !words[0].is_empty()));
            }
            traces(&line);
        }
    }
}
