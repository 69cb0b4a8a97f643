//! Copies of the database, and the two masters of HANIM.
//!
//! *documented* (NIM high availability): `sync` backs up the master's database and restores it on the alternate; resources that the master
//! serves are removed from it unless they are replicated; object definitions are reset; the alternate controls nothing until `takeover`.

use super::{Backend, Message, Nim, Object, Reply, Role, Words, error, inner, objects};

/// First line of a copy.
const MARK: &str = "#nim database\n";

/// `m_backup_db FILE`.
pub(super) fn backup(args: &[&str], backend: &mut dyn Backend) -> Reply {
    let Some(file) = args.first() else { return error(4, "m_backup_db", "a file name is required") };
    if backend.nim().role != Role::Master {
        return error(12, "m_backup_db", "this machine is not configured as a NIM master");
    }
    backend.elapse(2_000);
    let text = serde_json::to_string(&backend.nim().objects).expect("plain data");
    backend.write_file(file, &format!("{MARK}{text}\n"));
    Reply::ok(format!(
        "a etc/objrepos/nim_attr 20 blocks.\na etc/objrepos/nim_object 8 blocks.\na etc/niminfo 2 blocks.\n({file})\n"
    ))
}

/// `m_restore_db FILE`: over whatever is there. The subsystem is not started.
pub(super) fn restore(args: &[&str], backend: &mut dyn Backend) -> Reply {
    let Some(file) = args.first() else { return error(4, "m_restore_db", "a file name is required") };
    let Some(text) = backend.read_file(file) else {
        return error(154, "m_restore_db", &format!("c_stat: the file or directory \"{file}\" does not exist"));
    };
    let objects: Option<Vec<Object>> = text.strip_prefix(MARK).and_then(|t| serde_json::from_str(t).ok());
    let Some(mut objects) = objects else {
        return error(
            175,
            "m_restore_db",
            "An unexpected result was returned by the \"/usr/bin/tar\" command:\ntar: 0511-193 An error occurred while reading from the media.",
        );
    };
    backend.elapse(5_000);
    if !backend.nim().knobs.restore_keeps_name {
        let host = backend.host_name();
        rename_master(&mut objects, &host);
    }
    let knobs = backend.nim().knobs.clone();
    *backend.nim_mut() = Nim { role: Role::Master, objects, knobs };
    Reply::ok("")
}

fn rename_master(objects: &mut [Object], host: &str) {
    if let Some(master) = objects.iter_mut().find(|o| o.kind == "master") {
        master.set("if1", &format!("master_net {host} 0 ent1"));
    }
}

/// A new alternate master: its machine must answer and be no master of its own.
pub(super) fn define(name: &str, backend: &mut dyn Backend) -> Result<(), Reply> {
    let master = backend.host_name();
    match backend.tell(name, &Message::Sync { master, objects: Vec::new(), force: false }) {
        Some(0) => Ok(()),
        Some(code) => Err(inner(code, "m_mkmac", &format!("{name} refuses to be an alternate master"))),
        None => Err(unreachable(name)),
    }
}

fn unreachable(name: &str) -> Reply {
    inner(
        6,
        "c_nimpush",
        &format!("(From_Master) connect Error 0\npoll: setup failure\n{name}: the machine does not answer"),
    )
}

/// `nim [-F] -o sync [-a replicate=yes] ALTERNATE`, on the master.
pub(super) fn sync(alternate: &Object, words: &Words<'_>, force: bool, backend: &mut dyn Backend) -> Reply {
    let replicate = words.attribute("replicate") == Some("yes");
    backend.elapse(if replicate { 60_000 } else { 15_000 });
    let master = backend.host_name();
    let objects = copied(&backend.nim().objects, &alternate.name, replicate);
    match backend.tell(&alternate.name, &Message::Sync { master, objects, force }) {
        Some(0) => Reply::ok(""),
        Some(code) => {
            inner(code, "m_sync", &format!("the database on \"{}\" is not empty; use the force option", alternate.name))
        }
        None => unreachable(&alternate.name),
    }
}

/// The objects that the alternate gets.
fn copied(objects: &[Object], alternate: &str, replicate: bool) -> Vec<Object> {
    let mut objects = objects.to_vec();
    if !replicate {
        objects.retain(|o| o.class != "resources" || o.get("reserved") == Some("yes"));
    }
    for object in &mut objects {
        if object.class == "machines" {
            object.attributes.retain(|(kind, _)| objects::class_of(kind) != Some("resources"));
            object.set("Cstate", "ready for a NIM operation");
        } else if object.get("alloc_count").is_some() {
            object.set("alloc_count", "0");
        }
    }
    objects.retain(|o| o.name != alternate);
    objects
}

/// What each of the two masters calls the other.
fn partner(name: &str) -> Object {
    objects::object(name, "machines", "alternate_master", &[("Cstate", "ready for a NIM operation")])
}

/// As [`Nim::with_alternate`].
pub(super) fn pair(master: &mut Nim, name: &str, alternate: &str) -> Nim {
    master.objects.push(partner(alternate));
    let mut objects = copied(&master.objects, alternate, true);
    objects.push(partner(name));
    Nim { role: Role::Alternate { of: name.to_owned() }, objects, knobs: master.knobs.clone() }
}

/// `nim -o takeover MASTER`, on the alternate: exit 0 also when the former master cannot be told, which is the usual case. *documented*: the
/// target must be an `alternate_master`, which is what the master is to its alternate.
pub(super) fn takeover(name: &str, backend: &mut dyn Backend) -> Reply {
    let Role::Alternate { of } = backend.nim().role.clone() else {
        return error(16, "nim", &format!("\"takeover\" is not a valid operation for the object \"{name}\""));
    };
    match backend.nim().object(name).map(|o| o.kind.as_str()) {
        Some("alternate_master") => {}
        Some(_) => {
            return error(16, "nim", &format!("\"takeover\" is not a valid operation for the object \"{name}\""));
        }
        None => return super::no_object("nim", name),
    }
    backend.elapse(10_000);
    let host = backend.host_name();
    let told = backend.tell(&of, &Message::TakenOver { by: host.clone() });
    let nim = backend.nim_mut();
    nim.role = Role::Master;
    nim.objects.retain(|o| o.name != host);
    if nim.object("master").is_none() {
        nim.objects.splice(0..0, objects::base(&host));
    }
    rename_master(&mut nim.objects, &host);
    if of != host && nim.object(&of).is_none() {
        nim.objects.push(partner(&of));
    }
    backend.set_nimesis(true);
    match told {
        Some(0) => Reply::ok(""),
        _ => Reply::failed(0, "", format!("warning: 0042-175 m_takeover: {of}: the machine does not answer\n")),
    }
}

pub(super) fn receive(message: &Message, backend: &mut dyn Backend) -> i32 {
    match message {
        Message::Sync { master, objects, force } => {
            let held = match &backend.nim().role {
                // Two masters do not take each other's place unasked.
                Role::Master => !*force,
                Role::Alternate { of } => of != master && !*force,
                Role::Unconfigured => false,
            };
            if held {
                return 16;
            }
            let nim = backend.nim_mut();
            nim.role = Role::Alternate { of: master.clone() };
            nim.objects.clone_from(objects);
            if nim.object(master).is_none() {
                nim.objects.push(partner(master));
            }
            0
        }
        Message::TakenOver { by } => {
            let nim = backend.nim_mut();
            nim.role = Role::Alternate { of: by.clone() };
            0
        }
    }
}
