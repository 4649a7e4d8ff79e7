//! What a lock names: one path, or a glob over many.
//!
//! Overlap is symmetric and decided on the languages themselves: two globs overlap when some path is
//! in both, found by walking both automata at once. The one invariant: a path that two patterns both
//! match makes them overlap. Where the walk would be too long the answer is yes, never no.

use crate::error::BusError;
use model::RepoPath;

/// Largest product of two automata that is walked; beyond it two globs whose literal beginnings agree
/// count as overlapping.
pub const GLOB_WALK_MAX: usize = 1 << 16;
/// Deepest nesting of `{…}`.
const NESTING_MAX: usize = 8;

/// A path or glob relative to a worktree.
///
/// `*` and `?` stop at `/`; `**` as a whole component crosses it; `[a-z]`, `[!a]` and `{a,b}` are as
/// usual; `dir/` means `dir/**`. Whatever it holds, a pattern always names the path that is written
/// exactly like it too, so that `pages/[id].tsx` locks that file. A name alone does not lock what is below it.
#[derive(Debug, Clone)]
pub struct Pattern {
    text: String,
    glob: Option<Automaton>,
}

impl Pattern {
    /// Reads a pattern; the rules for names are those of [`model::RepoPath`].
    pub fn parse(given: &str) -> Result<Self, BusError> {
        let given = match given.strip_suffix('/') {
            Some(dir) if !dir.is_empty() => format!("{dir}/**"),
            _ => given.to_owned(),
        };
        let path: RepoPath = given.parse().map_err(|error| BusError::Invalid(format!("{error}")))?;
        Ok(Self::from_normal(path.as_str()))
    }

    /// A pattern that has been through [`Self::parse`] before.
    pub(crate) fn from_normal(text: &str) -> Self {
        let glob = if text.contains(['*', '?', '[', '{']) { Automaton::build(text) } else { None };
        Self { text: text.to_owned(), glob }
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// True when it may name more than one path.
    pub fn is_glob(&self) -> bool {
        self.glob.is_some()
    }

    /// True when the pattern names this path.
    pub fn matches(&self, path: &str) -> bool {
        self.text == path || self.glob.as_ref().is_some_and(|glob| glob.accepts(path))
    }

    /// True when some path is named by both.
    pub fn overlaps(&self, other: &Self) -> bool {
        if self.matches(&other.text) || other.matches(&self.text) {
            return true;
        }
        match (&self.glob, &other.glob) {
            (Some(a), Some(b)) => {
                prefixes_agree(&self.text, &other.text)
                    && (a.states.len() * b.states.len() > GLOB_WALK_MAX || a.meets(b))
            }
            _ => false,
        }
    }
}

/// False when the parts before the first wildcard already differ.
fn prefixes_agree(a: &str, b: &str) -> bool {
    fn literal(text: &str) -> &str {
        let end = text.find(['*', '?', '[', '{']).unwrap_or(text.len());
        &text[..end]
    }
    let (a, b) = (literal(a), literal(b));
    a.starts_with(b) || b.starts_with(a)
}

type Range = (char, char);

#[derive(Debug, Clone)]
enum State {
    /// One character out of the ranges, then on.
    Take(Vec<Range>, usize),
    /// Either way, for free.
    Split(usize, usize),
    Accept,
}

/// A non-deterministic automaton over characters.
#[derive(Debug, Clone)]
struct Automaton {
    states: Vec<State>,
    start: usize,
}

/// A glob as it is read, before it becomes states.
enum Node {
    Take(Vec<Range>),
    /// Any number of characters out of the ranges.
    Repeat(Vec<Range>),
    Either(Vec<Vec<Node>>),
}

const NOT_SLASH: [Range; 2] = [('\0', '.'), ('0', char::MAX)];
const ANYTHING: [Range; 1] = [('\0', char::MAX)];

impl Automaton {
    /// None when the text is not well formed as a glob: an unclosed bracket or brace.
    fn build(text: &str) -> Option<Self> {
        let chars: Vec<char> = text.chars().collect();
        let mut reader = Reader { chars: &chars, at: 0, depth: 0 };
        let nodes = reader.sequence(true)?;
        let mut states = vec![State::Accept];
        let start = assemble(&nodes, 0, &mut states);
        Some(Self { states, start })
    }

