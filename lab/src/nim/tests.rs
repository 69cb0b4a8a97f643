//! Golden texts, exit codes and lies of NIM.

use std::collections::{BTreeMap, BTreeSet};

use super::*;

/// A machine in memory.
struct Memory {
    nim: Nim,
    host: String,
    files: BTreeMap<String, String>,
    directories: BTreeSet<String>,
    nimesis: bool,
    images: String,
    xcatd: bool,
    peer: Option<i32>,
    told: Vec<Message>,
    ms: u64,
}

const SOURCE: &str = "/install/nim/lpp_source/610SNimage_lpp_source";
const HEADER: &str = "#imagename,nimtype,lpp_source,spot,root,dump,paging,resolv_conf,tmp,home,shared_home,res_group,nimmethod,script,bosinst_data,installp_bundle,mksysb,fb_script,shared_root,otherpkgs,image_data,configdump,comments,disable\n";

impl Memory {
    fn new(role: Role) -> Self {
        let mut memory = Self {
            nim: if role == Role::Master { Nim::master("aixmn1") } else { Nim { role, ..Nim::default() } },
            host: "aixmn1".into(),
            files: BTreeMap::new(),
            directories: BTreeSet::new(),
            nimesis: true,
            images: format!(
                "{HEADER}\"610SNimage\",\"standalone\",\"610SNimage_lpp_source\",\"610SNimage\",,,,,,,,,\"rte\",\"xcataixscript\",\"610SNimage_bosinst_data\",\"xCATaixSN61,xCATaixSSL\",,,,,,,,\n\"61dskls\",\"diskless\",,\"61dskls\",,,\"61dskls_paging\",,,,,,,,,,,,\"61dskls_shared_root\",,,,,\n"
            ),
            xcatd: true,
            peer: Some(0),
            told: Vec::new(),
            ms: 0,
        };
        for file in [
            format!("{SOURCE}/installp/ppc/bos"),
            "/install/nim/spot/610SNimage/usr/lib/boot/network/rc.dd_boot".into(),
            "/install/nim/scripts/xcataixscript".into(),
            "/install/nim/bosinst_data/610SNimage_bosinst_data".into(),
            "/install/nim/installp_bundle/xCATaixSN61.bnd".into(),
            "/install/nim/installp_bundle/xCATaixSSL.bnd".into(),
            "/install/nim/spot/hollow/usr/README".into(),
            "/install/nim/paging/61dskls_paging/.x".into(),
        ] {
            memory.write_file(&file, "");
        }
        memory
    }

    fn call(&mut self, line: &str) -> Reply {
        let words: Vec<&str> = line.split(' ').collect();
        call(words[0], &words[1..], self)
    }

    fn played(&mut self, lines: &[&str]) -> String {
        lines.iter().fold(String::new(), |text, line| {
            let reply = self.call(line);
            text + &format!("$ {line}\n{}{}[{}]\n", reply.stdout, reply.stderr, reply.exit)
        })
    }
}

impl Backend for Memory {
    fn nim(&self) -> &Nim {
        &self.nim
    }

    fn nim_mut(&mut self) -> &mut Nim {
        &mut self.nim
    }

    fn host_name(&self) -> String {
        self.host.clone()
    }

    fn find(&self, path: &str) -> Option<Found> {
        if self.files.contains_key(path) {
            return Some(Found::File);
        }
        self.directories.contains(path.trim_end_matches('/')).then_some(Found::Directory)
    }

    fn read_file(&self, path: &str) -> Option<String> {
        self.files.get(path).cloned()
    }

    fn write_file(&mut self, path: &str, content: &str) {
        self.files.insert(path.into(), content.into());
        let mut rest = path;
        while let Some((parent, _)) = rest.rsplit_once('/') {
            self.directories.insert(parent.into());
            rest = parent;
        }
    }

    fn remove_file(&mut self, path: &str) {
        self.files.remove(path);
    }

    fn nimesis(&self) -> bool {
        self.nimesis
    }

    fn set_nimesis(&mut self, run: bool) {
        self.nimesis = run;
    }

