//! A text sent to a shell, and what came back on two streams. The same for a local shell and for one behind ssh.

use std::{
    io,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use workflows::render::last_frame;

use super::job::{MOST, find};

/// Most that is kept of a stream: two outputs of a job and the frames around them.
const KEPT: usize = 2 * MOST + 64 * 1024;

/// What came back.
#[derive(Debug)]
pub(super) struct Raw {
    pub(super) stdout: Vec<u8>,
    pub(super) stderr: Vec<u8>,
    /// Both streams came to their end frame; otherwise they ended before it.
    pub(super) complete: bool,
    /// Milliseconds since 1970.
    pub(super) sent_ms: u64,
    pub(super) took: Duration,
}

/// Why nothing came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Broken {
    /// The text was not sent. It says why.
    NeverStarted(String),
    /// It was, or a part of it.
    Unknown(String),
    /// It was, and the time is over.
    OutOfTime,
}

/// Sends `text` and reads both streams to their end frames; not to their ends, which a child left behind would put off for ever
/// (trap 72).
pub(super) async fn exchange(
    mut stdin: impl AsyncWrite + Unpin,
    stdout: impl AsyncRead + Unpin,
    stderr: impl AsyncRead + Unpin,
    text: &str,
    nonce: &str,
) -> io::Result<Raw> {
    let sent_ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as u64);
    let began = Instant::now();
    let send = async move {
        // A shell that ended early closes its input; its output says why.
        let _ = stdin.write_all(text.as_bytes()).await;
        let _ = stdin.shutdown().await;
        drop(stdin);
    };
    let read = async { tokio::try_join!(collect(stdout, nonce), collect(stderr, nonce)) };
    tokio::pin!(send, read);
    let (out, err) = tokio::select! {
        biased;
        done = &mut read => done?,
        () = &mut send => read.await?,
    };
    let (complete, took) = (out.done && err.done, began.elapsed());
    Ok(Raw { stdout: out.kept, stderr: err.kept, complete, sent_ms, took })
}

/// A stream as it comes in.
struct Collected {
    kept: Vec<u8>,
    done: bool,
}

async fn collect(mut stream: impl AsyncRead + Unpin, nonce: &str) -> io::Result<Collected> {
    let last = last_frame(nonce).into_bytes();
    let mut kept = Vec::new();
    let mut window = Vec::new();
    let mut chunk = vec![0; 32 * 1024];
    loop {
        let n = stream.read(&mut chunk).await?;
        if n == 0 {
            return Ok(Collected { kept, done: false });
        }
        let room = KEPT.saturating_sub(kept.len()).min(n);
        kept.extend_from_slice(&chunk[..room]);
        window.extend_from_slice(&chunk[..n]);
        if find(&window, &last).is_some() {
            return Ok(Collected { kept, done: true });
        }
        window.drain(..window.len().saturating_sub(last.len()));
    }
}

/// What a stream said, for a person: its last lines, without control characters.
pub(super) fn said(stream: &[u8]) -> String {
    let text = String::from_utf8_lossy(&stream[stream.len().saturating_sub(600)..]).into_owned();
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("@@hamn "));
    let lines: Vec<String> = lines.map(|line| line.chars().filter(|c| !c.is_control()).collect()).collect();
    lines[lines.len().saturating_sub(3)..].join("; ")
}
