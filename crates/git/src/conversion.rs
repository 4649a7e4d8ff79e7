//! What git makes of a file's bytes on their way in and out of the repository, by attributes and configuration.
//!
//! Invariant: whatever is not understood counts as a conversion. So what passes by git's own hands here is, byte for byte, what
//! git would have made of it.

use crate::process::Call;
use crate::snapshot::zero_separated;
use crate::{GitError, Repository};
use model::RepoPath;
use std::collections::{BTreeMap, BTreeSet};

const ATTRIBUTES: [&str; 6] = ["filter", "text", "eol", "crlf", "ident", "working-tree-encoding"];

/// Bytes of names that are asked about at once, so that the answer is within [`crate::OUTPUT_MAX`].
const ASKED_BYTES_MAX: usize = crate::OUTPUT_MAX / (2 * ATTRIBUTES.len());
/// What stands in the answer beside a name, about.
const ANSWER_EACH: usize = 40;

/// What happens to the ends of lines without any attribute, as the repository is configured.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct LineEnds {
    /// Those of text files are made plain on their way in.
    pub(crate) inward: bool,
    /// They get a carriage return on their way out.
    pub(crate) outward: bool,
}

/// What happens to one file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Conversion {
    /// A content filter is named, which is never run here.
    pub(crate) filtered: bool,
    /// Something else than ends of lines.
    deep: bool,
    text: bool,
    outward: bool,
}

impl Conversion {
    /// Whether these bytes of a work tree are stored as they are.
    pub(crate) fn keeps(self, bytes: &[u8]) -> bool {
        !(self.filtered || self.deep || self.text && bytes.contains(&b'\r'))
    }

    /// Whether what is stored is what a checkout would write.
    pub(crate) fn gives(self) -> bool {
        !(self.filtered || self.deep || self.text && self.outward)
    }

    fn of(values: &BTreeMap<&[u8], &[u8]>, ends: LineEnds) -> Self {
        let value = |name: &str| values.get(name.as_bytes()).copied().unwrap_or_default();
        let nothing = |name: &str| matches!(value(name), b"unspecified" | b"unset");
        let text = match value("text") {
            b"unset" => false,
            b"unspecified" => ends.inward || ends.outward || !nothing("eol"),
            _ => true,
        };
        Self {
            filtered: !nothing("filter") && value("filter") != b"set",
            // `crlf` is an older word for `text` with meanings of its own.
            deep: !nothing("ident") || !nothing("working-tree-encoding") || value("crlf") != b"unspecified",
            text,
            outward: ends.outward || value("eol") == b"crlf",
        }
    }
}

impl Repository {
    /// Of each of these paths, by the index and the `.gitattributes` that the call names.
    pub(crate) fn conversions<'a, 'c>(
        &self,
        call: impl Fn() -> Call<'c>,
        paths: impl IntoIterator<Item = &'a RepoPath>,
    ) -> Result<BTreeMap<RepoPath, Conversion>, GitError> {
        let paths: BTreeSet<&RepoPath> = paths.into_iter().collect();
        let mut conversions = BTreeMap::new();
        for some in pieces(&paths) {
            let call = call().args(["-z", "--stdin"]).args(ATTRIBUTES).stdin(zero_separated(some));
            conversions.append(&mut parse(&call.run()?.stdout, self.line_ends()));
        }
        // Of a file that git says nothing about nobody knows what it becomes.
        if conversions.len() == paths.len() {
            Ok(conversions)
        } else {
            Err(GitError::Unexpected { verb: "check-attr".to_owned() })
        }
    }
}

/// Git answers with each name once for each attribute.
fn pieces<'a>(paths: &BTreeSet<&'a RepoPath>) -> Vec<Vec<&'a RepoPath>> {
    let (mut pieces, mut bytes) = (vec![Vec::new()], 0);
    for path in paths {
        bytes += path.as_str().len() + ANSWER_EACH;
        if bytes > ASKED_BYTES_MAX {
            bytes = path.as_str().len() + ANSWER_EACH;
            pieces.push(Vec::new());
        }
        pieces.last_mut().into_iter().for_each(|piece| piece.push(*path));
    }
    pieces.retain(|piece| !piece.is_empty());
    pieces
}

