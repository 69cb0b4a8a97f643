//! xCAT's commands as a pure state machine: name, arguments and environment in; texts, exit code or a hang out.
//!
//! Texts, exit codes *and lies* are those measured on a real xcatd 2.19.0. Everything that such a command reads or changes goes
//! through [`Backend`], so that the simulated pair and the real practice hosts answer alike.

mod cfgloc;
mod make;
mod objects;
mod schema;
mod service;
mod tables;
#[cfg(test)]
mod tests;

pub use cfgloc::Cfgloc;
pub use schema::{TABLES, Table, table};

/// One row: values in the order of [`Table::columns`]; empty: unset.
pub type Row = Vec<String>;

/// What a command gave.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reply {
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
    /// Exit code; meaningless if `hangs`.
    pub exit: i32,
    /// It never returns; `stdout` was printed before.
    pub hangs: bool,
}

impl Reply {
    pub(crate) fn ok(stdout: impl Into<String>) -> Self {
        Self { stdout: stdout.into(), ..Self::default() }
    }

    pub(crate) fn hang(stdout: impl Into<String>) -> Self {
        Self { stdout: stdout.into(), hangs: true, ..Self::default() }
    }

    pub(crate) fn failed(exit: i32, stdout: impl Into<String>, stderr: impl Into<String>) -> Self {
        Self { stdout: stdout.into(), stderr: stderr.into(), exit, hangs: false }
    }
}

/// State of xcatd as its clients meet it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Daemon {
    /// Nothing listens on port 3001.
    Stopped,
    /// It listens and works, as long as its database does.
    Running,
    /// It listens and never answers: the address that it reached its database at was taken away under it. Only a restart heals it,
    /// also when the address is back.
    Wedged,
}

/// Why the database did not do what it was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DbError {
    /// No connection, or the login was refused, or the server is gone.
    Down,
    /// The server is a standby: it reads and does not write.
    ReadOnly,
}

/// The way to the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Via {
    /// The connection that the running daemon has: to the host that cfgloc named when the daemon was started.
    Daemon,
    /// A new connection to the host that cfgloc names now.
    Cfgloc,
}

/// A service beside xcatd that its commands restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Helper {
    /// DNS: named.
    Dns,
    /// DHCP: dhcpd.
    Dhcp,
    /// Consoles: conserver.
    Consoles,
}

impl Helper {
    /// Its place in a list of all three.
    pub fn index(self) -> usize {
        self as usize
    }
}

/// The world behind the commands: one management node, with the database that its cfgloc leads to.
pub trait Backend {
    /// Host name as the kernel has it now.
    fn host_name(&self) -> String;

    /// State of the daemon.
    fn daemon(&self) -> Daemon;

    /// Starts the daemon: connects to the database that cfgloc names. On an error no daemon is left (the caller hangs, as the real one does).
    fn start_daemon(&mut self) -> Result<(), DbError>;

    /// Ends the daemon if there is one. Its last process may outlive this call for a second.
    fn stop_daemon(&mut self);

    /// All rows of a table, in any fixed order.
    fn rows(&mut self, via: Via, table: &'static Table) -> Result<Vec<Row>, DbError>;

    /// Inserts a row, or replaces the one of the same first column.
    fn put(&mut self, via: Via, table: &'static Table, row: Row) -> Result<(), DbError>;

    /// Deletes the rows of that first column; how many there were.
    fn delete(&mut self, via: Via, table: &'static Table, key: &str) -> Result<usize, DbError>;

    /// Content of a file of the node.
    fn read_file(&self, path: &str) -> Option<String>;

    /// Writes a file of the node.
    fn write_file(&mut self, path: &str, content: &str);

    /// Whether the node has a network interface of that name.
    fn has_interface(&self, name: &str) -> bool;

    /// Restarts (or, with `start: false`, only looks for) a service; whether it runs afterwards.
    fn helper(&mut self, helper: Helper, start: bool) -> bool;
}

/// A call in progress.
struct Call<'a> {
    args: &'a [&'a str],
    via: Via,
    backend: &'a mut dyn Backend,
}

/// How a command ends early.
enum Stop {
    /// With this reply.
    Reply(Reply),
    /// Because of the database.
    Db(DbError),
}

impl From<DbError> for Stop {
    fn from(e: DbError) -> Self {
        Self::Db(e)
    }
}

type Done = Result<Reply, Stop>;

impl Call<'_> {
    fn rows(&mut self, name: &str) -> Result<Vec<Row>, DbError> {
        self.backend.rows(self.via, table(name).expect("a table of the schema"))
    }

