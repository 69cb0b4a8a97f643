//! `hamn demo`: a simulated pair whose runner is killed at the worst moment, resumed, finished and checked.
//!
//! Everything but the two machines is what a real run uses: engine, journal on disk, runner process, control socket, SIGKILL.

mod db2;
mod postgresql;

use std::{path::Path, process::Child, time::Duration};

use clap::Args;
use journal_schema::{Payload, RunId, RunState};
use workflows::model::{NodeId, Pair};

use super::{
    Exit, Globals, Outcome, Reading, Trouble, block_on,
    follow::{Followed, Left, follow},
    out::{self, BOLD, FAINT, GREEN, RED, YELLOW, paint},
    progress::Look,
    run::{Asked, RunArgs},
    target,
    view::{Closing, Story},
    who,
};
use crate::{
    config::{Config, Local},
    engine::Event,
    report::duration,
    runner::{Action, Home, Parameters, Rehearsal, World, spawn},
};

/// Options of `hamn demo`.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Keep the files of the demonstration in this new folder
    #[arg(long, value_name = "DIR")]
    keep: Option<std::path::PathBuf>,
    /// Real milliseconds that a call to a simulated machine takes
    #[arg(long, value_name = "MS", default_value_t = 25)]
    pace: u64,
    /// The published procedure's own example: DB2 HADR on AIX, from set-up, sync and drill to failover and failback
    #[arg(long)]
    db2: bool,
}

pub(super) fn call(globals: &Globals, args: &DemoArgs) -> Outcome {
    if globals.json {
        return Err(Trouble::new(Exit::Usage, "the demonstration is for people: it has no --json").next("hamn demo"));
    }
    let failed = |e: std::io::Error| Trouble::failure("the demonstration has no folder").detail(e.to_string());
    let temporary;
    let folder = if let Some(dir) = &args.keep {
        std::fs::create_dir(dir).map_err(failed)?;
        std::path::absolute(dir).map_err(failed)?
    } else {
        temporary = tempfile::Builder::new().prefix("hamn-demo-").tempdir().map_err(failed)?;
        temporary.path().to_owned()
    };
    block_on(async {
        if args.db2 {
            Demo::new(&folder, lab::sample::procedure(), args.pace, Rehearsal::create_unformed)?.play_db2().await
        } else {
            Demo::new(&folder, lab::sample::pair(), args.pace, Rehearsal::create)?.play_postgresql().await
        }
    })
}

/// What was consented to.
struct Consent {
    parameters: Parameters,
    /// The loss bound that was shown, milliseconds.
    bound_ms: Option<u64>,
}

struct Demo {
    home: Home,
    globals: Globals,
    config: Config,
    scene: std::path::PathBuf,
    pace_ms: u64,
    colour: bool,
    checks: Vec<(String, bool)>,
}

impl Demo {
    fn new(
        folder: &Path,
        pair: Pair,
        pace_ms: u64,
        create: fn(&Path, &Pair, u64) -> std::io::Result<()>,
    ) -> Result<Self, Trouble> {
        let state_dir = folder.join("state");
        let scene = folder.join("pair");
        create(&scene, &pair, 500)
            .map_err(|e| Trouble::failure("the simulated pair cannot be made").detail(e.to_string()))?;
        let local = Local { state_dir: state_dir.clone(), identity_file: None, connect_timeout_s: 5, patience_s: 600 };
        Ok(Self {
            home: Home::new(&state_dir),
            globals: Globals { state_dir: Some(state_dir), ..Globals::default() },
            config: Config { pair, local },
            scene,
            pace_ms,
            colour: out::colour(),
            checks: Vec::new(),
        })
    }

    fn name(&self, id: NodeId) -> &str {
        &self.config.pair.node(id).name
    }

    /// A chapter's heading.
    fn chapter(&self, text: &str) -> Result<(), Trouble> {
        out::print(&format!("\n{}\n\n", paint(self.colour, BOLD, &format!("── {text} "))))
    }

    fn command(&self, text: &str) -> Result<(), Trouble> {
        out::line(&format!("{} {}", paint(self.colour, FAINT, "$"), paint(self.colour, BOLD, text)))
    }

    fn check(&mut self, what: impl Into<String>, holds: bool) {
        self.checks.push((what.into(), holds));
    }

