//! `hamn run`: shows the facts, asks for consent, starts a runner, follows it.

mod asked;
mod show;

use std::path::PathBuf;

use clap::{Args, ValueEnum};

pub(super) use asked::Asked;

use super::{Exit, Globals, Outcome, Trouble, block_on, follow::launch, records, target, who};
use crate::{
    config,
    report::timestamp,
    runner::{Home, World},
};

/// Options of `hamn run`.
#[derive(Debug, Args)]
// Switches of a command line are bools.
#[allow(clippy::struct_excessive_bools)]
pub struct RunArgs {
    /// What to run
    workflow: Which,
    /// The machine that is to be in service afterwards, by its name in the configuration [default: the one whose database is
    /// standby; of setup, drill and sync the one whose database is primary]
    #[arg(long, value_name = "NAME")]
    target: Option<String>,
    /// Only show the facts, what would be done, and the plan's id; changes nothing
    #[arg(long)]
    dry_run: bool,
    /// Do not ask; needs --plan
    #[arg(long, requires = "plan")]
    yes: bool,
    /// Id of the plan that was looked at (from --dry-run); refused if the facts are others now
    #[arg(long, value_name = "ID")]
    plan: Option<String>,
    /// Accept the loss that is shown (DB2: asked for when the takeover is by force)
    #[arg(long)]
    accept_loss: bool,
    /// Accept that nobody knows how much is lost (asked for when it is so)
    #[arg(long)]
    accept_unknown_loss: bool,
    /// Vouch, in your own words, that the machine to be fenced is off; goes into the journal with your name
    #[arg(long, value_name = "WORDS")]
    attest_off: Option<String>,
    /// Do not follow the run
    #[arg(long)]
    detach: bool,
    /// File of a simulated pair: nothing real is touched
    #[arg(long, hide = true, value_name = "FILE")]
    simulated: Option<PathBuf>,
    /// Real milliseconds that a call to the simulated pair takes
    #[arg(long, hide = true, value_name = "MS", default_value_t = 0)]
    simulated_pace: u64,
    /// A job of the simulated pair whose answer never comes
    #[arg(long, hide = true, value_name = "STEP")]
    simulated_hold: Option<String>,
}

/// Workflows that can be run. Which of them there are depends on the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Which {
    /// Ties the two databases together (DB2)
    Setup,
    /// The standby takes over from a machine that is dead, or is made so first
    Failover,
    /// The two change places; both are alive; nothing is lost (PostgreSQL; with DB2 a failover with both alive loses nothing)
    Switchover,
    /// The machine that was fenced comes back, as standby first, and then into service (DB2)
    Failback,
    /// The takeover is tried out there and back, with a test node (DB2)
    Drill,
    /// What only the machine in service can tell is saved on both: places of NIM resources, states of deployment (DB2 on AIX)
    Sync,
}

impl RunArgs {
    /// Without any option.
    pub(super) fn bare() -> Self {
        Self {
            workflow: Which::Failover,
            target: None,
            dry_run: false,
            yes: false,
            plan: None,
            accept_loss: false,
            accept_unknown_loss: false,
            attest_off: None,
            detach: false,
            simulated: None,
            simulated_pace: 0,
            simulated_hold: None,
        }
    }
}

impl Which {
    fn name(self) -> &'static str {
        match self {
            Self::Setup => "setup",
            Self::Failover => "failover",
            Self::Switchover => "switchover",
            Self::Failback => "failback",
            Self::Drill => "drill",
            Self::Sync => "sync",
        }
    }
}

pub(super) fn call(globals: &Globals, args: &RunArgs) -> Outcome {
    let config = globals.load()?;
    let home = Home::new(&config.local.state_dir);
    let world = if let Some(scene) = &args.simulated {
        World::Simulated {
            scene: std::path::absolute(scene).unwrap_or_else(|_| scene.clone()),
            pace_ms: args.simulated_pace,
            hold: args.simulated_hold.clone(),
        }
    } else {
        config::check_files(&config, &globals.config_path())?;
        World::Real {
            identity_file: config.local.identity_file.clone(),
            connect_timeout_s: config.local.connect_timeout_s,
        }
    };
    block_on(async {
        refuse_second(globals).await?;
        let workflow = target::workflow(config.pair.flavour(), args.workflow.name())?;
        let means = world.means(&config.pair, &home).map_err(|f| Trouble::refused(f.to_string()))?;
        let asked = Asked { globals, args, config: &config, workflow: &workflow, operator: who::operator() };
        let sight = asked.look(&*means.remote).await?;
        drop(means);
        asked.refuse_here(&sight, &world)?;
        let Some(consented) = asked.consent(&sight)? else { return Ok(Exit::Done) };
        refuse_second(globals).await?;
        let parameters = asked.parameters(&sight, consented, world);
        launch(&home, &parameters, Vec::new(), globals.json, args.detach).await
    })
}

/// One run at a time (trap 9): says who, where, since when, and what to type.
async fn refuse_second(globals: &Globals) -> Result<(), Trouble> {
    let mut journal = records::open(globals, "hamn run").await?;
    let runner = journal.runner().await?;
    let Some(state) = records::unfinished(&mut journal).await?.into_iter().next_back() else { return Ok(()) };
    let (run, by) = (state.run, format!("{} on {}", state.operator.name, state.operator.host));
    let since = timestamp(state.started);
    Err(match runner {
        Some(status) => Trouble::refused(format!("another run is going on: {} {run}", state.workflow))
            .detail(format!("started by {by}, {since} UTC; process {} of {}", status.pid, status.operator.name))
            .next("follow it: hamn attach"),
        None => Trouble::refused(format!("another run is unfinished: {} {run}", state.workflow))
            .detail(format!("started by {by}, {since} UTC; it is in {}", state.state))
            .next(format!(
                "go on: hamn resume {run}\nundo it, before its pivot: hamn rollback {run} --reason WHY\ngive it up: hamn abandon {run} --reason WHY"
            )),
    })
}
