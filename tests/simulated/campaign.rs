//! What a history is: a workflow in a situation, programs that follow each other, and how it ends.

use std::{collections::BTreeSet, sync::Arc};

use hamn::engine::{Ending, Plans};
use journal_schema::{End, Payload};
use lab::sim::{EndState, World};
use workflows::{
    Workflow,
    model::{NodeId, Pair},
};

use crate::stage::{Do, Script, Stage};

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
    pub(crate) fn planned(mut self, plans: Option<Plans>) -> Self {
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
