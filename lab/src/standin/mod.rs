//! The programs of the practice hosts: xCAT's commands, xcatd, and what a BMC calls to switch a machine. All are one program, called as
//! `PROGRAM standin NAME ARGUMENTS…`; what they say and how they lie is decided in [`crate::xcat`].

mod aix;
mod daemon;
mod database;
pub mod db2;
mod dhcpd;
mod kernel;
mod nim;
mod node;
mod store;

use std::{
    fs,
    io::{self, Write},
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use crate::{
    hosts::{GUARDED, Lab, Machine, Power, PowerAction, poll, proc, terminate},
    xcat::{self, Reply},
};

use node::Node;

/// Each call of a stand-in leaves a line here: milliseconds, name, arguments. So effects are counted.
pub const CALLS: &str = "/var/log/xcat-calls";

/// Plays the program `name`; its exit code. Does not return where the real one hangs.
pub fn main(name: &str, args: &[String]) -> i32 {
    // An AIX host's programs name this one as their interpreter, so that the path comes first.
    let name = name.rsplit('/').next().unwrap_or(name);
    match name {
        "bmc" => bmc(args),
        daemon::LISTENER => daemon::main(),
        daemon::HELPER => daemon::helper(args),
        dhcpd::SERVER => dhcpd::main(),
        db2::PROGRAM => db2::program(args),
        db2::SERVER => db2::serve(args),
        "dhcpd" => {
            count(name, args);
            dhcpd::control(args.first().map_or("", String::as_str))
        }
        kernel::IDLE => kernel::idle(),
        kernel::STOP => kernel::end(args),
        nim::RECEIVE => nim::receive(),
        "rc.net" => {
            let mut host = kernel::Host::open();
            host.configure();
            host.release();
            0
        }
        _ => {
            if !GUARDED.contains(&name) {
                count(name, args);
            }
            let words: Vec<&str> = args.iter().map(String::as_str).collect();
            if nim::is_here()
                && let Some(exit) = aix::play(name, &words)
            {
                return exit;
            }
            let env: Vec<(String, String)> = std::env::vars().filter(|(k, _)| k.starts_with("XCAT")).collect();
            answer(&daemon::ask(name, &words, &env).unwrap_or_else(|| {
                let mut node = if name == "xcatd" { Node::service() } else { Node::client() };
                xcat::call(name, &words, &env, &mut node)
            }))
        }
    }
}

/// This program under another title. Neither its output nor its children keep the caller's open.
fn spawn(title: &str, args: &[&str], stdin: Stdio, stdout: Stdio) -> io::Result<Child> {
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
fn running(pid_file: &str, title: &str) -> Option<i32> {
    let pid: i32 = fs::read_to_string(pid_file).ok()?.trim().parse().ok()?;
    fs::read(proc().join(format!("{pid}/cmdline"))).ok()?.starts_with(title.as_bytes()).then_some(pid)
}

/// Ends that process and waits for it.
fn stop(pid_file: &str, title: &str) {
    if let Some(pid) = running(pid_file, title) {
        terminate(pid);
        poll(Duration::from_secs(5), || running(pid_file, title).is_none());
    }
    let _ = fs::remove_file(pid_file);
}

/// Says what a command says, and ends or hangs as it does.
fn answer(reply: &Reply) -> i32 {
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

fn count(name: &str, args: &[String]) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis());
    let line = format!("{now} {name} {}\n", args.join(" "));
    // Counting must not change what is counted.
    let _ = fs::OpenOptions::new().append(true).create(true).open(CALLS).and_then(|mut f| f.write_all(line.as_bytes()));
}

/// `bmc DIR MACHINE get power`, `bmc DIR MACHINE set power 0|1`: what `ipmi_sim` calls.
fn bmc(args: &[String]) -> i32 {
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let [dir, machine, rest @ ..] = words.as_slice() else { return 2 };
    let result = Lab::open(Path::new(dir)).and_then(|lab| {
        let machine: Machine = machine.parse()?;
        let action = match rest {
            ["set", "power", "0"] => PowerAction::Off,
            ["set", "power", _] => PowerAction::On,
            ["set", "reset", _] => PowerAction::Cycle,
            _ => PowerAction::Status,
        };
        lab.power(machine, action)
    });
    let (mut out, mut err) = (io::stdout(), io::stderr());
    match result {
        Ok(power) => {
            if let ["get", what, ..] = rest {
                let _ = writeln!(out, "{what}:{}", u8::from(power == Power::On));
            }
            0
        }
        Err(e) => {
            let _ = writeln!(err, "{e}");
            1
        }
    }
}
