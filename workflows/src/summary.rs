//! A script in short, as the published procedure would have it: the command that matters, without what every call has around it. A shell
//! helper stands with its name, what it is for and its arguments; [`helpers`] gives the texts of all, once. What is run is the renderer's,
//! and [`Script::listing`] has every word of it.

use crate::{
    quote::words,
    script::{Action, Command, Script, Stdin, StdinPart},
    vocabulary::{self, aix, db2},
};

/// Helpers by the name that they are called with, and what each is for.
const PURPOSES: &[(&str, &str)] = &[
    ("announce", "neighbours learn the address: asks the gateway so often"),
    ("arp-probe", "who answers for the address"),
    ("arp-probe-elsewhere", "who answers for the address, seen from here"),
    ("at-boot", "is it started at boot"),
    ("boot", "is to be started at boot, or not"),
    ("carrier", "has the interface a carrier"),
    ("compare", "are the files the same on the other machine"),
    ("consoles", "makeconservercf, or makegocons where there is only goconserver"),
    ("crontab", "cron reads it again"),
    ("db2-applications", "none, some or unknown: who is connected"),
    ("db2-copy-image", "the backup image, to the other machine"),
    ("db2-image-sum", "checksum of the backup image"),
    ("db2-own-image", "the image belongs to the instance's owner"),
    ("db2-role-is", "goes on only if its role is one of these"),
    ("db2-save-logs", "keeps configuration and log files"),
    ("directory", "makes it, for that user alone"),
    ("exists", "is it there"),
    ("helper", "the first of these that is installed"),
    ("inittab", "action of its line in /etc/inittab"),
    ("is-machine", "goes on only on the pinned machine"),
    ("made-since", "the images that were written since the mark"),
    ("mark", "marks this moment by a file"),
    ("network", "addresses, routes and name in short"),
    ("nim-objects", "all of that class, as lsnim -l shows each"),
    ("nim-takeover", "nim -o takeover of the alternate master"),
    ("preflight", "interface, files, programs, room, names: what the steps need"),
    ("processes", "how many run"),
    ("reaches", "does ssh get in without a question"),
    ("resolves", "is the host name known"),
    ("restores", "how many restores run"),
    ("schedules", "every crontab, every script of cron.daily, what timers start, and the scripts that they name"),
    ("send", "copies the files and gives them to their owner there"),
    ("service-node", "xcatd by SRC or by service"),
    ("take-back", "the address again, if nobody else has it"),
    ("xcatd-cancel", "stopsrc -c, if it runs still"),
    ("xcatd-processes", "how many of xcatd run"),
    ("xcatd-ready", "does tabdump show the site table"),
];

/// A shell helper that scripts call.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Helper {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub purpose: &'static str,
    /// Its text, for `sh -c`.
    pub text: String,
}

/// The helper that a command calls, and its arguments. `None`: a program, or a helper that nobody named.
fn helper(command: &Command) -> Option<(Helper, &[String])> {
    let [sh, flag, text, rest @ ..] = command.argv.as_slice() else { return None };
    if (sh.as_str(), flag.as_str()) != ("sh", "-c") {
        return None;
    }
    let nameless = || {
        let is = |other: &Command| other.argv == command.argv;
        let all = [
            ("xcatd-processes", vocabulary::xcatd_processes()),
            ("xcatd-cancel", aix::cancel_xcatd()),
            ("crontab", aix::crontab_again("")),
            ("restores", vocabulary::restore_processes()),
        ];
        all.into_iter().find(|(_, c)| is(c)).map(|(name, _)| name)
    };
    let name = rest.first().map_or_else(nameless, |name| Some(name.as_str()))?;
    let (_, purpose) = PURPOSES.iter().find(|(n, _)| *n == name)?;
    Some((Helper { name: name.to_owned(), purpose, text: text.clone() }, rest.get(1..).unwrap_or_default()))
}

/// The helpers that these scripts call, by name, each once.
pub fn helpers<'a>(scripts: impl IntoIterator<Item = &'a Script>) -> Vec<Helper> {
    let commands = scripts.into_iter().flat_map(|s| &s.actions).filter_map(|(action, _)| match action {
        Action::Run(command) | Action::WaitUntil { command, .. } => Some(command),
        _ => None,
    });
    let mut all: Vec<Helper> = commands.filter_map(|c| Some(helper(c)?.0)).collect();
    all.sort();
    all.dedup();
    all
}

