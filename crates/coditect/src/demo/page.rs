//! The page: opened while the agents are at work, for whoever looks on.

use super::stage::Stage;
use super::teller::Teller;
use crate::output::Complaint;
use crate::process::command;
use cli::DemoRun;
use std::io::Write;
use std::process::Stdio;

/// Opens the page with a code that lets one browser in.
pub(crate) async fn open(stage: &mut Stage<'_>, teller: &mut Teller) -> Result<(), Complaint> {
    let launch = stage.steadily(async |client| client.launch().await).await?;
    let opener = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
    let opened = command(opener)
        .arg(&launch.url)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    match opened {
        Ok(_) => teller.say(&format!("the page is at {}", launch.url)),
        Err(_) => teller.say(&format!("open {} in a browser to look on", launch.url)),
    }
    Ok(())
}

/// A word to the person in front of it, whatever else is shown.
pub(crate) fn note(order: &DemoRun, text: &str) {
    if !order.quiet {
        // Nobody is left to be told that stderr is closed.
        let _ = writeln!(std::io::stderr(), "{text}");
    }
}
