//! hamn's own protocol over real ssh on hosts that play AIX: root's shell is a ksh, and nothing is there that AIX has not.

use std::{
    net::{TcpListener, TcpStream},
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    process::{Command as Program, Stdio},
    sync::PoisonError,
    thread,
    time::Duration,
};

use hamn::remote::{Answer, Failure, Fleet, Here, Job, Remote};
use journal_schema::{Attempt, Direction, RunId, Token};
use lab::hosts::{Ksh, Lab, Machine, Options, Persona, config, preflight, scratch};
use workflows::{
    Action, ActionResult, Command, Output, Place, Script,
    model::{NodeId, Pair},
    script::StdinPart,
};

use crate::stage::{TURN, program, say};

const LIMIT: Duration = Duration::from_secs(90);

/// The cluster and the way to it. The hosts' network is none of this machine's: each connection gets an sshd of its own in the host.
struct Aix {
    lab: Lab,
    pair: Pair,
    fleet: Fleet,
    runtime: tokio::runtime::Runtime,
}

/// Lets whatever connects talk to an sshd in the namespaces of process `init`.
fn door(init: String) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let serve = move |stream: TcpStream| {
        let out = stream.try_clone().unwrap();
        let mut words = vec!["-t", init.as_str()];
        words.extend(["-m", "-u", "-i", "-n", "-p", "-r", "-w", "--"]);
        words.extend(["/usr/sbin/sshd", "-i", "-f", "/etc/ssh/sshd_config"]);
        let child = Program::new("nsenter")
            .args(words)
            .env_clear()
            .stdin(Stdio::from(OwnedFd::from(stream)))
            .stdout(Stdio::from(OwnedFd::from(out)))
            .stderr(Stdio::null())
            .spawn();
        // Ends with its connection.
        thread::spawn(move || child.map(|mut c| c.wait()));
    };
    thread::spawn(move || listener.incoming().flatten().for_each(serve));
    port
}

impl Aix {
    fn up(base: &Path, state_dir: PathBuf) -> Option<Self> {
        let options = Options {
            dir: base.join("aix"),
            tied: true,
            persona: Persona::Aix([Ksh::Ksh93, Ksh::Mksh]),
            ..Options::new(program())
        };
        let lab = match Lab::up(&options) {
            Err(e) if e.kind == lab::hosts::LabErrorKind::MissingProgram => {
                say(&format!("SKIPPED: {}", e.to_string().replace('\n', " ")));
                return None;
            }
            lab => lab.unwrap_or_else(|e| panic!("{e}")),
        };
        let mut pair = config(&lab);
        for (node, machine) in pair.nodes.iter_mut().zip(Machine::PAIR) {
            let init = std::fs::read_to_string(lab.dir().join(machine.name()).join("init")).unwrap();
            node.addresses = vec!["127.0.0.1".into()];
            node.ssh_port = door(init.split(' ').next().unwrap().to_owned());
        }
        let identity_file = Some(lab.dir().join("admin/upper/root/.ssh/id_ed25519"));
        let here = Here { node: None, state_dir, identity_file, connect_timeout_s: 5 };
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let fleet = runtime.block_on(async { Fleet::new(&pair, &here) }).unwrap();
        Some(Self { lab, pair, fleet, runtime })
    }

    fn look(&self, id: NodeId, script: &Script) -> Result<Output, Failure> {
        self.runtime.block_on(self.fleet.observe(Place::Node(id), script, LIMIT))
    }

    fn job(&self, id: NodeId, n: u32, script: &Script) -> Output {
        let token = Token::new(RunId(7), "take.address", Direction::Forward, Attempt(n));
        let job = Job { token: &token, script, epoch: 1 };
        match self.runtime.block_on(self.fleet.run(Place::Node(id), job, LIMIT)) {
            Ok(Answer::Finished(output)) => output,
            other => panic!("{id:?}: {other:?}"),
        }
    }

    /// A job of one action.
    fn one(&self, id: NodeId, n: u32, action: Action) -> ActionResult {
        self.job(id, n, &Script::new().try_(action)).results.remove(0)
    }

    fn read(&self, id: NodeId, path: &str) -> String {
        let machine = Machine::PAIR[usize::from(id == NodeId::B)];
        self.lab.exec(machine, &["cat", path]).unwrap().stdout
    }
}

fn sh(text: &str) -> Command {
    Command::new(["sh", "-c", text])
}

#[test]
fn t71_t72_t73_every_action_and_the_job_protocol_on_aix_in_both_shells() {
    if let Err(e) = preflight() {
        say(&format!("SKIPPED: {}", e.to_string().replace('\n', " ")));
        return;
    }
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let base = scratch().join("real");
    Lab::sweep(&base).unwrap_or_else(|e| panic!("{e}"));
    let state = tempfile::tempdir().unwrap();
    let Some(t) = Aix::up(&base, state.path().join("state")) else { return };
    let all = |id| {
        identity(&t, id);
        programs(&t, id);
        limits(&t, id);
        edits(&t, id);
        claims(&t, id);
        jobs(&t, id);
    };
    thread::scope(|scope| {
        scope.spawn(|| all(NodeId::A));
        all(NodeId::B);
    });
}