impl Script {
    /// The lines, without their ends; several for statements of DB2 that belong together.
    pub fn summary(&self) -> Vec<String> {
        self.actions.iter().flat_map(|(action, _)| lines(action)).collect()
    }
}

fn lines(action: &Action) -> Vec<String> {
    match action {
        Action::Run(command) => call(command),
        Action::WaitUntil { command, expect, limit_s, .. } => {
            let mut all = call(command);
            if let Some(last) = all.last_mut() {
                let plain = last.split("   # ").next().unwrap_or_default().to_owned();
                *last = format!("{plain}   # until it prints {expect}, at most {limit_s} s");
            }
            all
        }
        other => Script::new().then(other.clone()).listing().lines().map(str::to_owned).collect(),
    }
}

/// A call of DB2 as one would type it as the instance's owner.
fn db2_call(call: db2::Call<'_>, command: &Command) -> Option<Vec<String>> {
    match call {
        db2::Call::Group(statements) => {
            let one = |s: &String| match s.strip_prefix('-') {
                Some(may_fail) => format!("db2 {may_fail}   # may fail"),
                None => format!("db2 {s}"),
            };
            Some(statements.iter().map(one).collect())
        }
        db2::Call::Tool(argv) => Some(vec![shown(argv)]),
        db2::Call::Applications | db2::Call::RoleIs(..) | db2::Call::SaveLogs(..) | db2::Call::Image(..) => {
            Script::new()
                .run(Command { user: None, ..command.clone() })
                .listing()
                .lines()
                .map(|l| Some(l.to_owned()))
                .collect()
        }
    }
}

fn call(command: &Command) -> Vec<String> {
    let user = command.user.as_ref().map_or_else(String::new, |user| format!("[{user}] "));
    let all = match (db2::call(command).and_then(|call| db2_call(call, command)), helper(command)) {
        (Some(all), _) => all,
        (None, Some((helper, arguments))) => vec![transfer(&helper.name, arguments).unwrap_or_else(|| {
            let line = format!("{} {}", helper.name, shown(arguments));
            format!("{}   # {}", line.trim_end(), helper.purpose)
        })],
        (None, None) if command.argv == aix::clock().argv => vec!["clock   # nanoseconds since 1970, by perl".into()],
        (None, None) => vec![program(command)],
    };
    all.into_iter().map(|line| format!("{user}{line}")).collect()
}

/// What is asked of the other machine by ssh, as one would type it.
fn transfer(helper: &str, arguments: &[String]) -> Option<String> {
    let [_, name, _, user, rest @ ..] = arguments else { return None };
    Some(match (helper, rest) {
        ("reaches", [address, ..]) => format!("ssh {user}@{address} true   # by the pinned key of {name}"),
        ("send", [directory, files, _, _, address, ..]) => {
            format!(
                "scp -p {directory}/{files} {user}@{address}:{directory}/   # by the pinned key of {name}; then chown there"
            )
        }
        ("compare", [directory, files, _, _, ..]) => {
            format!("cksum {directory}/{files}   # the same there and on {name}, by ssh")
        }
        ("take-back", [address, _, _, take, _, ..]) if take.contains("mktcpip") => {
            format!("{take}   # if {name}, asked by ssh, hears nobody for {address}")
        }
        _ => return None,
    })
}

fn program(command: &Command) -> String {
    let mut line = shown(&command.argv);
    let Stdin::Parts(parts) = &command.stdin else { return line };
    let mut told = String::new();
    let mut secret = None;
    for part in parts {
        match part {
            StdinPart::Text(text) => told += text,
            StdinPart::SecretFile(path) => {
                told += "…";
                secret = Some(path);
            }
        }
    }
    for option in told.lines() {
        line = format!("{line} {option}");
    }
    match secret {
        Some(path) => format!("{line}   # on standard input; … is the first line of {path}"),
        None => format!("{line}   # on standard input"),
    }
}

/// Words for a shell, quoted only where they must be.
fn shown(argv: &[String]) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_@%+=:,./-".contains(c);
    let one = |word: &String| {
        if !word.is_empty() && word.chars().all(plain) { word.clone() } else { words(&[word]).unwrap_or_default() }
    };
    argv.iter().map(one).collect::<Vec<_>>().join(" ")
}
