//! What a compaction makes of a conversation, and what it leaves as it was.

use super::*;
use crate::stage::Stage;
use model::{Block, Message, Role};

fn message(stage: &Stage, session: SessionId, role: Role, text: &str) -> Message {
    let mut message = crate::message::user_message(&stage.shared, session, None, text);
    message.role = role;
    message
}

/// A session in which so many messages were said, each of so many bytes.
fn said(stage: &Stage, messages: usize, bytes: usize) -> (Session, Participant) {
    let (session, mut seats) = stage.session(&["claude"]);
    let seat = seats.remove(0);
    for chunk in (0..messages).collect::<Vec<_>>().chunks(500) {
        let events = chunk.iter().map(|number| {
            let role = if number % 2 == 0 { Role::User } else { Role::Assistant };
            let text = format!("{number:06} {}", "x".repeat(bytes));
            let participant = (role == Role::Assistant).then_some(seat.id);
            Event::MessageAppended(Message { participant, ..message(stage, session.id, role, &text) })
        });
        stage.commit(events.collect());
    }
    (session, seat)
}

fn condensed(stage: &Stage, session: &Session, seat: &Participant, upto: MessageId, generation: u32) {
    stage.commit(vec![Event::SessionCompacted(Compaction {
        session: session.id,
        participant: seat.id,
        upto,
        summary: format!("summary {generation}"),
        messages: 1,
        read_files: Vec::new(),
        modified_files: Vec::new(),
        vendor: seat.vendor,
        model: seat.model.clone(),
        tokens_before: 1,
        tokens_after: 1,
        generation,
        created_at: stage.shared.now(),
    })]);
}

fn window(stage: &Stage, session: &Session) -> Window {
    stage.shared.store.read(|view| Window::read(view, session, LOOKED_AT_MAX)).unwrap()
}

fn first(window: &Window) -> String {
    window.messages.first().map(Message::text).unwrap_or_default()
}

#[test]
fn the_window_begins_behind_the_newest_compaction() {
    let stage = Stage::new();
    let (session, seat) = said(&stage, 40, 10);
    let all = window(&stage, &session);
    assert_eq!((all.messages.len(), all.whole, all.compaction), (40, true, None));
    let ids: Vec<MessageId> = all.messages.iter().map(|message| message.id).collect();
    for (at, generation) in [(9, 1), (29, 2)] {
        condensed(&stage, &session, &seat, ids[at], generation);
        let rest = window(&stage, &session);
        assert_eq!((rest.messages.len(), rest.whole), (39 - at, true));
        assert_eq!(rest.messages[0].id, ids[at + 1]);
        let summary = format!("{:?}", rest.summary().unwrap());
        assert!(summary.contains(&format!("summary {generation}")), "{summary}");
    }
    let page = stage.shared.store.read(|view| view.messages(session.id, None, 100)).unwrap();
    assert_eq!(page.len(), 40, "what was said stays");
}

#[test]
fn a_fork_at_a_message_before_a_compaction_does_not_know_it() {
    let stage = Stage::new();
    let (session, seat) = said(&stage, 20, 10);
    let ids: Vec<MessageId> = window(&stage, &session).messages.iter().map(|message| message.id).collect();
    condensed(&stage, &session, &seat, ids[4], 1);
    condensed(&stage, &session, &seat, ids[12], 2);
    for (at, summary, messages) in [(3, None, 4), (9, Some("summary 1"), 5), (15, Some("summary 2"), 3)] {
        let lineage = model::Lineage { fork_message: Some(ids[at]), ..model::Lineage::default() };
        let fork =
            Session { id: stage.shared.new_id(), forked_from: Some(session.id), lineage, ..session.clone() };
        stage.commit(vec![Event::SessionCreated(fork.clone())]);
        let known = window(&stage, &fork);
        let told = known.compaction.as_ref().map(|row| row.compaction.summary.as_str());
        assert_eq!((told, known.messages.len()), (summary, messages), "forked at {at}");
        if at == 15 {
            condensed(&stage, &fork, &seat, ids[13], 3);
            let known = window(&stage, &fork);
            assert_eq!(
                (known.messages.len(), known.messages[0].id),
                (2, ids[14]),
                "the rest stays as it was"
            );
        }
    }
}

#[test]
fn of_a_long_session_no_more_is_read_than_is_looked_at() {
    let stage = Stage::new();
    let (session, seat) = said(&stage, LOOKED_AT_MAX + 500, 1);
    let long = window(&stage, &session);
    assert_eq!((long.messages.len(), long.whole), (LOOKED_AT_MAX, false));
    assert_eq!(first(&long), "000500 x");
    // It is too long whatever its size is: nobody knows what is before.
    let work = Work::look(&stage.shared, &session, &seat, None, 10, true).unwrap().unwrap();
    assert_eq!(work.covered, LOOKED_AT_MAX - 10);
    let told = work.told(usize::MAX);
    assert!(
        told.starts_with("The conversation:\n\n(More was said before this.)\n\nuser:\n000500"),
        "{}",
        &told[..80]
    );
    assert!(!told.contains("004495 x"), "the last ten are shown as they were");
    condensed(&stage, &session, &seat, work.upto, 1);
    let rest = window(&stage, &session);
    assert_eq!((rest.messages.len(), rest.whole), (10, true));
}

