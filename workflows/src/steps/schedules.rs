//! Scheduled jobs that write to the node being promoted (traps 22, 24 to 27): found by reading every crontab, every script of
//! `/etc/cron.daily` and its like and whatever systemd's timers start, disarmed, shown by listing again.

use std::collections::BTreeMap;

use journal_schema::{Fact, OpenItem, Tri};

use super::{Batch, fit, idempotent, judge, look, read, the_probe_decides, undo};
use crate::{
    model::{Database, Node, NodeId, Pair, Platform},
    script::{Action, Output, Script},
    step::{Judge, Judgement, Place, Step, judge_exit_codes_of},
    table::Context,
    vocabulary, vocabulary_aix,
};

/// Names and places that a crontab line is judged by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Surroundings {
    /// Names and addresses by which the two machines and the service are called. After a takeover they designate other machines
    /// than the author of the line meant (traps 11 and 25), so that any of them counts.
    pub names: Vec<String>,
    /// Paths that are kept equal on both machines.
    pub managed: Vec<String>,
}

impl Surroundings {
    /// Of a pair; `seen` are host names that were found on the machines.
    pub fn of<'a>(pair: &Pair, seen: impl IntoIterator<Item = &'a str>) -> Self {
        let service = &pair.service;
        let mut names = vec![service.host_name.clone(), service.standby_host_name.clone(), service.address.clone()];
        for node in &pair.nodes {
            names.push(node.name.clone());
            names.extend(node.addresses.iter().cloned());
        }
        names.extend(seen.into_iter().map(str::to_owned));
        names.retain(|n| !n.is_empty());
        names.sort();
        names.dedup();
        let managed = ["/etc/xcat", "/install", "/tftpboot", "/etc/hosts", "/etc/resolv.conf", "/tmp/xcatdb"];
        let mut managed: Vec<String> = managed.map(String::from).to_vec();
        managed.extend(match &pair.database {
            Database::Postgres(pg) => [pg.data_dir.clone(), pg.config_dir.clone()],
            Database::Db2(db2) => [db2.home.clone(), db2.backup_dir.clone()],
        });
        managed.push(pair.xcat.root.clone());
        Self { names, managed }
    }

    fn is_ours(&self, host: &str) -> bool {
        let host = host.rsplit('@').next().unwrap_or(host);
        let short = host.split('.').next().unwrap_or(host);
        self.names.iter().any(|n| n == host || n == short)
    }

    fn is_managed(&self, path: &str) -> bool {
        let path = path.trim_end_matches('/');
        path.is_empty() // the root: what is copied there lands anywhere
            || path.contains(".xcat")
            || ["$HOME", "~"].contains(&path)
            || self.managed.iter().any(|m| {
                path == m
                    || path.strip_prefix(m.as_str()).is_some_and(|rest| rest.starts_with('/'))
                    || m.strip_prefix(path).is_some_and(|rest| rest.starts_with('/'))
            })
    }
}

/// Why a crontab line writes to the node being promoted; `None`: it does not, or it can't fire (blank, comment, assignment).
/// A line that cron would reject (the procedure's own have four time fields, a long dash, `pg restore`) counts all the same: whoever
/// repairs it arms it.
pub fn threat(line: &str, around: &Surroundings) -> Option<&'static str> {
    if cannot_fire(line) {
        return None;
    }
    let mentions = || words(line).iter().any(|w| around.is_ours(w.split(':').next().unwrap_or(w)));
    writes(line, around).or_else(|| mentions().then_some("names a machine of the pair"))
}

/// Why a line of a script that a job runs writes to the node being promoted. That it names a machine is no reason there, but a copy to
/// where a variable says is: better one job too many.
pub fn threat_of_script(line: &str, around: &Surroundings) -> Option<&'static str> {
    if cannot_fire(line) {
        return None;
    }
    let words = words(line);
    let blind = words.iter().position(|w| COPIES.contains(&program(w)));
    let blind = blind.is_some_and(|at| words[at + 1..].iter().any(|w| w.starts_with('$')));
    writes(line, around).or_else(|| blind.then_some("copies to where a variable says"))
}

