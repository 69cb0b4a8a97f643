//! A sample pair, contexts, and machines that answer scripts from a list of captured outputs.
#![allow(unreachable_pub, reason = "a module of test binaries")]
#![allow(missing_docs, reason = "names say it")]
#![allow(dead_code, reason = "each test binary uses a part")]

use std::fmt::Write as _;

use journal_schema::{Channel, DatabaseRole, Fact, HadrConnection, HadrRole, HadrState, RunId, Tri, Verdict};
use workflows::{
    Action, ActionResult, Command, Context, Judgement, Known, Output, Plan, Request, Script, Step, example,
    model::{Fence, Flavour, NodeId, Pair},
    registry,
};

pub const RUN: RunId = RunId(0x0123_4567_89ab_cdef);
pub const SYSTEM: &str = "7411000000000000001";

/// The practice pair, with GUIDs as a BMC of Dell prints them and no further machine.
pub fn pair() -> Pair {
    let mut pair = Pair { witnesses: Vec::new(), ..example::practice() };
    for (node, number) in pair.nodes.iter_mut().zip([11, 12]) {
        node.host_keys = vec!["ssh-ed25519 AAAA".into()];
        if let Fence::Agent { guid, .. } = &mut node.fence {
            *guid = Some(format!("31303043-534d-2500-90d8-7a0000000{number:03}"));
        }
    }
    pair
}

pub fn request() -> Request {
    Request {
        target: NodeId::B,
        accept_unknown_loss: false,
        accept_loss: None,
        operator: "olga".into(),
        host: "admin".into(),
    }
}

/// Owns what a context borrows.
#[derive(Debug, Clone)]
pub struct Desk {
    pub pair: Pair,
    pub known: Known,
    pub request: Request,
}

impl Desk {
    pub fn new() -> Self {
        Self { pair: pair(), known: Known::default(), request: request() }
    }

    /// With the evidence of a look at a healthy pair; mn-b is the standby.
    pub fn informed() -> Self {
        let mut desk = Self::new();
        desk.learn(&observed());
        desk
    }

    pub fn learn(&mut self, facts: &[Fact]) -> &mut Self {
        for fact in facts {
            self.known.learn(fact);
        }
        self
    }

    pub fn context(&self) -> Context<'_> {
        Context { pair: &self.pair, known: &self.known, request: &self.request, run: RUN }
    }
}

/// The evidence of a healthy pair.
pub fn observed() -> Vec<Fact> {
    let name = |n: &str| n.to_owned();
    let position = |node: &str, written, received| Fact::LogPosition {
        node: node.to_owned(),
        written,
        received,
        replayed: received,
        last_commit_ms: received.map(|_| 1_768_478_460_000),
        last_message_ms: received.map(|_| 1_768_478_460_900),
    };
    let service = |node: &str, service: &str, runs: bool| Fact::Service {
        node: node.to_owned(),
        service: service.to_owned(),
        running: if runs { Tri::Yes } else { Tri::No },
        at_boot: Tri::Unknown,
    };
    let mut facts = Vec::new();
    for (node, host, role, number) in
        [("mn-a", "mn1", DatabaseRole::Primary, 11_u32), ("mn-b", "mn2", DatabaseRole::Standby, 12)]
    {
        let primary = role == DatabaseRole::Primary;
        facts.extend([
            Fact::Answers { node: name(node), channel: Channel::Ssh, answer: Tri::Yes },
            Fact::Identity {
                node: name(node),
                machine_id: format!("{:032x}", 0xa000 + number),
                boot_id: "b".repeat(32),
                host_name: name(host),
            },
            Fact::Database { node: name(node), role, system_id: name(SYSTEM), timeline: 1 },
            Fact::HoldsAddress {
                node: name(node),
                address: name("10.77.0.10"),
                holds: if primary { Tri::Yes } else { Tri::No },
            },
            Fact::Service {
                node: name(node),
                service: name("xcatd"),
                running: if primary { Tri::Yes } else { Tri::No },
                at_boot: Tri::No,
            },
            service(node, "named", primary),
            service(node, "dhcpd", primary),
            service(node, "conserver", primary),
            Fact::ClusterNodes { node: name(node), count: 12 },
            Fact::Epoch { node: name(node), epoch: 3 },
            Fact::Claimed { node: name(node), claim: String::new() },
            Fact::Note { node: name(node), key: name("listen_addresses"), value: name("*") },
            Fact::Note {
                node: name(node),
                key: name("cfgloc"),
                value: format!("Pg:dbname=xcatdb;host=10.77.0.{}", if primary { 10 } else { 12 }),
            },
        ]);
    }
    facts.extend([
        position("mn-a", Some(50_331_808), None),
        position("mn-b", None, Some(50_331_808)),
        Fact::Note { node: name("mn-a"), key: name("streaming standbys"), value: name("1") },
        Fact::Note { node: name("mn-a"), key: name("synchronous standbys"), value: name("0") },
        Fact::ScheduledJob {
            node: name("mn-b"),
            holder: name("/var/spool/cron/crontabs/postgres"),
            line: name(RESTORE_LINE),
            armed: Tri::Yes,
        },
        Fact::ScheduledJob {
            node: name("mn-a"),
            holder: name("/var/spool/cron/crontabs/root"),
            line: name(PUSH_LINE),
            armed: Tri::Yes,
        },
    ]);
    facts
}

