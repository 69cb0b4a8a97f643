//! Rendered scripts, run for real in each shell.

mod shells;

use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::Path,
    time::{Duration, Instant},
};

use proptest::prelude::*;
use workflows::{
    Action, ActionResult, Command, Output, Script,
    render::{NO_SECRET, REFUSED, is_complete, last_line, parse, render},
    script::StdinPart,
};

const NONCE: &str = "n0nce";

fn run(shell: &str, script: &Script) -> Output {
    run_with(shell, script, |c| c)
}

fn run_with(
    shell: &str,
    script: &Script,
    change: impl FnOnce(&mut std::process::Command) -> &mut std::process::Command,
) -> Output {
    run_text(shell, script, &render(script, NONCE), change)
}

/// As on a machine that has no `timeout` and no `/proc`.
fn run_without_timeout(
    shell: &str,
    script: &Script,
    change: impl FnOnce(&mut std::process::Command) -> &mut std::process::Command,
) -> Output {
    let text = render(script, NONCE).replace("$(command -v timeout)", "").replace("/proc/uptime", "/nonexistent");
    assert!(text.contains("hamn_timeout=\n"));
    run_text(shell, script, &text, change)
}

fn run_text(
    shell: &str,
    script: &Script,
    text: &str,
    change: impl FnOnce(&mut std::process::Command) -> &mut std::process::Command,
) -> Output {
    let output = shells::sh_with(shell, text, change);
    assert!(output.status.success(), "{shell}: {output:?}");
    assert!(is_complete(NONCE, &output.stdout) && is_complete(NONCE, &output.stderr), "{shell}: {output:?}");
    parse(script, NONCE, &output.stdout, &output.stderr)
}

fn sh_c(text: &str) -> Command {
    Command::new(["sh", "-c", text])
}

fn one(shell: &str, action: Action) -> ActionResult {
    run(shell, &Script::new().then(action)).results.remove(0)
}

