//! The runs of the golden file: every payload, every fact, every value of every enum, in runs that fold.

use journal_schema::{
    Attempt, Channel, DatabaseRole, Digest, Direction, End, Fact, HadrConnection, HadrRole, HadrState, OpenItem,
    Payload, Power, Record, RunId, TakeoverForm, Tri, UnixMillis, Verdict,
};

use super::{
    FORWARD, History, UNDO, closed, decided, entered, finished, idempotent, imported, intent, interrupted, lasting,
    observe, once, opened, optional, planned, regressed, resumed, reverted, rollback, skipped, stage, stuck, volatile,
};

const MN1: &str = "mn1";

/// Every fact with every value of its enums.
pub fn facts() -> Vec<Fact> {
    let node = || MN1.to_owned();
    let mut facts = Vec::new();
    for answer in [Tri::Yes, Tri::No, Tri::Unknown] {
        for channel in [Channel::Ssh, Channel::Arp, Channel::Database, Channel::Bmc, Channel::Xcatd] {
            facts.push(Fact::Answers { node: node(), channel, answer });
        }
        facts.extend([
            Fact::Streaming { node: node(), up: answer, synchronous: Tri::No },
            Fact::HoldsAddress { node: node(), address: "192.0.2.10".into(), holds: answer },
            Fact::Service { node: node(), service: "xcatd".into(), running: answer, at_boot: Tri::Yes },
            Fact::ScheduledJob {
                node: node(),
                holder: "/etc/cron.d/sync".into(),
                line: "0 3 * * * root /usr/bin/rsync -a mn1:/install/ /install/".into(),
                armed: answer,
            },
        ]);
    }
    for power in [Power::On, Power::Off, Power::Unknown] {
        facts.push(Fact::PowerState { node: node(), power });
    }
    for role in [DatabaseRole::Primary, DatabaseRole::Standby, DatabaseRole::Down, DatabaseRole::Unknown] {
        facts.push(Fact::Database { node: node(), role, system_id: "7301234567890123456".into(), timeline: 3 });
    }
    for some in [Some(0x0102_0304_0506_0708), None] {
        facts.push(Fact::LogPosition {
            node: node(),
            written: some,
            received: some,
            replayed: some,
            last_commit_ms: some,
            last_message_ms: some,
        });
        facts.push(Fact::LossBound { bytes: some, millis: some });
    }
    facts.extend([
        Fact::Identity {
            node: node(),
            machine_id: "0123456789abcdef0123456789abcdef".into(),
            boot_id: "3b1f5c1e-0000-4000-8000-000000000001".into(),
            host_name: "xcatmn".into(),
        },
        Fact::ClockOffset { node: node(), offset_ms: -1_500, error_ms: 20 },
        Fact::FenceIdentity { node: node(), identity: "31303043-534d-2500-90d8-7a1600000000".into() },
        Fact::AddressProbe { node: node(), address: "192.0.2.10".into(), answered_by: None },
        Fact::AddressProbe {
            node: node(),
            address: "192.0.2.10".into(),
            answered_by: Some("02:00:00:00:00:01".into()),
        },
        Fact::Epoch { node: node(), epoch: u64::MAX },
        Fact::ClusterNodes { node: node(), count: 1_200 },
        Fact::Attested { node: node(), by: "erika".into(), text: "I pulled both cords — größte Vorsicht".into() },
        Fact::Claimed { node: node(), claim: String::new() },
        Fact::Note { node: String::new(), key: "kernel".into(), value: "6.1 \"x\" \\ \u{1F5A7}".into() },
    ]);
    facts.extend(facts_of_db2());
    facts
}

