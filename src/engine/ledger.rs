//! The one hand that writes the journal: check legality, make durable, tell.

use std::sync::{Arc, RwLock};

use journal_schema::{Payload, Record, RunId, RunState, Seq};
use tokio::sync::Mutex;
use workflows::Known;

use crate::journal::Store;

use super::{Clock, Event, Observer, halt::Halt};

pub(super) struct Ledger {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    observer: Arc<dyn Observer>,
    /// The order of writing.
    turn: Mutex<()>,
    view: RwLock<View>,
}

/// What the journal says so far.
pub(super) struct View {
    pub(super) state: RunState,
    pub(super) known: Known,
}

impl Ledger {
    /// Begins a run: its first record is durable when this returns.
    pub(super) async fn begin(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        observer: Arc<dyn Observer>,
        run: RunId,
        started: Payload,
    ) -> Result<Self, Halt> {
        let record = Record::next(None, run, clock.now(), started);
        let state = RunState::start(&record).map_err(|e| Halt::Bug(e.to_string()))?;
        store.commit(&record).await.map_err(Halt::Journal)?;
        observer.event(&Event::Committed { record: Box::new(record) });
        Ok(Self::open(store, clock, observer, state))
    }

    /// Takes up a run whose records come to `state`.
    pub(super) fn open(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        observer: Arc<dyn Observer>,
        state: RunState,
    ) -> Self {
        let mut known = Known::default();
        state.evidence.iter().for_each(|(_, fact)| known.learn(fact));
        Self { store, clock, observer, turn: Mutex::default(), view: RwLock::new(View { state, known }) }
    }

    /// Writes a record. An illegal one is refused before it is written; when this returns `Ok` it is durable.
    pub(super) async fn write(&self, payload: Payload) -> Result<Seq, Halt> {
        let _turn = self.turn.lock().await;
        let record = {
            // Applied before it is durable: only so is an illegal record kept off the disk. If the commit then fails the run
            // halts, and this view with it.
            let mut view = self.view.write().expect("no panic holds this lock");
            let record = view.state.next(self.clock.now(), payload);
            let seen = view.state.evidence.len();
            view.state.apply(&record).map_err(|e| Halt::Bug(e.to_string()))?;
            let View { state, known } = &mut *view;
            state.evidence[seen..].iter().for_each(|(_, fact)| known.learn(fact));
            record
        };
        self.store.commit(&record).await.map_err(Halt::Journal)?;
        let seq = record.seq;
        self.observer.event(&Event::Committed { record: Box::new(record) });
        Ok(seq)
    }

    /// Looks at what the journal says.
    pub(super) fn read<T>(&self, look: impl FnOnce(&View) -> T) -> T {
        look(&self.view.read().expect("no panic holds this lock"))
    }

    /// What was known when there were so many facts: a transition is planned again from exactly that.
    pub(super) fn known_of(&self, facts: usize) -> Known {
        self.read(|view| {
            let mut known = Known::default();
            view.state.evidence[..facts].iter().for_each(|(_, fact)| known.learn(fact));
            known
        })
    }

    pub(super) fn tell(&self, event: &Event) {
        self.observer.event(event);
    }

    pub(super) fn clock(&self) -> &dyn Clock {
        &*self.clock
    }
}
