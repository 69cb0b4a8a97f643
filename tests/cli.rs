//! The command line as a person or a program meets it: help, exit codes, errors, output.

mod story;

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Output},
};

use clap::CommandFactory;
use hamn::{
    cli::{Cli, Exit},
    journal::{GuardedStore, Holder, StateDir, Store},
};
use journal_schema::{End, Payload, RunState, UnixMillis};
use story::{RUN, START, Story, alice, told_to_the_pivot};

/// The program with the sample configuration and a state folder of its own.
fn hamn(state: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_hamn"))
        .args(arguments)
        .env("HAMN_CONFIG", concat!(env!("CARGO_MANIFEST_DIR"), "/docs/hamn.toml"))
        .env("HAMN_STATE_DIR", state)
        .env_remove("HAMN_LOG")
        .output()
        .unwrap()
}

fn exit(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn said(output: &Output) -> (String, String) {
    (String::from_utf8(output.stdout.clone()).unwrap(), String::from_utf8(output.stderr.clone()).unwrap())
}

fn help(command: &clap::Command, path: &str, out: &mut String) {
    let mut shown = command.clone().term_width(100);
    out.push_str(&format!("===== {path} --help\n{}\n\n", shown.render_long_help().to_string().trim_end()));
    for sub in command.get_subcommands() {
        help(sub, &format!("{path} {}", sub.get_name()), out);
    }
}

#[test]
fn help_of_every_subcommand() {
    let mut root = Cli::command();
    root.build();
    let mut text = String::new();
    help(&root, "hamn", &mut text);
    insta::assert_snapshot!("help", text);
}

#[test]
fn exit_codes_are_never_renumbered() {
    let codes: Vec<(u8, &str)> = Exit::ALL.iter().map(|e| (e.code(), e.word())).collect();
    assert_eq!(codes, [(0, "done"), (1, "failure"), (2, "usage"), (3, "refused"), (4, "unfinished"), (5, "unknown")]);
}

#[test]
fn a_wrong_command_line_is_2_and_help_is_0() {
    let state = tempfile::tempdir().unwrap();
    assert_eq!(exit(&hamn(state.path(), &["--help"])), 0);
    assert_eq!(exit(&hamn(state.path(), &["--version"])), 0);
    assert_eq!(exit(&hamn(state.path(), &[])), 2);
    assert_eq!(exit(&hamn(state.path(), &["fly"])), 2);
    let json = hamn(state.path(), &["--json", "fly"]);
    let error: serde_json::Value = serde_json::from_slice(&json.stderr).unwrap();
    assert_eq!((exit(&json), &error["error"]["class"]), (2, &"usage".into()));
    let unknown = hamn(state.path(), &["workflow", "show", "teleport"]);
    assert_eq!(exit(&unknown), 2);
    assert!(said(&unknown).1.contains("failover, switchover"), "{unknown:?}");
}

#[test]
fn errors_have_three_lines_or_are_json() {
    let state = tempfile::tempdir().unwrap();
    let arguments = ["config", "check", "--config", "/nonexistent/hamn.toml"];
    let plain = hamn(state.path(), &arguments);
    assert_eq!(exit(&plain), 3);
    let (stdout, stderr) = said(&plain);
    assert_eq!(stdout, "");
    let lines: Vec<&str> = stderr.lines().collect();
    assert_eq!(lines.len(), 3, "{stderr}");
    for (line, label) in lines.iter().zip(["error: ", "detail: ", "next:   "]) {
        assert!(line.starts_with(label), "{stderr}");
    }
    assert!(!stderr.contains('\x1b'), "colours in a pipe");

    let json = hamn(state.path(), &[&arguments[..], &["--json"]].concat());
    assert_eq!(exit(&json), 3);
    let error: serde_json::Value = serde_json::from_slice(&json.stderr).unwrap();
    assert_eq!(error["error"]["class"], "refused");
    assert_eq!(error["error"]["exit"], 3);
    assert!(error["error"]["next"].as_str().unwrap().contains("--config"), "{error}");
}

#[test]
fn a_device_without_an_end_is_no_configuration() {
    let state = tempfile::tempdir().unwrap();
    let output = hamn(state.path(), &["config", "check", "--config", "/dev/zero"]);
    assert!(exit(&output) == 3 && said(&output).1.contains("larger than 16 MiB"), "{output:?}");
}

#[test]
fn what_cannot_be_imported_leaves_no_journal_behind() {
    let state = tempfile::tempdir().unwrap();
    let (text, dir) = (state.path().join("text"), state.path().join("state"));
    for bytes in ["", "no journal\n", "{\"run\":"] {
        fs::write(&text, bytes).unwrap();
        let output = hamn(&dir, &["journal", "import", text.to_str().unwrap()]);
        assert_eq!(exit(&output), 3, "{bytes:?}: {output:?}");
        assert!(!dir.exists(), "{bytes:?}");
    }
}

#[test]
fn commands_that_only_look_leave_nothing_behind() {
    let state = tempfile::tempdir().unwrap();
    let dir = state.path().join("state");
    for arguments in [
        &["plan", "failover", "--target", "mn-b"][..],
        &["plan", "switchover", "--target", "mn-b", "--scripts"],
        &["plan", "failover", "--target", "mn-b", "--json"],
        &["journal", "list"],
        &["workflow", "list"],
        &["workflow", "show", "failover"],
        &["config", "show"],
    ] {
        let output = hamn(&dir, arguments);
        assert_eq!(exit(&output), 0, "{arguments:?}: {output:?}");
        assert!(!output.stdout.is_empty(), "{arguments:?}");
        assert!(!dir.exists(), "{arguments:?} made {}", dir.display());
    }
    let show = hamn(&dir, &["journal", "show"]);
    assert_eq!(exit(&show), 3, "{show:?}");
    assert!(!dir.exists());
}

#[test]
fn a_plan_marks_the_pivot_and_names_every_command() {
    let state = tempfile::tempdir().unwrap();
    let (text, _) = said(&hamn(state.path(), &["plan", "failover", "--target", "mn-b"]));
    assert_eq!(text.matches("PIVOT").count(), 1, "{text}");
    let pivot = text.find("PIVOT").unwrap();
    let at = |words: &str| text.find(words).unwrap_or_else(|| panic!("no {words:?} in\n{text}"));
    assert!(at("fence_ipmilan") < pivot, "fencing comes before the pivot");
    assert!(at("pg_promote") > pivot, "promotion is the pivot");
    assert!(text.contains("arping"), "{text}");
    assert!(text.contains("first line of /etc/hamn/bmc-a.password"), "a secret is named by its file");
    // Shell helpers stand with their names; their texts come once, at the end, or in place where that is asked for.
    let helper = "ps -e -o args= | grep -c -E '^(xcatd: ";
    assert!(text.matches("xcatd-processes").count() > 2 && text.matches(helper).count() == 1, "{text}");
    let (every_word, _) = said(&hamn(state.path(), &["plan", "failover", "--target", "mn-b", "--verbose"]));
    assert!(every_word.contains("sh -c 'ps -e -o args= | grep -c -E '\\''^(xcatd: "), "{every_word}");

    let (json, _) = said(&hamn(state.path(), &["plan", "failover", "--target", "mn-b", "--json"]));
    let plan: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(plan["target"], "mn-b");
    let pivots = plan["transitions"].as_array().unwrap().iter().filter(|t| t["kind"] == "Pivot").count();
    assert_eq!(pivots, 1);
    let (again, _) = said(&hamn(state.path(), &["plan", "failover", "--target", "mn-b", "--json"]));
    assert_eq!(json, again, "a plan of the same facts is the same to the byte");
    let (other, _) = said(&hamn(state.path(), &["plan", "failover", "--target", "mn-a", "--json"]));
    let other: serde_json::Value = serde_json::from_str(&other).unwrap();
    assert_ne!(plan["id"], other["id"]);
}

#[test]
fn t1_t47_a_plan_for_db2_has_the_commands_of_the_procedure_with_their_sections() {
    let state = tempfile::tempdir().unwrap();
    let config = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/hamn-db2.toml");
    let plan = |workflow: &str| {
        let (text, _) = said(&hamn(state.path(), &["--config", config, "plan", workflow, "--target", "mn-b"]));
        assert!(!text.contains("USING cluster") && !text.contains("USER xcatdb"), "{workflow} shows a password");
        text
    };
    let failover = plan("failover");
    let mut rest = failover.as_str();
    for words in [
        "procedure 8.0 step 2",
        "TAKEOVER HADR ON DATABASE XCATDB BY FORCE",
        "procedure 8.0 step 3",
        "procedure 8.0 step 4",
        "/usr/sbin/mktcpip -h aixmn1 -a 9.114.47.103",
        "procedure 8.0 step 5",
        "db2gcf -u -p 0 -i xcatdb",
        "procedure 8.0 step 6",
        "procedure 8.0 step 7",
    ] {
        let at = rest.find(words).unwrap_or_else(|| panic!("no {words:?} after what comes before it in\n{failover}"));
        rest = &rest[at..];
    }
    assert!(plan("drill").contains("procedure 5.1.9"), "the drill is the test of section 5.1.9");
}

#[test]
fn a_plan_without_a_target_on_a_third_machine_is_refused() {
    let state = tempfile::tempdir().unwrap();
    let output = hamn(state.path(), &["plan", "failover"]);
    assert_eq!(exit(&output), 3, "{output:?}");
    assert!(said(&output).1.contains("--target mn-a or --target mn-b"), "{output:?}");
    let output = hamn(state.path(), &["plan", "failover", "--target", "aixmn1"]);
    assert_eq!(exit(&output), 3, "a host name is no machine: {output:?}");
}

#[test]
fn with_db2_the_way_back_is_a_run_and_no_guide() {
    let state = tempfile::tempdir().unwrap();
    let db2 = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/hamn-db2.toml");
    let output = hamn(state.path(), &["guide", "--config", db2]);
    assert_eq!(exit(&output), 3, "{output:?}");
    assert!(said(&output).1.contains("hamn run failback"), "{output:?}");
    let output = hamn(state.path(), &["plan", "failback"]);
    assert!(exit(&output) == 2 && said(&output).1.contains("hamn guide"), "{output:?}");
}

#[test]
fn completions_and_manual_are_made_for_every_subcommand() {
    let state = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish"] {
        let output = hamn(state.path(), &["completions", shell]);
        assert_eq!(exit(&output), 0);
        let (script, _) = said(&output);
        assert!(script.contains("journal") && script.contains("switchover") | script.contains("resume"), "{shell}");
        if shell == "bash" {
            let path = state.path().join("hamn.bash");
            fs::write(&path, &script).unwrap();
            let check = Command::new("bash").arg("-n").arg(&path).output().unwrap();
            assert!(check.status.success(), "{}", String::from_utf8_lossy(&check.stderr));
        }
    }
    let dir = state.path().join("man");
    assert_eq!(exit(&hamn(state.path(), &["man", "--out", dir.to_str().unwrap()])), 0);
    let mut root = Cli::command();
    root.build();
    for sub in root.get_subcommands().filter(|c| !c.is_hide_set()) {
        let page = fs::read_to_string(dir.join(format!("hamn-{}.1", sub.get_name()))).unwrap();
        assert!(page.contains(".TH"), "{}", sub.get_name());
    }
    assert!(!dir.join("hamn-standin.1").exists(), "what is hidden has no page");
    assert_eq!(exit(&hamn(state.path(), &["man", "journal-verify"])), 0);
    assert_eq!(exit(&hamn(state.path(), &["man", "nonsense"])), 2);
}

