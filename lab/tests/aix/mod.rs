//! Hosts that play AIX.

use std::path::Path;

use lab::hosts::{Ksh, Machine, Options, Persona};

use super::{Turn, lab_of, options, say};

fn aix(name: &str, shell: Ksh) -> Option<Turn> {
    let program = if shell == Ksh::Mksh { "mksh" } else { "ksh93" };
    if !Path::new("/usr/bin").join(program).exists() {
        say(&format!("SKIPPED: no /usr/bin/{program}"));
        return None;
    }
    lab_of(&Options { persona: Persona::Aix(shell), ..options(name) }, name)
}

impl Turn {
    /// A line for root's shell of a machine that must exit 0; what it said.
    fn ksh(&self, machine: Machine, line: &str) -> String {
        let (exit, out) = self.sh(machine, line);
        assert_eq!(exit, Some(0), "{machine}: {line}: {out}");
        out.trim().to_owned()
    }
}

#[test]
fn smoke() {
    let Some(t) = aix("aix", Ksh::Ksh93) else { return };
    for line in std::fs::read_to_string("/tmp/aix-lines").unwrap().lines() {
        let (exit, out) = t.sh(Machine::Mn1, &format!("{{ {line}\n}} 2>&1"));
        say(&format!("$ {line}\n{out}[{exit:?}]"));
    }
}
