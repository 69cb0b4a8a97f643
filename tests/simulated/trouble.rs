//! Bad input and faults of the procedure's pair. Each run stops before anything is changed for good; its error says what failed, what the
//! machine said, and what to type; nothing is lost; and who types that gets out.

use std::sync::Arc;

use hamn::engine::Ending;
use journal_schema::{Payload, TakeoverForm};
use lab::{
    db2::{Change, Half, Locale, Role, Side, Trouble, Version},
    sim::{AtBoot, EndState, Strike, World},
};
use workflows::{
    example,
    model::{Database, NodeId, Pair},
    step::told,
};

use crate::{
    campaign::Case,
    hadr::{after, case_of},
    stage::{Do, Script, Stage, story},
    typed::{db2, types},
};

/// A run that stopped: what it said, and the world as it was before.
pub(crate) struct Stopped {
    pub(crate) stage: Stage,
    pub(crate) case: Case,
    before: EndState,
    pub(crate) says: String,
    pub(crate) commands: Vec<String>,
}

impl Stopped {
    #[track_caller]
    pub(crate) fn of(mut case: Case, prepare: impl Fn(&mut World)) -> Self {
        prepare(&mut case.world);
        case.world.advance(1_000);
        let before = case.world.end_state();
        let stage = Stage::of(&case, Script::default());
        let end = stage.program(Do::Start);
        let why = match &end {
            Some(Ending::Failed { why, .. } | Ending::Stuck { why, .. }) => why.clone(),
            other => panic!("{other:?}\n{}", story(&stage.records())),
        };
        let (says, commands) = told(&why);
        assert!(!says.contains('\n') && says.len() < 600, "one line: {says}");
        let (says, commands) = (says.to_owned(), commands.into_iter().map(|(c, _)| c.to_owned()).collect());
        Self { stage, case, before, says, commands }
    }

    /// What failed, in these words among others.
    #[track_caller]
    pub(crate) fn says(self, words: &[&str]) -> Self {
        for word in words {
            assert!(self.says.contains(word), "it does not say {word:?}: {}", self.says);
        }
        self
    }

    /// Nothing is changed on the machines, and nothing was sent to change anything.
    #[track_caller]
    pub(crate) fn unchanged(self) -> Self {
        assert_eq!(self.stage.scene.lock().unwrap().world.end_state(), self.before, "{}", self.says);
        let intents = self.stage.records().iter().filter(|r| matches!(r.payload, Payload::Intent { .. })).count();
        assert_eq!(intents, 0, "{}", self.says);
        self
    }

    /// A rollback ends it, and everything is as before.
    #[track_caller]
    pub(crate) fn undone(&self) {
        assert_eq!(self.stage.program(Do::Rollback), Some(Ending::RolledBack), "{}", self.says);
        assert_eq!(self.stage.scene.lock().unwrap().world.end_state(), self.before, "{}", self.says);
    }

    /// The command that the error names, of those that begin or end so.
    #[track_caller]
    pub(crate) fn command(&self, part: &str) -> String {
        let found = self.commands.iter().find(|c| c.contains(part));
        found.unwrap_or_else(|| panic!("no command with {part:?} among {:#?}", self.commands)).clone()
    }

    /// The world in which the run stopped.
    pub(crate) fn world(&self) -> World {
        self.stage.scene.lock().unwrap().world.clone()
    }

    /// Somebody does something about it, and takes the run up again: it reaches its end.
    #[track_caller]
    pub(crate) fn resumed(&self, repair: impl Fn(&mut World)) {
        repair(&mut self.stage.scene.lock().unwrap().world);
        let end = self.stage.program(Do::Resume);
        assert_eq!(end, Some(Ending::Done), "{}\n{}", self.says, story(&self.stage.records()));
        self.served(&self.stage);
    }

    /// Somebody ends the run, does something about it, and asks for a new one, which reaches its end.
    #[track_caller]
    pub(crate) fn anew(&self, repair: impl Fn(&mut World)) -> Stage {
        self.undone();
        let mut case = Case { world: self.world(), ..self.case.clone() };
        repair(&mut case.world);
        let stage = Stage::of(&case, Script::default());
        let end = stage.program(Do::Start);
        assert_eq!(end, Some(Ending::Done), "{}\n{}", self.says, story(&stage.records()));
        self.served(&stage);
        stage
    }

