//! That the watch sees: hamn is broken on purpose, one promise at a time, in a table whose rows do something else than they should, and
//! the campaign must say which invariant that broke. A watch that never trips shows nothing.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use journal_schema::{Attempt, Fact, Mode, Payload};
use lab::sim::SECRET;
use workflows::{
    Action, Command, Context, Judgement, Place, Script as Actions, Step, model::NodeId, step::judge_exit_codes,
};

use crate::{
    bound::look_with,
    campaign::{Case, carry_through, cases},
    hadr,
    judge::{Reference, found, reference},
    promises::broken,
    stage::{Ink, Script, Stage, story},
};

/// The case of that name.
fn case(name: &str) -> Case {
    cases().into_iter().chain(hadr::all()).find(|c| c.name == name).unwrap_or_else(|| panic!("no case {name}"))
}

const ALIVE: &str = "failover, primary alive";
const OFF: &str = "failover, primary without power";

/// What the row of that name really does.
fn steps(c: &Context<'_>, workflow: &str, row: &str) -> Vec<Step> {
    let workflow = workflows::registry::by_name(c.pair.flavour(), workflow).expect("a workflow of that name");
    (workflow.row(row).expect("a row of that name").steps)(c)
}

/// The same without the steps whose names begin so.
fn without(c: &Context<'_>, workflow: &str, row: &str, left_out: &[&str]) -> Vec<Step> {
    steps(c, workflow, row).into_iter().filter(|s| !left_out.iter().any(|out| s.id.starts_with(out))).collect()
}

/// The same with the actions of a step that these words are in, and no others, and whatever they come to counts as success.
fn only(c: &Context<'_>, workflow: &str, row: &str, step: &str, words: &str) -> Vec<Step> {
    steps(c, workflow, row)
        .into_iter()
        .map(|mut s| {
            if s.id == step {
                let all = std::mem::replace(&mut s.script, Actions::new()).actions;
                for (action, _) in all {
                    if format!("{action:?}").contains(words) {
                        s.script = s.script.then(action);
                    }
                }
                s.judge_effect = Arc::new(|_| Judgement::succeeded("broken on purpose", Vec::new()));
            }
            s
        })
        .collect()
}

fn nothing(_: &Context<'_>) -> Vec<Step> {
    Vec::new()
}

/// A command on the machine that takes over, that nobody planned.
fn command(c: &Context<'_>, words: &[&str]) -> Step {
    let script = Actions::new().run(Command::new(words.iter().copied()));
    let judge = Arc::new(|_: &_| Judgement::succeeded("done", Vec::new()));
    let place = Place::Node(c.request.target);
    let step =
        Step::effect("a-step-too-many", "nobody planned it", place, Mode::Idempotent, script, Actions::new(), judge);
    Step { judge_effect: judge_exit_codes(), ..step }
}

