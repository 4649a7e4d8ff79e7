//! What a shell command would change, as far as its text says it.
//!
//! Reading is free and nothing is run or expanded but globs. It is advice: a command can always hide what it writes,
//! which is why files are looked at again after each call.

use bus::Pattern;

/// Longest command that is read, in bytes; of a longer one the beginning is.
pub(super) const COMMAND_MAX: usize = 64 * 1024;
/// Most words of a command that are looked at.
const WORDS_MAX: usize = 4096;

/// Programs that change the files they are given.
const WRITERS: [&str; 19] = [
    "rm", "mv", "tee", "truncate", "touch", "chmod", "chown", "patch", "shred", "unlink", "ed", "ex", "vi",
    "vim", "nano", "emacs", "dd", "rmdir", "rustfmt",
];
/// Programs that read what they are given and write to the last of it.
const COPIERS: [&str; 4] = ["cp", "install", "ln", "rsync"];
/// Programs that change files only when told so by a flag that begins like this.
const WRITERS_WITH: [(&str, &[&str]); 11] = [
    ("sed", &["-i", "--in-place", "-ni", "-Ei", "-ri", "-nEi"]),
    ("perl", &["-i", "-pi", "-pie", "-ni", "-e", "-pe"]),
    ("ruby", &["-i", "-pi", "-e"]),
    ("awk", &["-i"]),
    ("gawk", &["-i"]),
    ("sort", &["-o", "--output"]),
    ("find", &["-delete", "-exec", "-execdir", "-fprint"]),
    ("curl", &["-o", "--output"]),
    ("wget", &["-O", "--output-document"]),
    ("gofmt", &["-w"]),
    ("prettier", &["-w", "--write"]),
];
/// Interpreters whose program may be in the command itself.
const INTERPRETERS: [&str; 7] = ["python", "python3", "node", "perl", "ruby", "php", "deno"];
/// What such a program says when it writes.
const WRITE_WORDS: [&str; 11] =
    ["write", "'w", "\"w", "'a'", "\"a\"", "unlink", "remove", "rename", "truncate", "File.open", "copyfile"];
/// Subcommands of git that change the files they are given, and everything when given none.
const GIT_WRITERS: [&str; 12] = [
    "checkout", "restore", "reset", "rm", "mv", "stash", "clean", "apply", "am", "switch", "rebase", "merge",
];
/// Programs that only start another one.
const STARTERS: [&str; 8] = ["sudo", "env", "nice", "nohup", "time", "command", "exec", "xargs"];

/// Of these locked paths (files or globs from the worktree's top) the first one the command plainly changes. `inside`
/// is where it runs, from the top, and `top` the worktree itself.
pub(super) fn changes<'a>(
    command: &str,
    (top, inside): (&str, &str),
    locked: impl Iterator<Item = &'a str>,
) -> Option<&'a str> {
    let wishes = wishes(clip(command), top, inside);
    locked.into_iter().find(|held| wishes.iter().any(|wish| wish.meets(held)))
}

/// Something a command would change.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Wish {
    /// A path or glob from the top; for a folder everything below it.
    Path(String),
    /// Every file git knows.
    Everything,
    /// Whatever this text of a program names.
    Named(String),
}

impl Wish {
    fn meets(&self, held: &str) -> bool {
        match self {
            Self::Everything => true,
            Self::Named(text) => text.contains(held.trim_end_matches(['*', '/'])),
            Self::Path(path) if path.is_empty() => true,
            Self::Path(path) => {
                let (Ok(path_of), Ok(held_of)) = (Pattern::parse(path), Pattern::parse(held)) else {
                    return false;
                };
                let below = Pattern::parse(&format!("{}/", path.trim_end_matches('/')));
                path_of.overlaps(&held_of) || below.is_ok_and(|below| below.overlaps(&held_of))
            }
        }
    }
}

fn clip(command: &str) -> &str {
    &command[..command.floor_char_boundary(COMMAND_MAX)]
}

