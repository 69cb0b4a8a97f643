//! The transition table: the whole truth about a workflow. Engine, plan, diagrams and tests are generated from it.

use std::fmt;

use journal_schema::{Digest, Kind, RunId, TableRow};
use serde::{Deserialize, Serialize};

use crate::{
    known::Known,
    model::{NodeId, Pair},
    step::Step,
};

/// What the operator asked for. Part of the journal (as JSON).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// The machine that is to be in service afterwards.
    pub target: NodeId,
    /// The consented loss: `true` only if the operator typed the stronger consent for an unknown bound.
    pub accept_unknown_loss: bool,
    /// The bound of a loss that was shown and that the operator typed the consent for; `None`: nothing may be lost knowingly, which is
    /// how runs of before this field read.
    #[serde(default)]
    pub accept_loss: Option<AcceptedLoss>,
    /// Name of the person, for claims.
    pub operator: String,
    /// Host that runs hamn, for claims.
    pub host: String,
}

/// A bound of a loss as it was shown. What is not known of it is accepted by [`Request::accept_unknown_loss`] only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AcceptedLoss {
    /// Bytes of database log.
    pub bytes: Option<u64>,
    /// Milliseconds of commits, at the moment of the question: it grows until the old primary is fenced.
    pub millis: Option<u64>,
}

/// What a plan or a guard may look at.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The configuration.
    pub pair: &'a Pair,
    /// The evidence so far.
    pub known: &'a Known,
    /// The request.
    pub request: &'a Request,
    /// The run.
    pub run: RunId,
}

impl Context<'_> {
    /// The machine to be in service.
    pub fn target(&self) -> &crate::model::Node {
        self.pair.node(self.request.target)
    }

    /// The other machine: the one to be fenced or stepped down.
    pub fn other(&self) -> &crate::model::Node {
        self.pair.node(self.request.target.other())
    }

    /// How this run signs what it leaves on a machine: its claims, the files that it writes.
    pub fn signature(&self) -> String {
        format!("run {} by {} on {}", self.run, self.request.operator, self.request.host)
    }
}

/// A condition on the evidence, under which a transition is taken.
#[derive(Clone, Copy)]
pub struct Guard {
    /// Name, as it reads in plan and journal.
    pub name: &'static str,
    /// The condition. Pure.
    pub holds: fn(&Context<'_>) -> bool,
}

impl Guard {
    /// No condition.
    pub const ALWAYS: Self = Self { name: "always", holds: |_| true };
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// States of a workflow: an enum with names.
pub trait State: Copy + Eq + fmt::Debug + 'static {
    /// All states, in the order of the story.
    const ALL: &'static [Self];
    /// Name as in the journal: the variant's name.
    fn name(self) -> &'static str;
    /// What holds in it, one line.
    fn about(self) -> &'static str;
}

/// The states of a workflow, each with what holds in it: an enum that is a [`State`].
macro_rules! states {
    ($(#[$doc:meta])* pub enum $name:ident { $($state:ident: $about:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name {
            $(#[doc = $about] $state,)+
        }

        impl $crate::table::State for $name {
            const ALL: &'static [Self] = &[$(Self::$state),+];

            fn name(self) -> &'static str {
                match self {
                    $(Self::$state => stringify!($state),)+
                }
            }

            fn about(self) -> &'static str {
                match self {
                    $(Self::$state => $about,)+
                }
            }
        }
    };
}
pub(crate) use states;

/// One row of a table.
#[derive(Debug, Clone, Copy)]
pub struct Row<S> {
    /// State left.
    pub from: S,
    /// Name, unique in the table.
    pub name: &'static str,
    /// State entered.
    pub to: S,
    /// Reversible, pivot, forward.
    pub kind: Kind,
    /// When, if several leave `from`.
    pub guard: Guard,
    /// The steps, planned when the transition is taken.
    pub steps: fn(&Context<'_>) -> Vec<Step>,
}

/// A row of a constant table, in the order in which it is read.
pub const fn row<S>(
    from: S,
    name: &'static str,
    to: S,
    kind: Kind,
    guard: Guard,
    steps: fn(&Context<'_>) -> Vec<Step>,
) -> Row<S>
where
    S: Copy,
{
    Row { from, name, to, kind, guard, steps }
}

/// What a run puts at stake, and so what is asked of somebody before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stake {
    /// The other machine is powered off, and what it did not replicate is lost.
    PowersOff,
    /// The machines change places; nothing is lost.
    StepsDown,
    /// The database of the other machine is overwritten.
    OverwritesOther,
    /// The database of the target may be overwritten before the target takes over.
    OverwritesTarget,
    /// The cluster is not managed meanwhile; in the end everything is as before.
    Interrupts,
    /// Nothing: it reads, and saves what it read. No consent is asked.
    Nothing,
}

/// Which machine is meant when nobody says: see [`Request::target`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aimed {
    /// The one that is not in service.
    AtStandby,
    /// The one that is in service, and stays so.
    AtPrimary,
}

