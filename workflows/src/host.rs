//! The calls that every machine understands in its own way: each has one name here and one text a platform.

use journal_schema::Tri;

use crate::{
    model::{Node, Platform, Xcat},
    script::{ActionResult, Command},
    steps::read,
    vocabulary::{self, Helper},
    vocabulary_aix as aix,
};

macro_rules! on_each {
    ($(#[$doc:meta] $name:ident,)+) => {
        $(#[$doc]
        pub fn $name(node: &Node) -> Command {
            match node.platform {
                Platform::Linux => vocabulary::$name(),
                Platform::Aix => aix::$name(),
            }
        })+
    };
}

on_each! {
    /// Pinned identity; read with [`identity`].
    machine_id,
    /// Changes at every boot; read with [`boot`].
    boot_id,
    /// Clock: nanoseconds since 1970.
    clock,
    /// IPv4 addresses; read with [`read::holds`].
    addresses,
}

/// Is a service started at boot? Read with [`starts_at_boot`].
pub fn at_boot(node: &Node, service: &str) -> Command {
    match node.platform {
        Platform::Linux => vocabulary::at_boot(service),
        Platform::Aix => aix::lsitab(service),
    }
}

/// An xCAT command.
pub fn xcat(node: &Node, xcat: &Xcat, name: &str, arguments: &[&str]) -> Command {
    match node.platform {
        Platform::Linux => vocabulary::xcat(xcat, name, arguments),
        Platform::Aix => aix::xcat(xcat, name, arguments),
    }
}

/// Rewrites the configuration of the console server.
pub fn consoles(node: &Node, xcat: &Xcat) -> Command {
    match node.platform {
        Platform::Linux => vocabulary::consoles(xcat),
        Platform::Aix => aix::xcat(xcat, "makeconservercf", &[]),
    }
}

/// `start` or `stop` of a network service; exit 0 when there is none.
pub fn helper_control(node: &Node, helper: Helper, action: &str) -> Command {
    match node.platform {
        Platform::Linux => vocabulary::helper_control(helper, action),
        Platform::Aix => aix::helper_control(helper, action),
    }
}

/// Prints `ready` when xcatd answers with the site table.
pub fn xcatd_ready(node: &Node, xcat: &Xcat) -> Command {
    match node.platform {
        Platform::Linux => vocabulary::xcatd_ready(xcat),
        Platform::Aix => aix::xcatd_ready(xcat),
    }
}

/// What [`machine_id`] printed.
pub fn identity<'a>(node: &Node, r: &'a ActionResult) -> Option<&'a str> {
    match node.platform {
        Platform::Linux => read::id(r),
        Platform::Aix => read::line(r).filter(|id| id.len() >= 8 && id.chars().all(|c| c.is_ascii_hexdigit())),
    }
}

/// What [`boot_id`] printed.
pub fn boot(node: &Node, r: &ActionResult) -> Option<String> {
    match node.platform {
        Platform::Linux => read::id(r).map(str::to_owned),
        Platform::Aix => {
            let (_, when) = read::line(r)?.split_once("system boot")?;
            let words: Vec<&str> = when.split_whitespace().take(3).collect();
            (words.len() == 3 && words[2].contains(':')).then(|| words.join("-"))
        }
    }
}

/// What [`at_boot`] printed.
pub fn starts_at_boot(node: &Node, r: &ActionResult) -> Tri {
    match node.platform {
        Platform::Linux => read::at_boot(r),
        Platform::Aix => match (r.exit, read::line(r).map(|l| l.split(':').nth(2))) {
            (Some(0), Some(Some("off"))) => Tri::No,
            (Some(0), Some(Some(_))) => Tri::Yes,
            (Some(1), _) if r.stdout.trim().is_empty() => Tri::No,
            _ => Tri::Unknown,
        },
    }
}