fn wishes(command: &str, top: &str, inside: &str) -> Vec<Wish> {
    let mut found = Vec::new();
    let mut here = inside.to_owned();
    for simple in simple_commands(command) {
        let mut words = simple.words.as_slice();
        while let Some(first) = words.first()
            && (STARTERS.contains(&base(first)) || first.contains('=') && !first.starts_with('-'))
        {
            words = &words[1..];
        }
        found.extend(simple.targets.iter().filter_map(|word| place(word, top, &here)).map(Wish::Path));
        let Some((program, arguments)) = words.split_first() else { continue };
        let program = base(program);
        if program == "cd" || program == "pushd" {
            if let Some(folder) = arguments.first().and_then(|word| place(word, top, &here)) {
                here = folder;
            }
            continue;
        }
        if ["sh", "bash", "zsh", "dash"].contains(&program)
            && let Some(script) = arguments.iter().skip_while(|word| !word.ends_with('c')).nth(1)
        {
            found.extend(wishes(script, top, &here));
            continue;
        }
        if INTERPRETERS.iter().any(|name| program.starts_with(name)) {
            let text = arguments.join(" ");
            if WRITE_WORDS.iter().any(|word| text.contains(word)) || simple.is_fed && has_write(command) {
                found.push(Wish::Named(if simple.is_fed { command.to_owned() } else { text }));
            }
        }
        if program == "git" {
            found.extend(git(arguments, top, &here));
        } else if COPIERS.contains(&program) || program == "mv" {
            found.extend(copied(program, arguments, top, &here).into_iter().map(Wish::Path));
        } else if writes(program, arguments) {
            let named = arguments.iter().filter(|word| !word.starts_with('-'));
            let named = named.map(|word| word.strip_prefix("of=").unwrap_or(word));
            found.extend(named.filter_map(|word| place(word, top, &here)).map(Wish::Path));
        }
    }
    found
}

/// What a copy makes: the last word, or in a folder of that name the names of the others. A move takes those away, too.
fn copied(program: &str, arguments: &[String], top: &str, here: &str) -> Vec<String> {
    let named: Vec<&String> = arguments.iter().filter(|word| !word.starts_with('-')).collect();
    let Some((last, sources)) = named.split_last() else { return Vec::new() };
    let mut found: Vec<String> = Vec::new();
    if program == "mv" {
        found.extend(sources.iter().filter_map(|word| place(word, top, here)));
    }
    let Some(target) = place(last, top, here) else { return found };
    if last.ends_with('/') || std::path::Path::new(top).join(&target).is_dir() {
        found.extend(sources.iter().map(|word| format!("{target}/{}", base(word.trim_end_matches('/')))));
    } else {
        found.push(target);
    }
    found
}

fn has_write(text: &str) -> bool {
    WRITE_WORDS.iter().any(|word| text.contains(word))
}

fn writes(program: &str, arguments: &[String]) -> bool {
    WRITERS.contains(&program)
        || WRITERS_WITH.iter().any(|(name, flags)| {
            *name == program && arguments.iter().any(|word| flags.iter().any(|flag| word.starts_with(flag)))
        })
}

fn git(arguments: &[String], top: &str, here: &str) -> Vec<Wish> {
    let mut rest = arguments.iter();
    let mut here = here.to_owned();
    let verb = loop {
        match rest.next().map(String::as_str) {
            Some("-C") => {
                here = rest.next().and_then(|word| place(word, top, &here)).unwrap_or(here);
            }
            Some("-c") => drop(rest.next()),
            Some(flag) if flag.starts_with('-') => {}
            other => break other,
        }
    };
    let rest: Vec<&String> = rest.collect();
    let has = |words: &[&str]| rest.iter().any(|word| words.contains(&word.as_str()));
    let Some(verb) = verb.filter(|verb| GIT_WRITERS.contains(verb)) else { return Vec::new() };
    let harmless = match verb {
        "stash" => has(&["list", "show"]),
        "clean" => has(&["-n", "--dry-run"]),
        // Without --hard, --merge or --keep only the index changes.
        "reset" => !has(&["--hard", "--merge", "--keep"]),
        "checkout" | "switch" => has(&["-b", "-c", "--orphan"]) && rest.len() <= 2,
        "apply" => has(&["--check", "--stat", "--cached"]),
        "restore" => has(&["--staged"]) && !has(&["--worktree"]),
        "rm" => has(&["--cached"]),
        _ => false,
    };
    if harmless {
        return Vec::new();
    }
    let after = rest.iter().position(|word| word.as_str() == "--").map_or(0, |at| at + 1);
    let named: Vec<Wish> = rest[after..]
        .iter()
        .filter(|word| !word.starts_with('-'))
        .filter_map(|word| place(word, top, &here))
        .map(Wish::Path)
        .collect();
    match verb {
        "restore" | "rm" | "mv" => named,
        "checkout" if after > 0 || rest.iter().any(|word| word.as_str() == ".") => named,
        "clean" | "stash" | "reset" | "switch" | "rebase" | "merge" | "am" | "apply" => {
            vec![Wish::Everything]
        }
        // `git checkout NAME`: a branch, or a file.
        _ if named.is_empty() => Vec::new(),
        _ => vec![Wish::Everything],
    }
}

