//! What only a person can say: that a machine is off, and whether a step that cannot be looked at took effect.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use async_trait::async_trait;
use hamn::{
    engine::{Answer, Asker, Ending, Question},
    remote::simulated::{Mishap, Scene},
};
use journal_schema::{Fact, Payload};
use lab::sim::{Freeze, World};
use workflows::model::{Fence, Flavour, NodeId, Pair};

use crate::{
    campaign::{Came, Case, carry_through, cases, run},
    judge::{check, reference},
    stage::{Careful, Do, Ink, Script, Stage, operator, story},
};

/// Somebody says that the primary is off.
pub(crate) fn vouch(pair: &Pair) -> Payload {
    let node = pair.nodes[0].name.clone();
    let word = "I pulled both plugs".to_owned();
    Payload::Decided {
        question: "fence.attest".into(),
        answer: word.clone(),
        operator: operator(),
        why: String::new(),
        shown: String::new(),
        evidence: vec![Fact::Attested { node, by: operator().name, text: word }],
    }
}

/// The primary is off, and somebody says so.
pub(crate) fn attested(name: &'static str, device: bool) -> Case {
    let mut pair = lab::sample::pair();
    if !device {
        pair.nodes[0].fence = Fence::Attestation;
    }
    let mut world = World::healthy(&pair);
    world.advance(60_000);
    world.power(NodeId::A, false);
    world.bmc_reachable(NodeId::A, false);
    world.attest(NodeId::A);
    let decision = vouch(&pair);
    let workflow = workflows::registry::by_name(Flavour::Postgres, "failover").expect("a workflow of that name");
    Case {
        name,
        workflow: Arc::new(workflow),
        pair: Arc::new(pair),
        world,
        decisions: vec![decision],
        target: NodeId::B,
        holds: World::served,
        rebooted: |_| {},
    }
}

fn promotions(stage: &Stage) -> u32 {
    stage.scene.lock().unwrap().world.effect_count("promote b")
}

#[test]
fn t02_a_word_is_proof_at_every_boundary_once_it_is_on_disk() {
    for case in [attested("attested, no device", false), attested("attested, silent device", true)] {
        let reference = reference(&case);
        let (mut done, mut early) = (0, 0);
        let commits =
            (0..reference.commits).flat_map(|at| [Ink::DieBefore, Ink::DieAfter].map(|ink| (Some((at, ink)), None)));
        let calls =
            (0..reference.calls).flat_map(|at| [Mishap::DieAfter, Mishap::LoseAnswer].map(|m| (None, Some((at, m)))));
        for (commit, call) in commits.chain(calls) {
            let script = Script {
                commits: commit.into_iter().collect(),
                calls: call.into_iter().collect(),
                ..Script::default()
            };
            let (stage, came) = run(&case, script.clone());
            check(&case, &reference, &script, &stage, &came).unwrap_or_else(|what| panic!("{what}"));
            let records = stage.records();
            let recorded = records
                .iter()
                .any(|r| matches!(&r.payload, Payload::Decided { question, .. } if question == "fence.attest"));
            if recorded {
                assert_eq!(came, Came::Done, "{}: {script:?}\n{}", case.name, story(&records));
                done += 1;
            } else {
                // hamn died between the run's first record and the word: nobody vouches any more.
                assert!(matches!(came, Came::Stopped(_)), "{}: {came:?}\n{}", case.name, story(&records));
                assert_eq!(promotions(&stage), 0, "{}: {script:?}", case.name);
                early += 1;
            }
        }
        assert!(early > 0 && done > 100, "{done} {early}");
        println!("{}: {done} histories reach the end, {early} stop because the word was lost", case.name);
    }
}

#[test]
fn t02_without_a_word_or_with_a_wrong_one_nothing_is_promoted() {
    let nobody = Case { decisions: Vec::new(), ..attested("nobody attested", false) };
    let mut lives = attested("attested, but it answers", false);
    lives.world = World::healthy(&lives.pair);
    let mut says_on = attested("attested, but its device says on", true);
    says_on.world.half_dead(NodeId::A);
    says_on.world.power(NodeId::A, true);
    says_on.world.bmc_reachable(NodeId::A, true);
    for case in [nobody, lives, says_on] {
        let (stage, came) = run(&case, Script::default());
        assert!(matches!(came, Came::Stopped(_)), "{}: {came:?}", case.name);
        assert_eq!(promotions(&stage), 0, "{}", case.name);
        assert_eq!(*stage.violations.lock().unwrap(), Vec::<String>::new(), "{}", case.name);
        // The way back is open.
        assert_eq!(stage.program(Do::Rollback), Some(Ending::RolledBack), "{}", case.name);
    }
}

/// Goes and looks, repairs what kept hamn from seeing, and says what is true.
struct Honest {
    scene: Arc<Mutex<Scene>>,
    blind: Arc<AtomicBool>,
    asked: Mutex<BTreeSet<String>>,
}