fn each(test: impl Fn(&'static str, &Path)) {
    for shell in shells::shells() {
        let dir = tempfile::tempdir().unwrap();
        test(shell, dir.path());
        let left: Vec<_> = walk(dir.path()).into_iter().filter(|p| p.contains("/.hamn.")).collect();
        assert!(left.is_empty(), "{shell}: left behind: {left:?}");
    }
}

fn walk(dir: &Path) -> Vec<String> {
    let mut all = Vec::new();
    for entry in fs::read_dir(dir).unwrap().flatten() {
        all.push(entry.path().display().to_string());
        if entry.file_type().unwrap().is_dir() && entry.file_name() != "bin" {
            all.extend(walk(&entry.path()));
        }
    }
    all
}

fn at(dir: &Path, name: &str) -> String {
    dir.join(name).to_str().unwrap().to_owned()
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap()
}

#[test]
fn output_and_exit_code_of_each_command() {
    each(|shell, _| {
        let script = Script::new()
            .run(sh_c("printf 'a\\n\\nb'; echo e >&2"))
            .look(sh_c("exit 3"))
            .look(sh_c("kill -9 $$"))
            .look(sh_c("kill -15 $$"))
            .look(Command::new(["/nonexistent/program"]))
            .look(Command::new(["printf", "%s", "it's\n$(id)\\"]))
            .run(sh_c("echo $LC_ALL; pwd; echo \"$X\"").env("X", "a'\n b"));
        let got = run(shell, &script).results;
        let exits: Vec<_> = got.iter().map(|r| r.exit.unwrap()).collect();
        assert_eq!(exits, [0, 3, 137, 143, 127, 0, 0], "{shell}");
        assert_eq!((got[0].stdout.as_str(), got[0].stderr.as_str()), ("a\n\nb", "e\n"), "{shell}");
        assert_eq!(got[5].stdout, "it's\n$(id)\\", "{shell}");
        assert_eq!(got[6].stdout, "C\n/\na'\n b\n", "{shell}");
    });
}

#[test]
fn after_a_failure_the_rest_is_not_run_unless_told_so() {
    each(|shell, dir| {
        let touched = at(dir, "touched");
        let script = Script::new().look(sh_c("exit 1")).run(sh_c("exit 2")).run(Command::new(["touch", &touched]));
        let got = run(shell, &script);
        assert_eq!(got.results.iter().map(|r| r.exit).collect::<Vec<_>>(), [Some(1), Some(2), None], "{shell}");
        assert!(!Path::new(&touched).exists(), "{shell}");
        assert!(!got.all_ok());
    });
}

#[test]
fn commands_do_not_read_the_script() {
    each(|shell, _| {
        let got = run(shell, &Script::new().run(Command::new(["cat"])).run(sh_c("echo next")));
        assert_eq!((got.at(0).stdout.as_str(), got.at(1).stdout.as_str()), ("", "next\n"), "{shell}");
    });
}

#[test]
fn a_text_that_arrives_cut_runs_nothing() {
    each(|shell, dir| {
        let touched = at(dir, "touched");
        let text = render(&Script::new().run(Command::new(["touch", &touched])).run(sh_c(":")), NONCE);
        let start = text.find("hamn_script() {").unwrap();
        for end in (start..text.trim_end().len() - "hamn_script\nhamn_done".len()).step_by(7) {
            shells::sh(shell, &text[..end]);
            assert!(!Path::new(&touched).exists(), "{shell}: cut at {end}");
        }
    });
}

#[test]
fn t71_noise_does_not_confuse_and_a_cut_is_seen() {
    let script = Script::new().run(Command::new(["x"])).run(Command::new(["y"]));
    let stream = |noise: &[u8]| {
        let mut s = noise.to_vec();
        s.extend(b"@@hamn n0nce begin 0\nfirst\xff\0@@hamn other end 0 0\n\n@@hamn n0nce end 0 0\n");
        s.extend(noise);
        s.extend(b"@@hamn n0nce begin 1\n\n@@hamn n0nce end 1 7\n@@hamn n0nce done\n");
        s.extend(noise);
        s
    };
    let whole = stream(b"Welcome!\r\n\x00\xfe@@hamn no prompt: ");
    let got = parse(&script, NONCE, &whole, &whole);
    assert_eq!(got.at(0).stdout, "first\u{fffd}\0@@hamn other end 0 0\n");
    assert_eq!((got.at(0).exit, got.at(1).exit, got.at(1).stdout.as_str()), (Some(0), Some(7), ""));
    let whole = stream(b"");
    for end in 0..whole.len() {
        let got = parse(&script, NONCE, &whole[..end], &whole);
        let other = parse(&script, NONCE, &whole, &whole[..end]);
        assert_eq!(got.results.iter().map(|r| r.exit).collect::<Vec<_>>(), {
            other.results.iter().map(|r| r.exit).collect::<Vec<_>>()
        });
        let complete = is_complete(NONCE, &whole[..end]);
        assert!(!complete || got.at(1).exit == Some(7));
        assert!(got.at(1).exit.is_none() || got.at(1).exit == Some(7), "a cut number is no number");
    }
    assert_eq!(last_line(b"a\n@@hamn n begin 1\nworking \x1b[1m5 %\n\n"), "working [1m5 %");
}

#[test]
fn binary_output_is_kept_apart() {
    each(|shell, _| {
        let script = Script::new()
            .run(sh_c("head -c 100000 /dev/urandom; head -c 100000 /dev/urandom >&2"))
            .run(sh_c("echo ok"));
        let got = run(shell, &script);
        assert!(got.all_ok(), "{shell}");
        assert_eq!(got.at(1).stdout, "ok\n");
    });
}

#[test]
fn a_command_that_does_not_end_is_ended() {
    let test = |shell: &str, timeout: bool| {
        let script = Script::new()
            .look(sh_c("echo begun; sleep 600 & sleep 601").timeout(1))
            .look(sh_c("trap '' TERM; echo deaf; while :; do sleep 1; done").timeout(1))
            .look(sh_c("exit 124").timeout(600))
            .run(sh_c("echo after"));
        let before = Instant::now();
        let got = if timeout { run(shell, &script) } else { run_without_timeout(shell, &script, |c| c) };
        let exits: Vec<_> = got.results.iter().map(|r| r.exit).collect();
        assert_eq!(exits, [Some(124), Some(124), Some(124), Some(0)], "{shell}");
        assert!(got.at(0).stdout == "begun\n" && got.at(1).stdout == "deaf\n", "{shell}: {got:?}");
        assert!(before.elapsed() < Duration::from_secs(60), "{shell}: waited for the program");
    };
    std::thread::scope(|scope| {
        for shell in shells::shells() {
            scope.spawn(move || test(shell, true));
            scope.spawn(move || test(shell, false));
        }
    });
}

#[test]
fn without_timeout_exit_codes_stdin_and_output_are_the_same() {
    each(|shell, _| {
        let script = Script::new()
            .look(sh_c("cat; exit 5").stdin(vec![StdinPart::Text("in\n".into())]))
            .look(sh_c("kill -9 $$"))
            .look(sh_c("kill -15 $$"))
            .look(sh_c("echo e >&2"))
            .look(Command::new(["/nonexistent/program"]));
        let begun = Instant::now();
        let got = run_without_timeout(shell, &script, |c| c);
        let exits: Vec<_> = got.results.iter().map(|r| r.exit.unwrap()).collect();
        assert_eq!(exits, [5, 137, 143, 0, 127], "{shell}");
        assert_eq!((got.at(0).stdout.as_str(), got.at(3).stderr.as_str()), ("in\n", "e\n"), "{shell}");
        assert!(got.at(1).stderr.is_empty(), "{shell}: {}", got.at(1).stderr);
        assert!(begun.elapsed() < Duration::from_secs(15), "{shell}: nobody holds the output open (trap 72)");
    });
}

#[test]
fn as_another_user() {
    if !shells::root() {
        return;
    }
    let test = |shell: &str, change: &dyn Fn(&mut std::process::Command)| {
        let script = Script::new()
            .run(
                sh_c("id -un; pwd; printf %s \"$X\"; cat")
                    .user("nobody")
                    .env("X", "it's\n$(id) \\ é")
                    .stdin(vec![StdinPart::Text("a\n".into())]),
            )
            .look(sh_c("exit 9").user("nobody"))
            .look(sh_c("sleep 600").user("nobody").timeout(1))
            .look(sh_c("echo ${HAMN_BODY:-none}; id -un").user("root"))
            .look(sh_c("id").user("no-such-user-$(id)"))
            .look(sh_c("echo $PATH").user("nobody").env("PATH", "/opt/x:/usr/bin:/bin"));
        let got = run_with(shell, &script, |c| {
            change(c);
            c
        });
        assert_eq!(got.at(0).stdout, "nobody\n/\nit's\n$(id) \\ éa\n", "{shell}: {got:?}");
        assert_eq!((got.at(1).exit, got.at(2).exit), (Some(9), Some(124)), "{shell}");
        assert_eq!(got.at(3).stdout, "none\nroot\n", "{shell}");
        assert_eq!(got.at(4).exit, Some(1), "{shell}: {got:?}");
        assert_eq!(got.at(5).stdout, "/opt/x:/usr/bin:/bin\n", "{shell}");
    };
    each(|shell, _| test(shell, &|_| {}));
}

#[test]
fn on_aix_su_knows_no_s_and_the_login_shell_may_be_any() {
    if !shells::root() {
        return;
    }
    each(|shell, dir| {
        let bin = dir.join("bin");
        fs::create_dir(&bin).unwrap();
        let program = |name: &str, text: &str| {
            fs::write(bin.join(name), text).unwrap();
            fs::set_permissions(bin.join(name), fs::Permissions::from_mode(0o755)).unwrap();
        };
        program("uname", "#!/bin/sh\necho AIX\n");
        // AIX: su NAME -c TEXT; the text goes to the login shell.
        program(
            "su",
            "#!/bin/sh\n[ $# -eq 3 ] && [ \"$2\" = -c ] || exit 99\nexec /usr/bin/su -s \"$LOGIN_SHELL\" -c \"$3\" \"$1\"\n",
        );
        let path = format!("{}:/usr/bin:/bin", bin.display());
        for login in ["/bin/sh", "/bin/bash", "/bin/ksh93", "/bin/csh"] {
            if !Path::new(login).exists() {
                continue;
            }
            let script = Script::new()
                .run(
                    sh_c("id -un; printf %s \"$X\"; cat")
                        .user("nobody")
                        .env("X", "it's\n!$(id)")
                        .stdin(vec![StdinPart::Text("in".into())]),
                )
                .look(sh_c("exit 9").user("nobody"));
            let got = run_without_timeout(shell, &script, |c| c.env("PATH", &path).env("LOGIN_SHELL", login));
            assert_eq!(got.at(0).stdout, "nobody\nit's\n!$(id)in", "{shell}, {login}: {got:?}");
            assert_eq!(got.at(1).exit, Some(9), "{shell}");
        }
    });
}

#[test]
fn secrets_are_read_on_the_spot() {
    each(|shell, dir| {
        let (good, empty, absent) = (at(dir, "good=1"), at(dir, "empty"), at(dir, "absent"));
        fs::write(&good, "s3cret\\n %s 'x'\nsecond line\n").unwrap();
        fs::write(&empty, "\nsecond\n").unwrap();
        let with = |path: &str| {
            Command::new(["cat"]).stdin(vec![
                StdinPart::Text("password=".into()),
                StdinPart::SecretFile(path.into()),
                StdinPart::Text("\nend".into()),
            ])
        };
        let script = Script::new().run(with(&good)).look(with(&empty)).look(with(&absent));
        assert!(!render(&script, NONCE).contains("s3cret"));
        let got = run(shell, &script);
        assert_eq!(got.at(0).stdout, "password=s3cret\\n %s 'x'\nend", "{shell}");
        for n in [1, 2] {
            assert_eq!((got.at(n).exit, got.at(n).stdout.as_str()), (Some(NO_SECRET), ""), "{shell}");
            assert!(got.at(n).stderr.contains("no secret"), "{shell}: {:?}", got.at(n));
        }
    });
}

#[test]
fn long_input_and_a_program_that_does_not_read_it() {
    each(|shell, _| {
        let long = "0123456789'\n".repeat(30_000);
        let script = Script::new()
            .run(Command::new(["cksum"]).stdin(vec![StdinPart::Text(long.clone())]))
            .run(sh_c("echo no").stdin(vec![StdinPart::Text(long)]));
        let got = run(shell, &script);
        assert_eq!(got.at(0).stdout.split_whitespace().nth(1), Some("360000"), "{shell}");
        assert_eq!((got.at(1).stdout.as_str(), got.at(1).stderr.as_str()), ("no\n", ""), "{shell}");
    });
}

#[test]
fn what_cannot_be_carried_out_is_refused() {
    each(|shell, dir| {
        let path = at(dir, "f");
        let line = |line: &str| Action::EnsureLine { path: path.clone(), line: line.into() };
        let script = Script::new()
            .look(Command::new(["echo", "a\0b"]))
            .look(Command::new(Vec::<String>::new()))
            .look(Command::new(["-x"]))
            .look(Command::new(["true"]).env("A B", "c"))
            .look(Command::new(["true"]).user("-c"))
            .try_(Action::WriteFile { path: "relative".into(), mode: 0o600, content: String::new() })
            .try_(Action::WriteFile { path: path.clone(), mode: 0o600, content: "\0".into() })
            .try_(Action::Uncomment { path: path.clone(), tag: "A B".into() })
            .try_(line("two\nlines"));
        for (index, result) in run(shell, &script).results.iter().enumerate() {
            assert_eq!(result.exit, Some(REFUSED), "{shell}: {index}");
            assert!(result.stderr.contains("refused"), "{shell}: {index}");
        }
        assert!(!Path::new(&path).exists());
    });
}

#[test]
fn waits_until_the_output_is_as_expected() {
    each(|shell, dir| {
        let count = at(dir, "count");
        let text = format!("echo x >>{count}; [ $(wc -l <{count}) -lt 3 ] || echo ' 007 '; echo e >&2");
        let wait = |command: Command, expect: &str, limit_s| Action::WaitUntil {
            command,
            expect: expect.into(),
            every_ms: 20,
            limit_s,
        };
        let got = one(shell, wait(sh_c(&text), "007", 60));
        assert_eq!((got.exit, got.stdout.as_str(), got.stderr.as_str()), (Some(0), " 007 \n", "e\n"), "{shell}");
        assert_eq!(read(&count).lines().count(), 3, "{shell}: no more runs than needed");
        let got = one(shell, wait(sh_c("echo 7; exit 0"), "007", 1));
        assert_eq!((got.exit, got.stdout.as_str()), (Some(124), "7\n"), "{shell}: a text is no number");
        let got = one(shell, wait(sh_c("echo t; exit 1"), "t", 1));
        assert_eq!((got.exit, got.stdout.as_str()), (Some(124), "t\n"), "{shell}: it must exit 0 as well");
        // Trap 72: a child that keeps the output open is not waited for.
        let got = one(shell, wait(sh_c("sleep 20 & echo 'a\nb'; "), "a\nb", 5));
        assert_eq!(got.exit, Some(0), "{shell}: {got:?}");
    });
}

#[test]
fn writes_a_file_with_exactly_these_bytes() {
    each(|shell, dir| {
        let texts = [
            "",
            "x",
            "no end",
            "a\n",
            "\n\n",
            "it's \\ $(id) `id` \"\\n\" %s\r\n\t\u{1}é日",
            &"long 'x'\n".repeat(20_000),
        ];
        for (n, content) in texts.into_iter().enumerate() {
            let path = at(dir, &format!("new dir/it's/f{n}"));
            let write = Action::WriteFile { path: path.clone(), mode: 0o640, content: content.into() };
            let got = one(shell, write);
            assert_eq!(got.exit, Some(0), "{shell}: {got:?}");
            assert!(read(&path) == content, "{shell}: text {n}");
            assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o640, "{shell}");
        }
        assert_eq!(fs::metadata(dir.join("new dir")).unwrap().mode() & 0o777, 0o700, "{shell}");
        let path = at(dir, "a directory");
        fs::create_dir(&path).unwrap();
        let got = one(shell, Action::WriteFile { path, mode: 0o600, content: "x".into() });
        assert_eq!(got.exit, Some(73), "{shell}");
    });
}

