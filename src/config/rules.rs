//! What a value may be. Each rule gives what is wrong and what to write instead.

use std::net::{IpAddr, Ipv4Addr};

/// What is wrong with a value, and what to write instead.
pub(super) type Wrong = (String, String);

fn wrong(what: impl Into<String>, hint: impl Into<String>) -> Result<(), Wrong> {
    Err((what.into(), hint.into()))
}

/// Anything that is not empty and has no control characters: shown to people only.
pub(super) fn words(value: &str) -> Result<(), Wrong> {
    if value.trim().is_empty() {
        return wrong("is empty", "write at least one character");
    }
    if value.chars().any(char::is_control) {
        return wrong("has a control character", "write it on one line, without tabs");
    }
    Ok(())
}

fn made_of(value: &str, extra: &str, first: &str, example: &str) -> Result<(), Wrong> {
    words(value)?;
    let plain = |c: char| c.is_ascii_alphanumeric() || extra.contains(c);
    if let Some(bad) = value.chars().find(|c| !plain(*c)) {
        let why = if "\"'`$&|;<>(){}[]*?!~#\\ \t".contains(bad) { ", which means something to a shell" } else { "" };
        return wrong(
            format!("has the character {bad:?}{why}"),
            format!("allowed: letters, digits and {extra}; for example {example}"),
        );
    }
    let head = value.chars().next().unwrap_or(' ');
    if !(head.is_ascii_alphanumeric() || first.contains(head)) {
        return wrong(
            format!("begins with {head:?}"),
            format!("begin with a letter or a digit; for example {example}"),
        );
    }
    Ok(())
}

/// Name of a machine in hamn's own words.
pub(super) fn node_name(value: &str) -> Result<(), Wrong> {
    made_of(value, "._-", "", "\"mn-a\"")?;
    if value.len() > 64 {
        return wrong("is longer than 64 characters", "choose a shorter name");
    }
    if value == "controller" || value == "hamn" {
        return wrong("is a word of hamn's own", "`controller` is the machine that runs hamn; choose another name");
    }
    Ok(())
}

/// Host name (RFC 1123).
pub(super) fn host_name(value: &str) -> Result<(), Wrong> {
    made_of(value, ".-", "", "\"aixmn1\"")?;
    let label = |l: &str| !l.is_empty() && l.len() <= 63 && !l.starts_with('-') && !l.ends_with('-');
    if value.len() > 253 || !value.split('.').all(label) {
        return wrong("is no host name", "labels of 1 to 63 letters, digits and inner hyphens, joined by dots");
    }
    if value.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
        return wrong("is a number or an address, not a name", "write the host name, for example \"aixmn1\"");
    }
    Ok(())
}

/// Name of an operating-system user.
pub(super) fn user(value: &str) -> Result<(), Wrong> {
    made_of(value, "_-", "_", "\"root\"")
}

/// Name of a database or of a role.
pub(super) fn sql_name(value: &str) -> Result<(), Wrong> {
    made_of(value, "_", "_", "\"xcatdb\"")?;
    if value.len() > 63 || value.starts_with(|c: char| c.is_ascii_digit()) {
        return wrong("is no name of a database or role", "at most 63 characters, not beginning with a digit");
    }
    Ok(())
}

/// Name of a DB2 database: at most 8 characters (documented limit).
pub(super) fn db2_name(value: &str) -> Result<(), Wrong> {
    sql_name(value)?;
    if value.len() > 8 {
        return wrong("is longer than 8 characters", "DB2 takes no longer names of databases");
    }
    Ok(())
}

/// Name in `/etc/services`: at most 14 characters, which is what `HADR_LOCAL_SVC` and AIX take.
pub(super) fn service_name(value: &str) -> Result<(), Wrong> {
    made_of(value, "_-", "", "\"DB2_HADR_1\"")?;
    if value.len() > 14 {
        return wrong("is longer than 14 characters", "choose a shorter name");
    }
    Ok(())
}

/// Name of a network interface.
pub(super) fn interface(value: &str) -> Result<(), Wrong> {
    made_of(value, "._@:-", "", "\"eth0\"")?;
    if value.len() > 15 {
        return wrong("is longer than 15 characters", "write the name as `ip link` shows it");
    }
    Ok(())
}

