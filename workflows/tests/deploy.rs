//! Deployment, sync, drill: what is saved, what is made of it, and that nothing is reinstalled or powered.

mod common;

use common::{Desk, Machine, done, is, looked, ok, ran};
use journal_schema::{Fact, Verdict};
use workflows::{
    Context, Step,
    deployment::{self, Boot, Deployment, How, Unusable},
    example,
    model::{NimResources, NodeId},
    step::Place,
    steps::{drill, nim, sync},
};

const IMAGES: &str = "Object name: 610SNimage
    bosinst_data=610SNimage_bosinst_data
    imagetype=NIM
    installp_bundle=xCATaixSN61,xCATaixSSL
    lpp_source=610SNimage_lpp_source
    nimmethod=rte
    nimtype=standalone
    osname=AIX
    script=xcataixscript
    spot=610SNimage
Object name: 61cosi
    imagetype=NIM
    lpp_source=61cosi_lpp_source
    nimtype=diskless
    paging=61cosi_paging
    resolv_conf=master_net_resolv_conf
    script=xcataixscript
    shared_root=61cosi_shared_root
    spot=61cosi
Object name: rhels7.3-ppc64le-install-compute
    imagetype=linux
    osarch=ppc64le
    osname=Linux
    osvers=rhels7.3
    otherpkgdir=/install/post/otherpkgs/rhels7.3/ppc64le
    pkgdir=/install/rhels7.3/ppc64le
    profile=compute
    provmethod=install
    template=/opt/xcat/share/xcat/install/rh/compute.rhels7.tmpl
Object name: bare
    imagetype=NIM
    nimtype=standalone
";

fn object(name: &str, kind: &str, location: &str) -> String {
    format!(
        "{name}:\n   class       = resources\n   type        = {kind}\n   Rstate      = ready for use\n   prev_state  = unavailable for use\n   location    = {location}\n   alloc_count = 0\n   server      = master\n"
    )
}

fn resources() -> String {
    [
        ("610SNimage_lpp_source", "lpp_source", "/install/nim/lpp_source/610SNimage_lpp_source"),
        ("610SNimage", "spot", "/install/nim/spot/610SNimage/usr"),
        ("610SNimage_bosinst_data", "bosinst_data", "/install/nim/bosinst_data/610SNimage_bosinst_data"),
        ("xCATaixSN61", "installp_bundle", "/install/nim/installp_bundle/xCATaixSN61.bnd"),
        ("xCATaixSSL", "installp_bundle", "/install/nim/installp_bundle/xCATaixSSL.bnd"),
        ("xcataixscript", "script", "/install/nim/scripts/xcataixscript"),
        ("61cosi_lpp_source", "lpp_source", "/install/nim/lpp_source/61cosi_lpp_source"),
        ("61cosi", "spot", "/install/nim/spot/61cosi/usr"),
        ("61cosi_shared_root", "shared_root", "/install/nim/shared_root/61cosi_shared_root"),
        ("master_net_resolv_conf", "resolv_conf", "/install/nim/resolv_conf/master_net_resolv_conf/resolv.conf"),
    ]
    .map(|(name, kind, location)| object(name, kind, location))
    .concat()
        + "boot:\n   class       = resources\n   type        = boot\n   location    = /tftpboot\n   reserved    = yes\n:end\n"
}

const MACHINES: &str = "master:
   class               = machines
   type                = master
   Cstate              = ready for a NIM operation
sn01:
   class          = machines
   type           = standalone
   Cstate         = BOS installation has been enabled
   spot           = 610SNimage
sn02:
   class          = machines
   type           = standalone
   Cstate         = ready for a NIM operation
sn03:
   class          = machines
   type           = standalone
   Cstate         = diagnostic boot has been enabled
cn01:
   class          = machines
   type           = diskless
   Cstate         = diskless or dataless initialization has been completed
   spot           = 61cosi
cn02:
   class          = machines
   type           = diskless
   Cstate         = diskless or dataless initialization has been completed
   spot           = 61cosi
:end
";

