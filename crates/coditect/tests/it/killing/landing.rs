//! kill -9 of the daemon while the merge queue lands work: while the checks run, between them and the moving of the branch, and
//! right after that, when the checkout does not show it yet and nothing has been recorded.

use super::stage::{lives, shoot};
use crate::house::{House, command_line, text, until};
use model::{Event, MergeId, MergeState};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use testkit::TempRepo;

/// When the daemon is shot, and so many milliseconds later.
#[derive(Debug, Clone, Copy)]
enum Moment {
    Checking,
    Checked(u64),
    Moved(u64),
}

use Moment::{Checked, Checking, Moved};
const MOMENTS: [Moment; 12] = [
    Checking,
    Checked(0),
    Moved(0),
    Moved(2),
    Checked(5),
    Moved(0),
    Checking,
    Checked(10),
    Moved(5),
    Checked(20),
    Moved(0),
    Moved(10),
];
/// Whoever has not met that moment until then never will.
const KILLS_MAX: usize = 40;
/// How long anything may take. Only a failing test waits that long.
const PATIENCE: Duration = Duration::from_secs(60);
const CUT_OFF: &str = "the daemon ended while it was tried";

struct Place {
    house: House,
    repo: TempRepo,
}

impl Place {
    fn new() -> Self {
        let place = Self { house: House::new(), repo: TempRepo::with(&[("README.md", "# shop\n")]) };
        place.up();
        let [began, go, ended] = ["began", "go", "ended"].map(|name| place.mark(name).display().to_string());
        let checks = format!("touch '{began}'; until [ -e '{go}' ]; do sleep 0.02; done; touch '{ended}'");
        let repo = place.repo.path().to_str().unwrap();
        place.house.json(&["repo", "add", repo, "--name", "shop", "--test", &checks, "--json"]);
        place
    }

    fn mark(&self, name: &str) -> PathBuf {
        self.house.dir.path().join(name)
    }

    /// As a user starts it.
    fn up(&self) {
        let up = self.house.run(&["up", "--headless"]);
        assert!(up.status.success(), "{}", text(&up));
    }

    /// Kills the daemon; nothing of what it ran outlives it.
    fn kill(&self) {
        let pid = self.house.pid().unwrap();
        shoot(pid);
        until("the daemon's death", || (!lives(pid)).then_some(()));
        let name = self.house.dir.path().display().to_string();
        until("the checks' end", || processes().all(|pid| !command_line(pid).contains(&name)).then_some(()));
    }

    fn tip(&self) -> String {
        std::fs::read_to_string(self.repo.path().join(".git/refs/heads/main")).unwrap()
    }

    /// Worktrees with a commit each, put into the queue together.
    fn queue(&self, names: &[String]) -> Vec<MergeId> {
        let mut ids = Vec::new();
        for name in names {
            let made = self.house.json(&["worktree", "add", "shop", name, "--json"]);
            let path = made["path"].as_str().unwrap();
            std::fs::write(Path::new(path).join(format!("{name}.txt")), "good\n").unwrap();
            self.repo.git(&["-C", path, "add", "--all"]);
            self.repo.git(&["-C", path, "commit", "-qm", name]);
            let added = self.house.json(&["merge", "add", name, "--hold", "--json"]);
            ids.push(added["id"].as_str().unwrap().parse().unwrap());
        }
        self.house.json(&["merge", "run", "--repo", "shop", "--bisect", "--json"]);
        ids
    }

    /// What was said of each entry, in order.
    fn said(&self) -> HashMap<MergeId, Vec<(MergeState, String)>> {
        let exported = self.house.run(&["events", "export", "--json"]);
        let mut said: HashMap<MergeId, Vec<_>> = HashMap::new();
        for line in String::from_utf8(exported.stdout).unwrap().lines() {
            let event: serde_json::Value = serde_json::from_str(line).unwrap();
            let parsed = Event::parse(event["kind"].as_str().unwrap(), &event["payload"].to_string());
            if let Ok(Event::MergeChanged(change)) = parsed {
                said.entry(change.merge).or_default().push((change.state, change.text));
            }
        }
        said
    }

