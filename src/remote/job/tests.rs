//! The protocol in each shell, without ssh.
#![allow(clippy::print_stderr, reason = "says which shells are missing")]

use std::{
    fs,
    io::Write as _,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::Path,
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::{Duration, Instant},
};

use journal_schema::{Attempt, Direction, RunId};
use workflows::Command as Program;

use super::*;

fn each(test: impl Fn(&'static str, &Path)) {
    for shell in ["/bin/dash", "/bin/bash", "/bin/mksh", "/bin/ksh93"] {
        if Path::new(shell).exists() {
            let dir = tempfile::tempdir().unwrap();
            test(shell, dir.path());
        } else {
            eprintln!("SKIPPED: {shell} is not installed");
        }
    }
}

/// Of one directory: tests run at once, and a job is found by its token among all processes.
fn token(dir: &Path, attempt: u32) -> Token {
    let run = (u64::from(std::process::id()) << 32) + fs::metadata(dir).unwrap().ino() % (1 << 32);
    Token::new(RunId(run), "promote.database", Direction::Forward, Attempt(attempt))
}

fn desk(shell: &str, dir: &Path) -> Desk {
    Desk::new(dir.join("it's a dir").to_str().unwrap(), None).unwrap().shell(shell)
}

fn nonce() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("n{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// A session as sshd gives it: three pipes, and a shell that reads the text.
fn session(shell: &str, text: &str) -> Child {
    let mut child = Command::new(shell)
        .arg("-s")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    child
}

fn call(shell: &str, token: &Token, text: impl FnOnce(&str) -> String) -> Reply {
    let nonce = nonce();
    let output = session(shell, &text(&nonce)).wait_with_output().unwrap();
    reply(Some(token), &nonce, &output.stdout).unwrap_or_else(|| panic!("{shell}: no answer: {output:?}"))
}

fn launch(shell: &str, desk: &Desk, token: &Token, script: &Script, epoch: u64) -> Reply {
    call(shell, token, |nonce| desk.launch(Job { token, script, epoch }, nonce, 30))
}

fn ask(shell: &str, desk: &Desk, token: &Token, seconds: u64) -> Reply {
    call(shell, token, |nonce| desk.ask(token, nonce, seconds))
}

fn revoke(shell: &str, desk: &Desk, token: &Token) -> Reply {
    call(shell, token, |nonce| desk.revoke(token, nonce))
}

fn text(text: &str) -> Script {
    Script::new().run(Program::new(["sh", "-c", text]).timeout(60))
}

/// A script that leaves a line in a file each time it runs, and prints.
fn counted(dir: &Path, rest: &str) -> Script {
    text(&format!("echo x >>'{}'; {rest}", dir.join("count").display()))
}

fn count(dir: &Path) -> usize {
    fs::read_to_string(dir.join("count")).map_or(0, |t| t.lines().count())
}

fn finished(reply: &Reply) -> (&Output, bool) {
    match reply {
        Reply::Job(Answer::Finished(output), fresh) => (output, *fresh),
        other => panic!("not finished: {other:?}"),
    }
}

fn job_dir(dir: &Path, token: &Token) -> std::path::PathBuf {
    dir.join("it's a dir/jobs").join(token.as_str())
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(30);
    while !holds() {
        assert!(Instant::now() < end, "never: {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

fn pid(dir: &Path, token: &Token) -> String {
    let path = job_dir(dir, token).join("pid");
    until("a pid", || path.exists());
    fs::read_to_string(path).unwrap().split(' ').next().unwrap().to_owned()
}

fn kill(pid: &str) {
    assert!(Command::new("kill").args(["-9", pid]).status().unwrap().success());
}

#[test]
fn t73_a_job_runs_once_and_tells_what_it_gave() {
    each(|shell, dir| {
        let (desk, token) = (desk(shell, dir), token(dir, 1));
        let script = counted(dir, "echo out; echo err >&2; printf 'a\\0\\377'").look(Program::new(["false"]));
        assert_eq!(ask(shell, &desk, &token, 0), Reply::Job(Answer::Absent, false), "{shell}");
        let first = launch(shell, &desk, &token, &script, 1);
        let (output, fresh) = finished(&first);
        assert!(fresh, "{shell}");
        assert_eq!(
            (output.at(0).stdout.as_str(), output.at(0).stderr.as_str()),
            ("out\na\0\u{fffd}", "err\n"),
            "{shell}"
        );
        assert_eq!((output.at(0).exit, output.at(1).exit), (Some(0), Some(1)), "{shell}");
        for again in
            [launch(shell, &desk, &token, &script, 1), ask(shell, &desk, &token, 9), revoke(shell, &desk, &token)]
        {
            assert_eq!(finished(&again), (output, false), "{shell}");
        }
        assert_eq!(count(dir), 1, "{shell}");
    });
}

#[test]
fn t39_nobody_else_can_read_a_job() {
    each(|shell, dir| {
        let (desk, token) = (desk(shell, dir), token(dir, 1));
        finished(&launch(shell, &desk, &token, &text("umask"), 1));
        let job = job_dir(dir, &token);
        for file in ["script", "out", "err", "pid", "rc"] {
            assert_eq!(fs::metadata(job.join(file)).unwrap().permissions().mode() & 0o777, 0o600, "{shell}: {file}");
        }
        for at in [&job, &job.join("run"), job.parent().unwrap()] {
            assert_eq!(fs::metadata(at).unwrap().permissions().mode() & 0o777, 0o700, "{shell}");
        }
        let asked = ask(shell, &desk, &token, 0);
        assert_eq!(finished(&asked).0.at(0).stdout, "0022\n", "{shell}: what the script makes is as usual");
        let left: Vec<_> =
            fs::read_dir(&job).unwrap().flatten().map(|e| e.file_name().into_string().unwrap()).collect();
        assert!(
            left.iter().all(|f| ["script", "out", "err", "pid", "rc", "run"].contains(&f.as_str())),
            "{shell}: {left:?}"
        );
    });
}

#[test]
fn t73_eight_launches_at_once_have_one_effect() {
    each(|shell, dir| {
        let (desk, token, script) = (desk(shell, dir), token(dir, 1), counted(dir, "sleep 0.3; echo done"));
        let replies: Vec<Reply> = thread::scope(|scope| {
            let all: Vec<_> = (0..8).map(|_| scope.spawn(|| launch(shell, &desk, &token, &script, 1))).collect();
            all.into_iter().map(|t| t.join().unwrap()).collect()
        });
        assert_eq!(count(dir), 1, "{shell}");
        assert_eq!(replies.iter().filter(|r| finished(r).1).count(), 1, "{shell}: one launch ran it");
        assert!(replies.iter().all(|r| finished(r).0.at(0).stdout == "done\n"), "{shell}: all have the answer");
    });
}

#[test]
fn a_launch_that_arrives_cut_starts_nothing() {
    each(|shell, dir| {
        let (desk, token, script) = (desk(shell, dir), token(dir, 1), counted(dir, ""));
        let whole = desk.launch(Job { token: &token, script: &script, epoch: 1 }, "n", 1);
        let last = whole.rfind("hamn_call\n").unwrap();
        for end in [whole.len() / 4, whole.len() / 2, last - 30, last, last + 5] {
            session(shell, &whole[..end]).wait_with_output().unwrap();
            assert!(!job_dir(dir, &token).exists(), "{shell}: cut at {end}");
        }
    });
}

#[test]
fn t72_the_job_outlives_its_session_and_a_hang_up() {
    each(|shell, dir| {
        let (desk, token) = (desk(shell, dir), token(dir, 1));
        let go = dir.join("go");
        let wait = format!("while [ ! -f '{}' ]; do sleep 0.05; done; echo end", go.display());
        let script = counted(dir, &wait);
        let mut session = session(shell, &desk.launch(Job { token: &token, script: &script, epoch: 1 }, "n", 1));
        let pid = pid(dir, &token);
        session.kill().unwrap();
        // Nothing of the job holds the session's output: this returns.
        session.wait_with_output().unwrap();
        assert!(Command::new("kill").args(["-HUP", &pid]).status().unwrap().success());
        assert_eq!(ask(shell, &desk, &token, 0), Reply::Job(Answer::Running, false), "{shell}");
        assert_eq!(ask(shell, &desk, &token, 1), Reply::Job(Answer::Running, false), "{shell}: up to a second");
        assert_eq!(revoke(shell, &desk, &token), Reply::Job(Answer::Running, false), "{shell}: too late");
        fs::write(&go, "").unwrap();
        let reply = ask(shell, &desk, &token, 30);
        assert_eq!(finished(&reply).0.at(0).stdout, "end\n", "{shell}");
        assert_eq!(count(dir), 1, "{shell}");
    });
}

#[test]
fn t72_a_child_that_the_job_leaves_behind_is_not_waited_for() {
    each(|shell, dir| {
        let (desk, token) = (desk(shell, dir), token(dir, 1));
        let began = Instant::now();
        let reply = launch(shell, &desk, &token, &text("sleep 47 & echo started $!"), 1);
        let output = finished(&reply).0.at(0).stdout.clone();
        assert!(began.elapsed() < Duration::from_secs(40), "{shell}");
        kill(output.trim_end().rsplit(' ').next().unwrap());
    });
}

#[test]
fn a_revoked_job_never_starts() {
    each(|shell, dir| {
        let (desk, token, script) = (desk(shell, dir), token(dir, 1), counted(dir, ""));
        assert_eq!(revoke(shell, &desk, &token), Reply::Job(Answer::Revoked, false), "{shell}");
        assert_eq!(launch(shell, &desk, &token, &script, 1), Reply::Job(Answer::Revoked, false), "{shell}");
        assert_eq!(ask(shell, &desk, &token, 5), Reply::Job(Answer::Revoked, false), "{shell}");
        assert_eq!(revoke(shell, &desk, &token), Reply::Job(Answer::Revoked, false), "{shell}");
        assert_eq!(count(dir), 0, "{shell}");
    });
}

#[test]
fn of_a_launch_and_a_revocation_at_once_one_wins() {
    each(|shell, dir| {
        for n in 0..6 {
            let (desk, token, script) = (desk(shell, dir), token(dir, n), counted(dir, "echo ran"));
            let before = count(dir);
            let (launched, revoked) = thread::scope(|scope| {
                let launched = scope.spawn(|| launch(shell, &desk, &token, &script, 1));
                let revoked = scope.spawn(|| revoke(shell, &desk, &token));
                (launched.join().unwrap(), revoked.join().unwrap())
            });
            let ran = count(dir) - before;
            match launched {
                Reply::Job(Answer::Revoked, _) => {
                    assert_eq!((ran, revoked), (0, Reply::Job(Answer::Revoked, false)), "{shell}");
                }
                other => {
                    finished(&other);
                    assert_eq!(ran, 1, "{shell}");
                    assert_ne!(revoked, Reply::Job(Answer::Revoked, false), "{shell}");
                }
            }
        }
    });
}

#[test]
fn a_killed_job_is_lost() {
    each(|shell, dir| {
        let (desk, token) = (desk(shell, dir), token(dir, 1));
        let script = counted(dir, "exec sleep 30");
        let text = desk.launch(Job { token: &token, script: &script, epoch: 1 }, "n", 30);
        let session = session(shell, &text);
        let pid = pid(dir, &token);
        until("the effect", || count(dir) == 1);
        kill(&pid);
        // Its first shell is gone; the one that runs the script lives, and so does the job.
        assert_eq!(ask(shell, &desk, &token, 0), Reply::Job(Answer::Running, false), "{shell}");
        for pid in processes(&format!("/jobs/{token}/script")) {
            kill(&pid);
        }
        let lost = Reply::Job(Answer::Lost { why: "killed".into() }, false);
        let output = session.wait_with_output().unwrap();
        assert_eq!(reply(Some(&token), "n", &output.stdout), Some(lost.clone()), "{shell}: {output:?}");
        assert_eq!(ask(shell, &desk, &token, 5), lost, "{shell}");
        assert_eq!(revoke(shell, &desk, &token), lost, "{shell}");
        assert_eq!(launch(shell, &desk, &token, &script, 1), lost, "{shell}: never a second time");
        assert_eq!(count(dir), 1, "{shell}");
    });
}

fn processes(pattern: &str) -> Vec<String> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let names = entries.map(|e| e.file_name().to_string_lossy().into_owned()).filter(|n| n.parse::<u32>().is_ok());
    names
        .filter(|n| fs::read(format!("/proc/{n}/cmdline")).is_ok_and(|c| find(&c, pattern.as_bytes()).is_some()))
        .collect()
}

#[test]
fn after_a_reboot_the_job_is_lost_whatever_has_its_pid_now() {
    each(|shell, dir| {
        let (desk, token) = (desk(shell, dir), token(dir, 1));
        let job = job_dir(dir, &token);
        fs::create_dir_all(job.join("run")).unwrap();
        fs::write(job.join("pid"), format!("{} another-boot\n", std::process::id())).unwrap();
        assert_eq!(ask(shell, &desk, &token, 5), Reply::Job(Answer::Lost { why: "rebooted".into() }, false), "{shell}");
        // The same boot, and a process that is not the job.
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
        fs::write(job.join("pid"), format!("{} {boot}", std::process::id())).unwrap();
        assert_eq!(ask(shell, &desk, &token, 5), Reply::Job(Answer::Lost { why: "killed".into() }, false), "{shell}");
        // Claimed, and dead before it could write its pid.
        fs::remove_file(job.join("pid")).unwrap();
        assert_eq!(ask(shell, &desk, &token, 5), Reply::Job(Answer::Lost { why: "killed".into() }, false), "{shell}");
    });
}

#[test]
fn t24_a_job_of_a_lower_epoch_is_refused_before_anything_ran() {
    each(|shell, dir| {
        let (desk, script) = (desk(shell, dir), counted(dir, ""));
        finished(&launch(shell, &desk, &token(dir, 1), &script, 0));
        let epoch = |text: &str| fs::write(dir.join("it's a dir/epoch"), text).unwrap();
        epoch("7\n");
        let refused = launch(shell, &desk, &token(dir, 2), &script, 6);
        assert_eq!(refused, Reply::Job(Answer::StaleEpoch { node_epoch: 7 }, false), "{shell}");
        assert_eq!(ask(shell, &desk, &token(dir, 2), 0), Reply::Job(Answer::Absent, false), "{shell}");
        assert_eq!(count(dir), 1, "{shell}");
        finished(&launch(shell, &desk, &token(dir, 1), &script, 0));
        finished(&launch(shell, &desk, &token(dir, 3), &script, 7));
        finished(&launch(shell, &desk, &token(dir, 4), &script, 8));
        assert_eq!(count(dir), 3, "{shell}: what ran before keeps its answer");
        for bad in ["", "\n", "x\n", "-1\n", "7 8\n"] {
            epoch(bad);
            let refused = launch(shell, &desk, &token(dir, 5), &script, 9);
            assert!(matches!(refused, Reply::Trouble(_)), "{shell}: {bad:?}: {refused:?}");
        }
        assert_eq!(count(dir), 3, "{shell}");
    });
}

#[test]
fn t11_another_machine_is_not_touched() {
    each(|shell, dir| {
        let desk = Desk::new(dir.join("d").to_str().unwrap(), Some("it's another")).unwrap().shell(shell);
        let (token, script) = (token(dir, 1), counted(dir, ""));
        let mine = fs::read_to_string("/etc/machine-id").map_or("none".into(), |id| id.trim().to_owned());
        let mine = if mine.is_empty() { "none".to_owned() } else { mine };
        for reply in [
            launch(shell, &desk, &token, &script, 1),
            ask(shell, &desk, &token, 0),
            revoke(shell, &desk, &token),
            call(shell, &token, |nonce| desk.observe(&script, nonce)),
            call(shell, &token, |nonce| desk.peek(&token, nonce)),
            call(shell, &token, |nonce| desk.append(dir.join("f").to_str().unwrap(), b"x", nonce).unwrap()),
        ] {
            assert_eq!(reply, Reply::Wrong(mine.clone()), "{shell}");
        }
        assert_eq!(fs::read_dir(dir).unwrap().count(), 0, "{shell}: nothing was made");
    });
}

#[test]
fn long_output_is_cut_and_what_is_behind_is_unknown() {
    each(|shell, dir| {
        let (desk, token) = (desk(shell, dir), token(dir, 1));
        let script =
            text("echo first").run(Program::new(["sh", "-c", "yes | head -c 3000000; yes | head -c 3000000 >&2"]));
        let reply = launch(shell, &desk, &token, &script, 1);
        let output = finished(&reply).0;
        assert_eq!((output.at(0).exit, output.at(1).exit), (Some(0), None), "{shell}");
        assert!(output.at(1).stdout.len() <= MOST && output.at(1).stdout.len() > MOST / 2, "{shell}");
    });
}

#[test]
fn an_answer_that_is_cut_is_none() {
    let dir = tempfile::tempdir().unwrap();
    let (desk, token) = (desk("/bin/sh", dir.path()), token(dir.path(), 1));
    let whole = {
        let text = desk.launch(Job { token: &token, script: &text("echo out; echo err >&2"), epoch: 1 }, "n", 9);
        session("/bin/sh", &text).wait_with_output().unwrap().stdout
    };
    assert!(reply(Some(&token), "n", &whole).is_some());
    for end in 0..whole.len() {
        assert_eq!(reply(Some(&token), "n", &whole[..end]), None, "cut at {end}");
    }
    let mut noisy = b"motd\xff\n@@hamn other answer absent\n".to_vec();
    noisy.extend(&whole);
    assert!(reply(Some(&token), "n", &noisy).is_some());
}

#[test]
fn a_look_shows_the_last_line_and_no_frames() {
    each(|shell, dir| {
        let (desk, token) = (desk(shell, dir), token(dir, 1));
        let look = || match call(shell, &token, |nonce| desk.peek(&token, nonce)) {
            Reply::Other(end) => workflows::render::last_line(&end),
            other => panic!("{other:?}"),
        };
        assert_eq!(look(), "", "{shell}");
        finished(&launch(shell, &desk, &token, &text("echo one; echo two"), 1));
        assert_eq!(look(), "two", "{shell}");
    });
}

#[test]
fn bytes_are_appended_as_they_are() {
    each(|shell, dir| {
        let desk = desk(shell, dir);
        let path = dir.join("copies/it's/r.frames");
        let all: Vec<u8> = (0..=255).cycle().take(30_000).collect();
        for part in [&all[..1], &[], &all[1..]] {
            let reply = call(shell, &token(dir, 1), |nonce| desk.append(path.to_str().unwrap(), part, nonce).unwrap());
            assert_eq!(reply, Reply::Other(Vec::new()), "{shell}");
        }
        assert!(fs::read(&path).unwrap() == all, "{shell}");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600, "{shell}");
        assert_eq!(fs::metadata(path.parent().unwrap()).unwrap().permissions().mode() & 0o777, 0o700, "{shell}");
    });
}

#[test]
fn where_there_is_no_proc_ps_and_who_serve() {
    each(|shell, dir| {
        let (desk, token) = (desk(shell, dir), token(dir, 1));
        let go = dir.join("go");
        let script = text(&format!("while [ ! -f '{}' ]; do sleep 0.05; done", go.display()));
        // The text says how long it is.
        let aix = |text: String| text.replace("/proc/", "/prox/");
        let launching = session(shell, &aix(desk.launch(Job { token: &token, script: &script, epoch: 1 }, "n", 30)));
        pid(dir, &token);
        let asked = |seconds| call(shell, &token, |nonce| aix(desk.ask(&token, nonce, seconds)));
        assert_eq!(asked(0), Reply::Job(Answer::Running, false), "{shell}");
        fs::write(&go, "").unwrap();
        finished(&asked(30));
        let output = launching.wait_with_output().unwrap();
        finished(&reply(Some(&token), "n", &output.stdout).unwrap());
        fs::remove_file(job_dir(dir, &token).join("rc")).unwrap();
        assert_eq!(asked(0), Reply::Job(Answer::Lost { why: "killed".into() }, false), "{shell}");
    });
}

#[test]
fn old_jobs_are_removed_run_by_run() {
    each(|shell, dir| {
        let (desk, script) = (desk(shell, dir), counted(dir, ""));
        let tokens: Vec<Token> =
            [1, 2, 3].map(|run| Token::new(RunId(run), "a.b", Direction::Forward, Attempt(0))).into();
        for token in &tokens {
            finished(&launch(shell, &desk, token, &script, 0));
        }
        let other = |text: &dyn Fn(&str) -> String| {
            let nonce = nonce();
            let output = session(shell, &text(&nonce)).wait_with_output().unwrap();
            match reply(None, &nonce, &output.stdout) {
                Some(Reply::Other(text)) => String::from_utf8(text).unwrap(),
                other => panic!("{shell}: {other:?}: {output:?}"),
            }
        };
        let left = || other(&|nonce| desk.left(nonce)).lines().map(|l| l.parse().unwrap()).collect::<Vec<RunId>>();
        assert_eq!(left(), [RunId(1), RunId(2), RunId(3)], "{shell}");
        other(&|nonce| desk.tidy(&[RunId(1), RunId(3), RunId(9)], nonce));
        assert_eq!(left(), [RunId(2)], "{shell}");
        let kept = ask(shell, &desk, &tokens[1], 0);
        assert!(matches!(kept, Reply::Job(Answer::Finished(_), _)), "{shell}: {kept:?}");
        assert_eq!(ask(shell, &desk, &tokens[0], 0), Reply::Job(Answer::Absent, false), "{shell}");
    });
}
