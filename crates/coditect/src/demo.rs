//! demo.
use cli::{DemoRun, Host};
use std::process::ExitCode;
pub(crate) fn run(_host: &Host, _order: DemoRun) -> ExitCode {
    ExitCode::FAILURE
}
