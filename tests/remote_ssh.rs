//! The real remote against a real sshd: every way in which a connection can fail, and that a job has one effect in all of them.

mod sshd;

use std::{
    fs,
    net::{TcpListener, TcpStream},
    os::unix::fs::PermissionsExt as _,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use hamn::remote::{Answer, Failure, Fleet, Here, Job, Remote};
use journal_schema::{Attempt, Direction, RunId, Token};
use sshd::{Place as Sshd, children, kill, processes, until};
use workflows::{
    Command, Place, Script,
    model::{NodeId, Pair},
};

const A: Place = Place::Node(NodeId::A);
const B: Place = Place::Node(NodeId::B);
const LIMIT: Duration = Duration::from_secs(60);

fn fleet(sshd: &Sshd, pair: &Pair) -> Fleet {
    Fleet::new(pair, &here(sshd, None)).unwrap()
}

fn here(sshd: &Sshd, node: Option<NodeId>) -> Here {
    Here {
        node,
        state_dir: sshd.dir.path().join("state"),
        identity_file: Some(sshd.identity.clone()),
        connect_timeout_s: 5,
    }
}

/// Of one sshd: tests run at once, and a job is found by its token among all processes.
fn token(sshd: &Sshd, n: u32) -> Token {
    let run = (u64::from(std::process::id()) << 16) + u64::from(sshd.port);
    Token::new(RunId(run), "take.address", Direction::Forward, Attempt(n))
}

fn sh(text: &str) -> Script {
    Script::new().run(Command::new(["sh", "-c", text]).timeout(60))
}

/// Says that it began, leaves a line, and waits for the word to end.
fn long_job(dir: &Path) -> Script {
    let at = |name: &str| dir.join(name).display().to_string();
    sh(&format!("echo x >>{}; while [ ! -f {} ]; do sleep 0.05; done; echo end", at("count"), at("go")))
}

fn count(dir: &Path) -> usize {
    fs::read_to_string(dir.join("count")).map_or(0, |t| t.lines().count())
}

fn finished(answer: Result<Answer, Failure>) -> workflows::Output {
    match answer {
        Ok(Answer::Finished(output)) => output,
        other => panic!("not finished: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn looks_and_runs() {
    if !sshd::possible() {
        return;
    }
    let sshd = Sshd::new();
    let _listener = sshd.listen("127.0.0.1", "");
    let fleet = fleet(&sshd, &sshd.pair(&["127.0.0.1"]));
    let script = Script::new()
        .look(Command::new(["sh", "-c", "echo out; echo err >&2; exit 127"]))
        .look(Command::new(["sh", "-c", "exit 255"]))
        .look(Command::new(["sh", "-c", "kill -9 $$"]))
        .run(Command::new(["printf", "%s", "it's\n$(id) \\ é"]));
    let seen = fleet.observe(A, &script, LIMIT).await.unwrap();
    let exits: Vec<_> = seen.results.iter().map(|r| r.exit.unwrap()).collect();
    assert_eq!(exits, [127, 255, 137, 0]);
    assert_eq!((seen.at(0).stdout.as_str(), seen.at(0).stderr.as_str()), ("out\n", "err\n"));
    assert_eq!(seen.at(3).stdout, "it's\n$(id) \\ é");
    assert!(seen.sent_ms > 1_600_000_000_000);

    let job = Job { token: &token(&sshd, 1), script: &script, epoch: 1 };
    let ran = finished(fleet.run(A, job, LIMIT).await);
    assert_eq!(ran.results, seen.results);
    assert!(ran.sent_ms > 1_600_000_000_000);
    let again = finished(fleet.run(A, job, LIMIT).await);
    assert_eq!((again.results, again.sent_ms), (ran.results, 0), "of an earlier run nobody knows when it was sent");
    assert_eq!(fleet.ask(A, &token(&sshd, 2), Duration::ZERO).await, Ok(Answer::Absent));
    assert_eq!(fleet.revoke(A, &token(&sshd, 2)).await, Ok(Answer::Revoked));
    assert_eq!(fleet.run(A, Job { token: &token(&sshd, 2), ..job }, LIMIT).await, Ok(Answer::Revoked));
    assert_eq!(fleet.at(A), "mn-a");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_connection_serves_all_and_ends_with_us() {
    if !sshd::possible() {
        return;
    }
    let sshd = Sshd::new();
    let listener = sshd.listen("127.0.0.1", "");
    let fleet = Arc::new(fleet(&sshd, &sshd.pair(&["127.0.0.1"])));
    // More at once than sshd has sessions for (MaxSessions 10).
    let calls: Vec<_> = (0..24)
        .map(|n| {
            let fleet = Arc::clone(&fleet);
            tokio::spawn(async move { fleet.observe(A, &sh(&format!("sleep 0.2; echo {n}")), LIMIT).await })
        })
        .collect();
    for (n, call) in calls.into_iter().enumerate() {
        assert_eq!(call.await.unwrap().unwrap().at(0).stdout, format!("{n}\n"));
    }
    assert_eq!(listener.connections().len(), 1);
    drop(Arc::into_inner(fleet).unwrap());
    until("the master ends", || listener.connections().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_is_refused_was_never_started() {
    if !sshd::possible() {
        return;
    }
    let sshd = Sshd::new();
    let _listener = sshd.listen("127.0.0.1", "MaxSessions 1");
    let fleet = Arc::new(fleet(&sshd, &sshd.pair(&["127.0.0.1"])));
    let count_file = sshd.dir.path().join("count");
    let jobs: Vec<_> = (0..6)
        .map(|n| {
            let (fleet, token) = (Arc::clone(&fleet), token(&sshd, n));
            let script = sh(&format!("sleep 0.3; echo x >>{}", count_file.display()));
            tokio::spawn(async move {
                let job = Job { token: &token, script: &script, epoch: 1 };
                fleet.run(A, job, LIMIT).await
            })
        })
        .collect();
    let mut ran = 0;
    for job in jobs {
        match job.await.unwrap() {
            Ok(Answer::Finished(_)) => ran += 1,
            Err(Failure::NeverStarted { .. }) => {}
            other => panic!("{other:?}"),
        }
    }
    assert!(ran > 0);
    assert_eq!(count(sshd.dir.path()), ran);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_there_is_never_started_and_says_what_was_tried() {
    if !sshd::possible() {
        return;
    }
    let sshd = Sshd::new();
    let fleet = fleet(&sshd, &sshd.pair(&["127.0.0.1", "127.0.0.2"]));
    let failure = fleet.observe(A, &sh(":"), LIMIT).await.unwrap_err();
    let Failure::NeverStarted { place, detail } = &failure else { panic!("{failure:?}") };
    assert_eq!(place, "mn-a");
    assert!(detail.contains("127.0.0.1 port") && detail.contains("127.0.0.2 port"), "{detail}");
    assert!(detail.contains("refused"), "{detail}");
    assert_eq!(detail.matches("127.0.0.1").count(), 1, "each address is named once: {detail}");
}

/// The name service that sshd asks at each login may have died with the management node.
#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_takes_its_time_is_waited_for() {
    if !sshd::possible() {
        return;
    }
    let sshd = Sshd::new();
    let keys = Path::new("/run/sshd").join(format!("hamn-test-{}", sshd.port));
    let authorized = fs::read_to_string(sshd.dir.path().join("authorized")).unwrap();
    fs::write(&keys, format!("#!/bin/sh\nsleep 4\necho '{authorized}'\n")).unwrap();
    fs::set_permissions(&keys, fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(sshd.dir.path().join("authorized"), "").unwrap();
    let slow = format!("AuthorizedKeysCommand {}\nAuthorizedKeysCommandUser root", keys.display());
    let _listener = sshd.listen("127.0.0.1", &slow);
    let here = Here { connect_timeout_s: 1, ..here(&sshd, None) };
    let seen = Fleet::new(&sshd.pair(&["127.0.0.1"]), &here).unwrap().observe(A, &sh(":"), LIMIT).await;
    let _ = fs::remove_file(&keys);
    assert!(seen.as_ref().is_ok_and(workflows::Output::all_ok), "{seen:?}");
}

/// A machine that is dead costs its time limit once, however many ask for it at once.
#[tokio::test(flavor = "multi_thread")]
async fn who_waits_for_a_try_hears_that_it_failed() {
    if !sshd::possible() {
        return;
    }
    let sshd = Sshd::new();
    // Takes one caller at a time, says nothing, and counts.
    let silent = TcpListener::bind(("127.0.0.1", sshd.port)).unwrap();
    let callers = Arc::new(std::sync::Mutex::new(Vec::new()));
    let kept = Arc::clone(&callers);
    std::thread::spawn(move || silent.incoming().flatten().for_each(|caller| kept.lock().unwrap().push(caller)));
    let here = Here { connect_timeout_s: 1, ..here(&sshd, None) };
    let fleet = Fleet::new(&sshd.pair(&["127.0.0.1"]), &here).unwrap();
    let script = sh(":");
    let both = futures_util::future::join(fleet.observe(A, &script, LIMIT), fleet.observe(A, &script, LIMIT)).await;
    for seen in [both.0, both.1] {
        assert!(matches!(&seen, Err(Failure::NeverStarted { detail, .. }) if detail.contains("banner")), "{seen:?}");
    }
    assert_eq!(callers.lock().unwrap().len(), 1);
    // Asked again later, it is tried again.
    let _ = fleet.observe(A, &script, LIMIT).await;
    assert_eq!(callers.lock().unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn t71_another_host_key_is_refused_without_a_question() {
    if !sshd::possible() {
        return;
    }
    let sshd = Sshd::new();
    let _listener = sshd.listen("127.0.0.1", "");
    let mut pair = sshd.pair(&["127.0.0.1"]);
    pair.nodes[0].host_keys = vec![sshd::key(&sshd.dir.path().join("other"))];
    let touched = sshd.dir.path().join("touched");
    let script = sh(&format!("touch {}", touched.display()));
    let failure = fleet(&sshd, &pair).observe(A, &script, LIMIT).await.unwrap_err();
    assert!(
        matches!(&failure, Failure::NeverStarted { detail, .. } if detail.contains("erification failed")),
        "{failure:?}"
    );
    // A key that is right is not enough where ssh would have to ask for a password.
    fs::write(sshd.dir.path().join("authorized"), "").unwrap();
    let failure = fleet(&sshd, &sshd.pair(&["127.0.0.1"])).observe(A, &script, LIMIT).await.unwrap_err();
    assert!(
        matches!(&failure, Failure::NeverStarted { detail, .. } if detail.contains("ermission denied")),
        "{failure:?}"
    );
    assert!(!touched.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn values_that_could_hurt_are_refused_or_harmless() {
    if !sshd::possible() {
        return;
    }
    let sshd = Sshd::new();
    let _listener = sshd.listen("127.0.0.1", "");
    let touched = sshd.dir.path().join("touched");
    let mut pair = sshd.pair(&["127.0.0.1"]);
    pair.nodes[0].name = format!("-oProxyCommand=touch {} $(id)\n'\"", touched.display());
    let fine = fleet(&sshd, &pair);
    assert!(fine.observe(A, &sh(":"), LIMIT).await.unwrap().all_ok(), "a name is only a name");
    let proxy = format!("127.0.0.1\nProxyCommand touch {}", touched.display());
    for (address, user, key) in [
        (proxy.as_str(), "root", None),
        ("-oProxyCommand=x", "root", None),
        ("127.0.0.1", "root\nProxyCommand x", None),
        ("127.0.0.1", "-x", None),
        ("127.0.0.1", "root", Some("@revoked")),
        ("127.0.0.1", "root", Some("")),
    ] {
        let mut pair = sshd.pair(&[address]);
        user.clone_into(&mut pair.nodes[0].ssh_user);
        if let Some(key) = key {
            pair.nodes[0].host_keys = vec![key.to_owned()];
        }
        let failure = fleet(&sshd, &pair).observe(A, &sh(":"), LIMIT).await.unwrap_err();
        assert!(matches!(failure, Failure::NeverStarted { .. }), "{failure:?}");
    }
    assert!(!touched.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn t12_t73_the_connection_is_cut_and_the_job_goes_on() {
    if !sshd::possible() {
        return;
    }
    let sshd = Sshd::new();
    let dir = sshd.dir.path();
    let listener = sshd.listen("127.0.0.1", "");
    let fleet = Arc::new(fleet(&sshd, &sshd.pair(&["127.0.0.1"])));
    let running = {
        let (fleet, token, script) = (Arc::clone(&fleet), token(&sshd, 1), long_job(dir));
        tokio::spawn(async move { fleet.run(A, Job { token: &token, script: &script, epoch: 1 }, LIMIT).await })
    };
    until("the job begins", || count(dir) == 1);
    for pid in listener.connections() {
        for child in children(pid) {
            kill("KILL", child);
        }
        kill("KILL", pid);
    }
    let cut = running.await.unwrap();
    assert!(matches!(cut, Err(Failure::Unknown { .. })), "{cut:?}");
    assert_eq!(fleet.ask(A, &token(&sshd, 1), Duration::ZERO).await, Ok(Answer::Running), "a new connection is made");
    let asked = {
        let (fleet, token) = (Arc::clone(&fleet), token(&sshd, 1));
        tokio::spawn(async move { fleet.run(A, Job { token: &token, script: &sh("false"), epoch: 1 }, LIMIT).await })
    };
    fs::write(dir.join("go"), "").unwrap();
    assert_eq!(finished(asked.await.unwrap()).at(0).stdout, "end\n", "the answer of the one that ran");
    assert_eq!(count(dir), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn t73_the_master_is_killed_and_the_job_goes_on() {
    if !sshd::possible() {
        return;
    }
    let sshd = Sshd::new();
    let dir = sshd.dir.path();
    let _listener = sshd.listen("127.0.0.1", "");
    let fleet = Arc::new(fleet(&sshd, &sshd.pair(&["127.0.0.1"])));
    let running = {
        let (fleet, token, script) = (Arc::clone(&fleet), token(&sshd, 1), long_job(dir));
        tokio::spawn(async move { fleet.run(A, Job { token: &token, script: &script, epoch: 1 }, LIMIT).await })
    };
    until("the job begins", || count(dir) == 1);
    // Its command line ends up naming the control socket; other tests of this program have masters too, so by the sshd's peer.
    let masters = masters_of(sshd.port);
    assert_eq!(masters.len(), 1);
    kill("KILL", masters[0]);
    let cut = running.await.unwrap();
    assert!(matches!(cut, Err(Failure::Unknown { .. })), "{cut:?}");
    fs::write(dir.join("go"), "").unwrap();
    assert_eq!(finished(fleet.ask(A, &token(&sshd, 1), LIMIT).await).at(0).stdout, "end\n");
    assert_eq!(count(dir), 1);
}

/// The ssh processes that are connected to a port.
fn masters_of(port: u16) -> Vec<u32> {
    let tcp = fs::read_to_string("/proc/net/tcp").unwrap();
    let inodes: Vec<String> = tcp
        .lines()
        .filter(|l| l.split_whitespace().nth(2).is_some_and(|a| a.ends_with(&format!(":{port:04X}"))))
        .filter_map(|l| l.split_whitespace().nth(9).map(|inode| format!("socket:[{inode}]")))
        .collect();
    let holds = |pid: &u32| {
        fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten().any(|fd| {
            fs::read_link(fd.path()).is_ok_and(|to| inodes.iter().any(|inode| to.to_string_lossy() == *inode))
        })
    };
    processes("ssh").into_iter().filter(holds).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn t12_the_next_address_is_taken_when_one_dies() {
    if !sshd::possible() {
        return;
    }
    let sshd = Sshd::new();
    let mut listeners = [sshd.listen("127.0.0.1", ""), sshd.listen("127.0.0.2", "")];
    // 127.0.0.3 never answers: the order is tried to its end.
    let fleet = fleet(&sshd, &sshd.pair(&["127.0.0.3", "127.0.0.1", "127.0.0.2"]));
    assert!(fleet.observe(A, &sh(":"), LIMIT).await.unwrap().all_ok());
    // The later one was tried beside the earlier one where that took its time, and given up.
    until("one connection is left", || listeners.iter().map(|l| l.connections().len()).sum::<usize>() == 1);
    let taken = usize::from(listeners[0].connections().is_empty());
    listeners[taken].stop();
    assert!(fleet.observe(A, &sh(":"), LIMIT).await.unwrap().all_ok(), "nothing was sent over the dead one");
    assert_eq!(listeners[1 - taken].connections().len(), 1);
}

/// Tried one after the other, the first would wait for ever for the second.
#[tokio::test(flavor = "multi_thread")]
async fn addresses_are_tried_side_by_side() {
    if !sshd::possible() {
        return;
    }
    let sshd = Sshd::new();
    let _real = sshd.listen("127.0.0.1", "");
    // Lets nobody through to the real one before somebody has come to its neighbour, which never says a word.
    let (gate, silent) = ["127.0.0.2", "127.0.0.3"].map(|a| TcpListener::bind((a, sshd.port)).unwrap()).into();
    let port = sshd.port;
    std::thread::spawn(move || {
        let (mut client, _) = gate.accept().unwrap();
        let _neighbour = silent.accept().unwrap();
        let mut server = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let (mut from, mut to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
        std::thread::spawn(move || std::io::copy(&mut from, &mut to));
        let _ = std::io::copy(&mut server, &mut client);
    });
    let fleet = fleet(&sshd, &sshd.pair(&["127.0.0.2", "127.0.0.3"]));
    assert!(fleet.observe(A, &sh(":"), LIMIT).await.unwrap().all_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_falls_silent_is_given_up() {
    if !sshd::possible() {
        return;
    }
    let sshd = Sshd::new();
    let mut first = sshd.listen("127.0.0.1", "");
    let _second = sshd.listen("127.0.0.2", "");
    let fleet = fleet(&sshd, &sshd.pair(&["127.0.0.1", "127.0.0.2"]));
    assert!(fleet.observe(A, &sh(":"), LIMIT).await.unwrap().all_ok());
    let silent = first.connections();
    assert_eq!(silent.len(), 1);
    kill("STOP", silent[0]);
    let began = Instant::now();
    let seen = fleet.observe(A, &sh(":"), LIMIT).await;
    kill("CONT", silent[0]);
    assert!(seen.as_ref().is_ok_and(workflows::Output::all_ok), "{seen:?}");
    assert!(began.elapsed() < LIMIT, "by itself, not at the time limit");
    first.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_time_is_over_a_job_is_running() {
    if !sshd::possible() {
        return;
    }
    let sshd = Sshd::new();
    let dir = sshd.dir.path();
    let _listener = sshd.listen("127.0.0.1", "");
    let fleet = fleet(&sshd, &sshd.pair(&["127.0.0.1"]));
    let (token, script) = (token(&sshd, 1), long_job(dir));
    let job = Job { token: &token, script: &script, epoch: 1 };
    let limit = Duration::from_secs(4);
    assert_eq!(fleet.run(A, job, limit).await, Ok(Answer::Running));
    assert_eq!(fleet.run(A, job, limit).await, Ok(Answer::Running));
    let late = fleet.observe(A, &sh("sleep 30"), Duration::from_secs(2)).await;
    assert!(matches!(late, Err(Failure::Unknown { .. })), "{late:?}");
    fs::write(dir.join("go"), "").unwrap();
    assert_eq!(finished(fleet.ask(A, &token, LIMIT).await).at(0).stdout, "end\n");
    assert_eq!(count(dir), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn t73_launched_twice_at_once_over_two_connections() {
    if !sshd::possible() {
        return;
    }
    let sshd = Sshd::new();
    let dir = sshd.dir.path();
    let _listener = sshd.listen("127.0.0.1", "");
    let pair = sshd.pair(&["127.0.0.1"]);
    let (one, two) = (fleet(&sshd, &pair), fleet(&sshd, &pair));
    fs::write(dir.join("go"), "").unwrap();
    for n in 0..5 {
        let (token, script) = (token(&sshd, n), long_job(dir));
        let job = Job { token: &token, script: &script, epoch: 1 };
        let (a, b) = tokio::join!(one.run(A, job, LIMIT), two.run(A, job, LIMIT));
        assert_eq!(finished(a).results, finished(b).results);
        assert_eq!(count(dir), n as usize + 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn t24_a_node_of_a_higher_epoch_refuses() {
    if !sshd::possible() {
        return;
    }
    let sshd = Sshd::new();
    let _listener = sshd.listen("127.0.0.1", "");
    let fleet = fleet(&sshd, &sshd.pair(&["127.0.0.1"]));
    fs::create_dir(sshd.node_dir()).unwrap();
    fs::write(sshd.node_dir().join("epoch"), "3\n").unwrap();
    let script = long_job(sshd.dir.path());
    let job = Job { token: &token(&sshd, 1), script: &script, epoch: 2 };
    assert_eq!(fleet.run(A, job, LIMIT).await, Ok(Answer::StaleEpoch { node_epoch: 3 }));
    assert_eq!(fleet.ask(A, &token(&sshd, 1), Duration::ZERO).await, Ok(Answer::Absent));
    assert_eq!(count(sshd.dir.path()), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn t11_another_machine_at_the_address_is_not_touched() {
    if !sshd::possible() {
        return;
    }
    let sshd = Sshd::new();
    let _listener = sshd.listen("127.0.0.1", "");
    let mut pair = sshd.pair(&["127.0.0.1"]);
    pair.nodes[0].machine_id = "00000000000000000000000000000000".into();
    let script = long_job(sshd.dir.path());
    let job = Job { token: &token(&sshd, 1), script: &script, epoch: 1 };
    for fleet in [fleet(&sshd, &pair), Fleet::new(&pair, &here(&sshd, Some(NodeId::A))).unwrap()] {
        for failure in [
            fleet.observe(A, &script, LIMIT).await.unwrap_err(),
            fleet.run(A, job, LIMIT).await.unwrap_err(),
            fleet.ask(A, &token(&sshd, 1), Duration::ZERO).await.unwrap_err(),
            fleet.revoke(A, &token(&sshd, 1)).await.unwrap_err(),
            fleet.peek(A, &token(&sshd, 1)).await.unwrap_err(),
        ] {
            let Failure::WrongMachine { place, detail } = &failure else { panic!("{failure:?}") };
            assert_eq!(place, "mn-a");
            assert!(detail.contains("00000000000000000000000000000000"), "{detail}");
        }
    }
    assert_eq!(count(sshd.dir.path()), 0);
    assert!(!sshd.node_dir().exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn t72_children_left_behind_are_not_waited_for() {
    if !sshd::possible() {
        return;
    }
    let sshd = Sshd::new();
    let _listener = sshd.listen("127.0.0.1", "");
    let fleet = fleet(&sshd, &sshd.pair(&["127.0.0.1"]));
    let script = sh("sleep 300 & echo $!");
    let job = Job { token: &token(&sshd, 1), script: &script, epoch: 1 };
    for output in [fleet.observe(A, &script, LIMIT).await.unwrap(), finished(fleet.run(A, job, LIMIT).await)] {
        assert!(output.all_ok());
        kill("KILL", output.at(0).stdout.trim().parse().unwrap());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shell_that_dies_leaves_the_outcome_unknown() {
    if !sshd::possible() {
        return;
    }
    let sshd = Sshd::new();
    let _listener = sshd.listen("127.0.0.1", "");
    let fleet = fleet(&sshd, &sshd.pair(&["127.0.0.1"]));
    // The shell that reads the script is the first process below sshd.
    let text = "p=$$; while up=$(awk '/^PPid/ { print $2 }' /proc/$p/status); case $(cat /proc/$up/comm) in sshd*) false ;; esac; \
                do p=$up; done; kill -9 $p; sleep 1";
    let seen = fleet.observe(A, &sh(text), LIMIT).await;
    assert!(matches!(&seen, Err(Failure::Unknown { detail, .. }) if detail.contains("broke off")), "{seen:?}");
    assert!(fleet.observe(A, &sh(":"), LIMIT).await.unwrap().all_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn long_output_is_cut_and_what_is_behind_is_unknown() {
    if !sshd::possible() {
        return;
    }
    let sshd = Sshd::new();
    let _listener = sshd.listen("127.0.0.1", "");
    let fleet = fleet(&sshd, &sshd.pair(&["127.0.0.1"]));
    let script = sh("echo first").run(Command::new(["sh", "-c", "yes | head -c 9000000"])).run(Command::new(["true"]));
    let seen = fleet.observe(A, &script, LIMIT).await.unwrap();
    assert_eq!(seen.results.iter().map(|r| r.exit).collect::<Vec<_>>(), [Some(0), None, None]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_noisy_login_shell_does_no_harm() {
    if !sshd::possible() {
        return;
    }
    let sshd = Sshd::new();
    // sshd runs it in place of the command, as a login shell would with a talkative start file.
    let noisy = sshd.dir.path().join("noisy");
    fs::write(
        &noisy,
        "#!/bin/sh\nprintf 'Last login: \\377\\000 @@hamn'; printf 'tset?' >&2\neval \"$SSH_ORIGINAL_COMMAND\"\n",
    )
    .unwrap();
    fs::set_permissions(&noisy, fs::Permissions::from_mode(0o755)).unwrap();
    let _listener = sshd.listen("127.0.0.1", &format!("ForceCommand {}", noisy.display()));
    let fleet = fleet(&sshd, &sshd.pair(&["127.0.0.1"]));
    let script = sh("echo out; echo err >&2");
    let seen = fleet.observe(A, &script, LIMIT).await.unwrap();
    let ran = finished(fleet.run(A, Job { token: &token(&sshd, 1), script: &script, epoch: 1 }, LIMIT).await);
    for output in [seen, ran] {
        assert_eq!((output.at(0).stdout.as_str(), output.at(0).stderr.as_str()), ("out\n", "err\n"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_process_left_is_cleared_away() {
    if !sshd::possible() {
        return;
    }
    let sshd = Sshd::new();
    let listener = sshd.listen("127.0.0.1", "");
    // A number that no process has.
    let dead = (3_000_000..4_000_000).find(|pid| !Path::new(&format!("/proc/{pid}")).exists()).unwrap();
    let left = Path::new("/run/hamn").join(format!("ssh.{dead}.{}", sshd.port));
    drop(fleet(&sshd, &sshd.pair(&["127.0.0.1"])));
    fs::create_dir(&left).unwrap();
    let socket = left.join("0.s");
    let opened = std::process::Command::new("ssh")
        .args(["-F", "/dev/null", "-M", "-f", "-N", "-o", "ControlPersist=60s", "-o", "StrictHostKeyChecking=no"])
        .args(["-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", "-p", &sshd.port.to_string(), "-i"])
        .arg(&sshd.identity)
        .arg("-S")
        .arg(&socket)
        .arg("root@127.0.0.1")
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .status()
        .unwrap();
    assert!(opened.success() && socket.exists());
    let _fleet = fleet(&sshd, &sshd.pair(&["127.0.0.1"]));
    assert!(!left.exists());
    until("its master ends", || listener.connections().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn this_machine_is_reached_without_ssh() {
    let sshd = Sshd::without_keys();
    let pair = sshd.pair(&["127.0.0.1"]);
    let fleet = Fleet::new(&pair, &here(&sshd, Some(NodeId::A))).unwrap();
    assert_eq!((fleet.at(A), fleet.at(B), fleet.at(Place::Controller)), ("mn-a".into(), "mn-b".into(), "mn-a".into()));
    let dir = sshd.dir.path();
    fs::write(dir.join("go"), "").unwrap();
    for (n, place) in [A, Place::Controller].into_iter().enumerate() {
        let (token, script) = (token(&sshd, n as u32), long_job(dir));
        assert_eq!(
            fleet.observe(place, &sh("echo $$; pwd"), LIMIT).await.unwrap().at(0).stdout.lines().last(),
            Some("/")
        );
        let job = Job { token: &token, script: &script, epoch: 1 };
        assert_eq!(finished(fleet.run(place, job, LIMIT).await).at(0).stdout, "end\n");
        assert_eq!(finished(fleet.run(place, job, LIMIT).await).at(0).stdout, "end\n");
        assert_eq!(fleet.peek(place, &token).await.unwrap(), "end");
        assert_eq!(count(dir), n + 1);
    }
    assert!(sshd.node_dir().join("jobs").is_dir() && dir.join("state/jobs").is_dir());
    assert_eq!(fleet.copies().iter().map(|c| c.name().to_owned()).collect::<Vec<_>>(), ["mn-b", "sn1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn records_are_copied_as_they_are() {
    if !sshd::possible() {
        return;
    }
    let sshd = Sshd::new();
    let listener = sshd.listen("127.0.0.1", "");
    let mut pair = sshd.pair(&["127.0.0.1"]);
    pair.witnesses[0].addresses = vec!["127.0.0.1".into()];
    pair.witnesses[0].host_keys = vec![sshd.host_key.clone()];
    let fleet = Fleet::new(&pair, &here(&sshd, Some(NodeId::B))).unwrap();
    let copies = fleet.copies();
    assert_eq!(copies.iter().map(hamn::remote::Copies::name).collect::<Vec<_>>(), ["mn-a", "sn1"]);
    let bytes: Vec<u8> = (0..=255).cycle().take(5_000).collect();
    copies[0].append(RunId(7), &bytes).await.unwrap();
    copies[1].append(RunId(7), &bytes).await.unwrap();
    let file = sshd.node_dir().join("copies/mn-b").join(format!("{}.frames", RunId(7)));
    assert!(fs::read(&file).unwrap() == [bytes.as_slice(), &bytes].concat());
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(listener.connections().len(), 2);
    drop(fleet);
    drop(copies);
    until("the masters end", || listener.connections().is_empty());
    let copies = Fleet::new(&pair, &here(&sshd, Some(NodeId::B))).unwrap().copies();
    drop(listener);
    let said = copies[0].append(RunId(7), &bytes).await.unwrap_err();
    assert!(matches!(&said, Failure::NeverStarted { place, .. } if place == "mn-a"), "{said:?}");
}