    #[track_caller]
    pub(crate) fn served(&self, stage: &Stage) {
        assert!((self.case.holds)(&stage.scene.lock().unwrap().world), "{}", self.says);
        let violations = stage.violations.lock().unwrap();
        assert!(violations.is_empty(), "{}: {violations:?}", self.says);
    }
}

/// A failover of the procedure's pair in which something is wrong from the beginning.
#[track_caller]
pub(crate) fn failover(prepare: impl Fn(&mut World)) -> Stopped {
    Stopped::of(case_of("trouble", "failover", example::procedure(), |_| {}), prepare)
}

pub(crate) fn knobs(world: &mut World, side: Side) -> &mut lab::db2::Knobs {
    world.db2_mut().expect("a pair").knobs(side)
}

/// What the cluster-facing interface of the old primary does at its next boot.
pub(crate) fn at_boot(world: &mut World, state: &str) {
    let odm = world.odm_mut(NodeId::A).expect("AIX");
    odm.interfaces.iter_mut().filter(|i| i.name == "en1").for_each(|i| state.clone_into(&mut i.state));
}

pub(crate) fn promotions(world: &World) -> u32 {
    world.effect_count("promote b")
}

#[test]
fn both_databases_primary_and_hamn_does_not_choose() {
    let stopped = failover(|w| {
        w.strike_in(0, Strike::Link { cut: true });
        w.advance(200_000);
        db2(w, Side::B, &["db2", "TAKEOVER HADR ON DB XCATDB BY FORCE"]);
    })
    .says(&["both databases are PRIMARY", "mn-a: PRIMARY", "mn-b: PRIMARY", "log to byte", "holds 9.114.47.103: yes"])
    .unchanged();
    assert!(stopped.says.starts_with("both databases are PRIMARY"), "first of all: {}", stopped.says);
    stopped.undone();
    types(&mut stopped.world(), &stopped.command("SELECT COUNT"));
    // The person keeps what the machine in service has: the other one's copy is given up, and made anew.
    let leave = stopped.command("ssh root@10.1.47.104 \"su - xcatdb -c 'db2 STOP HADR");
    let mut world = stopped.world();
    types(&mut world, &leave);
    // What a set-up asks for: one in service, one in no pair and used by nobody.
    let standard = world.db2_end(NodeId::B).expect("DB2");
    assert_eq!((standard.role, standard.active), (Some(Role::Standard), false));
    assert!(world.served() && world.writable(NodeId::A));
    assert!(
        stopped.commands.iter().any(|c| c.contains("10.1.47.103") && c.contains("STOP HADR")),
        "or the other way round"
    );
}

#[test]
fn t74_a_db2_that_hangs_is_noticed_before_consent() {
    // Each call of the look, and all of them.
    for call in ["DB2PD", "GET DB CFG", "LIST DB DIRECTORY", "DB2GCF -S", "GET DBM CFG", ""] {
        let stopped = failover(|w| knobs(w, Side::B).always(call, Trouble::HangBefore)).unchanged();
        if call != "GET DBM CFG" {
            assert!(
                stopped.says.contains("mn-b") && stopped.says.contains("did not answer in time"),
                "{call}: {}",
                stopped.says
            );
        }
        let repair = |w: &mut World| {
            knobs(w, Side::B).faults.clear();
            types(w, &stopped.commands[0]);
        };
        stopped.resumed(repair);
        assert_eq!(promotions(&stopped.world()), 1, "{call}");
    }
    // Nothing that comes later needs the version.
    let mut case = case_of("hangs", "failover", example::procedure(), |_| {});
    knobs(&mut case.world, Side::B).always("DB2LEVEL", Trouble::HangBefore);
    assert_eq!(Stage::of(&case, Script::default()).program(Do::Start), Some(Ending::Done));
}

/// From the look to the very line before the takeover: whenever the calls begin to hang, it stops before the pivot.
#[test]
fn t74_a_db2_that_begins_to_hang_stops_the_run_before_the_pivot() {
    for call in ["DB2PD", "GET DB CFG", "LIST DB DIRECTORY"] {
        let case = case_of("hangs later", "failover", example::procedure(), |w| w.power(NodeId::A, false));
        let mut stage = Stage::of(&case, Script::default());
        stage.meddle = Arc::new(move |scene| {
            if scene.jobs.tokens().any(|t| t.to_string().contains("claim.target")) {
                knobs(&mut scene.world, Side::B).always(call, Trouble::HangBefore);
            }
        });
        let end = stage.program(Do::Start);
        let told = format!("{call}: {end:?}\n{}", story(&stage.records()));
        assert!(
            matches!(&end, Some(Ending::Failed { why, pivot_passed: false, .. }) if why.contains("did not answer in time")),
            "{told}"
        );
        assert_eq!(promotions(&stage.scene.lock().unwrap().world), 0, "{told}");
        stage.meddle = Arc::new(|_| {});
        knobs(&mut stage.scene.lock().unwrap().world, Side::B).faults.clear();
        assert_eq!(stage.program(Do::Resume), Some(Ending::Done), "{told}");
    }
}

