//! Deployment on the new machine in service: NIM's resources from what the last sync saved, the files of Linux images, and the boot
//! configuration of nodes as it was. Off the critical path: management works without, so that every step is optional and what fails is left
//! open. Nothing here powers a node (trap 61) or has one installed that was not being installed (trap 60).

use std::collections::BTreeSet;

use journal_schema::{Fact, OpenItem, Tri, Verdict};

use super::{Batch, fit, idempotent, judge, judged, look, read, read_aix, target, the_probe_decides};
use crate::{
    deployment::{self, Boot, Deployment, How, Image, Object, Resource},
    model::{Nim, NimResources, Node},
    script::{ActionResult, Output, Script},
    step::{Judge, Judgement, Place, Step},
    table::Context,
    vocabulary::nim,
    vocabulary::{self, node_file},
    vocabulary_aix,
};

/// Path of what the last sync saved, on both machines and on the one that runs hamn.
pub fn saved_path(pair: &crate::model::Pair) -> String {
    node_file(pair, "deployment")
}

/// The newest that was seen saved anywhere, from evidence.
pub fn newest(ctx: &Context<'_>) -> Option<Deployment> {
    let texts = ctx.known.deployments();
    texts.filter_map(|text| Deployment::from_text(text).ok()).max_by_key(|d| d.taken_ms)
}

/// What is saved, on the target and where hamn runs; how old it is.
pub fn read_saved(ctx: &Context<'_>, id: &str) -> Vec<Step> {
    let path = saved_path(ctx.pair);
    let places =
        [(target(ctx), ctx.target().name.clone(), "here"), (Place::Controller, "controller".to_owned(), "controller")];
    let steps = places.map(|(place, name, word)| {
        let on = if place == Place::Controller { "where hamn runs".to_owned() } else { format!("on {name}") };
        let judge = judge(move |output: &Output| saved(&name, output.at(0), output.sent_ms));
        let title = format!("what the last sync saved for deployment, and when, {on}");
        let probe = look(vocabulary::cat(&path));
        Step { optional: true, traps: &[30, 66], ..Step::observe(&format!("{id}.{word}"), title, place, probe, judge) }
    });
    fit(steps.into())
}

fn saved(node: &str, r: &ActionResult, now_ms: u64) -> Judgement {
    let text = match read::file(r) {
        Some(Some(_)) => &r.stdout,
        Some(None) => return Judgement::failed("nothing was saved yet: hamn run sync", Vec::new()),
        None => return Judgement::unknown(format!("what was saved could not be read: {}", read::said(r)), Vec::new()),
    };
    match Deployment::from_text(text) {
        Ok(saved) => Judgement::succeeded(
            format!(
                "saved {} ago from {} at epoch {}: {} images, {} resources",
                age(now_ms, saved.taken_ms),
                saved.node,
                saved.epoch,
                saved.images.len(),
                saved.resources.len()
            ),
            vec![fact(node, &saved, text)],
        ),
        Err(why) => Judgement::failed(format!("what was saved cannot be used: {why}"), Vec::new()),
    }
}

/// The fact of a text that was read or made.
pub(crate) fn fact(node: &str, saved: &Deployment, text: &str) -> Fact {
    let digest = journal_schema::Digest::of(text.as_bytes()).to_string();
    Fact::Deployment { node: node.to_owned(), taken_ms: saved.taken_ms, digest, text: text.to_owned() }
}

