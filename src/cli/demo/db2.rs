//! The published procedure's own example, whole: set-up, sync, drill, failover killed at the takeover, failback.

use workflows::model::NodeId;

use super::{Consent, Demo, listed};
use crate::{
    cli::{
        Outcome, Trouble,
        follow::{Followed, Left},
        out::{self, YELLOW, paint},
        view::prospect,
    },
    engine::Ending,
    report::duration,
};

/// The step at which the runner is killed: between the takeover and its answer.
const WORST: &str = "promote.database";

impl Demo {
    pub(super) async fn play_db2(mut self) -> Outcome {
        let (a, b) = (self.name(NodeId::A).to_owned(), self.name(NodeId::B).to_owned());
        let service = self.config.pair.service.clone();
        out::print(&format!(
            "{}\n\nThe example of the published procedure: {a} serves the cluster as {} at {} (AIX, DB2 with HADR,\nNIM), {b} is to become its standby as {} at {} and has no database yet. Both exist in this\nprocess only, and what answers for DB2, AIX and NIM are stand-ins. Engine, journal, runner process, control socket and\nSIGKILL are the real ones.\n",
            paint(self.colour, YELLOW, "This is a simulation."),
            service.host_name,
            service.address,
            service.standby_host_name,
            service.standby_address.as_deref().unwrap_or_default(),
        ))?;
        self.chapter(&format!("The pair is formed: {b} gets the database of {a}, and HADR ties the two (4.0, 5.1)"))?;
        self.whole("setup").await?;
        let (paired, served) = self.pair()?.world(|w| (w.streaming(), w.served()));
        self.check(format!("{a} and {b} are in peer state, and {a} serves"), paired && served);
        self.chapter("In good times: what only the primary can tell is saved")?;
        self.whole("sync").await?;
        self.chapter("In good times: the takeover is tried out, there and back (5.1.9)")?;
        self.whole("drill").await?;

        self.chapter(&format!("{a} goes down (8.0)"))?;
        let rows_before = self.power(NodeId::A, false, 3_000)?;
        out::line(&format!("{a} has lost its power; {rows_before} rows had been acknowledged to clients."))?;
        self.chapter("An operator starts the failover")?;
        let asked = self.ask("failover", Some(WORST)).await?;
        let lost = format!("between TAKEOVER HADR and its answer: {b} has taken over, and hamn did not hear it.");
        let killed = self.run_and_kill(&asked.parameters, WORST, &lost).await?;
        self.chapter("The runner was killed; what does the journal say?")?;
        let state = self.last_words(&killed).await?;
        self.chapter("The operator types one command")?;
        self.command("hamn resume")?;
        out::print(&prospect(&state))?;
        out::line("")?;
        let failover = self.resume(&asked.parameters, &killed).await?;
        self.chapter("The failover, from its journal (virtual time)")?;
        self.story(killed.run, WORST).await?;
        self.check_failover(&asked, &failover)?;

        self.chapter(&format!("{a} is repaired and comes back (9.0)"))?;
        self.power(NodeId::A, true, 60_000)?;
        self.whole("failback").await?;
        self.check_failback()?;
        self.chapter("Checked")?;
        self.verdict()
    }

    /// A run from consent to its end.
    async fn whole(&mut self, workflow: &str) -> Result<(), Trouble> {
        let asked = self.ask(workflow, None).await?;
        let followed = self.run(&asked.parameters).await?;
        let done = matches!(&followed.left, Left::Ended(Ending::Done));
        self.check(format!("{workflow} is done"), done);
        Ok(())
    }

    fn check_failover(&mut self, asked: &Consent, failover: &Followed) -> Result<(), Trouble> {
        let state = crate::cli::records::fold(&failover.records)?;
        let (a, b) = (self.name(NodeId::A).to_owned(), self.name(NodeId::B).to_owned());
        let ended = matches!(&failover.left, Left::Ended(Ending::Done));
        self.check(format!("failover is done, resumed {} time", state.resumes), ended && state.resumes == 1);
        let pair = self.pair()?;
        let (served, works, epoch, powered) =
            pair.world(|w| (w.served(), w.xcatd_works(NodeId::B), w.epoch(NodeId::B), w.powered(NodeId::A)));
        self.check(format!("{a} has no power"), !powered);
        self.check(format!("clients can write on {b}"), served);
        self.check(format!("xcatd answers on {b}, which has the higher epoch"), works && epoch > 0);
        let (lost, lost_ms) = pair.world(|w| (w.lost_rows(), w.lost_ms()));
        let shown = asked.bound_ms.map_or("unknown, and accepted".to_owned(), |ms| format!("at most {}", duration(ms)));
        let within = asked.bound_ms.is_none_or(|bound| lost_ms <= bound);
        let text = format!("{lost} acknowledged rows lost, over {}; shown before consent: {shown}", duration(lost_ms));
        self.check(text, within);
        Ok(())
    }

    fn check_failback(&mut self) -> Result<(), Trouble> {
        let (a, b) = (self.name(NodeId::A).to_owned(), self.name(NodeId::B).to_owned());
        let pair = self.pair()?;
        let (end, served) = pair.world(|w| (w.end_state(), w.served()));
        self.check(format!("{a} is in service again, {b} is its standby"), {
            end.nodes[0].service_address && !end.nodes[1].service_address && served
        });
        let violations = pair.world(lab::sim::World::violations_at_end);
        let complaints = pair.world(|w| w.complaints().to_vec());
        let found = listed(&violations, &complaints);
        let sound = violations.is_empty() && complaints.is_empty();
        self.check(format!("no invariant of the pair was violated at any moment{found}"), sound);
        Ok(())
    }
}
