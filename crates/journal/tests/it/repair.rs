//! Tails that were torn, marks and epochs that were lost, and damage that is not to be cut.

use crate::support::{Place, all, assert_sound, draft, drafts, fill, many_segments, small};
use journal::{JournalError, Options, Position, ReadPage};
use model::{Cursor, JournalRepair};
use std::fs;
use std::path::Path;

fn cut_to(path: &Path, len: usize) {
    fs::File::options().write(true).open(path).unwrap().set_len(len as u64).unwrap();
}

/// F7: whatever is left of the last three records, the ones before stay, the torn bytes are kept,
/// and the next record starts on its own line, in a new epoch.
#[test]
fn a_tail_cut_at_every_byte_is_set_right() {
    let place = Place::fast();
    let written = fill(&mut place.open(), &drafts(0..6));
    let whole = fs::read(place.segment(1)).unwrap();
    let ends: Vec<usize> =
        whole.iter().enumerate().filter(|(_, c)| **c == b'\n').map(|(at, _)| at + 1).collect();
    for cut in ends[2]..whole.len() {
        let torn = place.copy();
        cut_to(&torn.segment(1), cut);
        let left = ends.iter().filter(|&&end| end <= cut).count();
        let opened = torn.try_open(small()).unwrap();
        let repaired = opened.repaired.unwrap();
        let bytes = &whole[ends[left - 1]..cut];
        assert_eq!((repaired.previous_epoch, repaired.torn_bytes), (1, bytes.len() as u64));
        if bytes.is_empty() {
            assert_eq!(repaired.side_file, "");
        } else {
            assert_eq!(fs::read(torn.dir().join(&repaired.side_file)).unwrap(), bytes);
        }
        let mut journal = opened.journal;
        assert_eq!(journal.position(), written[left - 1].position);
        let next = journal.append(&[draft("after the repair")]).unwrap();
        assert_eq!(next[0].position.cursor, Cursor { epoch: 2, seq: left as u64 + 1 });
        let again = fs::read(torn.segment(1)).unwrap();
        assert_eq!(again[..ends[left - 1]], whole[..ends[left - 1]], "earlier bytes are unchanged");
        assert_eq!(all(&journal.reader()), [&written[..left], &next[..]].concat());
        for lost in &written[left..] {
            let page = journal.reader().read_after(lost.position.cursor, 1).unwrap();
            assert!(matches!(page, ReadPage::Reset { .. }), "{page:?}");
        }
        assert_sound(&journal.reader());
        drop(journal);
        let reopened = torn.try_open(small()).unwrap();
        assert_eq!(reopened.repaired, None, "one repair is enough");
    }
}

#[test]
fn a_write_of_several_records_stays_whole_or_goes_whole() {
    let place = Place::fast();
    let mut journal = place.open();
    let kept = journal.append(&drafts(0..2)).unwrap();
    let start = fs::read(place.segment(1)).unwrap().len();
    journal.append(&drafts(2..6)).unwrap();
    drop(journal);
    let whole = fs::read(place.segment(1)).unwrap();
    for cut in (start..whole.len()).step_by(13) {
        let torn = place.copy();
        cut_to(&torn.segment(1), cut);
        // Without a mark there is only the write's own count to go by.
        fs::remove_file(torn.dir().join("mark.json")).unwrap();
        let opened = torn.try_open(small()).unwrap();
        assert_eq!(opened.repaired.is_some(), cut > start, "at {cut}");
        assert_eq!(all(&opened.journal.reader()), kept, "at {cut}");
    }
}

#[test]
fn bytes_that_were_never_durable_are_set_aside_and_each_repair_keeps_its_own() {
    let place = Place::new();
    let mut written = fill(&mut place.open(), &drafts(0..3));
    for (n, tail) in
        [&b"\0\0\0\0"[..], b"{\"h\":{\"epoch\":1,\"seq\":4", b"nonsense\nmore\n"].iter().enumerate()
    {
        let n = n as u64 + 1;
        let mut bytes = fs::read(place.segment(1)).unwrap();
        bytes.extend_from_slice(tail);
        fs::write(place.segment(1), bytes).unwrap();
        let view = place.look();
        let problem = &view.verify().unwrap().problems[0];
        assert!(problem.what.contains("the tail is torn"), "{problem}");
        assert_eq!(all(&view), written, "a view reads what is sound and repairs nothing");
        let opened = place.try_open(small()).unwrap();
        let side_file = format!("torn-{n}-1.bin");
        assert_eq!(fs::read(place.dir().join(&side_file)).unwrap(), *tail);
        let torn_bytes = tail.len() as u64;
        assert_eq!(opened.repaired, Some(JournalRepair { side_file, torn_bytes, previous_epoch: n }));
        let mut journal = opened.journal;
        written.extend(fill(&mut journal, &[draft("after")]));
        assert_eq!(written.last().unwrap().position.cursor, Cursor { epoch: n + 1, seq: n + 3 });
        assert_eq!(all(&journal.reader()), written);
        assert_sound(&journal.reader());
    }
}

