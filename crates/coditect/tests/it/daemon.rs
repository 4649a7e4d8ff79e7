//! One daemon from its start to its end.

use crate::house::{Daemon, House, coditect, text, until};
use rustix::process::Signal;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

#[test]
fn a_daemon_is_there_when_it_says_so_and_gone_when_it_was_asked_to_stop() {
    let house = House::new();
    let daemon = house.daemon();
    let info = house.info().expect("it has announced itself");
    let address = info["address"].as_str().unwrap();
    assert!(daemon.ready_line.contains(&format!("http://{address}")), "{}", daemon.ready_line);
    assert_eq!(house.pid(), Some(daemon.pid()));
    let version = house.api(async |client| client.version().await.unwrap());
    assert_eq!(version.pid, daemon.pid());
    for path in [
        house.root.path().to_owned(),
        house.root.daemon_dir(),
        house.root.workspace("default").path().to_owned(),
    ] {
        assert_eq!(
            std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o700,
            "{}",
            path.display()
        );
    }
    for path in
        [house.root.token(), house.root.daemon_info(), house.root.daemon_log(), house.root.machine_id()]
    {
        assert_eq!(
            std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600,
            "{}",
            path.display()
        );
    }
    let stopping = house.api(async |client| client.shut_down().await.unwrap());
    assert_eq!(stopping.pid, daemon.pid());
    assert_eq!(daemon.ended(), Some(0));
    assert!(!house.root.daemon_info().exists());
    assert!(!house.root.daemon_dir().join("daemon.sock").exists());
    let log = std::fs::read_to_string(house.root.daemon_log()).unwrap();
    assert!(log.contains("asked to by a client") && log.contains("the daemon has stopped"), "{log}");
}

#[test]
fn token_and_machine_id_are_made_once() {
    let house = House::new();
    let read = || {
        (
            std::fs::read_to_string(house.root.token()).unwrap(),
            std::fs::read_to_string(house.root.machine_id()).unwrap(),
            house.info().unwrap()["address"].clone(),
        )
    };
    let daemon = house.daemon();
    let first = read();
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.ended(), Some(0));
    let again = house.daemon();
    assert_eq!(read(), first, "an open page finds its daemon again");
    drop(again);
}

#[test]
fn the_second_daemon_names_the_first_and_leaves_it_alone() {
    let house = House::new();
    let first = house.daemon();
    let second = house.run(&["daemon", "run"]);
    assert_eq!(second.status.code(), Some(5), "{}", text(&second));
    let said = text(&second);
    let address = house.info().unwrap()["address"].as_str().unwrap().to_owned();
    assert!(said.contains(&first.pid().to_string()) && said.contains(&address), "{said}");
    assert!(said.contains("coditect daemon stop"), "no next step: {said}");
    assert_eq!(house.api(async |client| client.version().await.unwrap()).pid, first.pid());
}

#[test]
fn both_signals_stop_it_in_good_order() {
    for signal in [Signal::TERM, Signal::INT] {
        let house = House::new();
        let daemon = house.daemon();
        daemon.signal(signal);
        assert_eq!(daemon.ended(), Some(0), "{signal:?}");
        assert!(!house.root.daemon_info().exists(), "{signal:?}");
    }
}

#[test]
fn a_tied_daemon_ends_with_whoever_started_it() {
    let house = House::new();
    let mut command = coditect(house.dir.path());
    command.arg("__daemon").arg(house.root.path()).stdin(Stdio::piped());
    let mut daemon = Daemon::start(command);
    assert_eq!(house.api(async |client| client.version().await.unwrap()).pid, daemon.pid());
    drop(daemon.stdin.take());
    assert_eq!(daemon.ended(), Some(0));
}

#[test]
fn what_a_dead_daemon_left_is_in_nobodys_way() {
    let house = House::new();
    let first = house.daemon();
    let session = house.json(&["session", "new", "kept", "--agents", "claude", "--json"]);
    first.kill();
    for path in
        [house.root.daemon_info(), house.root.daemon_lock(), house.root.daemon_dir().join("daemon.sock")]
    {
        assert!(path.exists(), "{} should be left over", path.display());
    }
    let second = house.daemon();
    let sessions =
        house.api(async |client| client.sessions(&protocol::SessionQuery::default()).await.unwrap());
    let ids: Vec<String> = sessions.value.items.iter().map(|session| session.id.to_string()).collect();
    assert_eq!(ids, [session["id"].as_str().unwrap()]);
    drop(second);
}

