//! kill -9 of the daemon while a plan works in worktrees: when one is made, while a task works, when its work lands, when something is
//! handed back because the user has committed meanwhile, and when the whole comes to the user's branch.

use super::stage::{lives, shoot};
use crate::house::{House, command_line, text, until};
use model::{DEFAULT_WORKSPACE, PlanState, Vendor};
use protocol::{NewPlan, Plan};
use scripted::{Scripted, ScriptedOptions};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use testkit::TempRepo;

/// When the daemon is shot, and so many milliseconds later.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Moment {
    /// The first worktree is there.
    Made(u64),
    /// A task is in its shell.
    Working,
    /// The plan's tip has moved.
    Landed(u64),
    /// What does not go together with the user's commit was written down.
    Back(u64),
    /// An agent is about to settle that.
    Settling,
    /// It is settled.
    Settled(u64),
    /// The tests have run.
    Tested(u64),
    /// The user's branch has moved.
    Moved(u64),
}

use Moment::{Back, Landed, Made, Moved, Settled, Settling, Tested, Working};
const MOMENTS: [Moment; 11] = [
    Made(0),
    Landed(0),
    Working,
    Back(0),
    Moved(0),
    Settling,
    Landed(5),
    Settled(0),
    Back(4),
    Tested(0),
    Moved(4),
];
/// How long anything may take. Only a failing test waits that long.
const PATIENCE: Duration = Duration::from_secs(60);
const AGENTS: [(&str, Vendor); 2] = [("claude", Vendor::Anthropic), ("gemini", Vendor::Google)];
const KEY: &str = "CODITECT_TEST_MODEL_KEY";

struct Place {
    house: House,
    repo: TempRepo,
    _models: Scripted,
}

impl Place {
    fn new() -> Self {
        let models = Scripted::start(ScriptedOptions::default()).unwrap();
        let house = House::new();
        let agent = |(name, vendor): (&str, Vendor)| {
            let url = models.base_url(vendor);
            let agent = json!({ "vendor": vendor, "model": name, "api_key_env": KEY, "base_url": url });
            (name.to_owned(), agent)
        };
        let agents: serde_json::Map<String, serde_json::Value> = AGENTS.into_iter().map(agent).collect();
        std::fs::create_dir_all(house.root.config().parent().unwrap()).unwrap();
        std::fs::write(house.root.config(), json!({ "agents": agents }).to_string()).unwrap();
        let repo = TempRepo::with(&[("README.md", "# shop\n")]);
        for round in 0..MOMENTS.len() {
            for name in ["a", "b", "c", "shared"] {
                repo.write(&format!("{name}{round}.txt"), "one\n");
            }
        }
        repo.commit_all("files");
        let place = Self { house, repo, _models: models };
        place.up();
        let tests = format!("touch '{}'", place.mark("tested").display());
        let path = place.repo.path().to_str().unwrap();
        place.house.json(&["repo", "add", path, "--name", "shop", "--test", &tests, "--json"]);
        place
    }

    fn mark(&self, name: &str) -> PathBuf {
        self.house.dir.path().join(name)
    }

    fn up(&self) {
        let up = self.house.command(&["up", "--headless"]).env(KEY, "test-key").output().unwrap();
        assert!(up.status.success(), "{}", text(&up));
    }

    /// Kills the daemon; nothing of what it ran outlives it.
    fn kill(&self) {
        let pid = self.house.pid().unwrap();
        shoot(pid);
        until("the daemon's death", || (!lives(pid)).then_some(()));
        let name = self.house.dir.path().display().to_string();
        let gone = || {
            let all = std::fs::read_dir("/proc").unwrap().flatten();
            let mut pids = all.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
            pids.all(|pid| !command_line(pid).contains(&name)).then_some(())
        };
        until("the end of all it ran", gone);
    }