/// Puts a run into the journal of a state folder; the store, which holds the lock.
fn keep(told: &Story, state: &Path) -> GuardedStore {
    let holder = Holder { operator: alice(), purpose: "run 0190 (failover)".into(), since: UnixMillis(START) };
    let store = GuardedStore::open(&StateDir::new(state), &holder).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    for record in &told.records {
        runtime.block_on(store.commit(record)).unwrap();
    }
    store
}

#[test]
fn a_run_can_be_listed_shown_and_exported() {
    let state = tempfile::tempdir().unwrap();
    drop(keep(&told_to_the_pivot(), state.path()));
    let (list, _) = said(&hamn(state.path(), &["journal", "list"]));
    assert!(list.contains(&RUN.to_string()) && list.contains("UNFINISHED in Fenced"), "{list}");
    let (json, _) = said(&hamn(state.path(), &["journal", "list", "--json"]));
    let line: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&line["workflow"], &line["live"]), (&"failover".into(), &false.into()));

    let (story, _) = said(&hamn(state.path(), &["journal", "show"]));
    assert!(story.contains("may or may not have happened"), "{story}");
    let (by_end, _) = said(&hamn(state.path(), &["journal", "show", "9abc"]));
    assert_eq!(story, by_end);
    assert_eq!(exit(&hamn(state.path(), &["journal", "show", "ffff"])), 3);

    let file = state.path().join("run.jsonl");
    let path = file.to_str().unwrap();
    assert_eq!(exit(&hamn(state.path(), &["journal", "export", "-o", path])), 0);
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_ne!(exit(&hamn(state.path(), &["journal", "export", "-o", path])), 0, "an export is not overwritten");
    let (shown, _) = said(&hamn(state.path(), &["journal", "show", "--json"]));
    assert_eq!(fs::read_to_string(&file).unwrap(), shown);
}

