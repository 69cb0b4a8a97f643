//! The runner with an engine of paper: several clients, slow and dead ones, questions, stopping, stale sockets.

use std::{
    os::unix::fs::{FileTypeExt, PermissionsExt},
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use journal_schema::{Digest, Operator, Payload, Record, RunId, SchemaVersion, Seq, UnixMillis, Verdict};
use tokio::time::timeout;

use super::*;
use crate::{
    engine::{Answer, Asker, Ending, Event, Observer, Question},
    journal::{Store, StoreError},
};

const RUN: RunId = RunId(0x0123_4567_89ab_cdef);
const DEADLINE: Duration = Duration::from_secs(20);

fn operator(name: &str) -> Operator {
    Operator { name: name.into(), host: "admin".into(), terminal: "-".into() }
}

fn record(seq: u64) -> Record {
    Record {
        version: SchemaVersion::CURRENT,
        run: RUN,
        seq: Seq(seq),
        prev: Digest::default(),
        at: UnixMillis(1_700_000_000_000 + seq),
        payload: Payload::Entered { state: format!("S{seq}") },
    }
}

fn committed(seq: u64) -> Event {
    Event::Committed { record: Box::new(record(seq)) }
}

fn started(step: &str) -> Event {
    Event::StepStarted {
        step: step.into(),
        title: format!("do {step}"),
        place: "b".into(),
        transition: "t".into(),
        k: 1,
        n: 2,
        left: 3,
        at: UnixMillis(5),
    }
}

fn question() -> Question {
    Question {
        id: "unknown.x".into(),
        text: "did it run?".into(),
        shown: "nobody knows".into(),
        options: [("yes", "it ran"), ("no", "it did not"), ("stop", "stop here")]
            .map(|(word, meaning)| (word.into(), meaning.into()))
            .to_vec(),
    }
}

/// A journal of paper.
#[derive(Default)]
struct Paper(Mutex<Vec<Record>>);

#[async_trait]
impl Store for Paper {
    async fn commit(&self, record: &Record) -> Result<(), StoreError> {
        self.0.lock().unwrap().push(record.clone());
        Ok(())
    }
    async fn runs(&self) -> Result<Vec<RunId>, StoreError> {
        Ok(vec![RUN])
    }
    async fn read(&self, _: RunId) -> Result<Vec<Record>, StoreError> {
        Ok(self.0.lock().unwrap().clone())
    }
}

/// An engine that does what the test says.
struct Told(tokio::sync::mpsc::UnboundedReceiver<Tell>);

enum Tell {
    Say(Event),
    Ask(tokio::sync::oneshot::Sender<Answer>),
    WaitForStop,
    End(Ending),
    Panic,
}

#[async_trait]
impl Work for Told {
    async fn work(mut self: Box<Self>, control: Arc<Control>) -> Ending {
        while let Some(tell) = self.0.recv().await {
            match tell {
                Tell::Say(event) => control.hub.event(&event),
                Tell::Ask(reply) => {
                    let _ = reply.send(control.hub.ask(question()).await);
                }
                Tell::WaitForStop => {
                    while !control.stop.asked() {
                        tokio::time::sleep(Duration::from_millis(1)).await;
                    }
                    return Ending::Interrupted { why: "asked".into() };
                }
                Tell::End(ending) => return ending,
                Tell::Panic => panic!("an engine of paper tears"),
            }
        }
        Ending::Done
    }
}

struct Stage {
    home: Home,
    tell: tokio::sync::mpsc::UnboundedSender<Tell>,
    runner: tokio::task::JoinHandle<Result<Ending, Failed>>,
    _dir: tempfile::TempDir,
}

impl Stage {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::new(dir.path().join("state"));
        Self::with(dir, home).await
    }

    async fn with(dir: tempfile::TempDir, home: Home) -> Self {
        let (tell, told) = tokio::sync::mpsc::unbounded_channel();
        let hub = Hub::new(Vec::new());
        let store = Arc::new(Paper::default());
        let control = Arc::new(Control::new(RUN, "failover", operator("ann"), UnixMillis(1), hub.clone(), store));
        let place = home.clone();
        let runner = tokio::spawn(async move { serve(&place, control, Box::new(Told(told))).await });
        let stage = Self { home, tell, runner, _dir: dir };
        drop(stage.client().await);
        stage
    }

    fn say(&self, event: Event) {
        self.tell.send(Tell::Say(event)).ok().unwrap();
    }

    /// Connects, to a deadline.
    async fn client(&self) -> Client {
        let connect = async {
            loop {
                match Client::connect(&self.home, None).await {
                    Ok(client) => break client,
                    Err(ClientError::NoRunner) => tokio::time::sleep(Duration::from_millis(2)).await,
                    Err(error) => panic!("{error}"),
                }
            }
        };
        timeout(DEADLINE, connect).await.expect("the socket answers")
    }

    async fn attached(&self, from_seq: u64) -> Client {
        let mut client = self.client().await;
        client.send(&Request::Attach { from_seq }).await.unwrap();
        client
    }

    async fn end(self) -> Ending {
        timeout(DEADLINE, self.runner).await.expect("the runner ends").unwrap().unwrap()
    }
}

