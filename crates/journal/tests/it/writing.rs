//! What goes in comes out, once it is durable.

use crate::support::{Place, all, assert_sound, draft, drafts, fill, many_segments, small};
use journal::{
    Draft, IdempotencyKey, JournalError, KEY_MAX, Options, PAYLOAD_MAX, Position, REQUEST_HASH_MAX, ReadPage,
};
use model::{Actor, Cursor};

#[test]
fn appended_records_read_back_and_go_on_after_a_restart() {
    let place = Place::new();
    let mut journal = place.open();
    assert_eq!(journal.position(), Position::START);
    let mut keyed = draft("with a key");
    keyed.key = Some(IdempotencyKey { key: "k\"1\n".to_owned(), request_hash: "ab".repeat(32) });
    keyed.actor = Actor::Agent("claude".parse().unwrap());
    let mut written = journal.append(&[draft("first"), keyed]).unwrap();
    assert_eq!(written[1].position.cursor, Cursor { epoch: 1, seq: 2 });
    assert_eq!((written[0].more, written[1].more), (1, 0));
    drop(journal);
    let mut journal = place.open();
    assert_eq!(journal.position(), written[1].position);
    written.extend(journal.append(&[draft("third")]).unwrap());
    assert_eq!(written[2].position.cursor, Cursor { epoch: 1, seq: 3 });
    assert_eq!(all(&journal.reader()), written);
    assert_sound(&journal.reader());
    assert_eq!(all(&place.look()), written, "a view of a journal in use sees the same");
}

#[test]
fn readers_see_nothing_before_the_sync() {
    let place = Place::new();
    let mut journal = place.open();
    let reader = journal.reader();
    let first = journal.append(&drafts(0..1)).unwrap();
    let second = journal.write(&drafts(1..3)).unwrap();
    assert_eq!(journal.position(), second[1].position);
    assert_eq!(reader.newest(), first[0].position);
    assert_eq!(reader.read_after(Cursor::START, 10).unwrap(), ReadPage::Records(first.clone()));
    assert_eq!(reader.record_at(2).unwrap(), None);
    journal.sync().unwrap();
    assert_eq!(all(&reader), [first, second].concat());
}

#[test]
fn a_rewind_drops_what_was_not_synced_and_its_numbers_are_given_again() {
    let place = Place::new();
    let mut journal = place.open();
    let kept = journal.append(&drafts(0..1)).unwrap();
    let second = journal.write(&drafts(1..3)).unwrap();
    let third = journal.write(&drafts(3..4)).unwrap();
    journal.rewind(second[1].position).unwrap();
    assert_eq!(journal.position(), second[1].position);
    let middle = second[0].position;
    assert!(
        matches!(journal.rewind(middle), Err(JournalError::UnknownPosition { .. })),
        "a write is dropped as a whole"
    );
    assert!(matches!(journal.rewind(third[0].position), Err(JournalError::UnknownPosition { .. })));
    journal.rewind(kept[0].position).unwrap();
    journal.sync().unwrap();
    let again = journal.append(&drafts(9..10)).unwrap();
    assert_eq!(again[0].position.cursor, second[0].position.cursor);
    assert!(
        matches!(journal.rewind(kept[0].position), Err(JournalError::UnknownPosition { .. })),
        "durable records stay"
    );
    let expected = [kept, again].concat();
    assert_eq!(all(&journal.reader()), expected);
    drop(journal);
    let opened = place.try_open(small()).unwrap();
    assert_eq!(opened.repaired, None);
    assert_eq!(all(&opened.journal.reader()), expected);
}

#[test]
fn a_journal_has_one_writer() {
    let place = Place::new();
    let journal = place.open();
    assert!(matches!(place.try_open(small()), Err(JournalError::Locked(dir)) if dir == place.dir()));
    drop(journal);
    place.open();
}

#[test]
fn large_payloads_are_blobs_and_equal_ones_are_stored_once() {
    let place = Place::new();
    let options = Options { blob_threshold: 200, ..small() };
    let mut journal = place.try_open(options).unwrap().journal;
    let large = draft(&"long ".repeat(2_000));
    let written = journal.append(&[draft("short"), large.clone(), large.clone()]).unwrap();
    assert_eq!(all(&journal.reader()), written);
    let report = journal.reader().verify().unwrap();
    assert_eq!((report.problems.len(), report.blobs), (0, 1));
    let payload = large.event.payload().unwrap();
    let hash = blake3::hash(payload.as_bytes());
    assert_eq!(journal.reader().blobs().get(hash.as_bytes()).unwrap(), payload.as_bytes());
    let lines = std::fs::read_to_string(place.segment(1)).unwrap();
    assert!(!lines.contains("long long"), "the payload is not in the line");
}

