//! Reads the notes, and says what was lost, doubled or out of order.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;

/// Notices by their id: the key under which somebody wished for it.
pub(super) type Notices = BTreeMap<i64, String>;

/// What one of them wrote down so far.
#[derive(Default)]
pub(super) struct Seen {
    path: PathBuf,
    read: u64,
    /// A line whose end is not there yet.
    rest: String,
    life: usize,
    lives: BTreeMap<i64, usize>,
    pub(super) notices: Notices,
    /// The same notice twice in one life, or two keys under one id.
    pub(super) doubled: usize,
    /// The same notice in a later life.
    pub(super) repeated: usize,
    /// Tokens and when they were held.
    pub(super) grants: Vec<(u64, u64)>,
}

impl Seen {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, ..Self::default() }
    }

    /// Reads what was added since.
    pub(super) fn read(&mut self) -> Result<(), String> {
        let Ok(mut file) = File::open(&self.path) else { return Ok(()) };
        let told = |error: std::io::Error| format!("{}: {error}", self.path.display());
        file.seek(SeekFrom::Start(self.read)).map_err(told)?;
        let mut more = String::new();
        self.read += file.read_to_string(&mut more).map_err(told)? as u64;
        self.take(&more);
        Ok(())
    }

    fn take(&mut self, more: &str) {
        let text = std::mem::take(&mut self.rest) + more;
        let (whole, rest) = text.rsplit_once('\n').unwrap_or(("", &text));
        self.rest = rest.to_owned();
        // A line without its mark was cut off by a kill: nobody had been told yet.
        for line in whole.lines().filter_map(|line| line.strip_suffix(';')) {
            self.line(line);
        }
    }

    fn line(&mut self, line: &str) {
        let mut words = line.split(' ');
        match (words.next(), words.next(), words.next()) {
            (Some("life"), None, None) => self.life += 1,
            (Some("token"), Some(token), Some(at)) => {
                if let (Ok(token), Ok(at)) = (token.parse(), at.parse()) {
                    self.grants.push((at, token));
                }
            }
            (Some(id), Some(key), None) => {
                let Ok(id) = id.parse() else { return };
                match self.lives.insert(id, self.life) {
                    None => {}
                    Some(life) if life < self.life => self.repeated += 1,
                    Some(_) => self.doubled += 1,
                }
                let before = self.notices.insert(id, key.to_owned());
                self.doubled += usize::from(before.is_some_and(|before| before != key));
            }
            _ => {}
        }
    }
}

/// Everything that was acknowledged; counts keys that became two notices.
pub(super) fn sent(publishers: &[Seen], doubled: &mut usize) -> Notices {
    let all: Notices = publishers.iter().flat_map(|seen| seen.notices.clone()).collect();
    let keys: std::collections::BTreeSet<&String> = all.values().collect();
    let said: usize = publishers.iter().map(|seen| seen.notices.len()).sum();
    *doubled += said - keys.len();
    all
}

/// How many of what was sent came, and how many did not, or under another id.
pub(super) fn compare(sent: &Notices, seen: &Notices) -> (usize, usize) {
    let had = sent.iter().filter(|(id, key)| seen.get(id) == Some(key)).count();
    (had, sent.len() - had)
}

/// Grants of one exclusive lock, by everybody.
#[derive(Default)]
pub(super) struct Grants(Vec<(u64, u64, usize)>);

impl Grants {
    pub(super) fn add(&mut self, holder: usize, grants: &[(u64, u64)]) {
        self.0.extend(grants.iter().map(|(at, token)| (*at, *token, holder)));
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// In the order in which they were held, a token is above the last one; or it is the same in the same hands: what a life
    /// took and could not give back, the next one has still.
    pub(super) fn disordered(mut self) -> usize {
        self.0.sort_unstable();
        let pairs = self.0.windows(2);
        pairs
            .filter(|pair| {
                let ((_, before, of), (_, after, to)) = (pair[0], pair[1]);
                !(after > before || (after == before && of == to))
            })
            .count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(text: &[&str]) -> Seen {
        let mut seen = Seen::default();
        text.iter().for_each(|more| seen.take(more));
        seen
    }

    #[test]
    fn a_line_counts_when_it_is_whole() {
        let cut = seen(&["\nlife;\n1 a-1;\n2 a", "-2;\n3 a-", "\nlife;\n4 a-4;"]);
        assert_eq!(cut.notices.keys().copied().collect::<Vec<_>>(), [1, 2], "3 was cut off, 4 may go on");
        assert_eq!((cut.life, cut.repeated, cut.doubled), (2, 0, 0));
    }

    #[test]
    fn again_after_a_kill_is_a_repetition_and_again_without_one_a_double() {
        let notes = seen(&["\nlife;\n1 k;\n2 l;\n\nlife;\n2 l;\n3 m;\n3 m;\n"]);
        assert_eq!((notes.repeated, notes.doubled), (1, 1));
        assert_eq!(seen(&["\nlife;\n1 k;\n\nlife;\n1 other;\n"]).doubled, 1);
    }

    #[test]
    fn what_is_missing_or_another_is_lost() {
        let all = sent(&[seen(&["1 a;\n2 b;\n"]), seen(&["3 c;\n"])], &mut 0);
        assert_eq!(compare(&all, &seen(&["1 a;\n2 b;\n3 c;\n4 d;\n"]).notices), (3, 0));
        assert_eq!(compare(&all, &seen(&["1 a;\n2 x;\n"]).notices), (1, 2));
        let mut doubled = 0;
        sent(&[seen(&["1 a;\n2 a;\n"])], &mut doubled);
        assert_eq!(doubled, 1, "one key became two notices");
    }

    #[test]
    fn tokens_rise_over_all_hands() {
        let judge = |grants: &[(u64, u64, usize)]| Grants(grants.to_vec()).disordered();
        assert_eq!(judge(&[(1, 5, 0), (3, 7, 0), (2, 6, 1), (4, 7, 0)]), 0);
        assert_eq!(judge(&[(1, 5, 0), (2, 5, 1)]), 1);
        assert_eq!(judge(&[(1, 5, 0), (2, 4, 0)]), 1);
    }
}