/// Next line, as a short text.
async fn next(client: &mut Client) -> String {
    match timeout(DEADLINE, client.next()).await.expect("a line comes").unwrap() {
        None => "hung up".into(),
        Some(Reply::Live) => "live".into(),
        Some(Reply::Accepted) => "accepted".into(),
        Some(Reply::Refused { why }) => format!("refused: {why}"),
        Some(Reply::Dropped { next_seq }) => format!("dropped at {next_seq}"),
        Some(Reply::Event { event }) => match event {
            Event::Committed { record } => format!("record {}", record.seq),
            Event::StepStarted { step, .. } => format!("started {step}"),
            Event::StepEnded { step, .. } => format!("ended {step}"),
            Event::Waiting { why, .. } => format!("waiting {why}"),
            Event::LastLine { line, .. } => format!("line {line}"),
            Event::Question(q) => format!("question {}", q.id),
            Event::Answered { answer, .. } => format!("answered {answer}"),
            Event::Ended(ending) => format!("over {ending:?}"),
        },
        Some(other) => format!("{other:?}"),
    }
}

async fn expect(client: &mut Client, lines: &[&str]) {
    for line in lines {
        assert_eq!(next(client).await, *line);
    }
}

#[tokio::test]
async fn every_client_gets_the_same_story_wherever_it_comes_in() {
    let stage = Stage::new().await;
    let mut first = stage.attached(0).await;
    expect(&mut first, &["live"]).await;
    stage.say(committed(0));
    stage.say(committed(1));
    stage.say(started("x"));
    expect(&mut first, &["record 0", "record 1", "started x"]).await;

    let mut second = stage.attached(0).await;
    expect(&mut second, &["record 0", "record 1", "started x", "live"]).await;
    let mut third = stage.attached(1).await;
    expect(&mut third, &["record 1", "started x", "live"]).await;

    drop(second);
    stage.say(Event::StepEnded { step: "x".into(), verdict: Verdict::Succeeded, why: String::new(), took_ms: 1 });
    stage.say(committed(2));
    stage.tell.send(Tell::End(Ending::Done)).ok().unwrap();
    for client in [&mut first, &mut third] {
        expect(client, &["ended x", "record 2", "over Done", "hung up"]).await;
    }
    assert_eq!(stage.end().await, Ending::Done);
}

#[tokio::test]
async fn a_client_that_does_not_read_is_dropped_told_so_and_never_holds_the_run_up() {
    let hub = Hub::with_queue(Vec::new(), 4);
    let mut slow = hub.attach(0);
    let mut quick = hub.attach(0);
    for seq in 0..10 {
        hub.event(&committed(seq));
        assert!(matches!(quick.live.try_recv().as_deref(), Ok(Event::Committed { .. })), "{seq}");
    }
    assert!(slow.was_dropped());
    assert!(!quick.was_dropped());
    let mut got = 0;
    while slow.live.recv().await.is_some() {
        got += 1;
    }
    assert_eq!(got, 4, "what was queued is still delivered");
    assert_eq!(hub.records(), 10);
    assert_eq!(hub.attach(4).past.len(), 6, "it comes back where it stopped");
}

#[tokio::test]
async fn lines_of_output_never_push_out_what_matters() {
    let hub = Hub::with_queue(Vec::new(), 8);
    let mut client = hub.attach(0);
    for n in 0..100 {
        hub.event(&Event::LastLine { step: "x".into(), line: n.to_string() });
    }
    hub.event(&committed(0));
    assert!(!client.was_dropped());
    let mut last = None;
    while let Ok(event) = client.live.try_recv() {
        last = Some(event);
    }
    assert!(matches!(last.as_deref(), Some(Event::Committed { .. })));
}

