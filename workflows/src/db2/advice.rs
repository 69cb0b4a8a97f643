//! What keeps a machine's DB2 from being built on, for a person: what failed, what the machine said, the command to type.
//!
//! Everything that a run needs of the database behind its pivot is asked for before it, and must have been answered: a `db2` that hangs
//! there would stop the run where there is no way back.

use super::{
    read::{Instance, Seen},
    told::Told,
};
use crate::{
    by_hand::{as_owner, as_root},
    model::{Db2, Node},
    script::{ActionResult, Output},
    step::next,
    steps::read::said,
    vocabulary::db2 as calls,
};

/// How a database that is not active becomes so, in the role that it keeps: a standby loses no log by it.
pub fn activate(node: &Node, db2: &Db2, instance_runs: bool) -> String {
    let start = if instance_runs { "" } else { "db2start; " };
    let command = as_owner(node, db2, &format!("{start}db2 {}; db2 terminate", calls::activate(db2)));
    next(&command, "activates the database in its role")
}

/// What of a look's answers on the instance and the database is missing, with what to do; `None`: everything was answered.
pub fn unanswered(node: &Node, db2: &Db2, answers: &Answers<'_>) -> Option<String> {
    let (name, told) = (&node.name, answers.told);
    let state_call = format!("db2gcf -s -p 0 -i {}", db2.instance);
    if answers.instance.exit == Some(ActionResult::TIMED_OUT) {
        return Some(hangs(node, db2, &state_call));
    }
    if let Some(call) = &told.hangs {
        return Some(hangs(node, db2, call));
    }
    if answers.instance.exit == Some(127) || told.why.contains("no instance in") {
        let profile = format!("{}/sqllib/db2profile", db2.home);
        return Some(format!(
            "there is no instance in {} on {name} (database.home): {}{}",
            db2.home,
            said(answers.instance),
            next(
                &as_root(node, &format!("ls -l {profile}")),
                "not mounted, or database.home and database.instance in hamn.toml name another"
            )
        ));
    }
    let stopped = told.seen == Seen::InstanceDown || told.why.starts_with("SQL1032N");
    match answers.state {
        Instance::Available if !stopped => {}
        Instance::Operable | Instance::Available => {
            return Some(format!(
                "the instance {} on {name} is stopped: nothing of its database can be asked{}",
                db2.instance,
                activate(node, db2, false)
            ));
        }
        state => {
            return Some(format!(
                "whether the instance {} on {name} runs is not understood ({state:?}): {state_call} said {}{}",
                db2.instance,
                said(answers.instance),
                next(&as_owner(node, db2, &state_call), "must say: DB2 State : Available")
            ));
        }
    }
    if told.config.is_none() {
        let call = calls::get_config(db2);
        let (command, about) = if told.why.starts_with("SQL1013N") {
            (calls::LIST_DB_DIRECTORY, "shows its name; it goes into database.database of hamn.toml")
        } else {
            (call.as_str(), "must list the parameters, HADR database role among them, in English")
        };
        let advice = next(&as_owner(node, db2, &format!("db2 {command}")), about);
        return Some(format!(
            "the parameters of {} on {name} are not known: {call} said {}{advice}",
            db2.database, told.why
        ));
    }
    if told.alternate.is_none() {
        let call = format!("db2 {}", calls::LIST_DB_DIRECTORY);
        return Some(format!(
            "the directory of databases on {name} could not be read, or {} is not in it{}",
            db2.database,
            next(&as_owner(node, db2, &call), "must list the database with its alternate server")
        ));
    }
    if told.seen == Seen::Unknown {
        let call = format!("db2pd -d {} -hadr", db2.database);
        return Some(format!(
            "what HADR on {name} is doing is not understood: {call} said something else than a whole answer{}",
            next(&as_owner(node, db2, &call), "must show role, state and connection")
        ));
    }
    if answers.manager.is_none() {
        return Some(format!(
            "whether a cluster manager owns HADR on {name} is not known: {} was not understood{}",
            calls::GET_MANAGER,
            next(
                &as_owner(node, db2, &format!("db2 {}", calls::GET_MANAGER)),
                "must list CLUSTER_MGR, without a value"
            )
        ));
    }
    None
}

/// What was asked for in a look.
pub struct Answers<'a> {
    /// Of the database.
    pub told: &'a Told,
    /// What `db2gcf -s` gave.
    pub instance: &'a ActionResult,
    /// That, understood.
    pub state: Instance,
    /// Who manages HADR; empty: nobody; `None`: not known.
    pub manager: Option<&'a str>,
}

/// A program of DB2 that does not answer.
fn hangs(node: &Node, db2: &Db2, call: &str) -> String {
    format!(
        "{call} on {} did not answer in time: it hangs, so that nothing is decided{}",
        node.name,
        next(
            &as_owner(node, db2, call),
            "must answer; until it does, look for what holds it: ps -fu of the instance's owner, its db2diag.log"
        )
    )
}

/// The same, for a fresh look at the database alone.
pub fn unreadable(node: &Node, db2: &Db2, told: &Told) -> Option<String> {
    let whole = Output::default();
    let answers = Answers { told, instance: whole.at(0), state: Instance::Available, manager: Some("") };
    unanswered(node, db2, &answers)
}