/// Absolute path without characters that mean something to a shell.
pub(super) fn path(value: &str) -> Result<(), Wrong> {
    words(value)?;
    if !value.starts_with('/') {
        return wrong(
            "is a relative path",
            format!("write it from the root, for example \"/etc/hamn/{}\"", value.rsplit('/').next().unwrap_or("")),
        );
    }
    made_of(value, "/._+@:,=-", "/", "\"/var/lib/hamn\"")?;
    if value.split('/').any(|part| part == ".." || part == ".") {
        return wrong("has a part `.` or `..`", "write the path that it stands for");
    }
    if value.len() > 1 && (value.ends_with('/') || value.contains("//")) {
        return wrong(
            "has an empty part",
            format!("write \"/{}\"", value.split('/').filter(|p| !p.is_empty()).collect::<Vec<_>>().join("/")),
        );
    }
    Ok(())
}

/// Name of a fence agent, or its absolute path.
pub(super) fn program(value: &str) -> Result<(), Wrong> {
    if value.starts_with('/') { path(value) } else { made_of(value, "_.-", "", "\"fence_ipmilan\"") }
}

/// 32 hexadecimal digits, as in `/etc/machine-id`.
pub(super) fn machine_id(value: &str) -> Result<(), Wrong> {
    const HINT: &str = "write what `cat /etc/machine-id` prints on that machine: 32 hexadecimal digits, lower case";
    if value.len() != 32 || !value.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
        return wrong("is no machine id", HINT);
    }
    if value.bytes().all(|b| b == value.as_bytes()[0]) {
        return wrong("is a placeholder, not the id of a machine", HINT);
    }
    Ok(())
}

/// Hexadecimal digits, as `uname -f` prints them on AIX.
pub(super) fn partition_id(value: &str) -> Result<(), Wrong> {
    const HINT: &str = "write what `uname -f` prints on that machine: 16 or more hexadecimal digits";
    if !(16..=64).contains(&value.len()) || !value.bytes().all(|b| b.is_ascii_hexdigit()) {
        return wrong("is no identity of a partition", HINT);
    }
    if value.bytes().all(|b| b == value.as_bytes()[0]) {
        return wrong("is a placeholder, not the identity of a machine", HINT);
    }
    Ok(())
}

/// GUID of a BMC: with or without hyphens, as the version of ipmitool at hand prints it.
pub(super) fn guid(value: &str) -> Result<(), Wrong> {
    const HINT: &str = "write what `ipmitool … mc guid` prints as System GUID: 11223344-5566-7788-99aa-bbccddeeff00";
    let digits: String = value.chars().filter(|c| *c != '-').collect();
    let groups: Vec<usize> = value.split('-').map(str::len).collect();
    if digits.len() != 32
        || !digits.bytes().all(|b| b.is_ascii_hexdigit())
        || !matches!(groups[..], [32] | [8, 4, 4, 4, 12])
    {
        return wrong("is no GUID", HINT);
    }
    if digits.bytes().all(|b| b == b'0') || digits.bytes().all(|b| matches!(b, b'f' | b'F')) {
        return wrong("is the GUID of a device that was never given one", "set the device's GUID, or leave `guid` out");
    }
    Ok(())
}

/// Address of a machine: IPv4 or IPv6, not a name (trap 25), not one that designates no machine.
pub(super) fn address(value: &str) -> Result<IpAddr, Wrong> {
    let Ok(ip) = value.parse::<IpAddr>() else {
        let hint = if value.contains('/') {
            "leave the prefix length out"
        } else {
            "write the address as digits, for example \"10.77.0.11\": names move between the machines, so they are not used"
        };
        return Err(("is no IP address".into(), hint.into()));
    };
    let unusable = ip.is_unspecified() || ip.is_multicast() || matches!(ip, IpAddr::V4(v4) if v4.is_broadcast());
    if unusable {
        Err(("is the address of no machine".into(), "write the machine's own address".into()))
    } else {
        Ok(ip)
    }
}

