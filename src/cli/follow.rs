//! Follows a run as a client of its runner: shows it, answers its questions, detaches.

use std::{
    collections::VecDeque,
    io::{self, BufRead, IsTerminal},
};

use journal_schema::{Operator, Record, RunId};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc,
};

use super::{
    Exit, Outcome, Trouble, out,
    progress::{Look, Progress},
    records::fold,
    view::Closing,
};
use crate::{
    engine::{Ending, Event, Question},
    runner::{Client, ClientError, Home, Parameters, Reply, Request, SpawnError, Status, spawn},
};

/// How following came to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Left {
    /// The runner's last word.
    Ended(Ending),
    /// Ctrl-C: the run goes on.
    Detached,
    /// The runner is gone without a last word.
    Gone,
}

/// What following gave.
#[derive(Debug)]
pub(super) struct Followed {
    /// The run.
    pub(super) run: RunId,
    /// How it ended here.
    pub(super) left: Left,
    /// All records seen, from 0 on.
    pub(super) records: Vec<Record>,
}

/// Connections without anything new after which a runner counts as gone.
const MOST_IDLE_RETURNS: u32 = 5;

/// What a caller may do with an event before it is shown.
pub(super) type Tap<'a> = &'a mut (dyn FnMut(&Event) + Send);

/// Follows until the run ends, the runner is gone, or Ctrl-C. Records that are `known` are not shown again.
pub(super) async fn follow<'a>(
    client: Client,
    home: &'a Home,
    look: Look,
    operator: &'a Operator,
    known: Vec<Record>,
    tap: Option<Tap<'a>>,
) -> Result<Followed, Trouble> {
    let run = client.greeting().run;
    let mut progress = Progress::new(look, "Ctrl-C detaches, the run goes on");
    progress.knows(&known);
    let mut following = Following {
        client,
        home,
        operator,
        progress,
        look,
        records: known,
        open: VecDeque::new(),
        before: Vec::new(),
        idle_returns: 0,
        typed: None,
        word: None,
        tap,
    };
    let left = following.run().await?;
    following.progress.clear();
    Ok(Followed { run, left, records: following.records })
}

struct Following<'a> {
    client: Client,
    home: &'a Home,
    operator: &'a Operator,
    progress: Progress,
    look: Look,
    records: Vec<Record>,
    open: VecDeque<Question>,
    /// Questions that were open when the connection broke; those that are told again are open still.
    before: Vec<Question>,
    /// How often we came back without hearing anything new.
    idle_returns: u32,
    /// Lines from the keyboard, once a question was asked.
    typed: Option<mpsc::UnboundedReceiver<String>>,
    /// The word typed for the first open question, while the reason is being typed.
    word: Option<String>,
    tap: Option<Tap<'a>>,
}

