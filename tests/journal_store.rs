//! The store's contract: order, poison, the lock, and records on their way out and in.

mod journal_common;

use std::{fs, os::unix::fs::PermissionsExt, sync::mpsc, thread, time::Duration};

use hamn::journal::{
    Fault, FaultyStore, GuardedStore, ImportError, Lock, MemoryStore, PlainStore, ReadOnly, StateDir, Store,
    StoreError, import, transfer,
};
use journal_common::{RUN, Writer, be_writer, commit_all, holder, journal_of, open, read, record_after, records, wait};
use journal_schema::{Payload, Record, RunId, Seq, UnixMillis};
use proptest::prelude::*;

/// Not a test of its own: what another test starts as the process that holds the journal.
#[test]
fn writer() {
    be_writer();
}

fn state_dir() -> (tempfile::TempDir, StateDir) {
    let temp = tempfile::tempdir().expect("a directory");
    let dir = StateDir::new(temp.path().join("hamn"));
    (temp, dir)
}

#[test]
fn every_store_gives_back_what_was_committed() {
    let (_a, guarded) = state_dir();
    let (_b, plain) = state_dir();
    let stores: [Box<dyn Store>; 4] = [
        Box::new(open(&guarded)),
        Box::new(PlainStore::open(&plain, &holder()).expect("opens")),
        Box::new(MemoryStore::new()),
        Box::new(FaultyStore::new(MemoryStore::new())),
    ];
    let (first, second) = (records(RUN, 30), records(RunId(RUN.0 - 1), 20));
    for store in &stores {
        commit_all(store.as_ref(), &first);
        commit_all(store.as_ref(), &second);
        assert_eq!(wait(store.runs()).expect("readable"), [second[0].run, RUN], "oldest first");
        assert_eq!(read(store.as_ref(), RUN).expect("readable"), first);
        assert_eq!(read(store.as_ref(), second[0].run).expect("readable"), second);
        assert_eq!(read(store.as_ref(), RunId(7)).expect("an unknown run is empty"), []);
    }
}

#[test]
fn a_record_out_of_turn_is_refused_and_poisons_nothing() {
    let (_temp, dir) = state_dir();
    let store = open(&dir);
    let all = records(RUN, 5);
    commit_all(&store, &all[..3]);
    for wrong in [&all[4], &all[2], &Record { prev: all[0].digest(), ..all[3].clone() }] {
        let refused = wait(store.commit(wrong)).expect_err("out of turn");
        assert!(matches!(refused, StoreError::Damaged { .. }), "{refused:?}");
    }
    commit_all(&store, &all[3..]);
}

