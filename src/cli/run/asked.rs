//! A run that somebody asks for: the look at the pair, the consent, what the runner is started with.

use journal_schema::{DatabaseRole, Digest, Fact, Operator, Payload, RunId};
use workflows::{
    Known, Request, Workflow,
    model::{Flavour, NodeId, Pair},
    registry,
    table::{AcceptedLoss, Aimed, Stake},
};

use super::RunArgs;
use crate::{
    cli::{
        Globals, Trouble,
        consent::{self, Consent},
        out::{self, BOLD, RED, YELLOW, paint},
        target,
        view::{self, Intention},
        who,
    },
    config::Config,
    engine::{Look, look},
    remote::Remote,
    report::timestamp,
    runner::{Action, Parameters, World, here},
};

/// What must be typed beside a machine's name because of what is lost.
struct Dear {
    words: &'static str,
    purpose: &'static str,
    /// The same on the command line.
    flag: &'static str,
    given: bool,
    /// Why nothing was done without it.
    missing: &'static str,
}

/// A run that somebody asks for.
pub(in crate::cli) struct Asked<'a> {
    pub(in crate::cli) globals: &'a Globals,
    pub(in crate::cli) args: &'a RunArgs,
    pub(in crate::cli) config: &'a Config,
    pub(in crate::cli) workflow: &'a Workflow,
    pub(in crate::cli) operator: Operator,
}

/// What was seen, and for which machine.
pub(in crate::cli) struct Sight {
    pub(super) run: RunId,
    pub(super) target: NodeId,
    pub(super) look: Look,
}

impl Sight {
    /// The loss bound, milliseconds.
    pub(in crate::cli) fn loss_ms(&self) -> Option<u64> {
        self.look.known.loss().1
    }
}

/// What was consented to.
pub(in crate::cli) struct Consented {
    request: Request,
    plan: Digest,
    decisions: Vec<Payload>,
}

