//! Whether a history is right: its invariants, and its end beside that of the uninterrupted run.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::atomic::Ordering,
};

use journal_schema::{Fact, Payload, Record, TakeoverForm};
use lab::sim::{EndState, World};

use crate::{
    campaign::{Came, Case, run},
    stage::{RUN, Script, Stage, story},
};

/// What the uninterrupted run gives.
pub(crate) struct Reference {
    end: EndState,
    pub(crate) world: World,
    pub(crate) calls: u64,
    pub(crate) commits: u64,
    pub(crate) items: BTreeSet<String>,
    effects: BTreeMap<String, u32>,
    way: Vec<String>,
}

/// The states that a run came through, in order.
fn way(records: &[Record]) -> Vec<String> {
    let state = |r: &Record| if let Payload::Entered { state } = &r.payload { Some(state.clone()) } else { None };
    records.iter().filter_map(state).collect()
}

pub(crate) fn reference(case: &Case) -> Reference {
    let (stage, came) = run(case, Script::default());
    let story = story(&stage.records());
    assert_eq!(came, Came::Done, "{}: the uninterrupted run\n{story}", case.name);
    assert_eq!(*stage.violations.lock().unwrap(), Vec::<String>::new(), "{}\n{story}", case.name);
    let mut scene = stage.scene.lock().unwrap();
    assert!(scene.world.complaints().is_empty(), "{}: {:?}", case.name, scene.world.complaints());
    assert_eq!(scene.world.violations_at_end(), Vec::new(), "{}", case.name);
    Reference {
        end: matters(scene.world.end_state()),
        world: scene.world.clone(),
        calls: stage.calls.load(Ordering::Relaxed),
        commits: stage.commits.load(Ordering::Relaxed),
        items: stage.items(),
        effects: scene.world.effects().clone(),
        way: way(&stage.records()),
    }
}

/// The invariants that a history broke, each as its number and what happened; and what has no number.
pub(crate) fn found(case: &Case, reference: &Reference, script: &Script, stage: &Stage, came: &Came) -> Vec<String> {
    let mut scene = stage.scene.lock().unwrap();
    let mut all = stage.violations.lock().unwrap().clone();
    all.extend(scene.world.complaints().iter().map(|what| format!("complaint: {what}")));
    all.extend(crate::promises::broken(case, &stage.records(), &scene));
    let numbered = |v: lab::sim::Violation| format!("{}: {}", v.invariant, v.what);
    if *came == Came::Done {
        all.extend(scene.world.violations_at_end().into_iter().map(numbered));
    }
    let (untold, shown) =
        stage.store.look(RUN, |records| (crate::silence::untold(records, &scene.jobs), shown_bound(records)));
    all.extend(untold.iter().map(|token| format!("8: {token} ran, and was said to have started nothing")));
    let effects = scene.world.effects();
    let promotions =
        |e: &BTreeMap<String, u32>| e.iter().filter(|(k, _)| k.starts_with("promote")).map(|(_, n)| *n).sum::<u32>();
    if promotions(effects) > promotions(&reference.effects) {
        all.push(format!("8: promoted twice: {effects:?}"));
    }
    // A call that arrives twice has the effects of one.
    if !script.calls.is_empty() && script.only_repeats() && *effects != reference.effects {
        let other: Vec<_> = effects.iter().filter(|(k, n)| reference.effects.get(*k) != Some(n)).collect();
        all.push(format!("8: arriving twice had other effects: {other:?}"));
    }
    let lost = scene.world.lost_ms();
    if *came == Came::Done
        && let Some(bound) = shown
        && lost > bound
    {
        all.push(format!("9: {lost} ms are lost, shown were {bound}"));
    }
    if case.world.waits() && scene.world.lost_rows() > 0 {
        all.push(format!("9: {} rows lost although commits waited", scene.world.lost_rows()));
    }
    all
}

