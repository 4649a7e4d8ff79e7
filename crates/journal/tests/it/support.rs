//! Places to keep journals in, and drafts to fill them with.

use journal::{Draft, Journal, JournalError, Opened, Options, Reader, Record};
use model::{Actor, Clock, Entropy, Event, Namer, SessionId, SessionRenamed, Timestamp};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;
use tempfile::TempDir;

/// Goes on by a millisecond whenever it is looked at.
#[derive(Default)]
pub(crate) struct Ticking(AtomicI64);

impl Clock for Ticking {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_769_869_381_000 + self.0.fetch_add(1, Ordering::Relaxed))
    }

    fn uptime(&self) -> Duration {
        Duration::ZERO
    }
}

/// The same dice every time (splitmix64).
#[derive(Default)]
pub(crate) struct Dice(AtomicU64);

impl Dice {
    pub(crate) fn seeded(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }

    pub(crate) fn roll(&self) -> u64 {
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut z = self.0.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&self, n: usize) -> usize {
        usize::try_from(self.roll() % n as u64).unwrap()
    }
}

impl Entropy for Dice {
    fn fill(&self, buffer: &mut [u8]) {
        for chunk in buffer.chunks_mut(8) {
            let bytes = self.roll().to_le_bytes();
            chunk.copy_from_slice(&bytes[..chunk.len()]);
        }
    }
}

/// A folder with a journal and its blobs in it.
pub(crate) struct Place {
    _temp: TempDir,
    pub(crate) root: PathBuf,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self::of(tempfile::tempdir().unwrap())
    }

    /// In memory when the system has such a place: for tests that open thousands of journals.
    pub(crate) fn fast() -> Self {
        Self::of(tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap())
    }

    fn of(temp: TempDir) -> Self {
        Self { root: temp.path().to_owned(), _temp: temp }
    }

    pub(crate) fn dir(&self) -> PathBuf {
        self.root.join("journal")
    }

    pub(crate) fn blobs(&self) -> PathBuf {
        self.root.join("blobs")
    }

    pub(crate) fn try_open(&self, options: Options) -> Result<Opened, JournalError> {
        open_at(&self.root, options)
    }

    pub(crate) fn open(&self) -> Journal {
        self.try_open(small()).unwrap().journal
    }

    pub(crate) fn look(&self) -> Reader {
        Reader::open(&self.dir(), &self.blobs()).unwrap()
    }

    /// Another place with the same bytes in it.
    pub(crate) fn copy(&self) -> Self {
        let copy = Self::fast();
        copy_tree(&self.root, &copy.root);
        copy
    }

    pub(crate) fn segment(&self, first: u64) -> PathBuf {
        self.dir().join(format!("{first:020}.jsonl"))
    }

    /// Names of the journal's files that contain the text, in order.
    pub(crate) fn files(&self, part: &str) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(self.dir())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.contains(part))
            .collect();
        names.sort();
        names
    }
}

pub(crate) fn open_at(root: &Path, options: Options) -> Result<Opened, JournalError> {
    let (clock, dice) = (Arc::new(Ticking::default()), Arc::new(Dice::default()));
    Journal::open(&root.join("journal"), &root.join("blobs"), clock, dice, options)
}

fn copy_tree(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_tree(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// One segment, no reserve.
pub(crate) fn small() -> Options {
    Options { reserve_bytes: 0, ..Options::default() }
}

/// A new segment every few records.
pub(crate) fn many_segments() -> Options {
    Options { segment_bytes: 2_000, ..small() }
}

/// A draft whose payload holds the text.
pub(crate) fn draft(text: &str) -> Draft {
    let (clock, dice) = (Ticking::default(), Dice::default());
    let session = SessionId::new(&clock, &dice);
    let event =
        Event::SessionRenamed(SessionRenamed { session, title: text.to_owned(), by: Namer::default() });
    Draft { event, actor: Actor::User, key: None, past: None }
}

pub(crate) fn drafts(range: std::ops::Range<usize>) -> Vec<Draft> {
    range.map(|n| draft(&format!("number {n}"))).collect()
}

/// Appends the drafts one by one.
pub(crate) fn fill(journal: &mut Journal, drafts: &[Draft]) -> Vec<Record> {
    drafts.iter().flat_map(|draft| journal.append(std::slice::from_ref(draft)).unwrap()).collect()
}

pub(crate) fn all(reader: &Reader) -> Vec<Record> {
    reader.replay(model::Cursor::START).unwrap().collect::<Result<_, _>>().unwrap()
}

pub(crate) fn assert_sound(reader: &Reader) {
    let report = reader.verify().unwrap();
    assert_eq!(report.problems, [], "{report:?}");
    assert_eq!(report.head, reader.newest());
    assert_eq!(report.records, reader.newest().cursor.seq);
}

/// Says so loudly when a test cannot do its work here.
pub(crate) fn skipped(why: &str) {
    testkit::skipped("the journal", why);
}
