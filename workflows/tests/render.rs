//! Rendered scripts, run for real in each shell: commands, users, time limits, secrets, what comes back.

mod shells;

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    time::{Duration, Instant},
};

use shells::{NONCE, at, each, one, read, root, run, run_with, run_without_timeout, sh, sh_c, shells};
use workflows::{
    Action, Command, Script,
    render::{NO_SECRET, REFUSED, last_frame, last_line, parse, render},
    script::StdinPart,
};

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
            sh(shell, &text[..end]);
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
        let complete = whole[..end].ends_with(last_frame(NONCE).as_bytes());
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
        for shell in shells() {
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
    if !root() {
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
    if !root() {
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
