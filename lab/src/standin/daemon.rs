//! xcatd as the others see it: whether it runs, its start and its end, a command that it answers.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{Shutdown, TcpStream},
    process::Stdio,
};

use serde::{Deserialize, Serialize};

use crate::xcat::{self, DbError, Reply};

use super::program;

/// Name of the stand-in that listens.
pub(super) const LISTENER: &str = "xcatd-listener";
/// Where it listens.
pub(super) const PORT: u16 = 3001;
/// Where it leaves its number.
pub(super) const PID_FILE: &str = "/run/xcatd.pid";
const LISTENER_TITLE: &str = "xcatd: SSL listener";

/// A command for the daemon, one line.
#[derive(Serialize, Deserialize)]
pub(super) struct Request {
    pub(super) name: String,
    pub(super) args: Vec<String>,
    pub(super) env: Vec<(String, String)>,
}

/// Its answer.
#[derive(Serialize, Deserialize)]
pub(super) struct Answer {
    pub(super) stdout: String,
    pub(super) stderr: String,
    pub(super) exit: i32,
    pub(super) hangs: bool,
}

/// Number of the running listener.
pub(super) fn running() -> Option<i32> {
    program::running(PID_FILE, LISTENER_TITLE)
}

/// Starts the daemon and waits until it has its database and its port.
pub(super) fn start() -> Result<(), DbError> {
    let mut child =
        program::spawn(LISTENER_TITLE, &[LISTENER], Stdio::null(), Stdio::piped()).map_err(|_| DbError::Down)?;
    let mut line = String::new();
    let said = child.stdout.take().and_then(|out| BufReader::new(out).read_line(&mut line).ok());
    if said.is_some() && line == "ready\n" {
        return Ok(());
    }
    let _ = child.kill();
    let _ = child.wait();
    Err(DbError::Down)
}

/// Ends the listener. The process `DB Access` follows on its own time.
pub(super) fn stop() {
    program::stop(PID_FILE, LISTENER_TITLE);
}

/// Lets the daemon answer a command; `None` when there is no daemon, or the command does not go to it.
pub(super) fn ask(name: &str, args: &[&str], env: &[(String, String)]) -> Option<Reply> {
    let bypass = env.iter().any(|(k, v)| k == "XCATBYPASS" && v == "1");
    if bypass || matches!(name, "xcatd" | "chtab") || !xcat::is_known(name) {
        return None;
    }
    let mut connection = TcpStream::connect(("127.0.0.1", PORT)).ok()?;
    let request =
        Request { name: name.to_owned(), args: args.iter().map(|a| (*a).to_owned()).collect(), env: env.to_vec() };
    let mut line = serde_json::to_string(&request).ok()?;
    line.push('\n');
    let mut text = String::new();
    let answer: Option<Answer> = connection
        .write_all(line.as_bytes())
        .and_then(|()| connection.shutdown(Shutdown::Write))
        .and_then(|()| connection.read_to_string(&mut text))
        .ok()
        .and_then(|_| serde_json::from_str(&text).ok());
    // The daemon died under the request.
    Some(answer.map_or_else(
        || Reply {
            stderr: "Error: communication with the xcatd server was interrupted\n".into(),
            exit: 1,
            ..Reply::default()
        },
        |a| Reply { stdout: a.stdout, stderr: a.stderr, exit: a.exit, hangs: a.hangs },
    ))
}
