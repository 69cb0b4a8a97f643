//! A returning machine becomes the standby: taken in as it is, if its log allows, or with a new copy.
//!
//! START HADR AS STANDBY on the old primary is the test itself, and it fails without a word: DB2 says that it is done, and when the two
//! logs do not match, the new standby vanishes. So it is looked at until it is a peer, or gone.

use journal_schema::{DatabaseRole, Fact, HadrConnection, HadrRole, HadrState, OpenItem, Tri};

use super::{
    advice,
    instance::{self, Opening},
    message, read,
    takeover::Side,
    told,
};
use crate::{
    Known, Request, by_hand,
    model::{Node, NodeId, Pair, Platform, SyncMode},
    notes,
    script::{Action, Output, Script},
    step::{Judgement, Place, Step, judge_exit_codes, next},
    steps::{
        Batch, aix, claim, fit, idempotent, judge, look, nothing_to_see, other, read as basic, seed, service_nodes,
        setup, target, the_probe_decides, undo, xcat,
    },
    table::{Context, Guard},
    vocabulary::{self, db2 as calls, transfer},
};

/// The pair still exists: the machine in service is an HADR primary, and the returning copy was part of it.
pub const REJOINS: Guard =
    Guard { name: "the machine in service is a primary, and the copy was in HADR", holds: rejoins };
/// Nothing to rejoin.
pub const APART: Guard =
    Guard { name: "HADR was dissolved, or there is no copy: only a new one helps", holds: |ctx| !rejoins(ctx) };
/// The returning machine is a standby that follows.
pub const JOINED: Guard = Guard { name: "the returning copy is connected and follows", holds: joined };
/// It is not.
pub const PARTED: Guard = Guard { name: "the returning copy vanished or does not follow", holds: |ctx| !joined(ctx) };

fn rejoins(ctx: &Context<'_>) -> bool {
    let [here, there] = [ctx.target(), ctx.other()].map(|node| Side::of(ctx.known.hadr(&node.name)));
    there.role == HadrRole::Primary && here.role != HadrRole::Standard && !absent(ctx)
}

/// The returning machine has an instance and no database: its disk is new, or somebody dropped it.
fn absent(ctx: &Context<'_>) -> bool {
    ctx.known.setting(&ctx.target().name, notes::HADR_ROLE) == Some("absent")
}

fn joined(ctx: &Context<'_>) -> bool {
    follows(Side::of(ctx.known.hadr(&ctx.target().name)))
}

fn follows(side: Side) -> bool {
    side.role == HadrRole::Standby
        && side.active == Tri::Yes
        && side.connection == HadrConnection::Connected
        && matches!(side.state, HadrState::Peer | HadrState::RemoteCatchup)
}

/// May the returning machine be made a standby of the one in service?
pub fn weigh(ctx: &Context<'_>) -> Vec<Step> {
    let mut batch = Batch::default();
    let asked = told::ask(&mut batch, ctx.pair.db2());
    let (pair, known, request, own) = (ctx.pair.clone(), ctx.known.clone(), ctx.request.clone(), ctx.signature());
    let seen = judge(move |output: &Output| {
        let (here, there) = (pair.node(request.target), pair.node(request.target.other()));
        let told = asked.told(pair.db2(), output);
        let facts = told.facts(&there.name, pair.db2(), None);
        let serving = told.role();
        let side = Side::of(known.hadr(&here.name));
        let address = &pair.service.address;
        let failed = |why: String| Judgement::failed(why, facts.clone());
        for node in [here, there] {
            match known.claim(&node.name) {
                Some(text)
                    if text.is_empty()
                        || text == own
                        || left_behind(&pair, &known, &request).as_deref() == Some(text) => {}
                Some(text) => return failed(format!("{} is claimed: {text}", node.name)),
                None => return Judgement::unknown(format!("the claim on {} could not be read", node.name), facts),
            }
        }
        if told::plain_role(&side) == DatabaseRole::Primary && serving == DatabaseRole::Primary {
            let why = "both databases are active and writable: hamn does not choose between them; compare their contents, stop one, and \
                       say by that which one is the cluster's";
            return failed(why.into());
        }
        let in_order = known.epoch(&here.name).zip(known.epoch(&there.name)).is_some_and(|(h, t)| h <= t);
        let all = [
            (serving == DatabaseRole::Primary, serving == DatabaseRole::Unknown, "its database is not writable"),
            (
                known.holds(&there.name, address) == Tri::Yes,
                known.holds(&there.name, address) == Tri::Unknown,
                "it does not hold the service address",
            ),
            (in_order, known.epoch(&there.name).is_none(), "it is of an older epoch than the returning machine"),
        ];
        let weighed = crate::steps::verify::weighed(&all, &there.name, "is in service", facts.clone());
        if weighed.verdict != journal_schema::Verdict::Succeeded {
            return weighed;
        }
        let (holds, xcatd) = (known.holds(&here.name, address), known.service(&here.name, "xcatd").0);
        let letting_go = match holds {
            Tri::Yes => lets_go(&pair, here, &there.name),
            Tri::No | Tri::Unknown => "it holds the service address".to_owned(),
        };
        let all = [
            (holds == Tri::No, holds == Tri::Unknown, letting_go.as_str()),
            // One that runs is stopped by the run; what cannot be seen may be the one that serves.
            (xcatd != Tri::Unknown, xcatd == Tri::Unknown, "whether xcatd runs there is not known"),
        ];
        let brief = format!("may become the standby of {}; its copy is {}", there.name, told::describe(&side));
        crate::steps::verify::weighed(&all, &here.name, &brief, facts)
    });
    let title = format!("may {} become the standby of {}", ctx.target().name, ctx.other().name);
    let step = Step::observe("assess.pair", title, other(ctx), batch.script(), seen);
    fit(vec![Step { retries: 1, traps: &[5, 9, 11, 67, 68], ..step }])
}

