//! A script as a person reads it: one line an action. For plans, the journal and the commands that settle a stuck run; what is run
//! is the renderer's.

use crate::{
    quote::words,
    script::{Action, Command, Script, Stdin, StdinPart},
    vocabulary::{PREFLIGHT, SCHEDULES, db2},
};

impl Script {
    /// One line an action, each with its end of line. Secrets are named by their file, as everywhere.
    pub fn listing(&self) -> String {
        let mut text = String::new();
        for (action, _) in &self.actions {
            text.push_str(&line(action));
            text.push('\n');
        }
        text
    }
}

fn line(action: &Action) -> String {
    match action {
        Action::Run(command) => call(command),
        Action::WaitUntil { command, expect, limit_s, .. } => {
            format!("{}   # until it prints {expect:?}, at most {limit_s} s", call(command))
        }
        Action::WriteFile { path, mode, content } => format!("write {path} (mode {mode:o}): {content:?}"),
        Action::ReplaceInLines { path, line_prefix, after, until, value } => {
            format!("edit {path}: in lines that begin with {line_prefix:?}, between {after:?} and {until:?}: {value:?}")
        }
        Action::EnsureLine { path, line } => format!("edit {path}: has the line {line:?}"),
        Action::CommentOut { path, contains, tag } => {
            format!("edit {path}: comment out lines with {contains:?}, tag {tag}")
        }
        Action::Uncomment { path, tag } => format!("edit {path}: uncomment lines with tag {tag}"),
        Action::Claim { path, content } => format!("claim {path}: {content:?}"),
        Action::Unclaim { path, content } => format!("release {path}: {content:?}"),
    }
}

/// A call of DB2 as one would type it as the instance's owner.
fn db2_call(call: db2::Call<'_>, command: &Command) -> String {
    match call {
        db2::Call::Group(statements) => {
            let lines: Vec<String> = statements
                .iter()
                .map(|s| match s.strip_prefix('-') {
                    Some(may_fail) => format!("db2 {may_fail} || :"),
                    None => format!("db2 {s}"),
                })
                .collect();
            format!("{}; db2 TERMINATE", lines.join("; "))
        }
        db2::Call::Tool(argv) => words(argv).unwrap_or_default(),
        db2::Call::Applications => "db2 LIST APPLICATIONS   # none".into(),
        db2::Call::RoleIs(database, roles) => {
            format!("db2 GET DB CFG FOR {database}   # only if its role is {}", roles.join(" or "))
        }
        db2::Call::SaveLogs(database, directory) => {
            format!("keep GET DB CFG FOR {database} and its log files in {directory}")
        }
        db2::Call::Image(what, path, timestamp) => {
            let image = format!("{path}.0.*.{timestamp}.001");
            let to = command.argv.last().map_or("", String::as_str);
            match what {
                db2::Image::Copy => format!("scp -p {image} {to}"),
                db2::Image::Sum => format!("cksum {image}"),
                db2::Image::Own => format!("chown {to} {image}"),
            }
        }
    }
}

fn call(command: &Command) -> String {
    let mut text = String::new();
    if let Some(call) = db2::call(command) {
        let user = command.user.as_ref().map_or_else(String::new, |user| format!("[{user}] "));
        return user + &db2_call(call, command);
    }
    if command.argv.last().is_some_and(|name| name == SCHEDULES) {
        return "cat /etc/crontab /etc/cron.*/* /var/spool/cron/*/*; systemctl list-timers --all   # and the scripts that they name".into();
    }
    if let ["sh", "-c", _, PREFLIGHT, interface, address, name, folder, rest @ ..] =
        &command.argv.iter().map(String::as_str).collect::<Vec<_>>()[..]
    {
        let mut parts = rest.split(|word| *word == "--");
        let mut part = || parts.next().unwrap_or_default().join(" ");
        let (files, programs) = (part(), part());
        return format!(
            "id; ip addr show {interface}; arping -V; ls -l {files}; df {folder}; command -v {programs}; getent hosts {name}; \
             grep -r {address} /etc/network* /etc/netplan /etc/sysconfig/network* /etc/NetworkManager /etc/systemd/network"
        );
    }
    if let Some(user) = &command.user {
        text.push_str(&format!("[{user}] "));
    }
    for (key, value) in &command.env {
        text.push_str(&format!("{key}={} ", words(&[value]).unwrap_or_default()));
    }
    text.push_str(&words(&command.argv).unwrap_or_default());
    if let Stdin::Parts(parts) = &command.stdin {
        text.push_str(" <<<");
        for part in parts {
            match part {
                StdinPart::Text(part) => text.push_str(&format!(" {part:?}")),
                StdinPart::SecretFile(path) => text.push_str(&format!(" (first line of {path})")),
            }
        }
    }
    text
}