type Steps = fn(&Context<'_>) -> Vec<Step>;

impl Case {
    /// The row does something else.
    fn row(mut self, name: &str, steps: Steps) -> Self {
        let workflow = Arc::make_mut(&mut self.workflow);
        workflow.rows.iter_mut().find(|r| r.name == name).unwrap_or_else(|| panic!("no row {name}")).steps = steps;
        self
    }
}

/// What the watch says of a history with that fate.
fn said_of(case: &Case, whole: &Reference, stage: &Stage, script: &Script) -> Vec<String> {
    let came = carry_through(stage);
    found(case, whole, script, stage, &came)
}

/// The watch names that invariant, and what broke it, in these words.
#[track_caller]
fn trips(broken: &Case, invariant: &str, words: &str) {
    trips_with(broken, |_| {}, invariant, words);
}

#[track_caller]
fn trips_with(broken: &Case, change: impl FnOnce(&mut Stage), invariant: &str, words: &str) {
    let script = Script::default();
    let whole = reference(&case(broken.name));
    let mut stage = Stage::of(broken, script.clone());
    change(&mut stage);
    assert_says(&said_of(broken, &whole, &stage, &script), &stage, invariant, words);
}

#[track_caller]
fn assert_says(said: &[String], stage: &Stage, invariant: &str, words: &str) {
    let start = format!("{invariant}: ");
    assert!(
        said.iter().any(|what| what.starts_with(&start) && what.contains(words)),
        "broken was {invariant} ({words}), the watch said {said:#?}\n{}",
        story(&stage.records())
    );
}

/// A switchover that does not take one thing away from the machine that steps down.
#[test]
fn the_watch_sees_two_holders() {
    let keeps_address = case("switchover")
        .row("release address and name", nothing)
        .row("promote database", |c| without(c, "switchover", "promote database", &["promote.address-free"]))
        .row("take address and name", |c| only(c, "switchover", "take address and name", "address.take", "\"add\""));
    trips(&keeps_address, "1", "two holders of the service address");
    trips(&keeps_address, "1", "address.take was intended at mn-b; whether mn-a has it was Yes");
    let keeps_database = case("switchover")
        .row("stop database", nothing)
        .row("compare positions", nothing)
        .row("promote database", |c| without(c, "switchover", "promote database", &["promote.stood-down"]));
    trips(&keeps_database, "1", "two writable databases");
    trips(&keeps_database, "1", "promote.database was intended while the database on mn-a was Primary");
    let keeps_xcatd = case("switchover").row("stop xcatd", |c| without(c, "switchover", "stop xcatd", &["stop.xcatd"]));
    trips(&keeps_xcatd, "1", "two xcatd");
    let keeps_dhcpd = case("switchover").row("stop xcatd", |c| without(c, "switchover", "stop xcatd", &["stop.dhcp"]));
    trips(&keeps_dhcpd, "1", "two dhcpd");
}

/// The machine is off in truth and holds nothing; but nobody in this run has asked whether it is. Not known counts as holding.
#[test]
fn the_watch_sees_that_nobody_asked() {
    let blind = case("failover, primary dead")
        .row("fence by device", nothing)
        .row("promote database", |c| without(c, "failover", "promote database", &["promote.fenced"]));
    let off = |stage: &mut Stage| {
        stage.meddle = Arc::new(|scene| {
            if scene.jobs.tokens().any(|t| t.to_string().contains("claim.target")) {
                scene.world.power(NodeId::A, false);
            }
        });
    };
    for step in ["address.take", "xcatd.restart", "services.dhcp"] {
        trips_with(&blind, off, "1", &format!("{step} was intended at mn-b; whether mn-a has it was Unknown"));
    }
}

#[test]
fn the_watch_sees_a_promotion_without_proof() {
    let hasty = |name| {
        case(name).row("fence by device", nothing).row("promote database", |c| {
            without(c, "failover", "promote database", &["promote.fenced", "promote.address-free"])
        })
    };
    trips(&hasty(ALIVE), "2", "b was promoted while a has power");
    trips(&hasty(OFF), "2", "without a fence proof of this run");
    let force = case("DB2 failover, primary without power")
        .row("fence by device", nothing)
        .row("take over by force", |c| without(c, "failover", "take over by force", &["promote.fenced"]));
    trips(&force, "2", "takes over by force, and no fence proof");
}

#[test]
fn the_watch_sees_an_address_that_was_not_asked_for_or_not_announced() {
    let deaf = case(OFF)
        .row("take address and name", |c| only(c, "failover", "take address and name", "address.take", "\"add\""));
    let deaf = deaf.row("promote database", |c| without(c, "failover", "promote database", &["promote.address-free"]));
    trips(&deaf, "3", "without a silent probe");
    let mute = case(OFF)
        .row("rebuild network services", |c| without(c, "failover", "rebuild network services", &["announce"]));
    let mute = mute.row("readdress database", |c| without(c, "failover", "readdress database", &["address.announce"]));
    let mute = mute.row("verify", nothing);
    trips(&mute, "3", "was never announced");
}

#[test]
fn the_watch_sees_an_epoch_that_was_not_raised() {
    trips(&case(OFF).row("raise epoch", nothing), "4", "before the epoch was raised");
    trips(&case("DB2 failover, both alive").row("raise epoch", nothing), "4", "before the epoch was raised");
}

/// The look at the role is left out of the job that restores, and of those before it.
#[test]
fn the_watch_sees_a_restore_over_what_nobody_looked_at() {
    let name = "DB2 set-up, DB2 11.5 and a database there";
    let blind = case(name).row("restore", |c| only(c, "setup", "restore", "seed.restore", "RESTORE D"));
    trips(&blind, "5", "was overwritten; its role was not asked for in this job");
}

#[test]
fn the_watch_sees_a_job_that_is_still_armed() {
    let armed = case(OFF)
        .row("disarm scheduled jobs", nothing)
        .row("promote database", |c| without(c, "failover", "promote database", &["promote.ready"]));
    trips(&armed, "6", "was promoted with a restore armed on it");
    trips(&armed, "6", "was armed by the last listing");
}

#[test]
fn the_watch_sees_xcatd_on_the_wrong_database() {
    let careless = case(OFF).row("start xcatd", |c| without(c, "failover", "start xcatd", &["xcatd.database"]));
    // The data directory is not mounted any more, and the server was started again without it.
    let emptied = |stage: &mut Stage| {
        let once = AtomicBool::new(false);
        stage.meddle = Arc::new(move |scene| {
            let readdressed = scene.jobs.tokens().any(|t| t.to_string().contains("readdress."));
            if readdressed && !once.swap(true, Ordering::Relaxed) {
                scene.world.empty_database(NodeId::B);
            }
        });
    };
    trips_with(&careless, emptied, "7", "with the wrong database");
}

/// A journal that says that it has written an intent, and has not.
#[test]
fn the_watch_sees_an_effect_before_its_intent() {
    let case = case(OFF);
    let whole = reference(&case);
    let mut seen = 0;
    for at in 0..whole.commits {
        let script = Script { commits: vec![(at, Ink::Late)], ..Script::default() };
        let stage = Stage::of(&case, script.clone());
        let said = said_of(&case, &whole, &stage, &script);
        let sent = stage.records().get(at as usize).is_some_and(|r| matches!(r.payload, Payload::Intent { .. }));
        if sent {
            assert_says(&said, &stage, "8", "ran before its intent was written");
            seen += 1;
        }
    }
    assert!(seen > 10, "{seen}");
}

/// A promotion that may have happened is sent again: by its journal, in which the try before has no end.
#[test]
fn the_watch_sees_a_second_try_of_what_may_have_happened() {
    let case = case(OFF);
    let stage = Stage::of(&case, Script::default());
    carry_through(&stage);
    let mut records = stage.records();
    let sent = |p: &Payload| matches!(p, Payload::Intent { step, .. } if step == "promote.database");
    let at = records.iter().position(|r| sent(&r.payload)).expect("it is promoted");
    let mut again = records[at].clone();
    if let Payload::Intent { attempt, .. } = &mut again.payload {
        *attempt = Attempt(2);
    }
    assert!(broken(&case, &records, &stage.scene.lock().unwrap()).is_empty());
    records.insert(at + 1, again);
    let said = broken(&case, &records, &stage.scene.lock().unwrap());
    assert_says(&said, &stage, "8", "promote.database may happen once");
}

/// Said is that nothing is lost; twenty seconds are.
#[test]
fn the_watch_sees_a_bound_that_is_too_small_or_was_never_shown() {
    let boast = |c: &Context<'_>| {
        let mut all = steps(c, "failover", "assess");
        for step in &mut all {
            let judge = step.judge_probe.clone();
            step.judge_probe = Arc::new(move |output| {
                let mut seen = judge(output);
                for fact in &mut seen.evidence {
                    if let Fact::LossBound { bytes, millis } = fact {
                        (*bytes, *millis) = (Some(0), Some(0));
                    }
                }
                seen
            });
        }
        all
    };
    let mut lags = case(OFF);
    lags.world.power(NodeId::A, true);
    lags.world.heal(NodeId::A);
    lags.world.client_every(250);
    lags.world.lag(20_000);
    lags.world.advance(120_000);
    lags.world.power(NodeId::A, false);
    trips(&lags.clone().row("assess", boast), "9", "ms are lost, shown were 0");
    trips(&case(OFF).row("assess", nothing), "9", "before anything was said of the loss");
}