const CHAIN: &str = "#node,currstate,currchain,chain,ondiscover,comments,disable
\"sn01\",\"install\",,,,,
\"cn03\",\"boot\",,,,\"a, \"\"quoted\"\" remark\",
\"cn04\",\"install rhels7.3-ppc64le-compute\",,,,,
\"cn05\",\"shell\",,,,,
\"cn06\",\"install rhels9-compute\",,,,,
\"cn07\",,,,,,
";

const NODETYPE: &str = "#node,os,arch,profile,provmethod,supportedarchs,nodetype,comments,disable
\"cn04\",\"rhels7.3\",\"ppc64le\",\"compute\",\"rhels7.3-ppc64le-install-compute\",,,,
\"cn06\",\"rhels9\",\"ppc64le\",\"compute\",\"nosuch\",,,,
";

fn primary() -> Machine {
    Machine::default()
        .says("gettimeofday", ok("1281011580123456000\n"))
        .says("/var/lib/hamn/epoch", ok("3\n"))
        .says("nodels", ok("cn01\ncn02\ncn03\n"))
        .says("lsdef -t osimage -l", ok(IMAGES))
        .says("tabdump chain", ok(CHAIN))
        .says("tabdump nodetype", ok(NODETYPE))
        .says("nim-objects resources", ok(&resources()))
        .says("nim-objects machines", ok(MACHINES))
}

fn saved(machine: &Machine) -> Deployment {
    let desk = desk();
    let step = sync::collect(&desk.context()).remove(0);
    let judgement = looked(&step, machine);
    is(&judgement, Verdict::Succeeded, "");
    judgement
        .evidence
        .iter()
        .find_map(|f| if let Fact::Deployment { text, .. } = f { Some(text.clone()) } else { None })
        .map(|text| Deployment::from_text(&text).unwrap())
        .unwrap()
}

fn desk() -> Desk {
    let mut desk = Desk { pair: example::procedure(), ..Desk::new() };
    desk.learn(&[Fact::Epoch { node: "mn-a".into(), epoch: 3 }, Fact::Epoch { node: "mn-b".into(), epoch: 3 }]);
    desk
}

fn informed() -> Desk {
    let (mut desk, saved) = (desk(), saved(&primary()));
    desk.learn(&[Fact::Deployment {
        node: "mn-b".into(),
        taken_ms: saved.taken_ms,
        digest: String::new(),
        text: saved.to_text(),
    }]);
    desk
}

fn find(steps: Vec<Step>, id: &str) -> Step {
    let ids: Vec<String> = steps.iter().map(|s| s.id.clone()).collect();
    steps.into_iter().find(|s| s.id == id).unwrap_or_else(|| panic!("no {id} in {ids:?}"))
}

#[test]
fn what_a_dead_primary_cannot_tell_is_saved() {
    let saved = saved(&primary());
    assert_eq!((saved.taken_ms, saved.epoch, saved.nodes), (1_281_011_580_123, 3, 3));
    assert_eq!(saved.images.len(), 4);
    assert_eq!(saved.resource("610SNimage").unwrap().location, "/install/nim/spot/610SNimage/usr");
    assert!(saved.resource("boot").is_none(), "every master has it");
    assert_eq!(Deployment::from_text(&saved.to_text()), Ok(saved.clone()));
    let text = saved.to_text();
    for cut in [0, 1, text.len() / 2, text.len() - 2] {
        assert_eq!(Deployment::from_text(&text[..cut]), Err(Unusable::Damaged), "cut at {cut}");
    }
    assert_eq!(Deployment::from_text(&text.replace("610SNimage/usr", "610SNimage/etc")), Err(Unusable::Damaged));
    let newer = Deployment { version: 2, ..saved };
    assert_eq!(Deployment::from_text(&newer.to_text()), Err(Unusable::Version(2)));
}

