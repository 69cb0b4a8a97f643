//! xcatd itself: several processes with the titles of the real ones, a listener on port 3001, and a connection to its database that does
//! not survive the loss of its own address.

use std::{
    fs,
    io::{self, BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream, UdpSocket},
    path::Path,
    process::{Child, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use crate::xcat::{self, Reply};

use super::{
    daemon::{Answer, PID_FILE, PORT, Request},
    database::{self, Way},
    db2::{self, Held},
    node::{Node, read_cfgloc},
    program::spawn,
};

/// Name of the stand-in for its other processes.
pub(super) const HELPER: &str = "xcatd-helper";

/// xCAT's mark of a service node.
const SERVICE_NODE: &str = "/etc/xCATSN";
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

/// One of the other processes: lives as long as the listener, `DB Access` a moment longer.
pub(super) fn helper(args: &[String]) -> i32 {
    let _ = io::stdin().read_to_end(&mut Vec::new());
    if args.first().is_some_and(|title| title == DB_ACCESS) {
        thread::sleep(LINGER);
    }
    0
}
