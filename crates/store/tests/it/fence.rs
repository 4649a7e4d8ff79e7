//! What a server is told together still holds apart: who is no longer the owner writes nothing, and what fails behind the rows
//! keeps nothing of them.

use crate::fixtures::World;
use crate::schema::Schema;
use crate::server::{Machine, titles};
use crate::workspace::keyed;
use model::{Actor, Event, Refusal};
use postgresql::Client;
use std::sync::mpsc::channel;
use store::{Commit, CommitError, Receipt, SessionFilter, Store};

/// As a daemon does that takes over; it has the owner's row to itself.
const TAKE_OVER: &str = "BEGIN; SELECT 1 FROM owner WHERE one = 1 FOR UPDATE;
    UPDATE owner SET epoch = epoch + 1, daemon = 'another', place = 'beta'; COMMIT";

/// Where in a commit the other daemon comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    Before,
    /// The command has not asked anything, so nothing was sent yet.
    First,
    /// It has asked: the transaction has begun.
    Asked,
}

fn create(
    store: &Store,
    title: &str,
    seed: u64,
    within: impl FnOnce(bool) + Send + 'static,
    asks: bool,
) -> Result<Receipt, CommitError> {
    let event = Event::SessionCreated(World::seeded(seed).session(title));
    store.commit(Commit::new(Actor::User, move |view| {
        if asks {
            view.sessions(&SessionFilter::default()).map_err(Refusal::internal)?;
        }
        within(asks);
        Ok(vec![event])
    }))
}

fn stopped_by_beta(answer: Result<Receipt, CommitError>) {
    match answer {
        Err(CommitError::Stopped(why)) => assert!(why.contains("taken over by beta"), "{why}"),
        other => panic!("{other:?}"),
    }
}