    fn xcat(&mut self, name: &str, args: &[&str]) -> Reply {
        if !self.xcatd {
            return Reply::failed(111, "Unable to open socket connection\n", "Connection failure\n");
        }
        match name {
            "tabdump" => Reply::ok(self.images.clone()),
            "lsdef" => Reply::ok(format!("Object name: {}\n    currstate=osimage=610SNimage\n", args[0])),
            _ if args[0] == "nobody" => {
                Reply::failed(1, "", "Error: Invalid nodes and/or groups in noderange: nobody\n")
            }
            _ => Reply::ok("sn01\n"),
        }
    }

    fn tell(&mut self, _: &str, message: &Message) -> Option<i32> {
        self.told.push(message.clone());
        self.peer
    }

    fn elapse(&mut self, ms: u64) {
        self.ms += ms;
    }
}

/// The procedure's own commands, for one image.
const IMAGE: [&str; 7] = [
    "/usr/sbin/nim -Fo define -t lpp_source -a server=master -a location=/install/nim/lpp_source/610SNimage_lpp_source 610SNimage_lpp_source",
    "/usr/lpp/bos.sysmgt/nim/methods/m_mkspot -o -a server=master -a location=/install/nim/spot/ -a source=no 610SNimage",
    "/usr/sbin/nim -Fo check 610SNimage",
    "/usr/sbin/nim -Fo define -t script -a server=master -a location=/install/nim/scripts/xcataixscript xcataixscript",
    "/usr/sbin/nim -Fo define -t bosinst_data -a server=master -a location=/install/nim/bosinst_data/610SNimage_bosinst_data 610SNimage_bosinst_data",
    "/usr/sbin/nim -Fo define -t installp_bundle -a server=master -a location=/install/nim/installp_bundle/xCATaixSN61.bnd xCATaixSN61",
    "/usr/sbin/nim -Fo define -t installp_bundle -a server=master -a location=/install/nim/installp_bundle/xCATaixSSL.bnd xCATaixSSL",
];

#[test]
fn golden_texts() {
    let mut memory = Memory::new(Role::Unconfigured);
    memory.nimesis = false;
    insta::assert_snapshot!(
        "new",
        memory.played(&[
            "lsnim -l",
            "nim -Fo define -t spot x",
            "nim_master_setup -a mk_resource=no -a device=/nowhere"
        ])
    );
    memory.write_file("/install/nim/lpp_source/aix/bos", "");
    let setup = "nim_master_setup -a mk_resource=no -a device=/install/nim/lpp_source/aix";
    let mut lines = vec![setup, setup];
    lines.extend(IMAGE);
    lines.extend([
        "lsnim",
        "lsnim -l 610SNimage",
        "lsnim -l 610SNimage_lpp_source",
        "lsnim -t spot",
        "lsnim -c resources",
        "lsnim -Z -a location 610SNimage",
        "lsnim -a location 610SNimage",
        "nimnodeset -i 610SNimage sn01",
        "lsnim -l sn01",
        "nim -o unconfig master",
        "lsnim",
    ]);
    insta::assert_snapshot!("defined", memory.played(&lines));
}

