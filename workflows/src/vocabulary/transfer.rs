//! Copying from one machine of the pair to the other, by the ssh of the machine itself: batch mode, the pinned host key and no other, at
//! the addresses that never move. Names and addresses that swap with a takeover designate no machine (traps 25, 71).

use crate::{
    model::{Node, Platform},
    quote::quote,
    script::Command,
};

/// Lines for a file of known hosts: the machine by its fixed name, with each key that is pinned.
pub fn known_hosts(node: &Node) -> String {
    node.host_keys.iter().fold(String::new(), |text, key| text + &node.name + " " + key + "\n")
}

/// What every call begins with: tries the addresses one after the other with `t ADDRESS`.
const SSH: &str = "k=$1 a=$2 p=$3 u=$4; shift 4; \
     o=\"-o BatchMode=yes -o StrictHostKeyChecking=yes -o UserKnownHostsFile=$k -o GlobalKnownHostsFile=/dev/null -o HostKeyAlias=$a -o ConnectTimeout=10\"; ";

const REACHES: &str =
    "for h in \"$@\"; do ssh $o -p \"$p\" \"$u@$h\" true </dev/null && { echo yes; exit 0; }; done; echo no";
const SEND: &str = "d=$1 f=$2 m=$3 g=$4; shift 4; for h in \"$@\"; do \
     ssh $o -p \"$p\" \"$u@$h\" \"$m\" </dev/null && scp -q -p $o -P \"$p\" \"$d\"/$f \"$u@$h:$d/\" </dev/null && \
     ssh $o -p \"$p\" \"$u@$h\" \"$g\" </dev/null && exit 0; done; exit 1";
const COMPARE: &str = "d=$1 f=$2 m=$3; shift 3; l=$(cd \"$d\" && cksum $f) || { echo other; exit 0; }; for h in \"$@\"; do \
     r=$(ssh $o -p \"$p\" \"$u@$h\" \"$m\" </dev/null) && { [ \"$l\" = \"$r\" ] && echo same || echo other; exit 0; }; done; exit 1";
const DIRECTORY: &str = "mkdir -p \"$1\" && chown \"$2\" \"$1\" && chmod 700 \"$1\"";
const RESOLVES: &str =
    "if getent hosts \"$1\" >/dev/null 2>&1 || host \"$1\" >/dev/null 2>&1; then echo yes; else echo no; fi";
const MARK: &str = ": >\"$1\"";
/// What is as old as the mark to the second counts as made since: file systems and `find` may know no less.
const SINCE: &str = "[ -f \"$1\" ] || exit 1; for f in \"$2\".0.*; do [ -f \"$f\" ] || continue; \
     n=$(find \"$1\" -newer \"$f\") || exit 1; [ -n \"$n\" ] || printf '%s\\n' \"${f##*/}\"; done; rm -f \"$1\"; echo :end";
const IS_MACHINE: &str =
    "i=$($1 2>/dev/null); printf '%s\\n' \"$i\"; [ \"$(printf %s \"$i\" | tr A-Z a-z)\" = \"$2\" ] || exit 9";

