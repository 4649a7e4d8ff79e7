//! Bundles: commits in a file, with what must be there already.
//!
//! Invariant: a bundle's own words are read here, within limits, before git sees the file; and of what it holds no ref is
//! made here.

use crate::repository::check_ref;
use crate::{GitError, Oid, Repository};
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::time::Duration;

/// Largest bundle that is read, in bytes.
pub const BUNDLE_BYTES_MAX: u64 = 16 * 1024 * 1024 * 1024;
/// Lines before the data of a bundle, at most.
pub const BUNDLE_LINES_MAX: usize = 100_000;
/// Longest such line, in bytes.
const LINE_BYTES_MAX: u64 = 4 * 1024;
/// How long git may take to write or to read one.
const BUNDLE_TIMEOUT: Duration = Duration::from_secs(15 * 60);
/// What a bundle begins with.
const SIGNATURES: [&[u8]; 2] = [b"# v2 git bundle\n", b"# v3 git bundle\n"];

/// What a bundle says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BundleHeader {
    /// Commits that must be in the repository already.
    pub prerequisites: Vec<Oid>,
    /// Refs it holds, all below [`crate::REF_PREFIX`], and where they stand.
    pub heads: Vec<(Oid, String)>,
}

impl BundleHeader {
    /// Reads it. Refused is what is no bundle, what ends too early, and what names other refs than ours.
    pub fn read(path: &Path) -> Result<Self, GitError> {
        let failed = |error| GitError::io(format!("read {}", path.display()), error);
        let none = || GitError::NotABundle(path.to_owned());
        let damaged = || GitError::BundleDamaged(path.to_owned());
        // Without O_NONBLOCK a pipe of that name would hold us for ever.
        let flags = rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::CLOEXEC;
        let opened = rustix::fs::open(path, flags, rustix::fs::Mode::empty());
        let file = match opened {
            Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR) => return Err(none()),
            opened => File::from(opened.map_err(|error| failed(error.into()))?),
        };
        let meta = file.metadata().map_err(failed)?;
        if !meta.is_file() {
            return Err(none());
        }
        if meta.len() > BUNDLE_BYTES_MAX {
            return Err(GitError::BundleTooLarge { bytes: meta.len(), max: BUNDLE_BYTES_MAX });
        }
        let mut reader = BufReader::new(file);
        let mut line = Vec::new();
        let mut next = |line: &mut Vec<u8>| -> Result<(), GitError> {
            line.clear();
            reader.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', line).map_err(failed)?;
            if line.ends_with(b"\n") { Ok(()) } else { Err(damaged()) }
        };
        if next(&mut line).is_err() || !SIGNATURES.contains(&line.as_slice()) {
            return Err(none());
        }
        let mut header = Self::default();
        for _ in 0..BUNDLE_LINES_MAX {
            next(&mut line)?;
            let text = std::str::from_utf8(&line).map_err(|_| damaged())?.trim_end_matches('\n');
            match text.as_bytes().first() {
                None => return Ok(header),
                Some(b'@') if text.starts_with("@object-format=") => {}
                // A bundle without some of its objects cannot be restored from.
                Some(b'@') => return Err(none()),
                Some(b'-') => {
                    let hex = text[1..].split(' ').next().unwrap_or_default();
                    header.prerequisites.push(hex.parse().map_err(|_| damaged())?);
                }
                Some(_) => {
                    let (hex, name) = text.split_once(' ').ok_or_else(damaged)?;
                    check_ref(name)?;
                    header.heads.push((hex.parse().map_err(|_| damaged())?, name.to_owned()));
                }
            }
        }
        Err(GitError::TooMany { what: "lines", given: BUNDLE_LINES_MAX + 1, max: BUNDLE_LINES_MAX })
    }
}

impl Repository {
    /// Writes refs of ours into a bundle, without what the commits of `without` hold: those are its prerequisites then.
    /// Each of them must be the parent of something that goes in, or it is none.
    pub fn bundle(&self, file: &Path, refs: &[String], without: &[Oid]) -> Result<(), GitError> {
        let mut wanted = String::new();
        for name in refs {
            check_ref(name)?;
            wanted.push_str(&format!("{name}\n"));
        }
        for commit in without {
            wanted.push_str(&format!("^{commit}\n"));
        }
        let call = self.call("bundle").args(["create", "--quiet"]).arg(file).arg("--stdin").stdin(wanted);
        call.timeout(BUNDLE_TIMEOUT).run().map(drop)
    }

    /// Whether git takes the file for a bundle of this repository.
    pub fn verify_bundle(&self, file: &Path) -> Result<BundleHeader, GitError> {
        let header = BundleHeader::read(file)?;
        let lacking = self.missing(&header.prerequisites)?;
        if !lacking.is_empty() {
            return Err(GitError::BundleLacks { commits: lacking });
        }
        match self.call("bundle").arg("verify").arg(file).timeout(BUNDLE_TIMEOUT).run() {
            Ok(_) => Ok(header),
            Err(GitError::Failed { .. }) => Err(GitError::BundleDamaged(file.to_owned())),
            Err(error) => Err(error),
        }
    }

    /// Brings what a bundle holds into the repository, and gives what it holds. Nothing points there yet. Refused with
    /// [`GitError::BundleLacks`] when what it stands on is not here, with [`GitError::BundleDamaged`] when it was cut or edited.
    pub fn unbundle(&self, file: &Path) -> Result<BundleHeader, GitError> {
        let header = self.verify_bundle(file)?;
        let damaged = || GitError::BundleDamaged(file.to_owned());
        match self.call("bundle").arg("unbundle").arg(file).timeout(BUNDLE_TIMEOUT).run() {
            Err(GitError::Failed { .. }) => return Err(damaged()),
            unbundled => unbundled?,
        };
        // It may say of itself what it does not hold.
        let heads: String = header.heads.iter().map(|(at, _)| format!("{at}\n")).collect();
        let call = self.call("rev-list").args(["--objects", "--quiet", "--stdin"]).stdin(heads);
        match call.timeout(BUNDLE_TIMEOUT).run() {
            Err(GitError::Failed { .. }) => Err(damaged()),
            walked => walked.map(|_| header),
        }
    }
}
