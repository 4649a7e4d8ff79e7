//! Measures the product. Started by `cargo xtask bench`, in a release build.
//!
//! Invariant: standard output carries rows and nothing else, one JSON object a line; a case that could not run is a
//! row too, with `"met":null` and the reason. What is compared runs in the same call, in turns.

mod agents;
mod bus;
mod checkpoint;
mod daemon;
mod files;
mod history;
mod hook;
mod import;
mod journal;
mod opencode;
mod plain;
mod process;
mod radar;
mod rest;
mod row;
mod sample;
mod scale;
mod scratch;
mod story;

use row::Row;
use std::io::Write;
use std::process::ExitCode;

/// What every bench is told.
pub(crate) struct Order {
    /// Smaller input, so that all is over in 50 s.
    pub(crate) quick: bool,
    /// Whether programs of others are fetched to compare with.
    pub(crate) peers: bool,
    /// Of a bench of many cases, those with this in their name.
    pub(crate) only: Option<String>,
    /// The `coditect` binary of the same build.
    pub(crate) coditect: std::path::PathBuf,
    /// A folder of ours for what is written, on a real disk.
    pub(crate) scratch: std::path::PathBuf,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let has = |flag: &str| arguments.iter().any(|argument| argument == flag);
    let value = |flag: &str| arguments.iter().skip_while(|argument| *argument != flag).nth(1).cloned();
    if let [servers::GUARD, argument] = arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        return servers::guard(argument);
    }
    if let Some(ended) = scale::guard(&arguments) {
        return ended;
    }
    if let [name, argument] = arguments.as_slice()
        && let Some(ended) = bus::body(name, argument).or_else(|| agents::body(name, argument))
    {
        return ended.map_or_else(
            |why| {
                say(&format!("{name}: {why}"));
                ExitCode::FAILURE
            },
            |()| ExitCode::SUCCESS,
        );
    }
    let (Some(name), Some(coditect), Some(scratch)) =
        (arguments.first(), value("--coditect"), value("--scratch"))
    else {
        say("this is started by `cargo xtask bench`");
        return ExitCode::from(2);
    };
    let order = Order {
        quick: has("--quick"),
        peers: !has("--no-peers"),
        only: arguments.iter().find_map(|argument| argument.strip_prefix("--only=").map(str::to_owned)),
        coditect: coditect.into(),
        scratch: scratch.into(),
    };
    let measured = match name.as_str() {
        "agents" => agents::bench(&order),
        "bus" => bus::bench(&order),
        "checkpoint" => checkpoint::bench(&order),
        "core" => scale::bench(&order),
        "daemon" => daemon::bench(&order),
        "files" => files::bench(&order),
        "history" => history::bench(&order),
        "hook" => hook::bench(&order),
        "import" => import::bench(&order),
        "journal" => journal::bench(&order),
        "radar" => radar::bench(&order),
        other => Err(format!("no bench `{other}`")),
    };
    match measured {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            tell(&Row::missing(name, "all", &why));
            say(&why);
            ExitCode::FAILURE
        }
    }
}

/// One row on standard output, at once: whoever reads it may be waiting.
pub(crate) fn tell(row: &Row) {
    tell_text(&row.json());
}

pub(crate) fn tell_text(row: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{row}");
}

/// Progress, on standard error.
pub(crate) fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}
