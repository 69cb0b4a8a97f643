//! Flipped bits, torn files and missing files, in either copy or both: reported, and recovered from the other copy.

mod journal_common;

use std::{fs, sync::LazyLock};

use hamn::journal::{PlainStore, ReadOnly, Repair, StateDir, StoreError};
use journal_common::{
    RUN, commit_all, copy_of, damage, flip, holder, journal_of, open, read, record_after, records, reopen_whole,
};
use journal_schema::{Record, RunId, Seq};
use proptest::prelude::*;

/// A journal that nobody damages: the cases damage copies of it.
struct Sample {
    _temp: tempfile::TempDir,
    dir: StateDir,
    records: Vec<Record>,
}

static SAMPLE: LazyLock<Sample> = LazyLock::new(|| {
    let records = records(RUN, 120);
    let temp = tempfile::tempdir().expect("a directory");
    let dir = StateDir::new(temp.path().join("hamn"));
    // Opened twice, so that sled has written a snapshot, and records after it.
    commit_all(&open(&dir), &records[..60]);
    commit_all(&open(&dir), &records[60..]);
    Sample { _temp: temp, dir, records }
});

fn length(path: &std::path::Path) -> u64 {
    fs::metadata(path).expect("there").len()
}

/// A crash may make the mirror longer without the bytes that belong there.
#[test]
fn t75_a_length_without_its_bytes_is_an_unfinished_record() {
    let sample = &*SAMPLE;
    for hollow in [1, 31, 32, 200, 327, 4096] {
        let (_temp, dir) = copy_of(&sample.dir);
        let mirror = fs::File::options().write(true).open(dir.mirror()).expect("there");
        mirror.set_len(length(&dir.mirror()) + hollow).expect("longer");
        let repairs = reopen_whole(&dir, &sample.records);
        assert_eq!(repairs, [Repair::MirrorTailCut { bytes: hollow }]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn t75_a_flipped_bit_in_the_mirror_is_reported_and_recovered(place in 0.0..1.0_f64, bit in 0_u8..8) {
        let sample = &*SAMPLE;
        let (_temp, dir) = copy_of(&sample.dir);
        flip(&dir.mirror(), (length(&dir.mirror()) as f64 * place) as u64, bit);

        let report = ReadOnly::open(&dir).expect("readable").verify();
        prop_assert!(!report.is_sound() && report.is_recoverable(), "{report:?}");
        prop_assert_eq!(report.runs[0].only_in_first.len(), 1);

        let repairs = reopen_whole(&dir, &sample.records);
        prop_assert!(
            matches!(&repairs[..], [Repair::MirrorRebuilt { restored: 1, .. }] | [Repair::MirrorTailCut { .. }, Repair::MirrorExtended { records: 1 }]),
            "{repairs:?}"
        );
    }

    #[test]
    fn t75_a_flipped_bit_in_sled_loses_nothing(place in 0.0..1.0_f64, bit in 0_u8..8, file in prop::sample::select(vec!["db", "conf", "snap."])) {
        let sample = &*SAMPLE;
        let (_temp, dir) = copy_of(&sample.dir);
        let path = fs::read_dir(dir.sled()).expect("readable").map(|e| e.expect("readable").path())
            .find(|p| p.file_name().is_some_and(|n| n.to_string_lossy().starts_with(file))).expect("one of sled's files");
        flip(&path, (length(&path) as f64 * place) as u64, bit);
        reopen_whole(&dir, &sample.records);
        prop_assert!(ReadOnly::open(&dir).expect("readable").verify().is_sound());
    }

    #[test]
    fn t75_different_records_damaged_in_both_copies_are_all_recovered(
        in_mirror in prop::collection::btree_set(0_usize..120, 1..6),
        in_first in prop::collection::btree_set(0_usize..120, 1..6),
    ) {
        let sample = &*SAMPLE;
        let (_temp, dir) = copy_of(&sample.dir);
        for i in &in_mirror {
            damage(&dir.mirror(), &sample.records[*i]);
        }
        for i in in_first.difference(&in_mirror) {
            damage(&dir.sled().join("db"), &sample.records[*i]);
        }
        reopen_whole(&dir, &sample.records);
    }

    #[test]
    fn a_mirror_cut_off_anywhere_is_completed(place in 0.0..1.0_f64) {
        let sample = &*SAMPLE;
        let (_temp, dir) = copy_of(&sample.dir);
        let file = fs::File::options().write(true).open(dir.mirror()).expect("there");
        file.set_len((length(&dir.mirror()) as f64 * place) as u64).expect("cut");
        reopen_whole(&dir, &sample.records);
    }

    #[test]
    fn zeros_over_a_stretch_of_either_copy_lose_nothing(place in 0.0..1.0_f64, sectors in 1_usize..16, mirror in any::<bool>()) {
        use std::os::unix::fs::FileExt;
        let sample = &*SAMPLE;
        let (_temp, dir) = copy_of(&sample.dir);
        let path = if mirror { dir.mirror() } else { dir.sled().join("db") };
        let at = (length(&path) as f64 * place) as u64 / 512 * 512;
        let file = fs::File::options().write(true).open(&path).expect("there");
        file.write_all_at(&vec![0; sectors * 512], at).expect("written");
        reopen_whole(&dir, &sample.records);
    }
}

#[test]
fn a_record_damaged_in_both_copies_is_named_and_the_other_runs_go_on() {
    let (_temp, dir, first) = journal_of(20);
    let other = records(RunId(RUN.0 + 1), 20);
    commit_all(&open(&dir), &other);
    damage(&dir.mirror(), &first[7]);
    damage(&dir.sled().join("db"), &first[7]);

    let view = ReadOnly::open(&dir).expect("readable");
    let report = view.verify();
    assert_eq!((report.runs[0].records, &report.runs[0].missing[..]), (7, &[Seq(7)][..]));
    assert_eq!(report.runs[0].stranded.len(), 12);
    assert!(!report.is_recoverable() && report.runs[1].is_sound());
    assert_eq!(view.records(RUN).filter_map(Result::ok).collect::<Vec<_>>(), first[..7]);
    drop(view);

    let store = open(&dir);
    let named =
        |r: &Repair| matches!(r, Repair::RunDamaged { run, detail } if *run == RUN && detail.contains("record 7 "));
    assert!(store.repairs().iter().any(named), "{:?}", store.repairs());
    assert!(matches!(read(&store, RUN), Err(StoreError::Damaged { .. })));
    let next = record_after(first.last(), RUN);
    let refused = journal_common::wait(hamn::journal::Store::commit(&store, &next)).expect_err("a run with a hole");
    assert!(matches!(refused, StoreError::Damaged { .. }), "{refused:?}");
    assert_eq!(read(&store, other[0].run).expect("readable"), other);
    let next = record_after(other.last(), other[0].run);
    commit_all(&store, &[next]);
}

#[test]
fn a_damaged_copy_is_kept_for_examination() {
    let (_temp, dir, records) = journal_of(20);
    damage(&dir.mirror(), &records[3]);
    let damaged = fs::read(dir.mirror()).expect("readable");
    let repairs = reopen_whole(&dir, &records);
    let [Repair::MirrorRebuilt { kept, .. }] = &repairs[..] else { panic!("{repairs:?}") };
    assert_eq!(fs::read(kept).expect("kept"), damaged);

    fs::remove_dir_all(dir.sled()).expect("removed");
    fs::create_dir(dir.sled()).expect("a directory");
    fs::write(dir.sled().join("db"), vec![0x5a; 200_000]).expect("nonsense");
    let repairs = reopen_whole(&dir, &records);
    let [Repair::FirstRebuilt { kept: Some(kept), restored: 20, .. }] = &repairs[..] else { panic!("{repairs:?}") };
    assert!(kept.join("db").exists());
}

#[test]
fn either_copy_comes_back_when_it_is_missing() {
    let (_temp, dir, records) = journal_of(40);
    fs::remove_dir_all(dir.sled()).expect("removed");
    assert_eq!(
        reopen_whole(&dir, &records),
        [Repair::FirstRebuilt { kept: None, why: "it was not there".to_owned(), restored: 40 }]
    );
    fs::remove_file(dir.mirror()).expect("removed");
    assert_eq!(reopen_whole(&dir, &records), [Repair::MirrorExtended { records: 40 }]);
}

#[test]
fn a_half_written_snapshot_of_sled_is_no_obstacle() {
    let (_temp, dir, records) = journal_of(40);
    let file = "snap.0000000000000A5B.generating";
    fs::write(dir.sled().join(file), b"torn").expect("written");
    assert_eq!(reopen_whole(&dir, &records), [Repair::TornSnapshotRemoved { file: file.to_owned() }]);
}

#[test]
fn what_the_mirror_alone_has_taken_reaches_sled_later() {
    let (_temp, dir, mut all) = journal_of(5);
    all.extend(records(RUN, 60).split_off(5));
    let plain = PlainStore::open(&dir, &holder()).expect("opens");
    commit_all(&plain, &all[5..]);
    drop(plain);
    let repairs = reopen_whole(&dir, &all);
    assert!(matches!(repairs[..], [Repair::FirstRebuilt { restored: 55, .. }]), "{repairs:?}");
}

#[test]
fn a_look_changes_nothing() {
    let (_temp, dir, records) = journal_of(30);
    damage(&dir.mirror(), &records[9]);
    let before = journal_common::contents(dir.root());
    let view = ReadOnly::open(&dir).expect("readable");
    assert_eq!(view.read(RUN).expect("from sled's file"), records);
    assert!(!view.verify().is_sound());
    drop(view);
    assert!(before == journal_common::contents(dir.root()), "a look wrote something");

    let nowhere = StateDir::new(dir.root().join("nowhere"));
    assert_eq!(ReadOnly::open(&nowhere).expect("an empty journal").runs(), []);
    assert!(!nowhere.root().exists());
}

#[test]
fn a_sound_journal_is_found_sound_both_ways() {
    let (_temp, dir, records) = journal_of(30);
    let report = ReadOnly::open(&dir).expect("readable").verify();
    assert!(report.is_sound(), "{report:?}");
    assert_eq!((report.mirror.records, report.first.records, report.first.seen), (30, 30, "searched"));
    let report = open(&dir).verify().expect("readable");
    assert!(report.is_sound(), "{report:?}");
    assert_eq!((report.runs[0].records, report.runs[0].head, report.first.seen), (30, records[29].digest(), "read"));
}

/// The state folder removed, or put back from a backup, under a run: the system goes on writing to files that nobody can find.
#[test]
fn t75_a_journal_that_was_deleted_takes_nothing_more() {
    for part in ["mirror", "sled"] {
        let records = records(RUN, 8);
        let temp = tempfile::tempdir().unwrap();
        let dir = StateDir::new(temp.path().join("hamn"));
        let store = open(&dir);
        commit_all(&store, &records[..4]);
        if part == "mirror" {
            fs::remove_file(dir.mirror()).unwrap();
        } else {
            fs::remove_dir_all(dir.sled()).unwrap();
        }
        let commit = || journal_common::wait(hamn::journal::Store::commit(&store, &records[4]));
        let refused = commit();
        assert!(refused.as_ref().is_err_and(|e| e.to_string().contains("deleted")), "{part}: {refused:?}");
        assert!(matches!(commit(), Err(StoreError::Poisoned { .. })), "{part}");
    }
}