/// Types that the procedure omits are there, comma lists are split, what two images share comes once, and the source of a diskless image
/// is not needed.
#[test]
fn t66_every_resource_once_and_in_order() {
    let wanted = saved(&primary()).wanted();
    let names: Vec<&str> = wanted.iter().map(|(_, name)| name.as_str()).collect();
    assert_eq!(
        names,
        [
            "610SNimage_lpp_source",
            "610SNimage",
            "61cosi",
            "610SNimage_bosinst_data",
            "master_net_resolv_conf",
            "xCATaixSN61",
            "xCATaixSSL",
            "xcataixscript",
            "61cosi_shared_root",
            "61cosi_paging",
        ]
    );
}

/// Only what is known to the letter is restored: a node that was installing, nodes without a disk, nodes that boot from their disk.
#[test]
fn t60_only_what_was_set_before_is_set_again() {
    let saved = saved(&primary());
    let boot = |how, image: &str, nodes: &[&str]| Boot {
        how,
        image: image.into(),
        nodes: nodes.iter().map(|n| (*n).into()).collect(),
    };
    let linux = "rhels7.3-ppc64le-install-compute";
    assert_eq!(
        saved.boot,
        [
            boot(How::Install, "610SNimage", &["sn01"]),
            boot(How::Diskless, "61cosi", &["cn01", "cn02"]),
            boot(How::Nodeset("boot".into()), "", &["cn03"]),
            boot(How::Nodeset(format!("osimage={linux}")), linux, &["cn04"]),
        ]
    );
    let left: Vec<&str> = saved.left.iter().map(|(node, _)| node.as_str()).collect();
    assert_eq!(left, ["sn03", "cn05", "cn06"], "a state or an image that is not known is left alone and named");
    let desk = informed();
    let steps = nim::restore_boot(&desk.context());
    let calls: Vec<String> = steps.iter().map(|s| s.script.listing()).filter(|l| !l.is_empty()).collect();
    let has = |text: &str| assert!(calls.iter().any(|c| c.contains(text)), "{text}: {calls:?}");
    has("/opt/xcat/bin/nimnodeset -i 610SNimage sn01");
    has("/opt/xcat/bin/mkdsklsnode -i 61cosi cn01,cn02");
    has("/opt/xcat/sbin/nodeset cn03 boot");
    assert_eq!(calls.iter().filter(|c| c.contains("osimage=")).count(), 1, "only the one that was installing");
    assert!(!calls.iter().any(|c| c.contains("sn02") || c.contains(" all")), "{calls:?}");
    let left = find(steps, "boot.left");
    is(&looked(&left, &Machine::default().says("hostname", ok("aixmn1\n"))), Verdict::Failed, "cn05 (shell)");
}