#[test]
fn a_full_disk_is_a_failure_and_leaves_the_old_file() {
    each(|shell, dir| {
        let path = at(dir, "f");
        fs::write(&path, "old").unwrap();
        let write = Action::WriteFile { path: path.clone(), mode: 0o600, content: "x".repeat(100_000) };
        let limited = format!("ulimit -f 8\ntrap '' XFSZ\n{}", render(&Script::new().then(write.clone()), NONCE));
        let output = shells::sh(shell, &limited);
        let got = parse(&Script::new().then(write), NONCE, &output.stdout, &output.stderr);
        assert_eq!(got.at(0).exit, Some(74), "{shell}: {got:?}");
        assert_eq!(read(&path), "old", "{shell}");
    });
}

fn replace(path: &str, prefix: &str, after: &str, until: &str, value: &str) -> Action {
    Action::ReplaceInLines {
        path: path.into(),
        line_prefix: prefix.into(),
        after: after.into(),
        until: until.into(),
        value: value.into(),
    }
}

#[test]
fn replaces_in_lines_and_keeps_the_rest() {
    each(|shell, dir| {
        let (path, before) = (at(dir, "postgresql.conf"), at(dir, "postgresql.conf.hamn-before"));
        let text =
            "# listen_addresses = 'x'\n  listen_addresses = 'a,b'  # here\nport = 5432\n\tlisten_addresses = 'c'";
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o604)).unwrap();
        if shells::root() {
            std::os::unix::fs::chown(&path, Some(4321), Some(1234)).unwrap();
        }
        let inode = || fs::metadata(&path).unwrap().ino();
        assert_eq!(one(shell, replace(&path, "nothing", "=", "", "x")).exit, Some(3), "{shell}");
        assert_eq!(one(shell, replace(&path, "port", "no such text", "", "x")).exit, Some(3), "{shell}");
        assert!(!Path::new(&before).exists() && read(&path) == text, "{shell}: nothing written");
        let action = replace(&path, "listen_addresses", "= '", "'", "*\\&\\1");
        assert_eq!(one(shell, action.clone()).exit, Some(0), "{shell}");
        let want = "# listen_addresses = 'x'\n  listen_addresses = '*\\&\\1'  # here\nport = 5432\n\tlisten_addresses = '*\\&\\1'";
        assert_eq!(read(&path), want, "{shell}");
        assert_eq!(read(&before), text, "{shell}");
        for p in [&path, &before] {
            let meta = fs::metadata(p).unwrap();
            assert_eq!(meta.mode() & 0o7777, 0o604, "{shell}: {p}");
            assert!(!shells::root() || (meta.uid(), meta.gid()) == (4321, 1234), "{shell}: {p}");
        }
        let written = inode();
        assert_eq!(one(shell, action).exit, Some(0), "{shell}");
        assert_eq!(inode(), written, "{shell}: so already: not written");
        assert_eq!(one(shell, replace(&path, "port", "= ", "", "5433")).exit, Some(0), "{shell}");
        assert_eq!(read(&path), want.replace("5432", "5433"), "{shell}: to the end of the line");
        assert_eq!(read(&before), text, "{shell}: the first one stays");
        assert_eq!(one(shell, replace(&at(dir, "absent"), "", "", "", "x")).exit, Some(3), "{shell}");
    });
}