fn cannot_fire(line: &str) -> bool {
    let line = line.trim();
    line.is_empty() || line.starts_with('#') || is_assignment(line)
}

fn words(line: &str) -> Vec<&str> {
    line.split(|c: char| c.is_whitespace() || ";|&()<>`\"'".contains(c)).filter(|w| !w.is_empty()).collect()
}

/// Programs that copy to another machine or from one.
const COPIES: [&str; 9] = ["rsync", "scp", "gcp", "rcp", "sftp", "unison", "lsyncd", "csync2", "drsync"];

fn program(word: &str) -> &str {
    word.rsplit('/').next().unwrap_or(word)
}

/// `ExecStart=-/usr/bin/rsync …` as a command: without what systemd takes for itself.
fn command_of_unit(line: &str) -> &str {
    line.split_once('=').map_or(line, |(_, command)| command.trim_start().trim_start_matches(['-', '@', ':', '+', '!']))
}

/// Whether a line restores, loads or copies.
fn writes(line: &str, around: &Surroundings) -> Option<&'static str> {
    let words = words(line);
    let programs: Vec<&str> = words.iter().map(|w| program(w)).collect();
    let names = |p: &str| programs.contains(&p);
    let pair_of = |a: &str, b: &str| programs.windows(2).any(|w| w[0] == a && w[1].eq_ignore_ascii_case(b));
    let restores = ["pg_restore", "restorexCATdb", "tabrestore", "pg_basebackup", "pg_rewind", "dropdb", "initdb"];
    if restores.iter().any(|p| names(p)) || pair_of("pg", "restore") || pair_of("db2", "restore") {
        return Some("restores a database");
    }
    if ["psql", "mysql", "sqlite3"].iter().any(|p| names(p)) && (line.contains('<') || words.contains(&"-f")) {
        return Some("loads a file into a database");
    }
    let at = programs.iter().position(|w| COPIES.contains(w))?;
    let arguments = || words[at + 1..].iter().filter(|w| !w.starts_with(['-', '—', '–']));
    let remote: Vec<(&str, &str)> = arguments().filter_map(|w| w.split_once(':')).collect();
    let to = arguments().next_back().copied().unwrap_or_default();
    if remote.iter().any(|(host, _)| around.is_ours(host)) {
        return Some("copies between the two machines");
    }
    match to.split_once(':') {
        // A host that is called by a name of its own, but a path of ours: better one job too many.
        Some((_, path)) if around.is_managed(path) => Some("copies to a path that the pair shares"),
        None if !remote.is_empty() && around.is_managed(to) => Some("fetches into a path that the pair shares"),
        _ => None,
    }
}

/// `NAME=value`, not a command that begins with an assignment.
fn is_assignment(line: &str) -> bool {
    let Some((name, _)) = line.split_once('=') else { return false };
    let name = name.trim_end();
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// The jobs of a listing that threaten the node being promoted, as facts; `None` when the listing is not whole.
pub fn facts(node: &str, listing: &crate::ActionResult, around: &Surroundings) -> Option<Vec<Fact>> {
    let lines = read::crontabs(listing)?;
    let mut armed: Vec<(&str, &str)> = Vec::new();
    let mut last = None;
    for (holder, line) in lines {
        let threatens = match holder {
            // What the job before it runs.
            "" => line.strip_prefix("runs ").is_some_and(|line| threat_of_script(line, around).is_some()),
            holder => match Holder::of(holder) {
                Holder::Crontab => threat(line, around).is_some(),
                Holder::Script => threat_of_script(line, around).is_some(),
                Holder::Unit => threat(command_of_unit(line), around).is_some(),
            },
        };
        if !holder.is_empty() {
            last = Some((holder, line));
        }
        armed.extend(last.filter(|job| threatens && armed.last() != Some(job)));
    }
    Some(armed.into_iter().map(|(holder, line)| job(node, holder, line, Tri::Yes)).collect())
}

/// What holds a job, and so how it is disarmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Holder {
    /// Its line is commented out.
    Crontab,
    /// A script of `/etc/cron.daily` and its like: only what may be executed is run.
    Script,
    /// A unit that a timer starts: a condition that never holds keeps it from being run, also after a reboot, and whether its unit file
    /// is the administrator's or a package's.
    Unit,
}