/// What the last sync saw may be over by the time of a failover. A node that was installed since is not installed once more, a node
/// whose image is given in another way by now is left alone, and nothing is set that nobody could look up.
#[test]
fn t60_what_was_installed_since_is_not_installed_again() {
    let desk = informed();
    let survey = nim::survey(&desk.context()).remove(0);
    let nodelist = |words: &[(&str, &str)]| {
        let of = |node: &str| words.iter().find(|(n, _)| *n == node).map_or("", |(_, word)| *word);
        let rows = ["sn01", "sn02", "sn03", "cn01", "cn02", "cn03", "cn04", "cn05", "cn06", "cn09"];
        let heading = "#node,groups,status,statustime,appstatus,appstatustime,primarysn,hidden,updatestatus,updatestatustime,zonename,comments,disable\n";
        rows.iter().fold(heading.to_owned(), |all, n| format!("{all}\"{n}\",\"all\",\"{}\",,,,,,,,,,\n", of(n)))
    };
    let machine = |words: &[(&str, &str)]| primary().says("tabdump nodelist", ok(&nodelist(words)));
    let calls = |machine: &Machine| {
        let mut desk = desk.clone();
        let judgement = looked(&survey, machine);
        is(&judgement, Verdict::Succeeded, "images");
        desk.learn(&judgement.evidence);
        let steps = nim::restore_boot(&desk.context());
        let left = steps.iter().find(|s| s.id == "boot.left").map(|s| looked(s, &Machine::default()).why);
        (steps.iter().map(|s| s.script.listing()).collect::<String>(), left.unwrap_or_default())
    };
    let (set, _) = calls(&machine(&[("sn01", "installing"), ("cn04", "powering-on"), ("cn01", "booted")]));
    for call in [
        "nimnodeset -i 610SNimage sn01",
        "mkdsklsnode -i 61cosi cn01,cn02",
        "nodeset cn03 boot",
        "nodeset cn04 'osimage=",
    ] {
        assert!(set.contains(call), "{call} is not in {set}");
    }
    for word in ["booted", "booting", "alive", "a word of another version"] {
        let (set, left) = calls(&machine(&[("sn01", word), ("cn04", word)]));
        assert!(!set.contains("nimnodeset") && !set.contains("osimage="), "{word}: {set}");
        assert!(
            left.contains(&format!("sn01 (was to be installed, and is {word} by now)")) && left.contains("cn04"),
            "{left}"
        );
    }
    // xCAT itself recorded the end.
    let over = CHAIN.replace("install rhels7.3-ppc64le-compute", "boot");
    let (set, _) = calls(&machine(&[]).says("tabdump chain", ok(&over)));
    assert!(set.contains("nodeset cn03,cn04 boot") && !set.contains("osimage="), "{set}");
    // One that was set since the last sync was set by nobody that hamn knows of.
    let new = CHAIN.to_owned() + &CHAIN.lines().find(|l| l.contains("cn04")).unwrap().replace("cn04", "cn09") + "\n";
    let image =
        NODETYPE.to_owned() + &NODETYPE.lines().find(|l| l.contains("cn04")).unwrap().replace("cn04", "cn09") + "\n";
    let (set, _) = calls(&machine(&[]).says("tabdump chain", ok(&new)).says("tabdump nodetype", ok(&image)));
    assert!(set.contains("nodeset cn04 ") && !set.contains("cn09"), "{set}");
    // It is to get another image by now, or is no node any more.
    let (set, left) =
        calls(&machine(&[]).says("tabdump nodetype", ok(&(NODETYPE.to_owned() + "\"cn01\",,,,\"610SNimage\",,,,\n"))));
    assert!(
        set.contains("mkdsklsnode -i 61cosi cn02") && left.contains("cn01 (is to get 610SNimage by now"),
        "{set}{left}"
    );
    let without = machine(&[]).says("tabdump nodelist", ok(&nodelist(&[]).replace("\"cn02\"", "\"cn92\"")));
    assert!(calls(&without).0.contains("mkdsklsnode -i 61cosi cn01\n"));
    for table in ["chain", "nodetype", "nodelist"] {
        let (set, left) = calls(&machine(&[]).says(&format!("tabdump {table}"), ran(124, "", "")));
        assert!(
            set.is_empty() && left.contains("all nodes (their states of now could not be read)"),
            "{table}: {set}{left}"
        );
    }
}

/// `nodeset osimage=` does what the image says: a node that boots over the network is not given one that is installed.
#[test]
fn t60_a_state_is_restored_with_an_image_of_its_own_way_only() {
    let state = |state: &str, images: &str| {
        let chain = format!("#node,currstate\n\"cn04\",\"{state}\"\n");
        let (boot, left) = deployment::boot(&[], &chain, NODETYPE, &deployment::images(images));
        (boot.len(), left.len())
    };
    assert_eq!(state("install rhels7.3-ppc64le-compute", IMAGES), (1, 0));
    assert_eq!(state("osimage=rhels7.3-ppc64le-install-compute", IMAGES), (1, 0));
    assert_eq!(state("netboot rhels7.3-ppc64le-compute", IMAGES), (0, 1), "the image is installed, the node is not");
    assert_eq!(state("install rhels7.2-ppc64le-compute", IMAGES), (0, 1), "another version");
    assert_eq!(state("install", IMAGES), (0, 1));
    let statelite = IMAGES.replace("provmethod=install", "provmethod=statelite");
    assert_eq!(
        state("osimage=rhels7.3-ppc64le-install-compute", &statelite),
        (0, 1),
        "given in a way that hamn does not know"
    );
    let netboot = IMAGES.replace("provmethod=install", "provmethod=netboot");
    assert_eq!(state("netboot rhels7.3-ppc64le-compute", &netboot), (1, 0));
    assert_eq!(state("statelite rhels7.3-ppc64le-compute", &netboot), (0, 1));
    assert_eq!(state("install rhels7.3-ppc64le-compute", &IMAGES.replace("    profile=compute\n", "")), (0, 1));
}