/// Command, exit code, what the error says.
#[test]
fn exit_codes_are_those_of_the_messages() {
    let long = "x".repeat(40);
    let table: &[(&str, i32, &str)] = &[
        ("lsnim -l nobody", 53, "0042-053 lsnim: there is no NIM object named \"nobody\""),
        ("lsnim -t nonsense", 5, "0042-005"),
        ("nim -o define", 4, "0042-004"),
        ("nim -o", 4, "0042-004"),
        ("nim -Fo check nobody", 53, "0042-053"),
        ("nim -Fo remove nobody", 53, "0042-053"),
        ("nim -Fo remove boot", 61, "reserved"),
        ("nim -Fo nonsense master", 16, "0042-016"),
        ("nim -Fo define -t nonsense x", 24, "0042-024"),
        ("nim -Fo define -t script x", 15, "\"location\""),
        ("nim -Fo define -t script -a location=/install/nim/scripts/xcataixscript x", 15, "\"server\""),
        ("nim -Fo define -t script -a server=master -a location=/gone x", 154, "\"/gone\" does not exist"),
        ("nim -Fo define -t script -a server=master -a location=/install/nim/scripts x", 175, "0042-175"),
        (
            "nim -Fo define -t script -a server=master -a location=/install/nim/scripts/xcataixscript other",
            81,
            "already exists",
        ),
        ("nim -Fo define -t script -a server=master -a location=/elsewhere xcataixscript", 32, "must be unique"),
        (&format!("nim -Fo define -t script -a server=master -a location=/gone {long}"), 22, "at most 39"),
        (
            "/usr/lpp/bos.sysmgt/nim/methods/m_mkspot -o -a server=master -a location=/install/nim/spot -a source=no none",
            154,
            "spot/none",
        ),
        ("m_mkspot -o -a server=master -a location=/install/nim/spot -a source=no 610SNimage", 32, "must be unique"),
        ("m_mkspot -o -a server=master none", 15, "0042-015"),
        ("m_restore_db /gone", 154, "/gone"),
        ("m_backup_db", 4, "0042-004"),
        ("nim -o takeover aixmn2", 16, "0042-016"),
        ("nimnodeset", 1, "Usage"),
        ("nimnodeset nobody", 1, "Invalid nodes"),
        ("nimnodeset -i nosuch sn01", 1, "osimage 'nosuch'"),
        ("nimnodeset -i 61dskls sn01", 1, "not supported by nimnodeset"),
        ("mkdsklsnode -i 61dskls sn01", 1, "'61dskls' is not defined"),
        ("nonsense", 127, "not found"),
    ];
    for (line, exit, text) in table {
        let mut memory = Memory::new(Role::Master);
        for command in IMAGE {
            assert_eq!(memory.call(command).exit, 0, "{command}");
        }
        let before = memory.nim.objects.clone();
        let reply = memory.call(line);
        assert_eq!(reply.exit, *exit, "{line}: {reply:?}");
        assert!((reply.stderr.clone() + &reply.stdout).contains(text), "{line}: {reply:?}");
        assert_eq!(memory.nim.objects, before, "{line}: changed something");
    }
}

#[test]
fn a_spot_is_made_slowly_and_exit_0_does_not_make_it_good() {
    let mut memory = Memory::new(Role::Master);
    let make = |name: &str| format!("m_mkspot -o -a server=master -a location=/install/nim/spot -a source=no {name}");
    assert_eq!(memory.call(&make("hollow")).exit, 0);
    assert!(memory.ms >= 600_000, "{}", memory.ms);
    assert_eq!(memory.call("lsnim -l hollow").exit, 0, "it is there");
    let checked = memory.call("nim -Fo check hollow");
    assert_eq!(checked.exit, 154, "{checked:?}");
    assert_eq!(memory.nim.object("hollow").unwrap().get("Rstate"), Some("unavailable for use"));

    memory.nim.knobs.broken_spots = vec!["610SNimage".into()];
    assert_eq!(memory.call(&make("610SNimage")).exit, 0);
    assert_eq!(memory.nim.object("610SNimage").unwrap().get("Rstate"), Some("ready for use"), "says so");
    let checked = memory.call("nim -Fo check 610SNimage");
    assert!(checked.exit == 175 && checked.stderr.contains("0301-152"), "{checked:?}");
}

#[test]
fn t66_a_location_that_is_gone_is_found_by_the_check_only() {
    let mut memory = Memory::new(Role::Master);
    assert_eq!(memory.call(IMAGE[3]).exit, 0);
    memory.remove_file("/install/nim/scripts/xcataixscript");
    assert_eq!(memory.call("lsnim -l xcataixscript").exit, 0);
    assert_eq!(memory.call("nim -Fo check xcataixscript").exit, 154);
    // And a node cannot have it.
    for command in [IMAGE[0], IMAGE[1], IMAGE[4], IMAGE[5], IMAGE[6]] {
        memory.call(command);
    }
    let refused = memory.call("nimnodeset -i 610SNimage sn01");
    assert!(refused.exit == 1 && refused.stderr.contains("0042-207"), "{refused:?}");
}

#[test]
fn force_may_replace() {
    let mut memory = Memory::new(Role::Master);
    memory.nim.knobs.force_replaces = true;
    assert_eq!(memory.call(IMAGE[3]).exit, 0);
    memory.write_file("/elsewhere", "");
    assert_eq!(memory.call("nim -Fo define -t script -a server=master -a location=/elsewhere xcataixscript").exit, 0);
    assert_eq!(memory.nim.object("xcataixscript").unwrap().get("location"), Some("/elsewhere"));
}

