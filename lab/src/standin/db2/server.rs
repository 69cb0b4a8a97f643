//! The instance's process: one thread owns the state machine; others wait for the network and for programs.

use std::{
    collections::HashMap,
    fs,
    io::{self, BufRead, BufReader, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    os::unix::net::{UnixListener, UnixStream},
    sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    thread,
    time::Duration,
};

use crate::db2::{Call, Effect, Event, Machine, Message, Reply};

use super::{
    place::{Here, Place, now_ms},
    protocol::{Answer, Request},
};

/// How often the clock is looked at.
const TICK: Duration = Duration::from_millis(50);
/// Longest attempt to connect.
const DIAL: Duration = Duration::from_secs(2);

/// What reaches the owner of the state.
enum Input {
    Request(u64, Request, Sender<Answer>, UnixStream),
    /// A program or client is gone.
    Gone(u64),
    Dialled(io::Result<TcpStream>),
    Message(u64, Message),
    Down(u64),
}

struct Server {
    place: Place,
    machine: Machine,
    stored: String,
    told: usize,
    /// Who waits for an answer.
    waiting: HashMap<u64, Sender<Answer>>,
    /// Connections of client programs, by number: their names.
    clients: HashMap<u64, (String, UnixStream)>,
    links: HashMap<u64, TcpStream>,
    next: u64,
    listening: Option<((String, u16), TcpListener)>,
    dialling: bool,
    input: Sender<Input>,
}

/// Runs until the instance ends.
pub(super) fn run(home: &str) -> i32 {
    let place = Place::new(home);
    let Some(mut machine) = place.load() else { return 1 };
    // Whoever started us has said so already; what was said is stored.
    machine.handle(now_ms(), &mut Here, Event::Call { id: 0, call: Call::new(&["db2start"]) });
    let socket = place.socket();
    let _ = fs::remove_file(&socket);
    let Ok(listener) = UnixListener::bind(&socket) else { return 1 };
    place.write_pid();
    let (input, inputs) = channel();
    let programs = input.clone();
    thread::spawn(move || {
        for (n, stream) in listener.incoming().flatten().enumerate() {
            let input = programs.clone();
            // Even numbers are programs', odd ones connections'.
            thread::spawn(move || program(&stream, (n as u64 + 1) * 2, &input));
        }
    });
    let told = machine.diag().len();
    let mut server = Server {
        place,
        machine,
        stored: String::new(),
        told,
        waiting: HashMap::new(),
        clients: HashMap::new(),
        links: HashMap::new(),
        next: 1,
        listening: None,
        dialling: false,
        input,
    };
    server.serve(&inputs);
    let _ = fs::remove_file(&socket);
    0
}

/// One program: its question, the answer; then, whether it is still there.
fn program(stream: &UnixStream, id: u64, input: &Sender<Input>) {
    let mut line = String::new();
    if BufReader::new(stream).read_line(&mut line).is_err() {
        return;
    }
    let Ok(request) = serde_json::from_str(&line) else { return };
    let (answer, answers) = channel();
    let Ok(own) = stream.try_clone() else { return };
    if input.send(Input::Request(id, request, answer, own)).is_err() {
        return;
    }
    if let Ok(mut other) = stream.try_clone() {
        let input = input.clone();
        thread::spawn(move || {
            let _ = io::copy(&mut other, &mut io::sink());
            let _ = input.send(Input::Gone(id));
        });
    }
    if let Ok(answer) = answers.recv()
        && let Ok(text) = serde_json::to_string(&answer)
    {
        // It may be gone.
        let _ = (&mut &*stream).write_all(format!("{text}\n").as_bytes());
        if answer.reply.exit != 0 || answer.content.is_some() {
            let _ = stream.shutdown(Shutdown::Write);
        }
    }
}

/// Reads the partner's messages until the connection ends.
fn listen_to(stream: TcpStream, link: u64, input: &Sender<Input>) {
    for line in BufReader::new(stream).lines() {
        let Some(message) = line.ok().and_then(|l| serde_json::from_str(&l).ok()) else { break };
        if input.send(Input::Message(link, message)).is_err() {
            return;
        }
    }
    let _ = input.send(Input::Down(link));
}

impl Server {
    fn serve(&mut self, inputs: &Receiver<Input>) {
        loop {
            match inputs.recv_timeout(TICK) {
                Ok(input) => self.take(input),
                Err(RecvTimeoutError::Timeout) => self.event(Event::Tick),
                Err(RecvTimeoutError::Disconnected) => return,
            }
            if !self.machine.is_up() {
                // The answers are written by other threads; the last one is on its way.
                thread::sleep(Duration::from_millis(200));
                return;
            }
            self.network();
        }
    }

    fn take(&mut self, input: Input) {
        match input {
            Input::Request(id, request, answer, stream) => self.request(id, request, answer, stream),
            Input::Gone(id) => {
                self.waiting.remove(&id);
                self.event(Event::Gone { id });
                if let Some((name, _)) = self.clients.remove(&id) {
                    self.event(Event::ClientGone { name });
                }
            }
            Input::Dialled(result) => {
                self.dialling = false;
                match result {
                    Ok(stream) => self.linked(stream, true),
                    Err(_) => self.event(Event::DialFailed),
                }
            }
            Input::Message(link, message) => self.event(Event::Message { link, message }),
            Input::Down(link) => {
                if self.links.remove(&link).is_some() {
                    self.event(Event::Down { link });
                }
            }
        }
    }

    fn request(&mut self, id: u64, request: Request, answer: Sender<Answer>, stream: UnixStream) {
        if let Some(knobs) = self.place.knobs() {
            self.machine.knobs = knobs;
        }
        let event = match request {
            Request::Call(call) => Event::Call { id, call },
            Request::Client(name) => {
                self.clients.insert(id, (name.clone(), stream));
                Event::Client { id, name }
            }
            Request::Commit(change) => Event::Commit { id, change },
            Request::Content => {
                let content = self.machine.log().filter(|_| self.machine.writable()).map(|l| l.content().clone());
                let exit = if content.is_some() { 0 } else { 4 };
                let _ = answer.send(Answer { reply: Reply { exit, ..Reply::default() }, content });
                return;
            }
        };
        self.waiting.insert(id, answer);
        self.event(event);
    }

    /// Lets the state machine take an event; what it says goes out when it is on disk.
    fn event(&mut self, event: Event) {
        let idle = matches!(event, Event::Tick);
        let effects = self.machine.handle(now_ms(), &mut Here, event);
        if idle && effects.is_empty() && self.machine.diag().len() == self.told {
            return;
        }
        if let Ok(text) = serde_json::to_string(&self.machine)
            && text != self.stored
            && self.place.store(&text).is_ok()
        {
            self.stored = text;
        }
        if self.machine.diag().len() > self.told {
            self.place.diag(&self.machine.diag()[self.told..]);
            self.told = self.machine.diag().len();
        }
        for effect in effects {
            match effect {
                Effect::Done { id, reply } => {
                    if reply.exit != 0 {
                        self.clients.remove(&id);
                    }
                    if let Some(answer) = self.waiting.remove(&id) {
                        let _ = answer.send(Answer { reply, content: None });
                    }
                }
                Effect::Send { link, message } => self.send(link, &message),
                Effect::Close { link } => {
                    if let Some(stream) = self.links.remove(&link) {
                        let _ = stream.shutdown(Shutdown::Both);
                    }
                }
            }
        }
        // Who was forced off loses the connection.
        let machine = &self.machine;
        let waiting = &self.waiting;
        self.clients.retain(|id, (name, stream)| {
            let stays = waiting.contains_key(id) || machine.clients().any(|c| c == name);
            if !stays {
                let _ = stream.shutdown(Shutdown::Both);
            }
            stays
        });
    }

    fn send(&mut self, link: u64, message: &Message) {
        let Some(mut stream) = self.links.get(&link) else { return };
        let Ok(text) = serde_json::to_string(message) else { return };
        // A full buffer means that the partner is gone for long: the reader, or HADR_TIMEOUT, says so.
        let _ = stream.write_all(format!("{text}\n").as_bytes());
    }

    fn linked(&mut self, stream: TcpStream, dialled: bool) {
        let link = self.next * 2 + 1;
        self.next += 1;
        let _ = stream.set_nonblocking(false).and_then(|()| stream.set_nodelay(true));
        let _ = stream.set_write_timeout(Some(Duration::from_millis(500)));
        let Ok(reader) = stream.try_clone() else { return };
        self.links.insert(link, stream);
        let input = self.input.clone();
        thread::spawn(move || listen_to(reader, link, &input));
        self.event(Event::Up { link, dialled });
    }

    /// Does what the state machine wants of the network.
    fn network(&mut self) {
        let wish = self.machine.wish(now_ms());
        if self.listening.as_ref().map(|(at, _)| at) != wish.listen.as_ref() {
            self.listening = None;
            if let Some((address, port)) = wish.listen {
                let bound =
                    TcpListener::bind((address.as_str(), port)).and_then(|l| l.set_nonblocking(true).map(|()| l));
                self.listening = bound.ok().map(|l| ((address, port), l));
            }
        }
        let accepted = self.listening.as_ref().and_then(|(_, l)| l.accept().ok());
        if let Some((stream, _)) = accepted {
            self.linked(stream, false);
        }
        if let Some((address, port)) = wish.dial.filter(|_| !self.dialling) {
            self.dialling = true;
            let input = self.input.clone();
            thread::spawn(move || {
                let target = address.parse().map(|ip| SocketAddr::new(ip, port)).map_err(io::Error::other);
                let _ = input.send(Input::Dialled(target.and_then(|t| TcpStream::connect_timeout(&t, DIAL))));
            });
        }
    }
}
