//! What a part of the campaign covered, for a reader who was not there: which histories of which workflow, how they ended, and why
//! those that stopped did.

use std::{collections::BTreeMap, fmt};

use workflows::step::told;

use crate::{
    campaign::{Came, Case},
    stage::Stage,
};

/// How the histories of one case ended.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) done: u64,
    pub(crate) back: u64,
    /// By the step at which they stopped: how many, and what the first of them said.
    stopped: BTreeMap<String, (u64, String)>,
}

impl Tally {
    /// One more.
    pub(crate) fn count(&mut self, came: &Came, stage: &Stage) {
        match came {
            Came::Done => self.done += 1,
            Came::RolledBack => self.back += 1,
            Came::Stopped(step) => {
                let why = || {
                    let said = stage.state().and_then(|s| s.stuck.map(|s| s.why).or(s.interrupted)).unwrap_or_default();
                    told(&said).0.to_owned()
                };
                self.stopped.entry(step.clone()).or_insert_with(|| (0, why())).0 += 1;
            }
        }
    }

    /// All of them.
    pub(crate) fn histories(&self) -> u64 {
        self.done + self.back + self.stopped.values().map(|(n, _)| n).sum::<u64>()
    }

    /// Those of another part.
    #[allow(dead_code, reason = "the bench adds its batches up")]
    pub(crate) fn add(&mut self, other: Self) {
        self.done += other.done;
        self.back += other.back;
        for (step, (n, why)) in other.stopped {
            self.stopped.entry(step).or_insert((0, why)).0 += n;
        }
    }

    /// The lines of a case, after what was done to it.
    pub(crate) fn print(&self, case: &Case, what: &str) {
        println!("{} (workflow {}): {what}: {self}", case.name, case.workflow.name);
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stopped = self.histories() - self.done - self.back;
        write!(f, "{} histories: {} done, {} rolled back, {stopped} stopped", self.histories(), self.done, self.back)?;
        for (step, (n, why)) in &self.stopped {
            let why: String = why.chars().take(220).collect();
            write!(f, "\n    {n:>5} stopped at {step}, taken up three times; the first said: {why}")?;
        }
        Ok(())
    }
}

/// Histories that are wrong, by kind: how many, and the first one.
#[derive(Default)]
pub(crate) struct Wrong(BTreeMap<String, (u32, String)>);

impl Wrong {
    pub(crate) fn note(&mut self, case: &Case, result: Result<(), String>) {
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
