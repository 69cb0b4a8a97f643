//! Questions of a run, asked and answered over the program itself. The engine is of paper: it asks, and shows what it was told.

mod terminal;

use std::{
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use hamn::{
    engine::{Answer, Asker, Ending, Question},
    journal::{GuardedStore, Holder, StateDir},
    runner::{Client, Control, Home, Hub, Work, serve},
};
use journal_schema::{Operator, RunId, UnixMillis};
use terminal::Terminal;
use tokio::{sync::oneshot, task::JoinHandle, time::timeout};

const RUN: RunId = RunId(0x0123_4567_89ab_cdef);
const DEADLINE: Duration = Duration::from_secs(60);

/// Asks once, tells the test, ends.
struct Asks(oneshot::Sender<Answer>);

#[async_trait]
impl Work for Asks {
    async fn work(self: Box<Self>, control: Arc<Control>) -> Ending {
        let option = |word: &str, means: &str| (word.to_owned(), means.to_owned());
        let question = Question {
            id: "unknown.promote.database.1".into(),
            text: "Did this take effect on mn-b: promote the database on mn-b?".into(),
            shown: "the job is lost: rebooted\n\u{1b}[31mand something that a terminal would obey".into(),
            options: vec![option("holds", "I looked: it did"), option("stop", "I cannot tell now")],
        };
        let _ = self.0.send(control.hub.ask(question).await);
        Ending::Done
    }
}

struct Stage {
    dir: tempfile::TempDir,
    runner: JoinHandle<Ending>,
    answer: oneshot::Receiver<Answer>,
}

impl Stage {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::new(dir.path());
        let operator = Operator { name: "ann".into(), host: "admin".into(), terminal: "-".into() };
        let holder = Holder { operator: operator.clone(), purpose: "the test".into(), since: UnixMillis(1) };
        let store = Arc::new(GuardedStore::open(&StateDir::new(dir.path()), &holder).unwrap());
        let control = Arc::new(Control::new(RUN, "failover", operator, UnixMillis(1), Hub::new(Vec::new()), store));
        let (tell, answer) = oneshot::channel();
        let at = home.clone();
        let runner = tokio::spawn(async move { serve(&at, control, Box::new(Asks(tell))).await.unwrap() });
        let connected = async {
            while Client::connect(&home, None).await.is_err() {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        timeout(DEADLINE, connected).await.expect("the socket answers");
        Self { dir, runner, answer }
    }

    async fn told(self) -> Answer {
        let answer = timeout(DEADLINE, self.answer).await.expect("an answer comes").unwrap();
        timeout(DEADLINE, self.runner).await.expect("the runner ends").unwrap();
        answer
    }
}

fn hamn(state: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hamn"));
    command.args(words).env("HAMN_STATE_DIR", state).env("NO_COLOR", "1").stdin(Stdio::null());
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_is_shown_and_answered_at_the_keyboard_with_the_reason() {
    let stage = Stage::new().await;
    let command = hamn(stage.dir.path(), &["attach"]);
    let typing = tokio::task::spawn_blocking(move || {
        let mut terminal = Terminal::new(&command);
        terminal.until("Did this take effect on mn-b");
        terminal.until("type holds | stop: ");
        assert!(!terminal.seen.contains("\u{1b}[31m"), "what a machine said must not reach the terminal as it is");
        terminal.type_("perhaps\n");
        terminal.until("perhaps\r\ntype holds | stop: ");
        terminal.type_("holds\n");
        terminal.until("how do you know");
        terminal.type_("pg_is_in_recovery says f\n");
        terminal.wait();
        assert!(terminal.seen.contains("was answered: holds"), "{}", terminal.seen);
    });
    let answer = stage.told().await;
    typing.await.unwrap();
    assert_eq!((answer.word.as_str(), answer.why.as_str()), ("holds", "pg_is_in_recovery says f"));
    assert!(answer.operator.terminal.starts_with("/dev/pts/"), "{:?}", answer.operator);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_is_answered_on_the_command_line_while_another_client_watches() {
    let stage = Stage::new().await;
    let home = stage.dir.path().to_owned();
    let answering = tokio::task::spawn_blocking(move || {
        let watcher = hamn(&home, &["attach"]).stdout(Stdio::piped()).spawn().unwrap();
        let code = |words: &[&str]| hamn(&home, words).output().unwrap().status.code();
        assert_eq!(code(&["attach", "--answer", "unknown.promote.database.1"]), Some(2), "not QUESTION=WORD");
        assert_eq!(code(&["attach", "--answer", "unknown.promote.database.1=yes"]), Some(3), "no such word");
        assert_eq!(code(&["attach", "--answer", "other=holds"]), Some(3), "no such question");
        let status = hamn(&home, &["status"]).output().unwrap();
        assert!(String::from_utf8_lossy(&status.stdout).contains("waits for an answer"), "{status:?}");
        // The watcher must have seen the question; only then may the run come to its end.
        let mut client_seen = false;
        for _ in 0..6_000 {
            let status = hamn(&home, &["status", "--json"]).output().unwrap();
            let status: serde_json::Value = serde_json::from_slice(&status.stdout).unwrap();
            client_seen = status["runner"]["clients"] == 1;
            if client_seen {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        assert!(client_seen);
        let words = ["attach", "--answer", "unknown.promote.database.1=holds", "--why", "seen"];
        assert_eq!(code(&words), Some(0));
        let said = watcher.wait_with_output().unwrap();
        let said = String::from_utf8(said.stdout).unwrap();
        assert!(said.contains("answer with: hamn attach"), "{said}");
        assert!(said.contains("was answered: holds"), "{said}");
    });
    let answer = stage.told().await;
    answering.await.unwrap();
    assert_eq!((answer.word.as_str(), answer.why.as_str()), ("holds", "seen"));
}
