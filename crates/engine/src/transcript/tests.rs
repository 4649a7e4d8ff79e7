//! Imports into a real store. Invariant: however often and in whatever pieces a transcript is read, the journal says it once.

use super::mirror::run;
use super::*;
use crate::stage::Stage;
use model::{Event, Message, RawReason, Usage};
use proptest::prelude::*;
use std::fs;

const VENDORS: [Vendor; 4] = [Vendor::Anthropic, Vendor::Openai, Vendor::Google, Vendor::Moonshot];

/// The main transcript of a run that was recorded.
pub(super) fn recorded(vendor: Vendor) -> (PathBuf, String) {
    let fixtures =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../agent/tests/fixtures").join(program(vendor));
    let place = agent::transcript::places(vendor, &fixtures).unwrap().into_iter().next().unwrap();
    let below = place.path.strip_prefix(&fixtures).unwrap().to_owned();
    (below, fs::read_to_string(&place.path).unwrap())
}

pub(super) struct Home {
    pub(super) stage: Stage,
    folder: tempfile::TempDir,
}

impl Home {
    pub(super) fn new() -> Self {
        Self { stage: Stage::new(), folder: tempfile::tempdir().unwrap() }
    }

    pub(super) fn path(&self) -> PathBuf {
        self.folder.path().canonicalize().unwrap()
    }

    pub(super) fn write(&self, below: &Path, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path().join(below);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path
    }

    pub(super) fn job(&self, vendor: Vendor) -> Arc<Job> {
        let new = NewImport { vendor, path: self.path(), watch: false };
        self.stage.shared.imports.enter(&self.stage.shared, new, true).unwrap()
    }

    fn import(&self, vendor: Vendor) -> ImportView {
        let job = self.job(vendor);
        run(&self.stage.shared, &job);
        job.look()
    }

    fn messages(&self) -> Vec<Message> {
        let events = self.stage.events().into_iter();
        events
            .filter_map(|event| match event {
                Event::MessageAppended(message) => Some(message),
                _ => None,
            })
            .collect()
    }

    fn used(&self) -> Usage {
        let sessions = self
            .stage
            .shared
            .store
            .0
            .read(|view| view.sessions(&store::SessionFilter::default()))
            .unwrap()
            .rows;
        let mut sum = Usage::default();
        for row in sessions {
            let used = self.stage.shared.store.0.read(|view| view.session_usage(row.session.id)).unwrap();
            agent::transcript::add(&mut sum, &used);
        }
        sum
    }
}

#[test]
fn a_transcript_becomes_a_session_with_its_times_and_its_origin() {
    for vendor in VENDORS {
        let home = Home::new();
        let (below, text) = recorded(vendor);
        home.write(&below, &text);
        let view = home.import(vendor);
        assert_eq!(
            (view.state, view.tally.sessions, view.tally.failed),
            (ImportState::Done, 1, 0),
            "{view:?}"
        );
        assert_eq!(view.tally.messages, home.messages().len() as u64);
        let rows = home
            .stage
            .shared
            .store
            .0
            .read(|view| view.sessions(&store::SessionFilter::default()))
            .unwrap()
            .rows;
        let session = &rows[0].session;
        let origin = session.origin.as_ref().unwrap();
        assert_eq!(origin.vendor, vendor);
        assert!(origin.source.ends_with(below.to_str().unwrap()));
        assert!(session.title.starts_with("Do it"), "{}", session.title);
        let messages = home.messages();
        assert!(messages.iter().all(|message| message.created_at >= session.created_at));
        assert!(messages[0].created_at.to_string().starts_with("2026-11-21T12:14"));
        let seat = home.stage.shared.store.0.read(|view| view.participants(session.id)).unwrap();
        assert_eq!((seat.len(), seat[0].participant.agent.as_str()), (1, program(vendor)));
        assert_eq!(seat[0].status, model::ParticipantStatus::Done);
        assert_eq!(home.used().cache_read_tokens % 1000, 0);
        assert!(home.used().cache_read_tokens >= 4000);
        // It is no money of ours.
        assert_eq!(home.stage.shared.store.0.read(|view| view.total_usage()).unwrap(), Usage::default());
    }
}

