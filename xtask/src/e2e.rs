//! `cargo xtask e2e`: the product with the vendors' real programs, against the scripted model server.
//!
//! Invariant: no vendor is ever contacted. The tests run in a network that is only this machine's loopback wherever the
//! kernel lets a user make one, and every program is told 127.0.0.1 in any case.

use crate::machine::{Machine, NEXTEST};
use crate::process::{cargo, command, found, output};
use crate::report::{Outcome, Report};
use crate::{place, say, vendors};
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Instant;

/// The vendors' names, as tests know them.
const VENDORS: &[&str] = &["claude", "codex", "gemini", "kimi"];
/// Tests that need the programs are in modules of a room's `tests/it` whose names begin so.
const MODULES: &[&str] =
    &["vendor", "hooked", "mcp_", "importing", "driven", "scenario", "isolation", "claude", "codex", "acp"];
/// Beside the code they test, they are in these modules.
const BESIDE_CODE: &[&str] = &["codex::driver"];
/// Rooms that have such tests, as far as they are there.
const ROOMS: &[&str] = &["coditect", "agent", "engine", "mcp"];
/// Told to tests: one vendor alone, and to leave their homes where they are.
const ONLY: &str = "CODITECT_TEST_VENDOR";
const KEEP: &str = "CODITECT_TEST_KEEP";

const HELP: &str = "\
cargo xtask e2e [--vendor V] [--install] [--keep] [--list] [FILTER]

  --vendor V   only this one of claude, codex, gemini, kimi
  --install    fetch the programs into the user's cache if they are not there
  --keep       leave the tests' homes and repositories, and say where they are
  --list       say which tests there are and run none
  FILTER       only tests with this in their names";

#[derive(Debug, Default, PartialEq)]
struct Order {
    vendor: Option<String>,
    install: bool,
    keep: bool,
    list: bool,
    filter: Option<String>,
}

impl Order {
    fn parse(arguments: &[String]) -> Result<Self, String> {
        let mut order = Self::default();
        let mut words = arguments.iter();
        while let Some(word) = words.next() {
            match word.as_str() {
                "--install" => order.install = true,
                "--keep" => order.keep = true,
                "--list" => order.list = true,
                "--vendor" => {
                    let known = words.next().filter(|name| VENDORS.contains(&name.as_str()));
                    let vendor =
                        known.ok_or_else(|| format!("--vendor needs one of {}", VENDORS.join(", ")))?;
                    order.vendor = Some(vendor.clone());
                }
                option if option.starts_with('-') => return Err(format!("`{option}` is not known")),
                filter if order.filter.is_none() => order.filter = Some(filter.to_owned()),
                more => return Err(format!("one filter at most, and `{more}` is the second")),
            }
        }
        Ok(order)
    }

    /// What nextest is to choose by.
    fn expression(&self) -> String {
        let (modules, beside) = (MODULES.join("|"), BESIDE_CODE.join("|"));
        let mut all =
            vec![format!("(kind(test) & test(/^({modules})/) | kind(lib) & test(/^({beside})::/))")];
        if let Some(vendor) = &self.vendor {
            let others: Vec<&str> = VENDORS.iter().copied().filter(|name| name != vendor).collect();
            all.push(format!("(test(/{vendor}/) | !test(/{}/))", others.join("|")));
        }
        // Nextest's own escape: a filter is text, not an expression.
        all.extend(self.filter.iter().map(|text| format!("test(~{})", text.replace(')', "\\)"))));
        all.join(" & ")
    }
}

pub(crate) fn e2e(arguments: &[String]) -> ExitCode {
    let order = match Order::parse(arguments) {
        Ok(order) => order,
        Err(why) => {
            say::line(&format!("{why}\n\n{HELP}"));
            return ExitCode::from(2);
        }
    };
    let mut machine = Machine::new(order.install);
    let mut report = Report::default();
    if let Err(why) = machine.need(&NEXTEST, &mut report) {
        report.skip("the vendors' programs", &why);
        return report.finish();
    }
    let expression = order.expression();
    let rooms = rooms();
    let words = |verb: &'static str| -> Vec<&str> {
        let mut words = vec!["nextest", verb];
        words.extend(rooms.iter().flat_map(|room| ["-p", *room]));
        words.extend(["-E", expression.as_str()]);
        words
    };
    if order.list {
        report.step("tests with the vendors' programs", cargo(&words("list")));
        return report.finish();
    }
    let Some(folder) = vendors_folder(&machine, &mut report) else { return report.finish() };
    let run = words("run");
    if report.step("build of the tests", cargo(&[&run[..], &["--no-run"]].concat())) {
        let mut run = alone(&[&run[..], &["--profile", "ci", "--no-tests", "fail"]].concat(), &mut report);
        run.envs(vendors::variables(&folder));
        if let Some(vendor) = &order.vendor {
            run.env(ONLY, vendor);
        }
        if order.keep {
            run.env(KEEP, "1");
        }
        report.tests("the vendors' programs", run);
    }
    report.finish()
}

/// The folder with the programs; without it a line that nobody overlooks.
pub(crate) fn vendors_folder(machine: &Machine, report: &mut Report) -> Option<std::path::PathBuf> {
    match vendors::folder(machine, report) {
        Ok(folder) => Some(folder),
        // A registry that gives another file under a pinned name is not a lack of one.
        Err(why) if why.contains("not what is pinned") => {
            report.done("the vendors' programs", Outcome::Failed(why), std::time::Duration::ZERO);
            None
        }
        Err(why) => {
            report.skip("the vendors' programs", &why);
            None
        }
    }
}

