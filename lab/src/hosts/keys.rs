//! ssh keys of the hosts: who is who, and who may go where.

use std::{collections::BTreeMap, fs, path::Path};

use super::{LabError, Result, machine::Machine, shell};

/// A key pair in OpenSSH's form.
#[derive(Debug, Clone)]
pub(crate) struct Key {
    pub(crate) private: String,
    /// `ssh-ed25519 AAAA…`, without comment.
    pub(crate) public: String,
}

/// Host keys and keys of root, by machine.
#[derive(Debug)]
pub(crate) struct Keys {
    pub(crate) host: BTreeMap<Machine, Key>,
    /// Only of machines from which root goes to others.
    pub(crate) root: BTreeMap<Machine, Key>,
}

impl Keys {
    /// Makes all keys.
    pub(crate) fn generate(dir: &Path) -> Result<Self> {
        let key = |name: String| -> Result<Key> {
            let path = dir.join(name);
            let text = path.display().to_string();
            shell::run(&["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", &text])?;
            let public = path.with_extension("pub");
            let read = |p: &Path| fs::read_to_string(p).map_err(|e| LabError::file("read", p, &e));
            let key = Key { private: read(&path)?, public: read(&public)?.trim().to_owned() };
            for p in [path, public] {
                fs::remove_file(&p).map_err(|e| LabError::file("remove", &p, &e))?;
            }
            Ok(key)
        };
        let host = Machine::ALL.into_iter().map(|m| Ok((m, key(format!("host-{m}"))?))).collect::<Result<_>>()?;
        let root = [Machine::Admin, Machine::Mn1, Machine::Mn2]
            .into_iter()
            .map(|m| Ok((m, key(format!("root-{m}"))?)))
            .collect::<Result<_>>()?;
        Ok(Self { host, root })
    }
}
