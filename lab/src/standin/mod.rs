//! The programs of the practice hosts: xCAT's commands, xcatd, and what a BMC calls to switch a machine. All are one program, called as
//! `PROGRAM standin NAME ARGUMENTS…`; what they say and how they lie is decided in [`crate::xcat`].

mod aix;
mod daemon;
mod database;
pub mod db2;
mod dhcpd;
mod kernel;
mod listener;
mod nim;
mod node;
mod program;
mod store;

use std::{
    fs,
    io::{self, Write},
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use crate::{
    hosts::{GUARDED, Lab, Machine, Power, PowerAction},
    xcat,
};

use node::Node;
use program::answer;

/// Each call of a stand-in leaves a line here: milliseconds, name, arguments. So effects are counted.
pub const CALLS: &str = "/var/log/xcat-calls";

/// Plays the program `name`; its exit code. Does not return where the real one hangs.
pub fn main(name: &str, args: &[String]) -> i32 {
    // An AIX host's programs name this one as their interpreter, so that the path comes first.
    let name = name.rsplit('/').next().unwrap_or(name);
    match name {
        "bmc" => bmc(args),
        daemon::LISTENER => listener::main(),
        listener::HELPER => listener::helper(args),
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
