//! Pages, single records and positions, in journals of one segment and of many.

use crate::support::{Place, all, draft, drafts, fill, many_segments, small};
use journal::{Journal, JournalError, Options, PAGE_BYTES_MAX, PAGE_MAX, Position, ReadPage, Record};
use model::Cursor;

fn page(journal: &Journal, after: Cursor, limit: usize) -> Vec<Record> {
    match journal.reader().read_after(after, limit).unwrap() {
        ReadPage::Records(records) => records,
        reset @ ReadPage::Reset { .. } => panic!("{reset:?}"),
    }
}

fn reads_every_page(journal: &Journal, written: &[Record]) {
    for from in (0..=written.len()).step_by(7) {
        let after = from.checked_sub(1).map_or(Cursor::START, |at| written[at].position.cursor);
        for limit in [0, 1, 5, 1_000] {
            let until = (from + limit).min(written.len());
            assert_eq!(page(journal, after, limit), written[from..until], "{limit} after {after}");
        }
        let replayed: Vec<Record> = journal.reader().replay(after).unwrap().map(Result::unwrap).collect();
        assert_eq!(replayed, written[from..]);
        let at = from as u64;
        let position = written.get(from.wrapping_sub(1)).map_or(Position::START, |record| record.position);
        assert_eq!(journal.reader().position_at(at).unwrap(), Some(position));
        assert_eq!(journal.reader().record_at(at + 1).unwrap().as_ref(), written.get(from));
    }
}

#[test]
fn pages_are_cut_anywhere_in_one_segment_and_in_many() {
    for options in [small(), many_segments()] {
        let place = Place::new();
        let mut journal = place.try_open(options.clone()).unwrap().journal;
        let written = fill(&mut journal, &drafts(0..60));
        reads_every_page(&journal, &written);
        journal.wait_sealed();
        reads_every_page(&journal, &written);
        drop(journal);
        reads_every_page(&place.try_open(options).unwrap().journal, &written);
    }
}

/// Large enough that the search in a plain segment halves, and a sealed one has several frames.
#[test]
fn records_are_found_in_a_long_segment_with_and_without_its_index() {
    let place = Place::fast();
    let mut journal = place.open();
    let long: Vec<_> = (0..4_000).map(|n| draft(&format!("{n} {}", "x".repeat(n % 2_000)))).collect();
    let mut written = Vec::new();
    for some in long.chunks(40) {
        written.extend(journal.append(some).unwrap());
    }
    let found = |journal: &Journal| {
        for record in written.iter().step_by(97) {
            let after = Cursor { seq: record.position.cursor.seq - 1, ..record.position.cursor };
            let after = if after.seq == 0 { Cursor::START } else { after };
            assert_eq!(page(journal, after, 1), std::slice::from_ref(record));
        }
    };
    found(&journal);
    drop(journal);
    // Opened from the mark: nothing of the segment was read, so there is no index.
    found(&place.open());
    let mut journal = place.try_open(many_segments()).unwrap().journal;
    journal.append(&[draft("in the next segment")]).unwrap();
    journal.wait_sealed();
    assert_eq!(journal.reader().stats().unwrap().sealed, 1);
    found(&journal);
}

#[test]
fn a_cursor_that_is_no_record_gets_a_reset() {
    let place = Place::new();
    let mut journal = place.open();
    let reader = journal.reader();
    let reset = |oldest, newest| ReadPage::Reset { oldest, newest };
    assert_eq!(reader.read_after(Cursor::START, 1).unwrap(), ReadPage::Records(Vec::new()));
    let ahead = Cursor { epoch: 1, seq: 1 };
    assert_eq!(reader.read_after(ahead, 1).unwrap(), reset(Cursor::START, Cursor::START));
    let newest = fill(&mut journal, &drafts(0..3))[2].position.cursor;
    for foreign in [Cursor { epoch: 1, seq: 4 }, Cursor { epoch: 2, seq: 2 }, Cursor { epoch: 0, seq: 2 }] {
        let oldest = Cursor { epoch: 1, seq: 1 };
        assert_eq!(reader.read_after(foreign, 1).unwrap(), reset(oldest, newest), "{foreign}");
        assert!(matches!(reader.replay(foreign), Err(JournalError::UnknownPosition { .. })));
    }
    assert_eq!(page(&journal, newest, 9), []);
    assert_eq!(reader.record_at(0).unwrap(), None);
    assert_eq!(reader.position_at(4).unwrap(), None);
}

#[test]
fn a_page_ends_when_it_is_large_enough() {
    let place = Place::fast();
    let mut journal = place.open();
    let large = draft(&"x".repeat(PAGE_BYTES_MAX / 4));
    let written = fill(&mut journal, &vec![large; 6]);
    assert_eq!(page(&journal, Cursor::START, 6).len(), 4);
    assert_eq!(page(&journal, written[3].position.cursor, 6), written[4..]);
}

#[test]
fn a_page_has_no_more_records_than_its_limit() {
    let place = Place::fast();
    let mut journal = place.open();
    journal.append(&drafts(0..PAGE_MAX + 1)).unwrap();
    assert_eq!(page(&journal, Cursor::START, usize::MAX).len(), PAGE_MAX);
}

#[test]
fn readers_go_on_while_the_writer_rotates_and_seals() {
    let place = Place::fast();
    let mut journal = place.try_open(Options { segment_bytes: 5_000, ..small() }).unwrap().journal;
    let reader = journal.reader();
    let follower = std::thread::spawn(move || {
        let mut seen = Vec::new();
        while seen.len() < 2_000 {
            let after = seen.last().map_or(Cursor::START, |last: &Record| last.position.cursor);
            match reader.read_after(after, 100).unwrap() {
                ReadPage::Records(records) => seen.extend(records),
                reset @ ReadPage::Reset { .. } => panic!("{reset:?}"),
            }
            std::thread::yield_now();
        }
        seen
    });
    let written = fill(&mut journal, &drafts(0..2_000));
    assert_eq!(follower.join().unwrap(), written);
    assert_eq!(all(&journal.reader()), written);
}
