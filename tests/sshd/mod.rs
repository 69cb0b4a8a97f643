//! Real sshds on loopback, with keys and settings of their own, ended with the test whatever happens to it.
#![allow(dead_code, unreachable_pub, clippy::print_stderr)]

use std::{
    fs,
    net::{TcpListener, TcpStream},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use workflows::model::Pair;

/// Whether a real sshd can be started here; says why not.
pub fn possible() -> bool {
    let root = rustix::process::geteuid().is_root();
    let missing: Vec<_> = ["/usr/sbin/sshd", "/usr/bin/ssh", "/usr/bin/ssh-keygen"]
        .into_iter()
        .filter(|p| !Path::new(p).exists())
        .collect();
    if !root || !missing.is_empty() {
        eprintln!("SKIPPED: a real sshd needs root and {missing:?}");
    }
    root && missing.is_empty()
}

/// Polls until something holds.
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(Instant::now() < end, "never: {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// Ends a process by its id.
pub fn kill(signal: &str, pid: u32) {
    let _ = Command::new("kill").args([&format!("-{signal}"), &pid.to_string()]).stderr(Stdio::null()).status();
}

/// Ids of a process's children.
pub fn children(pid: u32) -> Vec<u32> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    text.split_whitespace().filter_map(|p| p.parse().ok()).collect()
}

/// Processes whose command line contains `text`.
pub fn processes(text: &str) -> Vec<u32> {
    let pids = fs::read_dir("/proc").unwrap().flatten().filter_map(|e| e.file_name().to_str()?.parse::<u32>().ok());
    let named = |pid: &u32| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).replace('\0', " ").contains(text)
    };
    pids.filter(named).collect()
}

/// A key pair: private file, public line.
pub fn key(path: &Path) -> String {
    let made = Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(path).status().unwrap();
    assert!(made.success());
    let public = fs::read_to_string(path.with_extension("pub")).unwrap();
    public.split(' ').take(2).collect::<Vec<_>>().join(" ")
}

/// One listening sshd.
pub struct Listener {
    child: Child,
}

impl Listener {
    /// Ends it and every connection that it serves.
    pub fn stop(&mut self) {
        let connections = children(self.child.id());
        let _ = self.child.kill();
        let _ = self.child.wait();
        for pid in connections {
            kill("KILL", pid);
        }
    }

    /// The processes that serve its connections.
    pub fn connections(&self) -> Vec<u32> {
        children(self.child.id())
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Keys, settings and a folder for jobs.
pub struct Place {
    pub dir: tempfile::TempDir,
    pub port: u16,
    pub host_key: String,
    pub identity: PathBuf,
}

impl Place {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o700)).unwrap();
        let host_key = key(&dir.path().join("host"));
        let identity = dir.path().join("identity");
        fs::write(dir.path().join("authorized"), key(&identity)).unwrap();
        // sshd looks for it, whatever its settings are.
        let _ = fs::create_dir("/run/sshd");
        // Free now; another program could take it before sshd does, which then says so.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        Self { dir, port, host_key, identity }
    }

    /// A folder and nothing else: for what needs no sshd.
    pub fn without_keys() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let identity = dir.path().join("identity");
        Self { dir, port: 1, host_key: "ssh-ed25519 AAAA".into(), identity }
    }

    /// Starts an sshd at an address.
    pub fn listen(&self, address: &str, more: &str) -> Listener {
        let at = |name: &str| self.dir.path().join(name).display().to_string();
        let config = at(&format!("sshd.{address}"));
        let settings = format!(
            "ListenAddress {address}:{}\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\nStrictModes no\nUsePAM no\n\
             PasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin prohibit-password\n\
             MaxStartups 100\nPrintMotd no\nLogLevel ERROR\n{more}\n",
            self.port,
            at("host"),
            at("authorized"),
        );
        fs::write(&config, settings).unwrap();
        let child = Command::new("/usr/sbin/sshd")
            .args(["-D", "-e", "-f", &config])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(at(&format!("log.{address}"))).unwrap())
            .spawn()
            .unwrap();
        let listener = Listener { child };
        let socket = (address, self.port);
        until("sshd listens", || TcpStream::connect(socket).is_ok());
        listener
    }

    /// The pair as it is configured: node `a` is behind this sshd, node `b` and the witness nowhere.
    pub fn pair(&self, addresses: &[&str]) -> Pair {
        let mut pair = lab::sample::pair();
        pair.node_dir = self.node_dir().display().to_string();
        let node = &mut pair.nodes[0];
        node.addresses = addresses.iter().map(|&a| a.to_owned()).collect();
        node.ssh_port = self.port;
        node.host_keys = vec![self.host_key.clone()];
        fs::read_to_string("/etc/machine-id").unwrap_or_default().trim().clone_into(&mut node.machine_id);
        let nowhere = vec!["127.0.0.99".to_owned()];
        pair.nodes[1].addresses.clone_from(&nowhere);
        pair.nodes[1].ssh_port = self.port;
        pair.witnesses[0].addresses = nowhere;
        pair.witnesses[0].ssh_port = self.port;
        pair
    }

    /// Folder of hamn on the node.
    pub fn node_dir(&self) -> PathBuf {
        self.dir.path().join("it's the node")
    }
}