impl Holder {
    fn of(name: &str) -> Self {
        if !name.starts_with('/') {
            return Self::Unit;
        }
        let often = ["hourly", "daily", "weekly", "monthly"];
        let script = name.strip_prefix("/etc/cron.").and_then(|rest| rest.split_once('/'));
        if script.is_some_and(|(when, _)| often.contains(&when)) { Self::Script } else { Self::Crontab }
    }

    fn disarm(script: Script, name: &str, lines: &[String], tag: &str) -> Script {
        match Self::of(name) {
            Self::Crontab => lines.iter().fold(script, |script, line| {
                script.then(Action::CommentOut { path: name.to_owned(), contains: line.clone(), tag: tag.to_owned() })
            }),
            Self::Script => script.run(vocabulary::executable(name, false)),
            Self::Unit => {
                let content = format!(
                    "#hamn:{tag}: not to run while the other machine's data is behind\n[Unit]\nConditionPathExists=!/\n"
                );
                script
                    .then(Action::WriteFile { path: vocabulary::unit_guard(name), mode: 0o644, content })
                    .run(vocabulary::daemon_reload())
                    .look(vocabulary::stop_unit(name))
            }
        }
    }

    fn rearm(script: Script, name: &str, tag: &str) -> Script {
        match Self::of(name) {
            Self::Crontab => script.then(Action::Uncomment { path: name.to_owned(), tag: tag.to_owned() }),
            Self::Script => script.run(vocabulary::executable(name, true)),
            Self::Unit => {
                script.run(vocabulary::remove(&vocabulary::unit_guard(name))).run(vocabulary::daemon_reload())
            }
        }
    }

    /// How a person sees what was done to it.
    fn show(name: &str, tag: &str) -> String {
        match Self::of(name) {
            Self::Crontab => format!("grep -n '#hamn:{tag}: ' {name}   # armed again by taking that mark away"),
            Self::Script => format!("ls -l {name}   # armed again by chmod a+x"),
            Self::Unit => {
                format!("cat {0}   # armed again by rm {0} && systemctl daemon-reload", vocabulary::unit_guard(name))
            }
        }
    }
}

fn job(node: &str, holder: &str, line: &str, armed: Tri) -> Fact {
    Fact::ScheduledJob { node: node.into(), holder: holder.into(), line: line.into(), armed }
}

/// Disarms the jobs that were found on the target and, where it is alive, on the other machine.
pub fn disarm(ctx: &Context<'_>, other_too: bool) -> Vec<Step> {
    let mut steps = vec![disarm_on(ctx, ctx.request.target)];
    if other_too {
        steps.push(disarm_on(ctx, ctx.request.target.other()));
    }
    fit(steps)
}

/// Looks for jobs on a machine; for workflows whose look at it has no crontabs.
pub fn find(ctx: &Context<'_>, id: NodeId, step_id: &str) -> Step {
    let node = ctx.pair.node(id).name.clone();
    let around = around(ctx);
    let title = format!("scheduled jobs of {node} that write to the other machine");
    let judge = judge(move |output: &Output| match facts(&node, output.at(0), &around) {
        Some(jobs) => Judgement::succeeded(format!("{} jobs", jobs.len()), jobs),
        None => Judgement::unknown(format!("the crontabs of {node} could not be listed whole"), Vec::new()),
    });
    Step {
        retries: 1,
        traps: &[22, 24],
        ..Step::observe(step_id, title, Place::Node(id), look(vocabulary::crontabs()), judge)
    }
}