/// A machine that hamn did not set up, or that was switched on by hand, comes back with the service address of its ODM.
fn lets_go(pair: &Pair, here: &Node, serving: &str) -> String {
    let address = &pair.service.address;
    let command = match here.platform {
        Platform::Aix => format!("chdev -l {} -a state=detach", here.interface),
        Platform::Linux => format!("ip addr del {address}/{} dev {}", pair.service.prefix, here.interface),
    };
    format!(
        "it holds the service address {address}, which is {serving}'s by now: two machines answer for it{}{}",
        next(
            &by_hand::as_root(here, &command),
            "by its own address; it is gone at once, and at the next boot too where that is kept in the ODM"
        ),
        next("hamn run failback", "then looks again")
    )
}

/// The claim that the returning machine still bears of the run that it was fenced by: that run has ended, because the machine in service is
/// free and of a later epoch.
fn left_behind(pair: &Pair, known: &Known, request: &Request) -> Option<String> {
    let [here, there] = [request.target, request.target.other()].map(|id| &pair.node(id).name);
    let text = known.claim(here).filter(|text| !text.is_empty())?;
    let later = known.epoch(here)? < known.epoch(there)?;
    (later && known.claim(there) == Some("")).then(|| text.to_owned())
}

/// Claims both; a claim that the returning machine bears of the run that fenced it is taken away first.
pub fn claim(ctx: &Context<'_>) -> Vec<Step> {
    let mut steps = claim::take(ctx, claim::Other::Alive);
    let Some(text) = left_behind(ctx.pair, ctx.known, ctx.request) else { return steps };
    for step in &mut steps {
        step.stage += 1;
    }
    let path = vocabulary::claim_path(ctx.pair);
    let again = Script::new().then(Action::Claim { path: path.clone(), content: text.clone() });
    let gone = {
        let text = text.clone();
        judge(move |output: &Output| match basic::file(output.at(0)) {
            Some(Some(found)) if found == text => Judgement::failed(format!("it still bears: {text}"), Vec::new()),
            Some(_) => Judgement::succeeded("the claim of the run that fenced it is gone", Vec::new()),
            None => Judgement::unknown("the claim could not be read", Vec::new()),
        })
    };
    let name = &ctx.target().name;
    steps.push(Step {
        undo: Some(undo(again, Script::new(), judge_exit_codes())),
        traps: &[9],
        ..idempotent(
            "claim.left-behind",
            format!("{name} gives up the claim of the run that fenced it"),
            target(ctx),
            Script::new().then(Action::Unclaim { path, content: text }),
            look(vocabulary::cat(&vocabulary::claim_text_path(ctx.pair))),
            gone,
        )
    });
    fit(steps)
}

