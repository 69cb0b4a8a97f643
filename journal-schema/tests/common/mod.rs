//! Short ways to write down a run.
#![allow(dead_code, missing_docs, unreachable_pub, reason = "each test binary uses its part of this module")]

pub mod golden;
pub mod shape;

use journal_schema::{
    Attempt, Digest, Direction, End, Fact, FoldError, Illegal, Kind, Mode, OpenItem, Operator, Payload, PlannedStep,
    Record, Refs, RunId, RunState, StepStatus, TableRow, Token, Tri, UnixMillis, Verdict,
};

pub const RUN: RunId = RunId(0x0123_4567_89ab_cdef);
pub const FORWARD: Direction = Direction::Forward;
pub const UNDO: Direction = Direction::Undo;

pub fn operator() -> Operator {
    Operator { name: "erika".into(), host: "adm1".into(), terminal: "pts/3".into() }
}

pub fn refs() -> Refs {
    Refs { hamn_version: "0.1.0".into(), table: Digest::of(b"table"), plan: Digest::of(b"plan") }
}

pub fn row(from: &str, transition: &str, to: &str, kind: Kind) -> TableRow {
    TableRow { from: from.into(), transition: transition.into(), to: to.into(), kind }
}

/// `Requested -assess-> Assessed -fence-> Fenced -promote-> Promoted -verify-> Verified`, pivot: promote.
pub fn table() -> Vec<TableRow> {
    vec![
        row("Requested", "assess", "Assessed", Kind::Reversible),
        row("Assessed", "fence", "Fenced", Kind::Reversible),
        row("Fenced", "promote", "Promoted", Kind::Pivot),
        row("Promoted", "verify", "Verified", Kind::Forward),
    ]
}

pub fn started() -> Payload {
    Payload::RunStarted {
        workflow: "failover".into(),
        refs: refs(),
        table: table(),
        initial: "Requested".into(),
        goal: "Verified".into(),
        config: "name = \"practice\"\n".into(),
        request: "{\"target\":\"b\"}".into(),
        operator: operator(),
    }
}

pub fn step(id: &str, mode: Mode) -> PlannedStep {
    PlannedStep {
        id: id.into(),
        title: format!("do {id}"),
        place: "mn2".into(),
        mode,
        stage: 0,
        undo: mode != Mode::Observe,
        volatile: false,
        optional: false,
        script: Digest::of(id.as_bytes()),
    }
}

pub fn observe(id: &str) -> PlannedStep {
    step(id, Mode::Observe)
}

pub fn idempotent(id: &str) -> PlannedStep {
    step(id, Mode::Idempotent)
}

pub fn once(id: &str) -> PlannedStep {
    step(id, Mode::OnceOnly)
}

pub fn stage(stage: u8, step: PlannedStep) -> PlannedStep {
    PlannedStep { stage, ..step }
}

pub fn volatile(step: PlannedStep) -> PlannedStep {
    PlannedStep { volatile: true, ..step }
}

pub fn optional(step: PlannedStep) -> PlannedStep {
    PlannedStep { optional: true, ..step }
}

pub fn lasting(step: PlannedStep) -> PlannedStep {
    PlannedStep { undo: false, ..step }
}

pub fn planned(transition: &str, steps: &[PlannedStep]) -> Payload {
    Payload::Planned { transition: transition.into(), steps: steps.to_vec(), guard: "always".into() }
}

pub fn intent(step: &str, direction: Direction, attempt: u32) -> Payload {
    let attempt = Attempt(attempt);
    Payload::Intent {
        step: step.into(),
        direction,
        attempt,
        token: Token::new(RUN, step, direction, attempt),
        at: "mn2".into(),
        script: format!("'/usr/bin/do' '{step}'\n"),
    }
}

pub fn outcome(step: &str, direction: Direction, attempt: u32, verdict: Verdict) -> Payload {
    Payload::Outcome {
        step: step.into(),
        direction,
        attempt: Attempt(attempt),
        verdict,
        exit: Some(0),
        evidence: vec![note(step)],
        why: "seen".into(),
        output: Digest::of(b"output"),
        tail: "output".into(),
    }
}

pub fn good(step: &str, attempt: u32) -> Payload {
    outcome(step, FORWARD, attempt, Verdict::Succeeded)
}

pub fn bad(step: &str, attempt: u32) -> Payload {
    outcome(step, FORWARD, attempt, Verdict::Failed)
}

pub fn unknown(step: &str, attempt: u32) -> Payload {
    outcome(step, FORWARD, attempt, Verdict::Unknown)
}

pub fn skipped(step: &str, direction: Direction) -> Payload {
    Payload::Skipped { step: step.into(), direction, evidence: vec![note(step)], why: "there".into() }
}

pub fn regressed(step: &str) -> Payload {
    Payload::Regressed { step: step.into(), evidence: vec![note(step)], why: "rebooted".into() }
}

pub fn entered(state: &str) -> Payload {
    Payload::Entered { state: state.into() }
}