#[test]
fn an_old_lock_file_blocks_nothing_whatever_it_says() {
    let house = House::new();
    std::fs::create_dir_all(house.root.daemon_dir()).unwrap();
    // Process 1 lives; it holds no lock.
    std::fs::write(house.root.daemon_lock(), r#"{"pid":1,"since":"2020-01-01T00:00:00.000Z"}"#).unwrap();
    let daemon = house.daemon();
    let said: serde_json::Value =
        serde_json::from_slice(&std::fs::read(house.root.daemon_lock()).unwrap()).unwrap();
    assert_eq!(said["pid"], daemon.pid());
}

#[test]
fn a_port_that_is_taken_is_named() {
    let house = House::new();
    let holder = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = holder.local_addr().unwrap().port();
    std::fs::create_dir_all(house.root.path()).unwrap();
    std::fs::write(house.root.config(), format!(r#"{{"server":{{"port":{port}}}}}"#)).unwrap();
    let refused = house.run(&["daemon", "run"]);
    assert_eq!(refused.status.code(), Some(5), "{}", text(&refused));
    assert!(text(&refused).contains(&port.to_string()), "{}", text(&refused));
    drop(holder);
    let daemon = house.daemon();
    assert!(daemon.ready_line.contains(&format!("127.0.0.1:{port} ")), "{}", daemon.ready_line);
}

#[test]
fn a_configuration_with_a_mistake_is_shown_and_nothing_starts() {
    let house = House::new();
    std::fs::create_dir_all(house.root.path()).unwrap();
    std::fs::write(house.root.config(), r#"{"limitz":{}}"#).unwrap();
    let refused = house.run(&["daemon", "run"]);
    assert!(!refused.status.success());
    let said = text(&refused);
    assert!(said.contains("limitz") && said.contains("config.json"), "{said}");
    assert!(!house.root.daemon_info().exists());
}

#[test]
fn a_daemon_whose_data_root_is_replaced_ends_and_leaves_the_next_one_alone() {
    let house = House::new();
    let mut first = house.daemon();
    house.json(&["session", "new", "kept", "--agents", "claude", "--json"]);
    let away = house.dir.path().join("away");
    std::fs::rename(house.root.path(), &away).unwrap();
    let second = house.daemon();
    let mut said = String::new();
    first.stderr.read_to_string(&mut said).unwrap();
    assert_eq!(first.ended(), Some(1), "{said}");
    assert!(said.contains("data_root_gone") && said.contains("--data-root"), "{said}");
    assert_eq!(house.pid(), Some(second.pid()));
    assert!(house.root.daemon_dir().join("daemon.sock").exists());
    assert_eq!(house.json(&["session", "list", "--json"])["items"], serde_json::json!([]));
    second.kill();
    std::fs::remove_dir_all(house.root.path()).unwrap();
    std::fs::rename(away, house.root.path()).unwrap();
    assert_eq!(house.json(&["session", "list", "--json"])["items"][0]["title"], "kept");
}

#[test]
fn the_log_names_requests_and_never_the_token() {
    let house = House::new();
    let mut command = house.command(&["daemon", "run"]);
    command.env("CODITECT_LOG", "debug").env("ANTHROPIC_API_KEY", "a-key-of-no-value");
    let mut daemon = Daemon::start(command);
    house.api(async |client| client.status().await.unwrap());
    let session = house.json(&["session", "new", "logged", "--agents", "claude", "--json"]);
    let id = session["id"].as_str().unwrap();
    let prompt = protocol::NewPrompt { text: "hello".to_owned(), ..protocol::NewPrompt::default() };
    let task = house.api(async |client| client.prompt(id, &prompt, None).await.unwrap()).id;
    daemon.signal(Signal::TERM);
    let mut said = String::new();
    daemon.stderr.read_to_string(&mut said).unwrap();
    assert_eq!(daemon.ended(), Some(0));
    let log = until("the log", || std::fs::read_to_string(house.root.daemon_log()).ok());
    let lines: Vec<serde_json::Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    let submitted =
        lines.iter().find(|line| line["task"] == task.to_string().as_str()).expect("the task is named");
    let correlation = submitted["correlation"].as_str().unwrap();
    let answered: Vec<_> = lines.iter().filter(|line| line["message"] == "answered").collect();
    assert!(
        answered.iter().any(|line| line["span"]["correlation"] == correlation
            && line["span"]["path"] == format!("/api/v1/sessions/{id}/messages")),
        "what a request made is tied to it: {log}"
    );
    assert!(
        answered.iter().any(|line| line["span"]["path"] == "/api/v1/status"
            && line["span"]["correlation"].as_str().is_some_and(|id| !id.is_empty())),
        "{log}"
    );
    let token = std::fs::read_to_string(house.root.token()).unwrap();
    assert!(!log.contains(token.trim()) && !said.contains(token.trim()));
}