    fn pair(&self) -> Result<std::sync::Arc<Rehearsal>, Trouble> {
        Rehearsal::open(&self.scene, Duration::ZERO, None)
            .map_err(|e| Trouble::failure("the simulated pair cannot be opened").detail(e.to_string()))
    }

    /// Switches a machine and lets time pass. Gives the number of rows acknowledged so far.
    fn power(&self, id: NodeId, on: bool, then_ms: u64) -> Result<usize, Trouble> {
        let pair = self.pair()?;
        let failed = |e: std::io::Error| Trouble::failure("the simulated pair forgets").detail(e.to_string());
        pair.power(id, on).map_err(failed)?;
        pair.pass(then_ms).map_err(failed)?;
        Ok(pair.world(|w| w.acknowledged_rows()))
    }

    /// Facts and consent, typed for the operator. `hold`: the step whose answer never comes.
    async fn ask(&self, workflow: &str, hold: Option<&str>) -> Result<Consent, Trouble> {
        let workflow = target::workflow(self.config.pair.flavour(), workflow)?;
        let args = RunArgs::bare();
        let asked = Asked {
            globals: &self.globals,
            args: &args,
            config: &self.config,
            workflow: &workflow,
            operator: who::operator(),
        };
        self.command(&format!("hamn run {}", workflow.name))?;
        let sight = asked.look(&*self.pair()?).await?;
        let (consented, typed) = asked.consent_as_if(&sight)?;
        for (purpose, words) in &typed {
            let bold = paint(self.colour, BOLD, words);
            out::line(&format!("{purpose}, type {bold}: {}", paint(self.colour, GREEN, words)))?;
        }
        if !typed.is_empty() {
            out::line(&paint(self.colour, FAINT, "(typed by the demonstration)\n"))?;
        }
        let world =
            World::Simulated { scene: self.scene.clone(), pace_ms: self.pace_ms, hold: hold.map(str::to_owned) };
        Ok(Consent { bound_ms: sight.loss_ms(), parameters: asked.parameters(&sight, consented, world) })
    }

    /// Runs to the end.
    async fn run(&self, parameters: &Parameters) -> Result<Followed, Trouble> {
        let mut spawned = spawn(program()?, &self.home, parameters.run, parameters).await?;
        let look = Look::fitting(false);
        let followed = follow(spawned.client, &self.home, look, &parameters.operator, Vec::new(), None).await?;
        let _ = spawned.child.wait();
        self.close(&followed)?;
        Ok(followed)
    }

    /// How a run ended, with what is open.
    fn close(&self, followed: &Followed) -> Result<(), Trouble> {
        let state = super::records::fold(&followed.records)?;
        let closing = match &followed.left {
            Left::Ended(ending) => Closing::ended(ending, Some(&state)),
            _ => Closing::journaled(&state),
        };
        out::print(&closing.render(self.colour))
    }

    /// Runs until the worst moment, and kills the runner there.
    async fn run_and_kill(&self, parameters: &Parameters, worst: &str, lost: &str) -> Result<Followed, Trouble> {
        let spawned = spawn(program()?, &self.home, parameters.run, parameters).await?;
        let (tell, told) = tokio::sync::oneshot::channel();
        let mut tell = Some(tell);
        let mut tap = |event: &Event| {
            if let Event::Committed { record } = event
                && let Payload::Intent { step, token, .. } = &record.payload
                && step == worst
                && let Some(tell) = tell.take()
            {
                let _ = tell.send(token.as_str().to_owned());
            }
        };
        let killer = tokio::spawn(kill_when_done(spawned.child, told, self.scene.clone()));
        let look = Look::fitting(false);
        let followed =
            follow(spawned.client, &self.home, look, &parameters.operator, Vec::new(), Some(&mut tap)).await?;
        killer.abort();
        if followed.left != Left::Gone {
            return Err(Trouble::failure("the run came to its end before it could be killed")
                .detail(format!("{:?}", followed.left)));
        }
        out::line(&format!("\n{} the runner, {lost}", paint(self.colour, RED, "SIGKILL to")))?;
        Ok(followed)
    }