/// Nothing on the returning machine connects to its database, which would activate it; its instance runs, so that it can be asked.
pub fn quiet(ctx: &Context<'_>) -> Vec<Step> {
    let id = ctx.request.target;
    // A machine that boots starts its xcatd, which reaches the other machine's database by the service's name and works beside the right
    // one. It had no business here before the run, so nothing of it is put back.
    let stray =
        undo(Script::new(), Script::new(), judge(|_| Judgement::succeeded("xcatd stays where it belongs", Vec::new())));
    let xcatd = xcat::stop_xcatd(ctx, id, "quiet.xcatd", false);
    let mut steps = vec![Step { undo: Some(stray), traps: &[5, 48, 56], section: "9.0", ..xcatd }];
    if ctx.target().platform == Platform::Aix {
        steps.push(aix::autostart_off(ctx, id, "quiet.autostart"));
    }
    let kill = Script::new().look(calls::instance_kill(ctx.pair.db2()));
    let back = undo(kill, Script::new(), judge(|_| Judgement::succeeded("what is killed writes nothing", Vec::new())));
    steps.push(Step { stage: 1, undo: Some(back), ..instance::up(ctx, id, "quiet.instance") });
    steps.push(Step { stage: 2, ..answers(ctx, "quiet.database") });
    fit(steps)
}

/// The returning copy answers: behind the pivot its parameters are set and read again, and a `db2` that hangs would stop the run there.
fn answers(ctx: &Context<'_>, step_id: &str) -> Step {
    let (db2, node) = (ctx.pair.db2().clone(), ctx.target().clone());
    let mut batch = Batch::default();
    let asked = told::ask(&mut batch, &db2);
    let title = format!("the database on {} answers what it is asked", node.name);
    let seen = judge(move |output: &Output| {
        let told = asked.told(&db2, output);
        let facts = told.facts(&node.name, &db2, None);
        match advice::unreadable(&node, &db2, &told) {
            // An instance that says so answers, too: the new copy overwrites nothing.
            _ if told.absent => {
                Judgement::succeeded(format!("there is no {} on {}: it gets a copy", db2.database, node.name), facts)
            }
            Some(why) => Judgement::unknown(why, facts),
            None => Judgement::succeeded(format!("the database on {} answers", node.name), facts),
        }
    });
    Step { retries: 2, traps: &[74], ..Step::observe(step_id, title, target(ctx), batch.script(), seen) }
}

/// The machines with their parts exchanged: for steps that speak of the machine in service as the target.
fn from_the_other_side(request: &Request) -> Request {
    Request { target: request.target.other(), ..request.clone() }
}

/// The returning machine bears the standby's address and name, and its instance and database know it.
pub fn placed(ctx: &Context<'_>) -> Vec<Step> {
    let request = from_the_other_side(ctx.request);
    let seen = Context { request: &request, ..*ctx };
    let mut steps = if ctx.target().platform == Platform::Aix { aix::take_standby(&seen) } else { Vec::new() };
    steps = renamed_steps(steps, "placed");
    let id = ctx.request.target;
    let name = ctx.pair.service.standby_host_name.clone();
    let name = if ctx.target().platform == Platform::Aix {
        name
    } else {
        ctx.known.host_name(&ctx.target().name).unwrap_or(&name).to_owned()
    };
    steps.extend(instance::renamed(ctx, id, &name, "placed", 2));
    // A machine with a new disk does not know the services of HADR either.
    steps.push(Step { stage: 4, ..setup::ports_on(ctx, id, "placed.ports") });
    if !absent(ctx) {
        steps.push(Step { stage: 5, ..instance::addresses(ctx, id, false, "placed.addresses") });
    }
    // The machine in service must know where its standby is: a parameter that counts from the next activation is put right by then.
    steps.push(Step { stage: 5, ..instance::addresses(ctx, id.other(), true, "placed.partner") });
    fit(steps)
}

/// Takes the returning copy in as it is.
pub fn take_in(ctx: &Context<'_>) -> Vec<Step> {
    let mut steps = placed(ctx);
    let id = ctx.request.target;
    steps.push(Step { stage: 6, section: "9.0", ..instance::open(ctx, id, Opening::Standby, "join.start") });
    steps.push(Step { stage: 7, optional: true, ..follow(ctx, "join.follows") });
    fit(steps)
}