#[test]
fn edits_what_a_symbolic_link_leads_to() {
    each(|shell, dir| {
        fs::create_dir(dir.join("real")).unwrap();
        fs::write(dir.join("real/it's -> f"), "a\n").unwrap();
        std::os::unix::fs::symlink("real/it's -> f", dir.join("second")).unwrap();
        std::os::unix::fs::symlink(dir.join("second"), dir.join("first")).unwrap();
        let got = one(shell, Action::EnsureLine { path: at(dir, "first"), line: "b".into() });
        assert_eq!(got.exit, Some(0), "{shell}: {got:?}");
        assert_eq!(read(&at(dir, "real/it's -> f")), "a\nb\n", "{shell}");
        assert!(dir.join("first").is_symlink() && dir.join("second").is_symlink(), "{shell}");
        assert_eq!(read(&at(dir, "first.hamn-before")), "a\n", "{shell}");
    });
}

#[test]
fn ensures_a_line_once() {
    each(|shell, dir| {
        let path = at(dir, "it's a file");
        for (text, line, want) in [
            ("", "a", "a\n"),
            ("a", "b", "a\nb\n"),
            ("a\n", "it's $(id) \\n", "a\nit's $(id) \\n\n"),
            ("1.0\n", "1", "1.0\n1\n"),
            (" a\n", "a", " a\na\n"),
        ] {
            fs::write(&path, text).unwrap();
            let action = Action::EnsureLine { path: path.clone(), line: line.into() };
            for _ in 0..2 {
                assert_eq!(one(shell, action.clone()).exit, Some(0), "{shell}");
                assert_eq!(read(&path), want, "{shell}");
            }
        }
        fs::write(&path, "x\nlast").unwrap();
        assert_eq!(one(shell, Action::EnsureLine { path: path.clone(), line: "last".into() }).exit, Some(0), "{shell}");
        assert_eq!(read(&path), "x\nlast", "{shell}");
        assert_eq!(
            one(shell, Action::EnsureLine { path: at(dir, "absent"), line: "x".into() }).exit,
            Some(3),
            "{shell}"
        );
    });
}