/// The service address.
pub(super) fn address_v4(value: &str) -> Result<Ipv4Addr, Wrong> {
    match address(value)? {
        IpAddr::V4(v4) if v4.is_loopback() => Err((
            "is a loopback address".into(),
            "write the address that the cluster knows the management node by".into(),
        )),
        IpAddr::V4(v4) => Ok(v4),
        IpAddr::V6(_) => Err(("is an IPv6 address".into(), "the service address is IPv4".into())),
    }
}

/// Network mask of a prefix length of 0 to 32.
pub(super) fn mask(prefix: u8) -> u32 {
    u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0)
}

/// The network that an address is in.
pub(super) fn base((address, prefix): (Ipv4Addr, u8)) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(address) & mask(prefix))
}

/// Network in CIDR form, host bits zero.
pub(super) fn network(value: &str) -> Result<(), Wrong> {
    const HINT: &str = "write a network in CIDR form, for example \"10.77.0.0/24\"";
    let Some((address, prefix)) = value.split_once('/') else { return wrong("is no network", HINT) };
    let (Ok(ip), Ok(prefix)) = (address.parse::<Ipv4Addr>(), prefix.parse::<u8>()) else {
        return wrong("is no network", HINT);
    };
    if prefix > 32 {
        return wrong("has a prefix length above 32", HINT);
    }
    if prefix == 0 {
        return wrong("lets every machine in the world log in", HINT);
    }
    let base = Ipv4Addr::from(u32::from(ip) & mask(prefix));
    if base != ip {
        return wrong("has bits set behind its prefix length", format!("write \"{base}/{prefix}\""));
    }
    Ok(())
}

/// Public host key; gives `TYPE BASE64` without the comment.
pub(super) fn host_key(value: &str) -> Result<String, Wrong> {
    const HINT: &str = "write the content of /etc/ssh/ssh_host_ed25519_key.pub of that machine: \"ssh-ed25519 AAAA…\"";
    const TYPES: [&str; 5] =
        ["ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa"];
    let bad = |what: &str| Err((what.to_owned(), HINT.to_owned()));
    let mut parts = value.split_ascii_whitespace();
    let (Some(kind), Some(body)) = (parts.next(), parts.next()) else { return bad("is no host key") };
    if value.contains("PRIVATE KEY") {
        return bad("is a private key; pin the public one");
    }
    if !TYPES.contains(&kind) {
        return bad("has an unknown key type");
    }
    let Some(bytes) = base64(body) else { return bad("is damaged: its second word is not base64") };
    let named = bytes.get(..4).and_then(|n| <[u8; 4]>::try_from(n).ok()).map(u32::from_be_bytes);
    let inner = named.and_then(|n| bytes.get(4..4_usize.checked_add(n as usize)?));
    if inner != Some(kind.as_bytes()) || bytes.len() < 40 {
        return bad("is damaged: the key inside is not of the type that it says");
    }
    Ok(format!("{kind} {body}"))
}

/// Decodes padded base64; `None` if it is none. A crate for these lines would be the only user of it.
fn base64(text: &str) -> Option<Vec<u8>> {
    let body = text.trim_end_matches('=');
    if !text.len().is_multiple_of(4) || text.len() - body.len() > 2 || body.len() % 4 == 1 {
        return None;
    }
    let (mut bytes, mut bits, mut have) = (Vec::with_capacity(text.len() / 4 * 3), 0_u32, 0_u8);
    for b in body.bytes() {
        let six = match b {
            b'A'..=b'Z' => b - b'A',
            b'a'..=b'z' => b - b'a' + 26,
            b'0'..=b'9' => b - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(six);
        have += 6;
        if have >= 8 {
            have -= 8;
            bytes.push((bits >> have) as u8);
            bits &= (1 << have) - 1;
        }
    }
    (bits == 0).then_some(bytes)
}

/// Command template: `{action}` in one of its words.
pub(super) fn template(words: &[String]) -> Result<(), Wrong> {
    if !words.iter().any(|w| w.contains("{action}")) {
        return wrong(
            "has no {action}",
            "write {action} where start, stop, restart or status belongs: [\"systemctl\", \"{action}\", \"xcatd\"]",
        );
    }
    if words[0].contains("{action}") {
        return wrong("begins with {action}", "the first word is the program");
    }
    Ok(())
}
