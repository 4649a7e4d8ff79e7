//! The guard of a run whose words come from the multiplexed driver. It holds the lock that says the run lives, says it is ready, makes
//! itself known, and ends with its pipe. Every other run gets the real guard.

use super::house::{JOINED, MULTIPLEXED};
use crate::process;
use rustix::fs::{FlockOperation, Mode, OFlags, flock, open};
use std::io::{BufRead, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// None when this program was not started as a guard or a driver.
pub(in crate::scale) fn guard(arguments: &[String]) -> Option<ExitCode> {
    arguments.first().filter(|word| word.as_str() == "__guard")?;
    let ended = if process::told("CODITECT_AGENT").as_deref() == Some(MULTIPLEXED) {
        hold(arguments)
    } else {
        Err(real(arguments))
    };
    Some(ended.map_or_else(
        |why| {
            crate::say(&why);
            ExitCode::FAILURE
        },
        |()| ExitCode::SUCCESS,
    ))
}

/// Becomes the product's binary, which lies beside this one. Returns only when it cannot.
fn real(arguments: &[String]) -> String {
    let beside = std::env::current_exe().ok().and_then(|own| Some(own.parent()?.join("coditect")));
    let Some(program) = beside else { return "this program has no folder".to_owned() };
    // Its pipes stay as they are.
    let mut command = process::command(&program);
    command.stdin(std::process::Stdio::inherit()).stdout(std::process::Stdio::inherit());
    let error = command.stderr(std::process::Stdio::inherit()).args(arguments).exec();
    format!("{}: {error}", program.display())
}

fn hold(arguments: &[String]) -> Result<(), String> {
    let liveness =
        arguments.iter().skip_while(|word| *word != "--liveness").nth(1).ok_or("no liveness file")?;
    let lock = open(liveness, OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC, Mode::RUSR | Mode::WUSR)
        .map_err(|error| format!("{liveness}: {error}"))?;
    flock(&lock, FlockOperation::NonBlockingLockExclusive).map_err(|error| format!("{liveness}: {error}"))?;
    let mut out = std::io::stdout().lock();
    let ready = serde_json::json!({"guard": "ready", "wire": agent::WIRE_REVISION});
    writeln!(out, "{ready}").and_then(|()| out.flush()).map_err(|error| error.to_string())?;
    drop(out);
    let root = process::told("CODITECT_DATA_ROOT").ok_or("no data root")?;
    join(&Path::new(&root).join(JOINED))?;
    for line in std::io::stdin().lock().lines() {
        let line = line.map_err(|error| error.to_string())?;
        if line.contains(r#""command":"leave""#) {
            break;
        }
    }
    Ok(())
}

/// From here on the driver finds this process's pipe.
fn join(folder: &Path) -> Result<(), String> {
    let name: PathBuf = folder.join(std::process::id().to_string());
    std::fs::write(&name, "").map_err(|error| format!("{}: {error}", name.display()))
}