#[test]
fn t22_comments_out_and_back() {
    each(|shell, dir| {
        let path = at(dir, "crontab");
        let text = "MAILTO=root\n0 5 * * * pg_restore -d xcatdb -c /tmp/x\n# pg_restore\n0 1 * * * true";
        fs::write(&path, text).unwrap();
        let out = Action::CommentOut { path: path.clone(), contains: "pg_restore".into(), tag: "run-1".into() };
        for _ in 0..2 {
            assert_eq!(one(shell, out.clone()).exit, Some(0), "{shell}");
            assert_eq!(read(&path), {
                "MAILTO=root\n#hamn:run-1: 0 5 * * * pg_restore -d xcatdb -c /tmp/x\n#hamn:run-1: # pg_restore\n0 1 * * * true"
            });
        }
        assert!(!dir.join("crontab.hamn-before").exists(), "cron would read it");
        let other = Action::Uncomment { path: path.clone(), tag: "run-2".into() };
        assert_eq!(one(shell, other).exit, Some(0), "{shell}");
        assert!(read(&path).contains("#hamn:run-1: 0 5"), "{shell}: another's mark stays");
        let back = Action::Uncomment { path: path.clone(), tag: "run-1".into() };
        assert_eq!(one(shell, back).exit, Some(0), "{shell}");
        assert_eq!(read(&path), text, "{shell}");
        let absent = at(dir, "absent");
        let script = Script::new()
            .then(Action::CommentOut { path: absent.clone(), contains: "x".into(), tag: "t".into() })
            .then(Action::Uncomment { path: absent, tag: "t".into() });
        assert!(run(shell, &script).all_ok(), "{shell}");
    });
}

