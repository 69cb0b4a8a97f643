//! How a database keeps its log from set-up on (5.1.2), what that costs, and the way back.

use super::{judge, look, undo};
use crate::{
    db2::{
        message::all_done,
        read::{Config, config, group},
    },
    model::{Db2, Node},
    notes,
    script::{Output, Script},
    step::{Judgement, Undo},
    table::Context,
    vocabulary::{db2, transfer},
};

/// Parameters that HADR wants, apart from its own and from how the log is kept.
const PARAMETERS: [(&str, &str); 3] = [("TRACKMOD", "ON"), ("LOGINDEXBUILD", "ON"), ("INDEXREC", "RESTART")];

/// How the log is kept so that nothing of it is overwritten: by parameter of the version, unless it is archived already.
pub(super) fn log_parameter(ctx: &Context<'_>, node: &Node) -> Option<(&'static str, &'static str)> {
    let setting = |name| ctx.known.setting(&node.name, name);
    let version = ctx.known.setting(&ctx.target().name, notes::VERSION).unwrap_or("9.7");
    let major: u32 = version.split('.').next().and_then(|n| n.parse().ok()).unwrap_or(9);
    let archives = setting("LOGARCHMETH1").is_some_and(|v| !v.is_empty() && v != "OFF");
    match (archives, major >= 10) {
        (true, _) => None,
        (false, true) => Some(("LOGARCHMETH1", "LOGRETAIN")),
        (false, false) => Some(("LOGRETAIN", "ON")),
    }
}

/// What 5.1.2 sets on a machine.
pub(super) fn parameters(ctx: &Context<'_>, node: &Node) -> Vec<(&'static str, &'static str)> {
    log_parameter(ctx, node).into_iter().chain(PARAMETERS).collect()
}

/// The former parameters of the database in service. That the log is kept puts it into *backup pending*, and whether that goes away with
/// the parameter is documented nowhere; xcatd could not connect (SQL1116N). An offline backup ends it in any case.
pub(super) fn set_back(db2_: &Db2, former: Vec<String>) -> Undo {
    let count = former.len();
    let directory = db2_.backup_dir.trim_end_matches('/');
    let script = Script::new().look(db2::clp(db2_, former)).look(transfer::directory(directory, &db2_.instance)).look(
        db2::clp(db2_, [db2::may_fail(db2::deactivate(db2_)), db2::backup(db2_, directory)]).timeout(db2::LONG_S),
    );
    let (at, set) = (script.actions.len(), all_done(count, "the former parameters"));
    let (by_hand, instance) = (db2::backup(db2_, directory), db2_.instance.clone());
    let judge = judge(move |output: &Output| {
        let done = set(output);
        if done.verdict != journal_schema::Verdict::Succeeded {
            return done;
        }
        let command = format!("as {instance}, while nobody is connected: db2 {by_hand}");
        match config(&group(output.at(at), 1)[0]).as_ref().and_then(Config::backup_pending) {
            Some(false) => done,
            Some(true) => Judgement::failed(format!("a backup is pending: nobody can connect; {command}"), Vec::new()),
            None => Judgement::unknown(
                format!("whether a backup is pending could not be seen; if so, {command}"),
                Vec::new(),
            ),
        }
    });
    undo(script, look(db2::clp(db2_, [db2::get_config(db2_)])), judge)
}

/// Log files that are kept and archived nowhere fill their file system one day, and a database without room for its log stops: said where
/// the parameter is set.
pub(super) const PILE_UP: &str = "; its log files are kept from then on and pile up: archive them (LOGARCHMETH1), or take old ones away (db2 PRUNE LOGFILE)";