    /// Claude does `a` and `c`, gemini `b`, with a line in the file that the user changes, too. `c` waits until it may go on.
    fn begin(&self, round: usize) -> String {
        let mark = |name: &str| self.mark(name).display().to_string();
        let (works, go, settling, settle) = (mark("works"), mark("go"), mark("settling"), mark("settle"));
        let wait = |file: &str| format!("until test -e '{file}'; do sleep 0.02; done");
        let shared = format!("shared{round}.txt");
        // What is done again after a kill finds what it did. Two angles would end the directive.
        let line =
            format!("grep -q gemini {shared} || echo gemini | tee -a {shared}; echo two > b{round}.txt");
        let b = format!(
            "<<for gemini>><<bash if grep -qE '^[<]{{7}} ' {shared}; then touch '{settling}'; {}; sed -i -E '/^[<=>]{{7}}/d' {shared}; \
             else {line}; fi>><<say Changed b.>><<end>>",
            wait(&settle)
        );
        let a = format!("<<for claude>><<bash echo two > a{round}.txt>><<say Changed a.>><<end>>");
        let c = format!(
            "<<for claude>><<bash touch '{works}'; {}; echo two > c{round}.txt>><<say Changed c.>><<end>>",
            wait(&go)
        );
        let task = |name: &str, after: &[&str], instructions: &str| {
            json!({"name": name, "title": format!("Change {name}{round}"), "files": [format!("{name}{round}.txt")],
                   "depends_on": after, "instructions": instructions})
        };
        let looks = "<<for claude>><<say Looks right.>><<end>>";
        let mine = json!({"tasks": [task("a", &[], &a), task("b", &[], looks), task("c", &["a", "b"], &c)]});
        let theirs = json!({"tasks": [task("b", &[], &b)]});
        let prompt = format!(
            "Make it so.\n[[for claude]]\n[[plan {mine}]]\n[[say Three tasks.]]\n[[end]]\n[[for gemini]]\n[[plan {theirs}]]\n\
             [[say One task.]]\n[[end]]"
        );
        let new = ["session", "new", "work", "--agents", "claude,gemini", "--repo", "shop", "--json"];
        let session = self.house.json(&new)["id"].as_str().unwrap().to_owned();
        let new = NewPlan { prompt, agents: Vec::new(), worktrees: true, client: None };
        self.house.api(async |client| client.coordinate(&session, &new, None).await.unwrap()).id.to_string()
    }

    fn plan(&self, plan: &str) -> Plan {
        self.house.api(async |client| client.plan(plan).await.unwrap().value)
    }

    fn git_ref(&self, name: &str) -> Option<String> {
        std::fs::read_to_string(self.repo.path().join(".git/refs").join(name)).ok()
    }

    fn worktrees(&self) -> Vec<PathBuf> {
        let folder = self.house.root.workspace(DEFAULT_WORKSPACE).worktrees().join("shop");
        let there = std::fs::read_dir(folder).into_iter().flatten().flatten();
        there.map(|entry| entry.path()).filter(|path| name(path).starts_with("plan-")).collect()
    }

    /// Whether it has come to the moment; `tip` and `main` are where the plan and the branch stood before.
    fn has_come(&self, moment: Moment, plan: &str, main: &str) -> bool {
        match moment {
            Made(_) => !self.worktrees().is_empty(),
            Working => self.mark("works").exists(),
            Landed(_) => self.git_ref(&format!("coditect/plans/{plan}")).is_some_and(|tip| tip != main),
            Back(_) => self.git_ref(&format!("coditect/settling/{plan}")).is_some(),
            Settling => self.mark("settling").exists(),
            Settled(_) => {
                self.mark("settling").exists() && self.git_ref(&format!("coditect/settling/{plan}")).is_none()
            }
            Tested(_) => self.mark("tested").exists(),
            Moved(_) => self.git_ref("heads/main").is_some_and(|tip| tip != main),
        }
    }

    /// Looks without a pause, for what is waited for is over in milliseconds; then shoots, and starts it again.
    fn shoot_at(&self, moment: Moment, plan: &str, main: &str) {
        let deadline = Instant::now() + PATIENCE;
        while !self.has_come(moment, plan, main) {
            assert!(Instant::now() < deadline, "never came to {moment:?}: {:#?}", self.plan(plan));
            std::hint::spin_loop();
        }
        if let Made(later) | Landed(later) | Back(later) | Settled(later) | Tested(later) | Moved(later) =
            moment
        {
            std::thread::sleep(Duration::from_millis(later));
        }
        self.kill();
        // Said once more by whoever is at it again.
        let _ = std::fs::remove_file(self.mark("works"));
        self.up();
    }