#[test]
fn t9_a_claim_is_held_by_one() {
    each(|shell, dir| {
        let path = at(dir, "state/claim's");
        let claim = |content: &str| Action::Claim { path: path.clone(), content: content.into() };
        let unclaim = |content: &str| Action::Unclaim { path: path.clone(), content: content.into() };
        assert_eq!(one(shell, unclaim("a")).exit, Some(0), "{shell}: there is none");
        assert!(!dir.join("state").exists(), "{shell}: and none is made");
        assert_eq!(one(shell, claim("run 1\nby 'me'")).exit, Some(0), "{shell}");
        assert_eq!(read(&format!("{path}/text")), "run 1\nby 'me'", "{shell}");
        assert_eq!(one(shell, claim("run 1\nby 'me'")).exit, Some(0), "{shell}: again");
        let got = one(shell, claim("run 2"));
        assert_eq!((got.exit, got.stdout.as_str()), (Some(17), "run 1\nby 'me'"), "{shell}");
        let got = one(shell, unclaim("run 2"));
        assert_eq!((got.exit, got.stdout.as_str()), (Some(17), "run 1\nby 'me'"), "{shell}");
        assert_eq!(one(shell, unclaim("run 1\nby 'me'")).exit, Some(0), "{shell}");
        assert!(!Path::new(&path).exists(), "{shell}");
        fs::create_dir(&path).unwrap();
        let got = one(shell, claim("x"));
        assert_eq!((got.exit, got.stdout.as_str()), (Some(17), ""), "{shell}: interrupted claims are unknown, so held");
    });
}

