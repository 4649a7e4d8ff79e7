//! HTTP/1.1 as plainly as it can be spoken, so that what is measured is the server: one connection, one request after the other.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// Longest wait for a piece of an answer.
const ANSWER_MOST: Duration = Duration::from_secs(30);

pub(super) struct Wire {
    stream: BufReader<TcpStream>,
    head: String,
    asked: u64,
}

impl Wire {
    pub(super) fn connect(port: u16, token: Option<&str>) -> Result<Self, String> {
        let stream = TcpStream::connect(("127.0.0.1", port)).map_err(|error| error.to_string())?;
        stream.set_nodelay(true).map_err(|error| error.to_string())?;
        stream.set_read_timeout(Some(ANSWER_MOST)).map_err(|error| error.to_string())?;
        let token = token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
        Ok(Self {
            stream: BufReader::new(stream),
            head: format!("Host: 127.0.0.1:{port}\r\n{token}"),
            asked: 0,
        })
    }

    /// The body of the answer, when that is a success.
    pub(super) fn ask(&mut self, method: &str, path: &str, body: Option<&str>) -> Result<Vec<u8>, String> {
        self.asked += 1;
        let mut request = format!("{method} {path} HTTP/1.1\r\n{}", self.head);
        if let Some(body) = body {
            let (length, port) = (body.len(), self.port());
            let key = format!("bench-{}-{port}-{}", std::process::id(), self.asked);
            request.push_str(&format!(
                "Content-Type: application/json\r\nContent-Length: {length}\r\nIdempotency-Key: {key}\r\n"
            ));
        }
        request.push_str("\r\n");
        request.push_str(body.unwrap_or_default());
        self.stream.get_mut().write_all(request.as_bytes()).map_err(|error| error.to_string())?;
        let (status, body) = self.answer()?;
        if (200..300).contains(&status) {
            return Ok(body);
        }
        Err(format!("{method} {path} was answered with {status}: {}", String::from_utf8_lossy(&body)))
    }

    /// Our own end's, which tells this connection from the others.
    fn port(&self) -> u16 {
        self.stream.get_ref().local_addr().map_or(0, |address| address.port())
    }

    fn answer(&mut self) -> Result<(u16, Vec<u8>), String> {
        let status = self.line()?;
        let status = status.split(' ').nth(1).and_then(|code| code.parse().ok()).ok_or("that is no HTTP")?;
        let (mut length, mut chunked) = (0, false);
        loop {
            let line = self.line()?.to_ascii_lowercase();
            let Some((name, value)) = line.split_once(':') else { break };
            match (name, value.trim()) {
                ("content-length", value) => length = value.parse().map_err(|_| "a length that is none")?,
                ("transfer-encoding", "chunked") => chunked = true,
                _ => {}
            }
        }
        if !chunked {
            return Ok((status, self.bytes(length)?));
        }
        let mut body = Vec::new();
        loop {
            let size =
                usize::from_str_radix(self.line()?.trim(), 16).map_err(|_| "a chunk without a size")?;
            body.extend(self.bytes(size)?);
            self.line()?;
            if size == 0 {
                return Ok((status, body));
            }
        }
    }

    fn line(&mut self) -> Result<String, String> {
        let mut line = String::new();
        let read = self.stream.read_line(&mut line).map_err(|error| error.to_string())?;
        if read == 0 { Err("the server hung up".to_owned()) } else { Ok(line.trim_end().to_owned()) }
    }

    fn bytes(&mut self, length: usize) -> Result<Vec<u8>, String> {
        let mut bytes = vec![0; length];
        self.stream.read_exact(&mut bytes).map_err(|error| error.to_string())?;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    /// What a client makes of an answer.
    fn heard(answer: &'static str) -> Result<Vec<u8>, String> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let served = std::thread::spawn(move || {
            let mut stream = BufReader::new(listener.accept().unwrap().0);
            let mut asked = Vec::new();
            while asked.last() != Some(&"\r\n".to_owned()) {
                let mut line = String::new();
                stream.read_line(&mut line).unwrap();
                asked.push(line);
            }
            stream.get_mut().write_all(answer.as_bytes()).unwrap();
            assert_eq!(asked[0], "GET /x HTTP/1.1\r\n");
            assert!(asked.contains(&"Authorization: Bearer t\r\n".to_owned()));
        });
        let answer = Wire::connect(port, Some("t")).unwrap().ask("GET", "/x", None);
        served.join().unwrap();
        answer
    }

    #[test]
    fn bodies_come_whole_whichever_way_they_are_framed() {
        assert_eq!(heard("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab").unwrap(), b"ab");
        assert_eq!(
            heard("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n2\r\nbc\r\n0\r\n\r\n")
                .unwrap(),
            b"abc"
        );
        let refused = heard("HTTP/1.1 429 Too Many\r\ncontent-length: 4\r\n\r\nslow").unwrap_err();
        assert!(refused.contains("429") && refused.ends_with("slow"), "{refused}");
        assert!(heard("").is_err());
    }
}