/// What a command of this vocabulary calls, for those who interpret scripts instead of running them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call<'a> {
    /// See [`reaches`].
    Reaches(Way<'a>),
    /// See [`send`]: directory, pattern.
    Send(Way<'a>, &'a str, &'a str),
    /// See [`compare`]: directory, pattern.
    Compare(Way<'a>, &'a str, &'a str),
    /// See [`directory`].
    Directory(&'a str),
    /// See [`resolves`].
    Resolves(&'a str),
    /// See [`mark`].
    Mark(&'a str),
    /// See [`made_since`]: the mark, what the paths of images begin with.
    Since(&'a str, &'a str),
    /// See [`is_machine`]: the identity.
    IsMachine(&'a str),
}

/// By which way the other machine is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Way<'a> {
    /// File with its pinned keys.
    pub known_hosts: &'a str,
    /// Its fixed name, under which they stand there.
    pub name: &'a str,
    /// Its addresses, tried in this order.
    pub addresses: &'a [String],
}

/// What a command calls, if it is one of these.
pub fn called(command: &Command) -> Option<Call<'_>> {
    let [sh, _, script, _, first, rest @ ..] = command.argv.as_slice() else { return None };
    if sh != "sh" {
        return None;
    }
    if let Some(script) = script.strip_prefix(SSH) {
        let [name, _, _, rest @ ..] = rest else { return None };
        let way = |addresses| Way { known_hosts: first, name, addresses };
        return match (script, rest) {
            (REACHES, addresses) => Some(Call::Reaches(way(addresses))),
            (SEND, [directory, pattern, _, _, addresses @ ..]) => Some(Call::Send(way(addresses), directory, pattern)),
            (COMPARE, [directory, pattern, _, addresses @ ..]) => {
                Some(Call::Compare(way(addresses), directory, pattern))
            }
            _ => None,
        };
    }
    match (script.as_str(), rest) {
        (DIRECTORY, [_]) => Some(Call::Directory(first)),
        (RESOLVES, []) => Some(Call::Resolves(first)),
        (MARK, []) => Some(Call::Mark(first)),
        (SINCE, [start]) => Some(Call::Since(first, start)),
        (IS_MACHINE, [id]) => Some(Call::IsMachine(id)),
        _ => None,
    }
}

pub(crate) fn call(name: &str, script: &str, known_hosts: &str, node: &Node, arguments: &[&str]) -> Command {
    let port = node.ssh_port.to_string();
    let script = format!("{SSH}{script}");
    let head = ["sh", "-c", &script, name, known_hosts, &node.name, &port, &node.ssh_user];
    let addresses = node.addresses.iter().map(String::as_str);
    Command::new(head.into_iter().chain(arguments.iter().copied()).chain(addresses))
}

/// Prints `yes` when the other machine lets root in without a question.
pub fn reaches(known_hosts: &str, node: &Node) -> Command {
    call("reaches", REACHES, known_hosts, node, &[]).timeout(40)
}

/// Copies the files that match a pattern to the same directory of the other machine, which is made, and gives them to their owner there.
pub fn send(known_hosts: &str, node: &Node, directory: &str, pattern: &str, owner: &str) -> Command {
    let (dir, who) = (quote(directory).unwrap_or_default(), quote(owner).unwrap_or_default());
    let make = format!("mkdir -p {dir} && chown {who} {dir} && chmod 700 {dir}");
    let give = format!("chown {who} {dir}/{pattern}");
    call("send", SEND, known_hosts, node, &[directory, pattern, &make, &give])
}

/// Prints `same` when the files that match a pattern have the same checksums on both machines, else `other`.
pub fn compare(known_hosts: &str, node: &Node, directory: &str, pattern: &str) -> Command {
    let sums = format!("cd {} && cksum {pattern}", quote(directory).unwrap_or_default());
    call("compare", COMPARE, known_hosts, node, &[directory, pattern, &sums])
}

/// Makes a directory that belongs to a user alone.
pub fn directory(path: &str, owner: &str) -> Command {
    Command::new(["sh", "-c", DIRECTORY, "directory", path, owner])
}

/// Prints `yes` when a host name can be resolved.
pub fn resolves(name: &str) -> Command {
    Command::new(["sh", "-c", RESOLVES, "resolves", name])
}

/// Marks this moment by a file. What was written since is told by the file system that keeps both: without a clock that a program prints,
/// in whatever time zone, and on whichever side of a change to or from summer time.
pub fn mark(path: &str) -> Command {
    Command::new(["sh", "-c", MARK, "mark", path])
}

/// Prints the names of the files `START.0.*` that were written since the [`mark`], then `:end`, and takes the mark away.
pub fn made_since(mark: &str, start: &str) -> Command {
    Command::new(["sh", "-c", SINCE, "made-since", mark, start]).timeout(60)
}

/// Exits 0 when this machine is the pinned one, 9 when it is not. The line before something destructive, in the same job (traps 11, 45).
pub fn is_machine(node: &Node) -> Command {
    let ask = match node.platform {
        Platform::Linux => "cat /etc/machine-id",
        Platform::Aix => "uname -f",
    };
    Command::new(["sh", "-c", IS_MACHINE, "is-machine", ask, &node.machine_id.to_ascii_lowercase()])
}
