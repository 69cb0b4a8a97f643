//! What objects there are: types and their classes, what every master has, what a resource looks like.

use super::{Object, Reply, inner};

/// Types and their classes.
const TYPES: &[(&str, &str)] = &[
    ("adapter_def", "resources"),
    ("alternate_master", "machines"),
    ("boot", "resources"),
    ("bosinst_data", "resources"),
    ("diskless", "machines"),
    ("dump", "resources"),
    ("ent", "networks"),
    ("exclude_files", "resources"),
    ("fb_script", "resources"),
    ("fix_bundle", "resources"),
    ("home", "resources"),
    ("image_data", "resources"),
    ("installp_bundle", "resources"),
    ("lpp_source", "resources"),
    ("mac_group", "groups"),
    ("master", "machines"),
    ("mksysb", "resources"),
    ("nim_script", "resources"),
    ("paging", "resources"),
    ("res_group", "groups"),
    ("resolv_conf", "resources"),
    ("root", "resources"),
    ("savevg", "resources"),
    ("script", "resources"),
    ("shared_home", "resources"),
    ("shared_root", "resources"),
    ("spot", "resources"),
    ("standalone", "machines"),
    ("tmp", "resources"),
];

/// Class of a type.
pub(super) fn class_of(kind: &str) -> Option<&'static str> {
    TYPES.iter().find(|(k, _)| *k == kind).map(|(_, class)| *class)
}

/// Whether the location of a resource is a file; else it is a directory. *documented* (xCAT's replication of resources).
pub(super) fn is_file(kind: &str) -> bool {
    matches!(
        kind,
        "bosinst_data"
            | "image_data"
            | "resolv_conf"
            | "script"
            | "fb_script"
            | "installp_bundle"
            | "mksysb"
            | "exclude_files"
            | "fix_bundle"
            | "savevg"
    )
}

/// An object from its parts.
pub(super) fn object(name: &str, class: &str, kind: &str, attributes: &[(&str, &str)]) -> Object {
    Object {
        name: name.into(),
        class: class.into(),
        kind: kind.into(),
        attributes: attributes.iter().map(|(n, v)| ((*n).into(), (*v).into())).collect(),
    }
}

/// What every master has.
pub(super) fn base(host_name: &str) -> Vec<Object> {
    let interface = format!("master_net {host_name} 0 ent1");
    vec![
        object(
            "master",
            "machines",
            "master",
            &[
                ("max_nimesis_threads", "20"),
                ("if1", &interface),
                ("cable_type1", "N/A"),
                ("Cstate", "ready for a NIM operation"),
                ("prev_state", "ready for a NIM operation"),
                ("Mstate", "currently running"),
                ("serves", "boot"),
                ("serves", "nim_script"),
                ("master_port", "1058"),
                ("registration_port", "1059"),
                ("reserved", "yes"),
            ],
        ),
        object(
            "boot",
            "resources",
            "boot",
            &[
                ("comments", "represents the network boot resource"),
                ("Rstate", "ready for use"),
                ("location", "/tftpboot"),
                ("alloc_count", "0"),
                ("server", "master"),
                ("reserved", "yes"),
            ],
        ),
        object(
            "nim_script",
            "resources",
            "nim_script",
            &[
                ("comments", "directory containing customization scripts created by NIM"),
                ("Rstate", "ready for use"),
                ("location", "/export/nim/scripts"),
                ("alloc_count", "0"),
                ("server", "master"),
                ("reserved", "yes"),
            ],
        ),
        object("master_net", "networks", "ent", &[("Nstate", "ready for use"), ("prev_state", "ready for use")]),
    ]
}

/// A resource as `lsnim -l` shows it. *captured* for `lpp_source` and `fb_script`.
pub(super) fn resource(kind: &str, name: &str, location: &str) -> Object {
    let mut attributes = Vec::new();
    match kind {
        "lpp_source" => attributes.push(("arch", "power")),
        "spot" => attributes.extend([("plat_defined", "chrp"), ("arch", "power"), ("bos_license", "yes")]),
        _ => {}
    }
    attributes.extend([("Rstate", "ready for use"), ("prev_state", "unavailable for use"), ("location", location)]);
    match kind {
        "lpp_source" => attributes.push(("simages", "yes")),
        "spot" => attributes.extend([("version", "6"), ("release", "1"), ("mod", "5"), ("oslevel_r", "6100-05")]),
        _ => {}
    }
    attributes.extend([("alloc_count", "0"), ("server", "master")]);
    if kind == "spot" {
        attributes.extend([("if_supported", "chrp.64 ent")]);
    }
    object(name, "resources", kind, &attributes)
}

/// Name of the method that a type's errors come from.
pub(super) fn method(kind: &str) -> String {
    if kind == "lpp_source" {
        "m_mklpp_source".into()
    } else {
        format!("m_mk{}", if is_file(kind) { "res" } else { "dir" })
    }
}

/// What is said when nothing is at a resource's location.
pub(super) fn missing(kind: &str, location: &str) -> Reply {
    inner(154, &method(kind), &format!("c_stat: the file or directory \"{location}\" does not exist"))
}
