//! The programs of an AIX practice host: AIX' own, and those that both systems have under different rules.

use std::{
    fs,
    io::{self, Read, Write},
    os::unix::process::CommandExt,
    process::Command,
};

use crate::{
    aix,
    hosts::{self, TOOLS},
    nim,
    process::proc,
    xcat::Reply,
};

use super::{kernel::Host, nim::Manager, program};

/// Plays AIX' program `name`, if it is one.
pub(super) fn play(name: &str, args: &[&str]) -> Option<i32> {
    if aix::is_known(name) {
        return Some(native(name, args));
    }
    if nim::is_known(name) {
        let mut manager = Manager::open();
        let reply = nim::call(name, args, &mut manager);
        manager.release();
        return Some(program::answer(&reply));
    }
    match name {
        "ps" => Some(program::answer(&ps(args))),
        "who" => Some(program::answer(&who(args))),
        _ if hosts::GUARDED.contains(&name) => Some(guarded(name, args)),
        _ => None,
    }
}

fn native(name: &str, args: &[&str]) -> i32 {
    let mut stdin = String::new();
    if name == "crontab" && matches!(args, [] | ["-"]) {
        let _ = io::stdin().read_to_string(&mut stdin);
    }
    let mut host = Host::open();
    let reply = aix::call(name, args, &stdin, &mut host);
    host.release();
    program::answer(&reply)
}

/// Letters that AIX' program of that name refuses. From IBM's manuals of AIX 6.1; of those that a script of ours could be tempted by.
fn refused(name: &str) -> &'static str {
    match name {
        "cp" => "aTtuvlsb",
        "date" => "dIRrs",
        "grep" => "oABCPmTZzLaU",
        "head" => "qv",
        "ls" => "BGhkTvXZ",
        "mkdir" => "vZ",
        "mv" => "nTtuvb",
        "rm" => "vI",
        "sed" => "iErsz",
        "sort" => "VRhsz",
        "tail" => "Fqvs",
        "touch" => "dh",
        "xargs" => "0rdaP",
        _ => "",
    }
}

/// Words of `find` that AIX has not.
const FIND: &[&str] =
    &["-printf", "-maxdepth", "-mindepth", "-delete", "-print0", "-quit", "-regex", "-iname", "-executable"];

/// Runs this machine's program after a look at what AIX' would not have taken.
fn guarded(name: &str, args: &[&str]) -> i32 {
    if let Some(text) = objection(name, args) {
        return program::answer(&Reply { stderr: format!("{text}\n"), exit: 2, ..Reply::default() });
    }
    // AIX' date knows no nanoseconds: the letter comes out as it is. *memory*
    let args: Vec<String> =
        args.iter().map(|a| if name == "date" { a.replace("%N", "N") } else { (*a).to_owned() }).collect();
    let error = Command::new(format!("{TOOLS}/usr/bin/{name}")).args(&args).exec();
    let _ = writeln!(io::stderr(), "{name}: {error}");
    127
}

fn objection(name: &str, args: &[&str]) -> Option<String> {
    let usage = |word: &str| Some(format!("{name}: 0652-125 illegal option -- {word}\nUsage: {name} ..."));
    match name {
        "sync" => return args.first().and_then(|a| usage(a)),
        "sleep" => return args.iter().find(|a| !a.bytes().all(|b| b.is_ascii_digit())).and_then(|a| usage(a)),
        "find" => return args.iter().find(|a| FIND.contains(a)).and_then(|a| usage(a)),
        // Options before the user's name are none of AIX'.
        "su" => return args.first().filter(|a| a.len() > 1 && a.starts_with('-')).and_then(|a| usage(a)),
        _ => {}
    }
    let mut args = args.iter().copied();
    while let Some(arg) = args.next() {
        if arg == "--" {
            break;
        }
        if arg.starts_with("--") {
            return usage(arg);
        }
        let Some(letters) = arg.strip_prefix('-').filter(|l| !l.is_empty()) else {
            // An option behind an operand is an operand.
            break;
        };
        if let Some(bad) = letters.chars().find(|c| refused(name).contains(*c)) {
            return usage(&bad.to_string());
        }
        // What follows its last letter may be the option's value.
        let last = letters.chars().last().unwrap_or(' ');
        if matches!((name, last), ("grep" | "sed", 'e' | 'f') | ("head" | "tail", 'n' | 'c') | ("mkdir", 'm')) {
            args.next();
        }
    }
    None
}

