//! The system resource controller: lssrc, startsrc, stopsrc, refresh. Texts 0513-004, -029, -044, -059, -085: *captured*.

use super::{Kernel, Process, Reply, Subsystem, has, options, value};

const HEAD: &str = "Subsystem         Group            PID          Status \n";

fn line(subsystem: &Subsystem, kernel: &dyn Kernel) -> String {
    let (pid, status) = match kernel.process(&subsystem.name) {
        Process::Inoperative => (String::new(), "inoperative"),
        Process::Active(pid) => (pid.to_string(), "active"),
        Process::Stopping(pid) => (pid.to_string(), "stopping"),
    };
    format!(" {:<16} {:<16} {pid:<12} {status}\n", subsystem.name, subsystem.group)
}

fn unknown(name: &str) -> Reply {
    Reply::failed(1, "", format!("0513-085 The {name} Subsystem is not on file.\n\n"))
}

/// The subsystems that `-s NAME` or `-g GROUP` means.
fn chosen(found: &[(char, &str)], kernel: &dyn Kernel, usage: &str) -> Result<Vec<Subsystem>, Reply> {
    let all = &kernel.odm().subsystems;
    let pick = |holds: &dyn Fn(&Subsystem) -> bool| all.iter().filter(|s| holds(s)).cloned().collect::<Vec<_>>();
    let (name, picked) = match (value(found, 's'), value(found, 'g')) {
        (Some(name), None) => (name, pick(&|s| s.name == name)),
        (None, Some(group)) => (group, pick(&|s| s.group == group)),
        _ => return Err(Reply::failed(1, "", usage)),
    };
    if picked.is_empty() { Err(unknown(name)) } else { Ok(picked) }
}

/// `lssrc -a | -s NAME | -g GROUP`. Exit 0 also of what is inoperative.
pub(super) fn lssrc(args: &[&str], kernel: &dyn Kernel) -> Reply {
    const USAGE: &str = "Usage: lssrc [-h Host] { -a | -g Group | [-l] -s Subsystem }\n";
    let Ok((found, _)) = options(args, "sghptoP", "alSdTN") else { return Reply::failed(1, "", USAGE) };
    let picked = if has(&found, 'a') {
        kernel.odm().subsystems.clone()
    } else {
        match chosen(&found, kernel, USAGE) {
            Ok(picked) => picked,
            Err(reply) => return reply,
        }
    };
    Reply::ok(picked.iter().fold(HEAD.to_owned(), |text, s| text + &line(s, kernel)))
}

/// `startsrc -s NAME | -g GROUP [-a ARGUMENTS] [-e ENVIRONMENT]`. Says *started* as soon as it has forked: whether the daemon came up is
/// another question. That 0513-029 goes with exit 1: *memory*.
pub(super) fn startsrc(args: &[&str], kernel: &mut dyn Kernel) -> Reply {
    const USAGE: &str = "Usage: startsrc [-a Argument] [-e Environment] [-h Host] { -s Subsystem | -g Group }\n";
    let Ok((found, _)) = options(args, "sgaeh", "") else { return Reply::failed(1, "", USAGE) };
    let picked = match chosen(&found, kernel, USAGE) {
        Ok(picked) => picked,
        Err(reply) => return reply,
    };
    let (mut out, mut err, mut exit) = (String::new(), String::new(), 0);
    for Subsystem { name, .. } in picked {
        if kernel.process(&name) != Process::Inoperative {
            err +=
                &format!("0513-029 The {name} Subsystem is already active.\nMultiple instances are not supported.\n");
            exit = 1;
            continue;
        }
        kernel.elapse(200);
        let Some(pid) = kernel.start(&name) else {
            err += &format!("0513-056 Timeout waiting for command response. {name} could not be started.\n");
            exit = 1;
            continue;
        };
        if kernel.odm().knobs.start_dies.contains(&name) {
            kernel.stop(&name, true);
        }
        out += &format!("0513-059 The {name} Subsystem has been started. Subsystem PID is {pid}.\n");
    }
    Reply::failed(exit, out, err)
}

/// `stopsrc [-f|-c] -s NAME | -g GROUP`. Exit 0 and *was requested to stop*: the process is still there (trap 48).
pub(super) fn stopsrc(args: &[&str], kernel: &mut dyn Kernel) -> Reply {
    const USAGE: &str = "Usage: stopsrc [-h Host] [-f | -c] { -a | -g Group | -s Subsystem | -p SubsystemPID }\n";
    let Ok((found, _)) = options(args, "sgph", "fca") else { return Reply::failed(1, "", USAGE) };
    let picked = match chosen(&found, kernel, USAGE) {
        Ok(picked) => picked,
        Err(reply) => return reply,
    };
    let (mut out, mut err, mut exit) = (String::new(), String::new(), 0);
    for Subsystem { name, .. } in picked {
        if kernel.process(&name) == Process::Inoperative {
            err += &format!("0513-004 The Subsystem or Group, {name}, is currently inoperative.\n");
            exit = 1;
            continue;
        }
        kernel.elapse(50);
        let force = has(&found, 'f') || has(&found, 'c');
        if force || !kernel.odm().knobs.stop_hangs.contains(&name) {
            kernel.stop(&name, force);
        }
        out += &format!("0513-044 The {name} Subsystem was requested to stop.\n");
    }
    Reply::failed(exit, out, err)
}

/// `refresh -s NAME`. *captured*.
pub(super) fn refresh(args: &[&str], kernel: &mut dyn Kernel) -> Reply {
    const USAGE: &str = "Usage: refresh [-h Host] { -g Group | -s Subsystem | -p SubsystemPID }\n";
    let Ok((found, _)) = options(args, "sgph", "") else { return Reply::failed(1, "", USAGE) };
    match chosen(&found, kernel, USAGE) {
        Err(reply) => reply,
        Ok(picked) => match picked.iter().find(|s| kernel.process(&s.name) == Process::Inoperative) {
            Some(s) => Reply::failed(
                1,
                "",
                format!("0513-004 The Subsystem or Group, {}, is currently inoperative.\n", s.name),
            ),
            None => Reply::ok("0513-095 The request for subsystem refresh was completed successfully.\n"),
        },
    }
}
