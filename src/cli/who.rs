//! Who is at the keyboard, and when.

use std::{
    env,
    time::{SystemTime, UNIX_EPOCH},
};

use journal_schema::{Operator, UnixMillis};

/// Wall clock.
pub(super) fn now() -> UnixMillis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixMillis(since.as_millis() as u64)
}

/// The person: the name before `sudo` where known.
pub(super) fn operator() -> Operator {
    let name = ["SUDO_USER", "LOGNAME", "USER"]
        .iter()
        .find_map(|key| env::var(key).ok().filter(|v| !v.is_empty()))
        .unwrap_or_else(|| format!("uid {}", rustix::process::getuid().as_raw()));
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let terminal = rustix::termios::ttyname(rustix::stdio::stdin(), Vec::new())
        .map_or_else(|_| "-".to_owned(), |t| t.to_string_lossy().into_owned());
    Operator { name, host, terminal }
}
