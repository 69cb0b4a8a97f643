//! The shells that scripts must run in, and a way to run a text in one of them.
#![allow(dead_code, unreachable_pub, clippy::print_stderr)]

use std::{
    fs,
    io::Write as _,
    path::Path,
    process::{Command as Process, Output as Streams, Stdio},
    sync::OnceLock,
};

use workflows::{
    Action, ActionResult, Command, Output, Script,
    render::{last_frame, parse, render},
};

/// Path of each shell that is installed; says which are not.
pub fn shells() -> &'static [&'static str] {
    static FOUND: OnceLock<Vec<&'static str>> = OnceLock::new();
    FOUND.get_or_init(|| {
        let (found, missing): (Vec<_>, Vec<_>) =
            ["/bin/dash", "/bin/bash", "/bin/mksh", "/bin/ksh93"].into_iter().partition(|s| Path::new(s).exists());
        if !missing.is_empty() {
            eprintln!("SKIPPED: not installed: {missing:?}");
        }
        assert!(!found.is_empty(), "no shell at all");
        found
    })
}

/// Runs `text` through `shell -s`, as it is run on a node.
pub fn sh(shell: &str, text: &str) -> Streams {
    sh_with(shell, text, |c| c)
}

/// As [`sh`], with changes to the process.
pub fn sh_with(shell: &str, text: &str, change: impl FnOnce(&mut Process) -> &mut Process) -> Streams {
    let mut command = Process::new(shell);
    command.arg("-s").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    change(&mut command);
    let mut child = command.spawn().expect("the shell starts");
    let mut stdin = child.stdin.take().expect("piped");
    let text = text.to_owned();
    // A shell that ends early closes its input; that is the test's finding, not this thread's.
    let writer = std::thread::spawn(move || drop(stdin.write_all(text.as_bytes())));
    let output = child.wait_with_output().expect("the shell ends");
    writer.join().expect("the writer ends");
    output
}

/// Whether the tests run as root.
pub fn root() -> bool {
    let root = std::fs::metadata("/proc/self").is_ok_and(|m| std::os::unix::fs::MetadataExt::uid(&m) == 0);
    if !root {
        eprintln!("SKIPPED: needs root");
    }
    root
}

/// The nonce of scripts that are run here.
pub const NONCE: &str = "n0nce";

/// Runs a script.
pub fn run(shell: &str, script: &Script) -> Output {
    run_with(shell, script, |c| c)
}

/// Runs a script, with changes to the process.
pub fn run_with(shell: &str, script: &Script, change: impl FnOnce(&mut Process) -> &mut Process) -> Output {
    run_text(shell, script, &render(script, NONCE), change)
}

/// As on a machine that has no `timeout` and no `/proc`.
pub fn run_without_timeout(shell: &str, script: &Script, change: impl FnOnce(&mut Process) -> &mut Process) -> Output {
    let text = render(script, NONCE).replace("$(command -v timeout)", "").replace("/proc/uptime", "/nonexistent");
    assert!(text.contains("hamn_timeout=\n"));
    run_text(shell, script, &text, change)
}

fn run_text(shell: &str, script: &Script, text: &str, change: impl FnOnce(&mut Process) -> &mut Process) -> Output {
    let output = sh_with(shell, text, change);
    assert!(output.status.success(), "{shell}: {output:?}");
    assert!(
        [&output.stdout, &output.stderr].iter().all(|s| s.ends_with(last_frame(NONCE).as_bytes())),
        "{shell}: {output:?}"
    );
    parse(script, NONCE, &output.stdout, &output.stderr)
}

/// A command that is shell text itself.
pub fn sh_c(text: &str) -> Command {
    Command::new(["sh", "-c", text])
}

/// Runs one action.
pub fn one(shell: &str, action: Action) -> ActionResult {
    run(shell, &Script::new().then(action)).results.remove(0)
}

/// Runs a test in each shell, with a directory in which no temporary file may stay.
pub fn each(test: impl Fn(&'static str, &Path)) {
    for shell in shells() {
        let dir = tempfile::tempdir().unwrap();
        test(shell, dir.path());
        let left: Vec<_> = walk(dir.path()).into_iter().filter(|p| p.contains("/.hamn.")).collect();
        assert!(left.is_empty(), "{shell}: left behind: {left:?}");
    }
}

fn walk(dir: &Path) -> Vec<String> {
    let mut all = Vec::new();
    for entry in fs::read_dir(dir).unwrap().flatten() {
        all.push(entry.path().display().to_string());
        if entry.file_type().unwrap().is_dir() && entry.file_name() != "bin" {
            all.extend(walk(&entry.path()));
        }
    }
    all
}

/// A path in a directory.
pub fn at(dir: &Path, name: &str) -> String {
    dir.join(name).to_str().unwrap().to_owned()
}

/// Content of a file.
pub fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap()
}
