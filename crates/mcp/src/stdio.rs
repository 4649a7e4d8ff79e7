//! The server on stdin and stdout, as the child of a vendor's program.
//!
//! Messages are lines. A thread of its own reads them, since waiting for stdin blocks; what is too long, no JSON or no
//! message is answered or dropped there, and never ends the server. It ends with stdin.
//!
//! Invariant: stdout carries messages of the protocol and nothing else.

use crate::probe;
use crate::server::Server;
use rmcp::model::{ClientJsonRpcMessage, ServerJsonRpcMessage};
use rmcp::service::{RoleServer, serve_directly};
use rmcp::transport::Transport;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Longest message, in bytes: what a request to the daemon may have, too.
pub const FRAME_MAX: usize = 1024 * 1024;
/// Messages read and not yet taken.
const QUEUE: usize = 64;

/// Serves until the input ends.
pub async fn serve(
    server: Server,
    input: impl Read + Send + 'static,
    output: impl Write + Send + 'static,
) -> io::Result<()> {
    let output: Output = Arc::new(Mutex::new(Box::new(output)));
    let (queue, messages) = mpsc::channel(QUEUE);
    let told = Arc::clone(&output);
    std::thread::Builder::new()
        .name("mcp-stdin".to_owned())
        .spawn(move || read(BufReader::new(input), &told, &queue))?;
    let closing = server.shared.closing.clone();
    let running = serve_directly(server, Lines { messages, output, closing }, None);
    running.waiting().await.map(drop).map_err(io::Error::other)
}

type Output = Arc<Mutex<Box<dyn Write + Send>>>;

/// The protocol's view of the two streams.
struct Lines {
    messages: mpsc::Receiver<ClientJsonRpcMessage>,
    output: Output,
    /// Calls that wait end when the input does; those that do not wait get their answers out.
    closing: CancellationToken,
}

impl Transport<RoleServer> for Lines {
    type Error = io::Error;

    fn send(
        &mut self,
        message: ServerJsonRpcMessage,
    ) -> impl Future<Output = Result<(), io::Error>> + Send + 'static {
        let output = Arc::clone(&self.output);
        async move {
            let text = serde_json::to_string(&message)?;
            // A client that does not read may fill the pipe: only this thread waits for it.
            tokio::task::spawn_blocking(move || write(&output, &text)).await.map_err(io::Error::other)?
        }
    }

    async fn receive(&mut self) -> Option<ClientJsonRpcMessage> {
        let message = self.messages.recv().await;
        if message.is_none() {
            self.closing.cancel();
        }
        message
    }

    async fn close(&mut self) -> Result<(), io::Error> {
        self.messages.close();
        Ok(())
    }
}

fn write(output: &Output, text: &str) -> io::Result<()> {
    let mut output = output.lock().unwrap_or_else(PoisonError::into_inner);
    output.write_all(text.as_bytes())?;
    output.write_all(b"\n")?;
    output.flush()
}

/// Reads to the end of the input, or until nobody listens or reads any more.
fn read(mut input: impl BufRead, output: &Output, queue: &mpsc::Sender<ClientJsonRpcMessage>) {
    let mut line = Vec::new();
    loop {
        let answer = match next_line(&mut input, &mut line) {
            Ok(Line::End) | Err(_) => return,
            Ok(Line::TooLong) => Some(probe::too_long(FRAME_MAX)),
            Ok(Line::Whole) if line.trim_ascii().is_empty() => None,
            Ok(Line::Whole) => match probe::answer(&line) {
                Some(answer) => Some(answer),
                None => {
                    match serde_json::from_slice(&line).map(|message| queue.blocking_send(message).is_ok()) {
                        Ok(true) => None,
                        Ok(false) => return,
                        Err(_) => probe::refusal(&line),
                    }
                }
            },
        };
        if let Some(answer) = answer
            && write(output, &answer).is_err()
        {
            return;
        }
    }
}

enum Line {
    Whole,
    /// It has been skipped.
    TooLong,
    End,
}

/// The next line, without its end; never more than [`FRAME_MAX`] bytes of it are held.
fn next_line(input: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<Line> {
    line.clear();
    let mut too_long = false;
    loop {
        let found = match input.fill_buf() {
            Ok(found) => found,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        if found.is_empty() {
            // What has no end was not finished by whoever wrote it.
            return Ok(if too_long { Line::TooLong } else { Line::End });
        }
        let end = found.iter().position(|byte| *byte == b'\n');
        let part = &found[..end.unwrap_or(found.len())];
        too_long |= line.len() + part.len() > FRAME_MAX;
        if !too_long {
            line.extend_from_slice(part);
        }
        let taken = part.len() + usize::from(end.is_some());
        input.consume(taken);
        if end.is_some() {
            return Ok(if too_long { Line::TooLong } else { Line::Whole });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_a_limit_and_the_next_one_is_read_all_the_same() {
        let mut text = vec![b'x'; FRAME_MAX];
        text.push(b'\n');
        text.extend(vec![b'y'; FRAME_MAX + 1]);
        text.extend(b"\nshort\nwithout end");
        let mut input = BufReader::with_capacity(4096, text.as_slice());
        let mut line = Vec::new();
        assert!(matches!(next_line(&mut input, &mut line).unwrap(), Line::Whole));
        assert_eq!(line.len(), FRAME_MAX);
        assert!(matches!(next_line(&mut input, &mut line).unwrap(), Line::TooLong));
        assert!(matches!(next_line(&mut input, &mut line).unwrap(), Line::Whole));
        assert_eq!(line, b"short");
        assert!(matches!(next_line(&mut input, &mut line).unwrap(), Line::End));
    }
}
