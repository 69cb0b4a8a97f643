//! A shell on this machine.

use std::{process::Stdio, time::Duration};

use tokio::{process::Command, time};

use super::exchange::{Broken, Raw, exchange, said};

/// Runs `text` in a shell of its own process group: a Ctrl-C in the terminal must not reach a job.
pub(super) async fn call(text: &str, nonce: &str, limit: Duration) -> Result<Raw, Broken> {
    let mut command = Command::new("/bin/sh");
    command.arg("-s").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.process_group(0).kill_on_drop(true).current_dir("/");
    let mut child = command.spawn().map_err(|e| Broken::NeverStarted(format!("/bin/sh cannot be started: {e}")))?;
    let streams = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let (Some(stdin), Some(stdout), Some(stderr)) = streams else { unreachable!("all three are piped") };
    match time::timeout(limit, exchange(stdin, stdout, stderr, text, nonce)).await {
        Err(_) => Err(Broken::OutOfTime),
        Ok(Err(e)) => Err(Broken::Unknown(format!("the shell's output cannot be read: {e}"))),
        Ok(Ok(raw)) if raw.complete => Ok(raw),
        Ok(Ok(raw)) => Err(Broken::Unknown(format!("the shell ended early: {}", said(&raw.stderr)))),
    }
}
