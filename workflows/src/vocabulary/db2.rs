//! Program calls of DB2. All run as the owner of the instance with its `db2profile` loaded (a session without login has no environment
//! of DB2), so that no password is needed anywhere (trap 47).
//!
//! `db2` keeps a back end for each shell that calls it: CONNECT is known to statements from the same shell only, and a back end that is
//! left behind holds the instance. So statements that belong together are one call of [`clp`], which ends the back end with TERMINATE.
//! That is never the last command of a subshell: some shells become that command, and it would come from another parent.

use crate::{
    model::{Db2, Hadr, HadrService, Node, SyncMode},
    script::Command,
};

/// How a group of statements is run: each ends with a line `:exit N`; one that begins with `-` may fail, after another failure the rest
/// is not run. Exit code: 0, or that of the statement that failed (4: SQL error, 8: of the processor itself); 127 without an instance.
/// Warnings (2) and "no rows" (1) are no failures here: what they mean is for the judgement.
const GROUP: &str = "[ -r \"$1/sqllib/db2profile\" ] || { echo \"no instance in $1\" >&2; exit 127; }; . \"$1/sqllib/db2profile\"; unset DB2OPTIONS; shift; e=0; \
     for s in \"$@\"; do k=0; case $s in -*) k=1; s=${s#-};; esac; db2 \"$s\"; r=$?; printf '\\n:exit %s\\n' $r; \
     if [ $((r & 12)) -ne 0 ] && [ $k -eq 0 ]; then e=$r; break; fi; done; db2 terminate >/dev/null 2>&1; exit $e";

/// How a program of DB2 is run.
const TOOL: &str = "[ -r \"$1/sqllib/db2profile\" ] || { echo \"no instance in $1\" >&2; exit 127; }; . \"$1/sqllib/db2profile\"; unset DB2OPTIONS; shift; \"$@\"";

/// Prints `none` when no application is connected to any database (SQL1611W), `some` when there are, else `unknown`.
const APPLICATIONS: &str = "[ -r \"$1/sqllib/db2profile\" ] || exit 127; . \"$1/sqllib/db2profile\"; unset DB2OPTIONS; \
     o=$(db2 list applications; db2 terminate >/dev/null 2>&1; :); \
     case $o in *SQL1611W*|*SQL1032N*) echo none;; *SQL[0-9]*) echo unknown;; *) echo some;; esac";

/// Prints the role in the configuration of the database and exits 0 if it is among the permitted ones (`absent`: there is no such
/// database); else exits 9. For the line before something destructive, in the same job (traps 11, 45).
const ROLE_IS: &str = "[ -r \"$1/sqllib/db2profile\" ] || exit 127; . \"$1/sqllib/db2profile\"; unset DB2OPTIONS; d=$2; shift 2; \
     o=$(db2 \"GET DB CFG FOR $d\"; db2 terminate >/dev/null 2>&1; :); \
     r=$(printf '%s\\n' \"$o\" | sed -n 's/^ *HADR database role *= *\\([A-Z]*\\).*/\\1/p'); \
     if [ -z \"$r\" ]; then case $o in *SQL1013N*) r=absent;; *) r=unknown;; esac; fi; echo \"$r\"; \
     for a in \"$@\"; do [ \"$a\" != \"$r\" ] || exit 0; done; exit 9";

/// Keeps what a copy of the database alone has: its configuration and its log files, and says that it is whole in a file `complete`.
const SAVE_LOGS: &str = "[ -r \"$1/sqllib/db2profile\" ] || exit 127; . \"$1/sqllib/db2profile\"; unset DB2OPTIONS; d=$2; t=$3; umask 077; \
     mkdir -p \"$t\" || exit 1; db2 \"GET DB CFG FOR $d\" >\"$t/db.cfg\"; r=$?; db2 terminate >/dev/null 2>&1; [ $r -eq 0 ] || { cat \"$t/db.cfg\"; exit $r; }; \
     p=$(sed -n 's/^ *Path to log files *= *//p' \"$t/db.cfg\"); [ -d \"$p\" ] || { echo \"no directory of log files: $p\" >&2; exit 3; }; \
     cd \"$p\" && tar -cf \"$t/logs.tar\" . && echo complete >\"$t/complete\"";