/// A node of the procedure's step 9 is never powered, in no step of no workflow.
#[test]
fn t61_no_node_is_powered() {
    let desk = informed();
    for workflow in workflows::registry::of(workflows::model::Flavour::Db2) {
        for row in &workflow.rows {
            for step in (row.steps)(&desk.context()) {
                let undo = step.undo.iter().flat_map(|u| [&u.script, &u.probe]);
                for script in [&step.script, &step.probe].into_iter().chain(undo) {
                    let text = script.listing();
                    for word in [
                        "rpower",
                        "rnetboot",
                        "rinstall",
                        "rsetboot",
                        "makehosts",
                        "xcatconfig",
                        "nodeset all",
                        "bos_inst",
                    ] {
                        assert!(!text.contains(word), "{} {}: {text}", workflow.name, step.id);
                    }
                }
            }
        }
    }
}

fn provided(id: &str) -> Step {
    find(nim::provide(&informed().context()), id)
}

#[test]
fn resources_are_made_from_their_locations_side_by_side() {
    let desk = informed();
    let steps = nim::provide(&desk.context());
    let spot = find(steps.clone(), "nim.spot.610snimage");
    let text = spot.script.listing();
    assert!(
        text.contains("m_mkspot -o -a 'server=master' -a 'location=/install/nim/spot' -a 'source=no' 610SNimage"),
        "{text}"
    );
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[2].starts_with("/usr/sbin/nim -Fo check 610SNimage") && lines[3].starts_with("lsnim -l"), "{text}");
    let item = spot.opens.as_ref().unwrap();
    assert!(item.command.contains("nim -Fo check 610SNimage") && !item.command.contains("lsnim"), "{}", item.command);
    assert_eq!(spot.timeout_s, 3_600 * 2 + 20 + 20 + 15);
    let source = find(steps.clone(), "nim.lpp-source.610snimage-lpp-source");
    assert!(source.script.listing().contains("/usr/sbin/nim -Fo define -t lpp_source -a 'server=master'"));
    assert!(source.stage < spot.stage);
    let spots: Vec<u8> = steps.iter().filter(|s| s.id.starts_with("nim.spot")).map(|s| s.stage).collect();
    assert_eq!(spots, [3, 3], "SPOTs of different images side by side");
    assert!(steps.iter().all(|s| s.optional && s.opens.is_some()), "deployment never holds management up");
    assert_eq!(steps.iter().filter(|s| s.id.contains("xcataixscript")).count(), 1);
}

