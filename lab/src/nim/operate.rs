//! nim (define, remove, check, unconfig, allocate, bos_inst, sync, takeover) and nim_master_setup.

use super::{
    Backend, Found, Nim, Object, Reply, Role, Words, error, high, inner, no_object,
    objects::{class_of, is_file, method, missing, object, resource},
    spot,
};

/// Longest name of an object. *documented* (xcat2nim).
const NAME_MAX: usize = 39;

/// `nim [-F] -o OPERATION [-t TYPE] [-a ATTRIBUTE=VALUE]… NAME`.
pub(super) fn nim(args: &[&str], backend: &mut dyn Backend) -> Reply {
    let words = match Words::of(args, "ot") {
        Ok(words) => words,
        Err(reply) => return reply,
    };
    let Some(operation) = words.value('o') else {
        return error(4, "nim", "the -o flag is required");
    };
    let Some(name) = words.rest.first().copied() else {
        return error(4, "nim", "an object name is required");
    };
    let force = words.letters.contains('F');
    match &backend.nim().role {
        Role::Unconfigured => return error(12, "nim", "this machine is not configured as a NIM master"),
        Role::Alternate { .. } if operation != "takeover" => {
            return error(12, "nim", "this machine is an alternate master and does not control the NIM environment");
        }
        _ => {}
    }
    if operation == "takeover" {
        return high::takeover(name, backend);
    }
    // *inference*: every method goes through the daemon.
    if !backend.nimesis() {
        return error(6, "nim", "(To_master) unable to communicate with the nimesis daemon: 0513-004");
    }
    backend.elapse(400);
    if operation == "define" {
        return define(&words, name, force, backend);
    }
    let Some(found) = backend.nim().object(name).cloned() else { return no_object("nim", name) };
    match operation {
        "remove" => remove(&found, backend),
        "check" => check(&found, backend),
        "unconfig" if name == "master" => {
            backend.elapse(2_000);
            backend.set_nimesis(false);
            let nim = backend.nim_mut();
            nim.role = Role::Unconfigured;
            nim.objects.clear();
            Reply::ok("")
        }
        "change" => {
            for (attribute, value) in &words.attributes {
                if let Some(object) = backend.nim_mut().object_mut(name) {
                    object.set(attribute, value);
                }
            }
            Reply::ok("")
        }
        "allocate" => allocate(&found, &words, backend),
        "deallocate" | "reset" => {
            release(&found, backend.nim_mut());
            Reply::ok("")
        }
        "bos_inst" | "dkls_init" => {
            let Some(object) = backend.nim_mut().object_mut(name) else { return no_object("nim", name) };
            let state = if operation == "bos_inst" {
                "BOS installation has been enabled"
            } else {
                "diskless or dataless initialization has been completed"
            };
            object.set("Cstate", state);
            Reply::ok("")
        }
        "sync" if found.kind == "alternate_master" => high::sync(&found, &words, force, backend),
        other => error(16, "nim", &format!("\"{other}\" is not a valid operation for the object \"{name}\"")),
    }
}

fn define(words: &Words<'_>, name: &str, force: bool, backend: &mut dyn Backend) -> Reply {
    let Some(kind) = words.value('t') else { return error(4, "nim", "the -t flag is required") };
    let Some(class) = class_of(kind) else {
        return error(24, "nim", &format!("\"{kind}\" is not a valid type"));
    };
    if name.len() > NAME_MAX || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b)) {
        return error(
            22,
            "nim",
            &format!("\"{name}\" is not a valid object name: at most {NAME_MAX} letters, digits, underscores, hyphens"),
        );
    }
    let present = backend.nim().object(name).is_some();
    if present && !(force && backend.nim().knobs.force_replaces) {
        return error(32, "nim", &format!("object name must be unique, \"{name}\" already exists"));
    }
    let mut new = if class == "resources" {
        match define_resource(words, kind, name, backend) {
            Ok(new) => new,
            Err(reply) => return reply,
        }
    } else {
        object(
            name,
            class,
            kind,
            &[("Cstate", "ready for a NIM operation"), ("prev_state", "not running"), ("Mstate", "not running")],
        )
    };
    for (attribute, value) in &words.attributes {
        if !matches!(*attribute, "server" | "location" | "source" | "verbose" | "show_progress") {
            new.set(attribute, value);
        }
    }
    if kind == "alternate_master"
        && let Err(reply) = high::define(name, backend)
    {
        return reply;
    }
    let nim = backend.nim_mut();
    nim.objects.retain(|o| o.name != name);
    nim.objects.push(new);
    Reply::ok("")
}