    fn put(&mut self, name: &str, row: Row) -> Result<(), DbError> {
        self.backend.put(self.via, table(name).expect("a table of the schema"), row)
    }

    fn delete(&mut self, name: &str, key: &str) -> Result<usize, DbError> {
        self.backend.delete(self.via, table(name).expect("a table of the schema"), key)
    }

    /// `Error: [host]: text`, as server-side messages are.
    fn error(&self, text: &str) -> String {
        format!("Error: [{}]: {text}\n", self.backend.host_name())
    }

    fn site(&mut self, key: &str) -> Result<Option<String>, DbError> {
        Ok(self.rows("site")?.into_iter().find(|r| r[0] == key).map(|r| r[1].clone()))
    }
}

const NO_DAEMON_STDOUT: &str = "Unable to open socket connection to xcatd daemon on localhost:3001.\n\
                                Verify that the xcatd daemon is running and that your SSL setup is correct.\n";
const NO_DAEMON_STDERR: &str = "Connection failure: IO::Socket::INET: connect: Connection refused at /opt/xcat/lib/perl/xCAT/Client.pm line 248.\n";

/// Whether there is a stand-in of that name. `xcatd` is the service script, with `start`, `stop`, `restart` or `status` as its argument.
pub fn is_known(name: &str) -> bool {
    matches!(
        name,
        "xcatd"
            | "tabdump"
            | "nodels"
            | "lsdef"
            | "mkdef"
            | "chdef"
            | "rmdef"
            | "chtab"
            | "gettab"
            | "lsxcatd"
            | "makedns"
            | "makedhcp"
            | "makeconservercf"
            | "makegocons"
            | "nodeset"
    )
}

/// Does what the command does. `env` is the environment as given to it (`XCATBYPASS` matters); unknown names exit 127.
pub fn call(name: &str, args: &[&str], env: &[(String, String)], backend: &mut dyn Backend) -> Reply {
    if name == "xcatd" {
        return service::control(args.first().copied().unwrap_or(""), backend);
    }
    if !is_known(name) {
        return Reply::failed(127, "", format!("{name}: command not found\n"));
    }
    let bypass = env.iter().any(|(k, v)| k == "XCATBYPASS" && v == "1");
    // chtab goes to the database itself, daemon or not.
    let direct = bypass || name == "chtab";
    if !direct {
        match backend.daemon() {
            Daemon::Stopped => return Reply::failed(111, NO_DAEMON_STDOUT, NO_DAEMON_STDERR),
            Daemon::Wedged => return Reply::hang(""),
            Daemon::Running => {}
        }
    }
    let mut call = Call { args, via: if direct { Via::Cfgloc } else { Via::Daemon }, backend };
    let reply = match name {
        "tabdump" => call.tabdump(),
        "gettab" => call.gettab(),
        "chtab" => call.chtab(),
        "nodels" => call.nodels(),
        "lsdef" => call.lsdef(),
        "mkdef" => call.mkdef(),
        "chdef" => call.chdef(),
        "rmdef" => call.rmdef(),
        "lsxcatd" => call.lsxcatd(),
        "makedns" => call.makedns(),
        "makedhcp" => call.makedhcp(),
        "makeconservercf" => call.makeconservercf(),
        "makegocons" => Ok(call.makegocons()),
        _ => call.nodeset(),
    };
    let mut reply = match reply {
        Ok(reply) | Err(Stop::Reply(reply)) => reply,
        Err(Stop::Db(e)) => database_failed(name, bypass, e, call.backend),
    };
    if bypass {
        reply.stdout.insert_str(0, "Error loading module /opt/xcat/lib/perl/xCAT_plugin/kvm.pm  ...skipping\n");
    }
    reply
}

fn database_failed(name: &str, bypass: bool, e: DbError, backend: &dyn Backend) -> Reply {
    match e {
        DbError::Down if name == "chtab" => {
            Reply::failed(1, "Could not connect to the database. Database handle not defined.\n", "")
        }
        // Loops for longer than anybody waits.
        DbError::Down if bypass => Reply::hang(""),
        DbError::Down => Reply::failed(1, "", "Error: Permission denied for request\n"),
        // Not measured: a daemon on a standby database that is asked to write.
        DbError::ReadOnly => {
            Reply::failed(1, "", format!("Error: [{}]: DB error: the transaction is read-only\n", backend.host_name()))
        }
    }
}