#[test]
fn a_used_resource_is_not_removed_and_a_node_gives_back_what_it_had() {
    let mut memory = Memory::new(Role::Master);
    for command in IMAGE {
        memory.call(command);
    }
    for _ in 0..2 {
        assert_eq!(memory.call("nimnodeset -i 610SNimage sn01").exit, 0);
        assert_eq!(memory.nim.object("610SNimage").unwrap().get("alloc_count"), Some("1"));
    }
    assert_eq!(memory.call("nim -Fo remove 610SNimage").exit, 61);
    assert_eq!(memory.call("nim -Fo reset sn01").exit, 0);
    assert_eq!(memory.call("nim -Fo remove 610SNimage").exit, 0);
}

#[test]
fn without_its_daemons_nothing_is_done() {
    let mut memory = Memory::new(Role::Master);
    memory.nimesis = false;
    assert_eq!(memory.call(IMAGE[3]).exit, 6);
    assert_eq!(memory.call("lsnim -l boot").exit, 0, "listing needs none");
    memory.nimesis = true;
    memory.xcatd = false;
    assert_eq!(memory.call("nimnodeset sn01").exit, 111);
}

#[test]
fn a_copy_of_the_database_is_restored_under_the_old_name() {
    let mut memory = Memory::new(Role::Master);
    for command in IMAGE {
        memory.call(command);
    }
    assert_eq!(memory.call("m_backup_db /install/nim-backup").exit, 0);
    let copy = memory.files["/install/nim-backup"].clone();
    let mut other = Memory::new(Role::Unconfigured);
    other.host = "aixmn2".into();
    other.write_file("/install/nim-backup", &copy);
    other.write_file("/torn", &copy[..copy.len() / 2]);
    assert_eq!(other.call("m_restore_db /torn").exit, 175);
    assert_eq!(other.nim.role, Role::Unconfigured);
    assert_eq!(other.call("/usr/lpp/bos.sysmgt/nim/methods/m_restore_db /install/nim-backup").exit, 0);
    assert_eq!(other.nim.objects, memory.nim.objects);
    assert!(other.nim.object("master").unwrap().get("if1").unwrap().contains("aixmn1"));
}

#[test]
fn hanim_sync_drops_resources_and_takeover_needs_no_answer() {
    let mut first = Memory::new(Role::Master);
    for command in IMAGE {
        first.call(command);
    }
    assert_eq!(first.call("nim -o define -t alternate_master -a platform=chrp aixmn2").exit, 0);
    for (line, kept) in [("nim -Fo sync aixmn2", false), ("nim -Fo sync -a replicate=yes aixmn2", true)] {
        assert_eq!(first.call(line).exit, 0, "{line}");
        let mut second = Memory::new(Role::Unconfigured);
        second.host = "aixmn2".into();
        assert_eq!(receive(first.told.last().unwrap(), &mut second), 0);
        assert_eq!(second.call("nim -Fo check boot").exit, 12, "it controls nothing yet");
        assert_eq!(second.nim.object("610SNimage").is_some(), kept, "{line}");
        assert_eq!(second.call("lsnim -t alternate_master").stdout.split_whitespace().next(), Some("aixmn1"));
        assert_eq!(second.call("nim -o takeover master").exit, 16, "its target is an alternate master");
        second.peer = None;
        let taken = second.call("nim -o takeover aixmn1");
        assert!(taken.exit == 0 && taken.stderr.starts_with("warning: 0042-175"), "{taken:?}");
        assert_eq!(second.nim.role, Role::Master);
        assert!(second.nim.object("master").unwrap().get("if1").unwrap().contains("aixmn2"));
        assert_eq!(second.nim.object("aixmn1").unwrap().kind, "alternate_master");
    }
    first.peer = None;
    assert_eq!(first.call("nim -Fo sync aixmn2").exit, 6);
    // A machine that is a master of its own is not made an alternate without force.
    let mut own = Memory::new(Role::Master);
    let sync = Message::Sync { master: "aixmn1".into(), objects: Vec::new(), force: false };
    assert_eq!(receive(&sync, &mut own), 16);
}
