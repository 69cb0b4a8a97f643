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

fn call(name: &str, script: &str, known_hosts: &str, node: &Node, arguments: &[&str]) -> Command {
    let port = node.ssh_port.to_string();
    let script = format!("{SSH}{script}");
    let head = ["sh", "-c", &script, name, known_hosts, &node.name, &port, &node.ssh_user];
    let addresses = node.addresses.iter().map(String::as_str);
    Command::new(head.into_iter().chain(arguments.iter().copied()).chain(addresses))
}

/// Prints `yes` when the other machine lets root in without a question.
pub fn reaches(known_hosts: &str, node: &Node) -> Command {
    const SCRIPT: &str =
        "for h in \"$@\"; do ssh $o -p \"$p\" \"$u@$h\" true </dev/null && { echo yes; exit 0; }; done; echo no";
    call("reaches", SCRIPT, known_hosts, node, &[]).timeout(40)
}

/// Copies the files that match a pattern to the same directory of the other machine, which is made, and gives them to their owner there.
pub fn send(known_hosts: &str, node: &Node, directory: &str, pattern: &str, owner: &str) -> Command {
    const SCRIPT: &str = "d=$1 f=$2 m=$3 g=$4; shift 4; for h in \"$@\"; do \
         ssh $o -p \"$p\" \"$u@$h\" \"$m\" </dev/null && scp -q -p $o -P \"$p\" \"$d\"/$f \"$u@$h:$d/\" </dev/null && \
         ssh $o -p \"$p\" \"$u@$h\" \"$g\" </dev/null && exit 0; done; exit 1";
    let (dir, who) = (quote(directory).unwrap_or_default(), quote(owner).unwrap_or_default());
    let make = format!("mkdir -p {dir} && chown {who} {dir} && chmod 700 {dir}");
    let give = format!("chown {who} {dir}/{pattern}");
    call("send", SCRIPT, known_hosts, node, &[directory, pattern, &make, &give])
}

/// Prints `same` when the files that match a pattern have the same checksums on both machines, else `other`.
pub fn compare(known_hosts: &str, node: &Node, directory: &str, pattern: &str) -> Command {
    const SCRIPT: &str = "d=$1 f=$2 m=$3; shift 3; l=$(cd \"$d\" && cksum $f) || { echo other; exit 0; }; for h in \"$@\"; do \
         r=$(ssh $o -p \"$p\" \"$u@$h\" \"$m\" </dev/null) && { [ \"$l\" = \"$r\" ] && echo same || echo other; exit 0; }; done; exit 1";
    let sums = format!("cd {} && cksum {pattern}", quote(directory).unwrap_or_default());
    call("compare", SCRIPT, known_hosts, node, &[directory, pattern, &sums])
}

/// Makes a directory that belongs to a user alone.
pub fn directory(path: &str, owner: &str) -> Command {
    const SCRIPT: &str = "mkdir -p \"$1\" && chown \"$2\" \"$1\" && chmod 700 \"$1\"";
    Command::new(["sh", "-c", SCRIPT, "directory", path, owner])
}

/// Prints `yes` when a host name can be resolved.
pub fn resolves(name: &str) -> Command {
    const SCRIPT: &str =
        "if getent hosts \"$1\" >/dev/null 2>&1 || host \"$1\" >/dev/null 2>&1; then echo yes; else echo no; fi";
    Command::new(["sh", "-c", SCRIPT, "resolves", name])
}

/// Wall clock of the machine in its own time zone: `20100805161232`, as DB2 stamps its images.
pub fn local_time() -> Command {
    Command::new(["date", "+%Y%m%d%H%M%S"])
}

/// Exits 0 when this machine is the pinned one, 9 when it is not. The line before something destructive, in the same job (traps 11, 45).
pub fn is_machine(node: &Node) -> Command {
    const SCRIPT: &str =
        "i=$($1 2>/dev/null); printf '%s\\n' \"$i\"; [ \"$(printf %s \"$i\" | tr A-Z a-z)\" = \"$2\" ] || exit 9";
    let ask = match node.platform {
        Platform::Linux => "cat /etc/machine-id",
        Platform::Aix => "uname -f",
    };
    Command::new(["sh", "-c", SCRIPT, "is-machine", ask, &node.machine_id.to_ascii_lowercase()])
}
