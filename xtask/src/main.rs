//! The project's own automation: what a person or a machine does with the tree is a command here.
//!
//! Invariant: nothing is installed on a machine unless `--install` was given or `CI=true` is set; what is missing
//! is said with the command that would bring it. It stays light on dependencies, because everything waits for it.

mod bench;
mod codegen;
mod demo;
mod e2e;
mod machine;
mod place;
mod process;
mod report;
mod say;
mod serve;
mod test;
mod tidy;
mod vendors;

use std::process::ExitCode;

const HELP: &str = "\
cargo xtask <command>

  test [--install]              everything the project promises: style, lints, tests, page, browser
  e2e [--vendor V] [--install] [--keep] [--list] [FILTER]
                                the product with the vendors' real programs, which are fetched into the user's cache
  tidy                          the rules of the house alone
  codegen                       write the generated files again
  demo [arguments]              build the page and the binary, run `coditect demo`
  servers <command> [arguments]
                                run a command beside PostgreSQL and NATS of its own, as far as they are installed
  run [arguments]               build the page and the binary, run `coditect`
  bench <name> [--quick] [--json] [--no-peers] [--install]
                                measure agents, bus, checkpoint, core, daemon, files, history, hook, import, journal or
                                radar; with --json one object a line. Peers to compare with are fetched into the user's
                                cache folder. Of agents, bus, core, hook, import and radar, --only=<case> runs the cases
                                with that in their name

Nothing is installed without `--install` (or CI=true); what is missing is named.";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some((command, rest)) = arguments.split_first() else {
        say::line(HELP);
        return ExitCode::from(2);
    };
    match command.as_str() {
        "test" => test::test(rest),
        "e2e" => e2e::e2e(rest),
        "tidy" => tidy::tidy(rest),
        "codegen" => codegen::codegen(rest),
        servers::GUARD => servers::guard(rest.first().map_or("", String::as_str)),
        "servers" => serve::servers(rest),
        "demo" => demo::demo(rest),
        "run" => demo::run(rest),
        "bench" => bench::bench(rest),
        "help" | "--help" | "-h" => {
            say::line(HELP);
            ExitCode::SUCCESS
        }
        other => {
            say::line(&format!("no command `{other}`\n\n{HELP}"));
            ExitCode::from(2)
        }
    }
}
