//! Lines of a stream, of bounded length.
//! Takes bytes; gives whole lines, and of one that is too long its beginning and its end. Never keeps more than the limit.

use tokio::io::{AsyncBufRead, AsyncBufReadExt as _};

/// How much of the end of a line that is too long is kept, in bytes: enough for the members behind `params`.
const END: usize = 1024;

/// One line, without its end.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Taken {
    Whole(Vec<u8>),
    TooLong { start: Vec<u8>, end: Vec<u8> },
}

/// Reads lines of at most `limit` bytes.
pub(super) struct Lines<R> {
    reader: R,
    limit: usize,
    /// Of the line that is being read: what fits, and the last bytes of what does not.
    start: Vec<u8>,
    end: Vec<u8>,
}

impl<R: AsyncBufRead + Unpin> Lines<R> {
    pub(super) fn new(reader: R, limit: usize) -> Self {
        Self { reader, limit, start: Vec::new(), end: Vec::new() }
    }

    /// The next line; None at the end of the stream, or when it cannot be read any more. May be dropped and asked again: nothing is lost.
    pub(super) async fn next(&mut self) -> Option<Taken> {
        loop {
            let available = match self.reader.fill_buf().await {
                Ok(available) => available,
                Err(error) => {
                    tracing::debug!(%error, "stdin cannot be read");
                    &[]
                }
            };
            if available.is_empty() {
                // The last line may have no end.
                return if self.start.is_empty() { None } else { Some(self.taken()) };
            }
            let line_end = memchr::memchr(b'\n', available);
            let part = available.get(..line_end.unwrap_or(available.len())).unwrap_or_default();
            let used = part.len().saturating_add(usize::from(line_end.is_some()));
            let room = self.limit.saturating_sub(self.start.len()).min(part.len());
            let (fits, over) = part.split_at_checked(room).unwrap_or((part, &[]));
            self.start.extend_from_slice(fits);
            self.end.extend_from_slice(over);
            if self.end.len() > END {
                self.end.drain(..self.end.len().saturating_sub(END));
            }
            self.reader.consume(used);
            if line_end.is_some() {
                return Some(self.taken());
            }
        }
    }

    fn taken(&mut self) -> Taken {
        let (start, end) = (std::mem::take(&mut self.start), std::mem::take(&mut self.end));
        if end.is_empty() { Taken::Whole(start) } else { Taken::TooLong { start, end } }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

    use super::*;

    #[tokio::test]
    async fn a_line_that_is_too_long_is_told_and_the_next_one_is_whole() {
        let long = format!("{}{}", "a".repeat(5_000), "z".repeat(END));
        let text = format!("first\n{long}\n\nlast");
        // A small buffer: lines come in pieces.
        let reader = tokio::io::BufReader::with_capacity(7, text.as_bytes());
        let mut lines = Lines::new(reader, 100);
        assert_eq!(lines.next().await, Some(Taken::Whole(b"first".to_vec())));
        let Some(Taken::TooLong { start, end }) = lines.next().await else { unreachable!() };
        assert_eq!((start, end), ("a".repeat(100).into_bytes(), "z".repeat(END).into_bytes()));
        assert_eq!(lines.next().await, Some(Taken::Whole(Vec::new())));
        assert_eq!(lines.next().await.unwrap(), Taken::Whole(b"last".to_vec()));
        assert_eq!(lines.next().await, None);
    }
}
