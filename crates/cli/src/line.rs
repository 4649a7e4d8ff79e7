//! What can be typed: the root of the tree and what every command understands.

use crate::commands::Command;
use clap::{Args, CommandFactory, Parser, ValueEnum};
use std::ffi::OsString;
use std::path::PathBuf;

/// Coding agents of four vendors, at work in one repository together.
#[derive(Debug, Parser)]
#[command(name = "coditect", propagate_version = true, arg_required_else_help = true, max_term_width = 100)]
pub(crate) struct Line {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Understood by every command.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Options of every command")]
pub(crate) struct Global {
    /// Folder of the user's data; without it CODITECT_DATA_ROOT, and then the projects folder says
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) data_root: Option<PathBuf>,
    /// Act as if started in this folder
    #[arg(short = 'C', long, global = true, value_name = "DIR")]
    pub(crate) cwd: Option<PathBuf>,
    /// One JSON document on stdout, or one JSON value per line for streams
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Nothing on stderr but errors
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
    /// Colour; `auto` honours NO_COLOR, CLICOLOR_FORCE and TERM=dumb
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub(crate) color: Color,
    /// Fail instead of asking a question
    #[arg(long, global = true)]
    pub(crate) no_input: bool,
    /// Fail instead of starting the daemon
    #[arg(long, global = true)]
    pub(crate) no_autostart: bool,
    /// Longest wait for the daemon, or for what the command waits for
    #[arg(long, global = true, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub(crate) timeout: Option<u64>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    #[default]
    Auto,
    Always,
    Never,
}

/// The tree, as the binary of this version has it.
pub(crate) fn command(version: &'static str) -> clap::Command {
    Line::command().version(version)
}

/// Help is printed before the line is understood, so its colour is looked up by hand.
pub(crate) fn help_color(args: &[OsString]) -> clap::ColorChoice {
    let mut wish = clap::ColorChoice::Auto;
    for (at, arg) in args.iter().enumerate() {
        let value = match arg.to_str() {
            Some("--") => break,
            Some("--color") => args.get(at + 1).and_then(|next| next.to_str()),
            Some(arg) => arg.strip_prefix("--color="),
            None => None,
        };
        match value {
            Some("always") => wish = clap::ColorChoice::Always,
            Some("never") => wish = clap::ColorChoice::Never,
            _ => {}
        }
    }
    wish
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tree_is_well_formed() {
        command("0.0.0").debug_assert();
    }

    #[test]
    fn help_honours_the_colour_flag_before_the_line_is_understood() {
        let args = |words: &[&str]| words.iter().map(OsString::from).collect::<Vec<_>>();
        assert_eq!(help_color(&args(&["c", "--color", "never", "--help"])), clap::ColorChoice::Never);
        assert_eq!(help_color(&args(&["c", "--color=always"])), clap::ColorChoice::Always);
        assert_eq!(help_color(&args(&["c", "--", "--color=always"])), clap::ColorChoice::Auto);
    }

    #[test]
    fn every_command_shows_two_examples() {
        fn walk(command: &clap::Command, path: &str) {
            let leaf = command.get_subcommands().next().is_none();
            if leaf && !command.is_hide_set() {
                let examples = command.get_after_help().map(ToString::to_string).unwrap_or_default();
                let count =
                    examples.lines().filter(|line| line.trim_start().starts_with("coditect ")).count();
                assert_eq!(count, 2, "{path}");
            }
            for sub in command.get_subcommands() {
                walk(sub, &format!("{path} {}", sub.get_name()));
            }
        }
        walk(&command("0.0.0"), "coditect");
    }

    /// Examples in the help are lines this very tree understands.
    #[test]
    fn every_example_can_be_typed() {
        fn walk(command: &clap::Command) {
            let examples = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            for line in examples.lines().map(str::trim).filter(|line| line.starts_with("coditect ")) {
                let words = words(line);
                if let Err(error) = super::command("0.0.0").try_get_matches_from(&words) {
                    panic!("{line}: {error}");
                }
            }
            command.get_subcommands().for_each(walk);
        }
        walk(&command("0.0.0"));
    }

    /// Splits as a shell does, as far as examples go: spaces, double quotes, and the end at a pipe.
    fn words(line: &str) -> Vec<String> {
        let (mut words, mut word, mut quoted) = (Vec::new(), None::<String>, false);
        for c in line.chars() {
            match c {
                '"' => {
                    quoted = !quoted;
                    word.get_or_insert_default();
                }
                '|' | '>' if !quoted => break,
                ' ' if !quoted => words.extend(word.take()),
                c => word.get_or_insert_default().push(c),
            }
        }
        words.extend(word);
        words
    }
}
