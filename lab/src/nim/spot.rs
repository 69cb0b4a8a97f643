//! SPOTs: made from a source, made again from a directory that is there (`m_mkspot`), checked.

use super::{
    Backend, Found, Object, Reply, Role, Words, error, inner,
    objects::{missing, resource},
};

/// A file without which there is no SPOT in a directory.
const HEART: &str = "usr/lib/boot/network/rc.dd_boot";

fn good_name(name: &str, backend: &dyn Backend) -> Result<(), Reply> {
    if name.len() > 39 {
        return Err(error(22, "m_mkspot", &format!("\"{name}\" is not a valid object name")));
    }
    if backend.nim().object(name).is_some() {
        return Err(error(32, "m_mkspot", &format!("object name must be unique, \"{name}\" already exists")));
    }
    Ok(())
}

/// `m_mkspot -o -a server=master -a location=PARENT -a source=no NAME`: the SPOT that stands in PARENT/NAME becomes an object. Takes
/// minutes. *documented* (recreating SPOT resources from existing directories). Exit code 0 says nothing of the boot images: check does.
pub(super) fn mkspot(args: &[&str], backend: &mut dyn Backend) -> Reply {
    let words = match Words::of(args, "t") {
        Ok(words) => words,
        Err(reply) => return reply,
    };
    if backend.nim().role != Role::Master {
        return error(12, "m_mkspot", "this machine is not configured as a NIM master");
    }
    let (Some(name), Some(parent)) = (words.rest.first().copied(), words.attribute("location")) else {
        return error(15, "m_mkspot", "the \"location\" attribute and a name are required");
    };
    if let Err(reply) = good_name(name, backend) {
        return reply;
    }
    if words.attribute("source") != Some("no") {
        return match from_source(&words, name, backend) {
            Ok(new) => {
                backend.nim_mut().objects.push(new);
                Reply::ok("")
            }
            Err(reply) => reply,
        };
    }
    let place = format!("{}/{name}", parent.trim_end_matches('/'));
    if backend.find(&place) != Some(Found::Directory) {
        return error(154, "m_mkspot", &format!("c_stat: the file or directory \"{place}\" does not exist"));
    }
    backend.elapse(backend.nim().knobs.spot_ms);
    let mut new = resource("spot", name, &format!("{place}/usr"));
    if backend.find(&format!("{place}/{HEART}")).is_none() {
        // Made all the same: that nothing can be booted from it is found by the check.
        new.set("Rstate", "verification is being performed");
    }
    backend.nim_mut().objects.push(new);
    Reply::ok("")
}

/// A SPOT that is built from an lpp_source.
pub(super) fn from_source(words: &Words<'_>, name: &str, backend: &mut dyn Backend) -> Result<Object, Reply> {
    let (Some(parent), Some(source)) = (words.attribute("location"), words.attribute("source")) else {
        return Err(error(15, "nim", "the \"location\" and \"source\" attributes are required"));
    };
    let Some(from) = backend.nim().object(source) else { return Err(super::no_object("nim", source)) };
    if from.kind == "lpp_source" && from.get("simages") != Some("yes") {
        return Err(inner(
            199,
            "m_mkspot",
            &format!("the lpp_source \"{source}\" is missing the images that are required for a SPOT"),
        ));
    }
    backend.elapse(backend.nim().knobs.spot_ms);
    let place = format!("{}/{name}", parent.trim_end_matches('/'));
    backend.write_file(&format!("{place}/{HEART}"), "#!/bin/sh\n");
    Ok(resource("spot", name, &format!("{place}/usr")))
}

/// `nim -Fo check SPOT`: verifies it and builds the network boot images in `/tftpboot`.
pub(super) fn check(found: &Object, backend: &mut dyn Backend) -> Reply {
    backend.elapse(backend.nim().knobs.spot_ms / 4);
    let location = found.get("location").unwrap_or("").to_owned();
    let place = location.strip_suffix("/usr").unwrap_or(&location).to_owned();
    let broken = backend.nim().knobs.broken_spots.contains(&found.name);
    if broken {
        set_state(&found.name, "unavailable for use", backend);
        return inner(
            175,
            "m_chkspot",
            "An unexpected result was returned by the\n        \"/usr/sbin/bootimage\" command:\nbosboot: 0301-152 not enough file space to create: /tftpboot",
        );
    }
    if backend.find(&format!("{place}/{HEART}")).is_none() {
        set_state(&found.name, "unavailable for use", backend);
        return missing("spot", &format!("{place}/{HEART}"));
    }
    set_state(&found.name, "ready for use", backend);
    backend.write_file(&format!("/tftpboot/{}.chrp.64.ent", found.name), "boot image\n");
    Reply::ok("")
}

fn set_state(name: &str, state: &str, backend: &mut dyn Backend) {
    if let Some(object) = backend.nim_mut().object_mut(name) {
        object.set("Rstate", state);
    }
}
