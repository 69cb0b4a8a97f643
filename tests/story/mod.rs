//! A run told record by record, checked by the fold.
#![allow(dead_code, reason = "each test uses a part of it")]

use hamn::report::{self, Timeline};
use journal_schema::{
    Attempt, Digest, Direction, Fact, Kind, Mode, OpenItem, Operator, Payload, PlannedStep, Record, Refs, RunId,
    RunState, TableRow, Token, UnixMillis, Verdict,
};

pub(crate) const RUN: RunId = RunId(0x0190_1234_5678_9abc);

/// 2026-01-31 03:12:45.123 UTC.
pub(crate) const START: u64 = 1_769_829_165_123;

pub(crate) struct Story {
    pub(crate) records: Vec<Record>,
    pub(crate) state: Option<RunState>,
    clock: u64,
}

impl Story {
    pub(crate) fn new() -> Self {
        Self { records: Vec::new(), state: None, clock: START }
    }

    /// Adds a record `after` milliseconds later. The fold refuses one that may not follow.
    pub(crate) fn say(&mut self, after: u64, payload: Payload) -> &mut Self {
        self.clock += after;
        let at = UnixMillis(self.clock);
        let record = match &self.state {
            Some(state) => state.next_record(at, payload),
            None => Record::next(None, RUN, at, payload),
        };
        match &mut self.state {
            Some(state) => state.apply(&record).unwrap(),
            None => self.state = Some(RunState::start(&record).unwrap()),
        }
        self.records.push(record);
        self
    }

    pub(crate) fn done(&mut self, after: u64, step: &str, why: &str, evidence: Vec<Fact>) -> &mut Self {
        self.outcome(after, step, Verdict::Succeeded, why, evidence, "")
    }

    pub(crate) fn outcome(
        &mut self,
        after: u64,
        step: &str,
        verdict: Verdict,
        why: &str,
        evidence: Vec<Fact>,
        tail: &str,
    ) -> &mut Self {
        let attempt = self.state.as_ref().unwrap().steps[step].last_attempt(Direction::Forward).0.max(1);
        self.say(
            after,
            Payload::Outcome {
                step: step.into(),
                direction: Direction::Forward,
                attempt: Attempt(attempt),
                verdict,
                exit: Some(i32::from(verdict != Verdict::Succeeded)),
                evidence,
                why: why.into(),
                output: Digest::default(),
                tail: tail.into(),
            },
        )
    }

    pub(crate) fn intent(&mut self, after: u64, step: &str, at: &str) -> &mut Self {
        let attempt = self.state.as_ref().unwrap().steps[step].next_attempt(Direction::Forward);
        let payload = Payload::Intent {
            step: step.into(),
            direction: Direction::Forward,
            attempt,
            token: Token::new(RUN, step, Direction::Forward, attempt),
            at: at.into(),
            script: format!("LC_ALL=C do {step}\n"),
        };
        self.say(after, payload)
    }

    pub(crate) fn text(&self, how: Timeline) -> String {
        report::timeline(&self.records, self.state.as_ref().unwrap(), how)
    }
}

pub(crate) fn alice() -> Operator {
    Operator { name: "alice".into(), host: "admin".into(), terminal: "/dev/pts/1".into() }
}

pub(crate) fn refs() -> Refs {
    Refs { hamn_version: "0.1.0".into(), table: Digest::of(b"table"), plan: Digest::of(b"plan") }
}

pub(crate) fn step(id: &str, title: &str, place: &str, mode: Mode, stage: u8) -> PlannedStep {
    PlannedStep {
        id: id.into(),
        title: title.into(),
        place: place.into(),
        mode,
        stage,
        undo: mode == Mode::Idempotent,
        volatile: false,
        optional: mode == Mode::Observe,
        script: Digest::default(),
    }
}

pub(crate) fn row(from: &str, transition: &str, to: &str, kind: Kind) -> TableRow {
    TableRow { from: from.into(), transition: transition.into(), to: to.into(), kind }
}

/// A failover up to the pivot's first intent.
pub(crate) fn told_to_the_pivot() -> Story {
    let mut s = Story::new();
    s.say(
        0,
        Payload::RunStarted {
            workflow: "failover".into(),
            refs: refs(),
            table: vec![
                row("Requested", "assess", "Assessed", Kind::Reversible),
                row("Assessed", "fence", "Fenced", Kind::Reversible),
                row("Fenced", "promote", "Promoted", Kind::Pivot),
            ],
            initial: "Requested".into(),
            goal: "Promoted".into(),
            config: String::new(),
            request: "{\"target\":\"b\"}".into(),
            operator: alice(),
        },
    )
    .say(
        5,
        Payload::Planned {
            transition: "assess".into(),
            steps: vec![
                step("assess.mn-b", "Look at mn-b", "mn-b", Mode::Observe, 0),
                step("assess.mn-a", "Look at mn-a", "mn-a", Mode::Observe, 0),
            ],
            guard: "always".into(),
        },
    )
    .done(310, "assess.mn-b", "standby, streaming ended", vec![Fact::Epoch { node: "mn-b".into(), epoch: 3 }])
    .outcome(
        4_000,
        "assess.mn-a",
        Verdict::Unknown,
        "not reached",
        vec![],
        "ssh: connect to host 10.77.0.11 port 22: No route to host\n",
    )
    .say(1, Payload::Entered { state: "Assessed".into() })
    .say(
        20_000,
        Payload::Decided {
            question: "consent".into(),
            answer: "mn-a".into(),
            operator: alice(),
            why: "it burns".into(),
            shown: "loss at most: 0 bytes\nmn-a will be powered off".into(),
            evidence: vec![],
        },
    )
    .say(
        3,
        Payload::Planned {
            transition: "fence".into(),
            steps: vec![step("fence.off", "Power mn-a off", "controller", Mode::Idempotent, 0)],
            guard: "primary dead".into(),
        },
    )
    .intent(2, "fence.off", "admin")
    .outcome(1_240, "fence.off", Verdict::Failed, "the device did not answer", vec![], "Connection timed out\n")
    .intent(2_000, "fence.off", "admin")
    .done(1_240, "fence.off", "off, twice", vec![Fact::LossBound { bytes: Some(0), millis: Some(1_500) }])
    .say(
        1,
        Payload::ItemOpened(OpenItem {
            id: "power.mn-a".into(),
            text: "mn-a is powered off".into(),
            command: "hamn run failback".into(),
        }),
    )
    .say(1, Payload::Entered { state: "Fenced".into() })
    .say(
        1,
        Payload::Planned {
            transition: "promote".into(),
            steps: vec![step("promote.database", "Promote the database of mn-b", "mn-b", Mode::OnceOnly, 0)],
            guard: "fenced".into(),
        },
    )
    .intent(2, "promote.database", "mn-b");
    s
}
