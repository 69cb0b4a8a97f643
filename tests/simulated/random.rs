//! Random histories: several mishaps in one, by seed.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use hamn::{engine::Plans, remote::simulated::Mishap};

use crate::{
    campaign::{Case, carry_through, cases, run},
    judge::{Reference, check, reference},
    stage::{Ink, Script, Stage, story},
    tally::Tally,
};

/// What can happen to a call.
pub(crate) const MISHAPS: [Mishap; 9] = [
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

/// How the histories of each case ended.
pub(crate) type Ends = BTreeMap<&'static str, Tally>;

/// Runs and checks the histories of `count` seeds from `first`, on all processors. Panics at the first that is wrong, with its seed.
pub(crate) fn random(first: u64, count: u64) -> Ends {
    random_of(&cases(), first, count, random_script)
}

/// The same, of these cases, with these fates.
pub(crate) fn random_of(cases: &[Case], first: u64, count: u64, script: fn(u64, &Reference) -> Script) -> Ends {
    let cases: Vec<(&Case, Reference)> = cases.iter().map(|c| (c, reference(c))).collect();
    let next = AtomicU64::new(first);
    let ends = Mutex::new(Ends::new());
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
                    ends.lock().unwrap().entry(case.name).or_default().count(&came, &stage);
                }
            });
        }
    });
    ends.into_inner().unwrap()
}

/// First seed and number of histories, unless `HAMN_FIRST_SEED` and `HAMN_HISTORIES` say otherwise.
pub(crate) fn asked_for(usual: u64) -> (u64, u64) {
    let number = |name| std::env::var(name).ok().and_then(|n| n.parse().ok());
    (number("HAMN_FIRST_SEED").unwrap_or(1), number("HAMN_HISTORIES").unwrap_or(usual))
}

/// What was covered, and how a history is seen again.
pub(crate) fn print(cases: &[Case], ends: &Ends, first: u64, count: u64, shows: &str) {
    println!(
        "{count} random histories, one a seed, of seeds {first} to {}; one of them: HAMN_SEED=n cargo test --test simulated {shows} -- \
         --nocapture; others: HAMN_FIRST_SEED=n HAMN_HISTORIES=n",
        first + count - 1
    );
    for case in cases {
        if let Some(tally) = ends.get(case.name) {
            tally.print(case, "random mishaps");
        }
    }
}

#[test]
fn random_histories() {
    // Unoptimised, a history takes ten times as long; the whole number is run by `benches/run simulated` and by a release build.
    let usual = if cfg!(debug_assertions) { 4_000 } else { 100_000 };
    let (first, count) = asked_for(usual);
    let began = std::time::Instant::now();
    let ends = random(first, count);
    print(&cases(), &ends, first, count, "one_seed");
    println!("in {:.1} s", began.elapsed().as_secs_f64());
    let done: u64 = ends.values().map(|tally| tally.done).sum();
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
    show_one(&cases(), random_script);
}

/// The history of the seed in `HAMN_SEED`, if there is one, record by record.
pub(crate) fn show_one(cases: &[Case], script: fn(u64, &Reference) -> Script) {
    let Some(seed) = std::env::var("HAMN_SEED").ok().and_then(|n| n.parse::<u64>().ok()) else { return };
    let case = &cases[(seed % cases.len() as u64) as usize];
    let reference = reference(case);
    let script = script(seed, &reference);
    let (stage, came) = run(case, script.clone());
    println!("{}: {script:?}: {came:?}\n{}", case.name, story(&stage.records()));
    check(case, &reference, &script, &stage, &came).unwrap();
}
