//! `hamn run`: shows the facts, asks for consent, starts a runner, follows it.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use journal_schema::{DatabaseRole, Digest, Fact, Operator, Payload, Power, RunId};
use workflows::{
    Known, Request, Workflow,
    model::{NodeId, Pair},
};

use super::{
    Exit, Globals, Outcome, Trouble, block_on,
    consent::{self, Consent},
    follow::launch,
    out::{self, BOLD, RED, YELLOW, paint},
    records, target,
    view::{self, Intention},
    who,
};
use crate::{
    config::{self, Config},
    engine::{Look, look},
    remote::Remote,
    report::timestamp,
    runner::{Action, Home, Parameters, World, here},
};

/// What must be typed when nobody knows how much is lost.
const ACCEPT_UNKNOWN_LOSS: &str = "I accept unknown loss";

/// Options of `hamn run`.
#[derive(Debug, Args)]
// Switches of a command line are bools.
#[allow(clippy::struct_excessive_bools)]
pub struct RunArgs {
    /// What to run
    workflow: Which,
    /// The machine that is to be in service afterwards, by its name in the configuration [default: the one whose database is standby]
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

/// Workflows that can be run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Which {
    /// The standby takes over from a machine that is dead, or is made so first
    Failover,
    /// The two change places; both are alive; nothing is lost
    Switchover,
}

