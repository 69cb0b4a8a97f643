//! What starts by itself: `/etc/inittab` and the crontabs.

use super::{Kernel, Reply, options, value};

const INITTAB: &str = "/etc/inittab";
/// Where the crontabs are, one a user.
const CRONTABS: &str = "/var/spool/cron/crontabs";

fn inittab(kernel: &dyn Kernel) -> String {
    kernel.read_file(INITTAB).unwrap_or_default()
}

/// A line that begins with a colon is a comment. *documented*.
fn id(line: &str) -> Option<&str> {
    line.split_once(':').map(|(id, _)| id).filter(|id| !id.is_empty())
}

/// `lsitab -a`, `lsitab ID`. Exit 1 and silence when there is none: *documented* (exit), *memory* (silence).
pub(super) fn lsitab(args: &[&str], kernel: &dyn Kernel) -> Reply {
    let table = inittab(kernel);
    match args {
        ["-a"] => Reply::ok(table),
        [wanted] if !wanted.starts_with('-') => match table.lines().find(|l| id(l) == Some(wanted)) {
            Some(line) => Reply::ok(format!("{line}\n")),
            None => Reply::failed(1, "", ""),
        },
        _ => Reply::failed(1, "", "Usage: lsitab { -a | Identifier }\n"),
    }
}

fn entry<'a>(text: &'a str, usage: &str) -> Result<&'a str, Reply> {
    match (id(text), text.splitn(4, ':').count()) {
        (Some(id), 4) => Ok(id),
        _ => Err(Reply::failed(1, "", usage)),
    }
}

/// `mkitab [-i AFTER] ENTRY`. Exit 1 when the identifier is there.
pub(super) fn mkitab(args: &[&str], kernel: &mut dyn Kernel) -> Reply {
    const USAGE: &str = "Usage: mkitab [-i Identifier] Identifier:Runlevel:Action:Command\n";
    let Ok((found, words)) = options(args, "i", "") else { return Reply::failed(1, "", USAGE) };
    let new = words.first().copied().unwrap_or("");
    let wanted = match entry(new, USAGE) {
        Ok(id) => id,
        Err(reply) => return reply,
    };
    let table = inittab(kernel);
    if table.lines().any(|l| id(l) == Some(wanted)) {
        return Reply::failed(1, "", format!("mkitab: 0481-018 {wanted} already exists in /etc/inittab.\n"));
    }
    let after = value(&found, 'i');
    if after.is_some() && !table.lines().any(|l| id(l) == after) {
        return Reply::failed(1, "", format!("mkitab: 0481-019 {} not found in /etc/inittab.\n", after.unwrap_or("")));
    }
    let mut text = String::new();
    for line in table.lines() {
        text += &format!("{line}\n");
        if after.is_some() && id(line) == after {
            text += &format!("{new}\n");
        }
    }
    if after.is_none() {
        text += &format!("{new}\n");
    }
    kernel.write_file(INITTAB, &text);
    Reply::ok("")
}

fn change(wanted: &str, kernel: &mut dyn Kernel, command: &str, new: Option<&str>) -> Reply {
    let table = inittab(kernel);
    if !table.lines().any(|l| id(l) == Some(wanted)) {
        return Reply::failed(1, "", format!("{command}: 0481-019 {wanted} not found in /etc/inittab.\n"));
    }
    let mut kept = String::new();
    for line in table.lines().filter_map(|l| if id(l) == Some(wanted) { new } else { Some(l) }) {
        kept += line;
        kept.push('\n');
    }
    kernel.write_file(INITTAB, &kept);
    Reply::ok("")
}

/// `chitab ENTRY`: action `off` is how a service is kept from starting at boot.
pub(super) fn chitab(args: &[&str], kernel: &mut dyn Kernel) -> Reply {
    let new = args.first().copied().unwrap_or("");
    match entry(new, "Usage: chitab Identifier:Runlevel:Action:Command\n") {
        Ok(wanted) => change(wanted, kernel, "chitab", Some(new)),
        Err(reply) => reply,
    }
}

/// `rmitab ID`.
pub(super) fn rmitab(args: &[&str], kernel: &mut dyn Kernel) -> Reply {
    match args {
        [wanted] => change(wanted, kernel, "rmitab", None),
        _ => Reply::failed(1, "", "Usage: rmitab Identifier\n"),
    }
}

/// `crontab -l [USER]`, `crontab -r [USER]`, `crontab FILE`, `crontab` (from standard input): root's unless a user is named. *documented*;
/// the text of 0481-103 is *captured*.
pub(super) fn crontab(args: &[&str], stdin: &str, kernel: &mut dyn Kernel) -> Reply {
    let path = |user: Option<&&str>| format!("{CRONTABS}/{}", user.unwrap_or(&"root"));
    match args {
        ["-l" | "-v", rest @ ..] => match kernel.read_file(&path(rest.first())) {
            Some(text) => Reply::ok(text),
            None => Reply::failed(
                1,
                "",
                "0481-103 Cannot open a file in the /var/spool/cron/crontabs directory.\n         A file or directory in the path name does not exist.\n",
            ),
        },
        ["-r", rest @ ..] => {
            kernel.remove_file(&path(rest.first()));
            Reply::ok("")
        }
        [] | ["-"] => {
            kernel.write_file(&path(None), stdin);
            Reply::ok("")
        }
        [file] if !file.starts_with('-') => match kernel.read_file(file) {
            Some(text) => {
                kernel.write_file(&path(None), &text);
                Reply::ok("")
            }
            None => Reply::failed(1, "", format!("0481-104 Cannot open the file {file}.\n")),
        },
        _ => Reply::failed(1, "", "usage: crontab [-l | -r | -v | -e] [UserName] | crontab [File]\n"),
    }
}