#[test]
fn t9_of_many_claims_at_once_one_wins() {
    each(|shell, dir| {
        let path = at(dir, "claim");
        let exits: Vec<_> = std::thread::scope(|scope| {
            let claims: Vec<_> = (0..8)
                .map(|n| {
                    let action = Action::Claim { path: path.clone(), content: format!("run {n}") };
                    scope.spawn(move || {
                        let script = Script::new().then(action);
                        let nonce = format!("n{n}");
                        let output = shells::sh(shell, &render(&script, &nonce));
                        parse(&script, &nonce, &output.stdout, &output.stderr).results.remove(0).exit
                    })
                })
                .collect();
            claims.into_iter().map(|c| c.join().unwrap()).collect()
        });
        assert_eq!(exits.iter().filter(|e| **e == Some(0)).count(), 1, "{shell}: {exits:?}");
        assert_eq!(exits.iter().filter(|e| **e == Some(17)).count(), 7, "{shell}: {exits:?}");
    });
}

/// What `ReplaceInLines` means, said a second time.
fn replaced(text: &str, prefix: &str, after: &str, until: &str, value: &str) -> Option<String> {
    let mut found = false;
    let lines: Vec<String> = text
        .split('\n')
        .enumerate()
        .map(|(n, line)| {
            let last_is_no_line = line.is_empty() && n + 1 == text.split('\n').count();
            match line.find(after) {
                Some(at) if !last_is_no_line && line.trim_start_matches([' ', '\t']).starts_with(prefix) => {
                    found = true;
                    let (head, rest) = line.split_at(at + after.len());
                    let tail = if until.is_empty() { "" } else { rest.find(until).map_or("", |n| &rest[n..]) };
                    format!("{head}{value}{tail}")
                }
                _ => line.to_owned(),
            }
        })
        .collect();
    found.then(|| lines.join("\n"))
}