#[test]
fn t21_clocks_apart_in_both_directions() {
    for (offset, way) in [(60_000, "ahead of"), (-60_000, "behind")] {
        let stopped = failover(|w| w.clock_offset(NodeId::B, offset))
            .says(&["the clock of mn-b is", way, "allowed are 5000 ms"])
            .unchanged();
        let set = stopped.command("ntpdate");
        types(&mut stopped.world(), &stopped.command("date -u"));
        stopped.resumed(|w| types(w, &set));
    }
}

/// The dead machine's clock was wrong, and nobody can ask it. Its own last message tells by how much: DB2 itself would believe for ten
/// minutes that the window is open.
#[test]
fn t21_a_dead_primary_whose_clock_was_wrong() {
    for (offset, later_ms, tail) in
        [(600_000, 5_000, " PEER WINDOW ONLY"), (600_000, 200_000, ""), (-600_000, 5_000, "")]
    {
        let mut case = case_of("clock of the dead", "failover", example::procedure(), |_| {});
        for side in Side::BOTH {
            knobs(&mut case.world, side).version = Version::V11_5;
        }
        case.world.clock_offset(NodeId::A, offset);
        case.world.advance(60_000);
        case.world.power(NodeId::A, false);
        case.world.advance(later_ms);
        let stage = Stage::of(&case, Script::default());
        assert_eq!(stage.program(Do::Start), Some(Ending::Done), "{}", story(&stage.records()));
        assert_eq!(form(&stage), format!("TAKEOVER HADR ON DATABASE XCATDB BY FORCE{tail}"), "{offset} {later_ms}");
        assert_eq!(stage.scene.lock().unwrap().world.lost_rows(), 0, "{offset} {later_ms}");
    }
}

/// The last takeover that was sent to the standby.
fn form(stage: &Stage) -> String {
    let scene = stage.scene.lock().unwrap();
    let history = scene.world.db2().expect("a pair").machine(Side::B).history();
    let sent: Vec<_> = history.iter().filter(|c| c.starts_with("TAKEOVER")).collect();
    assert_eq!(sent.len(), 1, "once: {sent:?}");
    sent[0].clone()
}

#[test]
fn t43_hadr_parameters_that_differ() {
    let stopped = failover(|w| {
        db2(w, Side::B, &["db2", "UPDATE DB CFG FOR XCATDB USING HADR_PEER_WINDOW 300"]);
    })
    .says(&["HADR_PEER_WINDOW is 300 on mn-b and 120 on mn-a"])
    .unchanged();
    let update = stopped.command("ssh root@10.1.47.104");
    assert!(update.contains("USING HADR_PEER_WINDOW 120"), "the one that is wrong, and what is right: {update}");
    // What was seen of this machine is looked up again, so that both ways are open.
    let repaired = |w: &mut World| types(w, &update);
    let world = stopped.world();
    stopped.resumed(repaired);
    stopped.stage.scene.lock().unwrap().world = world;
    assert_eq!(promotions(&stopped.world()), 0);
}

#[test]
fn an_instance_that_is_not_there() {
    let path = "/var/lib/db2/sqllib/db2profile";
    let stopped = failover(|w| w.remove_file(NodeId::B, path))
        .says(&["there is no instance in /var/lib/db2 on mn-b", "database.home"])
        .unchanged();
    types(&mut stopped.world(), &stopped.command(path));
    stopped.resumed(|w| w.put_file(NodeId::B, path, "DB2INSTANCE=xcatdb\nexport DB2INSTANCE\n"));
}

#[test]
fn an_instance_that_is_stopped() {
    let stopped = failover(|w| {
        db2(w, Side::B, &["db2", "DEACTIVATE DATABASE XCATDB"]);
        db2(w, Side::B, &["db2stop"]);
    })
    .says(&["the instance xcatdb on mn-b is stopped"])
    .unchanged();
    let start = stopped.command("db2start; db2 ACTIVATE DATABASE XCATDB");
    stopped.resumed(|w| {
        types(w, &start);
        w.advance(30_000);
    });
}

