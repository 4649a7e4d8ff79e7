//! The file index on a repository of twenty thousand files: the first look, a look that finds nothing new, searches, and what is on the disk.
//!
//! git looks at the same files in turns: `git status` for a look, `git ls-files` for a name, `git grep` for a word. It keeps no index of words,
//! ranks nothing and shows no lines.

use crate::process::command;
use crate::row::Row;
use crate::sample::Samples;
use crate::{Order, radar, say, scratch, tell};
use engine::{Call, Caller, Engine, FileQuery, FilesFound};
use model::Refusal;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

/// Verbs and nouns that names in the files are made of.
const VERBS: [&str; 20] = [
    "check", "open", "close", "read", "write", "find", "make", "keep", "drop", "count", "sort", "merge",
    "split", "load", "store", "send", "take", "give", "move", "lock",
];
const NOUNS: [&str; 50] = [
    "room", "file", "page", "row", "table", "index", "word", "line", "path", "name", "user", "agent", "task",
    "turn", "board", "card", "zone", "note", "event", "clock", "queue", "batch", "frame", "token", "key",
    "value", "list", "tree", "node", "edge", "graph", "plan", "step", "stage", "scene", "disk", "cache",
    "stream", "socket", "port", "host", "route", "field", "block", "chunk", "digest", "cursor", "branch",
    "commit", "worktree",
];
const LINES: usize = 40;
/// A worktree that was looked at since is not looked at again, as the engine has it, and a little more.
const STALE_AFTER: Duration = Duration::from_millis(2_100);

pub(crate) fn bench(order: &Order) -> Result<(), String> {
    let folder = scratch::folder(order, "files-")?;
    let repo = folder.path().join("repo");
    say(&format!("files: {} files of {LINES} lines", radar::FILES));
    let bytes = radar::repository(&repo, text)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    runtime.block_on(measure(order, &folder.path().join("data"), &repo, bytes))
}

/// A verb and a noun that a file has, and few others do.
fn names(at: usize) -> (&'static str, &'static str) {
    (VERBS[at % VERBS.len()], NOUNS[at / VERBS.len() % NOUNS.len()])
}

/// What is in a file: a function that some twenty files have, one of its own, and calls of others.
fn text(at: usize) -> String {
    let (verb, noun) = names(at);
    let mut text = format!("//! Part {at} of the whole.\n\nfn {verb}{noun}(only_{at}: u64) -> u64 {{\n");
    for line in 0..LINES {
        let (verb, noun) = names(at * 31 + line * 7);
        text.push_str(&format!("    let value_{line} = {verb}(only_{at}, {noun});\n"));
    }
    text.push_str("    0\n}\n");
    text
}

fn refused(refusal: Refusal) -> String {
    refusal.message
}

async fn measure(order: &Order, data: &Path, repo: &Path, bytes: u64) -> Result<(), String> {
    let (engine, _) = radar::engine(data, repo).await?;
    let note = format!("{} files, load {}", radar::FILES, scratch::load());
    let call = Call::user("bench");
    let mut first = Samples::default();
    let mut counts = engine::IndexCounts::default();
    for _ in 0..if order.quick { 1 } else { 5 } {
        let begun = Instant::now();
        counts = engine.index_files(&call, None, true).await.map_err(refused)?;
        first.add(begun.elapsed());
    }
    if counts.files != radar::FILES as u64 {
        return Err(format!("{} files are in the index", counts.files));
    }
    tell(&Row::new("files", "first_look", "ms", "p50", first.millis(0.5)).note(&note));
    let size = Row::new("files", "on_disk", "MB", "once", counts.bytes as f64 / 1e6);
    tell(&size.peer("the_files", Some(bytes as f64 / 1e6)).note(&note));
    looks(order, &engine, repo, &note).await?;
    searches(order, &engine, repo, &note).await?;
    engine.shutdown().await;
    Ok(())
}