#[test]
fn a_payload_at_the_threshold_stays_in_its_line() {
    let place = Place::new();
    let exact = draft("exact").event.payload().unwrap().len();
    let mut journal = place.try_open(Options { blob_threshold: exact, ..small() }).unwrap().journal;
    journal.append(&[draft("exact")]).unwrap();
    assert_eq!(journal.reader().verify().unwrap().blobs, 0);
    journal.append(&[draft("exact!")]).unwrap();
    assert_eq!(journal.reader().verify().unwrap().blobs, 1);
}

#[test]
fn drafts_over_a_limit_are_refused_and_nothing_is_written() {
    let place = Place::new();
    let mut journal = place.open();
    let keyed = |key: String, request_hash: String| Draft {
        key: Some(IdempotencyKey { key, request_hash }),
        ..draft("keyed")
    };
    for bad in [
        keyed(String::new(), String::new()),
        keyed("k".repeat(KEY_MAX + 1), String::new()),
        keyed("k".to_owned(), "h".repeat(REQUEST_HASH_MAX + 1)),
    ] {
        assert!(matches!(journal.append(&[draft("good"), bad]), Err(JournalError::Key)));
    }
    let large = draft(&"x".repeat(PAYLOAD_MAX));
    assert!(matches!(journal.append(&[large]), Err(JournalError::PayloadTooLarge { .. })));
    assert_eq!(journal.position(), Position::START);
    let longest = keyed("\u{1F511}".repeat(KEY_MAX), "h".repeat(REQUEST_HASH_MAX));
    journal.append(&[longest]).unwrap();
    assert_eq!(journal.append(&[]).unwrap(), []);
    assert_sound(&journal.reader());
}

#[test]
fn full_segments_are_closed_and_compressed_behind_the_writer() {
    let place = Place::new();
    let mut journal = place.try_open(many_segments()).unwrap().journal;
    let written = fill(&mut journal, &drafts(0..50));
    journal.wait_sealed();
    let stats = journal.reader().stats().unwrap();
    assert!(stats.segments > 5, "{stats:?}");
    assert_eq!(stats.sealed, stats.segments - 1, "all but the one being written");
    assert_eq!(all(&journal.reader()), written);
    assert_sound(&journal.reader());
    drop(journal);
    let journal = place.try_open(many_segments()).unwrap().journal;
    assert_eq!(all(&journal.reader()), written);
    assert_eq!(journal.reader().stats().unwrap().sealed, stats.sealed);
}

#[test]
fn a_sealed_segment_unpacks_with_any_zstd_to_the_plain_lines() {
    let place = Place::new();
    let mut journal = place.try_open(many_segments()).unwrap().journal;
    fill(&mut journal, &drafts(0..3));
    let plain = std::fs::read(place.segment(1)).unwrap();
    fill(&mut journal, &drafts(3..6));
    journal.wait_sealed();
    let plain_again = std::fs::File::open(place.dir().join(format!("{:020}.jsonl.zst", 1))).unwrap();
    let unpacked = zstd::decode_all(plain_again).unwrap();
    assert!(unpacked.starts_with(&plain));
    assert!(!place.segment(1).exists());
}

#[test]
fn a_journal_that_was_not_synced_rotates_only_after_the_sync() {
    let place = Place::new();
    let mut journal = place.try_open(many_segments()).unwrap().journal;
    for n in 0..20 {
        journal.write(&drafts(n..n + 1)).unwrap();
    }
    assert_eq!(journal.reader().stats().unwrap().segments, 1);
    journal.rewind(Position::START).unwrap();
    fill(&mut journal, &drafts(0..20));
    assert!(journal.reader().stats().unwrap().segments > 1);
    assert_sound(&journal.reader());
}

#[test]
fn compression_that_was_interrupted_is_done_at_the_next_open() {
    let place = Place::new();
    let mut journal = place.try_open(many_segments()).unwrap().journal;
    let written = fill(&mut journal, &drafts(0..30));
    journal.wait_sealed();
    drop(journal);
    let sealed = place.dir().join(format!("{:020}.jsonl.zst", 1));
    // As after a kill between the rename of the compressed form and the removal of the plain one.
    let lines = zstd::decode_all(std::fs::File::open(&sealed).unwrap()).unwrap();
    std::fs::write(place.segment(1), lines).unwrap();
    std::fs::write(place.dir().join(format!("{:020}.jsonl.tmp", 1)), b"half").unwrap();
    let journal = place.try_open(many_segments()).unwrap().journal;
    journal.wait_sealed();
    assert!(!place.segment(1).exists() && sealed.exists());
    assert_eq!(place.files("tmp"), [""; 0]);
    assert_eq!(all(&journal.reader()), written);
    assert_sound(&journal.reader());
}