/// After a reboot of the standby nobody has activated its database, and the primary is dead by then.
#[test]
fn t41_a_standby_that_is_not_active() {
    let stopped = failover(|w| {
        w.power(NodeId::B, false);
        w.power(NodeId::A, false);
        w.power(NodeId::B, true);
        w.advance(60_000);
        db2(w, Side::B, &["db2start"]);
    })
    .says(&["mn-b", "a standby that is not active"])
    .unchanged();
    let activate = stopped.command("db2 ACTIVATE DATABASE XCATDB");
    stopped.resumed(|w| {
        types(w, &activate);
        w.advance(120_000);
    });
    assert_eq!(promotions(&stopped.world()), 1);
}

#[test]
fn a_database_of_another_name() {
    let mut pair = example::procedure();
    if let Database::Db2(db2) = &mut pair.database {
        db2.database = "OTHERDB".into();
    }
    let case = case_of("trouble", "failover", example::procedure(), |_| {});
    let stopped = Stopped::of(Case { pair: Arc::new(pair), ..case.clone() }, |_| {})
        .says(&["the parameters of OTHERDB on mn-b are not known", "SQL1013N"])
        .unchanged();
    types(&mut stopped.world(), &stopped.command("LIST DB DIRECTORY"));
    stopped.undone();
    // With the right name.
    assert_eq!(
        Stage::of(&Case { world: stopped.world(), ..case }, Script::default()).program(Do::Start),
        Some(Ending::Done)
    );
}

/// TAKEOVER would be refused with reason 10 behind the pivot; it is seen before.
#[test]
fn a_cluster_manager_owns_hadr() {
    let stopped = failover(|w| knobs(w, Side::B).cluster_manager = true)
        .says(&["a cluster manager owns HADR", "CLUSTER_MGR is TSA on mn-b"])
        .unchanged();
    types(&mut stopped.world(), &stopped.command("lssam"));
    assert!(stopped.command("db2haicu -disable").contains("10.1.47.104"));
    stopped.anew(|w| knobs(w, Side::B).cluster_manager = false);
}

#[test]
fn t74_another_locale_changes_nothing() {
    for locale in [Locale::Ru, Locale::De, Locale::Fr, Locale::Ja] {
        for dead in [false, true] {
            let mut case = case_of("locale", "failover", example::procedure(), |_| {});
            for side in Side::BOTH {
                knobs(&mut case.world, side).locale = locale;
            }
            if dead {
                case.world.power(NodeId::A, false);
            }
            let stage = Stage::of(&case, Script::default());
            assert_eq!(stage.program(Do::Start), Some(Ending::Done), "{locale:?}: {}", story(&stage.records()));
            assert!(stage.violations.lock().unwrap().is_empty());
        }
    }
}

/// A refusal is judged by its code in every language, with the reason that it gives.
#[test]
fn t74_a_refusal_in_another_language() {
    for locale in [Locale::C, Locale::Ru, Locale::De, Locale::Fr, Locale::Ja] {
        let stopped = failover(|w| {
            knobs(w, Side::B).locale = locale;
            knobs(w, Side::B).fail_next("TAKEOVER HADR", "SQL1770N", 7);
        })
        .says(&[
            "TAKEOVER HADR ON DATABASE XCATDB was refused on mn-b, and has changed nothing",
            "SQL1770N reason code 7",
        ]);
        assert_eq!(promotions(&stopped.world()), 0);
        // The reason has passed: asked once more, it happens, once.
        stopped.command("hamn resume");
        stopped.resumed(|_| {});
        assert_eq!(promotions(&stopped.world()), 1, "{locale:?}");
    }
}