    fn main(&self) -> String {
        self.git_ref("heads/main").unwrap()
    }

    /// One plan, in the middle of which the user commits and the daemon is killed.
    fn play(&self, round: usize, moment: Moment) {
        for mark in ["works", "go", "settling", "settle", "tested"] {
            let _ = std::fs::remove_file(self.mark(mark));
        }
        if moment != Settling {
            std::fs::write(self.mark("settle"), "").unwrap();
        }
        let main = self.main();
        let plan = self.begin(round);
        if matches!(moment, Made(_) | Working | Landed(_)) {
            self.shoot_at(moment, &plan, &main);
        }
        until("the last task waits", || self.mark("works").exists().then_some(()));
        self.repo.write(&format!("shared{round}.txt"), "user\n");
        self.repo.commit_all(&format!("the user's own {round}"));
        let main = self.main();
        std::fs::write(self.mark("go"), "").unwrap();
        if matches!(moment, Back(_) | Settling | Settled(_) | Tested(_) | Moved(_)) {
            self.shoot_at(moment, &plan, &main);
        }
        std::fs::write(self.mark("settle"), "").unwrap();
        let deadline = Instant::now() + PATIENCE;
        let over = loop {
            let now = self.plan(&plan);
            if now.kept.is_some() {
                break now;
            }
            assert!(Instant::now() < deadline, "{moment:?}: never over: {now:#?}");
            std::thread::sleep(Duration::from_millis(20));
        };
        self.check(round, moment, &over);
    }

    /// The work of each task is on the branch once, on top of the user's, and nothing else is left.
    fn check(&self, round: usize, moment: Moment, over: &Plan) {
        assert_eq!(over.state, PlanState::Completed, "{moment:?}: {over:#?}");
        assert_eq!(over.kept.as_deref(), Some(&[][..]), "{moment:?}");
        let log = self.repo.git(&["log", "--format=%s", "main"]);
        for name in ["a", "b", "c"] {
            let title = format!("Change {name}{round}");
            let times =
                log.lines().filter(|subject| *subject == title || subject.starts_with(&format!("{title} ")));
            assert_eq!(times.count(), 1, "{moment:?}: {title} in {log}: {over:#?}");
            assert_eq!(self.repo.read(&format!("{name}{round}.txt")), "two\n", "{moment:?}");
        }
        assert_eq!(log.lines().count(), 2 + 4 * (round + 1), "{moment:?}: {log}");
        let shared = self.repo.read(&format!("shared{round}.txt"));
        assert!(shared.contains("user") && shared.contains("gemini"), "{moment:?}: {shared}");
        assert!(!shared.contains("<<<"), "{moment:?}: {shared}");
        assert_eq!(self.repo.git(&["status", "--short"]), "", "{moment:?}");
        let git = self.repo.path().join(".git");
        assert!(!git.join("index.lock").exists() && !git.join("coditect-landing").exists(), "{moment:?}");
        for left in ["whole", "settling", "tested"] {
            assert_eq!(self.repo.git(&["for-each-ref", &format!("refs/coditect/{left}")]), "", "{moment:?}");
        }
        assert_eq!(self.repo.git(&["worktree", "list"]).lines().count(), 1, "{moment:?}");
        assert_eq!(self.repo.git(&["branch", "--list"]).trim(), "* main", "{moment:?}");
        assert_eq!(self.worktrees(), Vec::<PathBuf>::new(), "{moment:?}");
        until("all locks are given back", || {
            let locks = self.house.json(&["lock", "list", "--json"]);
            locks["items"].as_array().unwrap().is_empty().then_some(())
        });
    }
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

#[test]
fn a_plan_in_worktrees_that_is_killed_comes_to_its_end_with_the_work_of_each_once() {
    let place = Place::new();
    for (round, moment) in MOMENTS.into_iter().enumerate() {
        place.play(round, moment);
    }
    let verified = place.house.run(&["data", "verify", "--json"]);
    assert!(verified.status.success(), "{}", text(&verified));
}
