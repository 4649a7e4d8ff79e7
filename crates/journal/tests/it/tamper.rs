//! What verify must notice: every way of changing history behind the journal's back.

use crate::support::{Place, assert_sound, draft, drafts, fill, many_segments, small};
use journal::{JournalError, Options, PROBLEMS_MAX, Problem};
use std::fs;

/// Twelve records in one plain segment, the seventh a blob.
fn plain() -> Place {
    let place = Place::fast();
    let mut journal = place.try_open(Options { blob_threshold: 500, ..small() }).unwrap().journal;
    fill(&mut journal, &drafts(0..6));
    fill(&mut journal, &[draft(&"large ".repeat(200))]);
    fill(&mut journal, &drafts(7..12));
    assert_sound(&journal.reader());
    place
}

/// Several sealed segments and a plain one.
fn sealed() -> Place {
    let place = Place::fast();
    let mut journal = place.try_open(many_segments()).unwrap().journal;
    fill(&mut journal, &drafts(0..30));
    journal.wait_sealed();
    assert_sound(&journal.reader());
    place
}

fn problems(place: &Place) -> Vec<Problem> {
    let problems = place.look().verify().unwrap().problems;
    assert!(!problems.is_empty(), "nothing was noticed");
    problems
}

/// Changes the lines of the plain segment.
fn with_lines(change: impl FnOnce(&mut Vec<String>)) -> Vec<Problem> {
    let place = plain();
    let text = fs::read_to_string(place.segment(1)).unwrap();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    change(&mut lines);
    fs::write(place.segment(1), lines.join("\n") + "\n").unwrap();
    problems(&place)
}

#[test]
fn an_edited_payload() {
    let found = with_lines(|lines| lines[3] = lines[3].replace("number 3", "number 4"));
    assert!(found[0].what.contains("commitment") && found[0].seq == Some(4), "{found:?}");
}

#[test]
fn an_edited_header() {
    let found = with_lines(|lines| lines[3] = lines[3].replace("\"actor\":\"user\"", "\"actor\":\"kimi\""));
    assert!(found[0].what.contains("does not match its hash"), "{found:?}");
}

/// Whoever edits a header and makes its hash anew breaks the link of the record after.
#[test]
fn an_edited_header_with_a_new_hash() {
    let found = with_lines(|lines| {
        let edited = lines[3].replace("\"actor\":\"user\"", "\"actor\":\"kimi\"");
        let (head, tail) = edited.strip_prefix("{\"h\":").unwrap().split_once(",\"s\":").unwrap();
        let prev = head.rsplit_once("\"prev\":\"").unwrap().1.trim_end_matches("\"}");
        let prev: Vec<u8> =
            (0..32).map(|at| u8::from_str_radix(&prev[2 * at..2 * at + 2], 16).unwrap()).collect();
        let hash = blake3::Hasher::new().update(&prev).update(head.as_bytes()).finalize().to_hex();
        let body = tail.rsplit_once(",\"x\":").unwrap().0;
        lines[3] = format!("{{\"h\":{head},\"s\":{body},\"x\":\"{hash}\"}}");
    });
    assert!(found[0].what.contains("does not continue") && found[0].seq == Some(5), "{found:?}");
}

#[test]
fn a_deleted_record() {
    let found = with_lines(|lines| drop(lines.remove(5)));
    assert!(found[0].what.contains("record 6: it has the number 7"), "{found:?}");
}

#[test]
fn an_inserted_record() {
    let found = with_lines(|lines| lines.insert(5, lines[2].clone()));
    assert!(found[0].what.contains("record 6: it has the number 3"), "{found:?}");
}

#[test]
fn records_in_another_order() {
    let found = with_lines(|lines| lines.swap(4, 5));
    assert!(found[0].what.contains("record 6: it stands where record 5 should"), "{found:?}");
}

#[test]
fn records_missing_at_the_end() {
    let found = with_lines(|lines| lines.truncate(9));
    assert!(found[0].what.contains("were durable and are gone"), "{found:?}");
}

#[test]
fn stray_bytes_in_a_line() {
    for (from, to) in [("{\"h\":", "{ \"h\":"), (",\"x\":", ", \"x\":"), (",\"x\":", ",\"y\":1,\"x\":")] {
        let found = with_lines(|lines| lines[3] = lines[3].replace(from, to));
        assert!(found[0].what.contains("malformed"), "{found:?}");
    }
}