/// Copies an image to the other machine and prints nothing. Its key is the pinned one.
const COPY_IMAGE: &str =
    "scp -p -q -B -P \"$4\" -o StrictHostKeyChecking=yes -o UserKnownHostsFile=\"$3\" \"$1\".0.*.\"$2\".001 \"$5\"";

/// Checksum and length of an image: one line, whatever its whole name is; another exit code than 0 where there is none, or two.
const IMAGE_SUM: &str =
    "n=0; for f in \"$1\".0.*.\"$2\".001; do n=$((n + 1)); done; [ $n -eq 1 ] && [ -f \"$f\" ] && cksum <\"$f\"";

/// Gives an image to the owner of the instance.
const OWN_IMAGE: &str = "chown \"$3\" \"$1\".0.*.\"$2\".001";

/// What a command of this vocabulary calls, for those who interpret scripts instead of running them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call<'a> {
    /// Statements from one shell, then TERMINATE: see [`clp`].
    Group(&'a [String]),
    /// A program with its arguments: see `tool`.
    Tool(&'a [String]),
    /// See [`applications`].
    Applications,
    /// See [`role_is`]: database, permitted roles.
    RoleIs(&'a str, &'a [String]),
    /// See [`save_logs`]: database, directory.
    SaveLogs(&'a str, &'a str),
    /// Something done to the image whose path begins so, of that timestamp.
    Image(Image, &'a str, &'a str),
}

/// What is done to an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Image {
    /// See [`copy_image`].
    Copy,
    /// See [`image_sum`].
    Sum,
    /// See [`own_image`].
    Own,
}

/// What a command calls, if it is one of these.
pub fn call(command: &Command) -> Option<Call<'_>> {
    let [sh, _, script, _, first, rest @ ..] = command.argv.as_slice() else { return None };
    match (sh.as_str(), script.as_str(), rest) {
        ("sh", GROUP, statements) => Some(Call::Group(statements)),
        ("sh", TOOL, argv) => Some(Call::Tool(argv)),
        ("sh", APPLICATIONS, _) => Some(Call::Applications),
        ("sh", ROLE_IS, [database, roles @ ..]) => Some(Call::RoleIs(database, roles)),
        ("sh", SAVE_LOGS, [database, directory]) => Some(Call::SaveLogs(database, directory)),
        ("sh", COPY_IMAGE, [stamp, ..]) => Some(Call::Image(Image::Copy, first, stamp)),
        ("sh", IMAGE_SUM, [stamp]) => Some(Call::Image(Image::Sum, first, stamp)),
        ("sh", OWN_IMAGE, [stamp, _]) => Some(Call::Image(Image::Own, first, stamp)),
        _ => None,
    }
}

fn shell(db2: &Db2, script: &str, name: &str, arguments: impl IntoIterator<Item = String>) -> Command {
    let head = ["sh", "-c", script, name, &db2.home].map(str::to_owned);
    Command::new(head.into_iter().chain(arguments))
        .user(&db2.instance)
        .env("HOME", &db2.home)
        .env("DB2INSTANCE", &db2.instance)
        .timeout(60)
}

/// Statements one after the other from one shell, then TERMINATE. Read with [`crate::db2::read::group`].
pub fn clp<S: Into<String>>(db2: &Db2, statements: impl IntoIterator<Item = S>) -> Command {
    shell(db2, GROUP, "db2", statements.into_iter().map(Into::into))
}

/// A statement of a group that may fail: what it says is for the judgement.
pub fn may_fail(statement: impl Into<String>) -> String {
    format!("-{}", statement.into())
}

fn tool(db2: &Db2, argv: &[&str]) -> Command {
    shell(db2, TOOL, "db2-tool", argv.iter().map(|a| (*a).to_owned()))
}

