//! On what kind of file system a path is, and whether state may live there.
//!
//! SQLite's locks and write-ahead log, git, and fsync need a local POSIX file system. On those that a
//! server or a user process stands behind, a lock may hold on one machine only and an fsync may not reach
//! anything (docs/decisions say how that was found out).

use rustix::fs::statfs;
use std::path::Path;

/// A kind of file system that no data root may be on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unsafe {
    Fuse,
    Nfs,
    Smb,
    NineP,
}

impl Unsafe {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Fuse => "FUSE",
            Self::Nfs => "NFS",
            Self::Smb => "SMB",
            Self::NineP => "9p",
        }
    }

    /// By the magic number of `statfs(2)`; its lower 32 bits count.
    fn of_magic(magic: u32) -> Option<Self> {
        match magic {
            0x6573_5546 => Some(Self::Fuse),
            0x0000_6969 => Some(Self::Nfs),
            // smbfs, cifs, smb2.
            0x0000_517b | 0xff53_4d42 | 0xfe53_4d42 => Some(Self::Smb),
            0x0102_1997 => Some(Self::NineP),
            _ => None,
        }
    }
}

/// What is wrong with the file system of a path that exists.
#[cfg(target_os = "linux")]
pub(crate) fn look(path: &Path) -> std::io::Result<Option<Unsafe>> {
    let found = statfs(path)?;
    // The type's width differs between machines; a magic number has 32 bits.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "only the lower 32 bits mean anything"
    )]
    let magic = found.f_type as u32;
    Ok(Unsafe::of_magic(magic))
}

/// Other systems name their file systems in ways of their own, which nothing here knows yet.
#[cfg(not(target_os = "linux"))]
pub(crate) fn look(path: &Path) -> std::io::Result<Option<Unsafe>> {
    statfs(path)?;
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_systems_with_somebody_else_behind_them_are_known() {
        for (magic, kind) in [
            (0x6573_5546, Some(Unsafe::Fuse)),
            (0x6969, Some(Unsafe::Nfs)),
            (0x517b, Some(Unsafe::Smb)),
            (0xff53_4d42, Some(Unsafe::Smb)),
            (0xfe53_4d42, Some(Unsafe::Smb)),
            (0x0102_1997, Some(Unsafe::NineP)),
            // ext4, btrfs, xfs, tmpfs, overlayfs, zfs.
            (0xef53, None),
            (0x9123_683e, None),
            (0x5846_5342, None),
            (0x0102_1994, None),
            (0x794c_7630, None),
            (0x2fc1_2fc1, None),
        ] {
            assert_eq!(Unsafe::of_magic(magic), kind, "{magic:x}");
        }
    }

    #[test]
    fn a_local_folder_is_no_problem_and_a_missing_one_is_an_error() {
        assert_eq!(look(Path::new("/proc")).unwrap(), None);
        assert!(look(Path::new("/proc/there is no such thing")).is_err());
    }
}