#[test]
fn a_line_over_the_limit_is_no_record() {
    for newline in [&b""[..], b"\n"] {
        let place = Place::fast();
        let written = fill(&mut place.open(), &drafts(0..2));
        let long = [vec![b'{'; 3 << 20], newline.to_vec()].concat();
        fs::write(place.segment(1), [fs::read(place.segment(1)).unwrap(), long.clone()].concat()).unwrap();
        let opened = place.try_open(small()).unwrap();
        assert_eq!(opened.repaired.unwrap().torn_bytes, long.len() as u64);
        assert_eq!(all(&opened.journal.reader()), written);
    }
}

#[test]
fn damage_inside_what_was_durable_is_not_cut_unless_ordered() {
    let place = Place::new();
    let written = fill(&mut place.open(), &drafts(0..6));
    let mut bytes = fs::read(place.segment(1)).unwrap();
    let at = bytes.len() - 900;
    bytes[at] ^= 1;
    fs::write(place.segment(1), &bytes).unwrap();
    // The mark's own record is sound, so an open sees nothing; reading does.
    drop(place.open());
    // With the last record gone, too, the open reads from the start and finds it.
    let last = bytes.len() - 5;
    bytes[last] ^= 1;
    fs::write(place.segment(1), &bytes).unwrap();
    let refused = place.try_open(small()).unwrap_err();
    assert!(matches!(refused, JournalError::Damaged { .. }), "{refused}");
    assert_eq!(fs::read(place.segment(1)).unwrap(), bytes, "nothing was changed");
    let problems = place.look().verify().unwrap().problems;
    assert!(problems[0].what.contains("durable bytes are damaged"), "{problems:?}");

    let opened = place.try_open(Options { cut_damage: true, ..small() }).unwrap();
    let left = all(&opened.journal.reader());
    assert!((1..6).contains(&left.len()));
    assert_eq!(left, written[..left.len()]);
    let repaired = opened.repaired.unwrap();
    let side = fs::read(place.dir().join(&repaired.side_file)).unwrap();
    assert_eq!(side, bytes[bytes.len() - side.len()..], "what was cut is kept");
    assert_sound(&opened.journal.reader());
}

#[test]
fn lost_or_damaged_epochs_are_gathered_from_the_records() {
    let place = Place::new();
    let mut journal = place.try_open(many_segments()).unwrap().journal;
    let written = fill(&mut journal, &drafts(0..20));
    journal.wait_sealed();
    drop(journal);
    let epochs = place.dir().join("journal.json");
    fs::remove_file(&epochs).unwrap();
    assert!(place.look().verify().unwrap().problems[0].what.contains("missing"));
    let opened = place.try_open(many_segments()).unwrap();
    assert_eq!(opened.repaired.unwrap().previous_epoch, 1);
    let mut journal = opened.journal;
    let next = fill(&mut journal, &[draft("next")]);
    assert_eq!(next[0].position.cursor, Cursor { epoch: 2, seq: 21 });
    drop(journal);

    fs::write(&epochs, b"{}").unwrap();
    let opened = place.try_open(many_segments()).unwrap();
    let repaired = opened.repaired.unwrap();
    assert_eq!(repaired.previous_epoch, 2);
    assert_eq!(fs::read(place.dir().join(&repaired.side_file)).unwrap(), b"{}");
    assert_eq!(opened.journal.reader().epoch(), 3);
    assert_eq!(all(&opened.journal.reader()), [written, next].concat());
    assert_sound(&opened.journal.reader());
}

#[test]
fn records_that_were_durable_and_are_gone_raise_the_epoch() {
    let place = Place::new();
    let mut journal = place.try_open(many_segments()).unwrap().journal;
    let written = fill(&mut journal, &drafts(0..20));
    journal.wait_sealed();
    drop(journal);
    let last = place.files("jsonl").pop().unwrap();
    fs::remove_file(place.dir().join(&last)).unwrap();
    let problems = place.look().verify().unwrap().problems;
    assert!(problems[0].what.contains("were durable and are gone"), "{problems:?}");
    let opened = place.try_open(many_segments()).unwrap();
    let repaired = opened.repaired.unwrap();
    assert_eq!((repaired.torn_bytes, repaired.previous_epoch), (0, 1));
    let mut journal = opened.journal;
    let left = all(&journal.reader());
    assert_eq!(left, written[..left.len()]);
    let next = fill(&mut journal, &[draft("next")]);
    assert_eq!(next[0].position.cursor, Cursor { epoch: 2, seq: left.len() as u64 + 1 });
    assert_sound(&journal.reader());
}

