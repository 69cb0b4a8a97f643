//! The one hand that writes the journal: check legality, make durable, tell.

use std::sync::{Arc, Mutex, RwLock};

use journal_schema::{Payload, Record, RunId, RunState, Seq};
use workflows::Known;

use crate::journal::Store;

use super::{Clock, Event, Observer, halt::Halt};

pub(super) struct Ledger {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    observer: Arc<dyn Observer>,
    /// The order of writing.
    turn: tokio::sync::Mutex<()>,
    view: RwLock<View>,
    then: Mutex<Then>,
}

/// What was known when there were so many facts.
#[derive(Default)]
struct Then {
    facts: usize,
    known: Known,
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
        Self {
            store,
            clock,
            observer,
            turn: tokio::sync::Mutex::default(),
            view: RwLock::new(View { state, known }),
            then: Mutex::default(),
        }
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
        self.tell(|| Event::Committed { record: Box::new(record) });
        Ok(seq)
    }

    /// Looks at what the journal says.
    pub(super) fn read<T>(&self, look: impl FnOnce(&View) -> T) -> T {
        look(&self.view.read().expect("no panic holds this lock"))
    }

    /// Looks at what was known when there were so many facts: a transition is planned again from exactly that.
    pub(super) fn as_then<T>(&self, facts: usize, look: impl FnOnce(&Known) -> T) -> T {
        let mut then = self.then.lock().expect("no panic holds this lock");
        // Transitions are asked for in the order in which they were taken: each knows what the one before knew, and more.
        if then.facts > facts {
            *then = Then::default();
        }
        let more = then.facts..facts;
        self.read(|view| view.state.evidence[more].iter().for_each(|(_, fact)| then.known.learn(fact)));
        then.facts = facts;
        look(&then.known)
    }

    pub(super) fn tell(&self, event: impl FnOnce() -> Event) {
        if self.observer.listens() {
            self.observer.event(&event());
        }
    }

    pub(super) fn clock(&self) -> &dyn Clock {
        &*self.clock
    }
}
