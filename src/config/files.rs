//! Looks at the files that the configuration names, on the machine that runs hamn.

use std::{fs, io::Read, os::unix::fs::MetadataExt, path::Path};

use workflows::model::{Fence, NodeId};

use super::{Config, ConfigError};

/// Refuses password and key files that are missing, unreadable, empty, or open to others. What they contain is neither kept nor shown.
/// To be called before a run starts; commands that reach no fence device need not.
pub fn check_files(config: &Config, path: &Path) -> Result<(), ConfigError> {
    let mut problems = Vec::new();
    for id in NodeId::BOTH {
        let node = config.pair.node(id);
        if let Fence::Agent { password_file: Some(file), .. } = &node.fence {
            check_secret(Path::new(file), &format!("password_file of {}", node.name), &mut problems);
        }
    }
    if let Some(file) = &config.local.identity_file {
        check_secret(file, "identity_file", &mut problems);
    }
    if problems.is_empty() { Ok(()) } else { Err(ConfigError::Files { path: path.to_owned(), problems }) }
}

fn check_secret(file: &Path, whose: &str, problems: &mut Vec<String>) {
    let shown = file.display();
    let mut opened = match fs::File::open(file) {
        Ok(opened) => opened,
        Err(e) => return problems.push(format!("{whose}: {shown}: {e}")),
    };
    let meta = match opened.metadata() {
        Ok(meta) => meta,
        Err(e) => return problems.push(format!("{whose}: {shown}: {e}")),
    };
    if !meta.is_file() {
        return problems.push(format!("{whose}: {shown} is no file"));
    }
    let mode = meta.mode() & 0o7777;
    if mode & 0o077 != 0 {
        problems.push(format!("{whose}: {shown} has mode {mode:04o}; others could read it: chmod 0600 {shown}"));
    }
    let me = rustix::process::geteuid().as_raw();
    if meta.uid() != me && meta.uid() != 0 {
        problems.push(format!("{whose}: {shown} belongs to user {}: chown root {shown}", meta.uid()));
    }
    let mut first = [0_u8; 1];
    match opened.read(&mut first) {
        Ok(1) if first != *b"\n" => {}
        Ok(_) => problems.push(format!("{whose}: {shown}: its first line is empty")),
        Err(e) => problems.push(format!("{whose}: {shown}: {e}")),
    }
}