/// Names, attributes and values in turn, each with its end; a value may be empty.
fn parse(stdout: &[u8], ends: LineEnds) -> BTreeMap<RepoPath, Conversion> {
    let tokens: Vec<&[u8]> = stdout.split(|byte| *byte == 0).collect();
    let mut conversions = BTreeMap::new();
    for of_one in tokens.chunks_exact(3 * ATTRIBUTES.len()) {
        let path = of_one.first().and_then(|path| std::str::from_utf8(path).ok()?.parse().ok());
        let values: BTreeMap<&[u8], &[u8]> =
            of_one.chunks_exact(3).filter_map(|triple| Some((*triple.get(1)?, *triple.get(2)?))).collect();
        conversions.extend(path.map(|path| (path, Conversion::of(&values, ends))));
    }
    conversions
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(values: [&str; 6], ends: LineEnds) -> Conversion {
        let tokens = ATTRIBUTES.iter().zip(values).map(|(name, value)| format!("a b\0{name}\0{value}\0"));
        let text: String = tokens.collect();
        let conversions = parse(text.as_bytes(), ends);
        assert_eq!(conversions.len(), 1);
        *conversions.values().next().unwrap()
    }

    #[test]
    fn no_more_is_asked_at_once_than_can_be_answered() {
        let long = "x".repeat(200);
        let names: Vec<RepoPath> = (0..20_000).map(|n| format!("{long}/{n}").parse().unwrap()).collect();
        let paths: BTreeSet<&RepoPath> = names.iter().collect();
        let pieces = pieces(&paths);
        let bytes = |piece: &Vec<&RepoPath>| piece.iter().map(|path| path.as_str().len()).sum::<usize>();
        assert!(pieces.len() > 1 && pieces.iter().all(|piece| bytes(piece) <= ASKED_BYTES_MAX));
        assert_eq!(pieces.concat(), paths.into_iter().collect::<Vec<_>>());
        assert!(super::pieces(&BTreeSet::new()).is_empty());
    }

    #[test]
    fn what_is_not_understood_is_a_conversion() {
        const NO: &str = "unspecified";
        let (none, plain) = (LineEnds::default(), [NO; 6]);
        let with = |at: usize, value: &'static str| {
            let mut values = plain;
            values[at] = value;
            said(values, none)
        };
        let outcome = |one: Conversion| (one.keeps(b"a\nb\0"), one.keeps(b"a\r\nb"), one.gives());
        assert_eq!(outcome(said(plain, none)), (true, true, true));
        assert_eq!(outcome(with(1, "auto")), (true, false, true));
        assert_eq!(outcome(with(1, "unset")), (true, true, true));
        assert_eq!(outcome(with(2, "crlf")), (true, false, false));
        assert_eq!(outcome(with(2, "lf")), (true, false, true));
        for (at, value) in [(0, "lfs"), (0, ""), (3, "unset"), (3, "input"), (4, "set"), (5, "UTF-16")] {
            assert_eq!(outcome(with(at, value)), (false, false, false), "{} {value}", ATTRIBUTES[at]);
        }
        for (at, value, filtered) in [(0, "lfs", true), (0, "", true), (0, "set", false), (0, "unset", false)]
        {
            assert_eq!(with(at, value).filtered, filtered, "filter {value}");
        }
        let ends = LineEnds { inward: true, outward: true };
        assert_eq!(outcome(said(plain, ends)), (true, false, false));
        assert_eq!(outcome(said(plain, LineEnds { outward: false, ..ends })), (true, false, true));
        let binary = said([NO, "unset", NO, NO, NO, NO], ends);
        assert_eq!(outcome(binary), (true, true, true));
    }
}