fn base(program: &str) -> &str {
    program.rsplit('/').next().unwrap_or(program)
}

/// A word as a path from the top; none when it leaves the worktree.
fn place(word: &str, top: &str, here: &str) -> Option<String> {
    let from_top = match word.strip_prefix(top) {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => rest.trim_start_matches('/').to_owned(),
        _ if word.starts_with('/') || word.starts_with('~') => return None,
        _ => format!("{here}/{word}"),
    };
    let mut parts: Vec<&str> = Vec::new();
    for part in from_top.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// One program with its words, and what its output is written to.
#[derive(Debug, Default, PartialEq, Eq)]
struct Simple {
    words: Vec<String>,
    targets: Vec<String>,
    /// A here-document follows.
    is_fed: bool,
}

/// Splits as a shell does, as far as programs, words, quotes and redirections go.
fn simple_commands(command: &str) -> Vec<Simple> {
    let mut reader = Reader { all: Vec::new(), now: Simple::default(), word: None, target: false, count: 0 };
    let mut chars = command.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\'' => {
                let word = reader.word.get_or_insert_default();
                word.extend(chars.by_ref().take_while(|c| *c != '\''));
            }
            '"' => {
                let word = reader.word.get_or_insert_default();
                while let Some(c) = chars.next().filter(|c| *c != '"') {
                    word.push(if c == '\\' { chars.next().unwrap_or(c) } else { c });
                }
            }
            '\\' => {
                let word = reader.word.get_or_insert_default();
                word.extend(chars.next().filter(|c| *c != '\n'));
            }
            '>' => {
                // `2>file`: the number is no word.
                if reader.word.as_ref().is_some_and(|word| word.chars().all(|c| c.is_ascii_digit())) {
                    reader.word = None;
                }
                reader.end_word();
                while chars.next_if(|c| *c == '>' || *c == '|').is_some() {}
                if chars.next_if_eq(&'&').is_none() {
                    reader.target = true;
                }
            }
            '<' => {
                reader.end_word();
                if chars.next_if_eq(&'<').is_some() {
                    reader.now.is_fed = true;
                }
            }
            ';' | '|' | '&' | '\n' | '(' | ')' | '`' | '{' | '}' if !(c == '{' && reader.word.is_some()) => {
                // `&>file` writes both streams.
                reader.end_command();
            }
            c if c.is_whitespace() => reader.end_word(),
            '$' if chars.peek() == Some(&'(') => reader.end_command(),
            c => reader.word.get_or_insert_default().push(c),
        }
    }
    reader.end_command();
    reader.all
}

struct Reader {
    all: Vec<Simple>,
    now: Simple,
    word: Option<String>,
    target: bool,
    count: usize,
}

impl Reader {
    fn end_word(&mut self) {
        let Some(word) = self.word.take() else { return };
        self.count += 1;
        if self.count > WORDS_MAX {
            return;
        }
        if std::mem::take(&mut self.target) {
            self.now.targets.push(word);
        } else {
            self.now.words.push(word);
        }
    }

    fn end_command(&mut self) {
        self.end_word();
        self.target = false;
        let done = std::mem::take(&mut self.now);
        if done != Simple::default() {
            self.all.push(done);
        }
    }
}

#[cfg(test)]
mod tests;