/// Role, state, connection, positions, from the shared memory of this machine: no connection is needed. The layout differs by version; the
/// exit code means nothing.
pub fn hadr(db2: &Db2) -> Command {
    tool(db2, &["db2pd", "-d", &db2.database, "-hadr"]).timeout(20)
}

/// State of the instance: `Instance  : xcatdb`, `DB2 State : Available` (exit 0), `Operable` (stopped), `Not operable`.
pub fn instance_state(db2: &Db2) -> Command {
    tool(db2, &["db2gcf", "-s", "-p", "0", "-i", &db2.instance]).timeout(30)
}

/// Writes the present host name into `db2nodes.cfg` and starts the instance. What it wrote is to be read from the file.
pub fn instance_up(db2: &Db2) -> Command {
    tool(db2, &["db2gcf", "-u", "-p", "0", "-i", &db2.instance]).timeout(180)
}

/// Kills the instance: nothing is written to the log any more, unlike an orderly stop, after which the logs of a pair may not match.
pub fn instance_kill(db2: &Db2) -> Command {
    tool(db2, &["db2gcf", "-k", "-p", "0", "-i", &db2.instance]).timeout(60)
}

/// Starts the instance: SQL1063N; SQL1026N and exit 1 when it runs already.
pub fn start(db2: &Db2) -> Command {
    tool(db2, &["db2start"]).timeout(180)
}

/// Stops the instance: SQL1064N; SQL1025N and exit 1 when a database is active; SQL1032N and exit 1 when it is stopped already.
pub fn stop(db2: &Db2) -> Command {
    tool(db2, &["db2stop"]).timeout(180)
}

/// Stops it with whatever is active in it.
pub fn stop_by_force(db2: &Db2) -> Command {
    tool(db2, &["db2stop", "force"]).timeout(180)
}

/// Version: a sentence with a word such as `"DB2 v9.7.0.3"`.
pub fn level(db2: &Db2) -> Command {
    tool(db2, &["db2level"]).timeout(30)
}

/// Instances, one a line.
pub fn instances(db2: &Db2) -> Command {
    tool(db2, &["db2ilist"]).timeout(30)
}

/// Prints `none` when no application is connected; to be waited for, because FORCE APPLICATIONS returns before they are gone (trap 48).
pub fn applications(db2: &Db2) -> Command {
    shell(db2, APPLICATIONS, "db2-applications", [])
}

/// Prints the role that the configuration says and exits 0 if it is one of `permitted` (`STANDARD`, `STANDBY`, `PRIMARY`, or `absent`);
/// exit 9 if not. The line before a RESTORE, so that nothing lies between the look and the deed (traps 11, 45; invariant 5).
pub fn role_is(db2: &Db2, permitted: &[&str]) -> Command {
    let roles = permitted.iter().map(|r| (*r).to_owned());
    shell(db2, ROLE_IS, "db2-role-is", [db2.database.clone()].into_iter().chain(roles))
}

/// `db2nodes.cfg`: `0 HOST 0`. With another host name than the machine's every call ends with SQL6031N (trap 44).
pub fn nodes_path(db2: &Db2) -> String {
    format!("{}/sqllib/db2nodes.cfg", db2.home)
}

/// What `db2nodes.cfg` must say.
pub fn nodes_line(host_name: &str) -> String {
    format!("0 {host_name} 0")
}

/// Line of `/etc/services`.
pub fn service_line(service: &HadrService) -> String {
    format!("{} {}/tcp", service.name, service.port)
}

/// Gives a file to the owner of the instance.
pub fn own(db2: &Db2, path: &str) -> Command {
    Command::new(["chown", &db2.instance, path])
}

/// Keeps log files and configuration of a database in a directory that the instance's owner may make; `DIR/complete` says that it is whole.
pub fn save_logs(db2: &Db2, directory: &str) -> Command {
    shell(db2, SAVE_LOGS, "db2-save-logs", [db2.database.clone(), directory.to_owned()]).timeout(LONG_S)
}

