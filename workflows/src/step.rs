//! A step: one effect at one place, as data plus pure functions.

use std::{fmt, sync::Arc};

use journal_schema::{Digest, Fact, Mode, OpenItem, PlannedStep, Verdict};
use serde::{Deserialize, Serialize};

use crate::{
    model::{NodeId, Pair},
    script::{Output, Script},
};

/// Where a step happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// On one of the two machines.
    Node(NodeId),
    /// On the machine that runs hamn (fence agents).
    Controller,
    /// On a further machine, by its place in [`Pair::witnesses`]: a service node of xCAT.
    Witness(u8),
}

impl Place {
    /// Its name in records: the node's fixed name or `controller`.
    pub fn name(self, pair: &Pair) -> &str {
        match self {
            Self::Node(id) => &pair.node(id).name,
            Self::Controller => "controller",
            Self::Witness(index) => &pair.witnesses[usize::from(index)].name,
        }
    }
}

/// Verdict on an effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// How it went.
    pub verdict: Verdict,
    /// Facts that it stands on.
    pub evidence: Vec<Fact>,
    /// For a person: one line why; after it, where it helps, lines of [`next`].
    pub why: String,
}

/// A line behind a reason: the command to type next, and what it does.
pub fn next(command: &str, about: &str) -> String {
    format!("{NEXT}{command}{ABOUT}{about}")
}

const NEXT: &str = "\nnext: ";
const ABOUT: &str = "   # ";

/// A reason taken apart: why, and the commands to type next, each with what it does.
pub fn told(why: &str) -> (&str, Vec<(&str, &str)>) {
    let mut parts = why.split(NEXT);
    let first = parts.next().unwrap_or_default();
    (first, parts.map(|part| part.split_once(ABOUT).unwrap_or((part, ""))).collect())
}

impl Judgement {
    /// The effect holds.
    pub fn succeeded(why: impl Into<String>, evidence: Vec<Fact>) -> Self {
        Self { verdict: Verdict::Succeeded, evidence, why: why.into() }
    }

    /// The effect does not hold.
    pub fn failed(why: impl Into<String>, evidence: Vec<Fact>) -> Self {
        Self { verdict: Verdict::Failed, evidence, why: why.into() }
    }

    /// Nobody can tell.
    pub fn unknown(why: impl Into<String>, evidence: Vec<Fact>) -> Self {
        Self { verdict: Verdict::Unknown, evidence, why: why.into() }
    }
}

/// What a probe saw. For an observation step: `Succeeded` means that the look itself gave an answer that permits to go on.
pub type Observed = Judgement;

/// A pure judgement of an output.
pub type Judge = Arc<dyn Fn(&Output) -> Judgement + Send + Sync>;

/// The undoing of a step.
#[derive(Clone)]
pub struct Undo {
    /// What to run, at the step's place.
    pub script: Script,
    /// Read-only look whether the undoing holds; run in the same job, after `script`. May be empty: then exit codes decide.
    pub probe: Script,
    /// Judges effect and probe results together (`script` results first, then `probe` results).
    pub judge: Judge,
    /// Seconds for the whole job.
    pub timeout_s: u32,
}

/// One effect at one place.
#[derive(Clone)]
pub struct Step {
    /// Unique in the workflow: `[a-z0-9.-]+`, for example `promote.database`.
    pub id: String,
    /// One line for a person, with the node's name.
    pub title: String,
    /// Where.
    pub place: Place,
    /// How often it may happen.
    pub mode: Mode,
    /// Steps of one stage run side by side; stages follow each other. From 0.
    pub stage: u8,
    /// The effect; empty for an observation.
    pub script: Script,
    /// Read-only look: does the effect hold? For an observation: the look itself. Run before the effect (a step whose effect
    /// is there is skipped), again after it in the same job, and by resume.
    pub probe: Script,
    /// Judges the probe's output: `Succeeded` = holds, `Failed` = does not, `Unknown`.
    pub judge_probe: Judge,
    /// Judges the effect's own output before the probe is looked at: `Succeeded` = the probe decides, `Failed` = failed whatever
    /// the probe says, `Unknown` = only a probe that holds makes it a success.
    pub judge_effect: Judge,
    /// The undoing, if there is one.
    pub undo: Option<Undo>,
    /// Seconds for the whole job.
    pub timeout_s: u32,
    /// Further tries after a failure; only where `mode` is not once only. The pause doubles from `retry_pause_ms`.
    pub retries: u8,
    /// See `retries`.
    pub retry_pause_ms: u32,
    /// Its effect dies with a reboot of its place: resume looks again.
    pub volatile: bool,
    /// What of its place a volatile effect is a state of: `instance`, `address`. Of several steps about the same the latest that was begun
    /// counts: what it ended on purpose is not missed. A once-only step is about that of both machines. Empty: of nothing else's.
    pub about: &'static str,
    /// The run goes on without it; failure becomes an open item.
    pub optional: bool,
    /// What it means that the place cannot be reached (never started); `None`: the step has not run and the engine tries again.
    pub unreachable: Option<Judgement>,
    /// Looked at before the effect. `false` only where the effect is cheap and harmless to repeat.
    pub look_first: bool,
    /// Item opened when it succeeded (a temporary change) or, if `optional`, when it failed.
    pub opens: Option<OpenItem>,
    /// Items closed when it succeeded.
    pub closes: Vec<String>,
    /// Traps guarded.
    pub traps: &'static [u8],
    /// Section of the published procedure that it stands for, for example `8.0 step 5`; empty: hamn's own.
    pub section: &'static str,
}

