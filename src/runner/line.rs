//! Lines of JSON over a stream, with a limit, safe to cancel.

use std::io;

use serde::{Serialize, de::DeserializeOwned};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};

/// Reads values, one a line. A cancelled [`LineReader::next`] loses nothing.
#[derive(Debug)]
pub(crate) struct LineReader<R> {
    inner: BufReader<R>,
    partial: Vec<u8>,
    limit: usize,
}

impl<R: AsyncRead + Unpin> LineReader<R> {
    /// Takes no line longer than `limit` bytes.
    pub(crate) fn new(inner: R, limit: usize) -> Self {
        Self { inner: BufReader::new(inner), partial: Vec::new(), limit }
    }

    /// The next value; `None` at the end. A line cut off by the end of the stream is not a line.
    pub(crate) async fn next<T: DeserializeOwned>(&mut self) -> io::Result<Option<T>> {
        loop {
            let available = self.inner.fill_buf().await?;
            if available.is_empty() {
                return Ok(None);
            }
            let (taken, whole) = match available.iter().position(|b| *b == b'\n') {
                Some(end) => (end + 1, true),
                None => (available.len(), false),
            };
            if self.partial.len() + taken > self.limit {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "line too long"));
            }
            self.partial.extend_from_slice(&available[..taken]);
            self.inner.consume(taken);
            if whole {
                let value = serde_json::from_slice(&self.partial).map_err(io::Error::from);
                self.partial.clear();
                return value.map(Some);
            }
        }
    }
}

/// Writes one value as a line.
pub(crate) async fn send<W: AsyncWrite + Unpin, T: Serialize>(to: &mut W, value: &T) -> io::Result<()> {
    let mut line = serde_json::to_vec(value).map_err(io::Error::from)?;
    line.push(b'\n');
    to.write_all(&line).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_come_whole_in_order_and_a_cut_one_does_not_count() {
        let mut reader = LineReader::new(&b"1\n22\n3"[..], 10);
        assert_eq!(reader.next::<u32>().await.unwrap(), Some(1));
        assert_eq!(reader.next::<u32>().await.unwrap(), Some(22));
        assert_eq!(reader.next::<u32>().await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_line_over_the_limit_is_refused_before_it_is_kept() {
        let mut reader = LineReader::new(&b"1234567890123"[..], 10);
        assert_eq!(reader.next::<u64>().await.unwrap_err().kind(), io::ErrorKind::InvalidData);
    }

    #[tokio::test]
    async fn a_cancelled_read_loses_nothing() {
        let (mut tx, rx) = tokio::io::duplex(64);
        let mut reader = LineReader::new(rx, 64);
        tx.write_all(b"\"ab").await.unwrap();
        tokio::select! {
            biased;
            _ = reader.next::<String>() => panic!("half a line is no line"),
            () = tokio::task::yield_now() => {}
        }
        tx.write_all(b"cd\"\n").await.unwrap();
        assert_eq!(reader.next::<String>().await.unwrap().as_deref(), Some("abcd"));
    }
}
