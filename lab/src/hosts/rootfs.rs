//! The root file system of a host: an overlay with the machine's `/` below and a folder of the host's own above. Everything of the
//! machine that belongs to a person, a service or another lab is hidden.

use std::{
    fs,
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, chown, symlink},
    path::{Path, PathBuf},
};

use rustix::fs::{CWD, FileType, Mode, XattrFlags, makedev, mknodat, setxattr};

use super::{LabError, Result};

/// Folders of the machine that no host sees.
const HIDDEN: &[&str] = &[
    "/etc/cron.d",
    "/etc/cron.daily",
    "/etc/cron.hourly",
    "/etc/cron.monthly",
    "/etc/cron.weekly",
    "/etc/hamn",
    "/etc/postgresql",
    "/etc/rc2.d",
    "/etc/rc3.d",
    "/etc/rc4.d",
    "/etc/rc5.d",
    "/etc/ssh/sshd_config.d",
    "/etc/xcat",
    "/install",
    "/opt/xcat",
    "/root",
    "/tftpboot",
    "/var/cache/hamn-lab",
    "/var/lib/dhcp",
    "/var/lib/hamn",
    "/var/lib/hamn-lab",
    "/var/lib/postgresql",
    "/var/log",
    "/var/spool/cron/crontabs",
];

/// The upper folder of a host that is off.
#[derive(Debug)]
pub(crate) struct Upper {
    root: PathBuf,
}

fn context<T>(what: &str, path: &Path, result: io::Result<T>) -> Result<T> {
    result.map_err(|e| LabError::file(what, path, &e))
}

impl Upper {
    /// Makes the folders of a host: `upper`, `work` and the mount point `root`.
    pub(crate) fn create(host: &Path, also_hidden: &[&Path]) -> Result<Self> {
        let upper = Self { root: host.join("upper") };
        for name in ["upper", "work", "root"] {
            let path = host.join(name);
            context("make", &path, fs::DirBuilder::new().recursive(true).mode(0o755).create(&path))?;
            // Whatever the umask: this is the host's `/`.
            context("make", &path, fs::set_permissions(&path, fs::Permissions::from_mode(0o755)))?;
        }
        for path in HIDDEN.iter().map(Path::new).chain(also_hidden.iter().copied()) {
            upper.hide(path)?;
        }
        Ok(upper)
    }

    /// Where a path of the host is kept.
    pub(crate) fn path(&self, path: impl AsRef<Path>) -> PathBuf {
        self.root.join(path.as_ref().strip_prefix("/").unwrap_or(path.as_ref()))
    }

    /// Makes a folder and its parents, each with the owner and mode that it has on the machine.
    pub(crate) fn folder(&self, path: impl AsRef<Path>) -> Result<PathBuf> {
        let path = path.as_ref();
        let here = self.path(path);
        if here.is_dir() {
            return Ok(here);
        }
        if let Some(parent) = path.parent() {
            self.folder(parent)?;
        }
        context("make", &here, fs::create_dir(&here))?;
        let (mode, uid, gid) = fs::metadata(path).map_or((0o755, 0, 0), |m| (m.mode() & 0o7777, m.uid(), m.gid()));
        context("own", &here, chown(&here, Some(uid), Some(gid)))?;
        context("set the mode of", &here, fs::set_permissions(&here, fs::Permissions::from_mode(mode)))?;
        Ok(here)
    }

    /// Makes a folder in which nothing of the machine's folder of that name is seen.
    pub(crate) fn hide(&self, path: &Path) -> Result<()> {
        let here = self.folder(path)?;
        let marked = setxattr(&here, "trusted.overlay.opaque", b"y", XattrFlags::empty());
        context("hide", &here, marked.map_err(io::Error::from))
    }

    /// Takes away a file that the machine has.
    pub(crate) fn whiteout(&self, path: &str) -> Result<()> {
        let here = self.path(path);
        let _ = fs::remove_file(&here);
        if Path::new(path).exists() {
            self.folder(Path::new(path).parent().unwrap_or(Path::new("/")))?;
            let made = mknodat(CWD, &here, FileType::CharacterDevice, Mode::empty(), makedev(0, 0));
            context("hide", &here, made.map_err(io::Error::from))?;
        }
        Ok(())
    }

    /// Writes a file with its permission bits.
    pub(crate) fn file(&self, path: &str, mode: u32, content: &str) -> Result<PathBuf> {
        let here = self.path(path);
        self.folder(Path::new(path).parent().unwrap_or(Path::new("/")))?;
        // A former file may be a link, or more open.
        let _ = fs::remove_file(&here);
        let written = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&here).and_then(|mut f| {
            f.write_all(content.as_bytes())?;
            f.set_permissions(fs::Permissions::from_mode(mode))
        });
        context("write", &here, written)?;
        Ok(here)
    }

    /// [`Self::file`] that belongs to somebody else than root.
    pub(crate) fn file_of(&self, owner: (u32, u32), path: &str, mode: u32, content: &str) -> Result<()> {
        let here = self.file(path, mode, content)?;
        context("own", &here, chown(&here, Some(owner.0), Some(owner.1)))
    }

    /// Makes a folder that belongs to somebody else than root.
    pub(crate) fn folder_of(&self, owner: (u32, u32), path: &str, mode: u32) -> Result<PathBuf> {
        let here = self.folder(path)?;
        context("own", &here, chown(&here, Some(owner.0), Some(owner.1)))?;
        context("set the mode of", &here, fs::set_permissions(&here, fs::Permissions::from_mode(mode)))?;
        Ok(here)
    }

    /// A symbolic link.
    pub(crate) fn link(&self, path: &str, target: &str) -> Result<()> {
        let here = self.path(path);
        self.folder(Path::new(path).parent().unwrap_or(Path::new("/")))?;
        context("link", &here, symlink(target, &here))
    }

    /// Another name of a file on the same file system, or a copy of it.
    pub(crate) fn hard_link(&self, path: &str, source: &Path) -> Result<()> {
        let here = self.path(path);
        self.folder(Path::new(path).parent().unwrap_or(Path::new("/")))?;
        context("link", &here, fs::hard_link(source, &here).or_else(|_| fs::copy(source, &here).map(drop)))
    }

    /// Starts services at boot, in that order.
    pub(crate) fn at_boot(&self, services: &[&str]) -> Result<()> {
        for (n, service) in services.iter().enumerate() {
            for level in 2..=5 {
                self.link(&format!("/etc/rc{level}.d/S{:02}{service}", n + 1), &format!("../init.d/{service}"))?;
            }
        }
        Ok(())
    }
}

/// User and group number of an account of the machine.
pub(crate) fn account(name: &str) -> Result<(u32, u32)> {
    let path = Path::new("/etc/passwd");
    let text = context("read", path, fs::read_to_string(path))?;
    text.lines()
        .find_map(|l| {
            let fields: Vec<_> = l.split(':').collect();
            (fields.first() == Some(&name)).then(|| Some((fields.get(2)?.parse().ok()?, fields.get(3)?.parse().ok()?)))
        })
        .flatten()
        .ok_or_else(|| LabError::failed(format!("There is no account {name}."), "/etc/passwd does not have it"))
}
