//! Saving what a dead primary cannot tell: where NIM's resources are and what nodes were to do at their next boot. Files of the cluster
//! (`/install` and the like) are not copied by this.

use journal_schema::{Fact, OpenItem};

use super::{
    Batch, fit, idempotent, judge, look,
    nim::{fact, newest, saved_path},
    read, server, target,
};
use crate::{
    deployment::{self, Deployment, MOST, VERSION},
    host,
    model::{Database, NodeId},
    script::{Action, ActionResult, Output, Script},
    step::{Judgement, Place, Step},
    table::Context,
    vocabulary,
    vocabulary::nim,
};

/// Which machine it is, and both epochs: a machine of a lower epoch is not the primary any more.
pub fn observe(ctx: &Context<'_>) -> Vec<Step> {
    let on = |id: NodeId, step_id: &str| {
        let node = ctx.pair.node(id).clone();
        let probe = look(host::machine_id(&node)).look(vocabulary::cat(&vocabulary::epoch_path(ctx.pair)));
        let title = format!("which machine is {}, and at what epoch", node.name);
        let judge = judge(move |output: &Output| who(&node, output));
        Step { retries: 1, traps: &[9, 11, 24], ..Step::observe(step_id, title, Place::Node(id), probe, judge) }
    };
    let other = on(ctx.request.target.other(), "sync.other");
    let silent =
        Judgement::succeeded(format!("{} is not reached; its epoch is not known", ctx.other().name), Vec::new());
    let other = Step { optional: true, unreachable: Some(silent), retries: 0, ..other };
    fit(vec![on(ctx.request.target, "sync.target"), other])
}

fn who(node: &crate::model::Node, output: &Output) -> Judgement {
    let name = &node.name;
    let Some(id) = host::identity(node, output.at(0)) else {
        return Judgement::unknown(format!("{name} did not say which machine it is"), Vec::new());
    };
    if !read::same_identity(id, &node.machine_id) {
        return Judgement::failed(
            format!("{name} is another machine: {id}, pinned is {}", node.machine_id),
            Vec::new(),
        );
    }
    let epoch = match read::file(output.at(1)) {
        Some(None) => Some(0),
        Some(Some(text)) => text.parse().ok(),
        None => None,
    };
    match epoch {
        Some(epoch) => {
            let facts = vec![Fact::Epoch { node: name.clone(), epoch }];
            Judgement::succeeded(format!("{name} is the pinned machine, at epoch {epoch}"), facts)
        }
        None => Judgement::unknown(format!("the epoch of {name} could not be read"), Vec::new()),
    }
}

/// Only the primary can tell: its database must be writable, and no machine of a higher epoch be known.
pub fn assess(ctx: &Context<'_>) -> Vec<Step> {
    let node = ctx.target();
    let (own, highest) = (ctx.known.epoch(&node.name), ctx.known.highest_epoch());
    let name = node.name.clone();
    let (probe, role): (Script, fn(&ActionResult) -> Option<bool>) = match &ctx.pair.database {
        Database::Postgres(pg) => (look(server::ask_role(pg)), |r| match read::role(r).role {
            journal_schema::DatabaseRole::Primary => Some(true),
            journal_schema::DatabaseRole::Unknown => None,
            _ => Some(false),
        }),
        Database::Db2(db2) => (look(vocabulary::db2::role_is(db2, &["PRIMARY", "STANDARD"])), |r| match r.exit {
            Some(0) => Some(true),
            Some(9) if !r.stdout.contains("unknown") => Some(false),
            _ => None,
        }),
    };
    let judge = judge(move |output: &Output| {
        if own.is_none_or(|own| own < highest) {
            let why = format!("{name} is at epoch {own:?}, the other at {highest}: it is not the primary any more");
            return Judgement::failed(why, Vec::new());
        }
        match role(output.at(0)) {
            Some(true) => Judgement::succeeded(format!("{name} is in service"), Vec::new()),
            Some(false) => Judgement::failed(
                format!("the database on {name} is not the primary: nothing is saved from it"),
                Vec::new(),
            ),
            None => Judgement::unknown(
                format!("the role of the database on {name} could not be read: {}", read::said(output.at(0))),
                Vec::new(),
            ),
        }
    });
    let title = format!("{} is the primary", node.name);
    fit(vec![Step { retries: 1, traps: &[24, 26], ..Step::observe("sync.primary", title, target(ctx), probe, judge) }])
}

/// Places of the results of the collection.
struct Seen {
    clock: usize,
    epoch: usize,
    nodes: usize,
    images: usize,
    chain: usize,
    nodetype: usize,
    nim: Option<[usize; 2]>,
}

/// Everything in one look.
pub fn collect(ctx: &Context<'_>) -> Vec<Step> {
    let (node, xcat) = (ctx.target().clone(), &ctx.pair.xcat);
    let mut batch = Batch::default();
    let seen = Seen {
        clock: batch.look(host::clock(&node)),
        epoch: batch.look(vocabulary::cat(&vocabulary::epoch_path(ctx.pair))),
        nodes: batch.look(host::xcat(&node, xcat, "nodels", &[])),
        images: batch.look(nim::images(&node, xcat)),
        chain: batch.look(nim::table(&node, xcat, "chain")),
        nodetype: batch.look(nim::table(&node, xcat, "nodetype")),
        nim: ctx.pair.nim.is_some().then(|| ["resources", "machines"].map(|class| batch.look(nim::objects(class)))),
    };
    let title = format!("read images, NIM's locations and boot states on {}", node.name);
    let judge = judge(move |output: &Output| match gather(&node.name, &seen, output) {
        Ok((saved, missing)) => {
            let text = saved.to_text();
            let facts = vec![
                Fact::ClusterNodes { node: node.name.clone(), count: saved.nodes },
                fact(&node.name, &saved, &text),
            ];
            let mut why =
                format!("{} images, {} resources, {} nodes", saved.images.len(), saved.resources.len(), saved.nodes);
            if !missing.is_empty() {
                why = format!("{why}; named by the database and not in NIM: {}", missing.join(", "));
            }
            Judgement::succeeded(why, facts)
        }
        Err(judgement) => judgement,
    });
    let step = Step::observe("sync.collect", title, target(ctx), batch.script(), judge);
    fit(vec![Step { retries: 1, traps: &[60, 66], section: "6.2", ..step }])
}

