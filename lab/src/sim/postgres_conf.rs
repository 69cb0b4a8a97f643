//! postgresql.conf and pg_hba.conf as the server reads them: enough to refuse what it would refuse (trap 49).

use super::fixed::ip;

/// What of the configuration matters here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Settings {
    pub(super) listen: Option<String>,
    pub(super) primary_conninfo: Option<String>,
}

/// Reads one file into `settings`; the number and the offending word of the first line that the server cannot read.
pub(super) fn read_settings(text: &str, settings: &mut Settings) -> Result<(), (usize, String)> {
    for (number, line) in text.lines().enumerate() {
        let bad = |token: &str| (number + 1, token.to_owned());
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let end = line.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '.')).unwrap_or(line.len());
        let (name, rest) = line.split_at(end);
        if name.is_empty() {
            return Err(bad(line.split_whitespace().next().unwrap_or("")));
        }
        let rest = rest.trim_start();
        let rest = rest.strip_prefix('=').unwrap_or(rest).trim_start();
        let (value, tail) = if let Some(quoted) = rest.strip_prefix('\'') {
            quoted.split_once('\'').ok_or_else(|| bad("'"))?
        } else {
            rest.split_at(rest.find(|c: char| c.is_whitespace() || c == '#').unwrap_or(rest.len()))
        };
        if value.is_empty() && !rest.starts_with('\'') {
            return Err(bad("end of line"));
        }
        let tail = tail.trim_start();
        if !tail.is_empty() && !tail.starts_with('#') {
            return Err(bad(tail.split_whitespace().next().unwrap_or("")));
        }
        match name {
            "listen_addresses" => settings.listen = Some(value.to_owned()),
            "primary_conninfo" => settings.primary_conninfo = Some(value.to_owned()),
            "host" | "hostssl" | "hostnossl" | "local" => return Err(bad(value)),
            _ => {}
        }
    }
    Ok(())
}

/// The host of a connection string such as `host=10.77.0.11 port=5432 user=replicator`.
pub(super) fn conninfo_host(text: &str) -> Option<u32> {
    text.split_whitespace().find_map(|p| p.strip_prefix("host=")).and_then(ip)
}

/// One rule of pg_hba.conf.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rule {
    replication: bool,
    database: Option<String>,
    user: Option<String>,
    net: u32,
    mask: u32,
    reject: bool,
}

/// The rules for TCP connections, and how many lines the server cannot read.
pub(super) fn read_hba(text: &str) -> (Vec<Rule>, usize) {
    let (mut rules, mut errors) = (Vec::new(), 0);
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or("");
        let mut words = line.split_whitespace();
        let Some(kind) = words.next() else { continue };
        let rest: [&str; 5] = std::array::from_fn(|_| words.next().unwrap_or(""));
        match read_rule(kind, rest) {
            Some(Some(rule)) => rules.push(rule),
            Some(None) => {}
            None => errors += 1,
        }
    }
    (rules, errors)
}

/// `None`: not readable; `Some(None)`: readable and not for us (sockets, IPv6).
#[allow(clippy::option_option)]
fn read_rule(kind: &str, words: [&str; 5]) -> Option<Option<Rule>> {
    const METHODS: [&str; 11] =
        ["trust", "reject", "scram-sha-256", "md5", "password", "gss", "ident", "peer", "ldap", "radius", "cert"];
    let method = |m: &str| METHODS.contains(&m);
    let [database, user, address, fourth, fifth] = words;
    if kind == "local" {
        return method(address).then_some(None);
    }
    if !matches!(kind, "host" | "hostssl" | "hostnossl" | "hostgssenc" | "hostnogssenc") {
        return None;
    }
    let (net, mask, verb) = if matches!(address, "all" | "samenet" | "samehost") {
        (0, 0, fourth)
    } else if address.contains(':') {
        return method(fourth).then_some(None);
    } else if let Some((net, prefix)) = address.split_once('/') {
        let prefix: u32 = prefix.parse().ok().filter(|p| *p <= 32)?;
        (ip(net)?, u32::MAX.checked_shl(32 - prefix).unwrap_or(0), fourth)
    } else if let Some(net) = ip(address) {
        (net, ip(fourth)?, fifth)
    } else if address.is_empty() {
        return None;
    } else {
        // A host name: resolved at every login; nobody has one here.
        return method(fourth).then_some(None);
    };
    let named = |word: &str| (word != "all").then(|| word.trim_matches('"').to_owned());
    method(verb).then(|| {
        Some(Rule {
            replication: database.split(',').any(|d| d == "replication"),
            database: named(database),
            user: named(user),
            net: net & mask,
            mask,
            reject: verb == "reject",
        })
    })
}

/// Whether the rules let a login from `source` in: into `database` as `user`, or (`database` is `None`) for replication.
pub(super) fn admits(rules: &[Rule], source: u32, database: Option<&str>, user: &str) -> bool {
    let names = |list: &Option<String>, name: &str| list.as_deref().is_none_or(|l| l.split(',').any(|n| n == name));
    rules
        .iter()
        .find(|r| {
            source & r.mask == r.net
                && match database {
                    // `all` does not mean replication.
                    None => r.replication,
                    Some(name) => names(&r.database, name) && names(&r.user, user),
                }
        })
        .is_some_and(|r| !r.reject)
}
