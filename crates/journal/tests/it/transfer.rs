//! Export and restore.

use crate::support::{Dice, Place, all, assert_sound, draft, drafts, fill, many_segments, small};
use journal::{JournalError, Options, restore};
use model::Cursor;
use std::fs;

fn filled() -> (Place, Vec<journal::Record>, Vec<u8>) {
    let place = Place::fast();
    let options = Options { blob_threshold: 500, ..many_segments() };
    let mut journal = place.try_open(options).unwrap().journal;
    let mut written = fill(&mut journal, &drafts(0..20));
    written.extend(fill(&mut journal, &[draft(&"large ".repeat(200))]));
    written.extend(journal.append(&drafts(30..33)).unwrap());
    journal.reader().blobs().put(&[b"an image nobody's payload is"]).unwrap();
    journal.wait_sealed();
    // Not durable, so not exported.
    journal.write(&drafts(50..51)).unwrap();
    let mut archive = Vec::new();
    let report = journal.reader().export(&mut archive).unwrap();
    assert_eq!((report.records, report.blobs), (24, 2));
    assert_eq!(report.head, written[23].position);
    (place, written, archive)
}

#[test]
fn a_restored_journal_has_the_same_records_and_goes_on_in_a_new_epoch() {
    let (_, written, archive) = filled();
    let place = Place::fast();
    let report = restore(&archive[..], &place.dir(), &place.blobs()).unwrap();
    assert_eq!((report.records, report.blobs, report.epoch), (24, 2, 2));
    assert_eq!(report.head, written[23].position);
    let opened = place.try_open(small()).unwrap();
    assert_eq!(opened.repaired, None);
    let mut journal = opened.journal;
    assert_eq!(all(&journal.reader()), written);
    assert_eq!(journal.reader().verify().unwrap().blobs, 2);
    let next = fill(&mut journal, &[draft("after the restore")]);
    assert_eq!(next[0].position.cursor, Cursor { epoch: 2, seq: 25 });
    assert_sound(&journal.reader());

    let mut again = Vec::new();
    journal.reader().export(&mut again).unwrap();
    let second = Place::fast();
    restore(&again[..], &second.dir(), &second.blobs()).unwrap();
    assert_eq!(all(&second.open().reader()), [written, next].concat(), "and once more");
}

#[test]
fn an_empty_journal_can_be_exported_and_restored() {
    let (from, to) = (Place::fast(), Place::fast());
    let mut archive = Vec::new();
    from.open().reader().export(&mut archive).unwrap();
    assert_eq!(restore(&archive[..], &to.dir(), &to.blobs()).unwrap().records, 0);
    let first = fill(&mut to.open(), &[draft("first")]);
    assert_eq!(first[0].position.cursor, Cursor { epoch: 2, seq: 1 });
}

#[test]
fn a_restore_needs_an_empty_place() {
    let (place, _, archive) = filled();
    let refused = restore(&archive[..], &place.dir(), &place.root.join("other"));
    assert!(matches!(refused, Err(JournalError::NotEmpty(dir)) if dir == place.dir()));
    let empty = Place::fast();
    fs::create_dir(empty.dir()).unwrap();
    restore(&archive[..], &empty.dir(), &empty.blobs()).unwrap();
}

fn is_refused(archive: &[u8]) -> bool {
    let place = Place::fast();
    let refused = restore(archive, &place.dir(), &place.blobs());
    let left = fs::read_dir(&place.root).unwrap().count();
    assert!(refused.is_ok() || left == 0, "a refused archive leaves nothing behind");
    refused.is_err()
}