impl Following<'_> {
    async fn run(&mut self) -> Result<Left, Trouble> {
        // One listener for the whole time: a signal that comes between two would be lost.
        let mut interrupt = signal(SignalKind::interrupt())
            .map_err(|e| Trouble::failure("Ctrl-C cannot be listened for").detail(e.to_string()))?;
        if !self.attach().await? {
            return Ok(Left::Gone);
        }
        loop {
            let typed = async {
                match &mut self.typed {
                    Some(lines) => lines.recv().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                reply = self.client.next() => match reply {
                    Ok(Some(reply)) => {
                        if let Some(left) = self.reply(reply).await? {
                            return Ok(left);
                        }
                    }
                    // Mostly the runner's end. If it is there still, it gave us up: we did not read in time (a stopped terminal).
                    Ok(None) | Err(_) => {
                        if !self.come_back().await? {
                            return Ok(Left::Gone);
                        }
                    }
                },
                line = typed => match line {
                    Some(line) => self.line(line.trim()).await?,
                    // The keyboard is gone; somebody else may answer.
                    None => self.typed = None,
                },
                _ = interrupt.recv() => return Ok(Left::Detached),
            }
        }
    }

    /// `false`: the runner is gone.
    async fn attach(&mut self) -> Result<bool, Trouble> {
        let from_seq = self.records.last().map_or(0, |r| r.seq.0 + 1);
        match self.client.send(&Request::Attach { from_seq }).await {
            Ok(()) => Ok(true),
            Err(ClientError::Io(_)) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Connects again and goes on where we were. `false`: the runner is gone.
    async fn come_back(&mut self) -> Result<bool, Trouble> {
        let run = self.client.greeting().run;
        self.idle_returns += 1;
        if self.idle_returns > MOST_IDLE_RETURNS {
            return Ok(false);
        }
        match Client::connect(self.home, Some(run)).await {
            Ok(client) => self.client = client,
            Err(ClientError::NoRunner) => return Ok(false),
            Err(error) => return Err(error.into()),
        }
        self.before.extend(self.open.drain(..));
        self.attach().await
    }

    async fn reply(&mut self, reply: Reply) -> Result<Option<Left>, Trouble> {
        match reply {
            Reply::Event { event } => return self.event(event),
            Reply::Dropped { .. } => {
                if !self.come_back().await? {
                    return Ok(Some(Left::Gone));
                }
            }
            Reply::Live => {
                let answered = self.before.len();
                self.before.clear();
                if answered > 0 {
                    self.word = None;
                    self.prompt()?;
                }
            }
            Reply::Refused { why } => {
                self.progress.line(&why)?;
                self.prompt()?;
            }
            Reply::Greeting(_) | Reply::Accepted | Reply::Status(_) | Reply::Runs { .. } | Reply::Records { .. } => {}
        }
        Ok(None)
    }

    fn event(&mut self, event: Event) -> Result<Option<Left>, Trouble> {
        self.idle_returns = 0;
        if let Event::Question(question) = &event
            && let Some(at) = self.before.iter().position(|q| q.id == question.id)
        {
            self.open.push_back(self.before.remove(at));
            return Ok(None);
        }
        if let Some(tap) = &mut self.tap {
            tap(&event);
        }
        self.progress.event(&event)?;
        match event {
            Event::Committed { record } => self.records.push(*record),
            Event::Question(question) => {
                self.open.push_back(question);
                if self.open.len() == 1 {
                    self.prompt()?;
                }
            }
            Event::Answered { question, .. } => {
                self.open.retain(|q| q.id != question);
                self.word = None;
                self.prompt()?;
            }
            Event::Ended(ending) => return Ok(Some(Left::Ended(ending))),
            Event::StepStarted { .. } | Event::Waiting { .. } | Event::LastLine { .. } | Event::StepEnded { .. } => {}
        }
        Ok(None)
    }

    /// Asks for the first open question's answer, or says how it can be given.
    fn prompt(&mut self) -> Result<(), Trouble> {
        let Some(question) = self.open.front() else { return Ok(()) };
        let run = self.client.greeting().run;
        match self.look {
            Look::Json => Ok(()),
            _ if !io::stdin().is_terminal() => self
                .progress
                .line(&format!("answer with: hamn attach {run} --answer {}=WORD --why 'how you know'", question.id)),
            _ => {
                self.progress.hold();
                if self.typed.is_none() {
                    self.typed = Some(keyboard());
                }
                let words = question.options.iter().map(|(w, _)| w.as_str()).collect::<Vec<_>>().join(" | ");
                out::print(&format!("type {words}: "))
            }
        }
    }

    async fn line(&mut self, line: &str) -> Result<(), Trouble> {
        let Some(question) = self.open.front() else { return Ok(()) };
        let Some(word) = self.word.take() else {
            if question.options.iter().any(|(w, _)| w == line) {
                self.word = Some(line.to_owned());
                return out::print("how do you know (goes into the journal; may be empty): ");
            }
            return self.prompt();
        };
        let answer = Request::Answer {
            question: question.id.clone(),
            word,
            why: line.to_owned(),
            operator: self.operator.clone(),
        };
        Ok(self.client.send(&answer).await?)
    }
}

/// Says the last words on what was followed.
pub(super) fn conclude(followed: &Followed, json: bool) -> Outcome {
    let state = fold(&followed.records).ok();
    let run = followed.run;
    let closing = match (&followed.left, &state) {
        (Left::Ended(ending), state) => Closing::ended(ending, state.as_ref()),
        (Left::Gone, Some(state)) => Closing::orphaned(state, "the runner is gone without a last word"),
        (Left::Detached, _) => Closing {
            headline: format!("detached; run {run} goes on"),
            open: Vec::new(),
            next: vec![
                (format!("hamn attach {run}"), "follows it again".to_owned()),
                (format!("hamn stop {run}"), "stops it between two steps".to_owned()),
            ],
            exit: Exit::Unfinished,
        },
        (Left::Gone, None) => Closing {
            headline: "the runner is gone before the run had a first record; nothing was changed".to_owned(),
            open: Vec::new(),
            next: vec![("hamn journal list".to_owned(), "shows which runs there are".to_owned())],
            exit: Exit::Unknown,
        },
    };
    say(&closing, run, json)
}

/// Prints last words; gives their exit code.
pub(super) fn say(closing: &Closing, run: RunId, json: bool) -> Outcome {
    if json {
        out::json(&serde_json::json!({
            "event": "closing", "run": run.to_string(), "headline": closing.headline,
            "open": closing.open, "next": closing.next,
            "exit": closing.exit.code(), "class": closing.exit.word(),
        }))?;
    } else {
        out::print(&closing.render(out::colour()))?;
    }
    Ok(closing.exit)
}

/// Starts a runner and follows it; with `detach` only says how to.
pub(super) async fn launch(
    home: &Home,
    parameters: &Parameters,
    known: Vec<Record>,
    json: bool,
    detach: bool,
) -> Outcome {
    let program = std::env::current_exe()
        .map_err(|e| Trouble::failure("the program cannot find its own file").detail(e.to_string()))?;
    let run = parameters.run;
    let spawned = match spawn(program, home, run, parameters).await {
        Ok(spawned) => spawned,
        Err(error) => return Err(not_ours(home, error).await),
    };
    if detach {
        let followed = Followed { run, left: Left::Detached, records: known };
        return conclude(&followed, json);
    }
    let followed = follow(spawned.client, home, Look::fitting(json), &parameters.operator, known, None).await?;
    conclude(&followed, json)
}

/// Somebody is at a run already.
pub(super) fn going_on(status: &Status) -> Trouble {
    Trouble::refused(format!("run {} is going on", status.run))
        .detail(format!("process {}, started by {} on {}", status.pid, status.operator.name, status.operator.host))
        .next("follow it: hamn attach")
}

/// Two commands may take a run up in the same moment; the journal's lock lets one of the two runners have it. Whoever lost is told
/// who has it, not how the own runner ended.
async fn not_ours(home: &Home, error: SpawnError) -> Trouble {
    if matches!(error, SpawnError::Died { .. })
        && let Ok(mut client) = Client::connect(home, None).await
        && let Ok(status) = client.status().await
    {
        return going_on(&status);
    }
    error.into()
}

impl From<SpawnError> for Trouble {
    fn from(error: SpawnError) -> Self {
        let what = error.to_string();
        match error {
            SpawnError::NotStarted { .. } => {
                Self::refused(what).next("check the state folder and its disk, then type the command again")
            }
            SpawnError::Died { status, log } => {
                // One that refuses says so by its exit code; one that was killed may have begun.
                let refused = status.code() == Some(i32::from(Exit::Refused.code()));
                let exit = if refused { Exit::Refused } else { Exit::Unknown };
                Self::new(exit, what).detail(log).next("see whether it had begun: hamn status")
            }
            SpawnError::Silent { log, .. } => {
                Self::new(Exit::Unknown, what).detail(log).next("see whether it goes on: hamn attach")
            }
        }
    }
}

/// Lines from standard input, read by a thread of their own: a read from a terminal cannot be taken back.
fn keyboard() -> mpsc::UnboundedReceiver<String> {
    let (to, lines) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in io::stdin().lock().lines() {
            let Ok(line) = line else { return };
            if to.send(line).is_err() {
                return;
            }
        }
    });
    lines
}