/// Arms again what [`disarm`] of this run commented out on a machine, and closes its item.
pub fn rearm(ctx: &Context<'_>, id: NodeId) -> Step {
    let node = ctx.pair.node(id);
    let word = if id == ctx.request.target { "target" } else { "other" };
    let tag = format!("run-{}", ctx.run);
    let mut files: Vec<String> =
        ctx.known.jobs().filter(|(n, ..)| *n == node.name).map(|(_, holder, ..)| holder.to_owned()).collect();
    files.sort();
    files.dedup();
    let script = files.iter().fold(Script::new(), |script, holder| Holder::rearm(script, holder, &tag));
    let script = reread(node, &files, script);
    let (name, mark) = (node.name.clone(), format!("#hamn:{tag}: "));
    let seen = judge(move |output: &Output| match read::crontabs(output.at(0)) {
        None => Judgement::unknown(format!("the crontabs of {name} could not be listed whole"), Vec::new()),
        Some(lines) if lines.iter().any(|(_, line)| line.contains(&mark)) => {
            Judgement::failed(format!("jobs of {name} are still commented out"), Vec::new())
        }
        Some(_) => Judgement::succeeded(format!("the jobs of {name} are as before"), Vec::new()),
    });
    let title = format!("arm the scheduled jobs of {} again", node.name);
    let probe = look(vocabulary::crontabs());
    let step_id = format!("rearm.{word}");
    let step = if script.is_empty() {
        Step::observe(&step_id, title, Place::Node(id), probe, seen)
    } else {
        idempotent(&step_id, title, Place::Node(id), script, probe, seen)
    };
    Step {
        retries: 1,
        // A listing shows what hamn did to crontabs and units, and not to scripts.
        look_first: files.iter().all(|f| Holder::of(f) != Holder::Script),
        closes: vec![format!("disarm.{word}.jobs")],
        traps: &[22, 26],
        ..step
    }
}

/// Arms again what this run commented out on the machine that is in service now, if all of it only writes to elsewhere: without these jobs
/// the standby's files would grow old, and nobody would see it. What restores, loads or fetches stays disarmed and open (trap 22).
pub fn rearm_outgoing(ctx: &Context<'_>, id: NodeId) -> Step {
    let node = &ctx.pair.node(id).name;
    let armed = rearm(ctx, id);
    if ctx.known.jobs().filter(|(n, ..)| n == node).all(|(_, holder, line, _)| outgoing(holder, line)) {
        return Step { optional: true, ..armed };
    }
    let title = format!("scheduled jobs of {node} stay disarmed: not all of them write to the other machine only");
    let name = node.clone();
    let listed = judge(move |output: &Output| match read::crontabs(output.at(0)) {
        Some(_) => Judgement::succeeded(format!("which of them {name} needs is for a person to say"), Vec::new()),
        None => Judgement::unknown(format!("the crontabs of {name} could not be listed whole"), Vec::new()),
    });
    Step {
        optional: true,
        traps: &[22, 26],
        ..Step::observe(&armed.id, title, Place::Node(id), look(vocabulary::crontabs()), listed)
    }
}

/// Whether a job of a crontab does nothing to the pair but copy from its own machine to another one. Of more than one command nobody
/// says that, and of one whose goal a variable has neither.
pub fn outgoing(holder: &str, line: &str) -> bool {
    // Where its output goes is no part of the copy.
    let command = line.split('>').next().unwrap_or_default();
    let words = words(command);
    let Some(at) = words.iter().position(|w| COPIES.contains(&program(w))) else { return false };
    let mut places = words[at + 1..].iter().filter(|w| !w.starts_with(['-', '—', '–'])).rev();
    let sent = places.next().is_some_and(|to| to.contains(':') && !to.starts_with('$'));
    let fetched = places.any(|from| from.contains(':'));
    Holder::of(holder) == Holder::Crontab && !command.contains([';', '|', '&', '`', '(']) && sent && !fetched
}

/// cron of AIX reads a crontab when it is handed in, not when its file changes.
fn reread(node: &Node, files: &[String], script: Script) -> Script {
    let owners = files.iter().filter_map(|path| path.strip_prefix("/var/spool/cron/crontabs/"));
    owners
        .filter(|_| node.platform == Platform::Aix)
        .fold(script, |script, owner| script.run(vocabulary_aix::crontab_again(owner)))
}