/// Beginning of the path of the images of the database, which DB2 writes in capitals whatever it was called by.
pub fn image(db2: &Db2) -> String {
    format!("{}/{}", db2.backup_dir.trim_end_matches('/'), db2.database.to_uppercase())
}

/// Copies an image of the database to another machine, over ssh as root. `known_hosts`: a file with that machine's pinned keys.
pub fn copy_image(db2: &Db2, timestamp: &str, to: &Node, known_hosts: &str) -> Command {
    let there = format!("{}@{}:{}/", to.ssh_user, to.addresses[0], db2.backup_dir);
    let port = to.ssh_port.to_string();
    Command::new(["sh", "-c", COPY_IMAGE, "db2-copy-image", &image(db2), timestamp, known_hosts, &port, &there])
        .timeout(LONG_S)
}

/// Checksum and length of an image.
pub fn image_sum(db2: &Db2, timestamp: &str) -> Command {
    Command::new(["sh", "-c", IMAGE_SUM, "db2-image-sum", &image(db2), timestamp]).timeout(600)
}

/// Gives an image that was copied as root to the owner of the instance.
pub fn own_image(db2: &Db2, timestamp: &str) -> Command {
    Command::new(["sh", "-c", OWN_IMAGE, "db2-own-image", &image(db2), timestamp, &db2.instance])
}

/// How a standby takes over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Takeover {
    /// Both databases change roles; nothing is lost.
    Plain,
    /// The primary is gone, and the standby proves by its clock that everything acknowledged is here.
    PeerWindowOnly,
    /// The primary is gone, and what the standby lacks is lost.
    ByForce,
}

/// CONNECT TO
pub fn connect(db2: &Db2) -> String {
    format!("CONNECT TO {}", db2.database)
}

/// CONNECT RESET: SQL1024N when there is no connection.
pub const CONNECT_RESET: &str = "CONNECT RESET";
/// All clients lose their connections; it returns before they have (trap 48).
pub const FORCE_APPLICATIONS: &str = "FORCE APPLICATIONS ALL";
/// GET DBM CFG: the instance's parameters, `CLUSTER_MGR` among them.
pub const GET_MANAGER: &str = "GET DBM CFG";
/// LIST DB DIRECTORY
pub const LIST_DB_DIRECTORY: &str = "LIST DB DIRECTORY";
/// QUIESCE DATABASE; needs a connection from the same shell.
pub const QUIESCE: &str = "QUIESCE DATABASE IMMEDIATE FORCE CONNECTIONS";
/// UNQUIESCE DATABASE; needs a connection from the same shell.
pub const UNQUIESCE: &str = "UNQUIESCE DATABASE";
/// One row: number of nodes in the xCAT database; needs a connection from the same shell.
pub const CLUSTER_NODES: &str = "SELECT COUNT(*) FROM NODELIST";

/// All parameters of the database; no connection is needed.
pub fn get_config(db2: &Db2) -> String {
    format!("GET DB CFG FOR {}", db2.database)
}

/// Sets a parameter. SQL1363W (exit 2): it is set and counts from the next activation.
pub fn set_config(db2: &Db2, name: &str, value: &str) -> String {
    format!("UPDATE DB CFG FOR {} USING {name} {value}", db2.database)
}

/// Where clients go when this server is gone; shown by [`LIST_DB_DIRECTORY`].
pub fn set_alternate_server(db2: &Db2, host: &str) -> String {
    format!("UPDATE ALTERNATE SERVER FOR DATABASE {} USING HOSTNAME {host} PORT {}", db2.database, db2.port)
}