fn bits() -> impl Strategy<Value = String> {
    let bit =
        prop::sample::select(vec!["a", "=", "'", "\\", "&", " ", "\t", "$(x)", "é", "%", "\"", "1", "\u{1}", "#"]);
    prop::collection::vec(bit, 0..5).prop_map(|p| p.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn edits_are_what_they_say(
        lines in prop::collection::vec(bits(), 0..6), ended in any::<bool>(),
        prefix in bits(), after in bits(), until in bits(), value in bits(),
    ) {
        let mut text = lines.join("\n");
        if ended && !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        let dir = tempfile::tempdir().unwrap();
        let want = replaced(&text, &prefix, &after, &until, &value);
        for shell in shells::shells() {
            let path = at(dir.path(), "f");
            fs::write(&path, &text).unwrap();
            let got = one(shell, replace(&path, &prefix, &after, &until, &value));
            prop_assert_eq!(got.exit, Some(if want.is_some() { 0 } else { 3 }), "{} {:?}", shell, got);
            prop_assert_eq!(&read(&path), want.as_ref().unwrap_or(&text), "{}", shell);
            let line = Action::EnsureLine { path: path.clone(), line: value.clone() };
            prop_assert_eq!(one(shell, line).exit, Some(0));
            let now = read(&path);
            prop_assert!(now.lines().any(|l| l == value), "{}: {:?}", shell, now);
            let out = Action::CommentOut { path: path.clone(), contains: after.clone(), tag: "t".into() };
            let back = Action::Uncomment { path: path.clone(), tag: "t".into() };
            prop_assert!(run(shell, &Script::new().then(out.clone()).then(out)).all_ok());
            let marked = read(&path);
            prop_assert_eq!(
                marked.lines().filter(|l| l.starts_with("#hamn:t: ")).count(),
                now.lines().filter(|l| l.contains(after.as_str())).count(),
                "{}", shell
            );
            prop_assert!(run(shell, &Script::new().then(back)).all_ok());
            prop_assert_eq!(read(&path), now, "{}", shell);
        }
    }
}
