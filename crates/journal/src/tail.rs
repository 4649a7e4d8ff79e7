//! Scans the segment that is still written, from its mark or its start to where it stops being sound.

use crate::line::{LINE_MAX, Line, Payload};
use crate::mark::Mark;
use crate::segment::{self, INDEX_EVERY, Taken};
use crate::{JournalError, Position};
use std::fs::File;
use std::io::{self, BufReader, Seek, SeekFrom};
use std::path::Path;

#[derive(Debug)]
pub(crate) struct Active {
    pub(crate) first: u64,
    /// Where the sound records end.
    pub(crate) end: u64,
    /// Where the file ends.
    pub(crate) len: u64,
    /// (number, offset) of some records.
    pub(crate) index: Vec<(u64, u64)>,
}

pub(crate) type Scanned = (Active, Option<Position>, Option<Stop>);

/// Finds the end of the sound records in the segment that is still written: from the mark when it
/// fits, else from the start.
pub(crate) fn scan(dir: &Path, first: u64, mark: Option<Mark>) -> Result<Scanned, JournalError> {
    let path = segment::plain_path(dir, first);
    let failed = |error| JournalError::io("read", &path, error);
    let file = File::open(&path).map_err(failed)?;
    let len = file.metadata().map_err(failed)?.len();
    let mut scan = Scan::from_start(first);
    if let Some(mark) = mark.filter(|mark| mark.segment == first && mark.offset <= len) {
        if mark.offset == 0 {
            scan.prev = Some(mark.position.hash);
        } else if segment::record_ending_at(&file, mark.offset).map_err(failed)? == Some(mark.position) {
            scan = Scan::after(mark);
        }
    }
    let stop = scan.run(&file).map_err(failed)?;
    Ok((Active { first, end: scan.end, len, index: scan.index }, scan.position, stop))
}

/// Why a scan ended before the end of the file.
pub(crate) struct Stop {
    pub(crate) why: String,
    /// A record follows that matches its own hash: no tear leaves that behind in durable bytes.
    pub(crate) sound_behind: bool,
}

impl Stop {
    fn at_end(why: &str) -> Self {
        Self { why: why.to_owned(), sound_behind: false }
    }
}

fn any_sound_line(reader: &mut impl io::BufRead, bytes: &mut Vec<u8>) -> io::Result<bool> {
    while segment::take_line(reader, bytes, LINE_MAX as u64)? == Taken::Line {
        if Line::parse(bytes).is_ok() {
            return Ok(true);
        }
    }
    Ok(false)
}

struct Scan {
    next: u64,
    prev: Option<[u8; 32]>,
    /// End of the last whole write.
    end: u64,
    position: Option<Position>,
    index: Vec<(u64, u64)>,
}

impl Scan {
    fn from_start(first: u64) -> Self {
        Self { next: first, prev: None, end: 0, position: None, index: Vec::new() }
    }

    fn after(mark: Mark) -> Self {
        Self {
            next: mark.position.cursor.seq + 1,
            prev: Some(mark.position.hash),
            end: mark.offset,
            position: Some(mark.position),
            index: vec![(mark.position.cursor.seq + 1, mark.offset)],
        }
    }

    /// Reads on to the end of the file; says why, when it stopped before.
    fn run(&mut self, mut file: &File) -> io::Result<Option<Stop>> {
        file.seek(SeekFrom::Start(self.end))?;
        let mut reader = BufReader::with_capacity(256 * 1024, file);
        let mut bytes = Vec::new();
        let mut offset = self.end;
        let mut left = 0;
        loop {
            match segment::take_line(&mut reader, &mut bytes, LINE_MAX as u64)? {
                Taken::Line => {}
                Taken::Unfinished => return Ok(Some(Stop::at_end("the last line does not end"))),
                Taken::End if left > 0 => return Ok(Some(Stop::at_end("the last write is not whole"))),
                Taken::End => return Ok(None),
            }
            let line = match self.accept(&bytes, left) {
                Ok(line) => line,
                Err(why) => {
                    let sound_behind = any_sound_line(&mut reader, &mut bytes)?;
                    return Ok(Some(Stop { why: format!("record {}: {why}", self.next), sound_behind }));
                }
            };
            let (position, more) = (line.position, line.more());
            if left == 0 && self.index.last().is_none_or(|&(_, last)| last + INDEX_EVERY <= offset) {
                self.index.push((self.next, offset));
            }
            offset += bytes.len() as u64 + 1;
            self.next += 1;
            self.prev = Some(position.hash);
            left = more;
            if more == 0 {
                self.end = offset;
                self.position = Some(position);
            }
        }
    }

    fn accept<'a>(&self, bytes: &'a [u8], left: u32) -> Result<Line<'a>, String> {
        let line = Line::parse(bytes).map_err(|fault| fault.to_string())?;
        if line.seq() != self.next {
            return Err(format!("it has the number {}", line.seq()));
        }
        if self.prev.is_some_and(|prev| prev != line.prev) {
            return Err("it does not continue the record before it".to_owned());
        }
        if left > 0 && line.more() != left - 1 {
            return Err("the write it belongs to is not whole".to_owned());
        }
        if let Payload::Inline(payload) = line.payload {
            line.check(payload.as_bytes()).map_err(|fault| fault.to_string())?;
        }
        Ok(line)
    }
}
