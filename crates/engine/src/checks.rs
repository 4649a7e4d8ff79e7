//! Checks: a repository's own test command, run in a folder with a deadline, and what it said.

use crate::engine::Shared;
use agent::{CommandLimits, CommandSpec};
use model::{Repo, TestReport};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Bytes of output kept in the journal.
const TAIL_MAX: usize = 8 * 1024;

/// What the repo's test command says there; none when it was canceled. A repo without one passes.
pub(crate) async fn run(
    shared: &Arc<Shared>,
    repo: &Repo,
    dir: &Path,
    canceled: &CancellationToken,
) -> Option<TestReport> {
    let command = repo.test_command.clone().unwrap_or_default();
    let limits = shared.config.snapshot().config.limits.clone();
    let env = agent::ENV_ALLOWED.iter().filter_map(|name| Some(((*name).to_owned(), shared.env(name)?)));
    let spec = CommandSpec {
        run: shared.new_id(),
        executable: shared.options.executable.clone(),
        argv: command.clone(),
        dir: dir.to_owned(),
        scratch: shared.workspace.runs(),
        env: env.collect(),
        limits: CommandLimits { timeout: Duration::from_secs(limits.test_deadline_seconds), tail: TAIL_MAX },
    };
    let output = tokio::select! {
        // The command's guard ends what it had started.
        () = canceled.cancelled() => return None,
        output = agent::run_command(spec) => output,
    };
    Some(match output {
        Ok(output) => {
            let (passed, failed) = crate::test_report::count(&output.tail);
            TestReport {
                command,
                exit_code: output.code,
                passed,
                failed,
                tail: output.tail,
                elapsed_ms: output.elapsed_ms,
            }
        }
        Err(error) => TestReport {
            command,
            exit_code: None,
            passed: 0,
            failed: 0,
            tail: error.to_string(),
            elapsed_ms: 0,
        },
    })
}