#[test]
fn a_missing_blob_and_a_damaged_one() {
    for (damage, what) in [(None, "is missing"), (Some(&b"other"[..]), "is damaged")] {
        let place = plain();
        let shard = fs::read_dir(place.blobs()).unwrap().next().unwrap().unwrap().path();
        let blob = fs::read_dir(shard).unwrap().next().unwrap().unwrap().path();
        match damage {
            None => fs::remove_file(blob).unwrap(),
            Some(bytes) => fs::write(blob, bytes).unwrap(),
        }
        let found = problems(&place);
        assert!(found[0].what.contains(what) && found[0].seq == Some(7), "{found:?}");
        let read = place.look().record_at(7).unwrap_err();
        assert!(read.to_string().contains(what), "reading says the same: {read}");
    }
}

#[test]
fn swapped_segments_and_a_missing_one() {
    let place = sealed();
    let names = place.files("zst");
    let [one, two] = [&names[1], &names[2]].map(|name| place.dir().join(name));
    let spare = place.root.join("spare");
    fs::rename(&one, &spare).unwrap();
    fs::rename(&two, &one).unwrap();
    fs::rename(&spare, &two).unwrap();
    assert!(problems(&place).len() >= 2);
    fs::remove_file(&two).unwrap();
    problems(&place);
}

#[test]
fn a_missing_first_segment() {
    let place = sealed();
    fs::remove_file(place.dir().join(&place.files("zst")[0])).unwrap();
    let found = problems(&place);
    assert!(found[0].what.contains("are missing before it"), "{found:?}");
}

#[test]
fn a_sealed_segment_from_another_journal() {
    let (place, other) = (sealed(), Place::fast());
    let mut journal = other.try_open(many_segments()).unwrap().journal;
    fill(&mut journal, &drafts(100..130));
    journal.wait_sealed();
    let name = &place.files("zst")[1];
    fs::copy(other.dir().join(name), place.dir().join(name)).unwrap();
    problems(&place);
}

#[test]
fn changed_epochs() {
    let place = plain();
    let json = "{\"format\":1,\"epochs\":[{\"epoch\":1,\"first\":1},{\"epoch\":2,\"first\":4}]}";
    let file = format!("{json}\n{}\n", blake3::hash(json.as_bytes()).to_hex());
    fs::write(place.dir().join("journal.json"), file).unwrap();
    let found = problems(&place);
    assert!(found[0].place == "journal.json", "{found:?}");
}

/// Behind a mark the open does not look: there it is verify that goes through everything.
#[test]
fn a_deleted_record_of_a_journal_in_use() {
    let place = plain();
    let journal = place.open();
    let text = fs::read_to_string(place.segment(1)).unwrap();
    let left: Vec<&str> = text.lines().filter(|line| !line.contains("\"seq\":4,")).collect();
    fs::write(place.segment(1), left.join("\n") + "\n").unwrap();
    let found = journal.reader().verify().unwrap().problems;
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].what.contains("it stands where record 4 should"), "{found:?}");
    assert!(found[1].what.contains("does not continue the record before it"), "{found:?}");
}

/// Nobody takes records out of the middle by accident: the rest is not cut off for it.
#[test]
fn a_deleted_record_keeps_the_journal_from_being_opened() {
    let place = plain();
    let text = fs::read_to_string(place.segment(1)).unwrap();
    let left: Vec<&str> = text.lines().filter(|line| !line.contains("\"seq\":4,")).collect();
    fs::write(place.segment(1), left.join("\n") + "\n").unwrap();
    assert!(matches!(place.try_open(small()), Err(JournalError::Damaged { seq: 4, .. })));
}

#[test]
fn a_report_has_an_end() {
    let place = Place::fast();
    let mut journal = place.open();
    journal.append(&drafts(0..PROBLEMS_MAX + 50)).unwrap();
    let text = fs::read_to_string(place.segment(1)).unwrap();
    fs::write(place.segment(1), text.replace("number", "figure")).unwrap();
    let found = journal.reader().verify().unwrap().problems;
    assert_eq!(found.len(), PROBLEMS_MAX + 1);
    assert!(found[PROBLEMS_MAX].what.contains("the rest is not listed"));
}

/// A journal in use knows how far it was durable, whatever the files say later.
#[test]
fn a_tail_that_goes_while_the_journal_is_open() {
    let place = Place::fast();
    let mut journal = place.open();
    fill(&mut journal, &drafts(0..5));
    let text = fs::read_to_string(place.segment(1)).unwrap();
    let left: Vec<&str> = text.lines().take(3).collect();
    fs::write(place.segment(1), left.join("\n") + "\n").unwrap();
    let report = journal.reader().verify().unwrap();
    assert_eq!(report.records, 3);
    assert!(report.problems[0].what.contains("end at 1.3, not at 1.5"), "{:?}", report.problems);
}
