//! HTTP/1.1 as far as a load needs it: one connection that is kept, one request after the other.
//! Takes a URL, header fields and a message; gives status, session and the message that answers. Never buffers what it does not need: the
//! client shares the machine with what is measured.

use std::{
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    time::Duration,
};

use crate::Result;

/// An answer later than this is none.
const PATIENCE: Duration = Duration::from_mins(2);

/// One connection to one server, opened anew when the server closed it.
pub(crate) struct Wire {
    authority: String,
    path: String,
    stream: Option<BufReader<TcpStream>>,
    body: Vec<u8>,
    /// How often it was opened.
    pub(crate) opened: usize,
}

/// What came back.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) session: Option<String>,
    event_stream: bool,
}

impl Wire {
    pub(crate) fn new(url: &str) -> Result<Self> {
        let rest = url.strip_prefix("http://").ok_or("only http:// is loaded")?;
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        Ok(Self { authority: authority.to_owned(), path: path.to_owned(), stream: None, body: Vec::new(), opened: 0 })
    }

    /// Posts a message. One that a closed connection swallowed whole is posted once more: servers close idle ones.
    pub(crate) fn post(&mut self, fields: &str, message: &str) -> Result<Answer> {
        let head = format!(
            "POST {} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\nContent-Length: {}\r\n{fields}\r\n",
            self.path,
            self.authority,
            message.len()
        );
        let request = [head.as_bytes(), message.as_bytes()].concat();
        let kept = self.stream.is_some();
        match self.exchange(&request) {
            Err(error) if kept && error.kind() == io::ErrorKind::UnexpectedEof => {
                self.stream = None;
                Ok(self.exchange(&request)?)
            }
            done => Ok(done?),
        }
    }

    /// Asks without a body: `GET`, or `DELETE` to end the session that the fields name.
    pub(crate) fn ask(&mut self, method: &str, fields: &str) -> Result<Answer> {
        let head = format!("{method} {} HTTP/1.1\r\nHost: {}\r\n{fields}\r\n", self.path, self.authority);
        Ok(self.exchange(head.as_bytes())?)
    }

    /// The message that answers: the body, or the last event of a stream.
    pub(crate) fn message<'a>(&'a self, answer: &Answer) -> Result<&'a str> {
        let text = std::str::from_utf8(&self.body)?;
        if !answer.event_stream {
            return Ok(text);
        }
        let data = |line: &'a str| line.strip_prefix("data:").map(str::trim).filter(|data| data.starts_with('{'));
        text.lines()
            .rev()
            .find_map(data)
            .ok_or_else(|| format!("an event stream without a message: {text:.200}").into())
    }

    fn exchange(&mut self, request: &[u8]) -> io::Result<Answer> {
        let mut stream = if let Some(stream) = self.stream.take() {
            stream
        } else {
            self.opened += 1;
            let stream = TcpStream::connect(&self.authority)?;
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            BufReader::with_capacity(64 * 1024, stream)
        };
        // A connection that the other side closed takes the request and then ends.
        stream.get_mut().write_all(request).map_err(|_| io::ErrorKind::UnexpectedEof)?;
        let mut line = String::new();
        match stream.read_line(&mut line) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            read => read?,
        };
        let status = line.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or(io::ErrorKind::InvalidData)?;
        let mut answer = Answer { status, session: None, event_stream: false };
        let (mut length, mut chunked, mut closes) = (None, false, false);
        loop {
            line.clear();
            stream.read_line(&mut line)?;
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            let value = value.trim();
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.parse::<usize>().ok(),
                "transfer-encoding" => chunked = value.eq_ignore_ascii_case("chunked"),
                "connection" => closes = value.eq_ignore_ascii_case("close"),
                "content-type" => answer.event_stream = value.starts_with("text/event-stream"),
                "mcp-session-id" => answer.session = Some(value.to_owned()),
                _ => {}
            }
        }
        self.body.clear();
        if chunked {
            while self.piece(&mut stream)? {}
        } else if let Some(length) = length {
            self.take(&mut stream, length)?;
        } else if status != 204 && status != 202 {
            closes = true;
            stream.read_to_end(&mut self.body)?;
        }
        self.stream = Some(stream).filter(|_| !closes);
        Ok(answer)
    }

    fn take(&mut self, stream: &mut BufReader<TcpStream>, length: usize) -> io::Result<()> {
        let start = self.body.len();
        self.body.resize(start.checked_add(length).ok_or(io::ErrorKind::InvalidData)?, 0);
        stream.read_exact(self.body.get_mut(start..).unwrap_or_default())
    }

    /// One chunk; whether there are more.
    fn piece(&mut self, stream: &mut BufReader<TcpStream>) -> io::Result<bool> {
        let mut line = String::new();
        stream.read_line(&mut line)?;
        let digits = line.trim().split(';').next().unwrap_or_default();
        let length = usize::from_str_radix(digits, 16).map_err(|_| io::ErrorKind::InvalidData)?;
        self.take(stream, length)?;
        line.clear();
        stream.read_line(&mut line)?;
        Ok(length > 0)
    }
}
