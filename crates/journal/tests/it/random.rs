//! Any sequence of what a writer can do leaves exactly the records it was told to keep.

use crate::support::{Place, all, assert_sound, draft, small};
use journal::{Draft, IdempotencyKey, Journal, Options, Position, ReadPage, Record};
use model::{Actor, Cursor, Event, JournalRepair};
use proptest::prelude::*;

#[derive(Debug, Clone)]
enum Step {
    Write(Vec<Draft>),
    Sync,
    /// To the position so many writes back.
    Rewind(usize),
    /// Closes and opens; what was not synced stays, too, for nobody cut the power.
    Reopen,
    Seal,
    /// After the cursor of the record at this part of all, so many records.
    Page(prop::sample::Index, usize),
}

fn a_draft() -> impl Strategy<Value = Draft> {
    let text = prop_oneof![".{0,60}", "[a-z\"\\\\\u{0}-\u{1f}]{0,300}", "x{600,900}"];
    let actor =
        prop_oneof![Just(Actor::User), Just(Actor::System), Just(Actor::Agent("kimi-2".parse().unwrap()))];
    let key = prop::option::of(("\\PC{1,128}", "[0-9a-f]{0,64}"));
    (text, actor, key, any::<bool>(), any::<u64>()).prop_map(|(text, actor, key, of_session, number)| {
        let event = if of_session {
            draft(&text).event
        } else {
            Event::JournalRepaired(JournalRepair {
                side_file: text,
                torn_bytes: number,
                previous_epoch: number / 2,
            })
        };
        let key = key.map(|(key, request_hash)| IdempotencyKey { key, request_hash });
        Draft { event, actor, key, past: None }
    })
}

fn a_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => prop::collection::vec(a_draft(), 0..5).prop_map(Step::Write),
        4 => Just(Step::Sync),
        1 => (0usize..3).prop_map(Step::Rewind),
        1 => Just(Step::Reopen),
        1 => Just(Step::Seal),
        2 => (any::<prop::sample::Index>(), 0usize..9).prop_map(|(at, limit)| Step::Page(at, limit)),
    ]
}

/// A sound journal's bytes with a stretch replaced by something else.
fn a_spoiled(whole: Vec<u8>) -> impl Strategy<Value = Vec<u8>> {
    let part = (any::<prop::sample::Index>(), 0usize..300);
    let instead = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..200),
        "[{}\"hspx:,0-9a-f\n]{0,200}".prop_map(String::into_bytes),
    ];
    (part, instead).prop_map(move |((at, len), instead)| {
        let start = at.index(whole.len() + 1);
        let end = (start + len).min(whole.len());
        [&whole[..start], &instead, &whole[end..]].concat()
    })
}

/// What the journal should hold.
#[derive(Default)]
struct Expected {
    durable: Vec<Record>,
    pending: Vec<Vec<Record>>,
}

impl Expected {
    fn settle(&mut self) {
        self.durable.extend(self.pending.drain(..).flatten());
    }

    fn rewind(&mut self, back: usize) -> Position {
        let keep = self.pending.len().saturating_sub(back);
        self.pending.truncate(keep);
        let last = self.pending.last().and_then(|write| write.last()).or(self.durable.last());
        last.map_or(Position::START, |record| record.position)
    }

    fn page(&self, journal: &Journal, at: prop::sample::Index, limit: usize) {
        let from = at.index(self.durable.len() + 1);
        let after = from.checked_sub(1).map_or(Cursor::START, |at| self.durable[at].position.cursor);
        let until = (from + limit).min(self.durable.len());
        let page = journal.reader().read_after(after, limit).unwrap();
        assert_eq!(page, ReadPage::Records(self.durable[from..until].to_vec()));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_journal_holds_what_it_was_told_to_keep(
        steps in prop::collection::vec(a_step(), 1..60),
        segment_bytes in 500u64..6_000,
    ) {
        let place = Place::fast();
        let options = Options { segment_bytes, blob_threshold: 500, ..small() };
        let open = || {
            let opened = place.try_open(options.clone()).unwrap();
            assert_eq!(opened.repaired, None);
            opened.journal
        };
        let mut journal = open();
        let mut expected = Expected::default();
        for step in steps {
            match step {
                Step::Write(drafts) => {
                    let written = journal.write(&drafts).unwrap();
                    prop_assert_eq!(written.len(), drafts.len());
                    for (record, draft) in written.iter().zip(&drafts) {
                        prop_assert_eq!((&record.event, &record.actor), (&draft.event, &draft.actor));
                        prop_assert_eq!(&record.key, &draft.key);
                    }
                    if !written.is_empty() {
                        expected.pending.push(written);
                    }
                }
                Step::Sync => {
                    journal.sync().unwrap();
                    expected.settle();
                }
                Step::Rewind(back) => journal.rewind(expected.rewind(back)).unwrap(),
                Step::Reopen => {
                    drop(journal);
                    expected.settle();
                    journal = open();
                }
                Step::Seal => journal.wait_sealed(),
                Step::Page(at, limit) => expected.page(&journal, at, limit),
            }
            let newest = expected.durable.last().map_or(Position::START, |record| record.position);
            prop_assert_eq!(journal.reader().newest(), newest);
        }
        prop_assert_eq!(&all(&journal.reader()), &expected.durable);
        assert_sound(&journal.reader());
    }

    /// I2: nonsense in a segment is an error or a repair, never a panic and never a record.
    #[test]
    fn any_bytes_in_a_segment_are_survived(
        bytes in Just(()).prop_flat_map(|()| a_spoiled(WHOLE.segment.clone())),
        marked in any::<bool>(),
        cut_damage in any::<bool>(),
    ) {
        let place = Place::fast();
        drop(place.open());
        std::fs::write(place.segment(1), &bytes).unwrap();
        if marked {
            std::fs::write(place.dir().join("mark.json"), &WHOLE.mark).unwrap();
        } else {
            std::fs::remove_file(place.dir().join("mark.json")).unwrap();
        }
        place.look().verify().unwrap();
        match place.try_open(Options { cut_damage, ..small() }) {
            Err(error) => prop_assert!(marked && !cut_damage, "{}", error),
            Ok(opened) => {
                let replay = opened.journal.reader().replay(Cursor::START).unwrap();
                let kept: Vec<Record> = replay.map_while(Result::ok).collect();
                prop_assert_eq!(&kept[..], &WHOLE.records[..kept.len()]);
                if opened.repaired.is_some() {
                    assert_sound(&opened.journal.reader());
                }
            }
        }
    }
}

/// A good journal in one segment, closed.
struct Whole {
    segment: Vec<u8>,
    mark: Vec<u8>,
    records: Vec<Record>,
}

static WHOLE: std::sync::LazyLock<Whole> = std::sync::LazyLock::new(|| {
    let place = Place::fast();
    let mut journal = place.open();
    let mut records = Vec::new();
    for n in 0..6 {
        records.extend(journal.append(&vec![draft(&format!("number {n}")); n % 3 + 1]).unwrap());
    }
    drop(journal);
    let read = |path| std::fs::read(path).unwrap();
    Whole { segment: read(place.segment(1)), mark: read(place.dir().join("mark.json")), records }
});