#[test]
fn an_empty_folder_whose_records_are_gone_is_not_taken_for_new() {
    let place = Place::new();
    fill(&mut place.open(), &drafts(0..2));
    fs::remove_file(place.segment(1)).unwrap();
    let opened = place.try_open(small()).unwrap();
    assert!(opened.repaired.is_some());
    assert_eq!(opened.journal.position(), Position::START);
    assert_eq!(opened.journal.reader().epoch(), 2);
}

#[test]
fn a_newer_format_is_refused_and_left_alone() {
    let place = Place::new();
    drop(place.open());
    let json = "{\"format\":2}";
    let file = format!("{json}\n{}\n", blake3::hash(json.as_bytes()).to_hex());
    fs::write(place.dir().join("journal.json"), &file).unwrap();
    assert!(matches!(place.try_open(small()), Err(JournalError::TooNew { found: 2, known: 1, .. })));
    assert_eq!(fs::read_to_string(place.dir().join("journal.json")).unwrap(), file);
}

/// The tail is gone up to the end of a write, no mark tells of it, but somebody has seen more.
#[test]
fn a_record_somebody_has_seen_and_that_is_gone_raises_the_epoch() {
    let place = Place::new();
    let written = fill(&mut place.open(), &drafts(0..6));
    let whole = fs::read(place.segment(1)).unwrap();
    let end = whole.iter().enumerate().filter(|(_, c)| **c == b'\n').map(|(at, _)| at + 1).nth(3).unwrap();
    cut_to(&place.segment(1), end);
    fs::remove_file(place.dir().join("mark.json")).unwrap();
    let opened = place.try_open(small()).unwrap();
    assert_eq!(opened.repaired, None, "by itself the journal cannot know");
    let mut journal = opened.journal;
    assert_eq!(journal.outlive(written[3].position.cursor).unwrap(), None, "that one is there");
    assert_eq!(journal.outlive(Cursor { epoch: 0, seq: 9 }).unwrap(), None, "no new record can be that one");
    assert_eq!(journal.outlive(Cursor { epoch: u64::MAX, seq: 9 }).unwrap(), None, "nobody has seen that");
    let seen = written[5].position.cursor;
    let repair = journal.outlive(seen).unwrap();
    let expected = JournalRepair { side_file: String::new(), torn_bytes: 0, previous_epoch: 1 };
    assert_eq!(repair, Some(expected));
    assert_eq!(journal.outlive(seen).unwrap(), None, "once is enough");
    let next = fill(&mut journal, &drafts(6..10));
    assert_eq!(next[0].position.cursor, Cursor { epoch: 2, seq: 5 });
    let reader = journal.reader();
    for lost in &written[4..] {
        let page = reader.read_after(lost.position.cursor, 1).unwrap();
        assert!(matches!(page, ReadPage::Reset { .. }), "{page:?}");
    }
    assert_sound(&reader);
    drop(journal);
    let mut journal = place.open();
    assert_eq!(journal.reader().epoch(), 2, "it is durable");
    // An epoch seen elsewhere is passed over, too.
    assert!(journal.outlive(Cursor { epoch: 7, seq: 100 }).unwrap().is_some());
    let last = fill(&mut journal, &drafts(10..11));
    assert_eq!(last[0].position.cursor, Cursor { epoch: 8, seq: 9 });
    assert_eq!(all(&journal.reader()), [&written[..4], &next[..], &last[..]].concat());
    assert_sound(&journal.reader());
}

/// Records and the epochs they began are gone; the next epochs are above all of them.
#[test]
fn losing_the_records_of_an_epoch_does_not_bring_its_number_back() {
    let place = Place::new();
    fill(&mut place.open(), &drafts(0..3));
    let kept = fs::read(place.segment(1)).unwrap();
    let mut journal = place.open();
    journal.outlive(Cursor { epoch: 1, seq: 9 }).unwrap().unwrap();
    fill(&mut journal, &drafts(3..5));
    drop(journal);
    // Back to within the first epoch, as after the mark told of more.
    cut_to(&place.segment(1), kept.len() / 3);
    for epoch in [3, 4] {
        let opened = place.try_open(small()).unwrap();
        assert_eq!(opened.repaired.unwrap().previous_epoch, epoch - 1);
        assert_eq!(opened.journal.reader().epoch(), epoch);
        assert_sound(&opened.journal.reader());
        drop(opened.journal);
        let mut torn = fs::read(place.segment(1)).unwrap();
        torn.extend_from_slice(b"{\"h\":");
        fs::write(place.segment(1), torn).unwrap();
    }
}
