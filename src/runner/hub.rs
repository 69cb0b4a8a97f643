//! The hub between the engine and the clients: it keeps the story so far, hands events on, and holds open questions.
//!
//! The engine calls it synchronously and is never held up: each client has a bounded queue, and one that does not read in
//! time is dropped and told so. Nothing of a run depends on whether anybody listens.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use async_trait::async_trait;
use journal_schema::{Operator, Payload, Record};
use thiserror::Error;
use tokio::sync::{mpsc, oneshot};

use super::protocol::Running;
use crate::engine::{Answer, Asker, Ending, Event, Observer, Question};

/// Events that may wait for one client.
const QUEUE: usize = 1024;

/// Room that is kept free for what matters: lines of output are not sent to a client that is that far behind.
const RESERVE: usize = QUEUE / 2;

/// See the module.
#[derive(Debug)]
pub struct Hub {
    inner: Mutex<Inner>,
    queue: usize,
}

#[derive(Debug, Default)]
struct Inner {
    /// [`Event::Committed`] only; the index is the sequence number.
    history: Vec<Arc<Event>>,
    running: BTreeMap<String, Active>,
    questions: BTreeMap<String, Open>,
    ended: Option<Arc<Event>>,
    clients: Vec<Link>,
    next_client: u64,
    ever_attached: bool,
    /// Who asked to stop: whoever waits for an answer gets `stop`, where that is one.
    stopped_by: Option<Operator>,
}

#[derive(Debug)]
struct Active {
    started: Arc<Event>,
    waiting: Option<Arc<Event>>,
}

#[derive(Debug)]
struct Open {
    event: Arc<Event>,
    reply: Option<oneshot::Sender<Answer>>,
}

#[derive(Debug)]
struct Link {
    id: u64,
    to: mpsc::Sender<Arc<Event>>,
    dropped: Arc<AtomicBool>,
}

/// A client's end: what happened before, and what happens.
#[derive(Debug)]
pub struct Attached {
    /// Records from the wanted one on, then what is going on: running steps, open questions, the end.
    pub past: Vec<Arc<Event>>,
    /// Events as they happen; ends when the client was dropped or the run is over.
    pub live: mpsc::Receiver<Arc<Event>>,
    dropped: Arc<AtomicBool>,
    id: u64,
    hub: Arc<Hub>,
}

impl Attached {
    /// Whether the hub gave this client up because it did not read in time.
    pub fn was_dropped(&self) -> bool {
        self.dropped.load(Ordering::Acquire)
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        self.hub.lock().clients.retain(|c| c.id != self.id);
    }
}

/// Why an answer was not taken.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Refusal {
    /// No such question, or it was answered before.
    #[error("no question `{question}` waits for an answer; perhaps somebody else was faster")]
    NotOpen {
        /// Its id.
        question: String,
    },
    /// Not one of the words.
    #[error("`{word}` is none of the answers to `{question}`: {words}")]
    NoSuchWord {
        /// Its id.
        question: String,
        /// As typed.
        word: String,
        /// The words that are.
        words: String,
    },
}

impl Hub {
    /// A hub for a run of which `history` is journaled already (all of it, from record 0).
    pub fn new(history: Vec<Record>) -> Arc<Self> {
        Self::with_queue(history, QUEUE)
    }

    /// With another length of the queues.
    pub(crate) fn with_queue(history: Vec<Record>, queue: usize) -> Arc<Self> {
        let history = history.into_iter().map(|r| Arc::new(Event::Committed { record: Box::new(r) })).collect();
        Arc::new(Self { inner: Mutex::new(Inner { history, ..Inner::default() }), queue })
    }

    /// A panic elsewhere must not take the events of the run away: the data are valid between any two statements.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Attaches a client.
    pub fn attach(self: &Arc<Self>, from_seq: u64) -> Attached {
        let mut inner = self.lock();
        let from = usize::try_from(from_seq).unwrap_or(usize::MAX).min(inner.history.len());
        let mut past = inner.history[from..].to_vec();
        for active in inner.running.values() {
            past.push(active.started.clone());
            past.extend(active.waiting.clone());
        }
        past.extend(inner.questions.values().map(|q| q.event.clone()));
        past.extend(inner.ended.clone());
        let (to, live) = mpsc::channel(self.queue);
        let dropped = Arc::new(AtomicBool::new(false));
        let id = inner.next_client;
        inner.next_client += 1;
        inner.ever_attached = true;
        if inner.ended.is_none() {
            inner.clients.push(Link { id, to, dropped: dropped.clone() });
        }
        Attached { past, live, dropped, id, hub: self.clone() }
    }

    /// Answers a question. The first answer counts.
    pub fn answer(&self, question: &str, answer: Answer) -> Result<(), Refusal> {
        let mut inner = self.lock();
        let not_open = || Refusal::NotOpen { question: question.to_owned() };
        let open = inner.questions.get_mut(question).ok_or_else(not_open)?;
        if let Event::Question(q) = open.event.as_ref()
            && !q.options.is_empty()
            && !q.options.iter().any(|(word, _)| *word == answer.word)
        {
            let words: Vec<&str> = q.options.iter().map(|(word, _)| word.as_str()).collect();
            return Err(Refusal::NoSuchWord {
                question: question.to_owned(),
                word: answer.word,
                words: words.join(", "),
            });
        }
        let reply = open.reply.take().ok_or_else(not_open)?;
        let word = answer.word.clone();
        let taken = reply.send(answer).is_ok();
        inner.questions.remove(question);
        if !taken {
            return Err(not_open());
        }
        inner.broadcast(&Arc::new(Event::Answered { question: question.to_owned(), answer: word }), self.queue);
        Ok(())
    }

