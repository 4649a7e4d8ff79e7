//! To come.
use std::process::ExitCode;
pub(crate) fn demo(_: &[String]) -> ExitCode {
    ExitCode::FAILURE
}
pub(crate) fn run(_: &[String]) -> ExitCode {
    ExitCode::FAILURE
}
