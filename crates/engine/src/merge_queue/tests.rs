//! The queue without its loop: what comes next, and what becomes of an entry.

use super::*;
use crate::NewWorktree;
use crate::stage::Stage;
use model::Timestamp;
use std::sync::Arc;
use testkit::TempRepo;

fn entry(stage: &Stage, repo: RepoId, n: usize) -> MergeEntry {
    MergeEntry {
        id: stage.shared.new_id(),
        repo,
        name: format!("shop/w{n}"),
        path: format!("/w{n}"),
        worktree: None,
        session: None,
        agent: None,
        into: "main".to_owned(),
        mode: MergeMode::OneByOne,
        style: MergeStyle::Merge,
        priority: 0,
        held: true,
        message: None,
        created_at: Timestamp::from_millis(0),
    }
}

/// A stage with so many held entries of one repo, in order.
fn waiting(count: usize) -> (Stage, Vec<MergeId>, RepoId) {
    let stage = Stage::with_path();
    let origin = TempRepo::with(&[("a.txt", "one\n")]);
    origin.git(&["clone", "-q", ".", stage.worktree().to_str().unwrap()]);
    let repo = stage.session(&["claude"]).0.repo.unwrap();
    let entries: Vec<MergeEntry> = (0..count).map(|n| entry(&stage, repo, n)).collect();
    let ids = entries.iter().map(|entry| entry.id).collect();
    stage.commit(entries.into_iter().map(Event::MergeAdded).collect());
    (stage, ids, repo)
}

