//! The per-session archive: the seed's lines, written once, whatever happens in between.

use crate::sample::{Story, outside};
use crate::support::{Place, drafts, fill, many_segments, small};
use journal::archive::{Archive, KNOWN_FILES_MAX, OPEN_FILES_MAX, session_path};
use journal::{Journal, Position};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

fn told(journal: &mut Journal, stories: &[&Story]) {
    let longest = stories.iter().map(|story| story.writes().len()).max().unwrap_or(0);
    for at in 0..longest {
        for story in stories {
            if let Some(write) = story.writes().get(at) {
                journal.append(write).unwrap();
            }
        }
        journal.append(&[outside()]).unwrap();
    }
}

fn logs(place: &Place) -> PathBuf {
    place.root.join("session-logs")
}

fn caught_up(place: &Place, journal: &Journal) -> Archive {
    let mut archive = Archive::open(&logs(place)).unwrap();
    archive.catch_up(&journal.reader()).unwrap();
    archive
}

/// Every session file with its content.
fn content(dir: &Path) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(content(&path));
        } else if path.extension().is_some_and(|end| end == "jsonl") {
            found.insert(path.clone(), fs::read_to_string(&path).unwrap());
        }
    }
    found
}

fn lines(place: &Place, story: &Story) -> Vec<Value> {
    let text = fs::read_to_string(logs(place).join(session_path(story.session))).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_session_reads_as_the_seed_says() {
    let place = Place::new();
    let mut journal = place.open();
    let story = Story::new(1);
    told(&mut journal, &[&story]);
    caught_up(&place, &journal);
    let lines = lines(&place, &story);
    let told: Vec<(&str, &str, Value)> = lines
        .iter()
        .map(|line| {
            let word = |key: &str| line[key].as_str().unwrap();
            (word("type"), word("agent"), line["payload"].clone())
        })
        .collect();
    let seed = [
        ("session_start", "system", r#"{"agents":["claude","gemini"],"workspace_id":"ws_abc123"}"#),
        ("agent_init", "claude", r#"{"context_window":200000,"model":"claude-3-opus-20240229"}"#),
        ("agent_init", "gemini", r#"{"context_window":1000000,"model":"gemini-1.5-pro"}"#),
        (
            "user_message",
            "user",
            r#"{"content":"Refactor the auth module","target_agents":["claude","gemini"]}"#,
        ),
        ("file_lock_acquire", "claude", r#"{"file":"src/auth.ts","lock_type":"exclusive"}"#),
        ("llm_request", "claude", r#"{"estimated_cost":0.045,"prompt_tokens":1500}"#),
        ("llm_response", "claude", r#"{"actual_cost":0.024,"completion_tokens":800,"latency_ms":17000}"#),
        ("tool_call", "claude", r#"{"args":["src/auth.ts"],"tool":"git_diff"}"#),
        ("tool_result", "system", r#"{"exit_code":0,"stdout":"+45 -23 lines changed"}"#),
        ("file_lock_release", "claude", r#"{"file":"src/auth.ts"}"#),
        ("agent_complete", "claude", r#"{"summary":"Refactored auth module"}"#),
    ];
    for (kind, agent, payload) in seed {
        let payload: Value = serde_json::from_str(payload).unwrap();
        assert!(told.contains(&(kind, agent, payload)), "{kind}: {told:#?}");
    }
    let edit = lines.iter().find(|line| line["type"] == "file_edit").unwrap();
    let payload = edit["payload"].as_object().unwrap();
    let keys: BTreeSet<&str> = payload.keys().map(String::as_str).collect();
    assert_eq!(keys, BTreeSet::from(["diff_hash", "file", "lines_changed"]));
    assert_eq!((&payload["file"], &payload["lines_changed"]), (&"src/auth.ts".into(), &45.into()));
    let further = ["task_submitted", "file_lock_wait", "agent_thinking", "agent_message", "agent_failed"];
    for kind in [&further[..], &["agent_canceled", "session_archived"]].concat() {
        assert!(told.iter().any(|(told, ..)| *told == kind), "{kind}: {told:#?}");
    }
    assert!(!told.iter().any(|(kind, ..)| kind.contains("draft")), "partial text is not history");
}

#[test]
fn lines_carry_time_and_number_and_lie_under_the_day_of_the_session() {
    let place = Place::new();
    let mut journal = place.open();
    let story = Story::new(1);
    told(&mut journal, &[&story]);
    let archive = caught_up(&place, &journal);
    let path = session_path(story.session);
    let name = format!("2026/01/31/session_2026-01-31_{}.jsonl", story.session.short());
    assert_eq!(path, Path::new(&name));
    let text = fs::read_to_string(logs(&place).join(path)).unwrap();
    assert!(text.starts_with(
        "{\"ts\":\"2026-01-31T14:23:01.000Z\",\"type\":\"session_start\",\"agent\":\"system\",\"payload\":{"
    ));
    let numbers: Vec<u64> = lines(&place, &story).iter().map(|line| line["seq"].as_u64().unwrap()).collect();
    assert!(numbers.is_sorted() && numbers[0] == 1);
    assert_eq!(archive.position(), journal.position(), "events of no session are passed over");
}

#[test]
fn interrupted_at_any_record_it_goes_on_without_losing_or_doubling_a_line() {
    let place = Place::fast();
    let mut journal = place.try_open(many_segments()).unwrap().journal;
    let stories = [Story::new(1), Story::new(2)];
    told(&mut journal, &[&stories[0], &stories[1]]);
    let records = crate::support::all(&journal.reader());
    caught_up(&place, &journal);
    let whole = content(&logs(&place));
    assert_eq!(whole.len(), 2);
    for stop in 0..records.len() {
        for synced in [stop / 2, stop] {
            fs::remove_dir_all(logs(&place)).unwrap();
            let mut archive = Archive::open(&logs(&place)).unwrap();
            for (at, record) in records[..stop].iter().enumerate() {
                archive.apply(record).unwrap();
                if at == synced {
                    archive.sync().unwrap();
                }
            }
            drop(archive);
            let mut archive = caught_up(&place, &journal);
            for record in &records {
                archive.apply(record).unwrap();
            }
            archive.sync().unwrap();
            assert_eq!(
                content(&logs(&place)).values().collect::<Vec<_>>(),
                whole.values().collect::<Vec<_>>()
            );
        }
    }
}

#[test]
fn torn_lines_and_a_lost_position_are_made_good() {
    let place = Place::new();
    let mut journal = place.open();
    let story = Story::new(1);
    told(&mut journal, &[&story]);
    caught_up(&place, &journal);
    let whole = content(&logs(&place));
    let path = logs(&place).join(session_path(story.session));
    for torn in [
        "{\"ts\":",
        "{\"ts\":\"x\",\"type\":\"tool_call\",\"agent\":\"claude\",\"payload\":{},\"seq\":999}\n",
    ] {
        fs::write(&path, whole.values().next().unwrap().to_owned() + torn).unwrap();
        fs::remove_file(logs(&place).join("position.json")).unwrap();
        caught_up(&place, &journal);
        assert_eq!(content(&logs(&place)), whole);
    }
}

/// The stories' records in turns, up to so many writes of each, taken in by an archive in `place`.
fn in_turns(place: &Place, stories: &[Story], writes: usize, between: impl FnOnce()) {
    let mut journal = place.open();
    for at in 0..writes {
        for story in stories {
            journal.append(&story.writes()[at]).unwrap();
        }
    }
    journal.sync().unwrap();
    let mut archive = Archive::open(&logs(place)).unwrap();
    let records = crate::support::all(&journal.reader());
    let (before, after) = records.split_at(records.len() / 2);
    before.iter().for_each(|record| archive.apply(record).unwrap());
    between();
    after.iter().for_each(|record| archive.apply(record).unwrap());
    archive.sync().unwrap();
    assert_eq!(archive.position(), journal.position());
}

/// What the story's lines say, without their numbers.
fn said(place: &Place, story: &Story) -> Vec<String> {
    lines(place, story).iter().map(|line| format!("{}{}", line["type"], line["payload"])).collect()
}

#[test]
fn more_sessions_than_files_are_open_or_known() {
    for (sessions, writes) in [(OPEN_FILES_MAX + 9, 4), (KNOWN_FILES_MAX + 9, 2)] {
        let (place, alone) = (Place::fast(), Place::fast());
        let stories: Vec<Story> = (0..sessions as u64).map(Story::new).collect();
        in_turns(&place, &stories, writes, || {});
        in_turns(&alone, &stories[3..4], writes, || {});
        assert_eq!(
            said(&place, &stories[3]),
            said(&alone, &stories[3]),
            "names survive the closing of a file"
        );
    }
}

#[test]
fn a_closed_file_that_somebody_changed_is_read_again() {
    let stories: Vec<Story> = (0..OPEN_FILES_MAX as u64 + 9).map(Story::new).collect();
    let (place, untouched) = (Place::fast(), Place::fast());
    let path = |at: usize| logs(&place).join(session_path(stories[at].session));
    in_turns(&untouched, &stories, 4, || {});
    in_turns(&place, &stories, 4, || {
        let whole = fs::read_to_string(path(1)).unwrap();
        fs::write(path(1), whole + "not a line").unwrap();
        fs::remove_file(path(2)).unwrap();
    });
    assert_eq!(said(&place, &stories[1]), said(&untouched, &stories[1]));
    let (left, all) = (said(&place, &stories[2]), said(&untouched, &stories[2]));
    assert!(!left.is_empty() && left.len() < all.len() && all.ends_with(&left), "{left:?} of {all:?}");
}

#[test]
fn it_goes_on_when_somebody_deletes_its_folders() {
    let stories: Vec<Story> = (0..OPEN_FILES_MAX as u64 + 9).map(Story::new).collect();
    let place = Place::fast();
    let day = |story: &Story| logs(&place).join(session_path(story.session)).parent().unwrap().to_owned();
    in_turns(&place, &stories, 4, || fs::remove_dir_all(day(&stories[0])).unwrap());
    assert!(!said(&place, &stories[2]).is_empty(), "what came later is there");
    let gone = Place::fast();
    let mut journal = gone.open();
    let mut archive = Archive::open(&logs(&gone)).unwrap();
    let records = fill(&mut journal, &stories[0].writes()[0]);
    records.iter().for_each(|record| archive.apply(record).unwrap());
    fs::remove_dir_all(logs(&gone).join(session_path(stories[0].session)).parent().unwrap()).unwrap();
    archive.sync().unwrap();
}

#[test]
fn lines_of_records_that_were_cut_off_are_set_aside() {
    let place = Place::new();
    let mut journal = place.open();
    let story = Story::new(1);
    told(&mut journal, &[&story]);
    let whole = fs::read(place.segment(1)).unwrap();
    let mut archive = caught_up(&place, &journal);
    // Lines behind the saved position, of records the journal is about to lose.
    let saved = fs::read(logs(&place).join("position.json")).unwrap();
    let kept = archive.position();
    for record in fill(&mut journal, &story.writes()[4]) {
        archive.apply(&record).unwrap();
    }
    archive.sync().unwrap();
    drop((archive, journal));
    fs::write(logs(&place).join("position.json"), saved).unwrap();
    fs::write(place.segment(1), whole).unwrap();
    let journal = place.try_open(small()).unwrap().journal;
    assert_eq!((journal.position(), journal.reader().epoch()), (kept, 2));
    caught_up(&place, &journal);
    let path = logs(&place).join(session_path(story.session));
    let last = lines(&place, &story).pop().unwrap();
    assert!(last["seq"].as_u64().unwrap() <= kept.cursor.seq);
    let mut aside = path.into_os_string();
    aside.push(".set-aside-1");
    assert!(fs::read_to_string(aside).unwrap().contains("file_edit"));
}

#[test]
fn an_archive_ahead_of_its_journal_is_set_aside_and_made_anew() {
    let (place, other) = (Place::new(), Place::new());
    let mut journal = other.open();
    let story = Story::new(1);
    told(&mut journal, &[&story]);
    let mut archive = Archive::open(&logs(&place)).unwrap();
    archive.catch_up(&journal.reader()).unwrap();
    let before = content(&logs(&place));
    let mut journal = place.open();
    fill(&mut journal, &drafts(0..3));
    archive.catch_up(&journal.reader()).unwrap();
    assert_eq!(archive.position(), journal.position());
    let aside = place.root.join("session-logs.set-aside-1");
    assert_eq!(content(&aside).values().collect::<Vec<_>>(), before.values().collect::<Vec<_>>());
    assert_ne!(content(&logs(&place)), before);
    assert_ne!(archive.position(), Position::START);
}