fn kept(sql: &mut Client) -> Vec<String> {
    let rows = sql.query("SELECT title FROM sessions ORDER BY seq", &[]).unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

#[test]
fn who_is_succeeded_at_whatever_moment_writes_nothing_after() {
    for when in [When::Before, When::First, When::Asked] {
        let Some(schema) = Schema::new() else { return };
        let (store, _) = Machine::new("alpha", 1).open(&schema).unwrap();
        create(&store, "before", 1, |_| {}, false).unwrap();
        let mut sql = schema.sql();
        if when == When::Before {
            sql.batch_execute(TAKE_OVER).unwrap();
        }
        let (said, heard) = channel();
        let mut other = schema.sql();
        let within = move |asked: bool| {
            if when != When::Before {
                other.batch_execute("SET lock_timeout = 300").unwrap();
                let taken =
                    other.batch_execute(TAKE_OVER).map_err(|trouble| trouble.code().map(str::to_owned));
                said.send((asked, taken)).unwrap();
            }
        };
        let answer = create(&store, "during", 2, within, when == When::Asked);
        if when == When::Asked {
            // Who would take over waits for the end of the transaction, and finds all of it.
            assert_eq!(heard.recv().unwrap(), (true, Err(Some("55P03".to_owned()))));
            answer.unwrap();
            sql.batch_execute(TAKE_OVER).unwrap();
            stopped_by_beta(create(&store, "after", 3, |_| {}, false));
            assert_eq!(kept(&mut sql), ["before", "during"]);
        } else {
            assert!(heard.try_recv().ok().is_none_or(|(_, taken)| taken.is_ok()));
            stopped_by_beta(answer);
            assert_eq!(kept(&mut sql), ["before"], "{when:?}");
        }
        let lines = sql.query_one("SELECT count(*) FROM journal", &[]).unwrap().get::<_, i64>(0);
        assert_eq!(usize::try_from(lines).unwrap(), kept(&mut sql).len());
        assert!(store.stopped().is_some());
    }
}

#[test]
fn a_line_the_journal_does_not_take_takes_its_rows_along() {
    let Some(schema) = Schema::new() else { return };
    let (store, _) = Machine::new("alpha", 1).open(&schema).unwrap();
    create(&store, "one", 1, |_| {}, false).unwrap();
    let mut sql = schema.sql();
    sql.batch_execute("INSERT INTO journal (seq, epoch, hash, line) VALUES (2, 1, 'x', 'a stranger')")
        .unwrap();
    for asks in [true, false] {
        assert!(matches!(create(&store, "two", 2, |_| {}, asks), Err(CommitError::Stopped(_))));
    }
    assert_eq!(kept(&mut sql), ["one"]);
}

#[test]
fn rows_the_server_does_not_take_refuse_their_own_commit_alone() {
    let Some(schema) = Schema::new() else { return };
    let alpha = Machine::new("alpha", 1);
    let (store, _) = alpha.open(&schema).unwrap();
    let mut sql = schema.sql();
    sql.batch_execute("ALTER TABLE sessions ADD CONSTRAINT none_bad CHECK (title <> 'bad')").unwrap();
    for (seed, asks) in [(1, true), (2, false)] {
        match create(&store, "bad", seed, |_| {}, asks) {
            Err(CommitError::Refused(refusal)) => assert!(refusal.message.contains("none_bad"), "{refusal}"),
            other => panic!("{other:?}"),
        }
    }
    let (reply, answers) = channel();
    // The first keeps the committer busy until the others wait, so that they come as one batch.
    let (release, released) = channel();
    let busy = Commit::new(Actor::User, move |_| {
        released.recv().map_err(Refusal::internal)?;
        Ok(Vec::new())
    });
    store.submit(busy, |_| {});
    let titles_wanted = ["good 1", "bad", "good 2", "bad", "good 3"];
    for (at, title) in titles_wanted.into_iter().enumerate() {
        let session = World::seeded(10 + u64::try_from(at).unwrap()).session(title);
        let reply = reply.clone();
        let commit = Commit::new(Actor::User, |_| Ok(vec![Event::SessionCreated(session)]));
        store.submit(commit.key(keyed(&format!("{at}"), "h")), move |verdict| {
            reply.send((title, verdict.is_ok())).unwrap();
        });
    }
    release.send(()).unwrap();
    for _ in titles_wanted {
        let (title, taken) = answers.recv().unwrap();
        assert_eq!(taken, title != "bad");
    }
    assert_eq!(kept(&mut sql), ["good 1", "good 2", "good 3"]);
    store.close();
    sql.batch_execute("ALTER TABLE sessions DROP CONSTRAINT none_bad").unwrap();
    let (store, _) = alpha.open(&schema).unwrap();
    assert_eq!(titles(&store).len(), 3);
    assert_eq!(store.verify().unwrap().journal.problems, []);
}

#[test]
fn what_fails_at_its_commit_is_not_acknowledged() {
    let Some(schema) = Schema::new() else { return };
    let (store, _) = Machine::new("alpha", 1).open(&schema).unwrap();
    let mut sql = schema.sql();
    sql.batch_execute(
        "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql
             AS $$ BEGIN RAISE EXCEPTION 'not now' USING ERRCODE = '40001'; END $$;
         CREATE CONSTRAINT TRIGGER late AFTER INSERT ON journal DEFERRABLE INITIALLY DEFERRED
             FOR EACH ROW EXECUTE FUNCTION fail()",
    )
    .unwrap();
    for asks in [true, false] {
        match create(&store, "late", 1, |_| {}, asks) {
            Err(CommitError::Refused(refusal)) => assert_eq!(&*refusal.code, "database_busy"),
            other => panic!("{other:?}"),
        }
    }
    sql.batch_execute("DROP TRIGGER late ON journal").unwrap();
    create(&store, "kept", 2, |_| {}, false).unwrap();
    assert_eq!(kept(&mut sql), ["kept"]);
    assert_eq!(store.verify().unwrap().journal.problems, []);
}
