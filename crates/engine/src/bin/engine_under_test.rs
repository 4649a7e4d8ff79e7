//! The program the integration tests start runs with, as the product's binary does.

use std::process::ExitCode;
use std::sync::Arc;

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1);
    match args.next().as_deref().and_then(|name| name.to_str()) {
        Some("__guard") => agent::guard_main(args),
        Some("__drive") => agent::drive_main(args, Arc::new(bus::system::SystemEntropy)),
        _ => ExitCode::FAILURE,
    }
}
