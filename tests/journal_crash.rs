//! A writer is killed, or its machine loses power: every acknowledged record is there afterwards.

mod journal_common;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use hamn::journal::{GuardedStore, Repair, StateDir};
use journal_common::{RUN, Writer, be_writer, holder, open, read};
use journal_schema::Seq;

/// Not a test of its own: what the other tests start as the process to be killed.
#[test]
fn writer() {
    be_writer();
}

/// Every acknowledged record is there, and no repair was a loss. Returns how many there are.
fn assert_whole(store: &GuardedStore, acknowledged: Option<Seq>) -> u64 {
    let records = read(store, RUN).expect("readable");
    let there = records.len() as u64;
    let needed = acknowledged.map_or(0, |seq| seq.0 + 1);
    assert!(there >= needed, "{there} records, {needed} were acknowledged; repairs: {:?}", store.repairs());
    // A record that nobody was told of may have reached the mirror's disk in part, its end before its beginning: that looks like damage, is
    // kept and told, and is no loss. Of an acknowledged record neither copy may lack a byte.
    let in_flight = there - needed;
    let damage = store.repairs().iter().find(|r| match r {
        Repair::RunDamaged { .. } | Repair::FirstRebuilt { .. } | Repair::WithoutFirst { .. } => true,
        Repair::MirrorRebuilt { restored, .. } => *restored > in_flight,
        _ => false,
    });
    assert_eq!(damage, None, "a crash damages neither copy");
    there
}

#[test]
fn t75_nothing_acknowledged_is_lost_when_the_writer_is_killed() {
    let temp = tempfile::tempdir().expect("a directory");
    let dir = StateDir::new(temp.path());
    let mut last = None;
    for round in 0..100 {
        let mut writer = Writer::start("writer", &dir);
        for _ in 0..=round % 17 {
            last = Some(writer.next().expect("a living writer"));
        }
        last = writer.kill(last);
        assert_whole(&open(&dir), last);
    }
    assert!(last.expect("many").0 >= 100);
}

/// A file system of its own in a file, on a loop device.
struct Disk {
    image: PathBuf,
    mount: PathBuf,
    mounted: bool,
}

impl Disk {
    fn new(temp: &Path, megabytes: u64) -> Self {
        let disk = Self { image: temp.join("disk"), mount: temp.join("mount"), mounted: false };
        fs::create_dir_all(&disk.mount).expect("a mount point");
        fs::File::create(&disk.image).and_then(|f| f.set_len(megabytes << 20)).expect("an image");
        run("mkfs.ext4", &["-q", "-F", text(&disk.image)]);
        disk
    }

    fn mount(&mut self) -> StateDir {
        run("mount", &["-o", "loop", text(&self.image), text(&self.mount)]);
        self.mounted = true;
        StateDir::new(self.mount.join("hamn"))
    }

    /// Stops the file system as a power cut does: what it has not written out, its log included, is gone.
    fn cut_power(&self) {
        // EXT4_IOC_SHUTDOWN with EXT4_GOING_FLAGS_NOLOGFLUSH. An ioctl needs unsafe code in Rust; perl is on every system.
        let program =
            "open(my $d, '<', $ARGV[0]) or die $!; my $how = pack('L', 2); ioctl($d, 0x8004587d, $how) or die $!";
        run("perl", &["-e", program, text(&self.mount)]);
    }

    fn unmount(&mut self) {
        run("umount", &[text(&self.mount)]);
        self.mounted = false;
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if self.mounted {
            let _ = Command::new("umount").arg(&self.mount).status();
        }
    }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path of this test")
}

fn run(program: &str, args: &[&str]) {
    let out = Command::new(program).args(args).output().expect("a program that was looked for");
    assert!(out.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&out.stderr));
}

/// Runs a test again in a mount namespace of its own and gives its verdict; `false` in that second process, which goes on.
/// So no other process can keep a file system of this test alive, and a killed test leaves no mount behind.
fn ran_in_own_mounts(test: &str) -> bool {
    const INSIDE: &str = "HAMN_TEST_OWN_MOUNTS";
    if std::env::var_os(INSIDE).is_some() {
        return false;
    }
    let out = Command::new("unshare")
        .args(["--mount", "--"])
        .arg(std::env::current_exe().expect("this program"))
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(INSIDE, "1")
        .output()
        .expect("a program that was looked for");
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(out.status.success(), "{test}, in a mount namespace:\n{}{}", said(&out.stdout), said(&out.stderr));
    true
}