#[tokio::test]
async fn a_client_that_is_cut_off_in_the_middle_of_a_flood_changes_nothing() {
    let stage = Stage::new().await;
    // Attached, never reads: the socket's buffer fills, then its queue, then it is dropped.
    let _deaf = stage.attached(0).await;
    let mut reader = stage.attached(0).await;
    expect(&mut reader, &["live"]).await;
    for seq in 0..5_000 {
        stage.say(committed(seq));
        assert_eq!(next(&mut reader).await, format!("record {seq}"));
    }
    stage.tell.send(Tell::End(Ending::Done)).ok().unwrap();
    expect(&mut reader, &["over Done", "hung up"]).await;
    assert_eq!(stage.end().await, Ending::Done);
}

#[tokio::test]
async fn a_second_client_answers_the_first_answer_counts_and_everybody_hears_it() {
    let stage = Stage::new().await;
    let mut first = stage.attached(0).await;
    expect(&mut first, &["live"]).await;
    let (reply, answered) = tokio::sync::oneshot::channel();
    stage.tell.send(Tell::Ask(reply)).ok().unwrap();
    expect(&mut first, &["question unknown.x"]).await;

    let mut second = stage.attached(0).await;
    expect(&mut second, &["question unknown.x", "live"]).await;
    let answer = |word: &str| Request::Answer {
        question: "unknown.x".into(),
        word: word.into(),
        why: "seen on the console".into(),
        operator: operator("bob"),
    };
    second.send(&answer("perhaps")).await.unwrap();
    expect(&mut second, &["refused: `perhaps` is none of the answers to `unknown.x`: yes, no, stop"]).await;
    second.send(&answer("yes")).await.unwrap();
    let mut heard = vec![next(&mut second).await, next(&mut second).await];
    heard.sort();
    assert_eq!(heard, ["accepted", "answered yes"]);
    expect(&mut first, &["answered yes"]).await;
    let given = timeout(DEADLINE, answered).await.unwrap().unwrap();
    assert_eq!((given.word.as_str(), given.operator.name.as_str()), ("yes", "bob"));

    first.send(&answer("no")).await.unwrap();
    assert!(next(&mut first).await.contains("perhaps somebody else was faster"));
    stage.tell.send(Tell::End(Ending::Done)).ok().unwrap();
    stage.end().await;
}

#[tokio::test]
async fn stop_is_a_request_and_closing_a_client_is_not() {
    let stage = Stage::new().await;
    stage.tell.send(Tell::WaitForStop).ok().unwrap();
    let mut watcher = stage.attached(0).await;
    expect(&mut watcher, &["live"]).await;
    drop(stage.attached(0).await);
    let mut asker = stage.client().await;
    assert!(!asker.status().await.unwrap().stopping, "a client that goes stops nothing");
    assert!(matches!(asker.request(&Request::Stop { operator: operator("bob") }).await.unwrap(), Reply::Accepted));
    expect(&mut watcher, &["over Interrupted { why: \"asked\" }"]).await;
    assert_eq!(stage.end().await, Ending::Interrupted { why: "asked".into() });
}

#[tokio::test]
async fn a_question_that_waits_does_not_hold_up_a_stop() {
    let stage = Stage::new().await;
    let (reply, answered) = tokio::sync::oneshot::channel();
    stage.tell.send(Tell::Ask(reply)).ok().unwrap();
    let mut client = stage.attached(0).await;
    while next(&mut client).await != "question unknown.x" {}
    let mut asker = stage.client().await;
    asker.request(&Request::Stop { operator: operator("bob") }).await.unwrap();
    assert_eq!(timeout(DEADLINE, answered).await.unwrap().unwrap().word, "stop");
    let (reply, later) = tokio::sync::oneshot::channel();
    stage.tell.send(Tell::Ask(reply)).ok().unwrap();
    assert_eq!(timeout(DEADLINE, later).await.unwrap().unwrap().word, "stop");
    stage.tell.send(Tell::End(Ending::Done)).ok().unwrap();
    stage.end().await;
}