/// What HADR says on a node.
pub fn hadr(node: &str, role: HadrRole, active: Tri, state: HadrState, connection: HadrConnection) -> Fact {
    Fact::Hadr {
        node: node.into(),
        role,
        active,
        state,
        connection,
        since_ms: None,
        window_end_ms: None,
        clock_ms: None,
    }
}

/// The procedure's pair after a look at it; mn-b is the standby.
pub fn db2_desk() -> Desk {
    let mut desk = Desk { pair: example::procedure(), known: Known::default(), request: request() };
    let about_postgres =
        |f: &Fact| matches!(f, Fact::Note { .. } | Fact::LogPosition { .. } | Fact::HoldsAddress { .. });
    let facts: Vec<Fact> = observed().into_iter().filter(|f| !about_postgres(f)).collect();
    desk.learn(&facts);
    let address =
        |node: &str, address: &str, holds| Fact::HoldsAddress { node: node.into(), address: address.into(), holds };
    desk.learn(&[
        hadr("mn-a", HadrRole::Primary, Tri::Yes, HadrState::Peer, HadrConnection::Connected),
        hadr("mn-b", HadrRole::Standby, Tri::Yes, HadrState::Peer, HadrConnection::Connected),
        address("mn-a", "9.114.47.103", Tri::Yes),
        address("mn-b", "9.114.47.103", Tri::No),
    ]);
    desk
}

pub const RESTORE_LINE: &str = "0 5 * * * /var/lib/pgsql/bin/pg_restore -d xcatdb -c /tmp/xcatdb";
pub const PUSH_LINE: &str = "0 2 * * * /usr/bin/rsync -az /install mn2:/";

pub fn ran(exit: i32, stdout: &str, stderr: &str) -> ActionResult {
    ActionResult { exit: Some(exit), stdout: stdout.into(), stderr: stderr.into() }
}

pub fn ok(stdout: &str) -> ActionResult {
    ran(0, stdout, "")
}

/// Of one result.
pub fn output(results: impl IntoIterator<Item = ActionResult>) -> Output {
    Output { results: results.into_iter().collect(), sent_ms: 1_768_478_461_000, took_ms: 200 }
}

/// A machine that answers by what its calls contain; the last matching rule counts, and a call without a rule is not found.
#[derive(Debug, Clone, Default)]
pub struct Machine(Vec<(String, ActionResult)>);

impl Machine {
    /// To a call whose words, joined, contain `text`, this answer.
    #[must_use]
    pub fn says(mut self, text: &str, answer: ActionResult) -> Self {
        self.0.push((text.to_owned(), answer));
        self
    }

