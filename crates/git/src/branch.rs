//! The branch of a checkout, for those who show it often.

use crate::discover;
use std::io::Read;
use std::path::Path;

/// Longest `HEAD` file read, in bytes.
const HEAD_MAX: u64 = 4 * 1024;

/// Short name of the branch that the work tree holding `path` is on, born or not; none when HEAD is detached or
/// there is no repository to read. Reads files and runs nothing, so it may be asked for on every look.
pub fn branch_at(path: &Path) -> Option<String> {
    let found = discover::discover(path).ok()?;
    let mut head = String::new();
    std::fs::File::open(found.git_dir.join("HEAD")).ok()?.take(HEAD_MAX).read_to_string(&mut head).ok()?;
    let name = head.strip_prefix("ref:")?.trim();
    // Repositories with another store of refs keep a name here that cannot be.
    let name = name.strip_prefix("refs/heads/").filter(|name| *name != ".invalid")?;
    Some(name.to_owned())
}
