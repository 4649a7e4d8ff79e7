//! The four vendors' programs in one repository on one coordinated task: each plans, does its part under locks, and
//! reviews what another did; the repository's tests pass, and the branch says who did what.

use crate::house::{Daemon, House, text};
use crate::scenario::daemon::{agent, models};
use serde_json::{Value, json};
use testkit::TempRepo;
use testkit::vendors::{VendorCli, VendorHome, Vendors};

/// The file all four want; one is given it, the others review.
const SHARED: &str = "shared.txt";
/// Passes when each has done its part, and says so in a test runner's words.
const TESTS: &str = "\
passed=0
failed=0
for part in claude codex gemini kimi shared; do
  if grep -qx done $part.txt; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
done
echo \"$passed passed; $failed failed\"
test $failed = 0
";

/// The part of one agent, as its model says it: a file of its own, and the one they all want.
fn part(name: &str) -> String {
    let work = |file: &str| format!("<<read {file}>>\n<<edit {file}|todo\\n|done\\n>>\n<<bash cat {file}>>");
    let shared =
        format!("Whoever has it: todo becomes done.\n{}\n<<say {name} is done with it.>>", work(SHARED));
    let plan = json!({"tasks": [
        {"name": "own", "title": format!("Do the part of {name}"), "files": [format!("{name}.txt")],
         "instructions": format!("{}\n<<say {name} did its part.>>", work(&format!("{name}.txt")))},
        {"name": "common", "title": "Do what all share", "files": [SHARED],
         "instructions": format!("<<for {name}>>\n{shared}\n<<end>>")},
    ]});
    // In a directive a backslash is written twice.
    let plan = plan.to_string().replace('\\', "\\\\");
    format!("[[for {name}]]\n[[read {name}.txt]]\n[[say My plan:\\n```json\\n{plan}\\n```\\n]]\n[[end]]\n")
}

struct Studio {
    house: House,
    repo: TempRepo,
    models: scripted::Scripted,
    _homes: Vec<VendorHome>,
    _daemon: Daemon,
}

impl Studio {
    fn new(vendors: &Vendors) -> Self {
        let models = models();
        let homes: Vec<VendorHome> =
            VendorCli::ALL.into_iter().map(|cli| vendors.home(cli, models.addr())).collect();
        let agents: serde_json::Map<String, Value> =
            homes.iter().map(|home| (home.cli().name().to_owned(), agent(vendors, home, "all"))).collect();
        let house = House::new();
        std::fs::create_dir_all(house.root.path()).unwrap();
        std::fs::write(house.root.config(), json!({"agents": agents}).to_string()).unwrap();
        let daemon = Daemon::start(house.command(&["daemon", "run"]));
        let names = VendorCli::ALL.map(|cli| format!("{}.txt", cli.name()));
        let files: Vec<(&str, &str)> =
            names.iter().map(String::as_str).chain([SHARED]).map(|name| (name, "todo\n")).collect();
        let repo = TempRepo::with(&files);
        repo.write("check.sh", TESTS);
        repo.commit_all("as the work begins");
        Self { house, repo, models, _homes: homes, _daemon: daemon }
    }

    /// Lets the four plan and work; gives the plan as it ended.
    fn coordinate(&self, prompt: &str) -> Value {
        let place = self.repo.path().to_str().unwrap();
        let names = VendorCli::ALL.map(VendorCli::name).join(",");
        let run =
            ["run", "--agents", &names, "--repo", place, "--test", "sh check.sh", "--no-input", "--json"];
        let ran = self.house.run(&[&run[..], &[prompt]].concat());
        assert!(ran.status.success(), "{}\n{}", text(&ran), self.asked());
        let plan = self.house.api(async |client| {
            let summary: Value = serde_json::from_slice(&ran.stdout).unwrap();
            client.plan(summary["plan"].as_str().unwrap()).await.unwrap().value
        });
        serde_json::to_value(plan).unwrap()
    }

    fn asked(&self) -> String {
        let told = |asked: &scripted::Exchange| {
            format!("{:?} {:?} {} {:?}\n", asked.agent, asked.directives, asked.status, asked.refused)
        };
        self.models.requests().iter().map(told).collect()
    }

    fn events(&self) -> Vec<Value> {
        let exported = self.house.run(&["events", "export", "--json"]);
        assert!(exported.status.success(), "{}", text(&exported));
        let lines = String::from_utf8(exported.stdout).unwrap();
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

#[test]
fn all_four_work_in_one_repository_on_one_coordinated_task() {
    let Some(vendors) = Vendors::find("the four programs work on one coordinated task") else { return };
    if vendors.wanted().len() < VendorCli::ALL.len() {
        testkit::skipped("one coordinated task", "it needs all four, and one alone was asked for");
        return;
    }
    let studio = Studio::new(&vendors);
    let parts: String = VendorCli::ALL.map(|cli| part(cli.name())).concat();
    let plan = studio.coordinate(&format!("Make `sh check.sh` pass.\n{parts}"));
    let repo = &studio.repo;

    assert_eq!(plan["state"], "completed", "{plan:#}\n{}", studio.asked());
    assert_eq!(plan["proposals"].as_array().unwrap().len(), 4, "{plan:#}");
    assert_eq!((&plan["tests"]["passed"], &plan["tests"]["failed"]), (&json!(5), &json!(0)), "{plan:#}");
    let tasks = plan["tasks"].as_array().unwrap();
    assert!(tasks.iter().all(|task| task["state"] == "completed"), "{tasks:#?}");
    let of = |kind: &str| tasks.iter().filter(|task| task["kind"] == kind).count();
    assert_eq!((of("propose"), of("work")), (4, 5), "{tasks:#?}");
    assert!(of("review") > 0, "who wanted the shared file and was not given it reviews it: {tasks:#?}");

    for cli in VendorCli::ALL {
        let file = format!("{}.txt", cli.name());
        assert_eq!(repo.read(&file), "done\n", "{file}");
        let commits =
            repo.git(&["log", "--format=%(trailers:key=Co-authored-by,valueonly)", "HEAD", "--", &file]);
        assert!(commits.contains(&format!("{} <", cli.name())), "{file} is not by {}: {commits}", cli.name());
    }
    assert_eq!(repo.git(&["status", "--porcelain"]).trim(), "", "nothing is left uncommitted");
    // Every request came from the vendor's own program.
    for asked in studio.models.requests() {
        let ours = asked.headers.get("user-agent").is_none_or(|name| name.starts_with("coditect/"));
        assert!(!ours, "{:?}", asked.headers);
    }

    let events = studio.events();
    let of = |kind: &'static str| events.iter().filter(move |event| event["kind"] == kind);
    let mut edited: Vec<&str> =
        of("file.modified").map(|event| event["payload"]["path"].as_str().unwrap()).collect();
    edited.sort_unstable();
    assert_eq!(edited, ["claude.txt", "codex.txt", "gemini.txt", "kimi.txt", SHARED]);
    assert!(
        of("file.modified").all(|event| event["payload"]["token"].as_u64() > Some(0)),
        "each under a lock"
    );
    assert_eq!(of("file.strayed").count(), 0, "none of it was stray");
    let locks = studio.house.api(async |client| client.locks().await.unwrap());
    assert_eq!((locks.items.len(), locks.waits.len()), (0, 0), "no lock is left");
    let verified = studio.house.run(&["data", "verify"]);
    assert!(verified.status.success(), "{}", text(&verified));
}
