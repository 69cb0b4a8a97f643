//! The steps, one file a topic. Shared by the workflows; each function plans steps for a transition from its context.
//!
//! Steps use the commands of [`crate::vocabulary`] only, and judge what those print with [`read`].

use std::sync::Arc;

use journal_schema::{Fact, Mode, Tri};

use crate::{
    model::{Flavour, Node, NodeId},
    script::{Action, Command, Output, Script},
    step::{Judge, Judgement, Place, Step, Undo},
    table::Context,
};

pub mod address;
pub mod aix;
pub mod assess;
pub mod claim;
pub mod clocks;
pub mod device;
pub mod drill;
pub mod epoch;
pub mod fence;
pub mod logging;
pub mod loss;
pub mod nim;
pub mod postgres;
pub mod preflight;
pub mod read;
pub mod read_aix;
pub mod refusal;
pub mod roles;
pub mod running;
pub mod schedules;
pub mod seed;
pub mod server;
pub mod service_nodes;
pub mod setup;
pub mod sync;
pub mod verify;
pub mod wire;
pub mod xcat;

/// How one returns after the pivot, for a person. For PostgreSQL the workflow is not written yet: the program prints what to do.
pub fn failback(flavour: Flavour) -> &'static str {
    match flavour {
        Flavour::Postgres => "hamn guide   # how to make the other machine a standby again, by hand",
        Flavour::Db2 => "hamn run failback",
    }
}

/// A read-only script under construction: each command gives the index at which its result is found.
#[derive(Debug, Clone, Default)]
pub struct Batch(Script);

impl Batch {
    /// Adds a look whose failure is for the judgement.
    pub fn look(&mut self, command: Command) -> usize {
        let script = std::mem::take(&mut self.0);
        self.0 = script.look(command);
        self.0.actions.len() - 1
    }

    /// The script.
    pub fn script(self) -> Script {
        self.0
    }
}

/// One look.
pub(crate) fn look(command: Command) -> Script {
    Script::new().look(command)
}

/// Wraps a pure function as a judge.
pub(crate) fn judge(f: impl Fn(&Output) -> Judgement + Send + Sync + 'static) -> Judge {
    Arc::new(f)
}

/// Judge of an effect whose exit codes prove nothing: its probe decides.
pub(crate) fn the_probe_decides() -> Judge {
    judge(|_| Judgement::succeeded("the look afterwards decides", Vec::new()))
}

/// Judge for a step that has no probe: looking proves nothing, so nobody can tell.
pub(crate) fn nothing_to_see() -> Judge {
    judge(|_| Judgement::unknown("there is nothing to look at", Vec::new()))
}

/// A compensation; its time limit is the sum of its commands'.
pub(crate) fn undo(script: Script, probe: Script, judge: Judge) -> Undo {
    let timeout_s = seconds(&script) + seconds(&probe) + MARGIN_S;
    Undo { script, probe, judge, timeout_s }
}

/// Time for reaching the place, on top of the commands' own limits, seconds.
const MARGIN_S: u32 = 15;

/// The most that a script may take, seconds.
pub fn seconds(script: &Script) -> u32 {
    script
        .actions
        .iter()
        .map(|(action, _)| match action {
            Action::Run(command) => command.timeout_s,
            Action::WaitUntil { command, limit_s, .. } => limit_s + command.timeout_s,
            _ => 1,
        })
        .sum()
}

/// Gives each step the time that its commands may take.
pub(crate) fn fit(steps: Vec<Step>) -> Vec<Step> {
    steps
        .into_iter()
        .map(|step| Step { timeout_s: seconds(&step.script) + seconds(&step.probe) + MARGIN_S, ..step })
        .collect()
}

/// A machine that lets one in and then hangs at every command must not hold the failover up; what it did not say is unknown.
pub(crate) fn hasten(steps: Vec<Step>, limit_s: u32) -> Vec<Step> {
    let look = |step: &Step| step.id == "observe.other";
    steps
        .into_iter()
        .map(|step| if look(&step) { Step { timeout_s: step.timeout_s.min(limit_s), ..step } } else { step })
        .collect()
}

/// The machine to be in service.
pub(crate) fn target(ctx: &Context<'_>) -> Place {
    Place::Node(ctx.request.target)
}

/// The machine that was in service.
pub(crate) fn other(ctx: &Context<'_>) -> Place {
    Place::Node(ctx.request.target.other())
}

/// Effect without a temporary exception: idempotent, by script, with its probe.
pub(crate) fn idempotent(
    id: &str,
    title: impl Into<String>,
    place: Place,
    script: Script,
    probe: Script,
    judge: Judge,
) -> Step {
    Step::effect(id, title, place, Mode::Idempotent, script, probe, judge)
}

/// A three-valued answer as a judgement.
pub(crate) fn judged(answer: Tri, why: impl Into<String>, evidence: Vec<Fact>) -> Judgement {
    let why = why.into();
    match answer {
        Tri::Yes => Judgement::succeeded(why, evidence),
        Tri::No => Judgement::failed(why, evidence),
        Tri::Unknown => Judgement::unknown(why, evidence),
    }
}

/// Judges a probe whose only command prints a word that must be `expected`.
pub(crate) fn prints(expected: String, subject: &'static str, facts: Vec<Fact>) -> Judge {
    judge(move |output| match read::line(output.at(0)) {
        Some(found) if found == expected => Judgement::succeeded(format!("{subject} is {expected}"), facts.clone()),
        Some(found) => Judgement::failed(format!("{subject} is {found}, not {expected}"), Vec::new()),
        None => Judgement::unknown(format!("{subject} could not be read: {}", read::said(output.at(0))), Vec::new()),
    })
}

/// Judges a listing of addresses: `wanted` is *yes* (held) or *no* (not held).
pub(crate) fn held(node: String, address: String, wanted: Tri) -> Judge {
    judge(move |output: &Output| {
        let holds = read::holds(output.at(0), &address);
        let facts = vec![Fact::HoldsAddress { node: node.clone(), address: address.clone(), holds }];
        let why = match holds {
            Tri::Yes => format!("{node} holds {address}"),
            Tri::No => format!("{node} does not hold {address}"),
            Tri::Unknown => format!("the addresses of {node} could not be listed: {}", read::said(output.at(0))),
        };
        let answer = if holds == Tri::Unknown {
            holds
        } else if holds == wanted {
            Tri::Yes
        } else {
            Tri::No
        };
        judged(answer, why, facts)
    })
}

/// Own addresses of a node that are in the cluster-facing network: those for which it answers ARP there.
pub(crate) fn cluster_addresses<'a>(ctx: &Context<'a>, id: NodeId) -> Vec<&'a str> {
    let service = &ctx.pair.service;
    let net = |text: &str| {
        let ip: std::net::Ipv4Addr = text.parse().ok()?;
        let mask = u32::MAX.checked_shl(32 - u32::from(service.prefix.min(32))).unwrap_or(0);
        Some(u32::from(ip) & mask)
    };
    let own = net(&service.address);
    let node: &Node = ctx.pair.node(id);
    node.addresses.iter().map(String::as_str).filter(|a| own.is_some() && net(a) == own).collect()
}
