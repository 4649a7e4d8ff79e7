//! F8: single flipped bits anywhere are noticed or harmless, and never served.

use crate::support::{Dice, Place, draft, drafts, fill, small};
use journal::{Options, Reader, Record};
use model::Cursor;
use std::fs;
use std::path::{Path, PathBuf};

const FLIPS: usize = 1_000;

fn options() -> Options {
    Options { segment_bytes: 3_000, blob_threshold: 600, ..small() }
}

fn files(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if fs::metadata(&path).unwrap().len() > 0 {
            found.push(path);
        }
    }
    found.sort();
}

/// What is served is what was written, in order; it may end early, with an error or without.
fn serves_only_what_was_written(reader: &Reader, written: &[Record]) -> usize {
    let Ok(replay) = reader.replay(Cursor::START) else { return 0 };
    let served: Vec<Record> = replay.map_while(Result::ok).collect();
    assert!(served.len() <= written.len());
    assert_eq!(served, written[..served.len()]);
    served.len()
}

#[test]
fn a_flipped_bit_is_noticed_or_harmless_and_never_served() {
    let place = Place::fast();
    let mut journal = place.try_open(options()).unwrap().journal;
    let mut written = fill(&mut journal, &drafts(0..20));
    written.extend(fill(&mut journal, &[draft(&"large ".repeat(200)), draft("after the blob")]));
    journal.wait_sealed();
    drop(journal);
    let mut targets = Vec::new();
    files(&place.root, &mut targets);
    assert!(targets.len() > 5, "{targets:?}");
    let dice = Dice::seeded(8);
    let (mut noticed, mut harmless) = (0, 0);
    for _ in 0..FLIPS {
        let flipped = &targets[dice.below(targets.len())];
        let mut bytes = fs::read(flipped).unwrap();
        let good = bytes.clone();
        let at = dice.below(bytes.len());
        bytes[at] ^= 1 << dice.below(8);
        fs::write(flipped, &bytes).unwrap();
        match Reader::open(&place.dir(), &place.blobs()) {
            Err(error) => {
                assert!(!error.to_string().is_empty());
                noticed += 1;
            }
            Ok(reader) => {
                let served = serves_only_what_was_written(&reader, &written);
                let sound = reader.verify().unwrap().problems.is_empty();
                // A view without problems must be a whole one.
                assert!(!sound || served == written.len(), "{} byte {at}", flipped.display());
                if sound { harmless += 1 } else { noticed += 1 }
            }
        }
        fs::write(flipped, &good).unwrap();
    }
    // What is harmless is the mark, which is a hint.
    assert!(noticed > FLIPS / 2 && harmless < FLIPS / 4, "{noticed} noticed, {harmless} harmless");
}

#[test]
fn a_writer_opened_over_a_flipped_bit_serves_nothing_wrong_and_drops_nothing() {
    let place = Place::fast();
    let written = fill(&mut place.try_open(options()).unwrap().journal, &drafts(0..8));
    let mut targets = Vec::new();
    files(&place.dir(), &mut targets);
    let dice = Dice::seeded(9);
    for _ in 0..200 {
        let damaged = place.copy();
        let flipped = &targets[dice.below(targets.len())];
        let flipped = damaged.root.join(flipped.strip_prefix(&place.root).unwrap());
        let mut bytes = fs::read(&flipped).unwrap();
        let at = dice.below(bytes.len());
        bytes[at] ^= 1 << dice.below(8);
        fs::write(&flipped, &bytes).unwrap();
        let Ok(opened) = damaged.try_open(options()) else { continue };
        serves_only_what_was_written(&opened.journal.reader(), &written);
        if let Some(repaired) = opened.repaired {
            let kept = damaged.dir().join(&repaired.side_file);
            assert!(repaired.side_file.is_empty() || kept.exists(), "{repaired:?}");
            assert_eq!(opened.journal.reader().epoch(), repaired.previous_epoch + 1);
        }
    }
}
