//! A run that somebody asks for: the look at the pair, the consent, what the runner is started with.

use journal_schema::{DatabaseRole, Digest, Fact, Operator, Payload, RunId};
use workflows::{
    Known, Request, Workflow,
    model::{NodeId, Pair},
    table::{AcceptedLoss, Aimed, Stake},
};

use super::{RunArgs, show::coloured};
use crate::{
    cli::{
        Globals, Trouble,
        consent::{self, Consent},
        out, target,
        view::{self, Intention},
        who,
    },
    config::Config,
    engine::{Look, look},
    remote::Remote,
    report::timestamp,
    runner::{Action, Parameters, World, here},
};

/// What must be typed when nobody knows how much is lost.
const ACCEPT_UNKNOWN_LOSS: &str = "I accept unknown loss";

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
        let look = self.look_for(remote, first, run).await;
        if wanted.is_some() || self.meant(&look.known) == Some(first) {
            return Ok(Sight { run, target: first, look });
        }
        let second = self.look_for(remote, first.other(), run).await;
        if self.meant(&second.known) == Some(first.other()) {
            return Ok(Sight { run, target: first.other(), look: second });
        }
        Err(Trouble::refused("neither machine is seen to be the standby, so it must be said which is to be in service")
            .detail(view::facts(pair, &look.known))
            .next(format!("hamn run {} --target NAME", self.workflow.name)))
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
    pub(super) fn consent(&self, sight: &Sight) -> Result<Option<Consented>, Trouble> {
        let known = &sight.look.known;
        let blind = !view::loss_is_known(known) && self.fences();
        // What is shown below is what is accepted by the words of consent.
        let (bytes, millis) = known.loss();
        let accept_loss = self.fences().then_some(AcceptedLoss { bytes, millis });
        let request = Request { accept_loss, ..self.request(sight.target, blind) };
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

    /// Shows everything and takes `words` for the consent, as if they had been typed. Only for a demonstration.
    pub(in crate::cli) fn consent_as_if(&self, sight: &Sight, words: &str) -> Result<Consented, Trouble> {
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
        let Some((word, purpose)) = self.price(sight) else { return Ok(String::new()) };
        let given = |asked| match asked {
            Consent::Given(words) => Ok(words),
            Consent::NoTerminal => Err(consent::no_terminal(&again)),
            Consent::Refused(typed) => Err(consent::refused(&typed)),
        };
        let mut words = given(consent::ask(word, &purpose)?)?;
        if blind {
            words.push_str("; ");
            words
                .push_str(&given(consent::ask(ACCEPT_UNKNOWN_LOSS, "Nobody knows how much is lost. To accept that")?)?);
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