impl Honest {
    fn repair(&self) {
        self.blind.store(false, Ordering::Relaxed);
        self.scene.lock().unwrap().world.thaw();
    }
}

#[async_trait]
impl Asker for Honest {
    async fn ask(&self, question: Question) -> Answer {
        let scene = self.scene.lock().unwrap();
        let word = if scene.world.writable(NodeId::B) { "holds" } else { "not-happened" };
        assert!(question.options.iter().any(|(w, _)| w == word), "{question:?}");
        drop(scene);
        self.repair();
        self.asked.lock().unwrap().insert(word.to_owned());
        Answer { word: word.into(), why: "I looked".into(), operator: operator() }
    }
}

/// The standby loses its power in the promotion after so many of its actions, and from then on its database does not say what it is.
fn unseen(case: &Case, call: u64, actions: u8, commit: Option<(u64, Ink)>) -> (Stage, Arc<AtomicBool>) {
    let script = Script {
        calls: vec![(call, Mishap::RebootAfter(actions))],
        commits: commit.into_iter().collect(),
        ..Script::default()
    };
    let mut stage = Stage::of(case, script);
    let blind = Arc::new(AtomicBool::new(true));
    let seen = blind.clone();
    stage.meddle = Arc::new(move |scene| {
        let promoting = scene.jobs.tokens().any(|t| t.to_string().contains("promote.database"));
        if promoting && seen.load(Ordering::Relaxed) {
            scene.world.thaw();
            scene.world.freeze("pg_is_in_recovery", Freeze::Before);
        }
    });
    (stage, blind)
}

/// hamn asks, does not go on without an answer, goes on with one, and promotes once; also when it dies before and after every record
/// behind the question.
#[test]
fn a_promotion_that_nobody_can_see_is_put_to_the_operator() {
    let case = cases().into_iter().find(|c| c.name == "failover, primary without power").expect("that case");
    let reference = reference(&case);
    let (mut words, mut histories) = (BTreeSet::new(), 0);
    let end = |stage: &Stage, came: &Came| {
        let told = format!("{}: {:?}\n{}", case.name, stage.script, story(&stage.records()));
        check(&case, &reference, &stage.script, stage, came).unwrap_or_else(|what| panic!("{what}"));
        assert_eq!(*came, Came::Done, "{told}");
        assert_eq!(promotions(stage), 1, "{told}");
    };
    for (call, actions) in (0..reference.calls).flat_map(|call| [0, 9].map(|actions| (call, actions))) {
        let (mut stage, blind) = unseen(&case, call, actions, None);
        let careful = Arc::new(Careful::default());
        stage.asker = careful.clone();
        let first = stage.program(Do::Start);
        if careful.asked() == 0 {
            // This call was not the promotion.
            continue;
        }
        assert!(matches!(&first, Some(Ending::Stuck { step, .. }) if step == "promote.database"), "{first:?}");
        let sent = stage.scene.lock().unwrap().jobs.tokens().count();
        // Nobody could tell, and nobody can now.
        let again = stage.program(Do::Resume);
        assert!(matches!(again, Some(Ending::Stuck { .. } | Ending::Failed { .. })), "{again:?}");
        let promoting = |t: &&journal_schema::Token| t.to_string().contains("promote.database");
        let promoted = stage.scene.lock().unwrap().jobs.tokens().filter(promoting).count();
        assert_eq!(promoted, 1, "sent again: {sent} jobs before");
        // Repaired: hamn sees for itself.
        blind.store(false, Ordering::Relaxed);
        stage.scene.lock().unwrap().world.thaw();
        let came = carry_through(&stage);
        end(&stage, &came);

        let mut commits = vec![None];
        let mut next = 0;
        while let Some(commit) = commits.get(next).copied() {
            next += 1;
            let (mut stage, blind) = unseen(&case, call, actions, commit);
            let honest = Arc::new(Honest { scene: stage.scene.clone(), blind, asked: Mutex::default() });
            stage.asker = honest.clone();
            stage.program(Do::Start);
            // Whoever takes it up again has repaired the database, if hamn died before it could ask.
            honest.repair();
            let came = carry_through(&stage);
            end(&stage, &came);
            words.extend(honest.asked.lock().unwrap().iter().cloned());
            histories += 1;
            if commit.is_none() {
                let (all, records) = (stage.commits.load(Ordering::Relaxed), stage.records());
                let asked =
                    records.iter().position(|r| matches!(&r.payload, Payload::Decided { .. })).unwrap_or(0) as u64;
                let behind = asked.saturating_sub(2)..all;
                commits.extend(behind.flat_map(|at| [Ink::DieBefore, Ink::DieAfter].map(|ink| Some((at, ink)))));
            }
        }
    }
    assert_eq!(words, ["holds", "not-happened"].map(String::from).into(), "both answers were true at some time");
    println!("{histories} histories with a question, all promoted once");
}