#[tokio::test]
async fn status_says_what_is_going_on_and_records_come_through_the_socket() {
    let stage = Stage::new().await;
    stage.say(committed(0));
    stage.say(started("x"));
    stage.say(Event::Waiting { step: "x".into(), place: "b".into(), why: "reconnecting".into(), since: UnixMillis(7) });
    let mut client = stage.attached(0).await;
    expect(&mut client, &["record 0", "started x", "waiting reconnecting", "live"]).await;
    let mut asker = stage.client().await;
    let status = asker.status().await.unwrap();
    assert_eq!((status.run, status.records, status.workflow.as_str()), (RUN, 1, "failover"));
    assert_eq!(status.running.len(), 1);
    assert_eq!(status.running[0].waiting, "reconnecting");
    assert_eq!(asker.runs().await.unwrap(), [RUN]);
    assert_eq!(asker.records(RUN).await.unwrap(), []);
    stage.tell.send(Tell::End(Ending::Done)).ok().unwrap();
    stage.end().await;
}

#[tokio::test]
async fn the_socket_is_for_its_owner_alone_and_goes_with_the_runner() {
    let stage = Stage::new().await;
    let home = stage.home.clone();
    let mode = |path: std::path::PathBuf| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert!(std::fs::metadata(home.socket(RUN)).unwrap().file_type().is_socket());
    assert_eq!(mode(home.socket(RUN)), 0o600);
    assert_eq!(mode(home.run(RUN)), 0o700);
    assert_eq!(mode(home.runs()), 0o700);
    drop(stage.attached(0).await);
    stage.tell.send(Tell::End(Ending::Done)).ok().unwrap();
    stage.end().await;
    assert!(!home.socket(RUN).exists());
    assert!(std::fs::symlink_metadata(home.current()).is_err());
    assert!(matches!(Client::connect(&home, None).await, Err(ClientError::NoRunner)));
}

#[tokio::test]
async fn a_socket_that_a_dead_runner_left_is_recognised_and_replaced() {
    let dir = tempfile::tempdir().unwrap();
    // Longer than a socket's name may be.
    let home = Home::new(dir.path().join("long".repeat(40)));
    let other = RunId(7);
    for run in [other, RUN] {
        home.prepare(run).unwrap();
        let (short, _keep) = Home::short(&home.socket(run)).unwrap();
        drop(std::os::unix::net::UnixListener::bind(short).unwrap());
        assert!(home.socket(run).exists(), "it stays behind like after SIGKILL");
    }
    std::os::unix::fs::symlink(format!("{other}/socket"), home.current()).unwrap();
    assert!(matches!(Client::connect(&home, None).await, Err(ClientError::NoRunner)));
    let stage = Stage::with(dir, home).await;
    assert_eq!(stage.client().await.greeting().run, RUN);
    drop(stage.attached(0).await);
    stage.tell.send(Tell::End(Ending::Done)).ok().unwrap();
    stage.end().await;
}

#[tokio::test]
async fn nonsense_is_answered_and_hung_up_upon() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let stage = Stage::new().await;
    let mut raw = tokio::net::UnixStream::connect(stage.home.socket(RUN)).await.unwrap();
    raw.write_all(b"GET / HTTP/1.0\n").await.unwrap();
    let mut all = String::new();
    timeout(DEADLINE, raw.read_to_string(&mut all)).await.unwrap().unwrap();
    assert!(all.lines().last().unwrap().contains("not understood"), "{all}");
    drop(stage.attached(0).await);
    stage.tell.send(Tell::End(Ending::Done)).ok().unwrap();
    stage.end().await;
}

#[tokio::test]
async fn an_engine_that_panics_is_an_ending_that_says_so() {
    let stage = Stage::new().await;
    let mut client = stage.attached(0).await;
    expect(&mut client, &["live"]).await;
    stage.tell.send(Tell::Panic).ok().unwrap();
    assert!(next(&mut client).await.contains("hamn itself failed"));
    assert!(matches!(stage.end().await, Ending::Stuck { .. }));
}

#[tokio::test]
async fn a_question_is_withdrawn_when_the_engine_no_longer_waits() {
    let hub = Hub::new(Vec::new());
    let asking = tokio::spawn({
        let hub = hub.clone();
        async move { hub.ask(question()).await }
    });
    timeout(DEADLINE, async {
        while hub.questions().is_empty() {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
    asking.abort();
    let _ = asking.await;
    assert!(hub.questions().is_empty());
    let answer = Answer { word: "yes".into(), why: String::new(), operator: operator("ann") };
    assert!(matches!(hub.answer("unknown.x", answer), Err(Refusal::NotOpen { .. })));
}
