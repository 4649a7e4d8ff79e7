//! Session archives: written out, read in elsewhere, written out again; and files that are none, cut, edited or made by hand.

use crate::scene::{Scene, call, names};
use engine::{NewFork, SessionFilter};
use journal::Chain;
use model::{Event, Refusal, SessionId, SessionState, TaskState};
use serde_json::{Value, json};
use std::path::PathBuf;

const KIND: &str = "coditect.session";

/// The lines of an archive.
fn export(scene: &Scene, session: SessionId, family: bool) -> Vec<String> {
    let mut out = Vec::new();
    let archive = scene.engine().export_session(&call(), session, family).unwrap();
    // It waits for the journal, as whoever writes it for a caller may.
    let tally = tokio::task::block_in_place(|| archive.write_to(&mut out)).unwrap();
    let text = String::from_utf8(out).unwrap();
    let lines: Vec<String> = text.lines().map(str::to_owned).collect();
    assert_eq!(lines.len() as u64, tally.lines);
    assert!(lines.last().unwrap().contains(&tally.archive), "the last line is the signature");
    lines
}

/// What an archive says happened, but for where it stood in the journal.
fn facts(lines: &[String]) -> Vec<Value> {
    let events = lines.iter().map(|line| serde_json::from_str::<Value>(line).unwrap());
    events
        .filter(|line| line["type"] == json!("event"))
        .map(|mut line| {
            let fields = line.as_object_mut().unwrap();
            fields.remove("x");
            fields.remove("cursor");
            line
        })
        .collect()
}

/// The lines, chained anew as somebody would who knows how.
fn chained(lines: &[Value]) -> Vec<String> {
    let (mut out, mut chain) = (Vec::new(), Chain::new(KIND));
    for line in lines {
        let mut line = line.clone();
        line.as_object_mut().unwrap().remove("x");
        chain.put(&mut out, &line).unwrap();
    }
    String::from_utf8(out).unwrap().lines().map(str::to_owned).collect()
}

fn values(lines: &[String]) -> Vec<Value> {
    lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect()
}

struct File {
    dir: tempfile::TempDir,
}

impl File {
    fn of(text: impl AsRef<[u8]>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("session.jsonl"), text).unwrap();
        Self { dir }
    }

    fn lines(lines: &[String]) -> Self {
        Self::of(lines.join("\n") + "\n")
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("session.jsonl")
    }
}

async fn import(scene: &Scene, file: &File) -> Result<engine::ImportedSession, Refusal> {
    scene.engine().import_session(&call(), file.path()).await
}

