//! Program calls of NIM and of xCAT's deployment. Every message of NIM begins with `0042-NNN`, and the number is the exit code of a fatal
//! one; warnings do not change the exit code (documented). Nothing here powers a node or sets one to install that was not installing.

use crate::{
    model::{Nim, Node, Xcat},
    script::Command,
};

/// Exit 0 when this machine is a NIM master: `master:`, then `   class          = machines`, `   type           = master`, …
pub fn master() -> Command {
    Command::new(["lsnim", "-l", "master"])
}

/// One object: `NAME:`, then lines `   class       = resources`, `   type        = spot`, `   Rstate      = ready for use`,
/// `   location    = /install/nim/spot/610image/usr`. Exit 53 and `0042-053 lsnim: there is no NIM object named "x"` when there is none.
pub fn object(name: &str) -> Command {
    Command::new(["lsnim", "-l", name])
}

/// All objects of a class (`resources`, `machines`) as [`object`] prints them, then a line `:end`; without it the list is cut short.
pub fn objects(class: &str) -> Command {
    const SCRIPT: &str = "l=$(lsnim -c \"$1\") || exit; for o in $(printf '%s\\n' \"$l\" | awk '{ print $1 }'); do lsnim -l \"$o\" || exit; done; echo :end";
    Command::new(["sh", "-c", SCRIPT, "nim-objects", class]).timeout(300)
}

/// Makes this machine a NIM master, without resources and without a backup of the system (`-B`).
pub fn master_setup(nim: &Nim) -> Command {
    let (device, file_system) = (format!("device={}", nim.device), format!("file_system={}", nim.file_system));
    Command::new(["nim_master_setup", "-a", "mk_resource=no", "-a", &file_system, "-a", &device, "-B"]).timeout(1_800)
}

/// Defines a resource whose files are there. Exit 81: that location is a resource already; 32: that name is taken. Which resource and
/// where is for [`object`] to say.
pub fn define(kind: &str, location: &str, name: &str) -> Command {
    let location = format!("location={location}");
    Command::new(["/usr/sbin/nim", "-Fo", "define", "-t", kind, "-a", "server=master", "-a", &location, name])
        .timeout(600)
}

/// Defines a SPOT from its directory. `parent`: the directory that holds the SPOT's (`/install/nim/spot`), not the location that
/// [`object`] shows (`/install/nim/spot/NAME/usr`).
pub fn make_spot(nim: &Nim, parent: &str, name: &str) -> Command {
    let location = format!("location={parent}");
    let method = "/usr/lpp/bos.sysmgt/nim/methods/m_mkspot";
    Command::new([method, "-o", "-a", "server=master", "-a", &location, "-a", "source=no", name])
        .timeout(nim.spot_timeout_s)
}

/// Checks a resource; of a SPOT it makes the boot images.
pub fn check(nim: &Nim, name: &str) -> Command {
    Command::new(["/usr/sbin/nim", "-Fo", "check", name]).timeout(nim.spot_timeout_s)
}

/// This machine, an alternate master, takes over the resources of the other one.
pub fn takeover(nim: &Nim) -> Command {
    const SCRIPT: &str = "m=$(lsnim -t alternate_master | awk 'NR == 1 { print $1 }'); \
         [ -n \"$m\" ] || { echo 'no alternate master is defined' >&2; exit 1; }; exec /usr/sbin/nim -o takeover \"$m\"";
    Command::new(["sh", "-c", SCRIPT, "nim-takeover"]).timeout(nim.spot_timeout_s)
}

/// Prints `there` when the path exists, `gone` when it does not.
pub fn exists(path: &str) -> Command {
    Command::new(["sh", "-c", "if [ -e \"$1\" ]; then echo there; else echo gone; fi", "exists", path])
}

/// The images of the database: `Object name: 610SNimage`, then lines `    nimtype=standalone`. Locations of NIM's resources are not in it.
pub fn images(node: &Node, xcat: &Xcat) -> Command {
    crate::host::xcat(node, xcat, "lsdef", &["-t", "osimage", "-l"])
}

/// A table as comma-separated values, the heading with a `#`.
pub fn table(node: &Node, xcat: &Xcat, name: &str) -> Command {
    crate::host::xcat(node, xcat, "tabdump", &[name])
}

/// Readies nodes that were being installed to go on with it.
pub fn nimnodeset(node: &Node, xcat: &Xcat, image: &str, nodes: &str) -> Command {
    crate::host::xcat(node, xcat, "nimnodeset", &["-i", image, nodes]).timeout(600)
}

/// Readies nodes without a disk to boot again as they did.
pub fn mkdsklsnode(node: &Node, xcat: &Xcat, image: &str, nodes: &str) -> Command {
    crate::host::xcat(node, xcat, "mkdsklsnode", &["-i", image, nodes]).timeout(600)
}

/// Writes the boot configuration of nodes anew for the state that they are in.
pub fn nodeset(node: &Node, xcat: &Xcat, nodes: &str, state: &str) -> Command {
    crate::host::xcat(node, xcat, "nodeset", &[nodes, state]).timeout(600)
}
