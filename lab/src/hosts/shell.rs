//! Runs the machine's own programs.

use std::{
    ffi::OsStr,
    fs::File,
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

use super::{LabError, LabErrorKind, Result};

/// What a program gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Exit code; `None`: a signal ended it.
    pub exit: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Output {
    /// Whether it exited 0.
    pub fn ok(&self) -> bool {
        self.exit == Some(0)
    }
}

/// Runs a program to its end.
pub(crate) fn output<S: AsRef<OsStr>>(argv: &[S], stdin: &str) -> Result<Output> {
    let shown = || argv.iter().map(|a| a.as_ref().to_string_lossy()).collect::<Vec<_>>().join(" ");
    let failed = |e: std::io::Error| LabError::failed("A program could not be run.", format!("{}: {e}", shown()));
    let mut command = Command::new(&argv[0]);
    command.args(&argv[1..]).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.stdin(if stdin.is_empty() { Stdio::null() } else { Stdio::piped() });
    let mut child = command.spawn().map_err(failed)?;
    if let Some(mut pipe) = child.stdin.take() {
        // A program that does not want it all has ended; its exit code tells.
        let _ = pipe.write_all(stdin.as_bytes());
    }
    let out = child.wait_with_output().map_err(failed)?;
    Ok(Output {
        exit: out.status.code(),
        stdout: String::from_utf8_lossy(&out.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&out.stderr).into_owned(),
    })
}

/// Runs a program that must exit 0; its standard output.
pub(crate) fn run<S: AsRef<OsStr>>(argv: &[S]) -> Result<String> {
    run_with(argv, "")
}

/// [`run`] with text on standard input.
pub(crate) fn run_with<S: AsRef<OsStr>>(argv: &[S], stdin: &str) -> Result<String> {
    let out = output(argv, stdin)?;
    if out.ok() {
        return Ok(out.stdout);
    }
    let words: Vec<_> = argv.iter().map(|a| a.as_ref().to_string_lossy()).collect();
    let said = if out.stderr.trim().is_empty() { &out.stdout } else { &out.stderr };
    Err(LabError::failed(
        format!("`{}` failed in the practice cluster.", words[0]),
        format!("{}: exit {:?}: {}", words.join(" "), out.exit, said.trim()),
    ))
}

/// Programs that must be there, and the packages of Debian 12 that have them.
const NEEDED: &[(&str, &str)] = &[
    ("ip", "iproute2"),
    ("tc", "iproute2"),
    ("unshare", "util-linux"),
    ("nsenter", "util-linux"),
    ("setsid", "util-linux"),
    ("pivot_root", "util-linux"),
    ("setpriv", "util-linux"),
    ("ssh-keygen", "openssh-client"),
    ("sshd", "openssh-server"),
    ("arping", "iputils-arping"),
    ("pg_ctlcluster", "postgresql"),
    ("cron", "cron"),
    ("rsync", "rsync"),
    ("service", "init-system-helpers"),
    ("ps", "procps"),
    ("ipmi_sim", "openipmi"),
    ("ipmitool", "ipmitool"),
    ("fence_ipmilan", "fence-agents"),
];

/// Programs that are missing: `program (package)`.
pub(crate) fn missing() -> Vec<String> {
    const DIRS: [&str; 6] = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];
    NEEDED
        .iter()
        .filter(|(program, _)| !DIRS.iter().any(|d| Path::new(d).join(program).exists()))
        .map(|(program, package)| format!("{program} ({package})"))
        .collect()
}

/// Whether a lab can be made here at all: `Err` says why not.
///
/// # Errors
/// Not root, or programs are missing.
pub fn preflight() -> Result<()> {
    if !rustix::process::geteuid().is_root() {
        return Err(LabError::new(
            LabErrorKind::NotRoot,
            "The practice cluster of real hosts needs root.",
            "It makes network namespaces and mounts; nothing of the machine's own network is touched.",
            "Run it as root, or see the simulated pair without: hamn demo",
        ));
    }
    let missing = missing();
    if !missing.is_empty() {
        return Err(LabError::new(
            LabErrorKind::MissingProgram,
            "Programs that the practice cluster runs are missing.",
            missing.join(", "),
            "Install the packages in parentheses: apt-get install PACKAGE…, and stop the services that it starts on this machine.",
        ));
    }
    Ok(())
}

/// Starts a program that is to outlive us; it says where its children are.
pub(crate) fn start_detached(program: &str, argv: &[String], log: File) -> Result<()> {
    let failed = |detail: String| LabError::failed(format!("`{program}` could not be started."), detail);
    let other = log.try_clone().map_err(|e| failed(e.to_string()))?;
    let status = Command::new(program)
        .args(argv)
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::from(log))
        .stderr(Stdio::from(other))
        .status()
        .map_err(|e| failed(e.to_string()))?;
    if status.success() { Ok(()) } else { Err(failed(format!("{} {}: {status}", program, argv.join(" ")))) }
}