fn define_resource(words: &Words<'_>, kind: &str, name: &str, backend: &mut dyn Backend) -> Result<Object, Reply> {
    if kind == "spot" {
        // The usual way: a new SPOT from an lpp_source, below the directory.
        return spot::from_source(words, name, backend);
    }
    let Some(location) = words.attribute("location") else {
        return Err(error(15, "nim", "the \"location\" attribute is required"));
    };
    if words.attribute("server").is_none() {
        return Err(error(15, "nim", "the \"server\" attribute is required"));
    }
    if let Some(twin) =
        backend.nim().objects.iter().find(|o| o.name != name && o.kind == kind && o.get("location") == Some(location))
    {
        let text = format!("The resource already exists on \"master\" ({}).", twin.name);
        return Err(inner(81, &method(kind), &text));
    }
    let Some(found) = backend.find(location) else {
        return Err(missing(kind, location));
    };
    if (found == Found::File) != is_file(kind) {
        return Err(inner(
            175,
            &method(kind),
            &format!(
                "An unexpected result was returned by the \"stat\" command:\n{location}: is not of the type that a {kind} is"
            ),
        ));
    }
    if kind == "lpp_source" {
        backend.elapse(20_000);
        let mut new = resource(kind, name, location);
        // Without bos.rte and its like no SPOT can be made of it.
        if backend.find(&format!("{location}/installp/ppc")).is_none() {
            new.set("simages", "no");
        }
        return Ok(new);
    }
    Ok(resource(kind, name, location))
}

fn remove(found: &Object, backend: &mut dyn Backend) -> Reply {
    if found.get("reserved") == Some("yes") {
        return inner(61, "m_rmres", &format!("\"{}\" is reserved and may not be removed", found.name));
    }
    if found.class == "resources" && found.get("alloc_count").is_some_and(|n| n != "0") {
        return inner(61, "m_rmres", &format!("the \"{}\" resource is currently allocated for client use", found.name));
    }
    release(found, backend.nim_mut());
    backend.nim_mut().objects.retain(|o| o.name != found.name);
    Reply::ok("")
}

/// `nim -Fo check`: rebuilds a SPOT's boot images, a source's table of contents; and finds out whether they are whole.
fn check(found: &Object, backend: &mut dyn Backend) -> Reply {
    let location = found.get("location").unwrap_or("").to_owned();
    match found.kind.as_str() {
        "spot" => spot::check(found, backend),
        _ if found.class != "resources" => Reply::ok(""),
        kind if backend.find(&location).is_none() => {
            if let Some(object) = backend.nim_mut().object_mut(&found.name) {
                object.set("Rstate", "unavailable for use");
            }
            missing(kind, &location)
        }
        kind => {
            if kind == "lpp_source" {
                backend.elapse(20_000);
                let whole = if backend.find(&format!("{location}/installp/ppc")).is_some() { "yes" } else { "no" };
                if let Some(object) = backend.nim_mut().object_mut(&found.name) {
                    object.set("simages", whole);
                }
                backend.write_file(&format!("{location}/installp/ppc/.toc"), "0 112615072910 2\n");
            }
            if let Some(object) = backend.nim_mut().object_mut(&found.name) {
                object.set("Rstate", "ready for use");
            }
            Reply::ok("")
        }
    }
}