#[test]
fn a_journal_that_is_held_says_by_whom() {
    let state = tempfile::tempdir().unwrap();
    let file = state.path().join("run.jsonl");
    drop(keep(&told_to_the_pivot(), state.path()));
    assert_eq!(exit(&hamn(state.path(), &["journal", "export", "-o", file.to_str().unwrap()])), 0);
    let holder = Holder { operator: alice(), purpose: "run 0190 (failover)".into(), since: UnixMillis(START) };
    let store = GuardedStore::open(&StateDir::new(state.path()), &holder).unwrap();
    for command in [&["journal", "verify"][..], &["journal", "show"], &["journal", "import", file.to_str().unwrap()]] {
        let output = hamn(state.path(), command);
        assert_eq!(exit(&output), 3, "{command:?}: {output:?}");
        let (_, error) = said(&output);
        assert!(error.contains("alice on admin for run 0190 (failover)"), "{command:?}: {error}");
    }
    drop(store);
    assert_eq!(exit(&hamn(state.path(), &["journal", "verify"])), 0);
}

#[test]
fn verify_tells_damage_from_a_sound_journal_and_changes_nothing() {
    let state = tempfile::tempdir().unwrap();
    drop(keep(&told_to_the_pivot(), state.path()));
    let (sound, _) = said(&hamn(state.path(), &["journal", "verify"]));
    assert!(sound.contains(" sound"), "{sound}");
    let mirror = StateDir::new(state.path()).mirror();
    let mut bytes = fs::read(&mirror).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&mirror, &bytes).unwrap();
    let output = hamn(state.path(), &["journal", "verify"]);
    assert_eq!(exit(&output), 1, "{output:?}");
    assert!(said(&output).1.contains("repair it from the other copy"), "{output:?}");
    assert_eq!(fs::read(&mirror).unwrap(), bytes, "verify wrote");
    let list = hamn(state.path(), &["journal", "list"]);
    assert_eq!(exit(&list), 0);
    assert!(said(&list).1.contains("journal: "), "what opening repaired is told: {list:?}");
    assert_eq!(exit(&hamn(state.path(), &["journal", "verify"])), 0, "repaired from the other copy");
}