fn disarm_on(ctx: &Context<'_>, id: NodeId) -> Step {
    let name = ctx.pair.node(id).name.clone();
    let tag = format!("run-{}", ctx.run);
    let mut by_file: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (node, holder, line, _) in ctx.known.jobs() {
        if node == name {
            by_file.entry(holder.to_owned()).or_default().push(line.to_owned());
        }
    }
    let lines: Vec<(String, String)> =
        by_file.iter().flat_map(|(f, lines)| lines.iter().map(|l| (f.clone(), l.clone()))).collect();
    let step_id = format!("disarm.{}", if id == ctx.request.target { "target" } else { "other" });
    let probe = look(vocabulary::crontabs());
    let seen = disarmed(name.clone(), around(ctx), lines.clone());
    let step = if lines.is_empty() {
        // Nothing was found: that it is still so is shown by listing.
        Step::observe(
            &step_id,
            format!("no scheduled job on {name} writes to the new primary"),
            Place::Node(id),
            probe,
            seen,
        )
    } else {
        let (node, files) = (ctx.pair.node(id), by_file.keys().cloned().collect::<Vec<_>>());
        let script =
            by_file.iter().fold(Script::new(), |script, (holder, lines)| Holder::disarm(script, holder, lines, &tag));
        let script = reread(node, &files, script);
        let back = files.iter().fold(Script::new(), |script, holder| Holder::rearm(script, holder, &tag));
        let back = reread(node, &files, back);
        // The holders of other kinds are told apart from crontabs, whose lines can be shown.
        let crontabs = files.iter().all(|f| Holder::of(f) == Holder::Crontab);
        let how = if crontabs { "commented out" } else { "disarmed" };
        let jobs =
            if lines.len() == 1 { "1 scheduled job".to_owned() } else { format!("{} scheduled jobs", lines.len()) };
        let title = if crontabs { format!("comment out {jobs} on {name}") } else { format!("disarm {jobs} on {name}") };
        let judge_back = judge_exit_codes_of(back.actions.len());
        Step {
            judge_effect: if crontabs { judge_exit_codes_of(script.actions.len()) } else { the_probe_decides() },
            undo: Some(undo(back, Script::new(), judge_back)),
            opens: Some(OpenItem {
                id: format!("{step_id}.jobs"),
                text: format!(
                    "{jobs} on {name} {how} with #hamn:{tag}: in {}; not to run while {} is primary",
                    files.join(", "),
                    ctx.target().name
                ),
                command: if crontabs {
                    format!("grep -n '#hamn:{tag}: ' {}   # armed again by taking that mark away", files.join(" "))
                } else {
                    files.iter().map(|f| Holder::show(f, &tag)).collect::<Vec<_>>().join("\n")
                },
            }),
            ..idempotent(&step_id, title, Place::Node(id), script, probe, seen)
        }
    };
    Step { traps: &[22, 24, 25, 26, 27], ..step }
}

/// Surroundings with the host names that were seen.
pub(crate) fn around(ctx: &Context<'_>) -> Surroundings {
    let seen = ctx.pair.nodes.iter().filter_map(|n| ctx.known.host_name(&n.name));
    Surroundings::of(ctx.pair, seen)
}

/// No line of the listing is a threat; `lines` are those known of before.
pub(crate) fn disarmed(node: String, around: Surroundings, lines: Vec<(String, String)>) -> Judge {
    judge(move |output: &Output| match facts(&node, output.at(0), &around) {
        None => Judgement::unknown(
            format!("the crontabs of {node} could not be listed whole: {}", read::said(output.at(0))),
            Vec::new(),
        ),
        Some(armed) if armed.is_empty() => Judgement::succeeded(
            format!("no crontab, script or timer of {node} holds a job that writes to the new primary"),
            lines.iter().map(|(holder, line)| job(&node, holder, line, Tri::No)).collect(),
        ),
        Some(armed) => {
            let first = armed.iter().find_map(|f| match f {
                Fact::ScheduledJob { holder, line, .. } => Some(format!("{holder}: {line}")),
                _ => None,
            });
            Judgement::failed(
                format!("{} jobs can still fire, first {}", armed.len(), first.unwrap_or_default()),
                armed,
            )
        }
    })
}

/// Adds the listing to a batch and gives its place.
pub(crate) fn list(batch: &mut Batch) -> usize {
    batch.look(vocabulary::crontabs())
}