/// The end of a list of NIM's objects.
const END: &str = ":end\n";

fn gather(node: &str, seen: &Seen, output: &Output) -> Result<(Deployment, Vec<String>), Judgement> {
    let bad = |what: &str, r: &ActionResult| Judgement::unknown(format!("{what}: {}", read::said(r)), Vec::new());
    let xcat = |at: usize, what: &str| {
        let r = output.at(at);
        let text = read::complete(r).filter(|_| !r.stderr.contains("Error:") && !r.stdout.contains("Error:"));
        text.ok_or_else(|| bad(what, r))
    };
    let taken_ms = read::count(output.at(seen.clock)).map(|ns| ns / 1_000_000);
    let taken_ms = taken_ms.ok_or_else(|| bad("the clock could not be read", output.at(seen.clock)))?;
    let epoch = match read::file(output.at(seen.epoch)) {
        Some(None) => 0,
        Some(Some(text)) => text.parse().map_err(|_| bad("the epoch is not understood", output.at(seen.epoch)))?,
        None => return Err(bad("the epoch could not be read", output.at(seen.epoch))),
    };
    let images = deployment::images(xcat(seen.images, "the images could not be listed")?);
    let nodes = xcat(seen.nodes, "the nodes could not be listed")?.lines().filter(|l| !l.trim().is_empty()).count();
    let chain = xcat(seen.chain, "the table chain could not be read")?;
    let nodetype = xcat(seen.nodetype, "the table nodetype could not be read")?;
    let mut objects = [Vec::new(), Vec::new()];
    for (list, at) in objects.iter_mut().zip(seen.nim.into_iter().flatten()) {
        let r = output.at(at);
        let Some(text) = read::complete(r).and_then(|text| text.strip_suffix(END)) else {
            let why = match super::nim::error_number(r) {
                Some(number) => format!("NIM could not be listed (0042-{number:03})"),
                None => "NIM could not be listed whole".to_owned(),
            };
            return Err(bad(&why, r));
        };
        *list = deployment::objects(text);
    }
    let [resources, machines] = objects;
    let (boot, left) = deployment::boot(&machines, chain, nodetype, &images);
    let resources = deployment::resources(&resources);
    let nodes = nodes as u64;
    let mut saved =
        Deployment { version: VERSION, node: node.to_owned(), taken_ms, epoch, nodes, images, resources, boot, left };
    let missing = if seen.nim.is_some() { saved.wanted() } else { Vec::new() };
    let missing =
        missing.into_iter().filter(|(_, name)| saved.resource(name).is_none()).map(|(_, name)| name).collect();
    if saved.to_text().len() > MOST {
        saved.boot.clear();
        saved.left = vec![("all nodes".into(), "too many to be saved".into())];
    }
    if saved.to_text().len() > MOST {
        let why = format!("the images and resources take more than {MOST} bytes, which is more than is saved");
        return Err(Judgement::failed(why, Vec::new()));
    }
    Ok((saved, missing))
}

/// Writes what was collected on the primary.
pub fn save(ctx: &Context<'_>) -> Vec<Step> {
    fit(vec![write(ctx, target(ctx), "save.target", &ctx.target().name)])
}

/// The same on the other machine, which will need it, and where hamn runs.
pub fn copy(ctx: &Context<'_>) -> Vec<Step> {
    let other = ctx.request.target.other();
    let places = [
        (Place::Node(other), "save.other", ctx.other().name.as_str()),
        (Place::Controller, "save.controller", "the machine that runs hamn"),
    ];
    let steps = places.map(|(place, id, name)| {
        let step = write(ctx, place, id, name);
        let opens = OpenItem {
            id: id.into(),
            text: format!(
                "what deployment needs is not saved on {name}: a failover could not provide NIM's resources from there"
            ),
            command: format!("hamn run sync --target {}", ctx.target().name),
        };
        let unreachable = Judgement::failed(format!("{name} cannot be reached"), Vec::new());
        Step { optional: true, opens: Some(opens), unreachable: Some(unreachable), ..step }
    });
    fit(steps.into())
}

fn write(ctx: &Context<'_>, place: Place, id: &str, name: &str) -> Step {
    let path = saved_path(ctx.pair);
    let content = newest(ctx).map(|d| d.to_text()).unwrap_or_default();
    let script = Script::new().then(Action::WriteFile { path: path.clone(), mode: 0o600, content: content.clone() });
    let probe = look(vocabulary::cat(&path));
    let title = format!("save it on {name}: {path}");
    let wanted = content.trim().to_owned();
    let judge = judge(move |output: &Output| match read::file(output.at(0)) {
        _ if wanted.is_empty() => Judgement::failed("nothing was collected", Vec::new()),
        Some(Some(text)) if text == wanted => Judgement::succeeded("it is there as it was collected", Vec::new()),
        Some(_) => Judgement::failed("another one is there, or none", Vec::new()),
        None => Judgement::unknown(format!("it could not be read: {}", read::said(output.at(0))), Vec::new()),
    });
    Step { retries: 1, traps: &[28, 39, 66, 75], section: "6.2", ..idempotent(id, title, place, script, probe, judge) }
}
