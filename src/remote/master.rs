//! One ssh connection: a master process and its control socket, with settings that are ours alone. Nothing of the user's or the
//! system's ssh configuration is read, nothing is asked, no other key than a pinned one is accepted (traps 11, 25, 71).

use std::{
    fmt::Write as _,
    fs,
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use openssh::Session;
use tokio::time;

/// Seconds after which a master whose hamn was killed goes away by itself.
const IDLE_S: u32 = 120;

/// How a machine is reached.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) addresses: Vec<String>,
    pub(super) port: u16,
    pub(super) user: String,
    /// Pinned, as in a public key file.
    pub(super) host_keys: Vec<String>,
    pub(super) identity_file: Option<PathBuf>,
    pub(super) connect_timeout_s: u32,
}

/// The private directory of this process: settings, pinned keys, control sockets.
#[derive(Debug)]
pub(super) struct Den {
    dir: PathBuf,
    next: AtomicU64,
}

impl Den {
    /// A fresh directory. What killed processes left is cleared away with the masters that serve it.
    pub(super) fn new() -> std::io::Result<Self> {
        let base = base();
        clear_stale(&base);
        let dir = tempfile::Builder::new()
            .prefix(&format!("ssh.{}.", std::process::id()))
            .rand_bytes(4)
            .tempdir_in(&base)?
            .keep();
        Ok(Self { dir, next: AtomicU64::new(0) })
    }

    fn fresh(&self) -> PathBuf {
        self.dir.join(self.next.fetch_add(1, Ordering::Relaxed).to_string())
    }
}

impl Drop for Den {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// A short path, because a socket's name has room for about a hundred bytes; on a file system that a reboot clears.
fn base() -> PathBuf {
    let run = Path::new("/run/hamn");
    let made = fs::DirBuilder::new().mode(0o700).create(run);
    let ours = |dir: &Path| {
        fs::symlink_metadata(dir).is_ok_and(|m| {
            m.is_dir() && m.uid() == rustix::process::geteuid().as_raw() && m.mode().trailing_zeros() >= 6
        })
    };
    if (made.is_ok() || run.is_dir()) && ours(run) { run.to_owned() } else { PathBuf::from("/tmp") }
}

/// Ends the masters of processes that are no more, and removes their directories. Only our user's.
fn clear_stale(base: &Path) {
    let me = rustix::process::geteuid().as_raw();
    for entry in fs::read_dir(base).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some(pid) = name.strip_prefix("ssh.").and_then(|rest| rest.split('.').next()) else { continue };
        let ours = fs::symlink_metadata(entry.path()).is_ok_and(|m| m.is_dir() && m.uid() == me);
        if !ours || pid.parse::<u32>().is_err() || Path::new("/proc").join(pid).exists() {
            continue;
        }
        for file in fs::read_dir(entry.path()).into_iter().flatten().flatten() {
            if file.path().extension().is_some_and(|e| e == "s") {
                stop(&file.path());
            }
        }
        let _ = fs::remove_dir_all(entry.path());
    }
}

/// Tells a master to end, and waits a second for the messenger at most.
fn stop(socket: &Path) {
    let mut command = Command::new("ssh");
    command.args(["-F", "/dev/null", "-S"]).arg(socket).args(["-O", "exit", "hamn"]);
    let Ok(mut child) = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn() else {
        return;
    };
    for _ in 0..200 {
        match child.try_wait() {
            Ok(None) => thread::sleep(Duration::from_millis(5)),
            _ => return,
        }
    }
    let _ = child.kill();
    let _ = child.wait();
}

/// An open connection. Dropped, it ends its master.
#[derive(Debug)]
pub(super) struct Master {
    session: Session,
    socket: PathBuf,
    /// Index of its address.
    pub(super) address: usize,
    /// Holds the socket: it goes after the master was told to end.
    _den: Arc<Den>,
}

