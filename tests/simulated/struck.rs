//! The world itself is struck: a link is cut, a machine dies, at any moment of what runs.

use std::collections::BTreeMap;

use hamn::engine::Ending;
use lab::sim::{Strike, World};
use workflows::{model::NodeId, vocabulary};

use crate::{
    campaign::{Came, Case, carry_through, run},
    judge::{Reference, check, difference, matters, reference},
    random::Seed,
    stage::{Do, RUN, Script, Stage, story},
    tally::{Tally, Wrong},
};

/// Something strikes the world at some time within or after every remote call; of the calls every `nth`.
pub(crate) fn struck_at_any_tick(case: &Case, blows: &[&[(u64, Strike)]], nth: usize, wrong: &mut Wrong) {
    let reference = reference(case);
    let (mut tally, mut mends) = (Tally::default(), BTreeMap::<String, u32>::new());
    let mut seed = Seed(1);
    for at in (0..reference.calls).step_by(nth) {
        for blow in blows {
            // Some at once, some in the middle of what the call runs.
            for ms in [0, 1 + seed.below(100), 1 + seed.below(4_000)] {
                let strikes = blow.iter().map(|(later, strike)| (at, ms + later, *strike)).collect();
                let script = Script { strikes, ..Script::default() };
                let (stage, came) = run(case, script.clone());
                let result = check(case, &reference, &script, &stage, &came);
                let result = result.and_then(|()| mended(case, &reference, &script, &stage, &came));
                let after = result.as_ref().map_or_else(|_| "wrong".to_owned(), ToString::to_string);
                wrong.note(case, result.map(drop));
                tally.count(&came, &stage);
                *mends.entry(after.lines().next().unwrap_or_default().to_owned()).or_default() += 1;
            }
        }
    }
    let every = if nth == 1 { "each".into() } else { format!("every {nth}th") };
    tally.print(
        case,
        &format!("{} blows, three times each, at {every} of {} remote calls", blows.len(), reference.calls),
    );
    for (after, n) in mends {
        println!("    {n:>5} when what was struck is whole again: {after}");
    }
}

/// When what was struck is whole again: a run that was done has the end of the uninterrupted one; one that stopped reaches it when it is
/// resumed, or goes back, or says which step cannot be done and why.
fn mended(case: &Case, reference: &Reference, script: &Script, stage: &Stage, came: &Came) -> Result<String, String> {
    let fail =
        |what: String| Err(format!("{}: {script:?}\ncame: {came:?}\n{what}\n\n{}", case.name, story(&stage.records())));
    let strikes: Vec<Strike> = script.strikes.iter().map(|(.., strike)| *strike).collect();
    let mend = |world: &mut World| {
        // A machine that the run powers off stays off.
        let off: Vec<NodeId> = NodeId::BOTH.into_iter().filter(|id| !reference.world.powered(*id)).collect();
        // A good day's machine has its place in the service, which a set-up has not given it yet and a failback takes from the other.
        let whole = !["setup", "failback"].contains(&case.workflow.name);
        world.mend(&strikes, &off, whole);
    };
    mend(&mut stage.scene.lock().unwrap().world);
    let now = if *came == Came::Done { Came::Done } else { carry_through(stage) };
    {
        let violations = stage.violations.lock().unwrap();
        if !violations.is_empty() {
            return fail(format!("mended, then: {violations:?}"));
        }
    }
    if let Came::Stopped(step) = &now {
        // Forward it cannot; the operator is told by whom and why, and before the pivot the way back is open.
        let told = stage.state().and_then(|s| s.stuck.map(|s| s.why).or(s.interrupted));
        let Some(why) = told.filter(|w| !w.is_empty()) else {
            return fail(format!("stopped at {step} without a word"));
        };
        return match stage.program(Do::Rollback) {
            Some(Ending::RolledBack) => Ok(format!("rolled back from {step}")),
            Some(Ending::Refused { .. }) => Ok(format!("stopped: {why}")),
            Some(Ending::Stuck { settle, .. }) if settle.contains(&format!("hamn abandon {RUN}")) => {
                given_up(case, stage).map_or_else(fail, |()| Ok(format!("given up at {step}, and a new run was done")))
            }
            other => fail(format!("stopped at {step}: {why}; and the way back: {other:?}")),
        };
    }
    if stage.items() != reference.items || now != Came::Done {
        return Ok(format!("{now:?} with more open items"));
    }
    let mut world = reference.world.clone();
    mend(&mut world);
    // The name server and the consoles that a reboot ended are the boot's to start, not a set-up's.
    let of = |world: &World| {
        let mut end = matters(world.end_state());
        end.nodes.iter_mut().filter(|_| case.workflow.name == "setup").for_each(|node| node.helpers.clear());
        end
    };
    let (expected, found) = (of(&world), {
        let mut scene = stage.scene.lock().unwrap();
        mend(&mut scene.world);
        of(&scene.world)
    });
    if expected == found { Ok("the end of the uninterrupted run".into()) } else { fail(difference(&expected, &found)) }
}

/// A machine that will not come back keeps a run from going either way: who gives it up and takes its claims away, as he is told, gets what
/// he wanted from a new one.
fn given_up(case: &Case, stage: &Stage) -> Result<(), String> {
    let mut world = stage.scene.lock().unwrap().world.clone();
    // A machine that is off keeps its claim; nobody can take it away there.
    let on: Vec<NodeId> = NodeId::BOTH.into_iter().filter(|id| world.powered(*id)).collect();
    for id in on {
        world.remove_file(id, &vocabulary::claim_text_path(&case.pair));
    }
    let anew = Case { world, ..case.clone() };
    let (stage, came) = run(&anew, Script::default());
    let violations = stage.violations.lock().unwrap();
    let holds = (case.holds)(&stage.scene.lock().unwrap().world);
    if came == Came::Done && holds && violations.is_empty() {
        return Ok(());
    }
    Err(format!("given up, and the new run: {came:?}, it holds: {holds}, {violations:?}\n{}", story(&stage.records())))
}

/// The primary hands over and dies before its jobs are disarmed: that run can go neither way. Who types what it says (gives it up, takes the
/// claims away, starts anew) gets a failover, with the machine dead as it is.
#[test]
fn a_primary_that_dies_while_it_hands_over_is_failed_over_from_as_told() {
    let case = crate::hadr::case_of("DB2 failover, both alive", "failover", workflows::example::procedure(), |_| {});
    let dies = Strike::Power { id: NodeId::A, on: false };
    let died = (0..reference(&case).calls).find_map(|at| {
        let (stage, came) = run(&case, Script { strikes: vec![(at, 0, dies)], ..Script::default() });
        (came == Came::Stopped("disarm.other".into())).then_some(stage)
    });
    let stage = died.expect("a call at which it dies before its jobs are disarmed");
    let Some(Ending::Stuck { settle, .. }) = stage.program(Do::Rollback) else {
        panic!("a dead machine's jobs were put back\n{}", story(&stage.records()))
    };
    let typed: Vec<&str> = settle.lines().filter_map(|line| line.split("   #").next()).collect();
    assert!(typed[1].starts_with(&format!("hamn abandon {RUN} --reason ")), "{settle}");
    given_up(&case, &stage).unwrap_or_else(|what| panic!("{what}"));
}