/// Trap 11: the pinned identity is the partition's; AIX has no machine-id.
fn identity(t: &Aix, id: NodeId) {
    let seen =
        t.look(id, &Script::new().run(Command::new(["uname", "-f"])).look(sh("ls /proc /etc/machine-id"))).unwrap();
    assert_eq!(seen.at(0).stdout.trim(), t.pair.node(id).machine_id);
    assert_eq!((seen.at(1).exit, seen.at(1).stdout.as_str()), (Some(2), "/proc:\n"), "no procfs");
}

fn programs(t: &Aix, id: NodeId) {
    let script = Script::new()
        .look(sh("echo out; echo err >&2; exit 127"))
        .look(sh("kill -9 $$"))
        .run(Command::new(["printf", "%s", "it's\n$(id) \\ é"]))
        .run(
            Command::new(["sh", "-c", "printf '%s|' \"$A\"; id -un; cat"])
                .env("A", "a 'b'")
                .user("postgres")
                .stdin(vec![StdinPart::Text("text ".into()), StdinPart::SecretFile("/etc/xcat/cfgloc".into())]),
        )
        .run(Command::new(["hostname"]));
    let seen = t.job(id, 1, &script);
    assert_eq!(
        seen.results.iter().map(|r| r.exit).collect::<Vec<_>>(),
        [127, 137, 0, 0, 0].map(Some),
        "{id:?}: {seen:?}"
    );
    assert_eq!((seen.at(0).stdout.as_str(), seen.at(0).stderr.as_str()), ("out\n", "err\n"));
    assert_eq!(seen.at(2).stdout, "it's\n$(id) \\ é");
    assert!(seen.at(3).stdout.starts_with("a 'b'|postgres\ntext Pg:dbname="), "{id:?}: {:?}", seen.at(3));
    assert_eq!(t.look(id, &script).unwrap().results, seen.results, "{id:?}: without a job it is the same");
}

/// Without `timeout`, and with the whole tree below the program.
fn limits(t: &Aix, id: NodeId) {
    let script = Script::new()
        .look(sh("echo before; sleep 31415; echo after").timeout(2))
        .look(sh("ps -e -o args= | grep -c '[s]leep 31415'"))
        .look(sh("sleep 1; echo in time").timeout(20))
        .look(sh("sleep 2718").user("postgres").timeout(2));
    let seen = t.job(id, 2, &script);
    assert_eq!((seen.at(0).exit, seen.at(0).stdout.as_str()), (Some(124), "before\n"), "{id:?}: {seen:?}");
    assert_eq!(seen.at(1).stdout, "0\n", "{id:?}: nothing is left of it");
    assert_eq!((seen.at(2).exit, seen.at(2).stdout.as_str()), (Some(0), "in time\n"), "{id:?}");
    assert_eq!(seen.at(3).exit, Some(124), "{id:?}: {seen:?}");

    let wait = |expect: &str| Action::WaitUntil {
        command: sh("echo x >>/tmp/turns; awk 'END { print NR }' /tmp/turns"),
        expect: expect.into(),
        every_ms: 100,
        limit_s: 4,
    };
    let found = t.one(id, 3, wait("3"));
    assert_eq!((found.exit, found.stdout.as_str()), (Some(0), "3\n"), "{id:?}: {found:?}");
    assert_eq!(t.one(id, 4, wait("never")).exit, Some(ActionResult::TIMED_OUT), "{id:?}");
}