impl Step {
    /// An observation.
    pub fn observe(id: &str, title: impl Into<String>, place: Place, probe: Script, judge: Judge) -> Self {
        Self {
            id: id.to_owned(),
            title: title.into(),
            place,
            mode: Mode::Observe,
            stage: 0,
            script: Script::new(),
            probe,
            judge_probe: judge,
            judge_effect: Arc::new(|_| Judgement::succeeded("", Vec::new())),
            undo: None,
            timeout_s: 60,
            retries: 0,
            retry_pause_ms: 500,
            volatile: false,
            about: "",
            optional: false,
            unreachable: None,
            look_first: true,
            opens: None,
            closes: Vec::new(),
            traps: &[],
            section: "",
        }
    }

    /// An effect. Its own output is judged by exit codes alone (`judge_exit_codes`) until `judge_effect` is set.
    pub fn effect(
        id: &str,
        title: impl Into<String>,
        place: Place,
        mode: Mode,
        script: Script,
        probe: Script,
        judge_probe: Judge,
    ) -> Self {
        let judge_effect = judge_exit_codes_of(script.actions.len());
        Self { mode, script, judge_effect, ..Self::observe(id, title, place, probe, judge_probe) }
    }

    /// The job of the effect: the script, then the probe. The first `script.actions.len()` results are the effect's. When an
    /// action of the effect stops the script the probe is not run; its results are then *not run*, which no judge takes for an answer.
    pub fn job(&self) -> Script {
        self.script.clone().followed_by(&self.probe)
    }

    /// Judges a finished job.
    pub fn judge_job(&self, output: &Output) -> Judgement {
        let (effect, after) = output.clone().split(self.script.actions.len());
        let own = (self.judge_effect)(&effect);
        if own.verdict == Verdict::Failed || self.probe.is_empty() {
            return own;
        }
        let mut seen = (self.judge_probe)(&after);
        if own.verdict == Verdict::Unknown && seen.verdict == Verdict::Failed {
            seen.verdict = Verdict::Unknown;
            seen.why = format!("{}; {}", own.why, seen.why);
        }
        seen.evidence.splice(0..0, own.evidence);
        seen
    }

    /// What the journal keeps of the plan.
    pub fn planned(&self, pair: &Pair) -> PlannedStep {
        PlannedStep {
            id: self.id.clone(),
            title: self.title.clone(),
            place: self.place.name(pair).to_owned(),
            mode: self.mode,
            stage: self.stage,
            undo: self.undo.is_some(),
            volatile: self.volatile,
            optional: self.optional,
            script: self.scripts(),
        }
    }

    /// Digest of all that it may run.
    fn scripts(&self) -> Digest {
        let mut json = Vec::with_capacity(4096);
        let all = (&self.script, &self.probe, self.undo.as_ref().map(|u| &u.script));
        serde_json::to_writer(&mut json, &all).expect("scripts are plain data");
        Digest::of(&json)
    }
}

/// [`judge_exit_codes_of`] a script of at least one action.
pub fn judge_exit_codes() -> Judge {
    judge_exit_codes_of(1)
}

/// Succeeded if all of `actions` exited 0; failed if one exited otherwise; unknown if one was not run, is missing from a cut output, or
/// timed out without a failure.
pub fn judge_exit_codes_of(actions: usize) -> Judge {
    Arc::new(move |output| match output.first_failure() {
        Some((index, r)) if r.exit == Some(crate::ActionResult::TIMED_OUT) => {
            Judgement::unknown(format!("command {} did not end in time", index + 1), Vec::new())
        }
        Some((index, r)) => {
            let said = r.stderr.lines().chain(r.stdout.lines()).map(str::trim).find(|l| !l.is_empty());
            Judgement::failed(
                format!("command {} exited {}: {}", index + 1, r.exit.unwrap_or(-1), said.unwrap_or("it said nothing")),
                Vec::new(),
            )
        }
        None if output.results.len() >= actions && output.all_ok() => {
            Judgement::succeeded("all commands exited 0", Vec::new())
        }
        None => Judgement::unknown("the output is cut short", Vec::new()),
    })
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Step")
            .field("id", &self.id)
            .field("place", &self.place)
            .field("mode", &self.mode)
            .finish_non_exhaustive()
    }
}