    fn accepts(&self, path: &str) -> bool {
        let mut current = vec![false; self.states.len()];
        self.enter(self.start, &mut current);
        for c in path.chars() {
            let mut next = vec![false; self.states.len()];
            for (index, _) in current.iter().enumerate().filter(|(_, on)| **on) {
                if let State::Take(ranges, to) = &self.states[index]
                    && ranges.iter().any(|(low, high)| (*low..=*high).contains(&c))
                {
                    self.enter(*to, &mut next);
                }
            }
            current = next;
        }
        current[0]
    }

    /// Marks a state and all that are reached from it for free.
    fn enter(&self, state: usize, marked: &mut [bool]) {
        let mut todo = vec![state];
        while let Some(state) = todo.pop() {
            if !std::mem::replace(&mut marked[state], true)
                && let State::Split(a, b) = self.states[state]
            {
                todo.extend([a, b]);
            }
        }
    }

    /// True when some text is accepted by both.
    fn meets(&self, other: &Self) -> bool {
        let width = other.states.len();
        let mut seen = vec![false; self.states.len() * width];
        let mut todo = vec![(self.start, other.start)];
        while let Some((a, b)) = todo.pop() {
            if std::mem::replace(&mut seen[a * width + b], true) {
                continue;
            }
            match (&self.states[a], &other.states[b]) {
                (State::Split(x, y), _) => todo.extend([(*x, b), (*y, b)]),
                (_, State::Split(x, y)) => todo.extend([(a, *x), (a, *y)]),
                (State::Accept, State::Accept) => return true,
                (State::Take(left, x), State::Take(right, y)) => {
                    if left.iter().any(|l| right.iter().any(|r| l.0 <= r.1 && r.0 <= l.1)) {
                        todo.push((*x, *y));
                    }
                }
                (State::Accept, State::Take(..)) | (State::Take(..), State::Accept) => {}
            }
        }
        false
    }
}

/// Lays the nodes in front of the state `next`, last first, and returns where they begin. State 0 accepts.
fn assemble(nodes: &[Node], next: usize, states: &mut Vec<State>) -> usize {
    let push = |states: &mut Vec<State>, state| {
        states.push(state);
        states.len() - 1
    };
    nodes.iter().rev().fold(next, |next, node| match node {
        Node::Take(ranges) => push(states, State::Take(ranges.clone(), next)),
        Node::Repeat(ranges) => {
            let split = push(states, State::Accept);
            let take = push(states, State::Take(ranges.clone(), split));
            states[split] = State::Split(take, next);
            split
        }
        Node::Either(branches) => {
            let starts: Vec<usize> = branches.iter().map(|branch| assemble(branch, next, states)).collect();
            starts.into_iter().reduce(|a, b| push(states, State::Split(a, b))).unwrap_or(next)
        }
    })
}

struct Reader<'a> {
    chars: &'a [char],
    at: usize,
    depth: usize,
}