/// A location that is gone, a code that says *there already*, a resource that is there and is another one: each its own answer.
#[test]
fn the_codes_of_nim_are_judged_with_the_location() {
    let step = provided("nim.bosinst-data.610snimage-bosinst-data");
    let location = "/install/nim/bosinst_data/610SNimage_bosinst_data";
    let good = ok(&object("610SNimage_bosinst_data", "bosinst_data", location));
    let machine =
        Machine::default().says("exists", ok("there\n")).says("nim -Fo define", ok("")).says("lsnim -l", good.clone());
    is(&done(&step, &machine), Verdict::Succeeded, "is ready at");
    is(&looked(&step, &machine), Verdict::Succeeded, "is ready at");
    let inner = |code: i32, text: &str| {
        let text =
            format!("0042-001 nim: processing error encountered on \"master\":\n   0042-{code:03} m_mkres: {text}\n");
        ran(code, "", &text)
    };
    for already in [
        inner(81, "The resource already exists on \"master\""),
        ran(32, "", "0042-032 nim: object name must be unique\n"),
    ] {
        is(&done(&step, &machine.clone().says("nim -Fo define", already.clone())), Verdict::Succeeded, "is ready at");
        let other = ok(&object("610SNimage_bosinst_data", "bosinst_data", "/export/elsewhere"));
        let elsewhere = machine.clone().says("nim -Fo define", already).says("lsnim -l", other);
        is(&done(&step, &elsewhere), Verdict::Failed, "at /export/elsewhere, not a bosinst_data at");
    }
    is(&done(&step, &machine.clone().says("exists", ok("gone\n"))), Verdict::Failed, "is gone: copy it");
    is(
        &done(&step, &machine.clone().says("nim -Fo define", inner(154, "c_stat: the file does not exist"))),
        Verdict::Failed,
        "exited 154",
    );
    is(&done(&step, &machine.clone().says("nim -Fo define", ran(124, "", ""))), Verdict::Succeeded, "is ready at");
    let none = ran(53, "", "0042-053 lsnim: there is no NIM object named \"610SNimage_bosinst_data\"\n");
    is(&looked(&step, &machine.clone().says("lsnim -l", none)), Verdict::Failed, "NIM has no 610SNimage_bosinst_data");
    is(&looked(&step, &machine.clone().says("lsnim -l", ok("garbage"))), Verdict::Unknown, "could not be looked at");
    let unready = ok(&good.stdout.replace("ready for use", "unavailable for use"));
    is(&looked(&step, &machine.says("lsnim -l", unready)), Verdict::Failed, "unavailable for use");
}

#[test]
fn a_spot_is_good_when_its_check_says_so() {
    let step = provided("nim.spot.61cosi");
    let machine = Machine::default()
        .says("exists", ok("there\n"))
        .says("m_mkspot", ok(""))
        .says("nim -Fo check", ok(""))
        .says("lsnim -l", ok(&object("61cosi", "spot", "/install/nim/spot/61cosi/usr")));
    is(&done(&step, &machine), Verdict::Succeeded, "is ready");
    let broken = ran(
        175,
        "",
        "0042-001 nim: processing error encountered on \"master\":\n   0042-175 m_chkspot: unexpected result\n",
    );
    is(&done(&step, &machine.clone().says("nim -Fo check", broken)), Verdict::Failed, "nim -Fo check exited 175");
    let unready =
        object("61cosi", "spot", "/install/nim/spot/61cosi/usr").replace("ready for use", "unavailable for use");
    is(&done(&step, &machine.says("lsnim -l", ok(&unready))), Verdict::Failed, "61cosi is unavailable for use");
}

/// Ready by `lsnim` a SPOT is from its definition on: a check that a reboot cut off would be skipped by a look at that.
#[test]
fn a_spot_is_checked_whatever_is_seen_of_it() {
    let step = provided("nim.spot.61cosi");
    assert!(step.probe.is_empty() && !step.look_first && step.retries > 0, "{step:?}");
    let other = provided("nim.bosinst-data.610snimage-bosinst-data");
    assert!(!other.probe.is_empty() && other.look_first, "what is defined is seen by a look");
}

/// Resources that the last sync did not see, images without resources, files of Linux images: said, each with its next command.
#[test]
fn what_is_missing_is_named() {
    let lost = provided("nim.paging.61cosi-paging");
    let none = Machine::default()
        .says("lsnim -l", ran(53, "", "0042-053 lsnim: there is no NIM object named \"61cosi_paging\"\n"));
    is(&looked(&lost, &none), Verdict::Failed, "was not saved by the last sync");
    assert!(lost.opens.unwrap().command.contains("-t paging"));
    let bare = provided("nim.image.bare");
    is(&looked(&bare, &none), Verdict::Failed, "names no resources");
    let linux = provided("image.rhels7.3-ppc64le-install-compute");
    is(&looked(&linux, &Machine::default().says("exists", ok("there\n"))), Verdict::Succeeded, "all 3 paths");
    let gone = Machine::default().says("exists", ok("there\n")).says("exists /install/rhels7.3/ppc64le", ok("gone\n"));
    is(&looked(&linux, &gone), Verdict::Failed, "is gone: /install/rhels7.3/ppc64le");
    let desk = desk();
    let steps = nim::provide(&desk.context());
    assert!(steps.iter().all(|s| s.id == "nim.master" || s.id == "nim.daemon"), "nothing was saved");
}

