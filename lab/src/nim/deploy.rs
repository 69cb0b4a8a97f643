//! xCAT's nimnodeset and mkdsklsnode: the next boot of AIX nodes.
//!
//! *measured* on Linux: what they say without a NIM primary. The rest is read from xCAT's source: resources are looked up in the table
//! `nimimage`, machines are defined in NIM, exit 0 or 1.

use std::collections::BTreeMap;

use super::{Backend, Object, Reply, Role, Words, operate};

const DISKLESS: &[&str] =
    &["spot", "root", "shared_root", "paging", "dump", "tmp", "home", "shared_home", "resolv_conf", "script"];
const STANDALONE: &[&str] = &[
    "lpp_source",
    "spot",
    "bosinst_data",
    "image_data",
    "installp_bundle",
    "script",
    "fb_script",
    "resolv_conf",
    "mksysb",
];

/// `nimnodeset [-i IMAGE] NODES`, `mkdsklsnode [-i IMAGE] [-n] NODES`.
pub(super) fn deploy(name: &str, args: &[&str], backend: &mut dyn Backend) -> Reply {
    let Ok(words) = Words::of(args, "i") else { return usage(name) };
    let Some(range) = words.rest.first().copied() else { return usage(name) };
    // Without the daemon, or without its database, it gives what every xCAT command gives.
    let images = backend.xcat("tabdump", &["nimimage"]);
    if images.exit != 0 || images.hangs {
        return Reply { stdout: if images.exit == 111 { images.stdout } else { String::new() }, ..images };
    }
    let host = backend.host_name();
    let error = |text: &str| Reply::failed(1, "", format!("Error: [{host}]: {text}\n"));
    if backend.nim().role != Role::Master {
        return error(
            "Could not determine nimprime. Check if nimprime defined in site table or site table master is not resolvable to the MN name.",
        );
    }
    let listed = backend.xcat("nodels", &[range]);
    if listed.exit != 0 {
        return listed;
    }
    let table = records(&images.stdout);
    let diskless = name == "mkdsklsnode";
    for node in listed.stdout.lines() {
        let image = match words.value('i') {
            Some(image) => image.to_owned(),
            None => provision(node, backend),
        };
        let Some(row) = table.iter().find(|r| r.get("imagename") == Some(&image)) else {
            return error(&format!("Could not get image data from XCATdb for osimage '{image}'."));
        };
        if (row.get("nimtype").map(String::as_str) == Some("diskless")) != diskless {
            return error(&format!("The '{image}' image type is not supported by {name}."));
        }
        if let Err(text) = assign(node, row, if diskless { DISKLESS } else { STANDALONE }, diskless, backend) {
            return error(&text);
        }
    }
    let what = if diskless { "AIX/NIM diskless nodes were initialized" } else { "AIX/NIM nodes were initialized" };
    Reply::ok(format!("{what}.\n"))
}

fn usage(name: &str) -> Reply {
    let more = if name == "mkdsklsnode" { " [-n|--newname]" } else { "" };
    Reply::failed(1, format!("Usage: {name} [-i|--image image_name]{more} noderange\n"), "")
}

/// The image that a node's state names.
fn provision(node: &str, backend: &mut dyn Backend) -> String {
    let shown = backend.xcat("lsdef", &[node, "-i", "currstate"]).stdout;
    let state = shown.lines().find_map(|l| l.trim().strip_prefix("currstate=")).unwrap_or("").to_owned();
    state.rsplit(['=', ' ']).next().unwrap_or("").to_owned()
}

fn assign(
    node: &str,
    image: &BTreeMap<String, String>,
    kinds: &[&str],
    diskless: bool,
    backend: &mut dyn Backend,
) -> Result<(), String> {
    let mut wanted = Vec::new();
    for kind in kinds {
        for name in image.get(*kind).map_or("", String::as_str).split(',').filter(|n| !n.is_empty()) {
            if backend.nim().object(name).is_none() {
                return Err(format!("The NIM resource named '{name}' is not defined."));
            }
            wanted.push(((*kind).to_owned(), name.to_owned()));
        }
    }
    let kind = if diskless { "diskless" } else { "standalone" };
    let former = backend.nim().object(node).cloned();
    if let Some(former) = &former {
        operate::release(former, backend.nim_mut());
    } else {
        backend.nim_mut().objects.push(Object {
            name: node.into(),
            class: "machines".into(),
            kind: kind.into(),
            attributes: vec![("Cstate".into(), "ready for a NIM operation".into())],
        });
    }
    let Some(machine) = backend.nim().object(node).cloned() else { return Ok(()) };
    for (kind, name) in &wanted {
        let words =
            Words { attributes: vec![(kind, name)], letters: String::new(), values: Vec::new(), rest: Vec::new() };
        let reply = operate::allocate(&machine, &words, backend);
        if reply.exit != 0 {
            return Err(format!("Could not allocate NIM resources for '{node}'.\n{}", reply.stderr.trim_end()));
        }
    }
    backend.elapse(3_000);
    let state = if diskless {
        "diskless or dataless initialization has been completed"
    } else {
        "BOS installation has been enabled"
    };
    if let Some(object) = backend.nim_mut().objects.iter_mut().find(|o| o.name == node) {
        object.set("Cstate", state);
    }
    backend.write_file(&format!("/tftpboot/{node}.info"), "export NIM_NAME\n");
    Ok(())
}

/// Rows of `tabdump`: quotes doubled, unset fields empty.
fn records(csv: &str) -> Vec<BTreeMap<String, String>> {
    let mut lines = csv.lines();
    let header: Vec<String> =
        lines.next().unwrap_or("").trim_start_matches('#').split(',').map(str::to_owned).collect();
    lines
        .map(|line| {
            let (mut fields, mut field, mut quoted) = (Vec::new(), String::new(), false);
            let mut chars = line.chars().peekable();
            while let Some(c) = chars.next() {
                match c {
                    '"' if quoted && chars.peek() == Some(&'"') => {
                        chars.next();
                        field.push('"');
                    }
                    '"' => quoted = !quoted,
                    ',' if !quoted => fields.push(std::mem::take(&mut field)),
                    c => field.push(c),
                }
            }
            fields.push(field);
            header.iter().cloned().zip(fields).collect()
        })
        .collect()
}