/// Looks until the standby is a peer, or gone. Gone is an answer, too: the next transition is chosen by it.
fn follow(ctx: &Context<'_>, step_id: &str) -> Step {
    let (pair, name) = (ctx.pair.clone(), ctx.target().name.clone());
    let mut batch = Batch::default();
    let asked = told::ask(&mut batch, pair.db2());
    let title = format!("the database on {name} follows, or has vanished because its log does not match");
    let seen = judge(move |output: &Output| {
        let told = asked.told(pair.db2(), output);
        let (side, facts) = (told.side(), told.facts(&name, pair.db2(), None));
        let why = format!("the database on {name} is {}", told::describe(&side));
        let peer = side.state == HadrState::Peer || pair.db2().hadr.sync_mode == SyncMode::SuperAsync;
        match side.active {
            Tri::No => Judgement::succeeded(format!("{why}: its log does not match"), facts),
            _ if follows(side) && peer => Judgement::succeeded(why, facts),
            _ => Judgement::unknown(why, facts),
        }
    });
    let step = Step::observe(step_id, title, target(ctx), batch.script(), seen);
    Step { retries: 8, retry_pause_ms: 2_000, traps: &[41, 69], section: "9.0", ..step }
}

/// The standby has everything: peer, connected, by its position; the same position as the primary's where nobody writes (`idle`). The gap
/// that DB2 prints is an average and proves nothing.
pub fn level(ctx: &Context<'_>, id: NodeId, idle: bool, step_id: &str) -> Step {
    let (pair, name) = (ctx.pair.clone(), ctx.pair.node(id).name.clone());
    let mut batch = Batch::default();
    let asked = told::ask(&mut batch, pair.db2());
    let title = format!("{name} is in peer state, connected, and has everything");
    let seen = judge(move |output: &Output| {
        let told = asked.told(pair.db2(), output);
        let (side, facts) = (told.side(), told.facts(&name, pair.db2(), None));
        let why = format!("the database on {name} is {}", told::describe(&side));
        let even = told.seen.hadr().is_some_and(|h| if idle { h.equal() } else { h.has_all() });
        let superasync = pair.db2().hadr.sync_mode == SyncMode::SuperAsync;
        match side.active {
            Tri::No => Judgement::failed(why, facts),
            _ if follows(side) && (side.state == HadrState::Peer || superasync) && even => {
                Judgement::succeeded(format!("{why}, and has everything"), facts)
            }
            _ => Judgement::unknown(format!("{why}{}", if even { "" } else { ", and has not everything" }), facts),
        }
    });
    let step = Step::observe(step_id, title, Place::Node(id), batch.script(), seen);
    Step { retries: 10, retry_pause_ms: 1_000, traps: &[41, 69], section: "5.1.8", ..step }
}

/// The machine in service says so, too: primary, in peer state, connected.
pub fn partner(ctx: &Context<'_>, step_id: &str) -> Step {
    let (pair, name) = (ctx.pair.clone(), ctx.other().name.clone());
    let mut batch = Batch::default();
    let asked = told::ask(&mut batch, pair.db2());
    let title = format!("{name} sees its standby in peer state, connected");
    let seen = judge(move |output: &Output| {
        let told = asked.told(pair.db2(), output);
        let (side, facts) = (told.side(), told.facts(&name, pair.db2(), None));
        let why = format!("the database on {name} is {}", told::describe(&side));
        let superasync = pair.db2().hadr.sync_mode == SyncMode::SuperAsync;
        let near = side.state == HadrState::Peer || (superasync && side.state == HadrState::RemoteCatchup);
        if side.role == HadrRole::Primary && near && side.connection == HadrConnection::Connected {
            Judgement::succeeded(why, facts)
        } else {
            Judgement::unknown(why, facts)
        }
    });
    let step = Step::observe(step_id, title, other(ctx), batch.script(), seen);
    Step { retries: 6, retry_pause_ms: 1_000, traps: &[41], section: "5.1.8", ..step }
}

