//! How a stand-in is a program: under another's title, found again by the file of its number, saying what a command says.

use std::{
    fs,
    io::{self, Write},
    os::unix::process::CommandExt,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use crate::{
    process::{poll, proc, terminate},
    xcat::Reply,
};

/// This program under another title. Neither its output nor its children keep the caller's open.
pub(super) fn spawn(title: &str, args: &[&str], stdin: Stdio, stdout: Stdio) -> io::Result<Child> {
    Command::new(proc().join("self/exe"))
        .arg0(title)
        .arg("standin")
        .args(args)
        .current_dir("/")
        .process_group(0)
        .stdin(stdin)
        .stdout(stdout)
        .stderr(Stdio::null())
        .spawn()
}

/// The process that a file of its number names, if it still bears the title.
pub(super) fn running(pid_file: &str, title: &str) -> Option<i32> {
    let pid: i32 = fs::read_to_string(pid_file).ok()?.trim().parse().ok()?;
    fs::read(proc().join(format!("{pid}/cmdline"))).ok()?.starts_with(title.as_bytes()).then_some(pid)
}

/// Ends that process and waits for it.
pub(super) fn stop(pid_file: &str, title: &str) {
    if let Some(pid) = running(pid_file, title) {
        terminate(pid);
        poll(Duration::from_secs(5), || running(pid_file, title).is_none());
    }
    let _ = fs::remove_file(pid_file);
}

/// Says what a command says, and ends or hangs as it does.
pub(super) fn answer(reply: &Reply) -> i32 {
    let (mut out, mut err) = (io::stdout(), io::stderr());
    // Nobody listens any more: nothing to be done about it.
    let _ = out.write_all(reply.stdout.as_bytes()).and_then(|()| out.flush());
    let _ = err.write_all(reply.stderr.as_bytes());
    if reply.hangs {
        loop {
            thread::sleep(Duration::from_secs(3600));
        }
    }
    reply.exit
}
