//! `cargo xtask bench <name> [--quick] [--json] [--no-peers] [--install]`: builds in release, and lets `xtask/bench` measure.
//!
//! Standard output carries rows only; everything else, the build included, goes to standard error.

use crate::machine::{Machine, NATS, POSTGRES, REDIS, Tool};
use crate::place;
use crate::process::{cargo, command, output};
use crate::report::Report;
use crate::say;
use serde_json::Value;
use std::process::{ExitCode, Stdio};

/// Benches, and whether they start the product's binary.
const BENCHES: &[(&str, bool)] = &[
    ("agents", true),
    ("bus", true),
    ("checkpoint", false),
    ("core", true),
    ("daemon", true),
    ("files", false),
    ("history", false),
    ("hook", true),
    ("import", false),
    ("journal", false),
    ("radar", true),
];
const FLAGS: &[&str] = &["--quick", "--json", "--no-peers", "--install", "--only=<case>"];
/// Servers the bus is measured beside.
const PEERS: &[&Tool] = &[&POSTGRES, &NATS, &REDIS];
/// What the core is measured on besides files.
const SERVERS: &[&Tool] = &[&POSTGRES];

pub(crate) fn bench(arguments: &[String]) -> ExitCode {
    let names: Vec<&str> = BENCHES.iter().map(|(name, _)| *name).collect();
    let usage = format!("cargo xtask bench <{}> [{}]", names.join("|"), FLAGS.join("] ["));
    let chosen = arguments.first().and_then(|name| BENCHES.iter().find(|(bench, _)| bench == name));
    let flags = arguments.get(1..).unwrap_or_default();
    let known = |flag: &str| match flag.split_once('=') {
        Some((name, _)) => FLAGS.iter().any(|known| known.starts_with(&format!("{name}=<"))),
        None => FLAGS.contains(&flag),
    };
    let unknown = flags.iter().any(|flag| !known(flag));
    let (Some((name, binary)), false) = (chosen, unknown) else {
        say::line(&usage);
        return ExitCode::from(2);
    };
    let has = |flag: &str| flags.iter().any(|given| given == flag);
    let tools = match *name {
        "bus" if !has("--no-peers") => PEERS,
        "core" => SERVERS,
        _ => &[],
    };
    let (mut machine, mut report) = (Machine::new(has("--install")), Report::default());
    for tool in tools {
        if let Err(why) = machine.need(tool, &mut report) {
            report.skip("a server beside which we are measured", &why);
        }
    }
    match measure(name, *binary, flags) {
        Ok(code) => code,
        Err(why) => {
            say::line(&why);
            ExitCode::FAILURE
        }
    }
}

fn measure(name: &str, binary: bool, flags: &[String]) -> Result<ExitCode, String> {
    let mut packages = vec!["build", "--release", "--quiet", "--package", "bench"];
    if binary {
        packages.extend(["--package", "coditect"]);
    }
    say::line("building in release …");
    let mut build = cargo(&packages);
    build.stdout(std::io::stderr());
    let status = build.status().map_err(|error| format!("cargo cannot be started: {error}"))?;
    if !status.success() {
        return Err(format!("the build ended with {status}"));
    }
    let target = place::target();
    let release = target.join("release");
    let (coditect, scratch) = (release.join("coditect"), target.join("bench"));
    let mut bench = command(release.join("bench"), &[name, "--coditect"]);
    bench.arg(coditect).arg("--scratch").arg(scratch).args(flags);
    if flags.iter().any(|flag| flag == "--json") {
        let status = bench.status().map_err(|error| format!("the bench cannot be started: {error}"))?;
        return Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    bench.stderr(Stdio::inherit());
    table(&output(bench)?);
    Ok(ExitCode::SUCCESS)
}

/// Rows for people: one aligned line each.
fn table(rows: &str) {
    for row in rows.lines().filter_map(|row| serde_json::from_str::<Value>(row).ok()) {
        let text = |key: &str| row[key].as_str().unwrap_or_default().to_owned();
        let figure = |value: &Value| if value.is_null() { "—".to_owned() } else { value.to_string() };
        let peers = row["peers"].as_object().into_iter().flatten();
        let peers: Vec<String> = peers.map(|(name, value)| format!("{name} {value}")).collect();
        if row["transport"].is_string() {
            let figures = ["p50", "p99", "p99.9", "max", "cpu_percent", "lost", "duplicates"];
            let figures = figures.map(|key| format!("{key} {}", figure(&row[key])));
            say::line(&format!("{:28} {:16} {}", text("case"), text("transport"), figures.join("  ")));
            continue;
        }
        let met = match row["met"].as_bool() {
            Some(true) => "met",
            Some(false) => "MISSED",
            None => "",
        };
        say::line(&format!(
            "{:28} {:10} {:>10} {:10} target {:>8} {:7} {}  {}",
            text("case"),
            text("stat"),
            figure(&row["ours"]),
            text("unit"),
            figure(&row["target"]),
            met,
            peers.join(", "),
            text("note"),
        ));
    }
}