#[test]
fn a_master_is_made_once_and_hanim_takes_over_instead() {
    let mut desk = informed();
    let master = find(nim::provide(&desk.context()), "nim.master");
    let text = master.script.listing();
    assert!(text.starts_with("nim_master_setup -a 'mk_resource=no'") && text.ends_with("-B\n"), "{text}");
    let is_one = ok("master:\n   class               = machines\n   type                = master\n");
    is(&looked(&master, &Machine::default().says("lsnim", is_one)), Verdict::Succeeded, "is a NIM master");
    let none = ran(12, "", "0042-012 lsnim: this machine is not configured as a NIM master\n");
    is(&looked(&master, &Machine::default().says("lsnim", none)), Verdict::Failed, "no NIM master yet");
    if let Some(nim) = &mut desk.pair.nim {
        nim.resources = NimResources::Hanim;
    }
    let steps = nim::provide(&desk.context());
    assert!(steps.iter().any(|s| s.id == "nim.takeover"));
    let made: Vec<&str> = steps.iter().filter(|s| !s.script.is_empty()).map(|s| s.id.as_str()).collect();
    assert_eq!(made, ["nim.takeover"], "the resources are looked at only");
}

#[test]
fn sync_refuses_a_machine_that_is_not_the_primary() {
    let mut desk = desk();
    let assess = |desk: &Desk| sync::assess(&desk.context()).remove(0);
    let role = |r| Machine::default().says("db2", r);
    is(&looked(&assess(&desk), &role(ok("PRIMARY\n"))), Verdict::Succeeded, "mn-b is in service");
    is(&looked(&assess(&desk), &role(ran(9, "STANDBY\n", ""))), Verdict::Failed, "is not the primary");
    is(&looked(&assess(&desk), &role(ran(9, "unknown\n", ""))), Verdict::Unknown, "could not be read");
    is(&looked(&assess(&desk), &role(ran(127, "", "no instance\n"))), Verdict::Unknown, "could not be read");
    desk.learn(&[Fact::Epoch { node: "mn-a".into(), epoch: 4 }]);
    is(&looked(&assess(&desk), &role(ok("PRIMARY\n"))), Verdict::Failed, "not the primary any more");
}

#[test]
fn a_collection_that_is_cut_saves_nothing() {
    let desk = desk();
    let step = sync::collect(&desk.context()).remove(0);
    let with = |text: &str, r| looked(&step, &primary().says(text, r));
    is(
        &with("nim-objects resources", ok(resources().strip_suffix(":end\n").unwrap())),
        Verdict::Unknown,
        "not be listed whole",
    );
    is(
        &with("nim-objects machines", ran(12, "", "0042-012 lsnim: this machine is not configured as a NIM master\n")),
        Verdict::Unknown,
        "0042-012",
    );
    is(
        &with("lsdef", ran(111, "Unable to open socket connection to xcatd daemon on localhost:3001.\n", "")),
        Verdict::Unknown,
        "images could not be listed",
    );
    is(&with("tabdump chain", ran(124, "", "")), Verdict::Unknown, "chain could not be read");
    is(
        &with("nodels", ran(1, "", "Error: Permission denied for request\n")),
        Verdict::Unknown,
        "nodes could not be listed",
    );
    let many: Vec<String> = (0..3_000).map(|n| format!("\"compute-node-{n:05}\",\"boot\",,,,,\n")).collect();
    let desk = informed();
    let heading = "#node,currstate,currchain,chain,ondiscover,comments,disable\n";
    let step = sync::collect(&desk.context()).remove(0);
    let judgement = looked(&step, &primary().says("tabdump chain", ok(&format!("{heading}{}", many.concat()))));
    let Some(Fact::Deployment { text, .. }) = judgement.evidence.last() else { panic!("{judgement:?}") };
    assert!(text.len() < deployment::MOST);
    assert_eq!(Deployment::from_text(text).unwrap().left[0].1, "too many to be saved");
}

