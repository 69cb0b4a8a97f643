//! Copies of a run on other machines.

mod journal_common;

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use hamn::journal::{CopySink, MemoryStore, Replicated, Store};
use journal_common::{RUN, records};
use journal_schema::{Frames, Record, RunId, Seq};

/// A peer that can be away, and that can lose the answer of an append that it took.
#[derive(Default)]
struct Peer {
    file: Mutex<Vec<u8>>,
    away: AtomicBool,
    lost_answers: AtomicUsize,
}

#[async_trait]
impl CopySink for Peer {
    async fn append(&self, run: RunId, frames: &[u8]) -> Result<(), String> {
        assert_eq!(run, RUN);
        if self.away.load(Ordering::SeqCst) {
            return Err("no route to host".to_owned());
        }
        self.file.lock().expect("sound").extend_from_slice(frames);
        let lost = self.lost_answers.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)).is_ok();
        if lost { Err("connection lost".to_owned()) } else { Ok(()) }
    }

    fn name(&self) -> &'static str {
        "aixmn2"
    }
}

impl Peer {
    fn records(&self) -> Vec<Record> {
        Frames::new(&self.file.lock().expect("sound")).map(|(_, r)| r.expect("whole frames")).collect()
    }
}

fn replicated(peer: &Arc<Peer>, store: MemoryStore) -> Replicated<MemoryStore> {
    Replicated::new(store, vec![Arc::clone(peer) as Arc<dyn CopySink>])
}

const LONG: Duration = Duration::from_secs(600);

#[tokio::test(start_paused = true)]
async fn committed_records_arrive_in_order() {
    let peer = Arc::new(Peer::default());
    let store = replicated(&peer, MemoryStore::new());
    let records = records(RUN, 50);
    for record in &records {
        store.commit(record).await.expect("a commit");
    }
    let lags = store.finish(RUN, LONG).await;
    assert_eq!(peer.records(), records);
    assert_eq!((lags[0].acknowledged, lags[0].records, lags[0].millis), (Some(Seq(49)), 0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_commit_never_waits_for_a_peer_and_the_lag_is_told() {
    let peer = Arc::new(Peer::default());
    peer.away.store(true, Ordering::SeqCst);
    let store = replicated(&peer, MemoryStore::new());
    let records = records(RUN, 10);
    for record in &records {
        store.commit(record).await.expect("a commit");
    }
    tokio::time::sleep(Duration::from_secs(20)).await;
    let lag = store.lags(RUN).remove(0);
    assert_eq!((lag.acknowledged, lag.records, lag.error.as_deref()), (None, 10, Some("no route to host")));
    assert!((20_000..21_000).contains(&lag.millis), "{lag:?}");

    peer.away.store(false, Ordering::SeqCst);
    let lag = store.finish(RUN, LONG).await.remove(0);
    assert_eq!((lag.acknowledged, lag.records, lag.error), (Some(Seq(9)), 0, None));
    assert_eq!(peer.records(), records);
}

#[tokio::test(start_paused = true)]
async fn after_a_lost_answer_everything_from_the_last_acknowledged_record_comes_again() {
    let peer = Arc::new(Peer::default());
    peer.lost_answers.store(3, Ordering::SeqCst);
    let store = replicated(&peer, MemoryStore::new());
    let records = records(RUN, 10);
    for record in &records {
        store.commit(record).await.expect("a commit");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(store.finish(RUN, LONG).await[0].records, 0);
    let mut arrived = peer.records();
    assert!(arrived.len() > records.len(), "an append without an answer was repeated");
    arrived.sort_by_key(|r| r.seq);
    arrived.dedup();
    assert_eq!(arrived, records);
}

#[tokio::test(start_paused = true)]
async fn a_run_taken_up_again_is_copied_from_its_first_record() {
    let peer = Arc::new(Peer::default());
    let store = MemoryStore::new();
    let records = records(RUN, 20);
    for record in &records[..15] {
        store.commit(record).await.expect("a commit");
    }
    let store = replicated(&peer, store);
    for record in &records[15..] {
        store.commit(record).await.expect("a commit");
    }
    assert_eq!(store.finish(RUN, LONG).await[0].records, 0);
    assert_eq!(peer.records(), records);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_stays_away_does_not_keep_the_run_from_ending() {
    let peer = Arc::new(Peer::default());
    peer.away.store(true, Ordering::SeqCst);
    let store = replicated(&peer, MemoryStore::new());
    store.commit(&records(RUN, 1)[0]).await.expect("a commit");
    let before = tokio::time::Instant::now();
    let lag = store.finish(RUN, Duration::from_secs(5)).await.remove(0);
    assert_eq!(before.elapsed().as_secs(), 5);
    assert_eq!(lag.records, 1);
}