/// Keeps what only the old copy has: its configuration and its log files (trap 67). Where there is no old copy, there is at least to be a
/// directory for the image.
pub fn save(ctx: &Context<'_>) -> Vec<Step> {
    let db2 = ctx.pair.db2();
    if absent(ctx) {
        let title = format!("{} is there on {}, for the image", db2.backup_dir, ctx.target().name);
        let script = Script::new().run(transfer::directory(&db2.backup_dir, &db2.instance));
        let step = idempotent("save.directory", title, target(ctx), script, Script::new(), nothing_to_see());
        let judge_effect = judge_exit_codes();
        return fit(vec![Step { judge_effect, look_first: false, retries: 1, section: "5.1.4", ..step }]);
    }
    let directory = format!("{}/hamn-{}", db2.backup_dir, ctx.run);
    let name = &ctx.target().name;
    let seen = judge({
        let (name, directory) = (name.clone(), directory.clone());
        move |output: &Output| match basic::file(output.at(0)) {
            Some(Some("complete")) => {
                let note = Fact::Note { node: name.clone(), key: "divergence".into(), value: directory.clone() };
                Judgement::succeeded(format!("what only {name} has is kept in {directory}"), vec![note])
            }
            Some(_) => Judgement::failed(format!("{directory} is not complete"), Vec::new()),
            None => Judgement::unknown(format!("{directory} could not be looked at"), Vec::new()),
        }
    });
    let step = Step {
        retries: 1,
        opens: Some(OpenItem {
            id: "divergence".into(),
            text: format!("what the old copy on {name} alone had is kept in {directory}: configuration and log files"),
            command: format!("ls -l {directory}   # on {name}; remove it when nobody misses a change"),
        }),
        traps: &[67],
        section: "9.0",
        ..idempotent(
            "save.logs",
            format!("keep the log files and the configuration of the old copy on {name}"),
            target(ctx),
            Script::new().run(calls::save_logs(db2, &directory)),
            look(vocabulary::cat(&format!("{directory}/complete"))),
            seen,
        )
    };
    fit(vec![step])
}

/// An image of the database in service. Offline, as DB2 wants it: its clients are stopped for that long, and started again.
pub fn back_up(ctx: &Context<'_>) -> Vec<Step> {
    let (db2, id) = (ctx.pair.db2(), ctx.request.target.other());
    let name = ctx.other().name.clone();
    let wait =
        Action::WaitUntil { command: calls::applications(db2), expect: "none".into(), every_ms: 1_000, limit_s: 30 };
    let script = Script::new()
        .look(calls::clp(db2, [calls::may_fail(calls::FORCE_APPLICATIONS)]))
        .try_(wait)
        .run(transfer::directory(&db2.backup_dir, &db2.instance))
        .run(seed::before_backup(db2))
        .look(calls::clp(db2, [calls::deactivate(db2), calls::backup(db2, &db2.backup_dir)]).timeout(calls::LONG_S))
        .look(seed::after_backup(db2))
        // Whatever became of the image: this is the database in service. That it is open is for the next step to see.
        .look(calls::clp(db2, [calls::start_as_primary_by_force(db2)]).timeout(calls::waits_for_partner(db2)));
    let directory = db2.backup_dir.clone();
    // xcatd is started when the image is there; until then by hand.
    let meanwhile = match ctx.other().platform {
        Platform::Aix => "startsrc -s xcatd".to_owned(),
        Platform::Linux => ctx.pair.xcat.control.join(" ").replace("{action}", "start"),
    };
    let meanwhile = next(
        &by_hand::as_root(ctx.other(), &meanwhile),
        "its database is open again: serves the cluster until the run is gone on with",
    );
    let judge_effect = judge({
        let name = name.clone();
        move |output: &Output| {
            if let Some(r) = [output.at(2), output.at(3)].into_iter().find(|r| !r.ok()) {
                let why = format!("nothing can be written in {directory} on {name}: {}", basic::said(r));
                return Judgement::failed(why, Vec::new());
            }
            let statements = read::group(output.at(4), 2);
            let (idle, said) = (message::said(&statements[0]), message::said(&statements[1]));
            if !idle.done() {
                return Judgement::failed(
                    format!("the database on {name} could not be deactivated: {idle}"),
                    Vec::new(),
                );
            }
            if !said.done() {
                return Judgement::failed(format!("BACKUP DB on {name}: {said}{meanwhile}"), Vec::new());
            }
            seed::fresh(&name, &directory, &statements[1], output.at(5))
        }
    });
    let backup = Step {
        stage: 1,
        judge_effect,
        look_first: false,
        retries: 1,
        retry_pause_ms: 2_000,
        traps: &[45, 48],
        section: "5.1.3",
        ..idempotent(
            "reseed.backup",
            format!("back the database on {name} up, while no client is connected"),
            Place::Node(id),
            script,
            Script::new(),
            judge(|_| Judgement::unknown("an image that nobody named is no use", Vec::new())),
        )
    };
    let mut steps = vec![xcat::stop_xcatd(ctx, id, "reseed.stop-xcatd", false)];
    steps.extend(renamed_steps(service_nodes::stop(ctx), "reseed"));
    steps.push(backup);
    // With its standby away it has to open alone; outside HADR it becomes the primary of the new pair.
    let open = Step { stage: 2, ..instance::open(ctx, id, Opening::PrimaryAlone, "reseed.reopen") };
    steps.push(open);
    steps.push(Step { stage: 3, ..xcat::restart_xcatd(ctx, id, "reseed.start-xcatd") });
    super::failover::forward(fit(steps))
}