#[test]
fn what_was_imported_is_shown_and_is_in_no_budget() {
    let home = Home::new();
    let (below, text) = recorded(Vendor::Anthropic);
    home.write(&below, &text);
    home.import(Vendor::Anthropic);
    assert!(home.used().tokens() > 1, "the session shows what was used in it");
    let spent = home.stage.shared.store.0.read(|view| {
        let session = view.sessions(&store::SessionFilter::default())?.rows.remove(0).session.id;
        let (clock, dice) = (testkit::ManualClock::default(), testkit::SeededEntropy::default());
        let (task, agent) = (model::Id::new(&clock, &dice), "claude".parse().unwrap());
        let account = crate::budget::Account { session, task, agent, day: "2026-01-31".into() };
        let budgets =
            serde_json::from_value(serde_json::json!({ "session_tokens": 1, "day_tokens": 1 })).unwrap();
        crate::budget::used_up(view, &budgets, &account)
    });
    assert_eq!(spent.unwrap(), None, "our own turns have spent nothing");
}

#[test]
fn importing_again_changes_nothing() {
    for vendor in VENDORS {
        let home = Home::new();
        let (below, text) = recorded(vendor);
        home.write(&below, &text);
        home.import(vendor);
        let before = home.stage.events().len();
        let view = home.import(vendor);
        assert_eq!((view.tally.unchanged, view.tally.messages), (1, 0));
        // A touched file is looked at, and has nothing new.
        home.write(&below, &text);
        home.import(vendor);
        assert_eq!(home.stage.events().len(), before);
    }
}

#[test]
fn a_sub_agent_is_a_child_of_the_session_that_started_it() {
    let home = Home::new();
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../agent/tests/fixtures/claude");
    for place in agent::transcript::places(Vendor::Anthropic, &fixtures).unwrap() {
        let below = place.path.strip_prefix(&fixtures).unwrap();
        home.write(below, fs::read(&place.path).unwrap());
        let meta = place.path.with_extension("meta.json");
        if meta.exists() {
            home.write(&below.with_extension("meta.json"), fs::read(meta).unwrap());
        }
    }
    assert_eq!(home.import(Vendor::Anthropic).tally.sessions, 2);
    let rows =
        home.stage.shared.store.0.read(|view| view.sessions(&store::SessionFilter::default())).unwrap().rows;
    let (child, main) = (&rows[0].session, &rows[1].session);
    assert_eq!((child.parent, main.parent), (Some(main.id), None));
    assert_eq!(child.title, "sub");
    let call = child.origin.as_ref().unwrap().call.clone().unwrap();
    assert!(home.messages().iter().any(|message| {
        let called = |block: &model::Block| matches!(block, model::Block::ToolCall { call_id, .. } if *call_id == call);
        message.session == main.id && message.blocks.iter().any(called)
    }));
}

#[test]
fn what_nobody_understands_is_kept_as_it_is() {
    let home = Home::new();
    let (below, text) = recorded(Vendor::Anthropic);
    let mut bytes = text.into_bytes();
    bytes.extend_from_slice(b"{\"type\":\"of tomorrow\",\"x\":1}\nno json\n\xff\xfe\n{\"type\":\"torn");
    home.write(&below, bytes);
    let view = home.import(Vendor::Anthropic);
    assert_eq!((view.tally.unknown, view.tally.torn), (3, 1));
    let imports = home.stage.events().into_iter().filter_map(|event| match event {
        Event::TranscriptImported(import) => Some(import.unknown),
        _ => None,
    });
    let kept: Vec<_> = imports.flatten().map(|raw| (raw.reason, raw.text, raw.hex)).collect();
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(
        kept,
        [
            (RawReason::UnknownRecord, text("{\"type\":\"of tomorrow\",\"x\":1}"), None),
            (RawReason::NotJson, text("no json"), None),
            (RawReason::NotUtf8, None, text("fffe")),
        ]
    );
}