fn count(object: &mut Object, by: i64) {
    let now: i64 = object.get("alloc_count").and_then(|n| n.parse().ok()).unwrap_or(0);
    object.set("alloc_count", &(now + by).max(0).to_string());
}

/// Gives a machine resources. 0042-207: *documented*.
pub(super) fn allocate(machine: &Object, words: &Words<'_>, backend: &mut dyn Backend) -> Reply {
    for (kind, names) in &words.attributes {
        for name in names.split(',').filter(|n| !n.is_empty()) {
            let Some(found) = backend.nim().object(name).cloned() else { return no_object("nim", name) };
            let location = found.get("location").unwrap_or("");
            if found.kind != *kind || found.get("Rstate") != Some("ready for use") || backend.find(location).is_none() {
                return inner(207, "m_showres", &format!("Unable to allocate the {name} resource to {}", machine.name));
            }
            let nim = backend.nim_mut();
            if let Some(resource) = nim.object_mut(name) {
                count(resource, 1);
            }
            if let Some(object) = nim.object_mut(&machine.name) {
                object.attributes.push(((*kind).into(), name.into()));
            }
        }
    }
    Reply::ok("")
}

/// Takes a machine's resources back.
pub(super) fn release(machine: &Object, nim: &mut Nim) {
    if machine.class != "machines" {
        return;
    }
    for (kind, name) in &machine.attributes {
        if class_of(kind) == Some("resources")
            && let Some(resource) = nim.object_mut(name)
        {
            count(resource, -1);
        }
    }
    if let Some(object) = nim.object_mut(&machine.name) {
        object.attributes.retain(|(kind, _)| class_of(kind) != Some("resources"));
        object.set("Cstate", "ready for a NIM operation");
    }
}

/// `nim_master_setup -a mk_resource=no -a device=DIR [-a file_system=DIR] [-B]`. Takes its time and exits 0 where there is a master
/// already (*captured*: 21 s). A source directory that is not there: *inference*.
pub(super) fn master_setup(args: &[&str], backend: &mut dyn Backend) -> Reply {
    let words = match Words::of(args, "") {
        Ok(words) => words,
        Err(reply) => return reply,
    };
    backend.elapse(backend.nim().knobs.setup_ms);
    let line = "\n######################################################################\n";
    let head = format!(
        "{line}#                                                                    #\n#      NIM master setup, this may take 20-30 minutes to complete.    #\n#                                                                    #{line}"
    );
    if backend.nim().role == Role::Master {
        return Reply::ok(head + "\nLocated master fileset.\nNIM master is already configured.\n");
    }
    let device = words.attribute("device").unwrap_or("/dev/cd0");
    if backend.find(device).is_none() {
        return Reply::failed(
            1,
            head,
            format!("nim_master_setup: 0042-154 c_stat: the file or directory \"{device}\" does not exist\n"),
        );
    }
    let host = backend.host_name();
    let knobs = backend.nim().knobs.clone();
    *backend.nim_mut() = Nim { knobs, ..Nim::master(&host) };
    backend.set_nimesis(true);
    let system = words.attribute("file_system").unwrap_or("/export/nim");
    let mut out = head
        + &format!(
            "\nInstalling bos.sysmgt.nim.master from {device}.\nnimconfig -a pif_name=en1 -a master_port=1058 -a netname=master_net -a cable_type=bnc\n"
        );
    if words.attribute("mk_resource") != Some("no") {
        // Its own resources, which nobody asked for.
        let nim = backend.nim_mut();
        nim.add_resource("lpp_source", "6100-05_lpp", &format!("{system}/lpp_source/6100-05_lpp"));
        nim.add_resource("spot", "6100-05_spot", &format!("{system}/spot/6100-05_spot/usr"));
        out += "Created resources.\n";
    }
    Reply::ok(out + "\nNIM master setup is complete - enjoy!\n")
}
