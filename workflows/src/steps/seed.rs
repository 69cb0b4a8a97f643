//! A database is given to the other machine: backup here, copy, restore there (5.1.3 and 5.1.4 of the procedure). The restore overwrites:
//! which machine it is and that its database is no primary are looked at in the same job, right before it (traps 11 and 45, invariant 5).

use journal_schema::Fact;

use super::{fit, idempotent, judge, look, nothing_to_see, read, setup::idle, undo};
use crate::{
    db2::{
        message::{Said, said},
        read::{Statement, backup_timestamp, config, group},
    },
    model::{Db2, NodeId},
    script::{ActionResult, Command, Output, Script},
    step::{Judgement, Place, Step},
    table::Context,
    vocabulary::{self, db2, transfer},
};

/// The file whose age tells which images were made since.
fn mark(db2_: &Db2) -> String {
    format!("{}/.hamn-mark", db2_.backup_dir.trim_end_matches('/'))
}

/// Marks the moment before a backup.
pub(crate) fn before_backup(db2_: &Db2) -> Command {
    transfer::mark(&mark(db2_))
}

/// Lists what was made since then; read with [`fresh`].
pub(crate) fn after_backup(db2_: &Db2) -> Command {
    transfer::made_since(&mark(db2_), &db2::image(db2_))
}

/// Takes the mark of a backup that did not end away.
fn unmark(db2_: &Db2) -> Command {
    vocabulary::remove(&mark(db2_))
}

/// The image of the timestamp that BACKUP said, if it is one that was made by that BACKUP. DB2 stamps in the time zone that its server was
/// started in, which may be another one than that of any program asked, and an hour occurs twice a year: so no clock is compared, but
/// the file must be younger than the mark.
pub(crate) fn fresh(node: &str, directory: &str, statement: &Statement, listed: &ActionResult) -> Judgement {
    let Some(timestamp) = backup_timestamp(statement) else {
        return Judgement::unknown("BACKUP ended without the timestamp of its image", Vec::new());
    };
    let names = read::complete(listed).and_then(|text| text.strip_suffix(":end\n"));
    let Some(names) = names else {
        let why =
            format!("which images {node} has made since the backup began could not be seen: {}", read::said(listed));
        return Judgement::unknown(why, Vec::new());
    };
    let part = format!(".{timestamp}.");
    if !names.lines().any(|name| name.contains(&part)) {
        let made = if names.is_empty() { "none".to_owned() } else { names.lines().collect::<Vec<_>>().join(", ") };
        let why = format!(
            "BACKUP named the image of {timestamp}, which was not made by it: it is another one, and is not used (made in {directory} on \
             {node} since it began: {made}; look there: ls -l {directory})"
        );
        return Judgement::failed(why, Vec::new());
    }
    let fact =
        Fact::BackupImage { node: node.to_owned(), timestamp: timestamp.clone(), directory: directory.to_owned() };
    Judgement::succeeded(format!("the image is {timestamp}"), vec![fact])
}

/// 5.1.3: an offline backup. The timestamp is taken from its own message, and must be that of an image made by it.
pub fn backup(ctx: &Context<'_>, id: NodeId, step_id: &str) -> Vec<Step> {
    let (node, db2_) = (ctx.pair.node(id), ctx.pair.db2());
    let directory = db2_.backup_dir.trim_end_matches('/').to_owned();
    let idle = idle(db2_);
    let first = idle.actions.len() + 1;
    let script = Script::new()
        .run(transfer::directory(&directory, &db2_.instance))
        .followed_by(&idle)
        .run(before_backup(db2_))
        .run(db2::clp(db2_, [db2::backup(db2_, &directory)]).timeout(db2::LONG_S))
        .run(after_backup(db2_));
    let name = node.name.clone();
    let taken = judge({
        let directory = directory.clone();
        move |output: &Output| stamp(&name, &directory, first, output)
    });
    let keep = undo(
        Script::new().run(unmark(db2_)),
        look(vocabulary::host_name()),
        judge(|_: &Output| Judgement::succeeded("the image stays; it harms nothing", Vec::new())),
    );
    let step = idempotent(
        step_id,
        format!("back {} up on {} to {directory}", db2_.database, node.name),
        Place::Node(id),
        script,
        Script::new(),
        nothing_to_see(),
    );
    fit(vec![Step {
        judge_effect: taken,
        // An older image proves nothing of today's data.
        look_first: false,
        undo: Some(keep),
        retries: 1,
        traps: &[28, 46, 48],
        section: "5.1.3",
        ..step
    }])
}

fn stamp(node: &str, directory: &str, first: usize, output: &Output) -> Judgement {
    let statement = &group(output.at(first + 1), 1)[0];
    let done = said(statement);
    if !done.done() {
        let failed = if done == Said::Unknown { Judgement::unknown } else { Judgement::failed };
        let why = match output.first_failure() {
            Some((at, r)) if at < first => format!("before BACKUP: {}", read::said(r)),
            _ => format!("BACKUP: {done}"),
        };
        return failed(why, Vec::new());
    }
    fresh(node, directory, statement, output.at(first + 2))
}

/// Files of an image.
fn pattern(db2_: &Db2, timestamp: &str) -> String {
    format!("{}.0.*.{timestamp}.*", db2_.database.to_uppercase())
}