impl RunArgs {
    /// `hamn run failover`
    pub(super) fn failover() -> Self {
        Self {
            workflow: Which::Failover,
            target: None,
            dry_run: false,
            yes: false,
            plan: None,
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
            Self::Failover => "failover",
            Self::Switchover => "switchover",
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

/// A run that somebody asks for.
pub(super) struct Asked<'a> {
    pub(super) globals: &'a Globals,
    pub(super) args: &'a RunArgs,
    pub(super) config: &'a Config,
    pub(super) workflow: &'a Workflow,
    pub(super) operator: Operator,
}

/// What was seen, and for which machine.
pub(super) struct Sight {
    run: RunId,
    target: NodeId,
    look: Look,
}

impl Sight {
    /// The loss bound, milliseconds.
    pub(super) fn loss_ms(&self) -> Option<u64> {
        self.look.known.loss().1
    }
}

/// What was consented to.
pub(super) struct Consented {
    request: Request,
    plan: Digest,
    decisions: Vec<Payload>,
}

impl Asked<'_> {
    fn pair(&self) -> &Pair {
        &self.config.pair
    }

    fn fences(&self) -> bool {
        self.args.workflow == Which::Failover
    }

    fn request(&self, target: NodeId, accept_unknown_loss: bool) -> Request {
        let Operator { name, host, .. } = self.operator.clone();
        Request { target, accept_unknown_loss, operator: name, host }
    }

    /// Looks at both machines. Without a word on the target it is the one whose database is standby; the first look tells.
    pub(super) async fn look(&self, remote: &dyn Remote) -> Result<Sight, Trouble> {
        let pair = self.pair();
        let mut random = [0; 4];
        getrandom::fill(&mut random).map_err(|e| Trouble::failure("no random numbers").detail(e.to_string()))?;
        let run = RunId::new(who::now(), u32::from_le_bytes(random));
        let wanted = match &self.args.target {
            Some(name) => Some(target::target(self.config, Some(name))?),
            None => None,
        };
        let first = wanted.unwrap_or(NodeId::B);
        let look = self.look_for(remote, first, run).await;
        if wanted.is_some() || standby(pair, &look.known) == Some(first) {
            return Ok(Sight { run, target: first, look });
        }
        let second = self.look_for(remote, first.other(), run).await;
        if standby(pair, &second.known) == Some(first.other()) {
            return Ok(Sight { run, target: first.other(), look: second });
        }
        Err(Trouble::refused("neither machine is seen to be the standby, so it must be said who takes over")
            .detail(view::facts(pair, &look.known))
            .next(format!("hamn run {} --target NAME", self.workflow.name)))
    }

    /// hamn must not run on the machine that it powers off (trap 10).
    fn refuse_here(&self, sight: &Sight, world: &World) -> Result<(), Trouble> {
        let (pair, doomed) = (self.pair(), sight.target.other());
        if !self.fences() || !matches!(world, World::Real { .. }) || here(pair) != Some(doomed) {
            return Ok(());
        }
        let (doomed, target) = (&pair.node(doomed).name, &pair.node(sight.target).name);
        Err(Trouble::refused(format!("this machine is {doomed}, which is the one to be fenced"))
            .detail("the run would end with the machine that it runs on")
            .next(format!("type it on {target}, or on a third machine: hamn run {}", self.workflow.name)))
    }

    async fn look_for(&self, remote: &dyn Remote, target: NodeId, run: RunId) -> Look {
        let mut known = Known::default();
        if let Some(fact) = self.attestation(target) {
            known.learn(&fact);
        }
        // Whether unknown loss is accepted is asked below, when it is known whether the loss is known.
        let request = self.request(target, true);
        look(remote, self.pair(), self.workflow, &request, run, known).await
    }

    fn attestation(&self, target: NodeId) -> Option<Fact> {
        let text = self.args.attest_off.clone()?;
        let node = self.pair().node(target.other()).name.clone();
        Some(Fact::Attested { node, by: self.operator.name.clone(), text })
    }

    /// Shows everything and asks. `None`: it was only to be shown.
    fn consent(&self, sight: &Sight) -> Result<Option<Consented>, Trouble> {
        let known = &sight.look.known;
        let blind = !view::loss_is_known(known) && self.fences();
        let request = self.request(sight.target, blind);
        let toml = self.config.to_toml();
        let intention = Intention::new(self.pair(), self.workflow, &request, known, &toml);
        let id = intention.id;
        let shown = self.show(sight, &intention);
        if self.globals.json {
            let known: Vec<_> = known.all().collect();
            out::json(&serde_json::json!({
                "event": "facts", "workflow": self.workflow.name, "plan": id.to_string(), "run": sight.run.to_string(),
                "target": self.pair().node(sight.target).name, "facts": known, "shown": shown,
                "refusal": sight.look.refusal().map(|s| s.judgement.why.clone()),
            }))?;
        } else {
            out::print(&coloured(&shown))?;
        }
        if let Some(seen) = sight.look.refusal() {
            return Err(Trouble::refused(format!("a {} is not possible now", self.workflow.name))
                .detail(format!("{} ({}): {}{}", seen.place, seen.title, seen.judgement.why, self.since(known)))
                .next(format!("settle that, then look again: hamn run {} --dry-run", self.workflow.name)));
        }
        if self.args.dry_run {
            return Ok(None);
        }
        let words = self.ask(sight, id, blind)?;
        let mut decisions = vec![self.decided("consent", &words, &shown, Vec::new())];
        if let (Some(fact), Some(text)) = (self.attestation(sight.target), &self.args.attest_off) {
            decisions.push(self.decided("fence.attest", text, "", vec![fact]));
        }
        Ok(Some(Consented { request, plan: id, decisions }))
    }

    /// Since when a machine is claimed: the claim names its run, and a run's id tells when it began (trap 9).
    fn since(&self, known: &Known) -> String {
        let began = |claim: &str| claim.split_whitespace().nth(1)?.parse::<RunId>().ok();
        self.pair()
            .nodes
            .iter()
            .find_map(|n| began(known.claim(&n.name)?))
            .map(|run| format!("; it began {} UTC", timestamp(run.began())))
            .unwrap_or_default()
    }

    /// What the runner is started with.
    pub(super) fn parameters(&self, sight: &Sight, consented: Consented, world: World) -> Parameters {
        let Consented { request, plan, decisions } = consented;
        Parameters {
            run: sight.run,
            workflow: self.workflow.name.to_owned(),
            action: Action::Start { request, config: self.config.to_toml(), plan, decisions },
            pair: self.config.pair.clone(),
            operator: self.operator.clone(),
            world,
            patience_s: self.config.local.patience_s,
        }
    }

    /// Shows everything and takes `words` for the consent, as if they had been typed. Only for a demonstration.
    pub(super) fn consent_as_if(&self, sight: &Sight, words: &str) -> Result<Consented, Trouble> {
        let known = &sight.look.known;
        let request = self.request(sight.target, !view::loss_is_known(known));
        let intention = Intention::new(self.pair(), self.workflow, &request, known, &self.config.to_toml());
        let shown = self.show(sight, &intention);
        out::print(&coloured(&shown))?;
        let decisions = vec![self.decided("consent", words, &shown, Vec::new())];
        Ok(Consented { request, plan: intention.id, decisions })
    }

    fn decided(&self, question: &str, answer: &str, shown: &str, evidence: Vec<Fact>) -> Payload {
        // A record has a limit; what was shown is far below it in every case but a hostile one.
        let mut end = shown.len().min(24 * 1024);
        while !shown.is_char_boundary(end) {
            end -= 1;
        }
        Payload::Decided {
            question: question.to_owned(),
            answer: answer.to_owned(),
            operator: self.operator.clone(),
            why: String::new(),
            shown: shown[..end].to_owned(),
            evidence,
        }
    }

    /// The words of consent.
    fn ask(&self, sight: &Sight, id: Digest, blind: bool) -> Result<String, Trouble> {
        let again = format!("hamn run {} --yes --plan {}", self.workflow.name, id.short());
        if self.args.yes {
            let given = self.args.plan.as_deref().unwrap_or_default().to_ascii_lowercase();
            if given.len() < 12 || !id.to_string().starts_with(&given) {
                return Err(Trouble::refused("the facts are not those of that plan; nothing was changed")
                    .detail(format!("consented to {given}, now it is {}", id.short()))
                    .next(format!("look again: hamn run {} --dry-run", self.workflow.name)));
            }
            if blind && !self.args.accept_unknown_loss {
                return Err(Trouble::refused("nobody knows how much would be lost, and that was not accepted")
                    .next(format!("{again} --accept-unknown-loss")));
            }
            let loss = if blind { " --accept-unknown-loss" } else { "" };
            return Ok(format!("--yes --plan {given}{loss}"));
        }
        let other = &self.pair().node(sight.target.other()).name;
        let purpose = if self.fences() {
            format!("To power {other} off and let {} take over", self.pair().node(sight.target).name)
        } else {
            format!("To let {other} step down")
        };
        let given = |asked| match asked {
            Consent::Given(words) => Ok(words),
            Consent::NoTerminal => Err(consent::no_terminal(&again)),
            Consent::Refused(typed) => Err(consent::refused(&typed)),
        };
        let mut words = given(consent::ask(other, &purpose)?)?;
        if blind {
            words.push_str("; ");
            words
                .push_str(&given(consent::ask(ACCEPT_UNKNOWN_LOSS, "Nobody knows how much is lost. To accept that")?)?);
        }
        Ok(words)
    }

    /// Everything that is shown before consent, and journaled with it.
    fn show(&self, sight: &Sight, intention: &Intention<'_>) -> String {
        let (pair, known) = (self.pair(), &sight.look.known);
        let (target, other) = (pair.node(sight.target), pair.node(sight.target.other()));
        let verb = if self.fences() { "takes over from" } else { "changes places with" };
        let mut text = format!("{} of {}: {} {verb} {}\n\n", self.workflow.name, pair.name, target.name, other.name);
        text.push_str(&view::topology(pair, known, sight.target, self.fences()));
        text.push_str(&format!("\nSeen {} UTC from {}\n", timestamp(who::now()), self.operator.host));
        text.push_str(&view::facts(pair, known));
        for seen in &sight.look.seen {
            text.push_str(&format!("  {}: {}\n", seen.title, seen.judgement.why));
        }
        if self.fences() {
            text.push_str(&format!("\nTo be fenced: {}\n", other.name));
            for line in view::identity(other, known).lines() {
                text.push_str(&format!("  {line}\n"));
            }
            text.push_str(&format!("  {}\n", view::vantage(known, &other.name)));
            if let Some(on) = view::alive(known, &other.name) {
                text.push_str(&format!(
                    "\n! {} is alive ({on}). A switchover loses nothing: hamn run switchover\n",
                    other.name
                ));
            }
            if self.args.attest_off.is_none() && known.power(&other.name) == Power::Unknown {
                // Told before consent: found out in the middle of the run it costs minutes (trap 2).
                text.push_str(&format!(
                    "\n! Whether {0} is on cannot be asked of a power controller: the run would stop at fencing, before anything is lost. \
                     Repair that first, or, if you have seen with your own eyes that {0} is off: --attest-off \"your words\"\n",
                    other.name
                ));
            }
            if let Some(words) = &self.args.attest_off {
                text.push_str(&format!("  {} vouches that it is off: {words}\n", self.operator.name));
            }
            text.push_str(&format!("\nLoss: {}\n", view::loss(known)));
        } else {
            text.push_str("\nLoss: nothing; the new primary takes over only when it has everything\n");
        }
        text.push_str("\nWhat will be done\n");
        text.push_str(&intention.render());
        text.push_str(&format!("\nPlan {}\n\n", intention.id.short()));
        text
    }
}

/// The machine whose database is standby, if that can be told: it says so, or the other one says that it is primary.
fn standby(pair: &Pair, known: &Known) -> Option<NodeId> {
    let is = |role| {
        let mut found = NodeId::BOTH.into_iter().filter(move |id| known.database(&pair.node(*id).name).0 == role);
        match (found.next(), found.next()) {
            (Some(id), None) => Some(id),
            _ => None,
        }
    };
    is(DatabaseRole::Standby).or_else(|| is(DatabaseRole::Primary).map(NodeId::other))
}

/// Headings and warnings in colour, where there are colours.
fn coloured(shown: &str) -> String {
    let colour = out::colour();
    let mut text = String::new();
    for (n, line) in shown.lines().enumerate() {
        let code = match line {
            l if l.starts_with('!') || l.starts_with("Loss: unknown") => Some(RED),
            l if l.contains("PIVOT") => Some(YELLOW),
            l if n == 0 || (!l.starts_with(' ') && !l.is_empty()) => Some(BOLD),
            _ => None,
        };
        text.push_str(&code.map_or_else(|| line.to_owned(), |code| paint(colour, code, line)));
        text.push('\n');
    }
    text
}