#[test]
fn the_watch_sees_a_change_that_no_item_tells_of() {
    let silent = case("switchover").row("disarm scheduled jobs", |c| {
        let all = steps(c, "switchover", "disarm scheduled jobs");
        all.into_iter().map(|s| Step { opens: None, ..s }).collect()
    });
    trips(&silent, "10", "are commented out, and no item says so");
}

#[test]
fn the_watch_sees_a_node_that_is_touched() {
    let touches: Steps = |c| vec![command(c, &["/opt/xcat/bin/nimnodeset", "-i", "610image", "cn01"])];
    let name = "DB2 failover, primary without power";
    trips(&case(name).row("restore boot configuration", touches), "11", "the next boot of cn01 was set anew");
    let powers: Steps = |c| vec![command(c, &["/opt/xcat/bin/rpower", "cn01", "reset"])];
    trips(&case(OFF).row("verify", powers), "complaint", "rpower cn01 reset");
}

#[test]
fn the_watch_sees_a_dry_run_that_writes() {
    let writes: Steps = |c| {
        let mut all = steps(c, "failover", "observe");
        let action = Action::WriteFile { path: "/var/tmp/was-here".into(), mode: 0o600, content: "x".into() };
        all[0].probe = std::mem::replace(&mut all[0].probe, Actions::new()).then(action);
        all
    };
    let case = case(ALIVE).row("observe", writes);
    let (_, _, violations) = look_with(&case.world, &case.pair, &case.workflow, NodeId::B);
    assert!(violations.iter().any(|v| v.invariant == 12 && v.what.contains("a dry run did")), "{violations:?}");
}

#[test]
fn the_watch_sees_a_secret() {
    let tells: Steps = |c| vec![command(c, &["echo", SECRET])];
    let case = case(OFF).row("verify", tells);
    trips(&case, "complaint", "a secret is among the arguments");
    trips(&case, "secret", "in what a-step-too-many runs");
}
