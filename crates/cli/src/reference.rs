//! The manual of the command line, written from the tree itself.

use crate::failure::Exit;
use crate::line;
use clap::{Arg, Command};
use std::fmt::Write;

/// `docs/guide/cli.md`, from the tree as it is.
pub fn reference() -> String {
    let mut root = line::command("").disable_help_subcommand(true);
    root.build();
    let mut out = String::from(
        "# The command line\n\n\
         This page is written from the program itself; a test keeps it so. Change the texts in `crates/cli/src/commands`.\n\n\
         Data goes to stdout and everything else to stderr. On a terminal lists are aligned tables with relative times; in a pipe they \
         are tab-separated, without a head, with exact times. With `--json` stdout is exactly one JSON document, or one JSON value per line for \
         streams; an error is `{\"error\":{\"code\",\"message\",\"hint\"}}` there, and is told on stderr as well. Ids may be given whole, short, or as \
         any unambiguous start of the short form with at least four characters; a session on the bus also by its name, if only one is called so.\n\n\
         The data root is what `--data-root` says, else `CODITECT_DATA_ROOT`, else `.coditect-data` in the projects folder: `CODITECT_PROJECTS`, else \
         `projects_dir` in `~/.coditect/config/config.json`, else the one of `PROJECTS`, `projects`, `Dev`, `dev`, `Development` and `Code` in the home \
         directory that has a `.coditect` link, else `~/PROJECTS`. The daemon starts by itself when a command needs it; `join`, `who`, `lock` and `msg` need none.\n\n\
         ## Exit codes\n\n| code | meaning |\n|---|---|\n",
    );
    for (exit, meaning) in Exit::ALL {
        let code = exit.code().unwrap_or_default();
        // Writing into a string cannot fail, here and below.
        let _ = writeln!(out, "| {code} | {meaning} |");
    }
    out.push_str("\n## Options of every command\n\n");
    options(&mut out, root.get_arguments().filter(|arg| arg.is_global_set()));
    for command in root.get_subcommands().filter(|command| !command.is_hide_set()) {
        section(&mut out, command, "coditect", 2);
    }
    out
}

fn section(out: &mut String, command: &Command, parent: &str, depth: usize) {
    let path = format!("{parent} {}", command.get_name());
    let _ = writeln!(out, "\n{} {path}\n", "#".repeat(depth));
    let about = command.get_long_about().or(command.get_about());
    let _ = writeln!(
        out,
        "{}",
        about.map(ToString::to_string).unwrap_or_default().trim_end_matches('.').to_owned() + "."
    );
    let aliases: Vec<&str> = command.get_visible_aliases().collect();
    if !aliases.is_empty() {
        let _ = writeln!(out, "\nAlso: `{}`.", aliases.join("`, `"));
    }
    let subcommands: Vec<&Command> = command.get_subcommands().filter(|sub| !sub.is_hide_set()).collect();
    if subcommands.is_empty() || !command.is_subcommand_required_set() {
        let usage = command.clone().render_usage().to_string();
        let usage = usage.trim_start_matches("Usage:").trim();
        let _ = writeln!(out, "\n```text\n{usage}\n```\n");
        let own = |arg: &&Arg| {
            !arg.is_global_set() && !arg.is_hide_set() && !matches!(arg.get_id().as_str(), "help" | "version")
        };
        options(out, command.get_arguments().filter(own));
        examples(out, command);
    }
    for sub in subcommands {
        section(out, sub, &path, depth + 1);
    }
}

fn options<'a>(out: &mut String, args: impl Iterator<Item = &'a Arg>) {
    for arg in args {
        let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
        let name = arg.to_string();
        let short = arg.get_short().map(|short| format!("`-{short}`, ")).unwrap_or_default();
        let words: Vec<String> = arg
            .get_possible_values()
            .iter()
            .filter(|_| arg.get_action().takes_values())
            .map(|value| format!("`{}`", value.get_name()))
            .collect();
        let words = if words.is_empty() { String::new() } else { format!(" ({})", words.join(", ")) };
        let defaults: Vec<_> = arg.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
        let default = match defaults.first() {
            Some(default) if !default.is_empty() && arg.get_action().takes_values() => {
                format!("; `{default}` without it")
            }
            _ => String::new(),
        };
        let _ = writeln!(out, "- {short}`{name}`: {help}{words}{default}");
    }
}

fn examples(out: &mut String, command: &Command) {
    let text = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| line.starts_with("coditect ")).collect();
    if !lines.is_empty() {
        let _ = writeln!(out, "\n```sh\n{}\n```", lines.join("\n"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[test]
    fn every_command_has_its_place_in_the_manual() {
        let text = reference();
        for heading in
            ["## coditect up", "### coditect session prompt", "### coditect lock break", "## coditect run"]
        {
            assert!(text.contains(heading), "{heading}");
        }
        assert!(!text.contains("--detached"), "hidden options stay hidden");
    }
}