/// The HADR parameters of one machine, in the procedure's order. `own` and `other`: their addresses and services.
pub fn hadr_config(
    db2: &Db2,
    (own_host, own_service): (&str, &str),
    (other_host, other_service): (&str, &str),
) -> Vec<String> {
    let Hadr { sync_mode, timeout_s, peer_window_s, .. } = &db2.hadr;
    let mut all = vec![
        ("HADR_LOCAL_HOST", own_host.to_owned()),
        ("HADR_LOCAL_SVC", own_service.to_owned()),
        ("HADR_REMOTE_HOST", other_host.to_owned()),
        ("HADR_REMOTE_SVC", other_service.to_owned()),
        ("HADR_REMOTE_INST", db2.instance.clone()),
        ("HADR_SYNCMODE", SyncMode::name(*sync_mode).to_owned()),
        ("HADR_TIMEOUT", timeout_s.to_string()),
        ("HADR_PEER_WINDOW", peer_window_s.to_string()),
    ];
    all.drain(..).map(|(name, value)| set_config(db2, name, &value)).collect()
}

/// ACTIVATE DATABASE. On an inactive primary it waits for the standby like START HADR AS PRIMARY.
pub fn activate(db2: &Db2) -> String {
    format!("ACTIVATE DATABASE {}", db2.database)
}

/// DEACTIVATE DATABASE: SQL1496W when it is not active, SQL1495W when a connection keeps it so.
pub fn deactivate(db2: &Db2) -> String {
    format!("DEACTIVATE DATABASE {}", db2.database)
}

/// START HADR AS STANDBY. Its success says that it began, not that the logs match (trap 69).
pub fn start_as_standby(db2: &Db2) -> String {
    format!("START HADR ON DATABASE {} AS STANDBY", db2.database)
}

/// START HADR AS PRIMARY: waits for the standby up to `HADR_TIMEOUT`, then SQL1768N reason 7.
pub fn start_as_primary(db2: &Db2) -> String {
    format!("START HADR ON DATABASE {} AS PRIMARY", db2.database)
}

/// START HADR AS PRIMARY BY FORCE: without waiting for a standby. Only where the other machine is known not to serve.
pub fn start_as_primary_by_force(db2: &Db2) -> String {
    format!("START HADR ON DATABASE {} AS PRIMARY BY FORCE", db2.database)
}

/// STOP HADR: a primary becomes standard and goes on; an inactive standby becomes standard with roll-forward pending (trap 42).
pub fn stop_hadr(db2: &Db2) -> String {
    format!("STOP HADR ON DATABASE {}", db2.database)
}

/// TAKEOVER HADR, on the standby.
pub fn takeover(db2: &Db2, form: Takeover) -> String {
    let tail = match form {
        Takeover::Plain => "",
        Takeover::PeerWindowOnly => " BY FORCE PEER WINDOW ONLY",
        Takeover::ByForce => " BY FORCE",
    };
    format!("TAKEOVER HADR ON DATABASE {}{tail}", db2.database)
}

/// ROLLFORWARD … COMPLETE: opens a database that a restore or STOP HADR left pending. It can never be a standby again without a restore.
pub fn rollforward(db2: &Db2) -> String {
    format!("ROLLFORWARD DATABASE {} TO END OF LOGS AND COMPLETE", db2.database)
}

/// BACKUP DB. The timestamp of the image is read from its message.
pub fn backup(db2: &Db2, directory: &str) -> String {
    format!("BACKUP DB {} TO {directory}", db2.database)
}

/// RESTORE DATABASE of the image of that timestamp, without a question. Leaves roll-forward pending, as a standby has to be.
pub fn restore(db2: &Db2, directory: &str, timestamp: &str) -> String {
    format!(
        "RESTORE DATABASE {} FROM {directory} TAKEN AT {timestamp} REPLACE HISTORY FILE WITHOUT PROMPTING",
        db2.database
    )
}

/// GET SNAPSHOT FOR DB: a block `HADR Status`; where `db2pd` is of no use.
pub fn snapshot(db2: &Db2) -> String {
    format!("GET SNAPSHOT FOR DB ON {}", db2.database)
}

/// Seconds that a call which waits for the partner may take.
pub fn waits_for_partner(db2: &Db2) -> u32 {
    db2.hadr.timeout_s.max(30) + 90
}

/// Seconds that a backup, a restore or a copy of its image may take.
pub const LONG_S: u32 = 3_600;
