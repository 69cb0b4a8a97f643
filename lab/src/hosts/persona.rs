//! What kind of machine a host plays, and where things lie on one that plays AIX.

use std::{path::Path, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::nim;

use super::{LabError, LabErrorKind, Result, machine::Machine};

/// Where an AIX host keeps what AIX has not: `usr` (the machine's own programs), `proc`, the stand-ins.
pub(crate) const TOOLS: &str = "/usr/lib/hamn-lab";
/// The program that plays the stand-ins there.
pub(crate) const STANDIN: &str = "/usr/lib/hamn-lab/standin";
/// `PATH` of a session. *documented*: `/etc/environment`.
pub(crate) const AIX_PATH: &str = "/usr/bin:/etc:/usr/sbin:/usr/ucb:/usr/bin/X11:/sbin";
/// The object data manager.
pub(crate) const ODM: &str = "/etc/objrepos/odm.json";
/// NIM's database.
pub(crate) const NIM: &str = "/etc/objrepos/nim.json";
/// The cluster-facing interface, as in the published procedure.
pub const CLUSTER_INTERFACE: &str = "en1";
/// Directory of the installation images.
pub(crate) const NIM_DEVICE: &str = nim::sample::DEVICE;
/// Who answers as the default gateway.
pub const GATEWAY: Machine = Machine::Admin;

/// The shell that is root's, and `/bin/sh`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ksh {
    /// MirBSD's: nearest to ksh88 in what it does not have.
    Mksh,
    /// AT&T's.
    Ksh93,
}

impl Ksh {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Mksh => "mksh",
            Self::Ksh93 => "ksh93",
        }
    }
}

/// What the two management nodes play.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Persona {
    /// Themselves.
    #[default]
    Linux,
    /// AIX, each with a shell.
    Aix([Ksh; 2]),
}

impl FromStr for Persona {
    type Err = LabError;

    fn from_str(word: &str) -> Result<Self> {
        match word {
            "linux" => Ok(Self::Linux),
            "aix" => Ok(Self::Aix([Ksh::Ksh93; 2])),
            "aix-mksh" => Ok(Self::Aix([Ksh::Mksh; 2])),
            "aix-mixed" => Ok(Self::Aix([Ksh::Ksh93, Ksh::Mksh])),
            _ => Err(LabError::new(
                LabErrorKind::Usage,
                format!("There is no persona `{word}`."),
                "Known: linux, aix (root's shell is ksh93), aix-mksh, aix-mixed (one each).",
                "For example: hamn lab up --persona aix",
            )),
        }
    }
}

impl Persona {
    /// Whether a machine plays AIX.
    pub fn is_aix(self, machine: Machine) -> bool {
        self.shell(machine).is_some()
    }

    /// Root's shell on a machine that plays AIX.
    pub(crate) fn shell(self, machine: Machine) -> Option<Ksh> {
        let Self::Aix(shells) = self else { return None };
        Machine::PAIR.iter().position(|m| *m == machine).map(|n| shells[n])
    }

    /// Whether its shell is there.
    pub(crate) fn check(self) -> Result<()> {
        let gone = |m: Machine| self.shell(m).map(Ksh::name).filter(|n| !Path::new("/usr/bin").join(n).exists());
        let Some(name) = Machine::PAIR.into_iter().find_map(gone) else { return Ok(()) };
        Err(LabError::new(
            LabErrorKind::MissingProgram,
            "The shell of the AIX hosts is missing.",
            format!("no /usr/bin/{name}"),
            "Install it: apt-get install mksh ksh93u+m",
        ))
    }
}
