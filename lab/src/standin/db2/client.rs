//! The programs: they ask the instance's process, or work on the stored state where there is none.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    os::unix::{net::UnixStream, process::CommandExt},
    process::{Command, Stdio},
    time::Duration,
};

use crate::{
    db2::{Call, Change, Content, Effect, Event, Reply, Stdin},
    process::{poll, proc},
    standin::program,
    xcat,
};

use super::{
    place::{Here, Place, home_of, now_ms, user_of},
    protocol::{Answer, PROGRAM, Request, SERVER},
};

/// End of the question of a RESTORE over a database.
const QUESTION: &str = "(y/n) ";
/// Longest wait for the instance's process to answer after its start.
const START: Duration = Duration::from_secs(30);

/// Asks the instance's process; `None`: there is none.
fn ask(place: &Place, request: &Request) -> Option<(Answer, UnixStream)> {
    let mut stream = UnixStream::connect(place.socket()).ok()?;
    let mut line = serde_json::to_string(request).ok()?;
    line.push('\n');
    stream.write_all(line.as_bytes()).ok()?;
    let mut text = String::new();
    BufReader::new(&stream).read_line(&mut text).ok()?;
    Some((serde_json::from_str(&text).ok()?, stream))
}

/// A program, from its call to its exit code.
pub(super) fn run(home: &str, argv: &[String]) -> i32 {
    let place = Place::new(home);
    let uid = rustix::process::geteuid().as_raw();
    if let Some((owner, group)) = place.owner().filter(|(owner, _)| uid == 0 && *owner != 0) {
        // What root starts belongs to the instance's owner all the same.
        let error = Command::new(proc().join("self/exe"))
            .args(["standin", PROGRAM, home])
            .args(argv)
            .env("HOME", home)
            .uid(owner)
            .gid(group)
            .exec();
        let _ = writeln!(io::stderr(), "{error}");
        return 126;
    }
    let call = Call {
        argv: argv.to_vec(),
        session: rustix::process::getppid().map_or(0, |p| u64::from(p.as_raw_nonzero().get().unsigned_abs())),
        user: user_of(uid),
        env: std::env::vars().filter(|(k, _)| k.starts_with("DB2")).collect(),
        stdin: input(argv),
        limit_ms: None,
    };
    let mut reply = execute(&place, &call);
    if call.stdin == Stdin::Silent
        && let Some(asked) =
            reply.as_ref().filter(|r| r.hangs && r.stdout.ends_with(QUESTION)).map(|r| r.stdout.clone())
    {
        // It asks: now somebody has to type.
        let _ = io::stdout().write_all(asked.as_bytes()).and_then(|()| io::stdout().flush());
        let mut line = String::new();
        let read = io::stdin().lock().read_line(&mut line).unwrap_or(0);
        let stdin = if read == 0 { Stdin::Closed } else { Stdin::Text(line) };
        reply = execute(&place, &Call { stdin, ..call });
        if let Some(reply) = &mut reply {
            reply.stdout = reply.stdout.strip_prefix(&asked).unwrap_or(&reply.stdout).to_owned();
        }
    }
    let Some(reply) = reply else {
        let _ = writeln!(io::stderr(), "{home}: no instance");
        return 127;
    };
    std::thread::sleep(Duration::from_millis(reply.takes_ms));
    program::answer(&xcat::Reply { stdout: reply.stdout, stderr: reply.stderr, exit: reply.exit, hangs: reply.hangs })
}

/// Lets the instance's process do it, or does it where there is none.
fn execute(place: &Place, call: &Call) -> Option<Reply> {
    ask(place, &Request::Call(call.clone())).map(|(a, _)| a.reply).or_else(|| offline(place, call.clone()))
}

/// Standard input of a batch; whether a statement reads it too is seen when it asks.
fn input(argv: &[String]) -> Stdin {
    let batch = argv[1..].iter().all(|w| w.starts_with(['-', '+']));
    let from_file = argv.iter().any(|w| w.starts_with('-') && w.contains('f')) && !argv.iter().any(|w| w == "-");
    if argv.first().is_none_or(|p| p != "db2") || !batch || from_file {
        return Stdin::Silent;
    }
    let mut out = String::new();
    match io::stdin().read_to_string(&mut out) {
        Ok(read) if read > 0 => Stdin::Text(out),
        _ => Stdin::Closed,
    }
}

/// Without the instance's process: the stored state, and a process if this was what starts it.
fn offline(place: &Place, call: Call) -> Option<Reply> {
    let lock = place.lock().ok()?;
    // Somebody else may have started it meanwhile.
    if let Some((answer, _)) = ask(place, &Request::Call(call.clone())) {
        return Some(answer.reply);
    }
    let mut machine = place.load()?;
    if let Some(knobs) = place.knobs() {
        machine.knobs = knobs;
    }
    let effects = machine.handle(now_ms(), &mut Here, Event::Call { id: 1, call });
    place.store(&serde_json::to_string(&machine).ok()?).ok()?;
    if machine.is_up() {
        program::spawn("db2sysc 0", &[SERVER, &place.home().display().to_string()], Stdio::null(), Stdio::null())
            .ok()?;
        poll(START, || UnixStream::connect(place.socket()).is_ok());
    }
    drop(lock);
    effects.into_iter().find_map(|e| if let Effect::Done { reply, .. } = e { Some(reply) } else { None })
}

/// A client's connection; it ends with this value.
#[derive(Debug)]
pub(in crate::standin) struct Held(UnixStream);

impl Held {
    /// Whether the other side still has it.
    pub(in crate::standin) fn is_alive(&self) -> bool {
        let mut byte = [0];
        let waiting = self.0.set_nonblocking(true).and_then(|()| (&self.0).read(&mut byte));
        matches!(waiting, Err(e) if e.kind() == io::ErrorKind::WouldBlock)
    }
}

fn place_of(user: &str) -> Option<Place> {
    home_of(user).map(|home| Place::new(&home))
}

/// Connects a client program to the database of that instance; waits as long as a CONNECT does.
pub(in crate::standin) fn connect(instance: &str, name: &str) -> Option<Held> {
    let (answer, stream) = ask(&place_of(instance)?, &Request::Client(name.to_owned()))?;
    (answer.reply.exit == 0).then_some(Held(stream))
}

/// What is committed, if the database takes writes.
pub(in crate::standin) fn content(instance: &str) -> Option<Content> {
    ask(&place_of(instance)?, &Request::Content)?.0.content
}

/// A commit; may take as long as the peer window.
pub(in crate::standin) fn change(instance: &str, change: Change) -> bool {
    place_of(instance).and_then(|p| ask(&p, &Request::Commit(change))).is_some_and(|(a, _)| a.reply.exit == 0)
}