pub fn rollback() -> Payload {
    Payload::RollbackStarted { reason: "asked".into(), operator: operator() }
}

pub fn reverted(state: &str) -> Payload {
    Payload::Reverted { state: state.into() }
}

pub fn stuck(step: &str) -> Payload {
    Payload::Stuck { step: step.into(), why: "unknown".into(), settle: "hamn resume".into() }
}

pub fn interrupted() -> Payload {
    Payload::Interrupted { reason: "asked to stop".into() }
}

pub fn resumed(way: Direction) -> Payload {
    Payload::Resumed { operator: operator(), refs: refs(), way }
}

pub fn decided(question: &str) -> Payload {
    Payload::Decided {
        question: question.into(),
        answer: "mn1".into(),
        operator: operator(),
        why: "it burns".into(),
        shown: "mn1 is off".into(),
        evidence: vec![Fact::Attested { node: "mn1".into(), by: "erika".into(), text: "off".into() }],
    }
}

pub fn opened(id: &str) -> Payload {
    Payload::ItemOpened(OpenItem { id: id.into(), text: "left to do".into(), command: "hamn sync".into() })
}

pub fn closed(id: &str) -> Payload {
    Payload::ItemClosed { id: id.into(), how: "done".into() }
}

pub fn finished(end: End) -> Payload {
    Payload::Finished { end, summary: "over".into() }
}

pub fn imported(run: RunId) -> Payload {
    Payload::Imported { run, from: "mn2".into(), operator: operator() }
}

pub fn note(key: &str) -> Fact {
    Fact::Note { node: "mn2".into(), key: key.into(), value: "seen".into() }
}

pub fn answers(answer: Tri) -> Fact {
    Fact::Answers { node: "mn1".into(), channel: journal_schema::Channel::Ssh, answer }
}

/// Writes payloads down as a run, checking every one of them.
#[derive(Debug, Clone)]
pub struct History {
    pub records: Vec<Record>,
    pub state: RunState,
}

impl History {
    /// A run that has just started.
    pub fn new() -> Self {
        let first = Record::next(None, RUN, UnixMillis(1_700_000_000_000), started());
        let state = RunState::start(&first).expect("a run may start");
        Self { records: vec![first], state }
    }

    /// A run with these further records, all legal.
    pub fn of(payloads: impl IntoIterator<Item = Payload>) -> Self {
        let mut history = Self::new();
        history.extend(payloads);
        history
    }

    pub fn extend(&mut self, payloads: impl IntoIterator<Item = Payload>) {
        for payload in payloads {
            self.push(payload).expect("legal");
        }
    }

    /// These records more.
    pub fn with(mut self, payloads: impl IntoIterator<Item = Payload>) -> Self {
        self.extend(payloads);
        self
    }

    pub fn push(&mut self, payload: Payload) -> Result<(), FoldError> {
        let record = self.state.next_record(UnixMillis(self.state.last_at.0 + 10), payload);
        let before = self.state.clone();
        if let Err(error) = self.state.apply(&record) {
            assert_eq!(self.state, before, "a refused record leaves no trace");
            return Err(error);
        }
        self.records.push(record);
        Ok(())
    }

    /// Why the record that says this may not follow.
    #[track_caller]
    pub fn refuses(&self, payload: Payload) -> Illegal {
        let what = format!("{payload:?}");
        let error = self.clone().push(payload).expect_err(&what);
        assert_eq!((error.run, error.seq), (RUN, self.state.next_record(UnixMillis(0), interrupted()).seq));
        error.illegal
    }

    #[track_caller]
    pub fn permits(&self, payload: Payload) {
        self.clone().push(payload).expect("legal");
    }

    pub fn status(&self, step: &str) -> &StepStatus {
        &self.state.steps[step].status
    }

    pub fn frames(&self) -> Vec<u8> {
        self.records.iter().flat_map(|r| r.encode().expect("small")).collect()
    }
}

/// A run in state `Fenced`: one observation, one idempotent step, then a once-only step.
pub fn fenced() -> History {
    History::of([
        planned("assess", &[observe("assess.look"), stage(1, volatile(idempotent("assess.claim")))]),
        good("assess.look", 1),
        intent("assess.claim", FORWARD, 1),
        good("assess.claim", 1),
        entered("Assessed"),
        planned("fence", &[once("fence.off")]),
        intent("fence.off", FORWARD, 1),
        good("fence.off", 1),
        entered("Fenced"),
    ])
}

/// A run in state `Verified`, not finished.
pub fn verified() -> History {
    fenced().with([
        planned("promote", &[observe("promote.check"), stage(1, lasting(once("promote.database")))]),
        good("promote.check", 1),
        intent("promote.database", FORWARD, 1),
        good("promote.database", 1),
        entered("Promoted"),
        planned("verify", &[optional(lasting(idempotent("verify.dns")))]),
        intent("verify.dns", FORWARD, 1),
        bad("verify.dns", 1),
        opened("dns"),
        entered("Verified"),
    ])
}