impl Reader<'_> {
    fn peek(&self, ahead: usize) -> Option<char> {
        self.chars.get(self.at + ahead).copied()
    }

    /// Reads up to the end, or inside braces up to `,` or `}`, which it leaves. `fresh`: a component begins here.
    fn sequence(&mut self, mut fresh: bool) -> Option<Vec<Node>> {
        let mut nodes = Vec::new();
        while let Some(c) = self.peek(0) {
            if self.depth > 0 && matches!(c, ',' | '}') {
                break;
            }
            match c {
                '*' => self.stars(fresh, &mut nodes),
                '?' => {
                    self.at += 1;
                    nodes.push(Node::Take(NOT_SLASH.to_vec()));
                }
                '[' => {
                    self.at += 1;
                    nodes.push(Node::Take(self.class()?));
                }
                '{' => {
                    self.at += 1;
                    nodes.push(self.braces(fresh)?);
                }
                _ => {
                    self.at += 1;
                    nodes.push(Node::Take(vec![(c, c)]));
                }
            }
            fresh = self.at > 0 && self.chars[self.at - 1] == '/';
        }
        Some(nodes)
    }

    /// `*`, or `**` when it is a whole component: `a/**/b` also names `a/b`, `a/**` all that is below `a`.
    fn stars(&mut self, fresh: bool, nodes: &mut Vec<Node>) {
        let mut count = 0;
        while self.peek(0) == Some('*') {
            self.at += 1;
            count += 1;
        }
        let after = self.peek(0);
        let last = after.is_none() || (self.depth > 0 && matches!(after, Some(',' | '}')));
        if count == 2 && fresh && after == Some('/') {
            self.at += 1;
            let below = vec![Node::Repeat(ANYTHING.to_vec()), Node::Take(vec![('/', '/')])];
            nodes.push(Node::Either(vec![Vec::new(), below]));
        } else if count == 2 && fresh && last {
            nodes.push(Node::Take(ANYTHING.to_vec()));
            nodes.push(Node::Repeat(ANYTHING.to_vec()));
        } else {
            nodes.push(Node::Repeat(NOT_SLASH.to_vec()));
        }
    }

    /// The inside of `[…]`. A class never names `/`.
    fn class(&mut self) -> Option<Vec<Range>> {
        let negated = matches!(self.peek(0), Some('!' | '^'));
        self.at += usize::from(negated);
        let mut ranges: Vec<Range> = Vec::new();
        let first = self.at;
        loop {
            let low = self.peek(0)?;
            if low == ']' && self.at > first {
                self.at += 1;
                break;
            }
            let high = match (self.peek(1), self.peek(2)) {
                (Some('-'), Some(high)) if high != ']' => {
                    self.at += 2;
                    high
                }
                _ => low,
            };
            self.at += 1;
            if low > high {
                return None;
            }
            ranges.push((low, high));
        }
        ranges.push(('/', '/'));
        Some(if negated { complement(ranges) } else { without_slash(&ranges) })
    }

    /// The inside of `{…}`.
    fn braces(&mut self, fresh: bool) -> Option<Node> {
        if self.depth == NESTING_MAX {
            return None;
        }
        self.depth += 1;
        let mut branches = Vec::new();
        loop {
            branches.push(self.sequence(fresh)?);
            match self.peek(0)? {
                ',' => self.at += 1,
                _ => break,
            }
        }
        self.at += 1;
        self.depth -= 1;
        Some(Node::Either(branches))
    }
}

/// All characters outside the ranges.
fn complement(mut ranges: Vec<Range>) -> Vec<Range> {
    ranges.sort_unstable();
    let mut outside = Vec::new();
    let mut from = Some('\0');
    for (low, high) in ranges {
        let Some(start) = from else { break };
        if let Some(before) = previous(low)
            && start <= before
        {
            outside.push((start, before));
        }
        if high >= start {
            from = following(high);
        }
    }
    if let Some(start) = from {
        outside.push((start, char::MAX));
    }
    outside
}

fn without_slash(ranges: &[Range]) -> Vec<Range> {
    let mut kept = Vec::new();
    for &(low, high) in ranges {
        for (a, b) in NOT_SLASH {
            let (low, high) = (low.max(a), high.min(b));
            if low <= high {
                kept.push((low, high));
            }
        }
    }
    kept
}

fn previous(c: char) -> Option<char> {
    ('\0'..c).next_back()
}