fn edits(t: &Aix, id: NodeId) {
    let path = "/etc/hamn test/it's a file".to_owned();
    let text = "# listen = 'x'\n  listen = 'a,b'  # here\n0 5 * * * pg_restore -d xcatdb\nlast";
    let write =
        |n, mode, content: &str| t.one(id, n, Action::WriteFile { path: path.clone(), mode, content: content.into() });
    assert_eq!(write(10, 0o640, "first\n").exit, Some(0), "{id:?}");
    assert_eq!(write(11, 0o604, text).exit, Some(0), "{id:?}");
    assert_eq!(t.read(id, &path), text);
    let listed = t.look(id, &Script::new().run(Command::new(["ls", "-l", path.as_str()]))).unwrap();
    assert!(listed.at(0).stdout.starts_with("-rw----r--"), "{id:?}: {listed:?}");

    let replace = |prefix: &str| Action::ReplaceInLines {
        path: path.clone(),
        line_prefix: prefix.into(),
        after: "= '".into(),
        until: "'".into(),
        value: "*\\&\\1".into(),
    };
    assert_eq!(t.one(id, 12, replace("nothing")).exit, Some(3), "{id:?}");
    assert_eq!(t.one(id, 13, replace("listen")).exit, Some(0), "{id:?}");
    let ensure = |line: &str, path: &str| Action::EnsureLine { path: path.into(), line: line.into() };
    assert_eq!(t.one(id, 14, ensure("DB2_HADR_1\t55001/tcp", &path)).exit, Some(0), "{id:?}");
    assert_eq!(t.one(id, 15, ensure("DB2_HADR_1\t55001/tcp", &path)).exit, Some(0), "{id:?}");
    assert_eq!(t.one(id, 16, ensure("x", "/nowhere")).exit, Some(3), "{id:?}");
    let tag = || "run-7".to_owned();
    let comment = Action::CommentOut { path: path.clone(), contains: "pg_restore".into(), tag: tag() };
    assert_eq!(t.one(id, 17, comment).exit, Some(0), "{id:?}");
    assert_eq!(
        t.read(id, &path),
        "# listen = 'x'\n  listen = '*\\&\\1'  # here\n#hamn:run-7: 0 5 * * * pg_restore -d xcatdb\nlast\nDB2_HADR_1\t55001/tcp\n"
    );
    assert_eq!(t.one(id, 18, Action::Uncomment { path: path.clone(), tag: tag() }).exit, Some(0), "{id:?}");
    assert!(t.read(id, &path).contains("\n0 5 * * * pg_restore"), "{id:?}");
    assert_eq!(t.read(id, &format!("{path}.hamn-before")), text, "{id:?}");
    let left = t.look(id, &Script::new().run(Command::new(["ls", "-a", "/etc/hamn test"]))).unwrap();
    assert_eq!(left.at(0).stdout.lines().count(), 4, "{id:?}: {left:?}");
}

/// Trap 9.
fn claims(t: &Aix, id: NodeId) {
    let path = "/var/lib/hamn-test/claim".to_owned();
    let claim = |content: &str| Action::Claim { path: path.clone(), content: content.into() };
    let unclaim = |content: &str| Action::Unclaim { path: path.clone(), content: content.into() };
    assert_eq!(t.one(id, 20, claim("ours")).exit, Some(0), "{id:?}");
    assert_eq!(t.one(id, 21, claim("ours")).exit, Some(0), "{id:?}");
    let other = t.one(id, 22, claim("theirs"));
    assert_eq!((other.exit, other.stdout.as_str()), (Some(17), "ours"), "{id:?}: {other:?}");
    assert_eq!(t.one(id, 23, unclaim("theirs")).exit, Some(17), "{id:?}");
    assert_eq!(t.one(id, 24, unclaim("ours")).exit, Some(0), "{id:?}");
    assert_eq!(t.one(id, 25, unclaim("ours")).exit, Some(0), "{id:?}");
    assert_eq!(t.one(id, 26, claim("theirs")).exit, Some(0), "{id:?}");
}

/// Launched again, asked for, revoked; a job that is running is seen to run without a procfs, and one that was killed is lost.
fn jobs(t: &Aix, id: NodeId) {
    let token = |n| Token::new(RunId(7), "promote.database", Direction::Forward, Attempt(n));
    let script = Script::new().run(sh("echo x >>/tmp/count; sleep 60").timeout(100));
    let running = token(1);
    let place = Place::Node(id);
    let job = Job { token: &running, script: &script, epoch: 1 };
    let launched = t.runtime.block_on(t.fleet.run(place, job, Duration::from_secs(3)));
    assert!(matches!(launched, Ok(Answer::Running) | Err(_)), "{id:?}: {launched:?}");
    for _ in 0..2 {
        let asked = t.runtime.block_on(t.fleet.ask(place, &running, Duration::ZERO));
        assert_eq!(asked, Ok(Answer::Running), "{id:?}");
    }
    assert_eq!(t.read(id, "/tmp/count"), "x\n", "{id:?}: once");
    let kill = sh("for p in $(ps -e -o pid= -o args= | awk '/[p]romote.database/ { print $1 }'); do kill -9 $p; done");
    t.look(id, &Script::new().look(kill)).unwrap();
    let asked = t.runtime.block_on(t.fleet.ask(place, &running, Duration::from_secs(5)));
    assert_eq!(asked, Ok(Answer::Lost { why: "killed".into() }), "{id:?}");

    assert_eq!(t.runtime.block_on(t.fleet.revoke(place, &token(2))), Ok(Answer::Revoked), "{id:?}");
    let refused = t.runtime.block_on(t.fleet.run(place, Job { token: &token(2), ..job }, LIMIT));
    assert_eq!(refused, Ok(Answer::Revoked), "{id:?}");
}
