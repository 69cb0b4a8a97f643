//! Rendered scripts, run for real in each shell: files and claims.

mod shells;

use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::Path,
};

use proptest::prelude::*;
use shells::{NONCE, at, each, one, read, root, run, sh, shells};
use workflows::{
    Action, Script,
    render::{parse, render},
};

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
        let output = sh(shell, &limited);
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
        if root() {
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
            assert!(!root() || (meta.uid(), meta.gid()) == (4321, 1234), "{shell}: {p}");
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
                        let output = sh(shell, &render(&script, &nonce));
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
        for shell in shells() {
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

/// Systemd that knows three timers: one that copies by a script, one that is neither enabled nor active, one that hamn disarmed.
const SYSTEMCTL: &str = r#"#!/bin/sh
case "$*" in
is-system-running) echo degraded; exit 1 ;;
list-unit-files*) echo 'nightly.timer enabled enabled'; echo 'off.timer disabled enabled'; echo 'tmpl@.timer enabled -' ;;
list-units*) printf '\342\227\217 held.timer loaded active waiting Held\n' ;;
*off.timer) printf 'Unit=off.service\nActiveState=inactive\nUnitFileState=disabled\n' ;;
show*) for t; do :; done; printf 'Unit=%s.service\nActiveState=active\nUnitFileState=static\n' "${t%.timer}" ;;
'cat nightly.service') printf '# /etc/systemd/system/nightly.service\n[Service]\nType=oneshot\n#ExecStart=/no\nExecStartPre=-/usr/bin/rsync -a \\\n  mn1:/install/ /install\nExecStart=HERE/run "x"\n' ;;
'cat held.service') printf '[Service]\nExecStart=/usr/bin/rsync mn2:/ /\n# /etc/systemd/system/held.service.d/hamn.conf\n#hamn:run-1: held\n' ;;
*) exit 3 ;;
esac
"#;

/// SLES keeps crontabs in `tabs`; what a job does stands in the script that it names; timers are jobs too.
#[test]
fn t22_every_place_where_jobs_stand() {
    each(|shell, dir| {
        let here = at(dir, "");
        let here = here.trim_end_matches('/');
        let put = |path: &str, text: &str, mode: u32| {
            let path = dir.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text.replace("HERE", here)).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        };
        put("bin/systemctl", SYSTEMCTL, 0o755);
        put("run", "#!/bin/bash\n# rsync\nPEER=mn2\n  rsync -a \"$1\" $PEER:/etc/xcat\n", 0o755);
        put("binary", "\u{7f}ELF rsync\nrsync\n", 0o755);
        put("var/spool/cron/tabs/root", "# */5 * * * * HERE/run\n\\n 0 5 * * * HERE/run a;HERE/binary\nno end", 0o600);
        put("etc/cron.daily/copies", "#!/bin/sh\nif :; then\n    scp /tmp/xcatdb mn2:/tmp/\nfi\n", 0o755);
        put("etc/cron.daily/not-run", "#!/bin/sh\nscp /tmp/xcatdb mn2:/tmp/\n", 0o644);
        let listing = workflows::vocabulary::crontabs();
        let text = listing.argv[2]
            .replace("/etc/c", &format!("{here}/etc/c"))
            .replace("/var/spool", &format!("{here}/var/spool"));
        let path = format!("{here}/bin:{}", std::env::var("PATH").unwrap());
        let got = shells::sh_with(shell, &text, |c| c.env("PATH", path));
        let expected = "HERE/var/spool/cron/tabs/root:# */5 * * * * HERE/run\n\
             HERE/var/spool/cron/tabs/root:\\n 0 5 * * * HERE/run a;HERE/binary\n\
             :runs   rsync -a \"$1\" $PEER:/etc/xcat\n\
             HERE/var/spool/cron/tabs/root:no end\n\
             HERE/etc/cron.daily/copies:    scp /tmp/xcatdb mn2:/tmp/\n\
             nightly.service:ExecStartPre=-/usr/bin/rsync -a    mn1:/install/ /install\n\
             nightly.service:ExecStart=HERE/run \"x\"\n\
             :runs   rsync -a \"$1\" $PEER:/etc/xcat\n\
             held.service:#hamn:run-1: held\n:end\n";
        let out = String::from_utf8_lossy(&got.stdout).replace(here, "HERE");
        assert_eq!(out, expected, "{shell}: {}", String::from_utf8_lossy(&got.stderr));
        // A systemd that does not say what timers there are leaves the listing without its end.
        put("bin/systemctl", "#!/bin/sh\n[ $1 = is-system-running ] && echo running\nexit 1\n", 0o755);
        let path = format!("{here}/bin:{}", std::env::var("PATH").unwrap());
        let got = shells::sh_with(shell, &text, |c| c.env("PATH", path));
        assert!(!String::from_utf8_lossy(&got.stdout).contains(":end"), "{shell}");
    });
}

