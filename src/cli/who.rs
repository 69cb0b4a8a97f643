//! Who calls.

use std::{env, fs};

use journal_schema::{Operator, UnixMillis};

/// The person at this terminal: the login name before `sudo` where there was one.
pub fn operator() -> Operator {
    Operator { name: name(), host: host(), terminal: terminal() }
}

/// Host name of this machine.
pub fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// Wall clock.
pub fn now() -> UnixMillis {
    UnixMillis(u64::try_from(jiff::Timestamp::now().as_millisecond()).unwrap_or(0))
}

fn name() -> String {
    let uid = rustix::process::getuid().as_raw();
    let named = |key: &str| env::var(key).ok().filter(|v| !v.is_empty() && !v.chars().any(char::is_control));
    // SUDO_USER means something only where sudo may have set it: for root.
    let sudo = if uid == 0 { named("SUDO_USER").filter(|n| n != "root") } else { None };
    sudo.or_else(|| login_of(uid)).unwrap_or_else(|| format!("uid {uid}"))
}

/// Name of a local user; the environment is not asked, it is anybody's to set.
fn login_of(uid: u32) -> Option<String> {
    let users = fs::read_to_string("/etc/passwd").ok()?;
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == uid.to_string()).then(|| name.to_owned())
    })
}

fn terminal() -> String {
    rustix::termios::ttyname(rustix::stdio::stdin(), Vec::new())
        .ok()
        .and_then(|name| name.into_string().ok())
        .unwrap_or_else(|| "-".into())
}