    async fn last_words(&mut self, killed: &Followed) -> Result<RunState, Trouble> {
        let mut journal = Reading::open(&self.globals, "demo").await?;
        let (state, records) = journal.run(killed.run).await?;
        self.check(
            format!("all {} records that were acknowledged before SIGKILL are in the journal", killed.records.len()),
            records.len() >= killed.records.len() && records[..killed.records.len()] == killed.records[..],
        );
        let mut story = Story::new(self.colour);
        let lines: Vec<String> = records.iter().flat_map(|r| story.tell(r)).collect();
        for line in &lines[lines.len().saturating_sub(3)..] {
            out::line(line)?;
        }
        let intent = records.iter().rev().find_map(|r| match &r.payload {
            Payload::Intent { step, token, at, .. } => Some(format!("intent of {step} on {at}, job {token}")),
            _ => None,
        });
        out::line(&format!(
            "…and last an {}: durable before it was sent, without an outcome.",
            intent.unwrap_or_default()
        ))?;
        out::print(&Closing::journaled(&state).render(self.colour))?;
        Ok(state)
    }

    async fn resume(&self, before: &Parameters, killed: &Followed) -> Result<Followed, Trouble> {
        let world = World::Simulated { scene: self.scene.clone(), pace_ms: self.pace_ms, hold: None };
        let parameters = Parameters { action: Action::Resume, world, ..before.clone() };
        let records = Reading::open(&self.globals, "demo").await?.records(killed.run).await?;
        let spawned = spawn(program()?, &self.home, parameters.run, &parameters).await?;
        let mut child = spawned.child;
        let look = Look::fitting(false);
        let followed = follow(spawned.client, &self.home, look, &parameters.operator, records, None).await?;
        let _ = child.wait();
        self.close(&followed)?;
        Ok(followed)
    }

    /// The run in short: when which state was entered, and what came in between.
    async fn story(&self, run: RunId, worst: &str) -> Result<(), Trouble> {
        let mut journal = Reading::open(&self.globals, "demo").await?;
        let (state, records) = journal.run(run).await?;
        for record in &records {
            let text = match &record.payload {
                Payload::RunStarted { initial, .. } => initial.clone(),
                Payload::Entered { state } => state.clone(),
                Payload::Decided { question, answer, .. } => {
                    paint(self.colour, FAINT, &format!("{question}: “{answer}”"))
                }
                Payload::Intent { step, .. } if step == worst => {
                    paint(self.colour, YELLOW, &format!("intent: {step}, once only"))
                }
                Payload::Outcome { step, why, .. } if step == worst => {
                    paint(self.colour, GREEN, &format!("outcome: {why}"))
                }
                Payload::Resumed { .. } => paint(self.colour, RED, "SIGKILL, and taken up again"),
                _ => continue,
            };
            let after = record.at.0.saturating_sub(state.started.0);
            out::line(&format!("  {:>7}  {text}", duration(after)))?;
        }
        out::print(&paint(
            self.colour,
            FAINT,
            &format!("  {} records; in full on a real machine: hamn journal show --full\n", records.len()),
        ))
    }

    fn verdict(self) -> Outcome {
        for (what, holds) in &self.checks {
            let mark = if *holds { paint(self.colour, GREEN, "ok    ") } else { paint(self.colour, RED, "FAILED") };
            out::line(&format!("  {mark}  {what}"))?;
        }
        let failed = self.checks.iter().filter(|(_, holds)| !holds).count();
        if failed > 0 {
            return Err(Trouble::failure(format!("{failed} of {} checks failed", self.checks.len()))
                .next("keep the files and look: hamn demo --keep DIR"));
        }
        out::print("\nAll of that was simulated. For your own pair: hamn config check, then hamn plan failover.\n")?;
        Ok(Exit::Done)
    }
}

fn listed(violations: &[lab::sim::Violation], complaints: &[String]) -> String {
    let all: Vec<String> = violations.iter().map(|v| format!("{v:?}")).chain(complaints.iter().cloned()).collect();
    if all.is_empty() { String::new() } else { format!(": {}", all.join("; ")) }
}

fn program() -> Result<std::path::PathBuf, Trouble> {
    std::env::current_exe().map_err(|e| Trouble::failure("the program cannot find its own file").detail(e.to_string()))
}

/// Kills the runner when the job has reached its machine. The job's answer is held back, so there is no race.
async fn kill_when_done(
    mut child: Child,
    token: tokio::sync::oneshot::Receiver<String>,
    scene: std::path::PathBuf,
) -> std::io::Result<()> {
    let Ok(token) = token.await else { return Ok(()) };
    let sent = |line: &str| line.contains("\"what\":\"run\"") && line.contains(&token);
    while !std::fs::read_to_string(&scene)?.lines().any(sent) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    child.kill()?;
    child.wait()?;
    Ok(())
}
