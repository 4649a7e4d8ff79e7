//! The one place with unsafe code: `rt/bell.shm`, mapped into this process.
//!
//! Invariant: a mapping is exactly [`LENGTH`] bytes of a file that had at least that many when it was mapped, it stays
//! until the last handle is dropped, and it is only ever seen as atomics, for which every bit pattern is a value and
//! writes of other processes are no data race. What the numbers mean is `slot`'s business. Nobody cuts the file
//! short: it is written whole beside its place and renamed. Should a stranger do it all the same, `slot` asks
//! [`Mapping::stands`] before each use, because touching a page behind the end kills the process (`SIGBUS`).
#![expect(unsafe_code, reason = "memory shared with other processes is reached through a raw mapping only")]

use rustix::fs::OFlags;
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
use std::ffi::c_void;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, AtomicU64};

/// Sessions that have a slot at the same time; later ones do with their FIFO and with SQL.
pub(crate) const SLOTS: usize = 512;

/// Beginning of the file.
#[derive(Debug)]
#[repr(C, align(128))]
pub(crate) struct Header {
    pub(crate) magic: AtomicU64,
    pub(crate) layout: AtomicU32,
    pub(crate) slots: AtomicU32,
    /// The boot its times belong to.
    pub(crate) boot: AtomicU64,
    /// Rises after every commit that changed who is registered.
    pub(crate) registry: AtomicU32,
    pub(crate) spare: AtomicU32,
    /// When the janitor last went round, since boot.
    pub(crate) janitor_ns: AtomicU64,
}

/// One session's part: two cache lines of its own, so that neighbours do not slow each other down.
#[derive(Debug)]
#[repr(C, align(128))]
pub(crate) struct Slot {
    /// Tag of the registration that has it; 0 is free.
    pub(crate) owner: AtomicU64,
    /// Rises with every ring; the futex.
    pub(crate) bell: AtomicU32,
    /// How its owner waits, if it does.
    pub(crate) waiting: AtomicU32,
    /// Last sign of life, since boot.
    pub(crate) heartbeat_ns: AtomicU64,
    /// The sign of life that was last written to the table.
    pub(crate) flushed_ns: AtomicU64,
    /// Last notice the owner was given.
    pub(crate) delivered: AtomicU64,
    /// Channels it listens to: one bit each, by hash; all set without subscriptions.
    pub(crate) channels: AtomicU64,
    pub(crate) pid: AtomicU32,
    /// What it is doing: place in `ParticipantStatus::ALL`, from 1.
    pub(crate) status: AtomicU32,
    /// Tag of the worktree it works in; 0 is none.
    pub(crate) worktree: AtomicU64,
    /// When the process began that its life hangs on, with `pid`; 0 when its life hangs on something else.
    pub(crate) process_start: AtomicU64,
    /// The namespace `pid` is a number of.
    pub(crate) pid_namespace: AtomicU64,
    /// How long a sign of life is good for; 0 when it does not live by lease.
    pub(crate) lease_ns: AtomicU64,
}

#[derive(Debug)]
#[repr(C)]
pub(crate) struct Table {
    pub(crate) header: Header,
    pub(crate) slots: [Slot; SLOTS],
}

/// Size of the file in bytes.
pub(crate) const LENGTH: usize = size_of::<Table>();

/// The table, shared with every process that maps the same file.
#[derive(Debug)]
pub(crate) struct Mapping {
    table: NonNull<Table>,
    file: OwnedFd,
}

// SAFETY: the pointer is only turned into `&Table`, which holds nothing but atomics and so may be used by any thread;
// the memory is released by `Drop`, which runs once, when no reference is left.
unsafe impl Send for Mapping {}
// SAFETY: as above; `&Mapping` gives nothing but `&Table`.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps the file; the caller has seen that it is at least [`LENGTH`] bytes long, and it is looked at again here.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        Self::map(path, OFlags::RDWR, ProtFlags::READ | ProtFlags::WRITE)
    }

    /// The same for who only looks. Nothing may be stored in what this gives: the page is not writable.
    pub(crate) fn look(path: &Path) -> io::Result<Self> {
        Self::map(path, OFlags::RDONLY, ProtFlags::READ)
    }

    fn map(path: &Path, access: OFlags, pages: ProtFlags) -> io::Result<Self> {
        let flags = access | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let file = rustix::fs::open(path, flags, rustix::fs::Mode::empty())?;
        let size = rustix::fs::fstat(&file)?.st_size;
        if usize::try_from(size).unwrap_or(0) < LENGTH {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        // SAFETY: a fresh shared mapping at an address of the kernel's choice overlaps nothing of ours.
        let start = unsafe { mmap(std::ptr::null_mut(), LENGTH, pages, MapFlags::SHARED, &file, 0) }?;
        // A mapping begins at a page, which is more than the table's alignment asks for.
        NonNull::new(start.cast::<Table>())
            .map(|table| Self { table, file })
            .ok_or(io::ErrorKind::OutOfMemory.into())
    }

    /// True while the file is whole and has a name. To ask the open file costs a fraction of finding it by its path.
    pub(crate) fn stands(&self) -> bool {
        rustix::fs::fstat(&self.file)
            .is_ok_and(|stat| stat.st_nlink > 0 && usize::try_from(stat.st_size).unwrap_or(0) >= LENGTH)
    }

    pub(crate) fn table(&self) -> &Table {
        // SAFETY: `LENGTH` mapped bytes begin here, aligned to a page, for as long as `self` lives; all of the
        // table is atomics, so every content is valid and concurrent change is allowed.
        unsafe { self.table.as_ref() }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        let start: *mut c_void = self.table.as_ptr().cast();
        // SAFETY: exactly what `open` mapped, and nobody has a reference any more. It cannot fail for such a range.
        let _ = unsafe { munmap(start, LENGTH) };
    }
}