/// A session in which two agents said something, and a fork of it.
async fn led(scene: &Scene) -> SessionId {
    let session = scene.session(None, &["claude", "kimi"]).await;
    for text in ["[[say the word is heliotrope]]", "[[say and that is all]]"] {
        let task = scene.prompt(session, text, &[]).await.unwrap();
        assert_eq!(scene.task_over(task.task.id).await.state, TaskState::Completed);
    }
    scene
        .until("the runs are over", || {
            let ended = scene.kinds().iter().filter(|kind| **kind == "run.exited").count();
            (ended >= scene.kinds().iter().filter(|kind| **kind == "run.started").count()).then_some(())
        })
        .await;
    session
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_exported_and_read_in_elsewhere_is_exported_alike() {
    let (here, there) = (Scene::new(&[]).await, Scene::new(&[]).await);
    let session = led(&here).await;
    let fork = here.engine().fork_session(&call(), session, NewFork::default()).await.unwrap().session.id;
    let lines = export(&here, session, true);
    let file = File::lines(&lines);
    let imported = import(&there, &file).await.unwrap();
    assert_eq!(imported.sessions.len(), 2);
    assert_eq!(
        (imported.session, imported.read, imported.lines),
        (session, imported.events, lines.len() as u64)
    );
    assert_eq!(facts(&export(&there, session, true)), facts(&lines));
    let before = there.engine().newest();
    let again = import(&there, &file).await.unwrap();
    assert_eq!((again.read, again.source), (0, imported.source.clone()), "a second import does nothing");
    assert_eq!(there.engine().newest(), before);
    let (ours, theirs) = (here.engine().session(session).unwrap(), there.engine().session(session).unwrap());
    assert_eq!((theirs.session.clone(), theirs.usage, theirs.state), (ours.session, ours.usage, ours.state));
    assert_eq!((theirs.updated_at, theirs.imported), (ours.updated_at, Some(imported.source)));
    let said = |scene: &Scene| scene.engine().messages(session, None, 0, false).unwrap().messages;
    assert_eq!(said(&there), said(&here));
    assert_eq!(there.engine().session(fork).unwrap().session.forked_from, Some(session));
    assert_eq!(there.engine().status().unwrap().usage, model::Usage::default(), "it was paid for elsewhere");
    let turns = |scene: &Scene| {
        let wanted = scene.engine().newest();
        let mut looks = (0..30).map(|_| scene.engine().agent_figures(Some(session), None).unwrap());
        let (figures, _) = looks.find(|(_, status)| status.position >= wanted).expect("the figures follow");
        figures.iter().map(|one| (one.agent.clone(), one.turns, one.completed)).collect::<Vec<_>>()
    };
    assert_eq!(turns(&here), [("claude".to_owned(), 2, 2), ("kimi".to_owned(), 2, 2)]);
    assert_eq!(turns(&there), [], "and done elsewhere");
    let listed = there.engine().sessions(SessionFilter::default(), None).unwrap();
    assert_eq!(listed.sessions.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_imported_session_is_history_that_can_be_forked() {
    let (here, mut there) = (Scene::new(&[]).await, Scene::new(&[]).await);
    let session = here.session(None, &["claude"]).await;
    let busy = here.prompt(session, "[[ask Go on?]]\n[[say went on]]", &[]).await.unwrap().task.id;
    here.task_in(busy, &[TaskState::InputRequired]).await;
    import(&there, &File::lines(&export(&here, session, false))).await.unwrap();
    let view = there.engine().session(session).unwrap();
    assert_eq!((view.state, view.needs_input), (SessionState::Completed, 0));
    let task = there.engine().task(busy).unwrap();
    assert_eq!(task.state, TaskState::Canceled);
    assert!(task.text.is_some_and(|text| text.contains("under way")));
    let refused = there.prompt(session, "[[say no]]", &[]).await.unwrap_err();
    assert_eq!(refused.code, "session_imported");
    there.shut().await;
    assert_eq!(there.open().await, Vec::<String>::new(), "there is nothing to recover");
    assert_eq!(there.model.requests().len(), 0, "and nobody was set to work");
    let fork = there.engine().fork_session(&call(), session, NewFork::default()).await.unwrap().session.id;
    let done = there.prompt(fork, "[[say here]]", &[]).await.unwrap().task.id;
    assert_eq!(there.task_over(done).await.state, TaskState::Completed);
    let asked = there.model.requests().pop().unwrap().body.to_string();
    assert!(asked.contains("Go on?"), "the fork knows what was said: {asked}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_was_cut_edited_or_is_none_is_refused_and_leaves_nothing() {
    let (here, there) = (Scene::new(&[]).await, Scene::new(&[]).await);
    let session = led(&here).await;
    let lines = export(&here, session, false);
    let whole = lines.join("\n") + "\n";
    let before = there.engine().newest();
    let last = lines.len();
    let edited = whole.replacen("heliotrope", "heliotripe", 1);
    let at = 1 + edited.lines().position(|line| line.contains("heliotripe")).unwrap();
    let without_fifth = [&lines[..4], &lines[5..]].concat();
    let newer = whole.replacen("\"version\":1", "\"version\":2", 1);
    let newer = chained(&values(&newer.lines().map(str::to_owned).collect::<Vec<_>>()));
    for (text, code, line) in [
        (lines[..last - 1].join("\n") + "\n", "archive_cut", last),
        (whole[..whole.len() - 20].to_owned(), "archive_cut", last),
        (lines[..3].join("\n") + "\n{\"x\":\"", "archive_cut", 4),
        (edited, "archive_edited", at),
        (without_fifth.join("\n") + "\n", "archive_edited", 5),
        (whole.clone() + &lines[last - 1] + "\n", "archive_edited", last + 1),
        (newer.join("\n") + "\n", "archive_newer", 1),
    ] {
        let refused = import(&there, &File::of(&text)).await.unwrap_err();
        assert_eq!(refused.code, code, "{}", refused.message);
        assert!(
            refused.message.contains(&format!("line {line} "))
                || refused.message.contains(&format!("line {line}:")),
            "{}",
            refused.message
        );
        assert!(refused.hint.is_some());
    }
    for (text, code) in [
        ("", "archive_unknown"),
        ("my own notes\n", "archive_unknown"),
        ("{\"type\":\"user\",\"message\":{}}\n", "archive_unknown"),
    ] {
        assert_eq!(import(&there, &File::of(text)).await.unwrap_err().code, code, "{text}");
    }
    let folder = there.engine().import_session(&call(), std::env::temp_dir()).await.unwrap_err();
    assert_eq!(folder.code, "archive_unreadable");
    let relative = there.engine().import_session(&call(), "session.jsonl".into()).await.unwrap_err();
    assert_eq!(relative.code, "path_not_absolute");
    assert_eq!(there.engine().newest(), before, "nothing of any of them was read in");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_here_is_never_written_over() {
    let (here, there) = (Scene::new(&[]).await, Scene::new(&[]).await);
    let session = led(&here).await;
    let lines = export(&here, session, false);
    let refused = import(&here, &File::lines(&lines)).await.unwrap_err();
    assert_eq!(refused.code, "session_exists", "it was never away");
    import(&there, &File::lines(&lines)).await.unwrap();
    let later = export(&here, session, false);
    assert_eq!(
        import(&there, &File::lines(&later)).await.unwrap_err().code,
        "session_exists",
        "another archive"
    );

    // Somebody who knows how chains an archive whose events act on what it does not bring.
    let own = there.session(None, &["claude"]).await;
    let waiting = there.prompt(own, "[[ask Go on?]]\n[[say went on]]", &[]).await.unwrap().task.id;
    there.task_in(waiting, &[TaskState::InputRequired]).await;
    let third = here.session(None, &["claude"]).await;
    let good = values(&export(&here, third, false));
    let mut bad = good.clone();
    let payload = json!({ "session": third, "task": waiting, "text": "gone" });
    let mut cancel = bad[1].clone();
    cancel["kind"] = json!("task.canceled");
    cancel["payload"] = payload;
    bad.insert(bad.len() - 1, cancel);
    let end = bad.len() - 1;
    bad[end]["lines"] = json!(end);
    bad[end]["events"] = json!(end - 1);
    let refused = import(&there, &File::lines(&chained(&bad))).await.unwrap_err();
    assert_eq!(refused.code, "archive_malformed", "{}", refused.message);
    assert_eq!(there.engine().task(waiting).unwrap().state, TaskState::InputRequired);
    // And one that speaks of a session its manifest does not name.
    let mut bad = good;
    bad[1]["payload"]["id"] = json!(own);
    assert_eq!(import(&there, &File::lines(&chained(&bad))).await.unwrap_err().code, "archive_malformed");
    assert!(there.engine().session(third).is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_of_many_pieces_is_read_in_once_whoever_else_reads_it() {
    const MESSAGES: usize = 3_000;
    let (here, there) = (Scene::new(&[]).await, Scene::new(&[]).await);
    let session = led(&here).await;
    let mut lines = values(&export(&here, session, false));
    let end = lines.pop().unwrap();
    let said = lines.iter().rfind(|line| line["kind"] == json!("message.appended")).unwrap().clone();
    for n in 0..MESSAGES {
        let mut more = said.clone();
        more["payload"]["id"] = json!(format!("msg_{n:032x}"));
        lines.push(more);
    }
    let count = lines.len();
    lines.push(end);
    lines[count]["lines"] = json!(count);
    lines[count]["events"] = json!(count - 1);
    let file = File::lines(&chained(&lines));
    let (one, other) = tokio::join!(import(&there, &file), import(&there, &file));
    let read = |outcome: &Result<engine::ImportedSession, Refusal>| match outcome {
        Ok(imported) => Some(imported.read),
        Err(refusal) => {
            assert_eq!(refusal.code, "archive_moved");
            None
        }
    };
    assert!(read(&one).is_some() || read(&other).is_some());
    assert_eq!(import(&there, &file).await.unwrap().read, 0);
    let exported = export(&there, session, false);
    assert_eq!(facts(&exported).len(), count - 1, "each event is there once");
    let events = there.events();
    let pieces: Vec<_> = events
        .iter()
        .filter_map(|event| match event {
            Event::SessionImported(import) => Some((import.from, import.lines, import.whole)),
            _ => None,
        })
        .collect();
    assert!(pieces.len() > 2, "{pieces:?}");
    assert!(
        pieces.windows(2).all(|two| two[0].1 == two[1].0 && !two[0].2),
        "each begins where the last ended"
    );
    assert!(pieces.last().unwrap().2);
}

#[tokio::test(flavor = "multi_thread")]
async fn agents_neither_export_nor_import() {
    let scene = Scene::new(&[]).await;
    let session = scene.session(None, &["claude"]).await;
    let seat = scene.engine().session(session).unwrap().participants[0].participant.id;
    let agent = engine::Caller::Run {
        run: "run_018f000000007000800000000000000a".parse().unwrap(),
        session,
        participant: seat,
        agent: names(&["claude"])[0].clone(),
        registration: "reg_018f000000007000800000000000000a".parse().unwrap(),
    };
    let call = engine::Call { caller: agent, ..call() };
    assert_eq!(scene.engine().export_session(&call, session, false).unwrap_err().code, "not_for_agents");
    let refused = scene.engine().import_session(&call, "/session.jsonl".into()).await.unwrap_err();
    assert_eq!(refused.code, "not_for_agents");
}