/// A history must end as the uninterrupted run does, or stop; break no invariant; and do nothing once-only twice.
pub(crate) fn check(
    case: &Case,
    reference: &Reference,
    script: &Script,
    stage: &Stage,
    came: &Came,
) -> Result<(), String> {
    let fail =
        |what: String| Err(format!("{}: {script:?}\ncame: {came:?}\n{what}\n{}", case.name, story(&stage.records())));
    let broken = found(case, reference, script, stage, came);
    if !broken.is_empty() {
        return fail(format!("broken: {broken:?}"));
    }
    let scene = stage.scene.lock().unwrap();
    match came {
        // An optional step that failed is an open item of the run; what it would have made is then missing, and the rest holds.
        Came::Done if !(case.holds)(&scene.world) => fail("done, and what should hold does not".into()),
        // A machine that was rebooted may be taken over from in another way, which leaves other things in place.
        Came::Done if script.reboots() && way(&stage.records()) != reference.way => Ok(()),
        // What the run left in place until later is told, whatever happened to it (invariant 10). A strike may change its way.
        Came::Done if script.strikes.is_empty() && !stage.items().is_superset(&reference.items) => {
            fail(format!("open are {:?}, not all of {:?}", stage.items(), reference.items))
        }
        // What struck the world is no fault of the run's: its end is compared when that is mended.
        Came::Done if !script.strikes.is_empty() => Ok(()),
        Came::Done => {
            let (mut expected, mut found) = (reference.end.clone(), matters(scene.world.end_state()));
            if script.reboots() {
                (case.rebooted)(&mut expected);
                (case.rebooted)(&mut found);
            }
            if expected == found || stage.items() > reference.items {
                Ok(())
            } else {
                fail(difference(&expected, &found))
            }
        }
        Came::Stopped(why) if why == "never ended" || why.starts_with("refused") => fail("no way out".into()),
        _ => Ok(()),
    }
}

/// What the run said before its promotion that it would lose at most, milliseconds. Nothing in a form that loses nothing.
fn shown_bound(records: &[Record]) -> Option<u64> {
    let mut bound = None;
    for record in records {
        match &record.payload {
            Payload::Outcome { evidence, .. } => {
                for fact in evidence {
                    match fact {
                        Fact::LossBound { millis, .. } => bound = *millis,
                        Fact::Permitted { form: TakeoverForm::Plain | TakeoverForm::PeerWindowOnly, .. } => {
                            bound = Some(0);
                        }
                        _ => {}
                    }
                }
            }
            Payload::Intent { step, .. } if step == "promote.database" || step == "switch.database" => break,
            _ => {}
        }
    }
    bound
}

/// The end as far as it matters: a machine that is off keeps what this or an earlier run left on its disk.
pub(crate) fn matters(mut end: EndState) -> EndState {
    for node in &mut end.nodes {
        if let Some(nim) = &mut node.nim {
            // Resources are made side by side, and again in another order.
            nim.objects.sort_by(|a, b| a.name.cmp(&b.name));
        }
        // Named by the second in which it was made.
        node.files.retain(|path, _| !path.contains("/XCATDB.0.") && !path.contains(".restored "));
        for (path, content) in &mut node.files {
            if path.contains("/deployment ") {
                // When it was saved, and the digest over that.
                let (text, _) = content.split_once("\nsha256").unwrap_or((content, ""));
                let (before, after) = text.split_once("\"taken_ms\":").unwrap_or((text, ""));
                *content = format!("{before}{}", after.trim_start_matches(|c: char| c.is_ascii_digit())).into();
            }
        }
        if !node.power {
            // Where it was when it lost its power is chance.
            node.db2 = None;
            node.files.retain(|path, _| !path.contains("/claim/"));
        }
        if !node.service_address {
            // A reboot ends its name server and consoles, which nobody asks any more, and makes its data the standby's that its
            // signal file says it is.
            node.helpers = if node.helpers.contains("dhcp") { "dhcp".into() } else { String::new() };
            node.database_primary &= !node.files.keys().any(|path| path.contains("standby.signal"));
        }
    }
    end
}

/// Lines in which two ends differ.
pub(crate) fn difference(expected: &EndState, found: &EndState) -> String {
    let (expected, found) = (format!("{expected:#?}"), format!("{found:#?}"));
    // A line that one of them has more often counts, too.
    let count = |text: &str, line: &str| text.lines().filter(|l| *l == line).count();
    let only = |a: &str, b: &str, sign: char| -> String {
        a.lines()
            .filter(|l| count(a, l) > count(b, l))
            .map(|l| format!("{sign} {}\n", l.trim()))
            .collect::<Vec<_>>()
            .concat()
    };
    format!("another end:\n{}{}", only(&expected, &found, '-'), only(&found, &expected, '+'))
}