fn order(rows: &[MergeRow]) -> Vec<MergeId> {
    rows.iter().map(|row| row.entry.id).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_goes_before_another_behind_all_or_by_its_priority() {
    let (stage, ids, _) = waiting(3);
    let engine = Engine { shared: Arc::clone(&stage.shared) };
    let user = Call::user("test");
    let (first, second, third) = (ids[0], ids[1], ids[2]);
    let to = |before| MergeMove { before: Some(before), ..MergeMove::default() };
    assert_eq!(order(&engine.move_merge(&user, third, to(first)).await.unwrap()), [third, first, second]);
    let last = MergeMove { last: true, ..MergeMove::default() };
    assert_eq!(order(&engine.move_merge(&user, third, last).await.unwrap()), [first, second, third]);
    let urgent = MergeMove { priority: Some(5), ..MergeMove::default() };
    assert_eq!(order(&engine.move_merge(&user, second, urgent).await.unwrap()), [second, first, third]);
    for (wish, code) in [
        (MergeMove::default(), "move_unclear"),
        (to(first), "move_unclear"),
        (to(stage.shared.new_id()), "merge_not_waiting"),
        (MergeMove { priority: Some(i32::MAX), ..MergeMove::default() }, "priority"),
    ] {
        let refusal = engine.move_merge(&user, first, wish).await.unwrap_err();
        assert!(refusal.code.starts_with(code), "{wish:?}: {refusal}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_has_an_end_and_takes_a_worktree_once() {
    let (stage, _, repo) = waiting(MERGE_QUEUE_MAX - 1);
    let engine = Engine { shared: Arc::clone(&stage.shared) };
    let user = Call::user("test");
    let mut made = Vec::new();
    for name in ["one", "two"] {
        let new = NewWorktree { repo, name: name.to_owned(), branch: None, from: None, checkout: None };
        made.push(engine.add_worktree(&user, new).await.unwrap().id.unwrap());
    }
    let new = |worktree| NewMerge {
        source: MergeSource::Worktree(worktree),
        into: None,
        mode: MergeMode::OneByOne,
        style: MergeStyle::Merge,
        priority: 0,
        message: None,
        hold: true,
    };
    engine.add_merge(&user, new(made[0])).await.unwrap();
    assert_eq!(engine.add_merge(&user, new(made[0])).await.unwrap_err().code, "merge_queued");
    assert_eq!(engine.add_merge(&user, new(made[1])).await.unwrap_err().code, "queue_full");
    let long =
        NewMerge { message: Some("x".repeat(crate::worktree::merge::MESSAGE_MAX + 1)), ..new(made[1]) };
    assert_eq!(engine.add_merge(&user, long).await.unwrap_err().code, "message_invalid");
    let nowhere = NewMerge { into: Some("nowhere".to_owned()), ..new(made[1]) };
    assert_eq!(engine.add_merge(&user, nowhere).await.unwrap_err().code, "no_branch");
    let own = NewMerge { into: Some("two".to_owned()), ..new(made[1]) };
    assert_eq!(engine.add_merge(&user, own).await.unwrap_err().code, "merge_into_itself");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ran_when_the_daemon_died_waits_again_and_its_end_counts_for_nothing() {
    let (stage, ids, _) = waiting(2);
    let row = |id| stage.shared.store.read(|view| view.merge(id)).unwrap().unwrap();
    let running = MergeChange { attempt: 2, ..change(&row(ids[0]), MergeState::Running, String::new()) };
    let landed = change(&row(ids[1]), MergeState::Landed, String::new());
    stage.commit(vec![Event::MergeChanged(running), Event::MergeChanged(landed)]);
    assert_eq!(mend(&stage.shared).await.unwrap().len(), 1);
    assert_eq!((row(ids[0]).state, row(ids[0]).attempt), (MergeState::Queued, 1));
    assert_eq!(row(ids[1]).state, MergeState::Landed);
    assert_eq!(mend(&stage.shared).await.unwrap(), [] as [String; 0]);
    let engine = Engine { shared: Arc::clone(&stage.shared) };
    assert_eq!(engine.cancel_merge(&Call::user("test"), ids[1]).await.unwrap_err().code, "merge_ended");
    let canceled = engine.cancel_merge(&Call::user("test"), ids[0]).await.unwrap();
    assert_eq!(canceled.state, MergeState::Canceled);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_was_started_by_hand_is_told_what_does_not_land_and_may_have_it_tried_again() {
    let (stage, ids, _) = waiting(2);
    let shared = &stage.shared;
    let row = |id| shared.store.read(|view| view.merge(id)).unwrap().unwrap();
    let pid = std::process::id();
    let new = bus::NewRegistration {
        id: None,
        agent: "claude".to_owned(),
        vendor: "anthropic".to_owned(),
        model: None,
        session: None,
        worktree: Some("/w0/src".to_owned()),
        liveness: bus::Liveness::Process { pid, starttime: bus::system::process_start(pid).unwrap() },
    };
    let hand = shared.bus.register(new).unwrap().id;
    let conflict = || back::Trouble::Conflict(vec!["a.rs".parse().unwrap()]);
    for id in &ids {
        let tried = MergeRow { attempt: 1, ..row(*id) };
        back::hand_back(shared, &tried, conflict()).await.unwrap();
    }
    assert_eq!((row(ids[0]).state, row(ids[1]).state), (MergeState::Returned, MergeState::Failed));
    let query = bus::NoticeQuery { recipient: Some(hand), limit: 100, ..bus::NoticeQuery::default() };
    let told = || shared.bus.notices(&query).unwrap().notices;
    let notice = told().into_iter().find(|one| one.recipient == Some(hand)).unwrap();
    let words = notice.payload["text"].as_str().unwrap().to_owned();
    for word in
        ["/w0", "does not go together with main: a.rs", &format!("coditect merge run {}", ids[0].short())]
    {
        assert!(words.contains(word), "{words}");
    }
    let open = || shared.store.read(|view| view.open_merges()).unwrap();
    assert_eq!(order(&back::left(shared, &open()).await.unwrap()), []);
    let engine = Engine { shared: Arc::clone(shared) };
    engine.run_merges(&Call::user("test"), None, Some(ids[0]), None).await.unwrap();
    assert_eq!(row(ids[0]).state, MergeState::Queued);
    // Once more it is not mended, and whoever could say so leaves.
    back::hand_back(shared, &MergeRow { attempt: 2, ..row(ids[0]) }, conflict()).await.unwrap();
    assert_eq!((row(ids[0]).state, told().len()), (MergeState::Returned, 2));
    shared.bus.end(hand, "exit").unwrap();
    assert_eq!(order(&back::left(shared, &open()).await.unwrap()), [ids[0]]);
    let last = MergeRow { attempt: model::MERGE_TRIES, ..row(ids[0]) };
    back::hand_back(shared, &last, conflict()).await.unwrap();
    assert_eq!(row(ids[0]).state, MergeState::Failed);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_over_is_listed_of_its_repo_however_much_is_over_elsewhere() {
    let (stage, ids, repo) = waiting(2);
    let landed = |id| {
        let row = stage.shared.store.read(|view| view.merge(id)).unwrap().unwrap();
        Event::MergeChanged(change(&row, MergeState::Landed, String::new()))
    };
    stage.commit(vec![landed(ids[0])]);
    let busy = stage.session(&["kimi"]).0.repo.unwrap();
    let others: Vec<MergeEntry> = (2..ENDED_MAX + 3).map(|n| entry(&stage, busy, n)).collect();
    stage.commit(others.iter().cloned().map(Event::MergeAdded).collect());
    stage.commit(others.iter().map(|entry| landed(entry.id)).collect());
    let engine = Engine { shared: Arc::clone(&stage.shared) };
    let listed = engine.merges(Some(repo), true).unwrap();
    assert_eq!(order(&listed), [ids[1], ids[0]], "what is open, and what is over");
    assert_eq!(engine.merges(Some(busy), true).unwrap().len(), ENDED_MAX);
    let newest = others.last().map(|entry| entry.id);
    assert_eq!(engine.merges(None, true).unwrap().get(1).map(|row| row.entry.id), newest);
}