/// A takeover by force that DB2 refuses is behind the pivot: the way out that the error names leads to the end.
#[test]
fn t40_a_refused_takeover_has_a_way_out() {
    let stopped = failover(|w| {
        w.power(NodeId::A, false);
        w.advance(600_000);
        knobs(w, Side::B).fail_next("TAKEOVER HADR", "SQL1770N", 1);
    })
    .says(&["BY FORCE was refused on mn-b", "SQL1770N reason code 1"]);
    for command in ["db2pd -d XCATDB -hadr", "hamn resume", "hamn abandon", "hamn run failover"] {
        stopped.command(command);
    }
    let Some(Ending::Refused { .. }) = stopped.stage.program(Do::Rollback) else { panic!("a run at its pivot") };
    // Given up; the claim that names it is taken away; a new run decides anew.
    let mut case = Case { world: stopped.world(), ..stopped.case.clone() };
    let (look, claim) = (stopped.command("db2pd"), stopped.command("rm -r"));
    types(&mut case.world, &look);
    let held = "/var/lib/hamn/claim/text";
    assert!(case.world.file(NodeId::B, held).is_some());
    types(&mut case.world, &claim);
    assert!(case.world.file(NodeId::B, held).is_none());
    let stage = Stage::of(&case, Script::default());
    assert_eq!(stage.program(Do::Start), Some(Ending::Done), "{}", story(&stage.records()));
    assert_eq!(promotions(&stage.scene.lock().unwrap().world), 1);
    assert!(stage.violations.lock().unwrap().is_empty());
}

/// The role switch ends half-way: two standbys, and nothing stronger is tried by itself. The run says so and can be gone on with or given
/// up; a new one takes over by force, once, with nothing lost that was acknowledged.
#[test]
fn two_standbys_after_half_a_takeover() {
    for half in [Half::ConnectionLost, Half::OldPrimaryDies] {
        let stopped = failover(|w| knobs(w, Side::A).half_takeover = Some(half));
        let world = stopped.world();
        assert_eq!(promotions(&world), 0, "{half:?}");
        assert!(stopped.stage.violations.lock().unwrap().is_empty());
        let standby = |w: &World, id| w.db2_end(id).and_then(|e| e.role) == Some(Role::Standby);
        assert!(NodeId::BOTH.iter().all(|id| standby(&world, *id)), "{half:?}");
        let mut case = Case { world, ..stopped.case.clone() };
        for id in NodeId::BOTH {
            case.world.remove_file(id, "/var/lib/hamn/claim/text");
        }
        case.world.advance(120_000);
        let stage = Stage::of(&case, Script::default());
        assert_eq!(stage.program(Do::Start), Some(Ending::Done), "{half:?}: {}", story(&stage.records()));
        let world = &stage.scene.lock().unwrap().world;
        assert_eq!((promotions(world), world.lost_rows()), (1, 0), "{half:?}");
    }
}

/// A file of a NIM resource is gone: that resource is left open with its command, the others and management are there.
#[test]
fn t66_a_nim_location_that_is_gone() {
    let gone = [
        ("610image_lpp_source", "/install/nim/lpp_source/610image_lpp_source/installp/ppc/bos"),
        ("610image", "/install/nim/spot/610image/usr/lib/boot/network/rc.dd_boot"),
    ];
    for (name, path) in gone {
        let mut case = case_of("NIM location gone", "failover", example::procedure(), |_| {});
        case.world.remove_file(NodeId::B, path);
        let stage = Stage::of(&case, Script::default());
        assert_eq!(stage.program(Do::Start), Some(Ending::Done), "{name}: {}", story(&stage.records()));
        let state = stage.state().expect("a run");
        let left: Vec<_> = state.items.values().filter(|i| i.id.starts_with("nim.")).collect();
        let item = left.iter().find(|i| i.text.contains(&format!(" {name} "))).unwrap_or_else(|| panic!("{left:?}"));
        assert!(item.command.contains(name), "{item:?}");
        let told = story(&stage.records());
        assert!(told.contains("is gone: copy it from the other machine or a backup"), "{told}");
        let world = &stage.scene.lock().unwrap().world;
        assert!(world.served() && world.nim(NodeId::B).is_some());
        // What does not stand on it is defined.
        assert!(told.contains("xcataixscript is ready at /install/nim/scripts/xcataixscript"), "{told}");
    }
}

/// An image that names no resources cannot be deployed: it is left open by its name, the others are provided.
#[test]
fn t66_an_image_without_resources() {
    let mut case = case_of("bare image", "failover", example::procedure(), |_| {});
    for (table, values) in [
        ("osimage", &[("imagename", "bare61"), ("imagetype", "NIM"), ("osname", "AIX")][..]),
        ("nimimage", &[("imagename", "bare61"), ("nimtype", "standalone")][..]),
    ] {
        let schema = lab::xcat::table(table).expect("a table");
        let mut row = schema.empty_row("");
        for (column, value) in values {
            (*value).clone_into(&mut row[schema.column(column).expect("a column")]);
        }
        let change = Change::Put { table: table.to_owned(), row };
        let pair = case.world.db2_mut().expect("a pair");
        assert_eq!(pair.commit(Side::A, change, 60_000), lab::db2::Commit::Done);
    }
    case.world.advance(10_000);
    let stage = Stage::of(&case, Script::default());
    assert_eq!(stage.program(Do::Start), Some(Ending::Done), "{}", story(&stage.records()));
    let state = stage.state().expect("a run");
    let left: Vec<_> = state.items.values().filter(|i| i.id.starts_with("nim.")).collect();
    assert_eq!(left.len(), 1, "{left:?}");
    assert!(left[0].text.contains("bare61") && left[0].command.contains("lsdef -t osimage -o bare61"), "{left:?}");
    let told = story(&stage.records());
    assert!(told.contains("610image is ready at /install/nim/spot/610image/usr"), "{told}");
}

