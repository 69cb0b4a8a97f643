//! The shells that scripts must run in, and a way to run a text in one of them.
#![allow(dead_code, unreachable_pub, clippy::print_stderr)]

use std::{
    io::Write as _,
    path::Path,
    process::{Command, Output, Stdio},
    sync::OnceLock,
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
pub fn sh(shell: &str, text: &str) -> Output {
    sh_with(shell, text, |c| c)
}

/// As [`sh`], with changes to the process.
pub fn sh_with(shell: &str, text: &str, change: impl FnOnce(&mut Command) -> &mut Command) -> Output {
    let mut command = Command::new(shell);
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
