//! A failover of a pair with PostgreSQL, killed at its promotion.

use workflows::model::NodeId;

use super::{Demo, listed};
use crate::{
    cli::{
        Outcome, Trouble,
        follow::{Followed, Left},
        out::{self, YELLOW, paint},
        view::prospect,
    },
    report::duration,
};

/// The step at which the runner is killed: it is done once, cannot be undone, and hamn does not hear that it is done.
const WORST: &str = "promote.database";

impl Demo {
    pub(super) async fn play_postgresql(mut self) -> Outcome {
        let (a, b) = (self.name(NodeId::A).to_owned(), self.name(NodeId::B).to_owned());
        let service = self.config.pair.service.clone();
        out::print(&format!(
            "{}\n\nTwo management nodes exist in this process only: {a} serves the cluster at {} ({}),\n{b} replicates its database. Nothing real is touched. Engine, journal, runner process, control\nsocket and SIGKILL are the real ones.\n",
            paint(self.colour, YELLOW, "This is a simulation."),
            service.address,
            service.host_name,
        ))?;

        self.chapter(&format!("{a} goes down"))?;
        let rows_before = self.power(NodeId::A, false, 3_000)?;
        out::line(&format!("{a} has lost its power; {rows_before} rows had been acknowledged to clients."))?;

        self.chapter("An operator starts the failover")?;
        let asked = self.ask("failover", Some(WORST)).await?;
        let lost = format!("in the middle of “promote the database”: {b} is promoted, and hamn did not hear it.");
        let killed = self.run_and_kill(&asked.parameters, WORST, &lost).await?;

        self.chapter("The runner was killed; what does the journal say?")?;
        let state = self.last_words(&killed).await?;
        self.chapter("The operator types one command")?;
        self.command("hamn resume")?;
        out::print(&prospect(&state))?;
        out::line("")?;
        let done = self.resume(&asked.parameters, &killed).await?;

        self.chapter("The whole run, from its journal (virtual time)")?;
        self.story(killed.run, WORST).await?;
        self.chapter("Checked")?;
        self.verify_postgresql(&done, asked.bound_ms)?;
        self.verdict()
    }

    fn verify_postgresql(&mut self, done: &Followed, bound: Option<u64>) -> Result<(), Trouble> {
        let state = crate::cli::records::fold(&done.records)?;
        let (a, b) = (self.name(NodeId::A).to_owned(), self.name(NodeId::B).to_owned());
        let pair = self.pair()?;
        let service = self.config.pair.service.address.clone();
        let ended = matches!(&done.left, Left::Ended(crate::engine::Ending::Done));
        self.check(format!("the run is done, resumed {} time", state.resumes), ended && state.resumes == 1);
        let (promoted, fenced) = pair.world(|w| (w.effect_count("promote b"), w.end_state().nodes[0].power));
        self.check(format!("{b} was promoted exactly once"), promoted == 1);
        self.check(format!("{a} has no power"), !fenced);
        let end = pair.world(|w| w.end_state());
        self.check(
            format!("{b} alone holds {service}, and the neighbours know"),
            end.nodes[1].service_address && !end.nodes[0].service_address && end.neighbour == Some(NodeId::B),
        );
        self.check(format!("clients can write at {service}"), pair.world(|w| w.served()));
        self.check(format!("xcatd answers on {b}"), pair.world(|w| w.xcatd_works(NodeId::B)));
        self.check(format!("{b} has the higher epoch"), pair.world(|w| w.epoch(NodeId::B)) > 0);
        let (lost, lost_ms) = pair.world(|w| (w.lost_rows(), w.lost_ms()));
        let within = bound.is_some_and(|bound| lost_ms <= bound);
        let shown = bound.map_or("unknown".to_owned(), duration);
        self.check(
            format!("{lost} acknowledged rows lost, over {}; shown before consent: at most {shown}", duration(lost_ms)),
            within,
        );
        let violations = pair.world(lab::sim::World::violations_at_end);
        let complaints = pair.world(|w| w.complaints().to_vec());
        self.check(
            format!("no invariant of the pair was violated at any moment{}", listed(&violations, &complaints)),
            violations.is_empty() && complaints.is_empty(),
        );
        Ok(())
    }
}
