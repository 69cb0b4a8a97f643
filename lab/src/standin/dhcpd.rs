//! dhcpd: a process of that title, so that it can be counted, started and stopped.

use std::{
    fs,
    io::{self, Write},
    process::Stdio,
    thread,
};

use super::program;

/// Name of the stand-in that stays.
pub(super) const SERVER: &str = "dhcpd-server";

const TITLE: &str = "dhcpd";
const PID_FILE: &str = "/run/dhcpd.pid";

/// Its process.
pub(super) fn pid() -> Option<i32> {
    program::running(PID_FILE, TITLE)
}

/// Whether it runs.
pub(super) fn is_running() -> bool {
    pid().is_some()
}

/// Starts it; whether it runs afterwards.
pub(super) fn start() -> bool {
    if !is_running()
        && let Ok(child) = program::spawn(TITLE, &[SERVER], Stdio::null(), Stdio::null())
    {
        let _ = fs::write(PID_FILE, format!("{}\n", child.id()));
    }
    is_running()
}

/// Its init script.
pub(super) fn control(action: &str) -> i32 {
    match action {
        "start" => i32::from(!start()),
        "stop" => {
            program::stop(PID_FILE, TITLE);
            0
        }
        "restart" | "force-reload" => {
            program::stop(PID_FILE, TITLE);
            i32::from(!start())
        }
        "status" if is_running() => 0,
        "status" => 3,
        _ => {
            let _ = writeln!(io::stderr(), "Usage: isc-dhcp-server {{start|stop|restart|status}}");
            2
        }
    }
}

/// The process itself: lives until it is killed.
pub(super) fn main() -> i32 {
    loop {
        thread::park();
    }
}