#[test]
fn a_damaged_archive_is_refused_and_leaves_nothing() {
    let (_, _, archive) = filled();
    assert!(!is_refused(&archive));
    for cut in (0..archive.len()).step_by(97) {
        assert!(is_refused(&archive[..cut]), "cut at {cut}");
    }
    let dice = Dice::seeded(3);
    for _ in 0..300 {
        let mut bad = archive.clone();
        let at = dice.below(bad.len());
        bad[at] ^= 1 << dice.below(8);
        // A few header bits of a zstd frame mean nothing; then the content is untouched.
        let same = zstd::decode_all(&bad[..]).is_ok_and(|all| all == zstd::decode_all(&archive[..]).unwrap());
        assert!(same || is_refused(&bad), "byte {at}");
    }
    assert!(is_refused(b"") && is_refused(b"{}") && is_refused(&[archive.clone(), archive].concat()));
}

/// Rewrites the archive's entries, with a good zstd stream around them.
fn rewritten(archive: &[u8], change: impl FnOnce(String) -> String) -> Vec<u8> {
    let text = String::from_utf8(zstd::decode_all(archive).unwrap()).unwrap();
    zstd::encode_all(change(text).as_bytes(), 1).unwrap()
}

#[test]
fn an_archive_that_says_something_else_than_it_holds_is_refused() {
    let (_, _, archive) = filled();
    type Change = (&'static str, fn(String) -> String);
    let changes: [Change; 5] = [
        ("a payload", |text| text.replace("number 3", "number 4")),
        ("the head", |text| {
            let head = text.find("\"head\":\"").unwrap() + 8;
            let digit = if text.as_bytes()[head] == b'0' { "1" } else { "0" };
            format!("{}{digit}{}", &text[..head], &text[head + 1..])
        }),
        ("the number of records", |text| text.replacen("\"records\":24", "\"records\":23", 1)),
        ("the room it needs", |text| text.replacen("\"bytes\":", "\"bytes\":1,\"was\":", 1)),
        ("a newer format", |text| text.replacen("\"format\":1", "\"format\":2", 1)),
    ];
    for (what, change) in changes {
        assert!(is_refused(&rewritten(&archive, change)), "{what}");
    }
}

/// I5: an entry announces more than it may, or the stream unpacks to more than was announced.
#[test]
fn bombs_are_stopped_at_what_was_announced() {
    let head = "0".repeat(64);
    let begin = |bytes: u64| {
        format!(
            "{{\"entry\":\"journal\",\"format\":1,\"records\":1,\"blobs\":1,\"bytes\":{bytes},\"epoch\":1,\"head\":\"{head}\",\"epochs\":[{{\"epoch\":1,\"first\":1}}]}}\n"
        )
    };
    let zeros = vec![b'0'; 40 << 20];
    for (bytes, entry) in [
        (1 << 30, format!("{{\"entry\":\"blob\",\"hash\":\"{head}\",\"bytes\":{}}}\n", 40 << 20)),
        (1 << 30, format!("{{\"entry\":\"lines\",\"bytes\":{}}}\n", 40 << 20)),
        (1 << 10, format!("{{\"entry\":\"lines\",\"bytes\":{}}}\n", 1 << 20)),
    ] {
        let archive = [begin(bytes).as_bytes(), entry.as_bytes(), &zeros].concat();
        let place = Place::fast();
        let packed = zstd::encode_all(&archive[..], 1).unwrap();
        let refused = restore(&packed[..], &place.dir(), &place.blobs()).unwrap_err();
        assert!(refused.to_string().contains("more than it announced"), "{refused}");
    }
    let place = Place::fast();
    let packed = zstd::encode_all(begin(1 << 60).as_bytes(), 1).unwrap();
    assert!(matches!(restore(&packed[..], &place.dir(), &place.blobs()), Err(JournalError::Full)));
    let endless = zstd::encode_all(&vec![b'['; 64 << 20][..], 1).unwrap();
    assert!(is_refused(&endless), "one line without an end");
}

#[test]
fn a_damaged_journal_is_not_exported() {
    let (place, _, _) = filled();
    let bytes = fs::read(place.dir().join(&place.files("zst")[0])).unwrap();
    fs::write(place.dir().join(&place.files("zst")[0]), &bytes[1..]).unwrap();
    assert!(matches!(place.look().export(Vec::new()), Err(JournalError::Damaged { .. })));
}