/// What the look before a run says of this machine and of files as the distributions write them.
#[test]
fn t05_t78_the_look_before_a_run_in_each_shell() {
    each(|shell, dir| {
        let here = at(dir, "");
        let here = here.trim_end_matches('/');
        let configured = [
            (
                "etc/sysconfig/network-scripts/ifcfg-eth0",
                "DNS1=10.77.0.10\nIPADDR=10.77.0.12\nGATEWAY=10.77.0.10\n",
                false,
            ),
            ("etc/sysconfig/network-scripts/ifcfg-eth1", "NAME=eth1\nIPADDR1=\"10.77.0.10\"\n", true),
            ("etc/sysconfig/network/ifcfg-eth2", "IPADDR='10.77.0.10/24'\n", true),
            ("etc/sysconfig/network/ifcfg-eth3", "#IPADDR='10.77.0.10/24'\nIPADDR=10.77.0.101\n", false),
            ("etc/NetworkManager/system-connections/bond0", "[ipv4]\naddress1=10.77.0.10/24,10.77.0.1\n", true),
            (
                "etc/NetworkManager/system-connections/bond1",
                "[ipv4]\naddress1=110.77.0.10/24\ndns=10.77.0.10;\n",
                false,
            ),
            (
                "etc/network/interfaces",
                "iface eth0 inet static\n    address 10.77.0.10\n    dns-nameservers 10.77.0.10\n",
                true,
            ),
            ("etc/netplan/50.yaml", "    nameservers:\n      addresses: [10.77.0.10]\n", false),
            ("etc/systemd/network/1.network", "Address=10.77.0.10/24\n", true),
        ];
        for (path, text, _) in &configured {
            let path = dir.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
        }
        let pair = workflows::example::practice();
        let node = workflows::model::Node { interface: "lo".into(), ..pair.nodes[0].clone() };
        let files = [at(dir, "etc/network/interfaces"), at(dir, "not there")];
        let look = workflows::vocabulary::preflight(&pair, &node, &files, &["sh".into(), "/no/such".into()]);
        let text = look.argv[2].replace("/etc/n", &format!("{here}/etc/n")).replace("/etc/s", &format!("{here}/etc/s"));
        let text = text.replace("/etc/N", &format!("{here}/etc/N"));
        let words: Vec<String> = look.argv[4..].iter().map(|w| format!("'{w}'")).collect();
        let got = shells::sh_with(shell, &format!("set -- {}\n{text}", words.join(" ")), |c| c);
        let out = String::from_utf8_lossy(&got.stdout).into_owned();
        let lines: Vec<&str> = out.lines().collect();
        for line in ["link lo", "carrier lo", "inet 127.0.0.1/8", "missing /no/such"] {
            assert!(lines.contains(&line), "{shell}: {line}: {out}");
        }
        assert!(lines.contains(&&*format!("absent {}", at(dir, "not there"))), "{shell}: {out}");
        assert!(
            lines.iter().any(|l| l.starts_with("free ") && l.ends_with(&format!("{here}/etc/network"))),
            "{shell}: {out}"
        );
        assert!(!out.contains("missing sh\n") && out.ends_with(":end\n"), "{shell}: {out}");
        for (path, _, found) in configured {
            let line = format!("persistent {here}/{path}");
            assert_eq!(lines.contains(&&*line), found, "{shell}: {path}: {out}");
        }
    });
}