/// What cannot be looked at, mostly because somebody is not root, is not an empty journal.
#[test]
fn a_journal_that_cannot_be_seen_is_not_told_to_be_empty() {
    let state = tempfile::NamedTempFile::new().unwrap();
    for command in [&["status"][..], &["journal", "list"], &["resume"], &["attach"]] {
        let output = hamn(state.path(), command);
        assert!(exit(&output) != 0 && exit(&output) != 4, "{command:?}: {output:?}");
        let (out, err) = said(&output);
        assert!(!out.contains("No run") && !err.contains("no run is unfinished"), "{command:?}: {output:?}");
        assert!(err.contains("next:"), "{command:?}: {output:?}");
    }
}

#[test]
fn a_run_is_taken_over_from_the_copy_that_another_machine_sent() {
    let [theirs, ours] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let story = told_to_the_pivot();
    drop(keep(&story, theirs.path()));
    // A copy is the frames, one after the other, in copies/NODE/RUN.frames.
    let copy = StateDir::new(ours.path()).copy("admin", RUN);
    fs::create_dir_all(copy.parent().unwrap()).unwrap();
    fs::copy(StateDir::new(theirs.path()).mirror(), &copy).unwrap();
    // Whoever comes to this machine because the other is gone is told.
    let told = || said(&hamn(ours.path(), &["status"])).0.contains("hamn journal import");
    assert!(told());
    let output = hamn(ours.path(), &["journal", "import"]);
    assert_eq!(exit(&output), 0, "{output:?}");
    assert!(!told(), "it is our own now");
    assert!(said(&output).0.contains(&format!("hamn resume {RUN}")), "{output:?}");
    let (jsonl, _) = said(&hamn(ours.path(), &["journal", "show", "--json"]));
    assert_eq!(jsonl.lines().count(), story.records.len() + 1, "its records, and who took it over");
    assert!(jsonl.lines().last().unwrap().contains("Imported"), "{jsonl}");
    assert_eq!(exit(&hamn(ours.path(), &["journal", "import"])), 0, "once more adds nothing");
    let (again, _) = said(&hamn(ours.path(), &["journal", "show", "--json"]));
    assert_eq!(again, jsonl);
    let nothing = tempfile::tempdir().unwrap();
    let none = hamn(nothing.path(), &["journal", "import", "/dev/null"]);
    assert_eq!(exit(&none), 3, "{none:?}");
}

#[test]
fn a_run_that_has_ended_is_imported_unchanged() {
    let [theirs, ours] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let mut story = told_to_the_pivot();
    story
        .done(10, "promote.database", "primary", vec![])
        .say(1, Payload::Entered { state: "Promoted".into() })
        .say(1, Payload::Finished { end: End::Done, summary: "mn-b is in service".into() });
    drop(keep(&story, theirs.path()));
    let mirror = StateDir::new(theirs.path()).mirror();
    assert_eq!(exit(&hamn(ours.path(), &["journal", "import", mirror.to_str().unwrap()])), 0);
    let (jsonl, _) = said(&hamn(ours.path(), &["journal", "show", "--json"]));
    let records: Vec<_> = jsonl.lines().map(|l| journal_schema::Record::from_json(l).unwrap()).collect();
    assert_eq!(records, story.records);
    assert!(RunState::fold(&records).unwrap().end.is_some());
}
