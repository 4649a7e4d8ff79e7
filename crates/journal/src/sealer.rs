//! Compresses closed segments on a thread of its own.
//!
//! **A plain segment goes only after its compressed form was read back and found equal.** A segment
//! that cannot be compressed (no room, damaged) stays plain and is tried again at the next open.

use crate::JournalError;
use crate::catalog::Catalog;
use crate::disk;
use crate::line::Line;
use crate::sealed::{Frames, Manifest, Packer};
use crate::segment::{Lines, Segment, Taken};
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

enum Job {
    Seal(Arc<Segment>),
    /// Answered when every job before it is done.
    Answer(Sender<()>),
}

/// Owns the thread; dropping it stops the thread within one frame's work and waits for it.
#[derive(Debug)]
pub(crate) struct Sealer {
    jobs: Option<Sender<Job>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Sealer {
    pub(crate) fn start(catalog: Arc<Catalog>) -> std::io::Result<Self> {
        let (jobs, inbox) = channel();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::Builder::new()
            .name("journal-sealer".to_owned())
            .spawn(move || run(&inbox, &catalog, &stopped))?;
        Ok(Self { jobs: Some(jobs), stop, thread: Some(thread) })
    }

    pub(crate) fn seal(&self, segment: Arc<Segment>) {
        self.send(Job::Seal(segment));
    }

    pub(crate) fn wait(&self) {
        let (answer, done) = channel();
        self.send(Job::Answer(answer));
        // An error means that the thread is gone, and then nothing is under way either.
        let _ = done.recv();
    }

    fn send(&self, job: Job) {
        if let Some(jobs) = &self.jobs {
            // The thread outlives the sender unless it panicked; an unsealed segment is a sound one.
            let _ = jobs.send(job);
        }
    }
}

impl Drop for Sealer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn run(inbox: &Receiver<Job>, catalog: &Catalog, stop: &AtomicBool) {
    for job in inbox {
        match job {
            Job::Seal(segment) if !stop.load(Ordering::Relaxed) => {
                if seal(catalog, &segment, stop).is_err() {
                    // The next open tries again; until then the plain form serves.
                    let _ = fs::remove_file(segment.sealed(&catalog.dir).with_extension(disk::TEMPORARY));
                }
            }
            Job::Seal(_) => {}
            Job::Answer(answer) => {
                let _ = answer.send(());
            }
        }
    }
}

fn seal(catalog: &Catalog, segment: &Segment, stop: &AtomicBool) -> Result<(), JournalError> {
    let sealed = segment.sealed(&catalog.dir);
    let temporary = sealed.with_extension(disk::TEMPORARY);
    disk::remove_if_there(&temporary)?;
    let file = disk::create_new(&temporary)?;
    let Some((file, manifest)) = pack(catalog, segment, stop, file)? else { return Ok(()) };
    let failed = |error| JournalError::io("write", &temporary, error);
    file.sync_all().map_err(failed)?;
    check(segment, File::open(&temporary).map_err(failed)?, manifest)?;
    fs::rename(&temporary, &sealed).map_err(failed)?;
    disk::sync_dir(&catalog.dir)?;
    disk::remove_if_there(&segment.plain(&catalog.dir))?;
    disk::sync_dir(&catalog.dir)
}

/// None when it was told to stop.
fn pack(
    catalog: &Catalog,
    segment: &Segment,
    stop: &AtomicBool,
    file: File,
) -> Result<Option<(File, Manifest)>, JournalError> {
    let path = segment.sealed(&catalog.dir);
    let failed = |error| JournalError::io("compress", &path, error);
    let mut lines = segment.lines(&catalog.dir, segment.first)?;
    if matches!(lines, Lines::Sealed(_)) {
        return Ok(None);
    }
    let mut packer = Packer::new(BufWriter::new(file), segment.first).map_err(failed)?;
    let mut bytes = Vec::new();
    let mut next = segment.first;
    let mut prev = None;
    loop {
        match lines.next(&mut bytes)? {
            Taken::Line => {}
            Taken::Unfinished => return Err(segment.damaged(next, "its line does not end")),
            Taken::End => break,
        }
        let line = Line::parse(&bytes).map_err(|fault| segment.damaged(next, fault.to_string()))?;
        if line.seq() != next || prev.is_some_and(|prev| prev != line.prev) {
            return Err(segment.damaged(next, "it does not continue the record before it"));
        }
        prev = Some(line.position.hash);
        next += 1;
        let frame_done = packer.add(&bytes, line.position).map_err(failed)?;
        if frame_done && stop.load(Ordering::Relaxed) {
            return Ok(None);
        }
    }
    let (mut out, manifest) = packer.finish().map_err(failed)?;
    out.flush().map_err(failed)?;
    let file = out.into_inner().map_err(|error| failed(error.into_error()))?;
    Ok(Some((file, manifest)))
}

/// Reads the compressed form back and compares it with what went in.
fn check(segment: &Segment, file: File, written: Manifest) -> Result<(), JournalError> {
    let found = Manifest::read(&file, segment.first)?;
    let expected = written.content;
    if found != written {
        return Err(segment.damaged(segment.first, "its manifest did not read back"));
    }
    let mut frames = Frames::new(file, Arc::new(found), segment.first);
    let mut content = blake3::Hasher::new();
    let mut bytes = Vec::new();
    while frames.next(&mut bytes)? == Taken::Line {
        content.update(&bytes).update(b"\n");
    }
    if content.finalize() == expected {
        Ok(())
    } else {
        Err(segment.damaged(segment.first, "its compressed form did not read back"))
    }
}