fn rooms() -> Vec<&'static str> {
    ROOMS.iter().copied().filter(|room| is_room(&place::root(), room)).collect()
}

fn is_room(root: &Path, room: &str) -> bool {
    root.join("crates").join(room).join("Cargo.toml").is_file()
}

/// Cargo in a network that has nothing but loopback, if the kernel allows it.
fn alone(arguments: &[&str], report: &mut Report) -> Command {
    let begun = Instant::now();
    let up = "ip link set lo up && exec \"$@\"";
    let space = ["--user", "--map-root-user", "--net", "sh", "-c", up, "sh"];
    let works = found("unshare").is_some()
        && found("ip").is_some()
        && output(command("unshare", &[&space[..], &["true"]].concat())).is_ok();
    let plain = cargo(arguments);
    if !works {
        report.skip(
            "a network of loopback alone",
            "needs `unshare`, `ip` and a kernel that lets users make namespaces",
        );
        return plain;
    }
    report.done("a network of loopback alone", Outcome::Passed, begun.elapsed());
    let mut apart = command("unshare", &space);
    apart.arg(plain.get_program()).args(plain.get_args());
    for (name, value) in plain.get_envs() {
        match value {
            Some(value) => apart.env(name, value),
            None => apart.env_remove(name),
        };
    }
    apart
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(line: &str) -> Result<Order, String> {
        Order::parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn an_order_is_read_whole_or_not_at_all() {
        let wanted = Order {
            vendor: Some("codex".into()),
            install: true,
            keep: true,
            list: false,
            filter: Some("resume".into()),
        };
        assert_eq!(order("--vendor codex --install resume --keep"), Ok(wanted));
        assert_eq!(order(""), Ok(Order::default()));
        for wrong in ["--vendor", "--vendor clippy", "--wrong", "one two"] {
            assert!(order(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn tests_are_chosen_by_their_modules_and_names() {
        let all = order("").unwrap().expression();
        assert!(all.starts_with("(kind(test) & test(/^(vendor|hooked|"), "{all}");
        assert!(all.ends_with("|acp)/) | kind(lib) & test(/^(codex::driver)::/))"), "{all}");
        let one = order("--vendor kimi fork").unwrap().expression();
        assert!(one.ends_with(" & (test(/kimi/) | !test(/claude|codex|gemini/)) & test(~fork)"), "{one}");
    }

    /// Every source file below a folder, with its module's path as tests are named by it.
    fn sources(folder: &Path, module: &str, found: &mut Vec<(String, String)>) {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            let stem = path.file_stem().unwrap().to_str().unwrap().to_owned();
            let below = if module.is_empty() { stem } else { format!("{module}::{stem}") };
            if path.is_dir() {
                sources(&path, &below, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push((below, std::fs::read_to_string(path).unwrap()));
            }
        }
    }

    /// The types of those files that are found by finding the programs.
    fn found_by(files: &[(String, String)]) -> Vec<String> {
        let finders = files.iter().filter(|(_, text)| text.contains("Vendors::find("));
        let types = finders.flat_map(|(_, text)| {
            text.split("impl ").skip(1).filter_map(|rest| {
                let (name, body) = rest.split_once(" {")?;
                body.split("\n}").next()?.contains("fn find(").then(|| format!("{name}::find("))
            })
        });
        types.collect()
    }

    #[test]
    fn a_test_that_skips_says_so_where_it_is_seen() {
        let mut seen = 0;
        for entry in std::fs::read_dir(place::root().join("crates")).unwrap().flatten() {
            let mut files = Vec::new();
            sources(&entry.path(), "", &mut files);
            for (module, text) in files {
                seen += usize::from(text.contains("testkit::skipped("));
                let own = text.contains("\"SKIPPED") && entry.file_name() != "testkit";
                assert!(!own, "{:?} {module}: use testkit::skipped", entry.file_name());
            }
        }
        assert!(seen > 10, "{seen}");
    }

    #[test]
    fn no_test_with_the_programs_is_left_out() {
        let mut seen = Vec::new();
        for entry in std::fs::read_dir(place::root().join("crates")).unwrap().flatten() {
            let room = entry.file_name().into_string().unwrap();
            // Where they are found, and where nobody is asked for them.
            if room == "testkit" {
                continue;
            }
            for (place, in_code) in [("tests/it", false), ("src", true)] {
                let mut files = Vec::new();
                sources(&entry.path().join(place), "", &mut files);
                let direct = ["Vendors::find(", "VendorCli::", vendors::FOLDER].map(str::to_owned);
                let words = [found_by(&files), direct.to_vec()].concat();
                files.retain(|(_, text)| words.iter().any(|word| text.contains(word.as_str())));
                for (module, _) in files {
                    let chosen = if in_code {
                        BESIDE_CODE.contains(&module.as_str())
                    } else {
                        MODULES.iter().any(|name| module.starts_with(name))
                    };
                    assert!(chosen && ROOMS.contains(&room.as_str()), "{room}: {module} would not be run");
                    seen.push(format!("{room} {module}"));
                }
            }
        }
        for known in ["coditect hooked", "coditect isolation", "agent claude_trouble", "agent codex::driver"]
        {
            assert!(seen.iter().any(|module| module == known), "{known} is not seen: {seen:?}");
        }
    }
}