#[test]
fn what_fits_is_left_alone_and_what_is_too_long_is_condensed_but_for_its_end() {
    let stage = Stage::new();
    let (session, seat) = said(&stage, 30, 400);
    let look = |window: u64, only_too_long| {
        let seat = Participant { context_window: window, ..seat.clone() };
        Work::look(&stage.shared, &session, &seat, None, 10, only_too_long).unwrap()
    };
    // Some 3,000 tokens were said.
    assert!(look(200_000, true).is_none());
    assert_eq!(look(200_000, false).unwrap().covered, 20, "on order it is condensed all the same");
    let work = look(5_000, true).unwrap();
    assert_eq!(work.covered, 20);
    assert!(work.tokens > 2_500, "{}", work.tokens);
    // Half of the room is for what is shown as it was.
    assert_eq!(look(1_000, true).unwrap().covered, 28);
    assert_eq!(look(100, true).unwrap().covered, 30);
    let told = look(5_000, true).unwrap().told(1_000);
    assert!(told.contains("was too long") && told.contains("000019") && !told.contains("000001"), "{told}");
}

#[test]
fn the_prompt_under_way_is_no_history() {
    let stage = Stage::new();
    let (session, seat) = said(&stage, 12, 10);
    let task = stage.task(session.id, model::TaskKind::Prompt, seat.id);
    let mut prompt = message(&stage, session.id, Role::User, "now");
    prompt.task = Some(task.id);
    let id = task.id;
    stage.commit(vec![Event::MessageAppended(prompt), Event::TaskSubmitted(task)]);
    let work = Work::look(&stage.shared, &session, &seat, Some(id), 10, false).unwrap().unwrap();
    assert_eq!(work.covered, 2);
    assert!(Work::look(&stage.shared, &session, &seat, Some(id), 12, false).unwrap().is_none());
}

#[test]
fn one_session_is_condensed_once_at_a_time() {
    let stage = Stage::new();
    let (one, other): (SessionId, SessionId) = (stage.shared.new_id(), stage.shared.new_id());
    let condensing = Condensing::default();
    let place = condensing.begin(one).unwrap();
    assert!(condensing.begin(one).is_none());
    assert!(condensing.begin(other).is_some());
    drop(place);
    assert!(condensing.begin(one).is_some());
}

#[test]
fn after_a_failure_it_waits_for_more_to_be_said() {
    let stage = Stage::new();
    let (session, seat) = said(&stage, 30, 400);
    let seat = Participant { context_window: 5_000, ..seat };
    let look = || Work::look(&stage.shared, &session, &seat, None, 10, true).unwrap().unwrap();
    let lately = || stage.shared.store.read(|view| tried_lately(view, &session, &look())).unwrap();
    assert!(!lately());
    let work = look();
    let failure = CompactionFailure {
        session: session.id,
        participant: seat.id,
        upto: work.newest,
        code: "compaction_failed".to_owned(),
        message: "no".to_owned(),
        tokens: work.tokens,
    };
    stage.commit(vec![Event::SessionCompactionFailed(failure)]);
    for said in 0..AGAIN_AFTER {
        assert!(lately(), "after {said}");
        stage.commit(vec![Event::MessageAppended(message(&stage, session.id, Role::User, "more"))]);
    }
    assert!(!lately());
}

#[test]
fn blocks_other_than_text_do_not_count() {
    let call = Block::ToolCall { call_id: "c".into(), tool: "bash".into(), arguments: serde_json::json!({}) };
    let turn = Turn::new(Role::Assistant, vec![Block::Text { text: "abcd".into() }, call]);
    assert_eq!((bytes(&turn), tokens([&turn, &turn])), (4, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_comes_second_is_refused_before_anybody_looks_at_what_there_is_to_do() {
    let stage = Stage::new();
    let (session, _) = said(&stage, 1, 10);
    let engine = Engine { shared: Arc::clone(&stage.shared) };
    let call = Call::user("test");
    let order = || engine.compact_session(&call, session.id);
    let place = stage.shared.condensing.begin(session.id).unwrap();
    let refused = order().await.unwrap_err();
    assert_eq!((refused.code.as_ref(), refused.kind), ("compaction_running", RefusalKind::Busy));
    drop(place);
    assert_eq!(order().await.unwrap_err().code, "nothing_to_compact");
    assert!(stage.shared.condensing.begin(session.id).is_some(), "a refused order leaves the place free");
}