/// A process.
struct Entry {
    pid: i32,
    ppid: i32,
    user: u32,
    command: String,
    args: String,
}

fn entries() -> Vec<Entry> {
    let mut all: Vec<Entry> = fs::read_dir(proc())
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let pid = entry.file_name().to_str()?.parse().ok()?;
            let status = fs::read_to_string(entry.path().join("status")).ok()?;
            let field = |name: &str| status.lines().find_map(|l| l.strip_prefix(name)).map(str::trim);
            if field("State:")?.starts_with('Z') {
                return None;
            }
            let command = field("Name:")?.to_owned();
            let line = fs::read(entry.path().join("cmdline")).ok()?;
            let args = String::from_utf8_lossy(&line).trim_end_matches('\0').replace('\0', " ");
            Some(Entry {
                pid,
                ppid: field("PPid:")?.parse().ok()?,
                user: field("Uid:")?.split_whitespace().next()?.parse().ok()?,
                args: if args.is_empty() { command.clone() } else { args },
                command,
            })
        })
        .collect();
    all.sort_by_key(|e| e.pid);
    all
}

fn user_name(id: u32) -> String {
    let accounts = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let found = accounts.lines().find_map(|l| {
        let mut fields = l.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(id)).then(|| name.to_owned())
    });
    found.unwrap_or_else(|| id.to_string())
}

/// `ps -e|-A|-p LIST|-u USER [-f|-l] [-o FORMAT]…`: the part of POSIX that AIX has. *documented*.
fn ps(args: &[&str]) -> Reply {
    let usage = || {
        Reply {
        stderr: "Usage: ps [-AMNaedfklm] [-n namelist] [-F Format] [-o specifier[=header],...]\n\t\t[-p proclist][-G|-g grouplist] [-t termlist] [-U|-u userlist] [-c classlist] [ -T pid] [ -L pidlist ]\n".into(),
        exit: 1,
        ..Reply::default()
    }
    };
    let (mut every, mut full, mut formats, mut pids, mut user) = (false, false, Vec::new(), None, None);
    let mut words = args.iter().copied();
    while let Some(word) = words.next() {
        let Some(letters) = word.strip_prefix('-').filter(|l| !l.starts_with('-')) else { return usage() };
        for letter in letters.chars() {
            match letter {
                'e' | 'A' => every = true,
                'f' | 'l' => full = true,
                'o' | 'F' => match words.next() {
                    // A heading reaches to the end of the word.
                    Some(text) => formats.extend(split(text)),
                    None => return usage(),
                },
                'p' => pids = words.next(),
                'u' | 'U' => user = words.next(),
                _ => return usage(),
            }
        }
    }
    if full && formats.is_empty() {
        formats = ["user", "pid", "ppid", "args"].map(|f| (f.to_owned(), None)).to_vec();
    }
    if formats.is_empty() {
        formats = ["pid", "comm"].map(|f| (f.to_owned(), None)).to_vec();
    }
    let wanted = |e: &Entry| match (pids, user) {
        (Some(list), _) => list.split([',', ' ']).any(|p| p.parse() == Ok(e.pid)),
        (None, Some(list)) => list.split(',').any(|u| u == user_name(e.user) || u.parse() == Ok(e.user)),
        // Without a terminal there is nothing of one's own to show.
        (None, None) => every,
    };
    let mut out = String::new();
    let heading = |(name, given): &(String, Option<String>)| given.clone().unwrap_or_else(|| name.to_uppercase());
    let heads: Vec<String> = formats.iter().map(heading).collect();
    if heads.iter().any(|h| !h.is_empty()) {
        out += &(heads.join(" ") + "\n");
    }
    let mut found = 0;
    for e in entries().iter().filter(|e| wanted(e)) {
        found += 1;
        let mut fields = Vec::new();
        for (name, _) in &formats {
            fields.push(match name.as_str() {
                "pid" => format!("{:>8}", e.pid),
                "ppid" => format!("{:>8}", e.ppid),
                "user" | "ruser" => format!("{:>8}", user_name(e.user)),
                "comm" | "ucomm" => e.command.clone(),
                "args" => e.args.clone(),
                _ => return usage(),
            });
        }
        out += &(fields.join(" ") + "\n");
    }
    Reply { stdout: out, exit: i32::from(found == 0), ..Reply::default() }
}