/// The machine comes back by itself with the service address of its ODM: hamn did not set it up. Nothing is done before it lets go.
#[test]
fn t5_a_returning_machine_that_holds_the_service_address() {
    let pair: Pair = example::procedure();
    let mut world = case_of("returns", "failover", pair.clone(), |w| w.power(NodeId::A, false)).world;
    world = after(&world, &pair, "failover", NodeId::B);
    let case = case_of("returns", "failback", pair, |_| {});
    let stopped = Stopped::of(Case { world, ..case }, |w| {
        w.boots_with(NodeId::A, AtBoot { database: false, xcatd: false, helpers: false, service_address: true });
        at_boot(w, "up");
        w.power(NodeId::A, true);
        w.advance(300_000);
    })
    .says(&["mn-a: it holds the service address 9.114.47.103, which is mn-b's by now"])
    .unchanged();
    let detach = stopped.command("chdev -l en1 -a state=detach");
    assert_eq!(detach, "ssh root@10.1.47.103 chdev -l en1 -a state=detach");
    let mut world = stopped.world();
    types(&mut world, &detach);
    world.advance(60_000);
    let back = after(&world, &stopped.case.pair, "failback", NodeId::A);
    assert!(back.served() && back.writable(NodeId::A) && !back.writable(NodeId::B));
}

/// Images of other days lie in the directory; the one that is restored is the one whose timestamp the backup itself said.
#[test]
fn t45_a_backup_timestamp_of_another_day() {
    let mut pair = example::procedure();
    if let Database::Db2(db2) = &mut pair.database {
        db2.hadr.after_takeover = workflows::model::AfterTakeover::Stop;
    }
    let mut case = case_of("another day", "failover", pair.clone(), |w| w.power(NodeId::A, false));
    let world = after(&case.world, &pair, "failover", NodeId::B);
    case = case_of("another day", "failback", pair.clone(), |_| {});
    case.world = world;
    case.pair = Arc::new(pair);
    let old = "20240229010203";
    let image = |stamp: &str| format!("/var/lib/db2/backup/XCATDB.0.xcatdb.NODE0000.CATN0000.{stamp}.001");
    case.world.boots_with(NodeId::A, AtBoot { database: false, xcatd: false, helpers: false, service_address: false });
    at_boot(&mut case.world, "detach");
    case.world.power(NodeId::A, true);
    for id in NodeId::BOTH {
        case.world.put_file(id, &image(old), "of another day");
    }
    case.world.advance(300_000);
    let stage = Stage::of(&case, Script::default());
    assert_eq!(stage.program(Do::Start), Some(Ending::Done), "{}", story(&stage.records()));
    let world = &stage.scene.lock().unwrap().world;
    let restores: Vec<_> =
        world.db2().expect("a pair").machine(Side::A).history().iter().filter(|c| c.starts_with("RESTORE")).collect();
    assert!(restores.len() == 1 && !restores[0].contains(old), "{restores:?}");
    assert_eq!(world.file(NodeId::A, &image(old)), Some("of another day"), "nobody touched it");
    let told = story(&stage.records());
    let today = told.split("TAKEN AT ").nth(1).and_then(|rest| rest.get(..14)).expect("a timestamp");
    assert!(restores[0].contains(today), "{restores:?}");
}

/// The form that the journal decided on.
pub(crate) fn decided(stage: &Stage) -> Vec<TakeoverForm> {
    let evidence = stage.records().into_iter().flat_map(|r| match r.payload {
        Payload::Outcome { step, evidence, .. } if step == "decide.takeover" => evidence,
        _ => Vec::new(),
    });
    evidence
        .filter_map(|f| match f {
            journal_schema::Fact::Permitted { form, .. } => Some(form),
            _ => None,
        })
        .collect()
}
