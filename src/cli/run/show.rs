//! What is shown before consent, and journaled with it.

use journal_schema::{DatabaseRole, Power, Tri};
use workflows::{model::Flavour, registry, table::Stake};

use super::asked::{Asked, Sight};
use crate::{
    cli::{
        view::{self, Intention},
        who,
    },
    report::timestamp,
};

impl Asked<'_> {
    /// Everything that is shown before consent, and journaled with it.
    pub(super) fn show(&self, sight: &Sight, intention: &Intention<'_>) -> String {
        let (pair, known) = (self.pair(), &sight.look.known);
        let (target, other) = (pair.node(sight.target), pair.node(sight.target.other()));
        let verb = match self.workflow.stake {
            Stake::PowersOff => "takes over from",
            Stake::StepsDown => "changes places with",
            Stake::OverwritesOther => "gives its database to",
            Stake::OverwritesTarget => "comes back for",
            Stake::Interrupts => "tries the takeover with",
            Stake::Nothing => "is saved from, for",
        };
        let mut text = format!("{} of {}: {} {verb} {}\n\n", self.workflow.name, pair.name, target.name, other.name);
        text.push_str(&view::topology(pair, known, sight.target, self.workflow.stake));
        text.push_str(&format!("\nSeen {} UTC from {}\n", timestamp(who::now()), self.operator.host));
        text.push_str(&view::facts(pair, known, self.workflow.stake));
        for seen in &sight.look.seen {
            text.push_str(&format!("  {}: {}\n", seen.title, workflows::step::told(&seen.judgement.why).0));
        }
        match self.workflow.stake {
            Stake::PowersOff => self.show_fencing(&mut text, sight),
            Stake::StepsDown => {
                text.push_str("\nLoss: nothing; the new primary takes over only when it has everything\n");
            }
            Stake::OverwritesOther => {
                text.push_str(&format!("\nLoss: what only {} has; its database is overwritten\n", other.name));
            }
            Stake::OverwritesTarget => text.push_str(&format!(
                "\nLoss: what only {} has, if it cannot join again as it is; that is saved before it is overwritten\n",
                target.name
            )),
            Stake::Interrupts => text.push_str("\nLoss: nothing; the cluster is without management until it ends\n"),
            Stake::Nothing => {}
        }
        text.push_str("\nWhat will be done\n");
        text.push_str(&intention.render());
        text.push_str(&format!("\nPlan {}\n\n", intention.id.short()));
        text
    }

    /// The machine that is powered off, who says that it is alive or dead, and what is lost with it.
    fn show_fencing(&self, text: &mut String, sight: &Sight) {
        let (known, other) = (&sight.look.known, self.pair().node(sight.target.other()));
        text.push_str(&format!("\nTo be fenced: {}\n", other.name));
        for line in view::identity(other, known).lines() {
            text.push_str(&format!("  {line}\n"));
        }
        text.push_str(&format!("  {}\n", view::vantage(known, &other.name)));
        if let Some(on) = view::alive(known, &other.name)
            && registry::by_name(self.pair().flavour(), "switchover").is_some()
        {
            let name = &other.name;
            text.push_str(&format!("\n! {name} is alive ({on}). A switchover loses nothing: hamn run switchover\n"));
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
        let target = &self.pair().node(sight.target).name;
        // With DB2 a machine that is alive hands over, or is powered off before what is lost is weighed.
        if self.pair().flavour() == Flavour::Postgres
            && known.database(&other.name).0 == DatabaseRole::Primary
            && known.streaming(target) != (Tri::Yes, Tri::Yes)
        {
            text.push_str(&format!(
                "! That is of this moment: what {} takes from now until it is off is lost too, for its commits do not wait for {target}\n",
                other.name
            ));
        }
    }
}