impl Master {
    /// Connects to one address. `alive`: seconds between two signs of life, and how many may be missing. The error says what ssh said.
    pub(super) async fn connect(
        den: &Arc<Den>,
        target: &Target,
        address: usize,
        limit: Duration,
        alive: (u32, u32),
    ) -> Result<Self, String> {
        let base = den.fresh();
        let [keys, config, log, socket] = ["k", "c", "l", "s"].map(|e| base.with_extension(e));
        // Declared before the process, so that it is dropped behind it: also when nobody waits for this connection any more.
        let mut leftovers =
            Leftovers { files: [keys.clone(), config.clone(), log.clone()], socket: Some(socket.clone()) };
        private_file(&keys, &known_hosts(&target.host_keys)?)?;
        private_file(&config, &settings(target, &target.addresses[address], &keys, alive)?)?;
        let mut command = tokio::process::Command::new("ssh");
        command.arg("-F").arg(&config).arg("-E").arg(&log).arg("-S").arg(&socket);
        command.args(["-M", "-f", "-N", "-o", &format!("ControlPersist={IDLE_S}s"), "hamn"]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        let status = time::timeout(limit, command.status()).await;
        let said = fs::read(&log).map(|bytes| super::exchange::said(&bytes)).unwrap_or_default();
        match status {
            Ok(Ok(status)) if status.success() => {
                leftovers.socket = None;
                let session = Session::resume_mux(socket.clone().into_boxed_path(), None);
                Ok(Self { session, socket, address, _den: Arc::clone(den) })
            }
            Ok(Ok(status)) if said.is_empty() => Err(format!("ssh ended with {status}")),
            Ok(Ok(_)) => Err(said),
            Ok(Err(e)) => Err(format!("ssh cannot be started: {e}")),
            Err(_) if said.is_empty() => Err(format!("no connection within {:.0} s", limit.as_secs_f32())),
            Err(_) => Err(format!("no connection within {:.0} s: {said}", limit.as_secs_f32())),
        }
    }

    pub(super) fn session(&self) -> &Session {
        &self.session
    }
}

impl Drop for Master {
    fn drop(&mut self) {
        stop(&self.socket);
        let _ = fs::remove_file(&self.socket);
    }
}

/// What a try to connect leaves when it ends, and a master behind it when the try was given up in the moment of its success.
struct Leftovers {
    files: [PathBuf; 3],
    socket: Option<PathBuf>,
}

impl Drop for Leftovers {
    fn drop(&mut self) {
        for file in &self.files {
            let _ = fs::remove_file(file);
        }
        if let Some(socket) = self.socket.as_ref().filter(|s| s.exists()) {
            stop(socket);
            let _ = fs::remove_file(socket);
        }
    }
}

fn private_file(path: &Path, text: &str) -> Result<(), String> {
    use std::io::Write as _;
    let open = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    open.and_then(|mut file| file.write_all(text.as_bytes())).map_err(|e| format!("{}: {e}", path.display()))
}

/// The pinned keys under a name that no address has anything to do with: addresses move.
fn known_hosts(keys: &[String]) -> Result<String, String> {
    let mut text = String::new();
    for key in keys {
        let mut words = key.split_whitespace();
        match (words.next(), words.next()) {
            (Some(kind), Some(data)) if [kind, data].iter().all(|w| is_plain(w)) => {
                let _ = writeln!(text, "hamn {kind} {data}");
            }
            _ => return Err(format!("not a host key: {key:?}")),
        }
    }
    if text.is_empty() { Err("no host key is pinned".to_owned()) } else { Ok(text) }
}

fn settings(target: &Target, address: &str, keys: &Path, (every, missing): (u32, u32)) -> Result<String, String> {
    for (what, value) in [("address", address), ("user", &target.user)] {
        if value.is_empty() || value.starts_with('-') || !is_plain(value) {
            return Err(format!("{what} {value:?} is none"));
        }
    }
    let mut text = format!(
        "HostName {}\nPort {}\nUser {}\nUserKnownHostsFile {}\nConnectTimeout {}\n\
         ServerAliveInterval {every}\nServerAliveCountMax {missing}\n",
        address.replace('%', "%%"),
        target.port,
        target.user,
        path_value(keys)?,
        target.connect_timeout_s.max(1),
    );
    text.push_str(FIXED);
    if let Some(file) = &target.identity_file {
        let _ = writeln!(text, "IdentityFile {}\nIdentitiesOnly yes", path_value(file)?);
    }
    Ok(text)
}

const FIXED: &str = "HostKeyAlias hamn
GlobalKnownHostsFile /dev/null
StrictHostKeyChecking yes
CheckHostIP no
UpdateHostKeys no
VerifyHostKeyDNS no
BatchMode yes
PasswordAuthentication no
KbdInteractiveAuthentication no
PreferredAuthentications publickey
IdentityAgent none
ConnectionAttempts 1
ForwardAgent no
ForwardX11 no
ClearAllForwardings yes
PermitLocalCommand no
EscapeChar none
RequestTTY no
CanonicalizeHostname no
ProxyCommand none
Compression no
";

fn path_value(path: &Path) -> Result<String, String> {
    match path.to_str() {
        Some(text) if !text.contains(['"', '\\', '\n', '\r', '\0', '$']) => {
            Ok(format!("\"{}\"", text.replace('%', "%%")))
        }
        _ => Err(format!("{}: ssh cannot be given this path", path.display())),
    }
}

/// Whether a word can stand in a line of settings as it is.
fn is_plain(word: &str) -> bool {
    word.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-_.:/=@%,".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALIVE: (u32, u32) = (2, 3);

    fn target() -> Target {
        Target {
            addresses: vec!["10.0.0.1".into()],
            port: 22,
            user: "root".into(),
            host_keys: vec!["ssh-ed25519 AAAA comment's $(x)".into()],
            identity_file: None,
            connect_timeout_s: 5,
        }
    }

    #[test]
    fn no_value_can_add_a_line_of_settings() {
        let keys = Path::new("/x/0.k");
        let good = settings(&target(), "fe80::1%eth0", keys, ALIVE).unwrap();
        assert!(good.starts_with("HostName fe80::1%%eth0\nPort 22\nUser root\nUserKnownHostsFile \"/x/0.k\"\n"));
        for bad in ["", "-oProxyCommand=x", "a\nProxyCommand x", "a b", "a\"", "$(x)"] {
            assert!(settings(&target(), bad, keys, ALIVE).is_err(), "{bad:?}");
            assert!(settings(&Target { user: bad.into(), ..target() }, "a", keys, ALIVE).is_err(), "{bad:?}");
        }
        let strange = Target { identity_file: Some("/a\nProxyCommand x".into()), ..target() };
        assert!(settings(&strange, "a", keys, ALIVE).is_err());
        assert_eq!(known_hosts(&target().host_keys).unwrap(), "hamn ssh-ed25519 AAAA\n");
        assert!(known_hosts(&[]).is_err());
        assert!(known_hosts(&["@cert-authority".into()]).is_err());
        assert!(known_hosts(&["a\u{e9} b".into()]).is_err());
    }
}