impl From<ClientError> for Trouble {
    fn from(error: ClientError) -> Self {
        let (trouble, next) = match &error {
            ClientError::NoRunner => {
                (Self::refused(error.to_string()), "see which runs there are: hamn journal list; go on: hamn resume")
            }
            ClientError::OtherVersion { .. } => {
                (Self::refused(error.to_string()), "use the hamn of that version, or wait until the run has ended")
            }
            ClientError::Refused(_) => (Self::refused(error.to_string()), "see what is going on: hamn status"),
            ClientError::Io(e) if e.kind() == io::ErrorKind::PermissionDenied => (
                Self::refused("whether a runner is at work cannot be seen").detail(error.to_string()),
                "it is its owner's alone: type the command as root (sudo)",
            ),
            ClientError::Odd(_) | ClientError::Io(_) => {
                (Self::failure(error.to_string()), "see whether it goes on: hamn attach")
            }
        };
        trouble.next(next)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::{UnixListener, UnixStream};

    use journal_schema::{Digest, Payload, SchemaVersion, Seq, UnixMillis};

    use super::*;
    use crate::runner::{Greeting, PROTOCOL};

    const RUN: RunId = RunId(7);

    fn record(seq: u64) -> Record {
        let payload = Payload::Entered { state: format!("S{seq}") };
        let (version, run) = (SchemaVersion::CURRENT, RUN);
        Record { version, run, seq: Seq(seq), prev: Digest::default(), at: UnixMillis(1), payload }
    }

    fn say(to: &mut UnixStream, reply: &Reply) {
        use io::Write;
        writeln!(to, "{}", serde_json::to_string(reply).unwrap()).unwrap();
    }

    /// Greets, hears from which record on the client wants to be told, tells one record and what follows, hangs up.
    fn connection(listener: &UnixListener, seq: u64, then: &[Reply]) -> u64 {
        let (mut stream, _) = listener.accept().unwrap();
        let greeting = Greeting { protocol: PROTOCOL, hamn: "0".into(), run: RUN, pid: 1 };
        say(&mut stream, &Reply::Greeting(greeting));
        let mut line = String::new();
        io::BufReader::new(stream.try_clone().unwrap()).read_line(&mut line).unwrap();
        let Request::Attach { from_seq } = serde_json::from_str(&line).unwrap() else { panic!("{line}") };
        let event = Event::Committed { record: Box::new(record(seq)) };
        say(&mut stream, &Reply::Event { event });
        for reply in then {
            say(&mut stream, reply);
        }
        from_seq
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_client_that_was_given_up_comes_back_where_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::new(dir.path());
        home.prepare(RUN).unwrap();
        let listener = UnixListener::bind(home.socket(RUN)).unwrap();
        let runner = std::thread::spawn(move || {
            let cut_off = connection(&listener, 0, &[Reply::Live]);
            let dropped = connection(&listener, 1, &[Reply::Live, Reply::Dropped { next_seq: 2 }]);
            let end = Reply::Event { event: Event::Ended(Ending::Done) };
            [cut_off, dropped, connection(&listener, 2, &[Reply::Live, end])]
        });
        let operator = Operator { name: "ann".into(), host: "admin".into(), terminal: "-".into() };
        let client = Client::connect(&home, Some(RUN)).await.unwrap();
        let followed = follow(client, &home, Look::Plain, &operator, Vec::new(), None).await.unwrap();
        assert_eq!(followed.left, Left::Ended(Ending::Done));
        assert_eq!(followed.records, [record(0), record(1), record(2)]);
        assert_eq!(runner.join().unwrap(), [0, 1, 2], "nothing is told twice");
    }

    /// An operator and a colleague type `hamn resume` in the same moment.
    #[tokio::test(flavor = "multi_thread")]
    async fn whoever_comes_second_is_told_who_has_the_run() {
        use std::os::unix::process::ExitStatusExt as _;
        let died = |raw| SpawnError::Died { status: std::process::ExitStatus::from_raw(raw), log: "the lock".into() };
        let dir = tempfile::tempdir().unwrap();
        let home = Home::new(dir.path());
        home.prepare(RUN).unwrap();
        let [refused, killed] = [died(3 << 8), died(9)].map(Trouble::from);
        assert_eq!((refused.exit, killed.exit), (Exit::Refused, Exit::Unknown), "one that was killed may have begun");
        assert_eq!(not_ours(&home, died(3 << 8)).await.detail, "the lock", "nobody is there");

        let listener = UnixListener::bind(home.socket(RUN)).unwrap();
        std::os::unix::fs::symlink(home.socket(RUN), home.current()).unwrap();
        let winner = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            say(&mut stream, &Reply::Greeting(Greeting { protocol: PROTOCOL, hamn: "0".into(), run: RUN, pid: 1 }));
            io::BufReader::new(stream.try_clone().unwrap()).read_line(&mut String::new()).unwrap();
            let operator = Operator { name: "ann".into(), host: "admin".into(), terminal: "-".into() };
            let status = Status {
                run: RUN,
                workflow: "failover".into(),
                pid: 4711,
                operator,
                since: UnixMillis(1),
                records: 1,
                running: Vec::new(),
                questions: Vec::new(),
                stopping: false,
                clients: 1,
                copies: Vec::new(),
            };
            say(&mut stream, &Reply::Status(status));
        });
        let told = not_ours(&home, died(3 << 8)).await;
        winner.join().unwrap();
        assert_eq!(told.exit, Exit::Refused);
        assert!(told.what.ends_with("is going on") && told.detail.contains("process 4711, started by ann"), "{told}");
    }
}
