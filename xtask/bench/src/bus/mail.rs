//! mcp_agent_mail beside ours: mail for agents, an MCP server over HTTP with SQLite and a git archive.
//!
//! It is fetched once from PyPI into a cache folder of the user, and runs with a home and a store of its own. A send takes it
//! longer than the pause between two sends of the other cases, so both are measured with one message a second in all.

use super::fleet::{self, Outcome};
use super::node::Spec;
use super::paired::{Transport, load_between};
use crate::process::{self, Served, command, timed};
use crate::row::Row;
use crate::scratch::load;
use crate::{Order, say, scratch, tell, tell_text};
use std::path::{Path, PathBuf};

const PACKAGE: &str = "mcp-agent-mail";
/// The only one in the registry; a fork published it.
const VERSION: &str = "0.1.0";
const CASE: &str = "10_sparse_to_one";
pub(crate) const NAME: &str = "mcp_agent_mail";

/// What goes wrong with somebody else's program is a row, and no reason to stop.
pub(crate) fn run(order: &Order, ten: &Spec) -> Result<(), String> {
    if let Err(why) = fetched(order).and_then(|python| measure(order, ten, &python)) {
        tell(&Row::missing("bus", NAME, &why));
    }
    Ok(())
}

fn measure(order: &Order, ten: &Spec, python: &Path) -> Result<(), String> {
    let folder = scratch::folder(order, "bus-mail-")?;
    let port = process::port()?;
    say(&format!("bus: {CASE}, starting {NAME}"));
    let served = Served::start(server(python, folder.path(), port), port, "/health/liveness")?;
    let seconds = if order.quick { 10.0 } else { 60.0 };
    let spec = Spec { cast: false, rate: 0.1, seconds, ..ten.clone() };
    let before = load();
    let ours = fleet::run(order, &spec)?;
    say(&format!("bus: {CASE}, {NAME}"));
    let theirs = Spec { wire: NAME.to_owned(), url: format!("http://127.0.0.1:{port}"), ..spec };
    let theirs = fleet::run_beside(order, &theirs, Some(served.pid()))?;
    served.stop();
    let load = load_between(&before);
    let note = format!("{PACKAGE} {VERSION} from PyPI, by a fork; its sessions ask once a second");
    for (name, note, figures) in [("ours", "", &ours), (NAME, note.as_str(), &theirs)] {
        let transport = Transport { case: CASE, name, note, rounds: std::slice::from_ref(figures) };
        tell_text(&transport.row(figures, &ours, &load).to_string());
    }
    told(&ours, &theirs);
    Ok(())
}

fn told(ours: &Outcome, theirs: &Outcome) {
    for (stat, share) in [("p50", 0.5), ("p99", 0.99)] {
        let row = Row::new("bus", CASE, "us", stat, ours.micros(share));
        tell(&row.peer(NAME, Some(theirs.micros(share))));
    }
}

/// The Python it is installed for.
fn fetched(order: &Order) -> Result<PathBuf, String> {
    if !order.peers {
        return Err("left out by --no-peers".to_owned());
    }
    let folder = process::cache(&format!("{PACKAGE}-{VERSION}"))?;
    let (python, whole) = (folder.join("bin/python"), folder.join("whole"));
    if whole.exists() {
        return Ok(python);
    }
    if order.quick {
        return Err("left out by --quick: it would first be fetched from PyPI".to_owned());
    }
    say(&format!(
        "fetching {PACKAGE} {VERSION} to compare with (into the user's cache; --no-peers goes without)"
    ));
    std::fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut venv = command("python3");
    venv.args(["-m", "venv"]).arg(&folder);
    timed(venv).map_err(|why| format!("no Python for it: {why}"))?;
    let mut pip = command(&python);
    pip.args(["-m", "pip", "install", "--quiet", &format!("{PACKAGE}=={VERSION}")]);
    timed(pip).map_err(|why| format!("not installed from PyPI: {why}"))?;
    std::fs::write(&whole, "").map_err(|error| format!("{}: {error}", whole.display()))?;
    Ok(python)
}

fn server(python: &Path, home: &Path, port: u16) -> std::process::Command {
    let mut server = command(python);
    server.env_clear().env("PATH", process::told("PATH").unwrap_or_default()).env("HOME", home);
    server.env("DATABASE_URL", format!("sqlite+aiosqlite:///{}", home.join("mail.sqlite3").display()));
    server.env("STORAGE_ROOT", home.join("store"));
    // It would look up prices of models, ask one about the mail, and draw each call on the terminal.
    for name in ["LLM_ENABLED", "TOOLS_LOG_ENABLED", "LOG_RICH_ENABLED", "HTTP_RBAC_ENABLED"] {
        server.env(name, "false");
    }
    server.env("LITELLM_LOCAL_MODEL_COST_MAP", "True").current_dir(home);
    server.args(["-m", "mcp_agent_mail.http", "--host", "127.0.0.1", "--port", &port.to_string()]);
    server
}