#[test]
fn a_record_that_is_too_large_is_refused_and_poisons_nothing() {
    let (_temp, dir) = state_dir();
    let store = open(&dir);
    let all = records(RUN, 3);
    commit_all(&store, &all[..2]);
    let reason = "x".repeat(70_000);
    let large = Record::next(Some(&all[1]), RUN, UnixMillis(1), Payload::Interrupted { reason });
    wait(store.commit(&large)).expect_err("too large");
    commit_all(&store, &all[2..]);
    drop(store);
    let nearly = Payload::Interrupted { reason: "y".repeat(65_000) };
    let store = open(&dir);
    commit_all(&store, &[Record::next(Some(&all[2]), RUN, UnixMillis(1), nearly)]);
    drop(store);
    assert!(open(&dir).repairs().is_empty() && ReadOnly::open(&dir).expect("readable").runs() == [RUN]);
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_side_by_side_keep_their_order() {
    let (_temp, dir) = state_dir();
    let store = std::sync::Arc::new(open(&dir));
    let tasks: Vec<_> = (0..8)
        .map(|n| {
            let store = std::sync::Arc::clone(&store);
            tokio::spawn(async move {
                for record in records(RunId(RUN.0 + n), 25) {
                    store.commit(&record).await.expect("a commit");
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("ended");
    }
    drop(store);
    let store = open(&dir);
    assert_eq!(store.repairs(), []);
    for n in 0..8 {
        let run = RunId(RUN.0 + n);
        assert_eq!(store.read(run).await.expect("readable"), records(run, 25));
    }
}

#[test]
fn a_commit_whose_caller_went_away_still_holds_its_place() {
    let (_temp, dir) = state_dir();
    let store = open(&dir);
    let all = records(RUN, 2);
    wait(async {
        let mut commit = store.commit(&all[0]);
        // Polled once and dropped: taken in, its answer heard by nobody.
        std::future::poll_fn(|cx| {
            let _ = commit.as_mut().poll(cx);
            std::task::Poll::Ready(())
        })
        .await;
        drop(commit);
        store.commit(&all[1]).await.expect("a commit");
    });
    drop(store);
    assert_eq!(read(&open(&dir), RUN).expect("readable"), all);
}

#[test]
fn t75_after_a_failed_commit_nothing_more_is_accepted() {
    for (fault, there) in [(Fault::Before, 2), (Fault::After, 3), (Fault::Full, 2)] {
        let memory = MemoryStore::new();
        let store = FaultyStore::new(memory.clone()).fail_at(2, fault);
        let all = records(RUN, 4);
        commit_all(&store, &all[..2]);
        let failed = wait(store.commit(&all[2])).expect_err("the fault");
        assert_eq!(matches!(failed, StoreError::Full { .. }), fault == Fault::Full);
        for record in &all[2..] {
            let refused = wait(store.commit(record)).expect_err("poisoned");
            assert!(
                matches!(&refused, StoreError::Poisoned { earlier } if *earlier == failed.to_string()),
                "{refused:?}"
            );
        }
        assert_eq!((memory.len(RUN), store.commits()), (there, 5));
    }
}

#[test]
fn a_second_opener_is_told_who_holds_the_journal() {
    let (_temp, dir) = state_dir();
    let store = open(&dir);
    let text = "of tester on bench for a test, since 2026-01-31 03:35:00Z";
    for refused in [GuardedStore::open(&dir, &holder()).err(), ReadOnly::open(&dir).err()] {
        let Some(StoreError::Locked { holder }) = refused else { panic!("{refused:?}") };
        assert_eq!(holder, format!("process {} {text}", std::process::id()));
    }
    assert!(Lock::holder(&dir.lock()).expect("readable").is_some());
    drop(store);
    assert_eq!(Lock::holder(&dir.lock()).expect("readable"), None);
}

#[test]
fn the_text_of_a_dead_holder_is_no_obstacle() {
    let (_temp, dir) = state_dir();
    let mut writer = Writer::start("writer", &dir);
    let last = writer.next();
    let Err(StoreError::Locked { holder }) = ReadOnly::open(&dir) else { panic!("the writer holds it") };
    let last = writer.kill(last).expect("some");
    assert_eq!(fs::read_to_string(dir.lock()).expect("readable").trim_end(), holder, "its text is still there");
    assert!(read(&open(&dir), RUN).expect("readable").len() as u64 > last.0);
}

#[test]
fn a_writer_waits_for_a_reader() {
    let (_temp, dir, _) = journal_of(3);
    let view = ReadOnly::open(&dir).expect("readable");
    let together = ReadOnly::open(&dir).expect("readers do not exclude each other");
    let (sender, answer) = mpsc::channel();
    let other = dir.clone();
    let opener = thread::spawn(move || sender.send(GuardedStore::open(&other, &holder()).is_ok()));
    assert_eq!(answer.recv_timeout(Duration::from_millis(50)), Err(mpsc::RecvTimeoutError::Timeout));
    drop((view, together));
    assert_eq!(answer.recv_timeout(Duration::from_secs(30)), Ok(true));
    opener.join().expect("ended").expect("sent");
}

#[test]
fn nobody_else_can_read_the_state() {
    let (_temp, dir, _) = journal_of(3);
    for (path, _) in journal_common::contents(dir.root()) {
        let mode = fs::metadata(&path).expect("there").permissions().mode();
        // sled makes some files itself; the directory above them keeps everybody out.
        let inside_sled = path.starts_with(dir.sled()) && path != dir.sled();
        let allowed = if path.is_dir() { 0o700 } else { 0o600 };
        assert!(inside_sled || mode & 0o777 == allowed, "{}: {mode:o}", path.display());
    }
    fs::set_permissions(dir.root(), fs::Permissions::from_mode(0o755)).expect("opened to others");
    drop(open(&dir));
    assert_eq!(fs::metadata(dir.root()).expect("there").permissions().mode() & 0o777, 0o700);
}

fn frames(records: &[Record]) -> Vec<u8> {
    transfer::to_frames(records).expect("encodes")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_peers_copy_in_any_order_with_duplicates_becomes_the_run(
        order in prop::collection::vec(0_usize..25, 0..60), here in 0_usize..=25, torn in any::<bool>(),
    ) {
        let all = records(RUN, 25);
        let mut bytes = frames(&order.iter().map(|i| all[*i].clone()).collect::<Vec<_>>());
        if torn {
            // An append that was cut off, and repeated afterwards.
            bytes.extend_from_slice(&frames(&all[3..4])[..100]);
        }
        bytes.extend(frames(&all));
        let store = MemoryStore::new();
        commit_all(&store, &all[..here]);
        let done = wait(import(&store, &bytes, "aixmn2")).expect("imported");
        prop_assert_eq!((done[0].added, done[0].already), (25 - here as u64, here as u64));
        prop_assert_eq!(read(&store, RUN).expect("readable"), all);
    }
}

#[test]
fn an_export_can_be_imported_in_both_forms() {
    let (_temp, dir, all) = journal_of(30);
    let exported = ReadOnly::open(&dir).expect("readable").read(RUN).expect("readable");
    for bytes in [transfer::to_jsonl(&exported).into_bytes(), frames(&exported)] {
        let store = MemoryStore::new();
        wait(import(&store, &bytes, "a file")).expect("imported");
        assert_eq!(read(&store, RUN).expect("readable"), all);
    }
}

#[test]
fn what_continues_a_run_here_may_begin_in_its_middle() {
    let all = records(RUN, 20);
    let store = MemoryStore::new();
    commit_all(&store, &all[..10]);
    wait(import(&store, &frames(&all[7..]), "aixmn2")).expect("imported");
    assert_eq!(read(&store, RUN).expect("readable"), all);
    let done = wait(import(&store, &frames(&all[..5]), "aixmn2")).expect("nothing new");
    assert_eq!((done[0].added, done[0].already), (0, 20));
}

/// Whether it is the right error.
type Right = fn(&ImportError) -> bool;

#[test]
fn an_import_that_contradicts_or_has_holes_changes_nothing() {
    let all = records(RUN, 20);
    let mut other = all[..12].to_vec();
    other.push(Record::next(other.last(), RUN, UnixMillis(1), Payload::Interrupted { reason: "elsewhere".to_owned() }));
    let foreign = Record { prev: all[3].digest(), ..all[12].clone() };
    let mut bad_line = transfer::to_jsonl(&all).replacen("aixmn2", "aixmn3", 1);
    bad_line.insert(0, '\n');
    let cases: Vec<(Vec<u8>, Right, &str)> = vec![
        (
            frames(&other),
            |e| matches!(e, ImportError::Fork { seq: Seq(12), .. }),
            "went on differently here and in aixmn2",
        ),
        ([frames(&all), frames(&other)].concat(), |e| matches!(e, ImportError::Fork { seq: Seq(12), .. }), "record 12"),
        (frames(&all[16..]), |e| matches!(e, ImportError::Gap { seq: Seq(15), .. }), "record 15 is missing"),
        (
            frames(&[all[..10].to_vec(), vec![foreign]].concat())[..].to_vec(),
            |e| matches!(e, ImportError::Fork { seq: Seq(12), .. }),
            "record 12",
        ),
        (Vec::new(), |e| matches!(e, ImportError::Nothing { .. }), "it is empty"),
        (b"hello".to_vec(), |e| matches!(e, ImportError::Nothing { .. }), "neither JSON lines nor frames"),
        (bad_line.into_bytes(), |e| matches!(e, ImportError::Unreadable { .. }), "line 3"),
    ];
    for (bytes, right, says) in cases {
        let store = MemoryStore::new();
        commit_all(&store, &all[..15]);
        let refused = wait(import(&store, &bytes, "aixmn2")).expect_err(says);
        assert!(right(&refused) && refused.to_string().contains(says), "{refused:?}: {refused}");
        assert_eq!(read(&store, RUN).expect("readable"), all[..15]);
    }
}

#[test]
fn a_broken_chain_is_not_imported() {
    let all = records(RUN, 5);
    let mut foreign = all.clone();
    foreign[3] = Record { prev: all[1].digest(), ..all[3].clone() };
    let refused = wait(import(&MemoryStore::new(), &frames(&foreign), "a file")).expect_err("broken");
    assert!(matches!(refused, ImportError::Chain { seq: Seq(3), .. }), "{refused:?}");
}

#[test]
fn a_fork_of_the_store_in_memory_goes_its_own_way() {
    let all = records(RUN, 4);
    let store = MemoryStore::new();
    commit_all(&store, &all[..3]);
    let (shared, forked) = (store.clone(), store.fork());
    commit_all(&store, &all[3..]);
    assert_eq!((shared.len(RUN), forked.len(RUN)), (4, 3));
    assert_eq!(record_after(forked_last(&forked).as_ref(), RUN), all[3]);
}

fn forked_last(store: &MemoryStore) -> Option<Record> {
    read(store, RUN).expect("readable").pop()
}