/// A time span for a person.
pub fn age(now_ms: u64, then_ms: u64) -> String {
    let Some(seconds) = now_ms.checked_sub(then_ms).map(|ms| ms / 1_000) else { return "0 s".into() };
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7_199 => format!("{} min", seconds / 60),
        7_200..=172_799 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// What is to be deployed now: the images of the database that is in service, the locations that were saved.
pub fn survey(ctx: &Context<'_>) -> Vec<Step> {
    let node = ctx.target().clone();
    let (saved, name) = (newest(ctx), node.name.clone());
    let mut batch = Batch::default();
    let listed = batch.look(nim::images(&node, &ctx.pair.xcat));
    let tables = ["chain", "nodetype", "nodelist"].map(|name| batch.look(nim::table(&node, &ctx.pair.xcat, name)));
    let judge = judge(move |output: &Output| {
        let r = output.at(listed);
        let Some(text) = read::complete(r).filter(|_| !r.stdout.contains("Error")) else {
            return Judgement::unknown(format!("the images could not be listed: {}", read::said(r)), Vec::new());
        };
        let images = deployment::images(text);
        if images.is_empty() && !text.contains("Could not find any object definitions") {
            return Judgement::unknown("the list of images is not understood", Vec::new());
        }
        let Some(saved) = &saved else {
            let why = format!("{} images; where their resources are was never saved (hamn run sync)", images.len());
            return Judgement::failed(why, Vec::new());
        };
        let new = images.iter().filter(|i| !saved.images.iter().any(|s| s.name == i.name)).map(|i| i.name.clone());
        let new: Vec<String> = new.collect();
        // One later than what it stands on, so that it counts from here on.
        let (boot, left) = match tables.map(|at| read::complete(output.at(at)).filter(|t| t.starts_with('#'))) {
            [Some(chain), Some(nodetype), Some(nodelist)] => deployment::still_so(saved, chain, nodetype, nodelist),
            // What is not known to be so still is not set.
            _ => (Vec::new(), vec![("all nodes".to_owned(), "their states of now could not be read".to_owned())]),
        };
        let now = Deployment { images, boot, left, taken_ms: saved.taken_ms + 1, ..saved.clone() };
        let facts = vec![fact(&name, &now, &now.to_text())];
        let why = format!("{} images, {} resources", now.images.len(), now.wanted().len());
        if new.is_empty() {
            Judgement::succeeded(why, facts)
        } else {
            let why = format!(
                "{why}; defined after the last sync, so that their locations may be missing: {}",
                new.join(", ")
            );
            Judgement::succeeded(why, facts)
        }
    });
    let step = Step {
        optional: true,
        retries: 1,
        opens: Some(OpenItem {
            id: "deployment.survey".into(),
            text: "the images were not compared with what was saved: deployment of nodes is not ready".into(),
            command: "lsdef -t osimage -l; lsnim -c resources".into(),
        }),
        traps: &[66],
        section: "8.0 step 8.1.2.2",
        ..Step::observe(
            "deployment.survey",
            format!("list the images of the database on {}", node.name),
            target(ctx),
            batch.script(),
            judge,
        )
    };
    fit(vec![step])
}

/// NIM's master and resources by the configuration, and the files of Linux images.
pub fn provide(ctx: &Context<'_>) -> Vec<Step> {
    let mut steps = Vec::new();
    let now = newest(ctx);
    if let Some(settings) = &ctx.pair.nim {
        steps.extend(match settings.resources {
            NimResources::Define => vec![master(ctx, settings), daemon(ctx)],
            NimResources::Hanim => vec![hanim(ctx, settings)],
        });
        let mut ids = BTreeSet::new();
        for (kind, name) in now.iter().flat_map(Deployment::wanted) {
            let id = unique(&mut ids, &format!("nim.{}.{name}", kind.replace('_', "-")));
            steps.push(match now.as_ref().and_then(|d| d.resource(&name)) {
                None => nowhere(ctx, &id, &kind, &name),
                Some(found) => resource(ctx, settings, &id, found),
            });
        }
        for image in now.iter().flat_map(|d| &d.images).filter(|i| !i.nim.is_empty() && i.resources.is_empty()) {
            steps.push(bare(ctx, &unique(&mut ids, &format!("nim.image.{}", image.name)), image));
        }
    }
    let linux = now.iter().flat_map(|d| &d.images).filter(|i| i.nim.is_empty());
    let mut ids = BTreeSet::new();
    steps.extend(linux.map(|image| files(ctx, &unique(&mut ids, &format!("image.{}", image.name)), image)));
    if steps.is_empty() {
        let nothing = judge(|_| Judgement::succeeded("there are no images to provide", Vec::new()));
        steps.push(Step {
            optional: true,
            ..Step::observe(
                "deployment.none",
                "no images to provide",
                target(ctx),
                look(vocabulary::host_name()),
                nothing,
            )
        });
    }
    fit(steps)
}

/// An id of the letters that ids have.
fn unique(taken: &mut BTreeSet<String>, text: &str) -> String {
    let fits = |c: char| if c.is_ascii_alphanumeric() || c == '.' { c.to_ascii_lowercase() } else { '-' };
    let base: String = text.chars().map(fits).collect();
    let mut id = base.clone();
    let mut number = 2;
    while !taken.insert(id.clone()) {
        id = format!("{base}.{number}");
        number += 1;
    }
    id
}

/// A step that may fail and then is left open with its command.
fn open(step: Step, stage: u8, command: String) -> Step {
    let text = format!("not ready for deployment: {}", step.title);
    let opens = Some(OpenItem { id: step.id.clone(), text, command });
    Step { stage, optional: true, opens, traps: &[66], ..step }
}

fn master(ctx: &Context<'_>, settings: &Nim) -> Step {
    let name = ctx.target().name.clone();
    let script = Script::new().run(nim::master_setup(settings));
    let command = script.listing().trim_end().to_owned();
    let step = Step {
        judge_effect: judge(|output: &Output| after(output.at(0), "nim_master_setup")),
        section: "8.0 step 8.1.2.1",
        ..idempotent(
            "nim.master",
            format!("{name} is a NIM master"),
            target(ctx),
            script,
            look(nim::master()),
            judge(move |output: &Output| is_master(&name, output.at(0))),
        )
    };
    open(step, 0, command)
}

fn is_master(name: &str, r: &ActionResult) -> Judgement {
    let object = read::complete(r).map(deployment::objects).and_then(|all| all.into_iter().next());
    match (object, error_number(r)) {
        (Some(found), _) if found.get("type") == Some("master") => {
            Judgement::succeeded(format!("{name} is a NIM master"), Vec::new())
        }
        (_, Some(number)) => Judgement::failed(format!("{name} is no NIM master yet (0042-{number:03})"), Vec::new()),
        _ => Judgement::unknown(
            format!("whether {name} is a NIM master is not understood: {}", read::said(r)),
            Vec::new(),
        ),
    }
}

fn daemon(ctx: &Context<'_>) -> Step {
    let name = ctx.target().name.clone();
    let step = Step {
        judge_effect: the_probe_decides(),
        volatile: true,
        ..idempotent(
            "nim.daemon",
            format!("nimesis runs on {name}"),
            target(ctx),
            Script::new().look(vocabulary_aix::startsrc("nimesis")),
            look(vocabulary_aix::lssrc("nimesis")),
            judge(move |output: &Output| {
                let running = read_aix::runs(read_aix::src(output.at(0), "nimesis"));
                let facts = vec![Fact::Service {
                    node: name.clone(),
                    service: "nimesis".into(),
                    running,
                    at_boot: Tri::Unknown,
                }];
                judged(running, format!("nimesis on {name} runs: {running:?}"), facts)
            }),
        )
    };
    open(step, 1, "startsrc -s nimesis".into())
}

fn hanim(ctx: &Context<'_>, settings: &Nim) -> Step {
    let name = ctx.target().name.clone();
    let script = Script::new().run(nim::takeover(settings));
    let step = Step {
        judge_effect: judge(|output: &Output| after(output.at(0), "nim -o takeover")),
        section: "8.0 step 8.1.2",
        ..idempotent(
            "nim.takeover",
            format!("{name} takes over as NIM's alternate master"),
            target(ctx),
            script,
            // Of an alternate master lsnim shows the same, but it may run no operation on an object before it took over (documented). That the
            // check of `boot` is one that NIM permits is from memory: if it is not, the takeover is left open, to be looked at by a person.
            look(nim::check(settings, "boot")),
            judge(move |output: &Output| match (output.at(0).exit, error_number(output.at(0))) {
                (Some(0), _) => Judgement::succeeded(format!("{name} controls NIM"), Vec::new()),
                (_, Some(number)) => {
                    Judgement::failed(format!("{name} does not control NIM (0042-{number:03})"), Vec::new())
                }
                _ => Judgement::unknown(format!("whether {name} controls NIM is not understood"), Vec::new()),
            }),
        )
    };
    open(step, 0, "nim -o takeover MASTER".into())
}

/// `0042-NNN` of the innermost error: NIM puts 0042-001 (processing error) around it.
pub fn error_number(r: &ActionResult) -> Option<u16> {
    let numbers = r.stderr.split("0042-").skip(1).filter_map(|rest| rest.get(..3)?.parse().ok());
    let all: Vec<u16> = numbers.collect();
    all.iter().copied().rfind(|n| *n != 1).or_else(|| all.first().copied())
}

/// *Already there*: that location is a resource, or that name is taken. Whether it is the right one is for the look to say.
fn is_there(r: &ActionResult) -> bool {
    matches!(r.exit, Some(32 | 81)) || (r.exit == Some(1) && matches!(error_number(r), Some(32 | 81)))
}

fn after(r: &ActionResult, what: &str) -> Judgement {
    match r.exit {
        Some(0) => Judgement::succeeded(format!("{what} ended"), Vec::new()),
        Some(_) if is_there(r) => Judgement::succeeded(format!("{what}: it is there already"), Vec::new()),
        Some(ActionResult::TIMED_OUT) => Judgement::unknown(format!("{what} did not end in time"), Vec::new()),
        Some(code) => Judgement::failed(format!("{what} exited {code}: {}", read::said(r)), Vec::new()),
        None => Judgement::unknown(format!("{what} was not run"), Vec::new()),
    }
}

fn resource(ctx: &Context<'_>, settings: &Nim, id: &str, found: &Resource) -> Step {
    let (node, Resource { name, kind, location }) = (&ctx.target().name, found);
    let spot = kind == "spot";
    let stage = match kind.as_str() {
        "lpp_source" => 2,
        "spot" => 3,
        _ => 4,
    };
    let title = format!("{kind} {name} at {location}");
    let there = judge({
        let found = found.clone();
        move |output: &Output| defined(&found, output.at(0))
    });
    if settings.resources == NimResources::Hanim {
        let step = Step::observe(id, format!("{title} came over"), target(ctx), look(nim::object(name)), there);
        return open(step, stage, format!("lsnim -l {name}"));
    }
    let effect = if spot {
        // The parent of the directory of the SPOT: its location is …/NAME/usr.
        let parent = location.trim_end_matches('/').rsplitn(3, '/').nth(2).unwrap_or_default();
        Script::new()
            .look(nim::exists(location))
            .look(nim::make_spot(settings, parent, name))
            .look(nim::check(settings, name))
            .look(nim::object(name))
    } else {
        Script::new().look(nim::exists(location)).look(nim::define(kind, location, name))
    };
    let command = effect.listing().lines().skip(1).take(2).collect::<Vec<_>>().join(" && ");
    let (place, what, seen) = (location.clone(), name.clone(), there.clone());
    let step = Step {
        judge_effect: judge(move |output: &Output| {
            match read::line(output.at(0)) {
                Some("there") => {}
                Some("gone") => {
                    let why = format!(
                        "{place} of {what} is gone: copy it from the other machine or a backup, then run the command"
                    );
                    return Judgement::failed(why, Vec::new());
                }
                _ => return Judgement::unknown(format!("whether {place} is there was not seen"), Vec::new()),
            }
            let made = after(output.at(1), "the definition");
            if !spot || made.verdict != Verdict::Succeeded {
                return made;
            }
            let checked = after(output.at(2), "nim -Fo check");
            if checked.verdict != Verdict::Succeeded {
                return checked;
            }
            seen(&output.clone().split(3).1)
        }),
        section: match stage {
            2 => "8.0 step 8.1.2.3.1",
            3 => "8.0 step 8.1.2.3.2",
            _ => "8.0 step 8.1.2.3.3",
        },
        ..idempotent(id, format!("{title} on {node}"), target(ctx), effect, look(nim::object(name)), there)
    };
    // A SPOT is *ready* from its definition on, and nothing to be seen tells whether its check came to its end: which network boot images it
    // makes depends on the clients that are defined by then (documented). So that there is nothing to look at; it is made and checked always,
    // and again when it was cut off.
    let step = if spot { Step { probe: Script::new(), look_first: false, retries: 1, ..step } } else { step };
    open(step, stage, command)
}

/// Whether a resource is defined as it was: type, location, ready.
pub fn defined(wanted: &Resource, r: &ActionResult) -> Judgement {
    let Resource { name, kind, location } = wanted;
    if error_number(r) == Some(53) {
        return Judgement::failed(format!("NIM has no {name}"), Vec::new());
    }
    let Some(object) =
        read::complete(r).map(deployment::objects).and_then(|all| all.into_iter().find(|o| &o.name == name))
    else {
        return match error_number(r) {
            Some(number) => Judgement::failed(format!("{name}: 0042-{number:03}: {}", read::said(r)), Vec::new()),
            None => Judgement::unknown(format!("{name} could not be looked at: {}", read::said(r)), Vec::new()),
        };
    };
    let get = |key| object.get(key).unwrap_or("nothing");
    if get("type") != kind || get("location") != location {
        let why = format!(
            "{name} is a {} at {}, not a {kind} at {location}: settle which is right, then nim -o remove {name}",
            get("type"),
            get("location")
        );
        return Judgement::failed(why, Vec::new());
    }
    match get("Rstate") {
        "ready for use" => Judgement::succeeded(format!("{name} is ready at {location}"), Vec::new()),
        state => Judgement::failed(format!("{name} is {state}"), Vec::new()),
    }
}

/// An image names a resource that the last sync did not see.
fn nowhere(ctx: &Context<'_>, id: &str, kind: &str, name: &str) -> Step {
    let wanted = Resource { name: name.to_owned(), kind: kind.to_owned(), location: String::new() };
    let judge = judge(move |output: &Output| {
        let seen = deployment::objects(&output.at(0).stdout);
        if output.at(0).ok() && seen.iter().any(|o: &Object| o.name == wanted.name) {
            return Judgement::succeeded(format!("{} is defined here", wanted.name), Vec::new());
        }
        let why = format!("where {} is was not saved by the last sync: define it by hand", wanted.name);
        Judgement::failed(why, Vec::new())
    });
    let command = format!("/usr/sbin/nim -Fo define -t {kind} -a server=master -a location=LOCATION {name}");
    open(Step::observe(id, format!("{kind} {name}"), target(ctx), look(nim::object(name)), judge), 4, command)
}

/// An image of NIM without resources cannot be deployed, and nobody says so until a node boots.
fn bare(ctx: &Context<'_>, id: &str, image: &Image) -> Step {
    let name = image.name.clone();
    let command = format!("lsdef -t osimage -o {name} -l   # then chdef -t osimage -o {name} spot=…");
    let judge = judge(move |_: &Output| {
        Judgement::failed(format!("the image {name} names no resources in the database"), Vec::new())
    });
    open(
        Step::observe(id, format!("the image {} has resources", image.name), target(ctx), look(nim::master()), judge),
        4,
        command,
    )
}

/// The files of a Linux image are there.
fn files(ctx: &Context<'_>, id: &str, image: &Image) -> Step {
    let mut batch = Batch::default();
    let looks: Vec<(usize, String)> = image.paths.iter().map(|p| (batch.look(nim::exists(p)), p.clone())).collect();
    let first = image.paths.first().map_or("/install", String::as_str).to_owned();
    if looks.is_empty() {
        batch.look(nim::exists("/install"));
    }
    let name = image.name.clone();
    let judge = judge(move |output: &Output| {
        let gone: Vec<&str> = looks
            .iter()
            .filter(|(at, _)| read::line(output.at(*at)) == Some("gone"))
            .map(|(_, p)| p.as_str())
            .collect();
        let unclear = looks.iter().any(|(at, _)| !matches!(read::line(output.at(*at)), Some("gone" | "there")));
        match (gone.is_empty(), unclear, looks.is_empty()) {
            (false, ..) => Judgement::failed(format!("of the image {name} is gone: {}", gone.join(", ")), Vec::new()),
            (_, true, _) => Judgement::unknown(format!("the files of the image {name} were not all seen"), Vec::new()),
            (.., true) => Judgement::failed(format!("the image {name} names no files in the database"), Vec::new()),
            _ => Judgement::succeeded(format!("all {} paths of the image {name} are there", looks.len()), Vec::new()),
        }
    });
    let step = Step {
        section: "8.0 step 8.1.1",
        ..Step::observe(id, format!("files of the image {}", image.name), target(ctx), batch.script(), judge)
    };
    open(step, 2, format!("ls -ld {first}"))
}

/// Nodes a call; the look asks for each.
const AT_ONCE: usize = 20;

/// The boot configuration of nodes, as it was recorded: nothing else is set.
pub fn restore_boot(ctx: &Context<'_>) -> Vec<Step> {
    let now = newest(ctx);
    let mut steps = Vec::new();
    for (index, group) in now.iter().flat_map(|d| &d.boot).enumerate() {
        for (part, nodes) in group.nodes.chunks(AT_ONCE).enumerate() {
            steps.push(boot(ctx, &format!("boot.{index}.{part}"), group, nodes));
        }
    }
    let left: Vec<String> = now.iter().flat_map(|d| &d.left).map(|(node, state)| format!("{node} ({state})")).collect();
    if !left.is_empty() {
        let why = format!("left as they are, to be set by hand: {}", left.join(", "));
        let judge = judge(move |_: &Output| Judgement::failed(why.clone(), Vec::new()));
        let step = Step::observe(
            "boot.left",
            "every node's boot state is one that can be restored",
            target(ctx),
            look(vocabulary::host_name()),
            judge,
        );
        steps.push(Step { traps: &[60], ..open(step, 0, "nodeset NODE stat; lsnim -l NODE".into()) });
    }
    if steps.is_empty() {
        let judge = judge(|_: &Output| Judgement::succeeded("no node was to do anything at its next boot", Vec::new()));
        steps.push(Step {
            optional: true,
            ..Step::observe(
                "boot.none",
                "no boot configuration to restore",
                target(ctx),
                look(vocabulary::host_name()),
                judge,
            )
        });
    }
    fit(steps)
}

fn boot(ctx: &Context<'_>, id: &str, group: &Boot, nodes: &[String]) -> Step {
    let (node, xcat): (&Node, _) = (ctx.target(), &ctx.pair.xcat);
    let (range, image) = (nodes.join(","), &group.image);
    let (command, what) = match &group.how {
        How::Install => (nim::nimnodeset(node, xcat, image, &range), format!("go on with installing {image}")),
        How::Diskless => (nim::mkdsklsnode(node, xcat, image, &range), format!("boot {image} without a disk")),
        How::Nodeset(state) => (nim::nodeset(node, xcat, &range, state), format!("do {state}")),
    };
    let script = Script::new().run(command);
    let listing = script.listing().trim_end().to_owned();
    let effect = judge(|output: &Output| {
        let r = output.at(0);
        if r.ok() && (r.stdout.contains("Error:") || r.stderr.contains("Error:")) {
            return Judgement::failed(format!("it exited 0 and said: {}", read::said(r)), Vec::new());
        }
        after(r, "the call")
    });
    let (probe, seen): (Script, Judge) = match &group.how {
        // There is nothing that shows it: xCAT's own record is in the database, which the other machine wrote.
        How::Nodeset(_) => (Script::new(), super::nothing_to_see()),
        How::Install | How::Diskless => {
            let install = group.how == How::Install;
            let mut batch = Batch::default();
            let looks: Vec<(usize, String)> = nodes.iter().map(|n| (batch.look(nim::object(n)), n.clone())).collect();
            (batch.script(), judge(move |output: &Output| machines(&looks, install, output)))
        }
    };
    let step = Step {
        judge_effect: effect,
        look_first: !probe.is_empty(),
        section: "8.0 step 8.2",
        ..idempotent(
            id,
            format!("{} nodes {what} at their next boot, as before", nodes.len()),
            target(ctx),
            script,
            probe,
            seen,
        )
    };
    Step { traps: &[60, 61, 66], ..open(step, 0, listing) }
}

fn machines(looks: &[(usize, String)], install: bool, output: &Output) -> Judgement {
    for (at, name) in looks {
        let r = output.at(*at);
        let object = deployment::objects(&r.stdout).into_iter().find(|o| &o.name == name);
        let state = object.as_ref().and_then(|o| o.get("Cstate"));
        let ready = match state {
            Some(state) if install => state == "BOS installation has been enabled",
            Some(state) => state != "ready for a NIM operation",
            None if error_number(r) == Some(53) => false,
            None => return Judgement::unknown(format!("{name} could not be looked at: {}", read::said(r)), Vec::new()),
        };
        if !ready {
            return Judgement::failed(
                format!("{name} is not ready: {}", state.unwrap_or("NIM does not know it")),
                Vec::new(),
            );
        }
    }
    Judgement::succeeded(format!("{} nodes are ready to boot as before", looks.len()), Vec::new())
}