/// Why loop devices cannot be used here.
fn no_loop_device() -> Option<&'static str> {
    if !rustix::process::geteuid().is_root() {
        return Some("needs root");
    }
    let there =
        |name: &str| ["/usr/sbin", "/sbin", "/usr/bin", "/bin"].iter().any(|d| Path::new(d).join(name).exists());
    if !["mkfs.ext4", "mount", "umount", "unshare", "perl"].into_iter().all(there) {
        return Some("needs mkfs.ext4, mount, unshare and perl");
    }
    (!Path::new("/dev/loop-control").exists()).then_some("needs loop devices")
}

#[test]
fn t75_nothing_acknowledged_is_lost_when_the_power_is_cut() {
    if let Some(why) = no_loop_device() {
        return say_skipped(why);
    }
    if ran_in_own_mounts("t75_nothing_acknowledged_is_lost_when_the_power_is_cut") {
        return;
    }
    for round in 0..20 {
        let temp = tempfile::tempdir().expect("a directory");
        let mut disk = Disk::new(temp.path(), 64);
        let mut last = None;
        // The second cut of a round hits a journal that has lived through one.
        for cut in 0..2 {
            let dir = disk.mount();
            if cut > 0 {
                assert_whole(&open(&dir), last);
            }
            let mut writer = Writer::start("writer", &dir);
            for _ in 0..=(round * 7 + cut * 3) % 60 {
                last = Some(writer.next().expect("a living writer"));
            }
            disk.cut_power();
            last = writer.kill(last);
            disk.unmount();
        }
        assert_whole(&open(&disk.mount()), last);
        disk.unmount();
    }
}

#[test]
fn t75_full_disk_stops_the_journal_and_loses_nothing() {
    if let Some(why) = no_loop_device() {
        return say_skipped(why);
    }
    if ran_in_own_mounts("t75_full_disk_stops_the_journal_and_loses_nothing") {
        return;
    }
    let temp = tempfile::tempdir().expect("a directory");
    let mut disk = Disk::new(temp.path(), 16);
    let dir = disk.mount();
    let fill = disk.mount.join("fill");
    let records = journal_common::records(RUN, 4000);
    let store = open(&dir);
    journal_common::commit_all(&store, &records[..10]);
    fs::File::create(&fill).and_then(|f| fill_up(&f)).expect("a full disk");
    let mut acknowledged = 10;
    let refused = loop {
        match journal_common::wait(hamn::journal::Store::commit(&store, &records[acknowledged])) {
            Ok(()) => acknowledged += 1,
            Err(e) => break e,
        }
    };
    assert!(matches!(refused, hamn::journal::StoreError::Full { .. }), "{refused:?}");
    let later =
        journal_common::wait(hamn::journal::Store::commit(&store, &records[acknowledged])).expect_err("poisoned");
    assert!(matches!(later, hamn::journal::StoreError::Poisoned { .. }), "{later:?}");
    assert_eq!(read(&store, RUN).expect("readable"), records[..acknowledged]);
    drop(store);

    // Still full: opening either copes or says so; neither loses anything.
    match GuardedStore::open(&dir, &holder()) {
        Ok(store) => drop(store),
        Err(e) => assert!(matches!(e, hamn::journal::StoreError::Full { .. }), "{e:?}"),
    }

    fs::remove_file(&fill).expect("space again");
    let store = open(&dir);
    let there = assert_whole(&store, Some(Seq(acknowledged as u64 - 1))) as usize;
    journal_common::commit_all(&store, &records[there..there + 10]);
    assert_eq!(read(&store, RUN).expect("readable"), records[..there + 10]);
    drop(store);
    disk.unmount();
}

fn fill_up(file: &fs::File) -> std::io::Result<()> {
    use std::io::Write;
    for size in [1 << 20, 4096, 512] {
        let block = vec![0x55; size];
        loop {
            match (&mut &*file).write_all(&block).and_then(|()| file.sync_data()) {
                Ok(()) => {}
                Err(e) if e.kind() == std::io::ErrorKind::StorageFull => break,
                Err(e) => return Err(e),
            }
        }
    }
    Ok(())
}

fn say_skipped(why: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stdout(), "SKIPPED: {why}");
}