#[test]
fn what_is_saved_is_written_everywhere_and_its_age_is_told() {
    let desk = informed();
    let steps = [sync::save(&desk.context()), sync::copy(&desk.context())].concat();
    let places: Vec<Place> = steps.iter().map(|s| s.place).collect();
    assert_eq!(places, [Place::Node(NodeId::B), Place::Node(NodeId::A), Place::Controller]);
    assert!(steps.iter().all(|s| s.script.listing().contains("write /var/lib/hamn/deployment (mode 600)")));
    let text = nim::newest(&desk.context()).unwrap().to_text();
    is(&looked(&steps[1], &Machine::default().says("cat", ok(&text))), Verdict::Succeeded, "as it was collected");
    is(&looked(&steps[1], &Machine::default().says("cat", ok("{}\n"))), Verdict::Failed, "another one");
    assert_eq!(nim::age(10_000_000, 10_000_000 - 60_000), "60 s");
    assert_eq!(nim::age(1_000 * 86_400 * 9, 0), "9 days");
    let step = nim::read_saved(&desk.context(), "deployment.saved").remove(0);
    is(&looked(&step, &Machine::default().says("cat", ok(&text))), Verdict::Succeeded, "at epoch 3: 4 images");
    is(&looked(&step, &Machine::default().says("cat", ran(1, "", common::NO_FILE))), Verdict::Failed, "hamn run sync");
    is(&looked(&step, &Machine::default().says("cat", ok("{}\nsha256 00\n"))), Verdict::Failed, "cut or damaged");
}

/// The test node is one that nobody else has; what says that it is gone is xCAT, not a daemon that does not answer.
#[test]
fn t54_the_test_node_is_seen_and_gone() {
    let desk = desk();
    let ctx: Context<'_> = desk.context();
    let name = drill::test_node(&ctx);
    assert_eq!(name, format!("hamn-drill-{}", common::RUN));
    let add = drill::add(&ctx).remove(0);
    assert_eq!(add.place, Place::Node(NodeId::A), "on the primary");
    assert!(add.opens.as_ref().unwrap().command.contains(&name) && add.undo.is_some());
    let delete = drill::delete(&ctx).remove(0);
    assert_eq!(delete.closes, [add.opens.as_ref().unwrap().id.clone()]);
    let shown =
        format!("Object name: {name}\n    groups=hamn-drill\n    usercomment=test node of hamn run {}\n", common::RUN);
    let there = Machine::default().says("lsdef", ok(&shown));
    is(&looked(&add, &there), Verdict::Succeeded, "with its attributes");
    is(&looked(&delete, &there), Verdict::Failed, "is still in the database");
    let other = Machine::default().says("lsdef", ok(&shown.replace("hamn-drill\n", "all\n")));
    is(&looked(&add, &other), Verdict::Failed, "without");
    let no = format!("Error: [aixmn1]: Could not find an object named '{name}' of type 'node'.\n");
    let gone = Machine::default().says("lsdef", ran(1, "No object definitions have been found\n", &no));
    is(&looked(&add, &gone), Verdict::Failed, "is not in the database");
    is(&looked(&delete, &gone), Verdict::Succeeded, "is not in the database");
    for silent in [ran(111, "Unable to open socket connection to xcatd daemon\n", ""), ran(124, "", ""), ok("")] {
        is(&looked(&delete, &Machine::default().says("lsdef", silent)), Verdict::Unknown, "could not be looked up");
    }
}

/// What follows when the cluster is managed again: resources, images, boot configuration, for the procedure's own example.
#[test]
fn plan_of_the_deployment() {
    let desk = informed();
    let workflow = workflows::registry::by_name(workflows::model::Flavour::Db2, "failover").unwrap();
    let mut plan = workflows::Plan::new(&workflow, &desk.context());
    plan.transitions
        .retain(|t| ["survey images", "provide images", "restore boot configuration"].contains(&t.name.as_str()));
    assert_eq!(plan.transitions.len(), 3);
    insta::assert_snapshot!("procedure_deployment", common::plan_text(&plan));
}
