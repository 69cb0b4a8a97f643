//! Programs on terminals of their own.

use std::{
    fs::File,
    io::{Read, Write},
    process::{Child, Command},
    time::{Duration, Instant},
};

const DEADLINE: Duration = Duration::from_secs(60);

/// A program on a terminal of its own.
pub(crate) struct Terminal {
    child: Child,
    /// Our end; when it closes, the kernel hangs up.
    end: Option<File>,
    /// All that the program wrote.
    pub(crate) seen: String,
}

impl Terminal {
    pub(crate) fn new(command: &Command) -> Self {
        use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
        let end = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&end).unwrap();
        unlockpt(&end).unwrap();
        rustix::io::ioctl_fionbio(&end, true).unwrap();
        let name = ptsname(&end, Vec::new()).unwrap().into_string().unwrap();
        let slave = File::options().read(true).write(true).open(name).unwrap();
        // The controlling terminal, so that Ctrl-C and hanging up are signals.
        let mut on_terminal = Command::new("setsid");
        on_terminal.args(["--ctty", "--wait"]).arg(command.get_program()).args(command.get_args());
        for (key, value) in command.get_envs() {
            match value {
                Some(value) => on_terminal.env(key, value),
                None => on_terminal.env_remove(key),
            };
        }
        let child = on_terminal
            .env("TERM", "xterm")
            .stdin(slave.try_clone().unwrap())
            .stdout(slave.try_clone().unwrap())
            .stderr(slave)
            .spawn()
            .unwrap();
        Self { child, end: Some(File::from(end)), seen: String::new() }
    }

    fn read(&mut self) {
        let mut some = [0; 4096];
        while let Ok(n @ 1..) = self.end.as_mut().unwrap().read(&mut some) {
            self.seen.push_str(&String::from_utf8_lossy(&some[..n]));
        }
    }

    pub(crate) fn until(&mut self, text: &str) {
        let deadline = Instant::now() + DEADLINE;
        while !self.seen.contains(text) {
            self.read();
            assert!(Instant::now() < deadline, "no {text:?} in {}", self.seen);
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub(crate) fn type_(&mut self, text: &str) {
        self.end.as_mut().unwrap().write_all(text.as_bytes()).unwrap();
    }

    /// Waits for its end; somebody must read meanwhile, or the program waits for its screen.
    pub(crate) fn wait(&mut self) -> i32 {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let ended = self.child.try_wait().unwrap();
            self.read();
            if let Some(status) = ended {
                return status.code().unwrap_or(-1);
            }
            assert!(Instant::now() < deadline, "it does not end: {}", self.seen);
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.end = None;
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