    /// Everything that was ever queued has landed once, and nothing else is there.
    fn check(&self, all: &[(MergeId, String)]) {
        let said = self.said();
        let subjects = self.repo.git(&["log", "--format=%s", "main"]);
        for (id, name) in all {
            let landed = said[id].iter().filter(|(state, _)| *state == MergeState::Landed).count();
            assert_eq!(landed, 1, "{name}: {:?}", said[id]);
            let commits = subjects.lines().filter(|subject| subject == name).count();
            assert_eq!(commits, 1, "{name} in {subjects}");
            assert_eq!(self.repo.read(&format!("{name}.txt")), "good\n");
        }
        let merges = subjects.lines().filter(|subject| subject.starts_with("Merge ")).count();
        assert!(subjects.lines().count() == 1 + all.len() + merges && merges < all.len(), "{subjects}");
        assert_eq!(self.repo.git(&["status", "--short"]), "", "the checkout shows what has landed");
        let git = self.repo.path().join(".git");
        assert!(!git.join("index.lock").exists() && !git.join("coditect-landing").exists());
        assert_eq!(self.repo.git(&["branch", "--list", "coditect/*"]), "", "where it was tried is gone");
        assert_eq!(self.repo.git(&["worktree", "list"]).lines().count(), 1 + all.len());
        let locks = self.house.json(&["lock", "list", "--json"]);
        assert!(locks["items"].as_array().unwrap().is_empty(), "{locks}");
    }
}

fn processes() -> impl Iterator<Item = u32> {
    let all = std::fs::read_dir("/proc").unwrap().flatten();
    all.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// Looks without a pause: what is waited for is over in milliseconds.
fn at(moment: Moment, mut is_there: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_there() {
        assert!(Instant::now() < deadline, "never came to {moment:?}");
        std::hint::spin_loop();
    }
}

#[test]
fn a_landing_that_is_killed_is_there_once_or_waits() {
    let place = Place::new();
    let (mut all, mut kills, mut half) = (Vec::new(), 0, 0);
    // A moment between the branch and the record is short: it is aimed at until it is met.
    let moments = MOMENTS.into_iter().chain(std::iter::repeat(Moved(0)));
    for (round, moment) in moments.take(KILLS_MAX).enumerate() {
        if round >= MOMENTS.len() && half > 0 {
            break;
        }
        for name in ["began", "ended", "go"] {
            let _ = std::fs::remove_file(place.mark(name));
        }
        let go = place.mark("go");
        if !matches!(moment, Checking) {
            std::fs::write(&go, "").unwrap();
        }
        // One alone, and two that land together.
        let names: Vec<String> = (0..1 + round % 2).map(|n| format!("w{round}-{n}")).collect();
        let tip = place.tip();
        let ids = place.queue(&names);
        let later = match moment {
            Checking => {
                at(moment, || place.mark("began").exists());
                0
            }
            Checked(later) => {
                at(moment, || place.mark("ended").exists());
                later
            }
            Moved(later) => {
                at(moment, || place.tip() != tip);
                later
            }
        };
        std::thread::sleep(Duration::from_millis(later));
        place.kill();
        kills += 1;
        let moved = place.tip() != tip;
        std::fs::write(&go, "").unwrap();
        place.up();
        let said = place.said();
        let last = |id: &MergeId| said[id].last().unwrap().0;
        let fine =
            |id: &MergeId| matches!(last(id), MergeState::Queued | MergeState::Running | MergeState::Landed);
        assert!(ids.iter().all(fine), "{moment:?}: {said:?}");
        let cut_off = |id: &MergeId| said[id].iter().any(|(_, text)| text == CUT_OFF);
        half += usize::from(moved && ids.iter().all(cut_off));
        until("all of them have landed", || {
            let open = place.house.json(&["merge", "list", "--json"]);
            open["items"].as_array().unwrap().is_empty().then_some(())
        });
        all.extend(ids.into_iter().zip(names));
        place.check(&all);
    }
    assert!(half > 0, "no kill fell between the branch and the record");
    let verified = place.house.run(&["data", "verify", "--json"]);
    assert!(verified.status.success(), "{}", text(&verified));
    eprintln!("{kills} kills, {half} of them after the branch had moved and before it was recorded");
}
