//! xcatd: several processes with the titles of the real ones, a listener on port 3001, and a connection to its database that does not
//! survive the loss of its own address.

use std::{
    fs,
    io::{self, BufRead, BufReader, Read, Write},
    net::{Shutdown, TcpListener, TcpStream, UdpSocket},
    path::Path,
    process::{Child, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use serde::{Deserialize, Serialize};

use crate::xcat::{self, DbError, Reply};

use super::{
    database::{self, Way},
    db2::{self, Held},
    node::{Node, read_cfgloc},
    spawn,
};

/// Name of the stand-in that listens.
pub(super) const LISTENER: &str = "xcatd-listener";
/// Name of the stand-in for its other processes.
pub(super) const HELPER: &str = "xcatd-helper";

const PORT: u16 = 3001;
/// xCAT's mark of a service node.
const SERVICE_NODE: &str = "/etc/xCATSN";
const PID_FILE: &str = "/run/xcatd.pid";
const LISTENER_TITLE: &str = "xcatd: SSL listener";
const DB_ACCESS: &str = "xcatd: DB Access";
const TITLES: [&str; 5] = [
    DB_ACCESS,
    "xcatd: UDP listener",
    "xcatd: Discovery worker",
    "xcatd: install monitor",
    "xcatd: Command log writer",
];
/// How long `DB Access` outlives the listener.
const LINGER: Duration = Duration::from_millis(800);

#[derive(Serialize, Deserialize)]
struct Request {
    name: String,
    args: Vec<String>,
    env: Vec<(String, String)>,
}

#[derive(Serialize, Deserialize)]
struct Answer {
    stdout: String,
    stderr: String,
    exit: i32,
    hangs: bool,
}

/// Number of the running listener.
pub(super) fn running() -> Option<i32> {
    super::running(PID_FILE, LISTENER_TITLE)
}

/// Starts the daemon and waits until it has its database and its port.
pub(super) fn start() -> Result<(), DbError> {
    let mut child = spawn(LISTENER_TITLE, &[LISTENER], Stdio::null(), Stdio::piped()).map_err(|_| DbError::Down)?;
    let mut line = String::new();
    let said = child.stdout.take().and_then(|out| BufReader::new(out).read_line(&mut line).ok());
    if said.is_some() && line == "ready\n" {
        return Ok(());
    }
    let _ = child.kill();
    let _ = child.wait();
    Err(DbError::Down)
}

/// Ends the listener. The process `DB Access` follows on its own time.
pub(super) fn stop() {
    super::stop(PID_FILE, LISTENER_TITLE);
}

/// Whether an address is this machine's.
fn is_local(host: &str) -> bool {
    UdpSocket::bind((host, 0)).is_ok()
}

/// The listener: answers until it is killed. Exit code of a start that failed.
pub(super) fn main() -> i32 {
    if Path::new(SERVICE_NODE).exists() {
        return service_node();
    }
    let Some(cfgloc) = read_cfgloc() else { return 1 };
    let held = hold(&cfgloc);
    if database::probe(&cfgloc).is_err() || matches!(cfgloc, Way::Db2(_)) && held.is_none() {
        return 1;
    }
    let Ok(listener) = TcpListener::bind(("0.0.0.0", PORT)) else { return 1 };
    let helpers = helpers();
    let connection = Arc::new(Connection {
        watched: cfgloc.host().is_some_and(is_local),
        lost: AtomicBool::new(false),
        held: Mutex::new(held),
        cfgloc,
    });
    let watch = Arc::clone(&connection);
    thread::spawn(move || {
        while !watch.is_lost() {
            thread::sleep(Duration::from_millis(50));
        }
    });
    if !ready() {
        return 1;
    }
    let turns = Arc::new(Mutex::new(()));
    for client in listener.incoming().flatten() {
        let (turns, connection) = (Arc::clone(&turns), Arc::clone(&connection));
        thread::spawn(move || {
            let turn = turns.lock();
            if !connection.is_lost() {
                connection.again();
                // A client that went away is no concern of ours.
                let _ = serve(&client, Node::inside(connection.cfgloc.clone()));
                return;
            }
            drop(turn);
            loop {
                thread::park();
            }
        });
    }
    drop(helpers);
    1
}

/// The other processes: they end when the other ends of their pipes do, with this process.
fn helpers() -> Vec<Child> {
    TITLES.iter().filter_map(|title| spawn(title, &[HELPER, title], Stdio::piped(), Stdio::null()).ok()).collect()
}

/// Tells whoever started the daemon that it runs.
fn ready() -> bool {
    let written = fs::write(PID_FILE, format!("{}\n", std::process::id())).is_ok();
    let mut out = io::stdout();
    written && out.write_all(b"ready\n").and_then(|()| out.flush()).is_ok()
}

/// The daemon of a service node, as far as anybody here asks for it: it runs, and answers nobody.
fn service_node() -> i32 {
    let Ok(listener) = TcpListener::bind(("0.0.0.0", PORT)) else { return 1 };
    let helpers = helpers();
    if ready() {
        listener.incoming().for_each(drop);
    }
    drop(helpers);
    1
}

/// The daemon's way to its database.
#[derive(Debug)]
struct Connection {
    cfgloc: Way,
    /// Its connection, where the database knows who is connected.
    held: Mutex<Option<Held>>,
    /// Whether its own end has the address that cfgloc names, as on a management node.
    watched: bool,
    lost: AtomicBool,
}

/// Connects where the database knows who is connected; waits as long as that takes.
fn hold(cfgloc: &Way) -> Option<Held> {
    match cfgloc {
        Way::Psql(_) => None,
        Way::Db2(instance) => db2::connect(instance, "xcatd"),
    }
}

impl Connection {
    /// Connects again if the database ended the connection, as the real daemon does by itself.
    fn again(&self) {
        let Ok(mut held) = self.held.lock() else { return };
        if matches!(self.cfgloc, Way::Db2(_)) && !held.as_ref().is_some_and(Held::is_alive) {
            *held = hold(&self.cfgloc);
        }
    }

    /// Whether the address was taken away under it. That it comes back later does not bring the connection back.
    fn is_lost(&self) -> bool {
        if self.watched && !self.cfgloc.host().is_some_and(is_local) {
            self.lost.store(true, Ordering::SeqCst);
        }
        self.lost.load(Ordering::SeqCst)
    }
}

fn serve(mut connection: &TcpStream, mut node: Node) -> io::Result<()> {
    let mut line = String::new();
    BufReader::new(connection).read_line(&mut line)?;
    let request: Request = serde_json::from_str(&line)?;
    let args: Vec<&str> = request.args.iter().map(String::as_str).collect();
    let Reply { stdout, stderr, exit, hangs } = xcat::call(&request.name, &args, &request.env, &mut node);
    connection.write_all(serde_json::to_string(&Answer { stdout, stderr, exit, hangs })?.as_bytes())
}

/// Lets the daemon answer a command; `None` when there is no daemon, or the command does not go to it.
pub(super) fn ask(name: &str, args: &[&str], env: &[(String, String)]) -> Option<Reply> {
    let bypass = env.iter().any(|(k, v)| k == "XCATBYPASS" && v == "1");
    if bypass || matches!(name, "xcatd" | "chtab") || !xcat::is_known(name) {
        return None;
    }
    let mut connection = TcpStream::connect(("127.0.0.1", PORT)).ok()?;
    let request =
        Request { name: name.to_owned(), args: args.iter().map(|a| (*a).to_owned()).collect(), env: env.to_vec() };
    let mut line = serde_json::to_string(&request).ok()?;
    line.push('\n');
    let mut text = String::new();
    let answer: Option<Answer> = connection
        .write_all(line.as_bytes())
        .and_then(|()| connection.shutdown(Shutdown::Write))
        .and_then(|()| connection.read_to_string(&mut text))
        .ok()
        .and_then(|_| serde_json::from_str(&text).ok());
    // The daemon died under the request.
    Some(answer.map_or_else(
        || Reply {
            stderr: "Error: communication with the xcatd server was interrupted\n".into(),
            exit: 1,
            ..Reply::default()
        },
        |a| Reply { stdout: a.stdout, stderr: a.stderr, exit: a.exit, hangs: a.hangs },
    ))
}

/// One of the other processes: lives as long as the listener, `DB Access` a moment longer.
pub(super) fn helper(args: &[String]) -> i32 {
    let _ = io::stdin().read_to_end(&mut Vec::new());
    if args.first().is_some_and(|title| title == DB_ACCESS) {
        thread::sleep(LINGER);
    }
    0
}
