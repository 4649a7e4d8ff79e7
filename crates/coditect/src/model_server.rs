//! `__scripted [--port N] [--log FILE] [--pace MS] [--keep]`: the scripted model server as a process of its own, so
//! that the models stay where they are when a daemon is killed. By hand: `coditect __scripted --port 8099 --keep &`.

use crate::output::{Complaint, complain, say};
use bus::system::SystemClock;
use model::Vendor;
use scripted::{Scripted, ScriptedOptions};
use std::ffi::OsString;
use std::io::Read;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

/// Serves until stdin ends, or with `--keep` until it is killed; the first line on stdout says where.
pub(crate) fn run(args: impl Iterator<Item = OsString>) -> ExitCode {
    match options(args).and_then(|(options, keep)| serve(options, keep)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(complaint) => complain(&complaint),
    }
}

fn options(mut args: impl Iterator<Item = OsString>) -> Result<(ScriptedOptions, bool), Complaint> {
    let mut options = ScriptedOptions { clock: Some(Arc::new(SystemClock)), ..ScriptedOptions::default() };
    let mut keep = false;
    while let Some(name) = args.next() {
        if name == "--keep" {
            keep = true;
            continue;
        }
        let value =
            args.next().ok_or_else(|| Complaint::usage(format!("{} has no value", name.display())))?;
        match name.to_str() {
            Some("--port") => {
                options.port = value
                    .to_str()
                    .and_then(|port| port.parse().ok())
                    .ok_or_else(|| Complaint::usage("--port needs a number up to 65535"))?;
            }
            Some("--pace") => {
                let pace = value.to_str().and_then(|pace| pace.parse().ok());
                options.pace = pace
                    .map(Duration::from_millis)
                    .ok_or_else(|| Complaint::usage("--pace needs a number of milliseconds"))?;
            }
            Some("--log") => options.request_log = Some(value.into()),
            _ => return Err(Complaint::usage(format!("unknown argument {}", name.display()))),
        }
    }
    Ok((options, keep))
}

fn serve(options: ScriptedOptions, keep: bool) -> Result<(), Complaint> {
    let failed = |error: std::io::Error| {
        Complaint::failed("model_server_failed", format!("the scripted model server cannot start: {error}"))
    };
    let server = Scripted::start(options).map_err(failed)?;
    let urls: serde_json::Map<String, serde_json::Value> = Vendor::ALL
        .into_iter()
        .map(|vendor| (vendor.as_str().to_owned(), server.base_url(vendor).into()))
        .collect();
    let programs: serde_json::Map<String, serde_json::Value> = Vendor::ALL
        .into_iter()
        .map(|vendor| (vendor.as_str().to_owned(), server.program_url(vendor).into()))
        .collect();
    let line = serde_json::json!({
        "address": server.addr().to_string(),
        "base_urls": urls,
        "program_urls": programs,
    });
    say(&line.to_string()).map_err(failed)?;
    if keep {
        loop {
            std::thread::park();
        }
    }
    // Whatever comes is not for us; the end of it is.
    let mut stdin = std::io::stdin().lock();
    let mut ignored = [0u8; 1024];
    while stdin.read(&mut ignored).is_ok_and(|read| read > 0) {}
    server.stop();
    Ok(())
}