/// Looks that find nothing new, and `git status`, which reads no file either.
async fn looks(order: &Order, engine: &Engine, repo: &Path, note: &str) -> Result<(), String> {
    let (mut ours, mut gits) = (Samples::default(), Samples::default());
    for _ in 0..if order.quick { 3 } else { 20 } {
        tokio::time::sleep(STALE_AFTER).await;
        let begun = Instant::now();
        engine.index_files(&Call::user("bench"), None, false).await.map_err(refused)?;
        ours.add(begun.elapsed());
        gits.add(asked(repo, &["status", "--porcelain"], |line| !line.is_empty(), 0..=0)?);
    }
    let row = Row::new("files", "look_nothing_new", "ms", "p50", ours.millis(0.5));
    tell(&row.peer("git_status", Some(gits.millis(0.5))).note(note));
    Ok(())
}

async fn searches(order: &Order, engine: &Engine, repo: &Path, note: &str) -> Result<(), String> {
    let (many, beside) = if order.quick { (200, 5) } else { (2_000, 40) };
    let (mut words, mut paths) = (Samples::default(), Samples::default());
    let (mut grep, mut list) = (Samples::default(), Samples::default());
    for turn in 0..many {
        let at = turn * 997 % radar::FILES;
        let (verb, noun) = names(at);
        let word = format!("{verb}{noun}");
        let (found, took) = search(engine, &word).await?;
        words.add(took);
        if !found.files.iter().all(|one| one.lines.iter().any(|line| line.text.contains(&word))) {
            return Err(format!("a file without `{word}` was found"));
        }
        let path = radar::file(at);
        let stem = path.rsplit('/').next().and_then(|name| name.strip_suffix(".txt")).unwrap_or_default();
        let (found, took) = search(engine, stem).await?;
        paths.add(took);
        if found.files.first().map(|one| one.file.path.as_str()) != Some(path.as_str()) {
            return Err(format!("`{stem}` was not found"));
        }
        if turn % (many / beside) == 0 {
            let files = ["grep", "--files-with-matches", "--word-regexp", &word];
            grep.add(asked(repo, &files, |line| !line.is_empty(), 1..=radar::FILES)?);
            list.add(asked(repo, &["ls-files"], |line| line.contains(stem), 1..=1)?);
        }
    }
    let note = format!("{note}; every two seconds a search waits for a look");
    let share = if order.quick { ("p95", 0.95) } else { ("p99", 0.99) };
    for (stat, share) in [("p50", 0.5), share] {
        for (case, ours, peer, theirs) in
            [("search_word", &words, "git_grep", &grep), ("search_name", &paths, "git_ls_files", &list)]
        {
            // So few of theirs have no tail to speak of.
            let theirs = (stat == "p50").then(|| theirs.millis(0.5));
            tell(&Row::new("files", case, "ms", stat, ours.millis(share)).peer(peer, theirs).note(&note));
        }
    }
    Ok(())
}

async fn search(engine: &Engine, query: &str) -> Result<(FilesFound, Duration), String> {
    let wanted = FileQuery { query: query.to_owned(), ..FileQuery::default() };
    let begun = Instant::now();
    let found = engine.search_files(&Caller::User, wanted).await.map_err(refused)?;
    let took = begun.elapsed();
    match found.files.is_empty() || found.behind {
        true => Err(format!("`{query}`: {} files, behind: {}", found.files.len(), found.behind)),
        false => Ok((found, took)),
    }
}

/// What git takes to say it, when so many of its lines are meant as must be.
fn asked(
    repo: &Path,
    arguments: &[&str],
    meant: impl Fn(&str) -> bool,
    expected: std::ops::RangeInclusive<usize>,
) -> Result<Duration, String> {
    let mut git = command("git");
    git.args(arguments).current_dir(repo).stdout(Stdio::piped());
    let begun = Instant::now();
    let output = git.output().map_err(|error| format!("git: {error}"))?;
    let lines = String::from_utf8_lossy(&output.stdout).lines().filter(|line| meant(line)).count();
    let took = begun.elapsed();
    match expected.contains(&lines) {
        true => Ok(took),
        false => Err(format!("git {arguments:?}: {lines} lines")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_in_a_few_files_and_every_file_has_one() {
        let (verb, noun) = names(7);
        let word = format!("fn {verb}{noun}(");
        let with = (0..radar::FILES).filter(|at| text(*at).contains(&word)).count();
        assert_eq!(with, radar::FILES / (VERBS.len() * NOUNS.len()));
    }
}