fn following(c: char) -> Option<char> {
    (c..=char::MAX).nth(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use globset::GlobBuilder;
    use proptest::prelude::*;

    fn pattern(text: &str) -> Pattern {
        Pattern::parse(text).unwrap()
    }

    #[test]
    fn names_are_held_to_the_rules_of_repository_paths() {
        for bad in ["", "/", "/etc/*", "../*", "a//b", "a/../b", ".git/config", "a\\b"] {
            assert!(Pattern::parse(bad).is_err(), "{bad}");
        }
        assert!(Pattern::parse(&"a".repeat(1025)).is_err());
        assert_eq!(pattern("./src/").as_str(), "src/**");
    }

    #[test]
    fn a_pattern_names_what_a_shell_would() {
        for (glob, yes, no) in [
            ("src/*.rs", "src/a.rs", "src/a/b.rs"),
            ("src/**", "src/a/b.rs", "src"),
            ("src/", "src/a", "srcs/a"),
            ("**/*.rs", "a.rs", "a.rsx"),
            ("**/*.rs", "a/b/c.rs", "a/b/c.md"),
            ("a/**/b", "a/b", "ab"),
            ("a/**/b", "a/x/y/b", "a/xb"),
            ("**", "a/b", ""),
            ("a?c", "abc", "a/c"),
            ("[a-c]x", "bx", "dx"),
            ("[!a-c]x", "dx", "bx"),
            ("[]x]", "]", "y"),
            ("a[!b]c", "axc", "a/c"),
            ("{a,b*}/c", "bcd/c", "c/c"),
            ("{src/**,docs/{x,y}}.md", "docs/y.md", "docs/z.md"),
            ("pages/[id].tsx", "pages/[id].tsx", "pages/[no].tsx"),
            ("pages/[id].tsx", "pages/i.tsx", "pages/x.tsx"),
            ("a[b", "a[b", "ab"),
            ("a{b", "a{b", "ab"),
            ("a[z-a]", "a[z-a]", "ab"),
            ("a**b", "axxb", "ax/b"),
            ("föö/*", "föö/ü", "foo/u"),
        ] {
            assert!(pattern(glob).matches(yes), "{glob} should name {yes}");
            assert!(!pattern(glob).matches(no), "{glob} should not name {no}");
        }
    }

    #[test]
    fn overlap_is_symmetric_and_exact() {
        for (a, b, expected) in [
            ("src/a.rs", "src/a.rs", true),
            ("src/a.rs", "src/b.rs", false),
            ("src", "src/a.rs", false),
            ("src/**", "src/a.rs", true),
            ("src/**", "docs/a.md", false),
            ("src/**/*.rs", "src/**/*.md", false),
            ("src/**/x*", "src/**/*y", true),
            ("*/a", "b/*", true),
            ("*/a", "b/?b", false),
            ("**", "{a,b}", true),
            ("a/**", "**/z.rs", true),
            ("a/*", "*/*/c", false),
            ("src/{a,b}.rs", "src/{b,c}.rs", true),
            ("src/{a,b}.rs", "src/{c,d}.rs", false),
            ("[a-m]*", "[n-z]*", false),
            ("[!a]x", "ax", false),
            ("p/[id].tsx", "p/[slug].tsx", false),
            ("p/[id].tsx", "p/[slid].tsx", true),
        ] {
            assert_eq!(pattern(a).overlaps(&pattern(b)), expected, "{a} with {b}");
            assert_eq!(pattern(b).overlaps(&pattern(a)), expected, "{b} with {a}");
        }
    }

    #[test]
    fn too_long_a_walk_answers_yes() {
        let long = |tail: &str| format!("*{}{tail}", "a".repeat(400));
        assert!(pattern(&long("b")).overlaps(&pattern(&long("c"))));
        assert!(!pattern(&format!("x{}", long("b"))).overlaps(&pattern(&format!("y{}", long("c")))));
    }

    fn globs() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            Just("a"),
            Just("b"),
            Just("*"),
            Just("?"),
            Just("[ab]"),
            Just("{a,b/a}"),
            Just("/"),
            Just("**/"),
            Just("/**")
        ];
        proptest::collection::vec(piece, 1..6)
            .prop_map(|pieces| pieces.concat())
            .prop_filter("a repository path", |text| Pattern::parse(text).is_ok() && !text.ends_with('/'))
    }

    /// Every path of up to five characters over `a`, `b` and `/`.
    fn paths() -> Vec<String> {
        let mut all = vec![String::new()];
        let mut grown = all.clone();
        for _ in 0..5 {
            grown = grown.iter().flat_map(|path| ["a", "b", "/"].map(|c| format!("{path}{c}"))).collect();
            all.extend(grown.iter().cloned());
        }
        all.retain(|path| path.parse::<RepoPath>().is_ok_and(|p| p.as_str() == path));
        all
    }

    proptest! {
        #[test]
        fn matching_agrees_with_globset(text in globs()) {
            let ours = pattern(&text);
            let glob = GlobBuilder::new(&text).literal_separator(true).backslash_escape(false).build();
            prop_assume!(glob.is_ok());
            let theirs = glob.unwrap().compile_matcher();
            for path in paths() {
                prop_assert_eq!(ours.matches(&path), theirs.is_match(&path) || path == text, "{} on {}", text, path);
            }
        }

        #[test]
        fn two_patterns_that_name_one_path_overlap(a in globs(), b in globs()) {
            let (a, b) = (pattern(&a), pattern(&b));
            let common = paths().into_iter().find(|path| a.matches(path) && b.matches(path));
            if let Some(path) = common {
                prop_assert!(a.overlaps(&b) && b.overlaps(&a), "{} and {} both name {}", a.as_str(), b.as_str(), path);
            } else {
                prop_assert_eq!(a.overlaps(&b), b.overlaps(&a));
            }
        }
    }
}