/// Steps under names of their own, where a run takes them twice.
pub(super) fn renamed_steps(steps: Vec<Step>, prefix: &str) -> Vec<Step> {
    steps.into_iter().map(|step| Step { id: format!("{prefix}.{}", step.id), ..step }).collect()
}

/// Setting: checksum and length of the image on the machine that made it.
const SUM: &str = "image";

fn timestamp<'a>(ctx: &Context<'a>) -> &'a str {
    // Before the backup was taken a plan shows where its timestamp will stand.
    ctx.known.image(&ctx.other().name).map_or("TIMESTAMP", |(timestamp, _)| timestamp)
}

/// The image goes to the returning machine, whose key is pinned (trap 25: a name may be anybody's).
pub fn copy(ctx: &Context<'_>) -> Vec<Step> {
    let (db2, stamp) = (ctx.pair.db2(), timestamp(ctx).to_owned());
    let (from, to) = (ctx.other(), ctx.target());
    let known_hosts = vocabulary::node_file(ctx.pair, "known_hosts");
    let mut content = String::new();
    for key in &to.host_keys {
        let address = &to.addresses[0];
        let host = if to.ssh_port == 22 { address.clone() } else { format!("[{address}]:{}", to.ssh_port) };
        content += &format!("{host} {key}\n");
    }
    let script = Script::new()
        .then(Action::WriteFile { path: known_hosts.clone(), mode: 0o600, content })
        .run(calls::copy_image(db2, &stamp, to, &known_hosts));
    let name = from.name.clone();
    let seen = judge(move |output: &Output| match basic::line(output.at(0)) {
        Some(sum) => {
            let fact = Fact::Setting { node: name.clone(), name: SUM.into(), value: sum.to_owned() };
            Judgement::succeeded(format!("the image on {name}: {sum}"), vec![fact])
        }
        None => Judgement::failed(format!("the image {stamp} is not on {name}"), Vec::new()),
    });
    let step = Step {
        look_first: false,
        retries: 1,
        traps: &[25, 28, 45],
        section: "5.1.4",
        ..idempotent(
            "reseed.copy",
            format!("copy the image from {} to {}", from.name, to.name),
            other(ctx),
            script,
            look(calls::image_sum(db2, timestamp(ctx))),
            seen,
        )
    };
    fit(vec![step])
}

