//! Every journal boundary, every remote call, and random histories.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use hamn::{
    engine::{Ending, Plans},
    remote::simulated::Mishap,
};
use journal_schema::{End, Fact, Payload, Record, TakeoverForm};
use lab::sim::{EndState, Strike, World};
use workflows::{
    Workflow,
    model::{NodeId, Pair},
};

use crate::stage::{Do, Ink, RUN, Script, Stage, story};

/// A workflow in a situation.
#[derive(Clone)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) workflow: Arc<Workflow>,
    pub(crate) pair: Arc<Pair>,
    pub(crate) world: World,
    /// Consent and attestation.
    pub(crate) decisions: Vec<Payload>,
    /// The machine that the run is aimed at.
    pub(crate) target: NodeId,
    /// What must be true in the world when the run is done, however it came there.
    pub(crate) holds: fn(&World) -> bool,
    /// What a reboot in mid-run takes that is not this workflow's to put back.
    pub(crate) rebooted: fn(&mut EndState),
}

pub(crate) fn cases() -> Vec<Case> {
    let pair = Arc::new(lab::sample::pair());
    let case = |name, workflow: &str, prepare: fn(&mut World)| {
        let mut world = World::healthy(&pair);
        world.advance(60_000);
        prepare(&mut world);
        let workflow = Arc::new(
            workflows::registry::by_name(workflows::model::Flavour::Postgres, workflow)
                .expect("a workflow of that name"),
        );
        Case {
            name,
            workflow,
            pair: pair.clone(),
            world,
            decisions: Vec::new(),
            target: NodeId::B,
            holds: World::served,
            rebooted: |_| {},
        }
    };
    vec![
        case("failover, primary dead", "failover", |w| w.half_dead(NodeId::A)),
        case("failover, primary without power", "failover", |w| w.power(NodeId::A, false)),
        case("failover, primary alive", "failover", |_| {}),
        case("failover, commits wait for the standby", "failover", |w| w.synchronous(true)),
        case("switchover", "switchover", |_| {}),
    ]
}

/// How a history ended.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Came {
    Done,
    RolledBack,
    /// Stopped, with what is unknown or cannot be done.
    Stopped(String),
}

/// Programs follow each other until the run has ended; a stopped run is taken up three times, because an operator would.
pub(crate) fn carry_through(stage: &Stage) -> Came {
    let mut ending = stage.program(if stage.begun() { Do::Resume } else { Do::Start });
    let mut stops = 0;
    for _ in 0..24 {
        match ending {
            Some(Ending::Done) => return Came::Done,
            Some(Ending::RolledBack) => return Came::RolledBack,
            Some(Ending::Stuck { ref step, .. } | Ending::Failed { ref step, .. }) if stops >= 3 => {
                return Came::Stopped(step.clone());
            }
            Some(Ending::Refused { why }) if why.contains("has ended") => return stage.ended(),
            Some(Ending::Refused { why }) => return Came::Stopped(format!("refused: {why}")),
            Some(_) => stops += 1,
            None => {}
        }
        ending = stage.program(if stage.begun() { Do::Resume } else { Do::Start });
    }
    Came::Stopped("never ended".into())
}

impl Stage {
    /// A case, and what is to happen in it.
    pub(crate) fn of(case: &Case, script: Script) -> Self {
        let mut stage = Self::new(case.world.clone(), case.pair.clone(), case.workflow.clone(), case.target, script);
        stage.decisions.clone_from(&case.decisions);
        stage
    }

    /// Its programs have what others planned.
    fn planned(mut self, plans: Option<Plans>) -> Self {
        self.plans = plans;
        self
    }

    /// Items open at the end.
    pub(crate) fn items(&self) -> BTreeSet<String> {
        self.state().map_or_else(BTreeSet::new, |state| state.items.into_keys().collect())
    }

    /// How the run ended by its journal: the program may have died with the last record.
    fn ended(&self) -> Came {
        match self.records().last().map(|r| r.payload.clone()) {
            Some(Payload::Finished { end: End::Done, .. }) => Came::Done,
            Some(Payload::Finished { end: End::RolledBack, .. }) => Came::RolledBack,
            other => Came::Stopped(format!("refused as ended, but the last record is {other:?}")),
        }
    }
}

