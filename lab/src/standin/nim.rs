//! An AIX practice host as NIM's commands see it.

use std::{
    fs,
    io::{Read, Write},
    path::Path,
    process::{Command, Stdio},
};

use crate::{
    aix::{Kernel, Process},
    hosts::{NIM, TOOLS},
    nim::{Backend, Found, Message, Nim},
    xcat::{self, Reply},
};

use super::{daemon, kernel::Host, node::Node, store::Store};

/// Name of the stand-in that takes what the other master says, on standard input.
pub(super) const RECEIVE: &str = "nim-receive";

#[derive(Debug)]
pub(super) struct Manager {
    nim: Store<Nim>,
}

impl Manager {
    pub(super) fn open() -> Self {
        Self { nim: Store::open(NIM) }
    }

    pub(super) fn release(&mut self) {
        self.nim.release();
    }
}

/// The other end of [`Backend::tell`].
pub(super) fn receive() -> i32 {
    let mut text = String::new();
    let _ = std::io::stdin().read_to_string(&mut text);
    let Ok(message) = serde_json::from_str::<Message>(&text) else { return 2 };
    let mut manager = Manager::open();
    let exit = crate::nim::receive(&message, &mut manager);
    manager.release();
    exit
}

impl Backend for Manager {
    fn nim(&self) -> &Nim {
        self.nim.get()
    }

    fn nim_mut(&mut self) -> &mut Nim {
        self.nim.get_mut()
    }

    fn host_name(&self) -> String {
        rustix::system::uname().nodename().to_string_lossy().into_owned()
    }

    fn find(&self, path: &str) -> Option<Found> {
        let found = fs::metadata(path).ok()?;
        Some(if found.is_dir() { Found::Directory } else { Found::File })
    }

    fn read_file(&self, path: &str) -> Option<String> {
        fs::read_to_string(path).ok()
    }

    fn write_file(&mut self, path: &str, content: &str) {
        super::node::write(path, content);
    }

    fn remove_file(&mut self, path: &str) {
        let _ = fs::remove_file(path);
    }

    fn nimesis(&self) -> bool {
        let mut host = Host::open();
        let active = matches!(host.process("nimesis"), Process::Active(_));
        host.release();
        active
    }

    fn set_nimesis(&mut self, run: bool) {
        let mut host = Host::open();
        if run && host.process("nimesis") == Process::Inoperative {
            host.start("nimesis");
        } else if !run {
            host.stop("nimesis", true);
        }
        host.release();
    }

    fn xcat(&mut self, name: &str, args: &[&str]) -> Reply {
        daemon::ask(name, args, &[]).unwrap_or_else(|| xcat::call(name, args, &[], &mut Node::client()))
    }

    fn tell(&mut self, host: &str, message: &Message) -> Option<i32> {
        let mut child = Command::new(format!("{TOOLS}/usr/bin/ssh"))
            .args(["-T", "-o", "BatchMode=yes", "-o", "ConnectTimeout=3", host])
            .arg(format!("{TOOLS}/standin standin {RECEIVE}"))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let text = serde_json::to_string(message).expect("plain data");
        // It may have ended already; its exit code tells.
        let _ = child.stdin.take().map(|mut pipe| pipe.write_all(text.as_bytes()));
        // 255: ssh could not.
        child.wait().ok()?.code().filter(|code| *code != 255)
    }

    fn elapse(&mut self, ms: u64) {
        self.nim.elapse(ms);
    }
}

/// Whether this machine plays AIX.
pub(super) fn is_here() -> bool {
    Path::new(TOOLS).join("boot").exists()
}
