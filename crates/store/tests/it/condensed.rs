//! What stands for a conversation, and what is left of it to read.

use crate::fixtures::World;
use crate::workspace::{Workspace, commit};
use model::{Actor, Compaction, CompactionFailure, Event, Message, Participant, Timestamp, Vendor};

pub(crate) fn of(said: &Message, seat: &Participant) -> Vec<Event> {
    let failure = CompactionFailure {
        session: said.session,
        participant: seat.id,
        upto: said.id,
        code: "compaction_failed".to_owned(),
        message: "the model did not answer".to_owned(),
        tokens: 120_000,
    };
    vec![Event::SessionCompactionFailed(failure), Event::SessionCompacted(made(said, seat, 1))]
}

fn made(said: &Message, seat: &Participant, generation: u32) -> Compaction {
    Compaction {
        session: said.session,
        participant: seat.id,
        upto: said.id,
        summary: format!("summary {generation}"),
        messages: 1,
        read_files: vec!["src/bus.rs".to_owned()],
        modified_files: vec!["src/lock.rs".to_owned()],
        vendor: Vendor::Anthropic,
        model: "claude-sonnet-4-5".to_owned(),
        tokens_before: 120_000,
        tokens_after: 3_000,
        generation,
        created_at: Timestamp::from_millis(1),
    }
}

#[test]
pub(crate) fn a_reader_goes_by_the_newest_one_that_reaches_no_further_than_he_does() {
    let workspace = Workspace::new();
    let (store, _) = workspace.open();
    let world = World::new();
    let session = world.session("long");
    let seat = world.participant(session.id, "claude");
    commit(
        &store,
        Actor::User,
        vec![Event::SessionCreated(session.clone()), Event::ParticipantJoined(seat.clone())],
    );
    let said: Vec<Message> = (0..4).map(|number| world.say(session.id, &format!("{number}"))).collect();
    let mut numbers = Vec::new();
    for message in &said {
        commit(&store, Actor::User, vec![Event::MessageAppended(message.clone())]);
        numbers.push(store.read(|view| view.message_number(message.id)).unwrap().unwrap());
    }
    commit(&store, Actor::System, vec![Event::SessionCompacted(made(&said[2], &seat, 2))]);
    // It came later and stands for less: an order that waited for its model.
    commit(&store, Actor::System, vec![Event::SessionCompacted(made(&said[0], &seat, 1))]);
    let upto = |upto| {
        let row = store.read(|view| view.compaction_upto(session.id, upto)).unwrap();
        row.map(|row| (row.compaction.generation, row.upto))
    };
    assert_eq!(upto(None), Some((2, numbers[2])));
    assert_eq!(upto(Some(numbers[2])), Some((2, numbers[2])));
    assert_eq!(upto(Some(numbers[1])), Some((1, numbers[0])));
    assert_eq!(upto(Some(numbers[0] - 1)), None);
    let left = store.read(|view| view.messages_between(session.id, numbers[2], None, 10)).unwrap();
    assert_eq!(left, said[3..]);
    let part = store.read(|view| view.messages_between(session.id, 0, Some(numbers[2]), 2)).unwrap();
    assert_eq!(part, said[1..3], "the newest of them");
    let listed = store.read(|view| view.compactions(session.id, 10)).unwrap();
    assert_eq!(listed.iter().map(|row| row.compaction.generation).collect::<Vec<_>>(), [2, 1]);
    let failure = store.read(|view| view.compaction_failure(session.id)).unwrap();
    assert_eq!(failure, None);
    let nobody = CompactionFailure {
        session: session.id,
        participant: seat.id,
        // Of a message that the database does not have.
        upto: world.say(session.id, "never said").id,
        code: "c".to_owned(),
        message: "m".to_owned(),
        tokens: 1,
    };
    commit(&store, Actor::System, vec![Event::SessionCompactionFailed(nobody.clone())]);
    assert_eq!(store.read(|view| view.compaction_failure(session.id)).unwrap(), Some((nobody, 0)));
    let before = store.dump().unwrap();
    assert_eq!(store.rebuild().unwrap().changed, Vec::<String>::new());
    assert_eq!(store.dump().unwrap(), before);
}
