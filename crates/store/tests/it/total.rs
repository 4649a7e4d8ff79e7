//! Apply is total: any events in any order apply, and fold to the same rows again.

use crate::fixtures::World;
use crate::workspace::Workspace;
use model::{Actor, Event, SessionState};
use proptest::prelude::*;
use store::{Archived, Commit, SessionFilter};

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_order_with_losses_and_repetitions_folds_to_the_same_rows(
        picks in proptest::collection::vec((any::<prop::sample::Index>(), 1_usize..4), 40..160)
    ) {
        let workspace = Workspace::new();
        let (store, _) = workspace.open();
        let all = World::new().history().events();
        let mut picks = picks.into_iter();
        // Commits of different sizes, so that some batches hold a whole tangle.
        while let Some((first, size)) = picks.next() {
            let mut events = vec![first.get(&all).clone()];
            events.extend(picks.by_ref().take(size - 1).map(|(index, _)| index.get(&all).clone()));
            store.commit(Commit::new(Actor::System, move |_| Ok(events))).unwrap();
        }
        let filter = SessionFilter { archived: Archived::Too, ..SessionFilter::default() };
        store
            .read(|view| {
                for row in view.sessions(&filter)?.rows {
                    let tasks = view.tasks(row.session.id)?;
                    let derived = SessionState::of(tasks.iter().map(|task| task.state));
                    assert_eq!(row.state, derived);
                    let open = tasks.iter().filter(|task| !task.state.is_terminal()).count();
                    assert_eq!(view.queue_depth(row.session.id)?, u64::try_from(open).unwrap());
                }
                Ok(())
            })
            .unwrap();
        prop_assert_eq!(store.rebuild().unwrap().changed, Vec::<String>::new());
    }
}

#[test]
pub(crate) fn figures_no_model_can_mean_still_apply_and_add_up() {
    let workspace = Workspace::new();
    let (store, _) = workspace.open();
    let history = World::new().history();
    history.commit_all(&store);
    let answers = history.events().into_iter().filter_map(|event| match event {
        Event::ModelAnswered(mut answer) => {
            answer.usage.input_tokens = u64::MAX;
            answer.usage.cost_micros = u64::MAX;
            answer.latency_ms = u64::MAX;
            answer.retries = u32::MAX;
            Some(Event::ModelAnswered(answer))
        }
        Event::MessageAppended(mut message) => {
            message.id = World::new().id_message();
            message.latency_ms = Some(u64::MAX);
            message.usage = message.usage.map(|usage| model::Usage { input_tokens: u64::MAX, ..usage });
            Some(Event::MessageAppended(message))
        }
        _ => None,
    });
    let events: Vec<Event> = answers.collect();
    for _ in 0..3 {
        let events = events.clone();
        store.commit(Commit::new(Actor::System, move |_| Ok(events))).unwrap();
    }
    let usage = store.read(|view| view.session_usage(history.session)).unwrap();
    assert_eq!(usage.input_tokens, 3007 + 6 * (1 << 40));
    assert!(!store.read(|view| view.messages(history.session, None, 50)).unwrap().is_empty());
    assert_eq!(store.rebuild().unwrap().changed, Vec::<String>::new());
}