#[test]
fn a_file_that_was_rewritten_is_read_again_and_says_nothing_twice() {
    for vendor in VENDORS {
        let home = Home::new();
        let (below, text) = recorded(vendor);
        let half: String =
            text.lines().take(text.lines().count() / 2).flat_map(|line| [line, "\n"]).collect();
        home.write(&below, &text);
        home.import(vendor);
        let whole = home.messages();
        // Cut short, and then with a line in front of everything.
        home.write(&below, &half);
        assert_eq!(home.import(vendor).tally.again, 1);
        assert_eq!(home.messages(), whole);
        home.write(&below, format!("{{}}\n{text}"));
        assert_eq!(home.import(vendor).tally.again, 1);
        assert_eq!(home.messages(), whole);
    }
}

#[test]
fn a_session_that_moved_to_another_path_is_the_same() {
    let home = Home::new();
    let (below, text) = recorded(Vendor::Openai);
    let path = home.write(&below, &text);
    home.import(Vendor::Openai);
    let before = home.messages();
    fs::rename(&path, home.path().join(path.file_name().unwrap())).unwrap();
    let view = home.import(Vendor::Openai);
    assert_eq!((view.tally.sessions, view.tally.messages), (0, 0));
    assert_eq!(home.messages(), before);
}

#[test]
fn nothing_is_read_through_a_link() {
    let home = Home::new();
    let outside = tempfile::tempdir().unwrap();
    let (below, text) = recorded(Vendor::Openai);
    let target = outside.path().join(below.file_name().unwrap());
    fs::write(&target, text).unwrap();
    std::os::unix::fs::symlink(&target, home.path().join(below.file_name().unwrap())).unwrap();
    std::os::unix::fs::symlink(outside.path(), home.path().join("more")).unwrap();
    assert_eq!(home.import(Vendor::Openai).tally.files, 0);
}

#[test]
fn a_file_without_a_conversation_makes_no_session() {
    let home = Home::new();
    let (below, text) = recorded(Vendor::Google);
    let head: String = text.lines().take(2).flat_map(|line| [line, "\n"]).collect();
    home.write(&below, &head);
    let view = home.import(Vendor::Google);
    assert_eq!((view.tally.sessions, view.tally.empty), (0, 1));
    home.write(&below, &text);
    assert_eq!(home.import(Vendor::Google).tally.sessions, 1);
}

#[test]
fn only_so_many_imports_are_under_way_at_once() {
    let home = Home::new();
    let enter = || {
        let new = NewImport { vendor: Vendor::Openai, path: home.path(), watch: true };
        home.stage.shared.imports.enter(&home.stage.shared, new, true)
    };
    let jobs: Vec<_> = (0..IMPORTS_MAX).map(|_| enter().unwrap()).collect();
    assert_eq!(enter().err().unwrap().code, "imports_busy");
    jobs[0].enter(ImportState::Done);
    assert!(enter().is_ok());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_cut_of_the_bytes_imports_as_the_whole(which in 0usize..4, cuts in prop::collection::vec(0usize..40_000, 1..4)) {
        let vendor = VENDORS[which];
        let (below, text) = recorded(vendor);
        let whole = Home::new();
        whole.write(&below, &text);
        whole.import(vendor);
        let pieces = Home::new();
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
        cuts.sort_unstable();
        for cut in cuts {
            pieces.write(&below, &text.as_bytes()[..cut]);
            pieces.import(vendor);
        }
        pieces.write(&below, &text);
        pieces.import(vendor);
        // Where it was read from is another folder; all else is the same, the ids too.
        prop_assert_eq!(pieces.messages(), whole.messages());
        prop_assert_eq!(pieces.used(), whole.used());
    }
}

#[test]
fn a_session_that_was_led_from_here_is_not_there_twice() {
    let home = Home::new();
    let (below, text) = recorded(Vendor::Openai);
    home.write(&below, text);
    let (session, participants) = home.stage.session(&["codex"]);
    let opening = model::Opening {
        session: session.id,
        turn: home.stage.shared.new_id(),
        participant: participants[0].id,
        vendor_session: "01a1fe07-513e-7d21-be0e-08ca7192c96f".to_owned(),
        version: None,
        goes_on: true,
    };
    home.stage.commit(vec![Event::ParticipantOpened(opening)]);
    let view = home.import(Vendor::Openai);
    assert_eq!((view.tally.linked, view.tally.sessions, view.tally.failed), (1, 0, 0));
    assert_eq!(home.messages(), []);
}