pub(crate) fn run(case: &Case, script: Script) -> (Stage, Came) {
    let stage = Stage::of(case, script);
    let came = carry_through(&stage);
    (stage, came)
}

/// What the uninterrupted run gives.
pub(crate) struct Reference {
    end: EndState,
    world: World,
    pub(crate) calls: u64,
    pub(crate) commits: u64,
    items: BTreeSet<String>,
    effects: BTreeMap<String, u32>,
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
        // What the run left in place until later is told, whatever happened to it (invariant 10). A strike may change its way.
        Came::Done if script.strikes.is_empty() && !stage.items().is_superset(&reference.items) => {
            fail(format!("open are {:?}, not all of {:?}", stage.items(), reference.items))
        }
        // What struck the world is no fault of the run's: its end is compared when that is mended.
        Came::Done if !script.strikes.is_empty() => Ok(()),
        Came::Done => {
            let (mut expected, mut found) = (reference.end.clone(), matters(scene.world.end_state()));
            if script.calls.iter().any(|(_, m)| matches!(m, Mishap::RebootAfter(_))) {
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
fn matters(mut end: EndState) -> EndState {
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
fn difference(expected: &EndState, found: &EndState) -> String {
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

const MISHAPS: [Mishap; 9] = [
    Mishap::DieBefore,
    Mishap::DieAfter,
    Mishap::LoseAnswer,
    Mishap::Refuse,
    Mishap::Twice,
    Mishap::RebootAfter(0),
    Mishap::RebootAfter(1),
    Mishap::RebootAfter(2),
    Mishap::RebootAfter(9),
];

#[test]
fn every_journal_boundary() {
    for case in cases() {
        journal_boundaries(&case, 1);
    }
}

/// hamn dies before and after every commit, or finds its disk full; of the commits every `nth`. All of these histories reach the end.
pub(crate) fn journal_boundaries(case: &Case, nth: usize) {
    let reference = reference(case);
    let mut histories = 0;
    for at in (0..reference.commits).step_by(nth) {
        for ink in [Ink::DieBefore, Ink::DieAfter, Ink::Full] {
            let script = Script { commits: vec![(at, ink)], ..Script::default() };
            let (stage, came) = run(case, script.clone());
            check(case, &reference, &script, &stage, &came).unwrap_or_else(|what| panic!("{what}"));
            let records = stage.records();
            assert_eq!(came, Came::Done, "{}: {script:?}\n{}", case.name, story(&records));
            // No machine rebooted: what the run itself took away, a resume must not take for lost and put back.
            let gone = records.iter().any(|r| matches!(r.payload, Payload::Regressed { .. }));
            assert!(!gone, "{}: {script:?}\n{}", case.name, story(&records));
            histories += 1;
        }
    }
    println!("{}: {} commits, {histories} histories, all reach the end", case.name, reference.commits);
}

#[test]
fn every_remote_call() {
    let mut wrong = Wrong::default();
    for case in cases() {
        remote_calls(&case, 1, &mut wrong);
    }
    wrong.assert_none();
}

/// Histories that are wrong, by kind: how many, and the first one.
#[derive(Default)]
pub(crate) struct Wrong(BTreeMap<String, (u32, String)>);

impl Wrong {
    fn note(&mut self, case: &Case, result: Result<(), String>) {
        if let Err(what) = result {
            let kind = what.lines().skip(1).take_while(|l| !l.is_empty()).collect::<Vec<_>>().join("\n");
            let of_kind = self.0.entry(format!("{}: {kind}", case.name)).or_insert_with_key(|kind| {
                println!("wrong: {kind}");
                (0, what)
            });
            of_kind.0 += 1;
        }
    }

    /// Shows them all.
    #[track_caller]
    pub(crate) fn assert_none(&self) {
        for (kind, (times, _)) in &self.0 {
            println!("{times} times: {kind}");
        }
        for (_, what) in self.0.values().take(4) {
            println!("=====\n{what}");
        }
        assert!(self.0.is_empty());
    }
}

/// As [`check`]; and where `must` is set the history must reach the end.
fn judged(case: &Case, reference: &Reference, script: &Script, must: bool) -> (Came, Result<(), String>) {
    let (stage, came) = run(case, script.clone());
    let mut result = check(case, reference, script, &stage, &came);
    let shown = std::env::var_os("HAMN_STOPPED").is_some() && matches!(came, Came::Stopped(_));
    if result.is_ok() && (must && came != Came::Done || shown) {
        result = Err(format!("{}: {script:?}\n{came:?}\n\n{}", case.name, story(&stage.records())));
    }
    (came, result)
}

/// Every mishap at every remote call; of the calls every `nth`.
pub(crate) fn remote_calls(case: &Case, nth: usize, wrong: &mut Wrong) {
    let reference = reference(case);
    let (mut ends, mut histories) = (BTreeMap::<Came, u32>::new(), 0);
    for at in (0..reference.calls).step_by(nth) {
        for mishap in MISHAPS {
            let script = Script { calls: vec![(at, mishap)], ..Script::default() };
            let reboot = matches!(mishap, Mishap::RebootAfter(_));
            let (came, result) = judged(case, &reference, &script, !reboot);
            wrong.note(case, result);
            *ends.entry(came).or_default() += 1;
            histories += 1;
        }
    }
    println!("{}: {} calls, {histories} histories: {ends:?}", case.name, reference.calls);
}

/// Something strikes the world at some time within or after every remote call; of the calls every `nth`.
pub(crate) fn struck_at_any_tick(case: &Case, blows: &[&[(u64, Strike)]], nth: usize, wrong: &mut Wrong) {
    let reference = reference(case);
    let (mut ends, mut mends, mut histories) = (BTreeMap::<Came, u32>::new(), BTreeMap::<String, u32>::new(), 0);
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
                *ends.entry(came).or_default() += 1;
                *mends.entry(after).or_default() += 1;
                histories += 1;
            }
        }
    }
    println!("{}: {} calls, {histories} histories with a strike: {ends:?}", case.name, reference.calls);
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

/// Before the pivot: from each point back, and the world is as it was.
#[test]
fn rollback_from_every_point_before_the_pivot() {
    for case in cases() {
        rollbacks(&case, 1);
    }
}

/// What is compared after a rollback, when somebody has made the primary whole: rolling back a fence powers it on again.
fn healed(world: &mut World) -> EndState {
    world.heal(NodeId::A);
    world.advance(600_000);
    let mut end = world.end_state();
    for node in &mut end.nodes {
        // An image of the database harms nothing, and stays.
        node.files.retain(|path, _| !path.contains("/XCATDB.0."));
    }
    for hosts in end.nodes.iter_mut().filter_map(|n| n.files.get_mut("/etc/hosts 644")) {
        // mktcpip writes its line anew, with a tab.
        *hosts = hosts.replace('\t', " ").into();
    }
    end
}

/// As [`rollback_from_every_point_before_the_pivot`]; of the points every `nth`.
pub(crate) fn rollbacks(case: &Case, nth: usize) {
    let reference = reference(case);
    let before = healed(&mut case.world.clone());
    let (mut back, mut refused, mut waited) = (0, 0, 0);
    for at in (1..reference.commits).step_by(nth) {
        for ink in [Ink::DieBefore, Ink::DieAfter] {
            let script = Script { commits: vec![(at, ink)], ..Script::default() };
            let stage = Stage::of(case, script.clone());
            assert_eq!(stage.program(Do::Start), None);
            let mut end = stage.program(Do::Rollback);
            if case.world.link_is_cut() && matches!(end, Some(Ending::Stuck { .. })) {
                // A primary does not open without its standby. Once the two reach each other, the rollback goes on.
                stage.scene.lock().unwrap().world.strike_in(0, Strike::Link { cut: false });
                end = stage.program(Do::Rollback);
                waited += 1;
            }
            match end {
                Some(Ending::RolledBack) => {
                    let after = healed(&mut stage.scene.lock().unwrap().world);
                    let violations = stage.violations.lock().unwrap();
                    assert_eq!(*violations, Vec::<String>::new(), "{}: {script:?}", case.name);
                    assert!(
                        after == before,
                        "{}: {script:?}: {}\n{}",
                        case.name,
                        difference(&before, &after),
                        story(&stage.records())
                    );
                    back += 1;
                }
                Some(Ending::Refused { why }) => {
                    assert!(why.contains("pivot") || why.contains("has ended"), "{why}");
                    refused += 1;
                }
                other => panic!("{}: {script:?}: {other:?}\n{}", case.name, story(&stage.records())),
            }
        }
    }
    assert!(back > 0 && refused > 0);
    println!(
        "{}: rolled back from {back} points, {waited} of them once the link was whole; refused after the pivot at {refused}",
        case.name
    );
}

/// Before the pivot, something happens to the way back itself: every mishap at every call of it, of these every `nth`. When what happened is
/// over, `hamn rollback` again comes to the end; and what it says until then names that command. A machine that was rebooted when it had
/// got something back that no boot restores (the service address) must be made whole by somebody first.
pub(crate) fn rollbacks_interrupted(case: &Case, nth: usize) {
    let reference = reference(case);
    // The last record at which the way back is open.
    let turned = |script: Script| {
        let stage = Stage::of(case, script);
        assert_eq!(stage.program(Do::Start), None);
        stage
    };
    let open = |at: u64| {
        let stage = turned(Script { commits: vec![(at, Ink::DieBefore)], ..Script::default() });
        stage.state().is_some_and(|s| s.can_roll_back())
    };
    let Some(last) = (1..reference.commits).rev().find(|at| open(*at)) else { panic!("{}: no way back", case.name) };
    let commits = vec![(last, Ink::DieBefore)];
    let begin = turned(Script { commits: commits.clone(), ..Script::default() }).calls.load(Ordering::Relaxed);
    let whole = turned(Script { commits: commits.clone(), ..Script::default() });
    if case.world.link_is_cut() {
        whole.scene.lock().unwrap().world.strike_in(0, Strike::Link { cut: false });
    }
    assert_eq!(whole.program(Do::Rollback), Some(Ending::RolledBack), "{}", case.name);
    let whole_again = |world: &mut World| {
        world.heal(NodeId::B);
        matters(healed(world))
    };
    let expected = whole_again(&mut whole.scene.lock().unwrap().world);
    let calls = whole.calls.load(Ordering::Relaxed);
    let (mut histories, mut stuck, mut rebooted) = (0, 0, 0);
    for at in (begin..calls).step_by(nth) {
        for mishap in MISHAPS {
            let stage = turned(Script { commits: commits.clone(), calls: vec![(at, mishap)], ..Script::default() });
            if case.world.link_is_cut() {
                stage.scene.lock().unwrap().world.strike_in(0, Strike::Link { cut: false });
            }
            let mut end = stage.program(Do::Rollback);
            for again in 0..4 {
                if let Some(Ending::Stuck { settle, .. }) = &end {
                    assert!(settle.starts_with(&format!("hamn rollback {RUN}")), "{settle}");
                    stuck += 1;
                }
                if matches!(end, Some(Ending::RolledBack)) {
                    break;
                }
                if matches!((&end, mishap), (Some(Ending::Stuck { .. }), Mishap::RebootAfter(_))) {
                    // What was given back to a machine before it was rebooted, its boot took away again: somebody makes it whole.
                    rebooted += 1;
                    whole_again(&mut stage.scene.lock().unwrap().world);
                }
                // Both commands go on with a way back.
                end = stage.program(if again % 2 == 0 { Do::Rollback } else { Do::Resume });
            }
            let story = story(&stage.records());
            assert_eq!(end, Some(Ending::RolledBack), "{}: call {at}: {mishap:?}\n{story}", case.name);
            assert_eq!(stage.items(), BTreeSet::new(), "{}: call {at}: {mishap:?}\n{story}", case.name);
            let found = whole_again(&mut stage.scene.lock().unwrap().world);
            let differs = difference(&expected, &found);
            assert!(expected == found, "{}: call {at}: {mishap:?}: {differs}\n{story}", case.name);
            let violations = stage.violations.lock().unwrap();
            assert!(violations.is_empty(), "{}: call {at}: {mishap:?}: {violations:?}\n{story}", case.name);
            histories += 1;
        }
    }
    println!(
        "{}: {histories} rollbacks interrupted, {stuck} times stuck, {rebooted} until a machine was whole again; all end",
        case.name
    );
}

#[test]
fn an_interrupted_rollback_ends() {
    for case in cases() {
        rollbacks_interrupted(&case, 1);
    }
}

/// A small generator of our own would do, but a known one is reproducible by anybody: SplitMix64.
pub(crate) struct Seed(pub(crate) u64);

impl Seed {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
}

pub(crate) fn random_script(seed: u64, reference: &Reference) -> Script {
    let mut seed = Seed(seed);
    let mut script = Script::default();
    for _ in 0..=seed.below(3) {
        script.calls.push((seed.below(reference.calls * 2), MISHAPS[seed.below(MISHAPS.len() as u64) as usize]));
    }
    for _ in 0..seed.below(3) {
        let ink = [Ink::DieBefore, Ink::DieAfter, Ink::Full][seed.below(3) as usize];
        script.commits.push((seed.below(reference.commits + 20), ink));
    }
    script
}

/// How many histories of each case came to each end.
pub(crate) type Ends = BTreeMap<(&'static str, Came), u64>;

/// Runs and checks the histories of `count` seeds from `first`, on all processors. Panics at the first that is wrong, with its seed.
pub(crate) fn random(first: u64, count: u64) -> Ends {
    random_of(&cases(), first, count, random_script)
}

/// The same, of these cases, with these fates.
pub(crate) fn random_of(cases: &[Case], first: u64, count: u64, script: fn(u64, &Reference) -> Script) -> Ends {
    let cases: Vec<(&Case, Reference)> = cases.iter().map(|c| (c, reference(c))).collect();
    let next = AtomicU64::new(first);
    let ends = std::sync::Mutex::new(Ends::new());
    std::thread::scope(|threads| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
            threads.spawn(|| {
                let plans = Plans::default();
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + count {
                        break;
                    }
                    let (case, reference) = &cases[(seed % cases.len() as u64) as usize];
                    let script = script(seed, reference);
                    // Planning is a third of a history and the same in most of them; in some, every program plans by itself.
                    let plans = (!seed.is_multiple_of(16)).then(|| plans.clone());
                    let stage = Stage::of(case, script.clone()).planned(plans);
                    let came = carry_through(&stage);
                    if let Err(what) = check(case, reference, &script, &stage, &came) {
                        panic!("HAMN_SEED={seed}: {what}");
                    }
                    *ends.lock().unwrap().entry((case.name, came)).or_default() += 1;
                }
            });
        }
    });
    ends.into_inner().unwrap()
}

#[test]
fn random_histories() {
    // Unoptimised, a history takes ten times as long; the whole number is run by `benches/run simulated` and by a release build.
    let usual = if cfg!(debug_assertions) { 4_000 } else { 100_000 };
    let count: u64 = std::env::var("HAMN_HISTORIES").ok().and_then(|n| n.parse().ok()).unwrap_or(usual);
    let first: u64 = std::env::var("HAMN_FIRST_SEED").ok().and_then(|n| n.parse().ok()).unwrap_or(1);
    let began = std::time::Instant::now();
    let ends = random(first, count);
    println!("{count} random histories from seed {first} in {:.1} s", began.elapsed().as_secs_f64());
    for ((case, came), n) in &ends {
        println!("  {case}: {came:?}: {n}");
    }
    let done: u64 = ends.iter().filter(|((_, came), _)| *came == Came::Done).map(|(_, n)| n).sum();
    assert!(done * 10 >= count * 9, "nine of ten histories must reach the end, {done} of {count} did");
}

/// A program that takes over what others planned writes the records that it writes when it plans by itself.
#[test]
fn plans_of_others_are_the_same_plans() {
    let plans = Plans::default();
    for case in &cases() {
        let reference = reference(case);
        for seed in 0..24 {
            let script = random_script(seed, &reference);
            let (alone, came) = run(case, script.clone());
            let shared = Stage::of(case, script).planned(Some(plans.clone()));
            assert_eq!(carry_through(&shared), came, "{}: HAMN_SEED={seed}", case.name);
            assert_eq!(shared.records(), alone.records(), "{}: HAMN_SEED={seed}", case.name);
        }
    }
}

/// Shows one history: `HAMN_SEED=n`.
#[test]
fn one_seed() {
    let Some(seed) = std::env::var("HAMN_SEED").ok().and_then(|n| n.parse::<u64>().ok()) else { return };
    let cases = cases();
    let case = &cases[(seed % cases.len() as u64) as usize];
    let reference = reference(case);
    let script = random_script(seed, &reference);
    let (stage, came) = run(case, script.clone());
    println!("{}: {script:?}: {came:?}\n{}", case.name, story(&stage.records()));
    check(case, &reference, &script, &stage, &came).unwrap();
}