/// The new copy on the returning machine: never over a primary, or over what is not known (invariant 5).
pub fn restore(ctx: &Context<'_>) -> Vec<Step> {
    let (db2, id, name) = (ctx.pair.db2(), ctx.request.target, ctx.target().name.clone());
    let stamp = timestamp(ctx).to_owned();
    let expected = ctx.known.setting(&ctx.other().name, SUM).unwrap_or_default().to_owned();
    let whole = judge({
        let (name, stamp) = (name.clone(), stamp.clone());
        move |output: &Output| match basic::line(output.at(0)) {
            Some(sum) if sum == expected => {
                Judgement::succeeded(format!("the image {stamp} is whole on {name}"), Vec::new())
            }
            Some(_) => {
                Judgement::failed(format!("the image {stamp} on {name} is not the one that was made"), Vec::new())
            }
            None => Judgement::failed(format!("the image {stamp} is not on {name}"), Vec::new()),
        }
    });
    let probe = look(calls::image_sum(db2, &stamp));
    let title = format!("the image on {name} is whole");
    let arrived = Step { traps: &[28, 45], ..Step::observe("reseed.whole", title, target(ctx), probe, whole) };
    let mut steps = vec![arrived];
    steps.push(Step { stage: 1, ..instance::deactivate(ctx, id, "reseed.deactivate") });
    steps.push(Step { stage: 2, ..leave(ctx) });
    let marker = format!("{}/hamn-{}.restored", db2.backup_dir, ctx.run);
    let script = Script::new()
        .run(transfer::is_machine(ctx.target()))
        .run(calls::role_is(db2, &["STANDARD", "absent"]))
        .run(calls::own_image(db2, &stamp))
        .run(calls::clp(db2, [calls::restore(db2, &db2.backup_dir, &stamp)]).timeout(calls::LONG_S))
        .then(Action::WriteFile { path: marker.clone(), mode: 0o600, content: format!("{stamp}\n") });
    let machine = name.clone();
    let seen = judge({
        let (name, stamp) = (name.clone(), stamp.clone());
        move |output: &Output| match basic::file(output.at(0)) {
            Some(Some(text)) if text == stamp => {
                Judgement::succeeded(format!("{name} has the copy of {stamp}"), Vec::new())
            }
            Some(_) => Judgement::failed(format!("{name} has not the copy of {stamp}"), Vec::new()),
            None => Judgement::unknown("whether it was restored could not be looked up", Vec::new()),
        }
    });
    let judge_effect = judge(move |output: &Output| {
        if output.at(0).exit == Some(9) {
            let why = format!("this is not {machine}: it says {}; nothing was restored", output.at(0).stdout.trim());
            return Judgement::failed(why, Vec::new());
        }
        if output.at(1).exit == Some(9) {
            let why = format!("its role is {}: nothing is restored over that", output.at(1).stdout.trim());
            return Judgement::failed(why, Vec::new());
        }
        let said = message::said(&read::group(output.at(3), 1)[0]);
        match said {
            message::Said::Done(_) => Judgement::succeeded("DB2 says that it restored", Vec::new()),
            message::Said::Unknown => Judgement::unknown(format!("RESTORE DATABASE: {said}"), Vec::new()),
            _ => Judgement::failed(format!("RESTORE DATABASE on {machine}: {said}"), Vec::new()),
        }
    });
    steps.push(Step {
        stage: 3,
        judge_effect,
        traps: &[11, 45, 67],
        section: "5.1.4",
        ..idempotent(
            "reseed.restore",
            format!("restore the image {stamp} on {name}, if its database is in no HADR pair"),
            target(ctx),
            script,
            look(vocabulary::cat(&marker)),
            seen,
        )
    });
    steps.push(Step { stage: 4, ..instance::addresses(ctx, id, false, "reseed.addresses") });
    steps.push(Step { stage: 5, section: "5.1.7", ..instance::open(ctx, id, Opening::Standby, "reseed.start") });
    fit(steps)
}

/// The old copy leaves HADR, so that something can be restored over it. It is not active, or a standby that was deactivated.
fn leave(ctx: &Context<'_>) -> Step {
    let (db2, name) = (ctx.pair.db2(), ctx.target().name.clone());
    let mut batch = Batch::default();
    let asked = told::ask(&mut batch, db2);
    let known = db2.clone();
    let title = format!("the old copy on {name} is in no HADR pair");
    let seen = judge(move |output: &Output| {
        let told = asked.told(&known, output);
        let (side, facts) = (told.side(), told.facts(&name, &known, None));
        let why = format!("the database on {name} is {}", told::describe(&side));
        match (side.role, side.active) {
            (HadrRole::Standard, Tri::No) => Judgement::succeeded(why, facts),
            // There is none, which is as good.
            _ if told.absent => Judgement::succeeded("there is no database", facts),
            (HadrRole::Unknown, _) | (_, Tri::Unknown) => Judgement::unknown(format!("{why} ({})", told.why), facts),
            _ => Judgement::failed(why, facts),
        }
    });
    let script = Script::new()
        .run(transfer::is_machine(ctx.target()))
        .run(calls::role_is(db2, &["PRIMARY", "STANDBY"]))
        .look(calls::clp(db2, [calls::stop_hadr(db2)]));
    Step {
        judge_effect: the_probe_decides(),
        traps: &[42, 67],
        section: "5.1.10",
        ..idempotent("reseed.leave", title, target(ctx), script, batch.script(), seen)
    }
}