/// The image that was made; in a dry plan it has no timestamp yet.
fn image(ctx: &Context<'_>, from: NodeId) -> String {
    ctx.known.image(&ctx.pair.node(from).name).map_or("TIMESTAMP", |(timestamp, _)| timestamp).to_owned()
}

/// 5.1.4, first half: the image goes to the other machine, and is the same there.
pub fn copy(ctx: &Context<'_>, from: NodeId, step_id: &str, known_hosts: &str) -> Vec<Step> {
    let (here, there, db2_) = (ctx.pair.node(from), ctx.pair.node(from.other()), ctx.pair.db2());
    let directory = db2_.backup_dir.trim_end_matches('/');
    let pattern = pattern(db2_, &image(ctx, from));
    let send = transfer::send(known_hosts, there, directory, &pattern, &db2_.instance).timeout(db2::LONG_S);
    let compare = transfer::compare(known_hosts, there, directory, &pattern).timeout(db2::LONG_S / 2);
    let (name, other) = (here.name.clone(), there.name.clone());
    let seen = judge(move |output: &Output| match read::line(output.at(0)) {
        Some("same") => Judgement::succeeded(format!("the image is the same on {name} and {other}"), Vec::new()),
        Some("other") => Judgement::failed(format!("the image is not on {other}, or is another one there"), Vec::new()),
        _ => Judgement::unknown(
            format!("the image on {other} could not be compared: {}", read::said(output.at(0))),
            Vec::new(),
        ),
    });
    let keep = undo(
        Script::new(),
        look(vocabulary::host_name()),
        judge(|_: &Output| Judgement::succeeded("the copy stays; it harms nothing", Vec::new())),
    );
    let step = idempotent(
        step_id,
        format!("copy the image from {} to {}", here.name, there.name),
        Place::Node(from),
        Script::new().run(send),
        look(compare),
        seen,
    );
    fit(vec![Step {
        undo: Some(keep),
        retries: 2,
        retry_pause_ms: 2_000,
        traps: &[25, 28, 33, 71],
        section: "5.1.4",
        ..step
    }])
}

/// 5.1.4, second half: the restore. It never runs on a machine that is not the pinned one, nor over a primary or an unknown role.
pub fn restore(ctx: &Context<'_>, onto: NodeId, step_id: &str) -> Vec<Step> {
    let (node, db2_) = (ctx.pair.node(onto), ctx.pair.db2());
    let directory = db2_.backup_dir.trim_end_matches('/');
    let timestamp = image(ctx, onto.other());
    let script = Script::new()
        .run(transfer::is_machine(node))
        .run(db2::role_is(db2_, &["STANDARD", "STANDBY", "absent"]))
        .followed_by(&idle(db2_))
        // What is a standby still must leave HADR first; a standard one refuses, which is no harm.
        .look(db2::clp(db2_, [db2::may_fail(db2::stop_hadr(db2_))]))
        .run(db2::role_is(db2_, &["STANDARD", "absent"]))
        .run(db2::clp(db2_, [db2::restore(db2_, directory, &timestamp)]).timeout(db2::LONG_S));
    let last = script.actions.len() - 1;
    let name = node.name.clone();
    let effect = judge(move |output: &Output| restored(&name, last, output));
    let name = node.name.clone();
    let seen = judge(move |output: &Output| match config(&group(output.at(0), 1)[0]) {
        None => Judgement::unknown(format!("the configuration on {name} could not be read"), Vec::new()),
        Some(found) => match found.rollforward_pending() {
            Some(true) => Judgement::succeeded(format!("{name} has the image and waits for the log"), Vec::new()),
            Some(false) => Judgement::failed(
                format!(
                    "{name} does not wait for the log: it cannot become a standby (was the log kept when the image was made?)"
                ),
                Vec::new(),
            ),
            None => Judgement::unknown(format!("whether {name} waits for the log is not understood"), Vec::new()),
        },
    });
    let step = idempotent(
        step_id,
        format!("restore the image {timestamp} onto {}, which overwrites its database", node.name),
        Place::Node(onto),
        script,
        look(db2::clp(db2_, [db2::get_config(db2_)])),
        seen,
    );
    fit(vec![Step {
        judge_effect: effect,
        // That a database waits for the log says nothing of which image it has.
        look_first: false,
        traps: &[11, 45, 46],
        section: "5.1.4",
        ..step
    }])
}

fn restored(node: &str, last: usize, output: &Output) -> Judgement {
    if output.at(0).exit == Some(9) {
        return Judgement::failed(format!("this is not {node}: nothing was restored"), Vec::new());
    }
    for at in [1, last - 1] {
        let r = output.at(at);
        match (r.exit, r.stdout.trim()) {
            (Some(0), _) => {}
            (Some(9), role) => {
                let why = format!("the database on {node} is {role}: it is not overwritten");
                return Judgement::failed(why, Vec::new());
            }
            // The script stops there, so that nothing was restored.
            _ => {
                let why = format!("the role on {node} could not be read, and nothing was restored: {}", read::said(r));
                return Judgement::failed(why, Vec::new());
            }
        }
    }
    match said(&group(output.at(last), 1)[0]) {
        Said::Done(_) => Judgement::succeeded("RESTORE: done", Vec::new()),
        // Nothing that can be looked at tells which image a database has. To restore it again is harmless, and refused while one runs.
        Said::Unknown => Judgement::failed("RESTORE: it is not known how it ended; it is to be done again", Vec::new()),
        other => Judgement::failed(format!("RESTORE: {other}"), Vec::new()),
    }
}