impl Asked<'_> {
    pub(super) fn pair(&self) -> &Pair {
        &self.config.pair
    }

    /// Whether the other machine is powered off.
    pub(super) fn fences(&self) -> bool {
        self.workflow.stake == Stake::PowersOff
    }

    fn request(&self, target: NodeId, accept_unknown_loss: bool) -> Request {
        let Operator { name, host, .. } = self.operator.clone();
        Request { target, accept_unknown_loss, accept_loss: None, operator: name, host }
    }

    /// The machine that is meant when nobody says, if that can be told.
    fn meant(&self, known: &Known) -> Option<NodeId> {
        let standby = standby(self.pair(), known)?;
        Some(match self.workflow.aimed {
            Aimed::AtStandby => standby,
            Aimed::AtPrimary => standby.other(),
        })
    }

    /// Looks at both machines. Without a word on the target it is the one that the workflow is aimed at; the first look tells.
    pub(in crate::cli) async fn look(&self, remote: &dyn Remote) -> Result<Sight, Trouble> {
        let pair = self.pair();
        let mut random = [0; 4];
        getrandom::fill(&mut random).map_err(|e| Trouble::failure("no random numbers").detail(e.to_string()))?;
        let run = RunId::new(who::now(), u32::from_le_bytes(random));
        let wanted = match &self.args.target {
            Some(name) => Some(target::target(self.config, Some(name))?),
            None => None,
        };
        let first = wanted.unwrap_or(NodeId::B);
        let look = self.look_for(remote, self.workflow, first, run).await;
        if wanted.is_some() {
            return Ok(Sight { run, target: first, look });
        }
        let meant = match self.meant(&look.known) {
            None => self.meant(&self.roles(remote, run).await),
            told => told,
        };
        match meant {
            Some(target) if target == first => Ok(Sight { run, target, look }),
            Some(target) => Ok(Sight { run, target, look: self.look_for(remote, self.workflow, target, run).await }),
            None => Err(Trouble::refused(
                "neither machine is seen to be the standby, so it must be said which is to be in service",
            )
            .detail(view::facts(pair, &look.known, self.workflow.stake))
            .next(format!("hamn run {} --target NAME", self.workflow.name))),
        }
    }

    /// What a failover would see first: not every workflow looks at the roles of both machines before it knows its target.
    async fn roles(&self, remote: &dyn Remote, run: RunId) -> Known {
        match registry::by_name(self.pair().flavour(), "failover") {
            Some(failover) => self.look_for(remote, &failover, NodeId::B, run).await.known,
            None => Known::default(),
        }
    }

    /// hamn must not run on the machine that it powers off (trap 10).
    pub(super) fn refuse_here(&self, sight: &Sight, world: &World) -> Result<(), Trouble> {
        let (pair, doomed) = (self.pair(), sight.target.other());
        if !self.fences() || !matches!(world, World::Real { .. }) || here(pair) != Some(doomed) {
            return Ok(());
        }
        let (doomed, target) = (&pair.node(doomed).name, &pair.node(sight.target).name);
        Err(Trouble::refused(format!("this machine is {doomed}, which is the one to be fenced"))
            .detail("the run would end with the machine that it runs on")
            .next(format!("type it on {target}, or on a third machine: hamn run {}", self.workflow.name)))
    }

    async fn look_for(&self, remote: &dyn Remote, workflow: &Workflow, target: NodeId, run: RunId) -> Look {
        let mut known = Known::default();
        if let Some(fact) = self.attestation(target) {
            known.learn(&fact);
        }
        // Whether unknown loss is accepted is asked below, when it is known whether the loss is known.
        let request = self.request(target, true);
        look(remote, self.pair(), workflow, &request, run, known).await
    }

    fn attestation(&self, target: NodeId) -> Option<Fact> {
        let text = self.args.attest_off.clone()?;
        let node = self.pair().node(target.other()).name.clone();
        Some(Fact::Attested { node, by: self.operator.name.clone(), text })
    }

    /// Shows everything and asks. `None`: it was only to be shown.
    pub(super) fn consent(&self, sight: &Sight) -> Result<Option<Consented>, Trouble> {
        let known = &sight.look.known;
        let request = self.consented(sight);
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
            let (why, commands) = workflows::step::told(&seen.judgement.why);
            let again = format!("settle that, then look again: hamn run {} --dry-run", self.workflow.name);
            let next = commands.into_iter().map(|(command, about)| format!("{command}   # {about}")).chain([again]);
            return Err(Trouble::refused(format!("a {} is not possible now", self.workflow.name))
                .detail(format!("{} ({}): {why}{}", seen.place, seen.title, self.since(known)))
                .next(next.collect::<Vec<_>>().join("\n")));
        }
        if self.args.dry_run {
            return Ok(None);
        }
        let words = self.ask(sight, id)?;
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
    pub(in crate::cli) fn parameters(&self, sight: &Sight, consented: Consented, world: World) -> Parameters {
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

    /// Shows everything, and takes all words that would have to be typed as typed; gives them with what each is for. Only for a
    /// demonstration.
    pub(in crate::cli) fn consent_as_if(&self, sight: &Sight) -> Result<(Consented, Vec<(String, String)>), Trouble> {
        let known = &sight.look.known;
        let request = self.consented(sight);
        let intention = Intention::new(self.pair(), self.workflow, &request, known, &self.config.to_toml());
        let shown = self.show(sight, &intention);
        out::print(&coloured(&shown))?;
        let name = self.price(sight).map(|(word, purpose)| (purpose, word.to_owned()));
        let dear = self.dear(known).map(|dear| (dear.purpose.to_owned(), dear.words.to_owned()));
        let typed: Vec<(String, String)> = name.into_iter().chain(dear).collect();
        let words = typed.iter().map(|(_, word)| word.as_str()).collect::<Vec<_>>().join("; ");
        let decisions = vec![self.decided("consent", &words, &shown, Vec::new())];
        Ok((Consented { request, plan: intention.id, decisions }, typed))
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

    /// What must be typed, and for what; `None` where nothing is at stake.
    fn price(&self, sight: &Sight) -> Option<(&str, String)> {
        let (target, other) = (&self.pair().node(sight.target).name, &self.pair().node(sight.target.other()).name);
        Some(match self.workflow.stake {
            Stake::PowersOff => (other, format!("To power {other} off and let {target} take over")),
            Stake::StepsDown => (other, format!("To let {other} step down")),
            Stake::OverwritesOther => (other, format!("To overwrite the database of {other} with that of {target}")),
            Stake::OverwritesTarget => (
                target,
                format!("To take {target} back, its database overwritten if need be, and let {other} step down"),
            ),
            Stake::Interrupts => (
                other,
                format!("To leave the cluster without management while {other} and {target} change places twice"),
            ),
            Stake::Nothing => return None,
        })
    }

    /// The request as it is once everything that is shown was consented to.
    fn consented(&self, sight: &Sight) -> Request {
        let known = &sight.look.known;
        let (bytes, millis) = known.loss();
        let accept_loss = self.fences().then_some(AcceptedLoss { bytes, millis });
        Request { accept_loss, ..self.request(sight.target, !view::loss_is_known(known) && self.fences()) }
    }

    /// The stronger consent, where it is needed: to a loss that nobody knows, and with DB2, which would refuse a takeover that loses
    /// nothing only by force, to any loss (trap 40).
    fn dear(&self, known: &Known) -> Option<Dear> {
        if !self.fences() {
            return None;
        }
        match known.loss().1 {
            None => Some(Dear {
                words: "I accept unknown loss",
                purpose: "Nobody knows how much is lost. To accept that",
                flag: "--accept-unknown-loss",
                given: self.args.accept_unknown_loss,
                missing: "nobody knows how much would be lost, and that was not accepted",
            }),
            Some(ms) if ms > 0 && self.pair().flavour() == Flavour::Db2 => Some(Dear {
                words: "I accept this loss",
                purpose: "The takeover is by force, and loses what is shown above. To accept that",
                flag: "--accept-loss",
                given: self.args.accept_loss,
                missing: "the takeover would be by force, and its loss was not accepted",
            }),
            Some(_) => None,
        }
    }

    /// The words of consent.
    fn ask(&self, sight: &Sight, id: Digest) -> Result<String, Trouble> {
        let again = format!("hamn run {} --yes --plan {}", self.workflow.name, id.short());
        // Nothing is at stake, nothing is consented to: the plan that was shown may be of another minute.
        let Some((word, purpose)) = self.price(sight) else { return Ok(String::new()) };
        let dear = self.dear(&sight.look.known);
        if self.args.yes {
            let given = self.args.plan.as_deref().unwrap_or_default().to_ascii_lowercase();
            if given.len() < 12 || !id.to_string().starts_with(&given) {
                return Err(Trouble::refused("the facts are not those of that plan; nothing was changed")
                    .detail(format!("consented to {given}, now it is {}", id.short()))
                    .next(format!("look again: hamn run {} --dry-run", self.workflow.name)));
            }
            let Some(dear) = dear else { return Ok(format!("--yes --plan {given}")) };
            if !dear.given {
                return Err(Trouble::refused(dear.missing).next(format!("{again} {}", dear.flag)));
            }
            return Ok(format!("--yes --plan {given} {}", dear.flag));
        }
        let given = |asked| match asked {
            Consent::Given(words) => Ok(words),
            Consent::NoTerminal => Err(consent::no_terminal(&again)),
            Consent::Refused(typed) => Err(consent::refused(&typed)),
        };
        let mut words = given(consent::ask(word, &purpose)?)?;
        if let Some(dear) = dear {
            words.push_str("; ");
            words.push_str(&given(consent::ask(dear.words, dear.purpose)?)?);
        }
        Ok(words)
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
