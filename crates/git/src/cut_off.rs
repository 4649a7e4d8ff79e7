//! What fast-import leaves of a stream that was cut off, by the end of the daemon or by a limit: a report in the work tree's git
//! folder, and a half pack among the objects.
//!
//! Invariant: a report goes when it names the ref that only our streams have. A half pack is in no index and of no use to
//! anybody; it goes when it is as old as git itself lets such files become.

use crate::discover;
use crate::pour::SURVEY;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What reports are called, before the number of the process.
const REPORT: &str = "fast_import_crash_";
/// Most read of a report, in bytes: its last hundred commands, each with a path.
const REPORT_MAX: u64 = 1024 * 1024;
const HALF_PACK: &str = "tmp_pack_";
/// The age at which `git gc` throws such files away.
const HALF_PACK_AGE: Duration = Duration::from_secs(14 * 24 * 3600);

/// Takes such files out of the repository at `path`, and says which. Runs nothing.
pub fn sweep_cut_off(path: &Path) -> Vec<PathBuf> {
    let Ok(found) = discover::discover(path) else { return Vec::new() };
    let mut git_dirs = vec![found.git_dir, found.common_dir.clone()];
    git_dirs.extend(below(&found.common_dir.join("worktrees")));
    let reports = git_dirs.iter().flat_map(|dir| below(dir)).filter(|file| is_our_report(file));
    let half_packs = below(&found.common_dir.join("objects/pack")).filter(|file| is_old_half_pack(file));
    reports.chain(half_packs).filter(|file| fs::remove_file(file).is_ok()).collect()
}

fn below(dir: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path())
}

fn is_file_named(file: &Path, beginning: &str) -> bool {
    let named =
        file.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with(beginning));
    named && file.symlink_metadata().is_ok_and(|meta| meta.is_file())
}

fn is_our_report(file: &Path) -> bool {
    if !is_file_named(file, REPORT) {
        return false;
    }
    let mut text = Vec::new();
    let read = fs::File::open(file).and_then(|file| file.take(REPORT_MAX).read_to_end(&mut text));
    // It tells of each branch of the stream under its name.
    let branch = format!("{SURVEY}:");
    read.is_ok() && text.split(|byte| *byte == b'\n').any(|line| line == branch.as_bytes())
}

fn is_old_half_pack(file: &Path) -> bool {
    let changed = || file.symlink_metadata().and_then(|meta| meta.modified());
    is_file_named(file, HALF_PACK)
        && changed().is_ok_and(|at| at.elapsed().is_ok_and(|age| age > HALF_PACK_AGE))
}
