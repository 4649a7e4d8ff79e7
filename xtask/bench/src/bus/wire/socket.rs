//! A connection to a server on loopback, and what has come over it and is not yet taken.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// How long a server may take to answer a question.
pub(crate) const ANSWER_MOST: Duration = Duration::from_secs(10);

/// A frame, and how many bytes it takes; none while it is not whole.
pub(crate) type Parsed<T> = Result<Option<(T, usize)>, String>;

pub(crate) struct Socket {
    stream: TcpStream,
    held: Vec<u8>,
    limit: Duration,
}

impl Socket {
    /// To `127.0.0.1:port` of a URL.
    pub(crate) fn connect(url: &str) -> Result<Self, String> {
        let address = url.rsplit_once("//").map_or(url, |(_, rest)| rest);
        let address = address.rsplit_once('@').map_or(address, |(_, rest)| rest);
        let address = address.split('/').next().unwrap_or(address);
        let stream = TcpStream::connect(address).map_err(|error| format!("{address}: {error}"))?;
        stream.set_nodelay(true).map_err(|error| error.to_string())?;
        Ok(Self { stream, held: Vec::new(), limit: Duration::ZERO })
    }

    /// The same connection for another thread, which only sends.
    pub(crate) fn writer(&self) -> Result<TcpStream, String> {
        self.stream.try_clone().map_err(|error| error.to_string())
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.stream.write_all(bytes).map_err(|error| error.to_string())
    }

    /// The next whole frame, waiting for its bytes at most this long; with no time, only of what has come.
    pub(crate) fn frame<T>(
        &mut self,
        limit: Duration,
        parse: impl Fn(&[u8]) -> Parsed<T>,
    ) -> Result<Option<T>, String> {
        loop {
            if let Some((frame, taken)) = parse(&self.held)? {
                self.held.drain(..taken);
                return Ok(Some(frame));
            }
            if limit.is_zero() || !self.more(limit)? {
                return Ok(None);
            }
        }
    }

    /// A frame that has to come.
    pub(crate) fn answer<T>(&mut self, parse: impl Fn(&[u8]) -> Parsed<T>) -> Result<T, String> {
        self.frame(ANSWER_MOST, parse)?.ok_or_else(|| "the server did not answer".to_owned())
    }

    fn more(&mut self, limit: Duration) -> Result<bool, String> {
        if limit != self.limit {
            self.stream.set_read_timeout(Some(limit)).map_err(|error| error.to_string())?;
            self.limit = limit;
        }
        let mut bytes = [0u8; 16 * 1024];
        match self.stream.read(&mut bytes) {
            Ok(0) => Err("the server closed the connection".to_owned()),
            Ok(count) => {
                self.held.extend(&bytes[..count]);
                Ok(true)
            }
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock | ErrorKind::TimedOut => Ok(false),
                ErrorKind::Interrupted => Ok(true),
                _ => Err(error.to_string()),
            },
        }
    }
}

/// A line without its end, and what it takes.
pub(crate) fn line(bytes: &[u8]) -> Option<(&str, usize)> {
    let end = bytes.windows(2).position(|two| two == b"\r\n")?;
    Some((std::str::from_utf8(&bytes[..end]).unwrap_or(""), end + 2))
}