    pub fn answer(&self, script: &Script) -> Output {
        output(script.actions.iter().map(|(action, _)| match action {
            Action::Run(command) | Action::WaitUntil { command, .. } => self.call(command),
            _ => ok(""),
        }))
    }

    fn call(&self, command: &Command) -> ActionResult {
        let words = command.argv.join(" ");
        let rule = self.0.iter().rev().find(|(text, _)| words.contains(text.as_str()));
        rule.map_or_else(|| ran(127, "", "sh: 1: not found\n"), |(_, answer)| answer.clone())
    }
}

pub const NO_FILE: &str = "cat: /var/lib/hamn/claim/text: No such file or directory\n";
pub const SITE: &str =
    "#key,value,comments,disable\n\"blademaxp\",\"64\",,\n\"domain\",\"cluster.test\",,\n\"master\",\"10.77.0.10\",,\n";

/// The standby of a healthy pair.
pub fn standby() -> Machine {
    Machine::default()
        .says("date", ok("1768478461100000000\n"))
        .says("/etc/machine-id", ok("0000000000000000000000000000a00c\n"))
        .says("boot_id", ok("0b3d0a5e-7a4c-4f6e-9d43-1d4e6f3f1c11\n"))
        .says("hostname", ok("mn2\n"))
        .says("ip -o -4", ok("1: lo    inet 127.0.0.1/8 scope host lo\\       valid_lft forever preferred_lft forever\n2: ens3    inet 10.77.0.12/24 brd 10.77.0.255 scope global ens3\\       valid_lft forever preferred_lft forever\n"))
        .says("pg_is_in_recovery", ok("standby|7411000000000000001|1\n"))
        .says("pg_last_wal_receive_lsn", ok("50331808|50331808|1768478460000|1768478460900|streaming|1768478461000|1768478400000\n"))
        .says("pg_current_wal_flush_lsn", ran(1, "", "ERROR:  recovery is in progress\nHINT:  WAL control functions cannot be executed during recovery.\n"))
        .says("FROM nodelist", ok("12\n"))
        .says("SHOW listen_addresses", ok("*\n"))
        .says("crontabs", ok(&format!("/etc/crontab:SHELL=/bin/sh\n/var/spool/cron/crontabs/postgres:{RESTORE_LINE}\n:end\n")))
        .says("/var/lib/hamn/epoch", ok("3\n"))
        .says("/var/lib/hamn/claim/text", ran(1, "", NO_FILE))
        .says("xcatd: ", ok("0\n"))
        .says("at-boot", ok("no\n"))
        .says("processes ", ok("0\n"))
        .says("pg_restore|restorexCATdb", ok("0\n"))
        .says("s/|.*//p", ok("Pg:dbname=xcatdb;host=10.77.0.12\n"))
        .says("LOWER_UP", ok("up\n"))
        .says("arping -D", ok("ARPING 10.77.0.10 from 0.0.0.0 ens3\nSent 3 probes (3 broadcast(s))\nReceived 0 response(s)\n"))
        .says("arping -f", ran(1, "ARPING 10.77.0.10 from 10.77.0.12 ens3\nSent 2 probes (2 broadcast(s))\nReceived 0 response(s)\n", ""))
        .says("pg_isready", ran(2, "", ""))
}

/// The same machine in service.
pub fn in_service() -> Machine {
    standby()
        .says("hostname", ok("mn1\n"))
        .says("ip -o -4", ok("1: lo    inet 127.0.0.1/8 scope host lo\n2: ens3    inet 10.77.0.12/24 scope global ens3\n2: ens3    inet 10.77.0.10/24 scope global secondary ens3\n"))
        .says("pg_is_in_recovery", ok("primary|7411000000000000001|2\n"))
        .says("/var/lib/hamn/epoch", ok("4\n"))
        .says("crontabs", ok(&format!("/etc/crontab:SHELL=/bin/sh\n/var/spool/cron/crontabs/postgres:#hamn:run-{RUN}: {RESTORE_LINE}\n:end\n")))
        .says("tabdump", ok(SITE))
        .says("xcatd-ready", ok("ready\n"))
        .says("pg_isready", ran(0, "", ""))
        .says("pg_hba_file_rules", ok("0\n"))
        .says("cat /etc/postgresql/15/main/pg_hba.conf", ok("# TYPE DATABASE USER ADDRESS METHOD\nlocal all postgres peer\nhost all all 10.77.0.0/24 md5\n"))
        .says("s/|.*//p", ok("Pg:dbname=xcatdb;host=10.77.0.10\n"))
        .says("-C listen_addresses", ok("*\n"))
}