fn split(text: &str) -> Vec<(String, Option<String>)> {
    match text.split_once('=') {
        Some((names, heading)) => {
            let mut all: Vec<_> = names.split(',').map(|n| (n.to_owned(), None)).collect();
            if let Some(last) = all.last_mut() {
                last.1 = Some(heading.to_owned());
            }
            all
        }
        None => text.split(',').map(|n| (n.to_owned(), None)).collect(),
    }
}

/// `who -b`: to the minute. *captured*.
fn who(args: &[&str]) -> Reply {
    match args {
        ["-b"] => {
            let time = fs::read_to_string("/run/boot/time").unwrap_or_default();
            Reply { stdout: format!("   .        system boot {} \n", time.trim()), ..Reply::default() }
        }
        [] => Reply::default(),
        _ => Reply {
            stderr: "Usage: who [-abdhHilmpqrstTuw] [am {i,I}] [utmp_like_file]\n".into(),
            exit: 2,
            ..Reply::default()
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_aix_has_not_is_refused_and_the_rest_is_not() {
        for line in [
            "sed -i s/a/b/ f",
            "sed -ne p -E f",
            "grep -o x f",
            "grep -qo x",
            "grep --color x",
            "grep -A 1 x",
            "date -d now",
            "head --lines=1",
            "cp -a x y",
            "find / -maxdepth 1",
            "sleep 0.05",
            "sync /etc",
            "su -s /bin/sh root",
            "xargs -0 x",
        ] {
            let words: Vec<&str> = line.split(' ').collect();
            assert!(objection(words[0], &words[1..]).is_some(), "{line}");
        }
        for line in [
            "sed -n s/a/b/p f",
            "sed -e s/-i/-E/ f",
            "grep -e -o f",
            "grep -q x",
            "grep -v grep",
            "grep -c -E x",
            "date +%s%N",
            "head -c 5 f",
            "tail -c 1 f",
            "cp -p x y",
            "find / -name x -print",
            "sleep 2",
            "sync",
            "su root -c x",
            "grep -- --x f",
            "ls -ld /",
            "mkdir -m 700 x",
            "mkdir -p x",
            "rm -f -- x",
            "rm -f x",
            "mv -f x y",
        ] {
            let words: Vec<&str> = line.split(' ').collect();
            assert_eq!(objection(words[0], &words[1..]), None, "{line}");
        }
    }

    #[test]
    fn ps_shows_this_process_in_the_form_that_is_asked_for() {
        let own = std::process::id().to_string();
        let shown = ps(&["-e", "-o", "pid=", "-o", "ppid="]);
        assert!(shown.stdout.lines().any(|l| l.split_whitespace().next() == Some(&own)), "{shown:?}");
        let shown = ps(&["-p", &own, "-o", "pid,args"]);
        assert!(shown.stdout.starts_with("PID ARGS\n") && shown.stdout.contains(&own), "{shown:?}");
        assert_eq!(ps(&["-p", "999999999", "-o", "args="]).exit, 1);
        assert_eq!(ps(&["aux"]).exit, 1);
    }
}