    /// The run is to stop: questions that wait for an answer must not hold it up. Those that know the answer `stop` get it.
    pub fn stop(&self, operator: &Operator) {
        self.lock().stopped_by = Some(operator.clone());
        for question in self.questions() {
            // Answered by somebody in this moment: as good.
            let _ = self.answer(&question.id, stop_answer(operator));
        }
    }

    /// Tells everybody that the run ended, and how. The runner says this, not the engine: only when the journal is let go of may
    /// a client go on to the next command.
    pub fn end(&self, ending: Ending) {
        let event = Arc::new(Event::Ended(ending));
        let mut inner = self.lock();
        inner.running.clear();
        inner.questions.clear();
        inner.ended = Some(event.clone());
        inner.broadcast(&event, self.queue);
        // Closes every queue behind the last event.
        inner.clients.clear();
    }

    /// Records committed.
    pub fn records(&self) -> u64 {
        self.lock().history.len() as u64
    }

    /// Steps under way.
    pub fn running(&self) -> Vec<Running> {
        self.lock().running.values().filter_map(Active::describe).collect()
    }

    /// Questions that wait for an answer.
    pub fn questions(&self) -> Vec<Question> {
        let inner = self.lock();
        inner
            .questions
            .values()
            .filter_map(|q| if let Event::Question(q) = q.event.as_ref() { Some(q.clone()) } else { None })
            .collect()
    }

    /// Attached clients.
    pub fn clients(&self) -> u32 {
        self.lock().clients.len() as u32
    }

    /// Whether a client was ever attached.
    pub fn ever_attached(&self) -> bool {
        self.lock().ever_attached
    }

    fn forget_question(&self, id: &str) {
        self.lock().questions.remove(id);
    }
}

fn knows_stop(question: &Question) -> bool {
    question.options.iter().any(|(word, _)| word == "stop")
}

fn stop_answer(operator: &Operator) -> Answer {
    Answer { word: "stop".to_owned(), why: "asked to stop".to_owned(), operator: operator.clone() }
}

impl Active {
    fn describe(&self) -> Option<Running> {
        let Event::StepStarted { step, title, place, at, .. } = self.started.as_ref() else { return None };
        let waiting = match self.waiting.as_deref() {
            Some(Event::Waiting { why, .. }) => why.clone(),
            _ => String::new(),
        };
        Some(Running { step: step.clone(), title: title.clone(), place: place.clone(), since: *at, waiting })
    }
}

impl Inner {
    fn broadcast(&mut self, event: &Arc<Event>, queue: usize) {
        let lossy = matches!(event.as_ref(), Event::LastLine { .. });
        self.clients.retain(|client| {
            if lossy && client.to.capacity() < RESERVE.min(queue / 2) {
                return true;
            }
            match client.to.try_send(event.clone()) {
                Ok(()) => true,
                Err(mpsc::error::TrySendError::Full(_)) => {
                    client.dropped.store(true, Ordering::Release);
                    false
                }
                Err(mpsc::error::TrySendError::Closed(_)) => false,
            }
        });
    }
}

impl Observer for Hub {
    fn event(&self, event: &Event) {
        let shared = Arc::new(event.clone());
        let mut inner = self.lock();
        match event {
            Event::Committed { record } => {
                // A record that is known already (told again after a resume) changes nothing.
                if (record.seq.0 as usize) < inner.history.len() {
                    return;
                }
                inner.history.push(shared.clone());
                if matches!(record.payload, Payload::Finished { .. }) {
                    inner.running.clear();
                }
            }
            Event::StepStarted { step, .. } => {
                inner.running.insert(step.clone(), Active { started: shared.clone(), waiting: None });
            }
            Event::Waiting { step, .. } => {
                if let Some(active) = inner.running.get_mut(step) {
                    active.waiting = Some(shared.clone());
                }
            }
            Event::LastLine { step, .. } => {
                if let Some(active) = inner.running.get_mut(step) {
                    active.waiting = None;
                }
            }
            Event::StepEnded { step, .. } => {
                inner.running.remove(step);
            }
            // Told by `ask`, `answer` and `end`, to everybody and once.
            Event::Question(_) | Event::Answered { .. } | Event::Ended(_) => return,
        }
        inner.broadcast(&shared, self.queue);
    }
}

#[async_trait]
impl Asker for Hub {
    async fn ask(&self, question: Question) -> Answer {
        /// Takes the question back when the engine no longer waits for it.
        struct Withdraw<'a>(&'a Hub, String);
        impl Drop for Withdraw<'_> {
            fn drop(&mut self) {
                self.0.forget_question(&self.1);
            }
        }

        if let Some(by) = self.lock().stopped_by.clone()
            && knows_stop(&question)
        {
            return stop_answer(&by);
        }
        let (reply, answered) = oneshot::channel();
        let id = question.id.clone();
        let event = Arc::new(Event::Question(question));
        {
            let mut inner = self.lock();
            inner.questions.insert(id.clone(), Open { event: event.clone(), reply: Some(reply) });
            inner.broadcast(&event, self.queue);
        }
        let withdraw = Withdraw(self, id);
        if let Ok(answer) = answered.await {
            return answer;
        }
        // The run is over: there is nobody to answer and nothing to go on with.
        drop(withdraw);
        std::future::pending().await
    }
}