/// The step of that id, as planned on the desk's evidence.
pub fn step(workflow: &str, desk: &Desk, id: &str) -> Step {
    let context = desk.context();
    let workflow = registry::by_name(Flavour::Postgres, workflow).unwrap();
    let steps = workflow.rows.iter().flat_map(|r| (r.steps)(&context));
    steps.into_iter().find(|s| s.id == id).unwrap_or_else(|| panic!("no step {id}"))
}

pub fn looked(step: &Step, machine: &Machine) -> Judgement {
    (step.judge_probe)(&machine.answer(&step.probe))
}

pub fn done(step: &Step, machine: &Machine) -> Judgement {
    step.judge_job(&machine.answer(&step.job()))
}

pub fn learned(judgement: &Judgement) -> Known {
    let mut known = Known::default();
    judgement.evidence.iter().for_each(|f| known.learn(f));
    known
}

#[track_caller]
pub fn is(judgement: &Judgement, verdict: Verdict, why: &str) {
    assert_eq!(judgement.verdict, verdict, "{}", judgement.why);
    assert!(judgement.why.contains(why), "{:?} lacks {why:?}", judgement.why);
    let (why, next) = workflows::step::told(&judgement.why);
    assert!(!why.contains('\n'), "one line, then what to type: {:?}", judgement.why);
    assert!(next.iter().all(|(command, about)| !command.is_empty() && !about.contains('\n')), "{next:?}");
}

fn indented(title: &str, script: &Script) -> String {
    script.summary().iter().fold(String::new(), |mut all, line| {
        let _ = writeln!(all, "        {title} {line}");
        all
    })
}

pub fn plan_text(plan: &Plan) -> String {
    let mut out = format!("{}: {} becomes primary in place of {}\n", plan.workflow, plan.target, plan.other);
    for t in &plan.transitions {
        let taken = if t.taken { "" } else { " (not on this evidence)" };
        let _ = writeln!(out, "\n{} --{}--> {} [{:?}] if {}{taken}", t.from, t.name, t.to, t.kind, t.guard);
        for s in &t.steps {
            let mut marks = vec![format!("{:?}", s.mode), format!("stage {}", s.stage), format!("{} s", s.timeout_s)];
            for (mark, set) in [("volatile", s.volatile), ("optional", s.optional)] {
                marks.extend(set.then(|| mark.to_owned()));
            }
            marks.extend((s.retries > 0).then(|| format!("{} retries", s.retries)));
            marks.extend((!s.section.is_empty()).then(|| format!("§{}", s.section)));
            let _ = writeln!(out, "    {} on {}: {} ({})", s.id, s.place, s.title, marks.join(", "));
            out += &indented("do  ", &s.effect);
            out += &indented("look", &s.probe);
            if let Some(undo) = s.undo.as_ref().filter(|u| !u.effect.is_empty()) {
                out += &indented("undo", &undo.effect);
                out += &indented("seen", &undo.probe);
            }
            if let Some(item) = &s.opens {
                let _ = writeln!(out, "        open {}: {}", item.id, item.text);
            }
            let _ = writeln!(out, "        traps {:?}", s.traps);
        }
    }
    let _ = writeln!(out, "\nhelpers");
    for workflows::summary::Helper { name, purpose, text } in plan.helpers() {
        let _ = writeln!(out, "    {name}: {purpose}\n        {text}");
    }
    out
}
