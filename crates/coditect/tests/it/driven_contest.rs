//! Any two vendors' programs want the same file at the same time. One waits for the other, and both finish.

use crate::house::{Daemon, House, until};
use crate::scenario::daemon::{agent, models};
use model::TaskState;
use serde_json::{Value, json};
use testkit::TempRepo;
use testkit::vendors::{VendorCli, Vendors};

/// Does its edit, and works on until it is told that the other one waits.
const FIRST: &str = "[[read shared.txt]] [[edit shared.txt|base|base\\nfirst]] \
                     [[bash until test -e go.txt; do sleep 0.1; done]] [[say the first is done]]";
const SECOND: &str = "[[bash cat shared.txt]] [[read shared.txt]] [[edit shared.txt|base|base\\nsecond]] [[say the second is done]]";

fn submit(house: &House, session: &str, agent: &str, text: &str) -> String {
    let targets = vec![agent.parse().unwrap()];
    let new = protocol::NewPrompt { text: text.to_owned(), targets, ..protocol::NewPrompt::default() };
    house.api(async |client| client.prompt(session, &new, None).await.unwrap()).id.to_string()
}

/// Who holds the file, and whether somebody waits for it.
fn seen(house: &House) -> (usize, usize) {
    let table = house.api(async |client| client.locks().await.unwrap());
    let is_shared = |path: &str| path == "shared.txt";
    let held = table.items.iter().filter(|lock| is_shared(lock.path.as_str())).count();
    (held, table.waits.len())
}

/// A test for each pair; every program comes first at least once and second at least once.
macro_rules! pairs {
    ($($name:ident: $first:ident, $second:ident;)+) => {
        $(#[test]
        fn $name() {
            let Some(vendors) = Vendors::find("two programs want one file") else { return };
            contest(&vendors, VendorCli::$first, VendorCli::$second);
        })+

        #[test]
        fn any_two_meet_and_everybody_is_the_first_and_the_second_once() {
            let pairs = [$((VendorCli::$first, VendorCli::$second)),+];
            for cli in VendorCli::ALL {
                assert!(pairs.iter().any(|pair| pair.0 == cli), "{cli:?}");
                assert!(pairs.iter().any(|pair| pair.1 == cli), "{cli:?}");
                for other in VendorCli::ALL {
                    let meet = |pair: &&(VendorCli, VendorCli)| **pair == (cli, other) || **pair == (other, cli);
                    assert_eq!(pairs.iter().filter(meet).count(), usize::from(cli != other), "{cli:?}, {other:?}");
                }
            }
        }
    };
}

pairs! {
    claude_then_codex: Claude, Codex;
    codex_then_gemini: Codex, Gemini;
    gemini_then_kimi: Gemini, Kimi;
    kimi_then_claude: Kimi, Claude;
    gemini_then_claude: Gemini, Claude;
    kimi_then_codex: Kimi, Codex;
}

fn contest(vendors: &Vendors, first: VendorCli, second: VendorCli) {
    let models = models();
    let homes = [first, second].map(|cli| vendors.home(cli, models.addr()));
    let house = House::new();
    let agents: serde_json::Map<String, Value> =
        homes.iter().map(|home| (home.cli().name().to_owned(), agent(vendors, home, "all"))).collect();
    std::fs::create_dir_all(house.root.path()).unwrap();
    std::fs::write(house.root.config(), json!({"agents": agents}).to_string()).unwrap();
    let daemon = Daemon::start(house.command(&["daemon", "run"]));
    let repo = TempRepo::with(&[("shared.txt", "base\n")]);

    let seats = format!("{},{}", first.name(), second.name());
    let place = repo.path().to_str().unwrap();
    let session = house.json(&["session", "new", "contest", "--agents", &seats, "--repo", place, "--json"]);
    let session = session["id"].as_str().unwrap();
    let begun = submit(&house, session, first.name(), FIRST);
    until("the first edit", || (repo.read("shared.txt") == "base\nfirst\n").then_some(()));
    let waits = submit(&house, session, second.name(), SECOND);
    until("the second to wait for the first", || (seen(&house) == (1, 1)).then_some(()));
    assert_eq!(repo.read("shared.txt"), "base\nfirst\n", "the file is the first one's");
    repo.write("go.txt", "");

    for task in [begun, waits] {
        let ended = until("both to finish", || {
            let task = house.api(async |client| client.task(&task).await.unwrap()).value;
            task.state.is_terminal().then_some(task)
        });
        assert_eq!(ended.state, TaskState::Completed, "{:?}", ended.text);
    }
    assert_eq!(repo.read("shared.txt"), "base\nsecond\nfirst\n", "neither edit is lost");
    until("nothing to be left locked", || (seen(&house) == (0, 0)).then_some(()));
    drop(daemon);
}