/// A workflow with its states erased to names: what the engine runs.
#[derive(Debug, Clone)]
pub struct Workflow {
    /// `failover`, …
    pub name: &'static str,
    /// What it is for, one line.
    pub about: &'static str,
    /// States: name, what holds.
    pub states: Vec<(&'static str, &'static str)>,
    /// Rows.
    pub rows: Vec<Row<StateName>>,
    /// Where a run starts.
    pub initial: StateName,
    /// Where it is done.
    pub goal: StateName,
    /// What it puts at stake.
    pub stake: Stake,
    /// Which machine is meant when nobody says.
    pub aimed: Aimed,
    /// Open items of earlier runs, by their ids, that are no longer so when a run of it is done (invariant 10).
    pub settles: Vec<&'static str>,
}

/// Name of a state; only [`Workflow::new`] makes one, from an enum value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StateName(&'static str);

impl StateName {
    /// The text.
    pub fn as_str(self) -> &'static str {
        self.0
    }
}

/// A kind of transition as a word.
pub fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Reversible => "reversible",
        Kind::Pivot => "pivot",
        Kind::Forward => "forward",
    }
}

/// Id of the open item that the service runs without a standby.
pub const UNPROTECTED: &str = "unprotected";

/// What was open about who bears the service's place, before another machine was given it: ids of open items.
pub const PLACE: &[&str] = &[
    "address",
    "address.announce",
    "announce.request",
    "announce.reply",
    "epoch",
    "serve.boot-guard",
    "service-nodes",
    "switch.guard-boot",
    UNPROTECTED,
];

/// What was open about the machine that had been put out of service, before it was given the service again: a machine that is off or
/// replicates nothing is not promoted, so none of it is so any more, and what is so of the other one the later run has opened itself.
pub const OUT_OF_SERVICE: &[&str] = &["fenced", "stood-down"];

/// What was open about a pair that was none, before it was made one again.
pub const PAIR: &[&str] = &["dissolved", "fenced", UNPROTECTED];

impl Workflow {
    /// Erases the enum of a constant table.
    pub fn new<S: State>(name: &'static str, about: &'static str, rows: &[Row<S>], initial: S, goal: S) -> Self {
        Self {
            name,
            about,
            states: S::ALL.iter().map(|s| (s.name(), s.about())).collect(),
            rows: rows
                .iter()
                .map(|r| Row {
                    from: StateName(r.from.name()),
                    name: r.name,
                    to: StateName(r.to.name()),
                    kind: r.kind,
                    guard: r.guard,
                    steps: r.steps,
                })
                .collect(),
            initial: StateName(initial.name()),
            goal: StateName(goal.name()),
            stake: Stake::PowersOff,
            aimed: Aimed::AtStandby,
            settles: Vec::new(),
        }
    }

    /// With another stake than the gravest, [`Stake::PowersOff`].
    #[must_use]
    pub fn stake(mut self, stake: Stake) -> Self {
        self.stake = stake;
        self
    }

    /// With the open items of earlier runs that its end settles.
    #[must_use]
    pub fn settles(mut self, items: &'static [&'static str]) -> Self {
        self.settles.extend(items);
        self
    }

    /// Aimed at the machine in service.
    #[must_use]
    pub fn at_primary(mut self) -> Self {
        self.aimed = Aimed::AtPrimary;
        self
    }

    /// Rows that leave a state.
    pub fn leaving<'a>(&'a self, state: &'a str) -> impl Iterator<Item = &'a Row<StateName>> {
        self.rows.iter().filter(move |r| r.from.0 == state)
    }

    /// The row of that name.
    pub fn row(&self, name: &str) -> Option<&Row<StateName>> {
        self.rows.iter().find(|r| r.name == name)
    }

    /// The table for the journal.
    pub fn table(&self) -> Vec<TableRow> {
        self.rows
            .iter()
            .map(|r| TableRow {
                from: r.from.0.to_owned(),
                transition: r.name.to_owned(),
                to: r.to.0.to_owned(),
                kind: r.kind,
            })
            .collect()
    }

    /// Digest of the table: a journal of another one is refused for resume.
    pub fn digest(&self) -> Digest {
        let mut text = format!("{}\n{}\n{}\n", self.name, self.initial.0, self.goal.0);
        for r in &self.rows {
            text += &[r.from.0, r.name, r.to.0, kind(r.kind), r.guard.name].join("\t");
            text += "\n";
        }
        Digest::of(text.as_bytes())
    }
}