fn facts_of_db2() -> Vec<Fact> {
    let node = || MN1.to_owned();
    let hadr = |role, state, connection| Fact::Hadr {
        node: node(),
        role,
        active: Tri::Yes,
        state,
        connection,
        since_ms: Some(1_281_011_580_000),
        window_end_ms: None,
        clock_ms: Some(1_281_016_200_123),
    };
    let up = HadrConnection::Connected;
    let mut facts: Vec<Fact> = [HadrRole::Standard, HadrRole::Primary, HadrRole::Standby, HadrRole::Unknown]
        .map(|role| hadr(role, HadrState::Peer, up))
        .into();
    let states = [
        HadrState::Disconnected,
        HadrState::LocalCatchup,
        HadrState::RemoteCatchupPending,
        HadrState::RemoteCatchup,
        HadrState::Peer,
        HadrState::DisconnectedPeer,
        HadrState::Unknown,
    ];
    facts.extend(states.map(|state| hadr(HadrRole::Standby, state, up)));
    let connections = [up, HadrConnection::Congested, HadrConnection::Disconnected, HadrConnection::Unknown];
    facts.extend(connections.map(|connection| hadr(HadrRole::Standby, HadrState::Peer, connection)));
    for form in [TakeoverForm::Plain, TakeoverForm::PeerWindowOnly, TakeoverForm::ByForce] {
        facts.push(Fact::Permitted { node: node(), form });
    }
    facts.extend([
        Fact::Deployment {
            node: "controller".into(),
            taken_ms: 1_281_011_580_000,
            digest: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855".into(),
            text: "{}\n".into(),
        },
        Fact::Setting { node: node(), name: "HADR_TARGET_LIST".into(), value: String::new() },
        Fact::BackupImage { node: node(), timestamp: "20100805161232".into(), directory: "/var/lib/db2/backup".into() },
    ]);
    facts
}

fn outcome(step: &str, direction: Direction, attempt: u32, verdict: Verdict, exit: Option<i32>) -> Payload {
    Payload::Outcome {
        step: step.into(),
        direction,
        attempt: Attempt(attempt),
        verdict,
        exit,
        evidence: facts(),
        why: "judged".into(),
        output: Digest::of(b"output"),
        tail: "last line\n".into(),
    }
}

/// The records of three runs, one for each end.
pub fn records() -> Vec<Record> {
    let done = History::new().with([
        decided("consent"),
        planned("assess", &[observe("assess.look"), stage(1, volatile(idempotent("assess.claim")))]),
        outcome("assess.look", FORWARD, 1, Verdict::Unknown, None),
        outcome("assess.look", FORWARD, 2, Verdict::Succeeded, Some(0)),
        skipped("assess.claim", FORWARD),
        entered("Assessed"),
        planned("fence", &[once("fence.off"), stage(1, optional(lasting(idempotent("fence.note"))))]),
        intent("fence.off", FORWARD, 1),
        outcome("fence.off", FORWARD, 1, Verdict::Unknown, None),
        stuck("fence.off"),
        resumed(FORWARD),
        outcome("fence.off", FORWARD, 1, Verdict::Succeeded, Some(0)),
        intent("fence.note", FORWARD, 1),
        outcome("fence.note", FORWARD, 1, Verdict::Failed, Some(-1)),
        Payload::ItemOpened(OpenItem { id: "note".into(), text: "not noted".into(), command: String::new() }),
        entered("Fenced"),
        regressed("assess.claim"),
        intent("assess.claim", FORWARD, 1),
        outcome("assess.claim", FORWARD, 1, Verdict::Succeeded, Some(0)),
        planned("promote", &[lasting(once("promote.database"))]),
        intent("promote.database", FORWARD, 1),
        interrupted(),
        imported(super::RUN),
        resumed(FORWARD),
        outcome("promote.database", FORWARD, 1, Verdict::Succeeded, Some(0)),
        entered("Promoted"),
        planned("verify", &[]),
        entered("Verified"),
        finished(End::Done),
        closed("note"),
    ]);
    let rolled_back = History::new().with([
        planned("assess", &[idempotent("assess.claim")]),
        intent("assess.claim", FORWARD, 1),
        rollback(),
        resumed(UNDO),
        intent("assess.claim", UNDO, 1),
        outcome("assess.claim", UNDO, 1, Verdict::Succeeded, Some(0)),
        reverted("Requested"),
        finished(End::RolledBack),
    ]);
    let abandoned = History::new().with([opened("left"), finished(End::Abandoned)]);
    let mut all = done.records;
    all.extend(as_run(rolled_back, RunId(1)));
    all.extend(as_run(abandoned, RunId(u64::MAX)));
    all
}

/// The same payloads as another run: its jobs bear its id.
fn as_run(history: History, run: RunId) -> Vec<Record> {
    let mut records: Vec<Record> = Vec::new();
    for record in history.records {
        let mut payload = record.payload;
        if let Payload::Intent { step, direction, attempt, token, .. } = &mut payload {
            *token = journal_schema::Token::new(run, step, *direction, *attempt);
        }
        let next = Record::next(records.last(), run, UnixMillis(record.at.0), payload);
        records.push(next);
    }
    records
}
