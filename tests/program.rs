//! The program as a whole on a simulated pair: consent, runner process, clients, SIGKILL, stop, resume, rollback, abandon.
//! Real: the processes, the socket, the journal on disk. Simulated: the two machines.

mod terminal;

use std::{
    fs,
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Command, Output, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use hamn::{
    config::{Config, Local},
    runner::Rehearsal,
};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use terminal::Terminal;
use workflows::model::NodeId;

const DEADLINE: Duration = Duration::from_secs(60);

/// A machine with hamn on it, and a simulated pair.
struct Site {
    dir: tempfile::TempDir,
}

impl Site {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let pair = lab::sample::pair();
        let local =
            Local { state_dir: dir.path().join("state"), identity_file: None, connect_timeout_s: 5, patience_s: 60 };
        let config = Config { pair: pair.clone(), local };
        fs::write(dir.path().join("hamn.toml"), config.to_toml()).unwrap();
        Rehearsal::create(&dir.path().join("pair"), &pair, 500).unwrap();
        Self { dir }
    }

    /// With the primary without power.
    fn with_dead_primary() -> Self {
        let site = Self::new();
        site.power_off();
        site
    }

    fn power_off(&self) {
        let pair = self.pair();
        pair.power(NodeId::A, false).unwrap();
        pair.pass(3_000).unwrap();
    }

    fn pair(&self) -> Arc<Rehearsal> {
        Rehearsal::open(&self.scene(), Duration::ZERO, None).unwrap()
    }

    fn scene(&self) -> PathBuf {
        self.dir.path().join("pair")
    }

    fn state(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hamn"));
        command
            .args(words)
            .env("HAMN_CONFIG", self.dir.path().join("hamn.toml"))
            .env_remove("HAMN_STATE_DIR")
            .env("NO_COLOR", "1")
            .stdin(Stdio::null());
        command
    }

    fn hamn(&self, words: &[&str]) -> Said {
        Said::of(self.command(words).output().unwrap())
    }

    /// `hamn run failover` with these words.
    fn run(&self, more: &[&str]) -> Said {
        let scene = self.scene().display().to_string();
        self.hamn(&run_words(&scene, more))
    }

    /// The plan's id by a dry run.
    fn plan(&self) -> String {
        let said = self.run(&["--dry-run"]);
        assert_eq!(said.code, 0, "{said:?}");
        let line = said.out.lines().find_map(|l| l.strip_prefix("Plan ")).expect("the plan's id").to_owned();
        assert_eq!(line.len(), 12);
        line
    }

    /// Starts a failover with consent and does not follow it.
    fn start(&self, more: &[&str]) -> Said {
        let plan = self.plan();
        let said = self.run(&[&["--yes", "--plan", plan.as_str(), "--detach"], more].concat());
        assert_eq!(said.code, 4, "{said:?}");
        said
    }

    fn status(&self) -> Value {
        serde_json::from_str(&self.hamn(&["status", "--json"]).out).unwrap()
    }

    fn runner(&self) -> Option<Pid> {
        let pid = self.status()["runner"]["pid"].as_i64()?;
        Pid::from_raw(i32::try_from(pid).unwrap())
    }

    /// Waits until the scene has a line with all of these words.
    fn until_sent(&self, words: &[&str]) {
        until(|| {
            let text = fs::read_to_string(self.scene()).unwrap();
            text.lines().any(|l| words.iter().all(|w| l.contains(w))).then_some(())
        });
    }

    fn until_gone(&self) {
        until(|| self.status()["runner"].is_null().then_some(()));
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if let Some(pid) = self.runner() {
            let _ = kill_process(pid, Signal::KILL);
        }
    }
}

fn run_words<'a>(scene: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["run", "failover", "--simulated", scene], more].concat()
}

/// What a command said.
#[derive(Debug)]
struct Said {
    code: i32,
    out: String,
    err: String,
}

impl Said {
    fn of(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    #[track_caller]
    fn refused(self, because: &str) -> Self {
        assert_eq!(self.code, 3, "{self:?}");
        assert!(self.err.contains(because), "{self:?}");
        self
    }
}

fn until<T>(look: impl Fn() -> Option<T>) -> T {
    let deadline = Instant::now() + DEADLINE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited for {DEADLINE:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_dry_run_shows_everything_and_writes_nothing() {
    let site = Site::with_dead_primary();
    let said = site.run(&["--dry-run"]);
    assert_eq!(said.code, 0, "{said:?}");
    for part in ["mn-b takes over from mn-a", "To be fenced: mn-a", "pinned to", "Loss: ", "PIVOT", "Plan "] {
        assert!(said.out.contains(part), "{part} in {}", said.out);
    }
    assert!(!site.state().exists(), "a dry run made the state folder");
    assert!(site.pair().world(|w| w.effects().keys().all(|k| !k.starts_with("write") && !k.starts_with("promote"))));
    assert_eq!(site.plan(), site.plan(), "the same facts give the same plan");
}

#[test]
fn without_a_terminal_there_is_no_consent_and_nothing_happens() {
    let site = Site::with_dead_primary();
    let said = site.run(&[]).refused("no consent");
    assert!(said.err.contains("--yes --plan"), "{said:?}");
    assert!(!site.state().exists());
    assert_eq!(site.pair().world(|w| w.effect_count("power-off a")), 0);
}

#[test]
fn t09_a_plan_of_other_facts_is_refused() {
    let site = Site::new();
    let plan = site.plan();
    site.power_off();
    site.run(&["--yes", "--plan", &plan]).refused("the facts are not those of that plan");
    assert_eq!(site.run(&["--yes"]).code, 2, "--yes alone is no consent");
    assert!(!site.state().exists());
    assert_ne!(site.plan(), plan);
}

#[test]
fn t08_a_primary_that_is_alive_is_shown_to_be_and_a_switchover_offered() {
    let said = Site::new().run(&["--dry-run"]);
    assert!(said.out.contains("! mn-a is alive"), "{said:?}");
    assert!(said.out.contains("hamn run switchover"), "{said:?}");
}

#[test]
fn consent_on_the_command_line_runs_to_the_end() {
    let site = Site::with_dead_primary();
    let plan = site.plan();
    let said = site.run(&["--yes", "--plan", &plan]);
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.out.contains("failover is done"), "{said:?}");
    let pair = site.pair();
    assert!(pair.world(|w| w.served()));
    assert_eq!(pair.world(|w| w.effect_count("promote b")), 1);
    assert_eq!(pair.world(|w| w.violations_at_end().len()), 0);
    // What was shown is in the journal, with the words of consent.
    let said = site.hamn(&["journal", "show", "--full"]);
    assert!(said.out.contains("consent"), "{said:?}");
    assert_eq!(site.hamn(&["attach"]).code, 0, "attaching to a run that is over tells its end");
}

#[test]
fn the_name_of_the_machine_must_be_typed_as_it_stands() {
    let site = Site::with_dead_primary();
    let scene = site.scene().display().to_string();
    for (typed, code) in [("yes\n", 3), ("\n", 3), ("MN-A\n", 3), ("mn-a\n", 0)] {
        let mut terminal = Terminal::new(&site.command(&run_words(&scene, &[])));
        terminal.until("type mn-a: ");
        terminal.type_(typed);
        assert_eq!(terminal.wait(), code, "{typed:?}: {}", terminal.seen);
        assert_eq!(site.pair().world(|w| w.effect_count("promote b")), u32::from(code == 0), "{typed:?}");
    }
}

#[test]
fn ctrl_c_detaches_and_the_run_goes_on() {
    let site = Site::with_dead_primary();
    let scene = site.scene().display().to_string();
    let mut terminal = Terminal::new(&site.command(&run_words(&scene, &["--simulated-pace", "50"])));
    terminal.until("type mn-a: ");
    terminal.type_("mn-a\n");
    site.until_sent(&["\"what\":\"run\""]);
    terminal.type_("\x03");
    assert_eq!(terminal.wait(), 4, "{}", terminal.seen);
    assert!(terminal.seen.contains("detached; run "), "{}", terminal.seen);
    assert!(terminal.seen.contains("hamn attach "), "{}", terminal.seen);
    let said = site.hamn(&["attach"]);
    assert_eq!(said.code, 0, "{said:?}");
    assert!(site.pair().world(|w| w.served()));
}

#[test]
fn a_closed_terminal_ends_the_client_and_not_the_run() {
    let site = Site::with_dead_primary();
    let scene = site.scene().display().to_string();
    let mut terminal = Terminal::new(&site.command(&run_words(&scene, &["--simulated-pace", "50"])));
    terminal.until("type mn-a: ");
    terminal.type_("mn-a\n");
    site.until_sent(&["\"what\":\"run\""]);
    drop(terminal);
    site.until_gone();
    assert!(site.pair().world(|w| w.served()));
}

#[test]
fn t09_a_second_run_is_refused_and_told_who_and_since_when() {
    let site = Site::with_dead_primary();
    site.start(&["--simulated-hold", "promote.database"]);
    site.until_sent(&["\"what\":\"run\"", "promote.database"]);
    let status = site.status();
    let run = status["runner"]["run"].as_u64().map(|n| format!("{n:016x}"));
    let run = run.or_else(|| status["runner"]["run"].as_str().map(str::to_owned)).unwrap();
    let said = site.run(&["--dry-run"]).refused("another run is going on");
    assert!(said.err.contains(&run) && said.err.contains("started by") && said.err.contains("hamn attach"), "{said:?}");
    for words in
        [&["resume", "--yes"][..], &["rollback", "--yes", "--reason", "x"], &["abandon", "--yes", "--reason", "x"]]
    {
        assert_eq!(site.hamn(words).code, 3, "{words:?}");
    }
    let said = site.hamn(&["status"]);
    assert!(said.code == 4 && said.out.contains("Disarmed: no scheduled job writes to the new primary"), "{said:?}");
}

#[test]
fn t73_a_killed_runner_leaves_a_run_that_resumes_without_doing_anything_twice() {
    let site = Site::with_dead_primary();
    site.start(&["--simulated-hold", "promote.database"]);
    site.until_sent(&["\"what\":\"run\"", "promote.database"]);
    let mut watcher = site.command(&["attach", "--json"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(watcher.stdout.take().unwrap()).lines();
    let first: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
    assert_eq!(first["event"], "committed");
    kill_process(site.runner().unwrap(), Signal::KILL).unwrap();
    let last: Value = serde_json::from_str(&lines.last().unwrap().unwrap()).unwrap();
    assert_eq!(last["event"], "closing", "{last}");
    assert_eq!(watcher.wait().unwrap().code(), Some(5), "nobody knows whether the promotion took effect");

    assert!(site.state().join("runs/current.sock").symlink_metadata().is_ok(), "SIGKILL leaves the socket behind");
    let said = site.hamn(&["attach"]);
    assert_eq!(said.code, 5, "{said:?}");
    assert!(said.out.contains("hamn resume"), "{said:?}");
    site.run(&["--dry-run"]).refused("another run is unfinished");
    site.hamn(&["rollback", "--yes", "--reason", "x"]).refused("past its pivot");
    site.hamn(&["resume"]).refused("no consent");

    let said = site.hamn(&["resume", "--yes"]);
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.out.contains("was sent to mn-b"), "{said:?}");
    assert_eq!(site.pair().world(|w| w.effect_count("promote b")), 1);
    assert!(site.pair().world(|w| w.served()));
}

#[test]
fn stop_stops_between_steps_and_resume_goes_on() {
    let site = Site::with_dead_primary();
    site.start(&["--simulated-pace", "30"]);
    site.until_sent(&["\"what\":\"run\""]);
    assert_eq!(site.hamn(&["stop"]).code, 0);
    site.until_gone();
    let said = site.hamn(&["attach"]);
    assert_eq!(said.code, 4, "{said:?}");
    assert!(said.out.contains("stopped between two steps"), "{said:?}");
    until(|| site.state().join("runs/current.sock").symlink_metadata().is_err().then_some(()));
    assert_eq!(site.hamn(&["stop"]).code, 3, "there is nothing to stop");
    assert_eq!(site.hamn(&["resume", "--yes"]).code, 0);
    assert!(site.pair().world(|w| w.served()));
}

#[test]
fn signals_stop_the_runner_in_order_and_hanging_up_means_nothing() {
    let site = Site::with_dead_primary();
    site.start(&["--simulated-pace", "30"]);
    let pid = site.runner().unwrap();
    kill_process(pid, Signal::HUP).unwrap();
    site.until_sent(&["\"what\":\"run\""]);
    assert_eq!(site.runner(), Some(pid));
    kill_process(pid, Signal::TERM).unwrap();
    site.until_gone();
    let said = site.hamn(&["journal", "show"]);
    assert!(said.out.contains("hamn resume"), "{said:?}");
    assert_eq!(site.hamn(&["attach"]).code, 4);
    assert_eq!(site.hamn(&["resume", "--yes"]).code, 0);
}

#[test]
fn a_run_stopped_before_its_pivot_is_undone_and_leaves_the_pair_as_it_was() {
    let site = Site::new();
    let before = site.pair().world(|w| w.end_state());
    site.start(&["--simulated-hold", "claim"]);
    site.until_sent(&["\"what\":\"run\"", "claim"]);
    kill_process(site.runner().unwrap(), Signal::KILL).unwrap();
    site.until_gone();
    let said = site.hamn(&["rollback", "--yes", "--reason", "only a test"]);
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.out.contains("What rollback will do"), "{said:?}");
    let after = site.pair().world(|w| w.end_state());
    assert_eq!(after, before);
    assert_eq!(site.run(&["--dry-run"]).code, 0, "the way is free again");
}

#[test]
fn a_run_that_is_given_up_says_what_it_leaves_and_cannot_be_resumed() {
    let site = Site::with_dead_primary();
    site.start(&["--simulated-hold", "promote.database"]);
    site.until_sent(&["\"what\":\"run\"", "promote.database"]);
    kill_process(site.runner().unwrap(), Signal::KILL).unwrap();
    site.until_gone();
    site.hamn(&["abandon", "--reason", "by hand"]).refused("no consent");
    let said = site.hamn(&["abandon", "--yes", "--reason", "by hand"]);
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.out.contains("promote the database") && said.out.contains("claim"), "{said:?}");
    site.hamn(&["resume", "--yes"]).refused("no run is unfinished");
}

/// What a person has put right after a run is said by a person, and is not told for ever.
#[test]
fn t70_an_open_item_is_settled_with_a_reason() {
    let site = Site::with_dead_primary();
    site.start(&[]);
    site.until_gone();
    let status = || site.hamn(&["status"]).out;
    assert!(status().contains("[unprotected]") && status().contains("hamn settle"), "{}", status());
    let why = "mn-a streams again, seen in pg_stat_replication";
    assert_eq!(site.hamn(&["settle", "unprotected"]).code, 2, "not without a reason");
    assert_eq!(site.hamn(&["settle", "unprotected", "--reason", " "]).code, 2);
    let said = site.hamn(&["settle", "protected", "--reason", why]);
    assert!(said.code == 3 && said.err.contains("unprotected (run"), "{said:?}");
    let said = site.hamn(&["settle", "unprotected", "--reason", why]);
    assert!(said.code == 0 && said.out.contains("UNPROTECTED"), "{said:?}");
    assert!(!status().contains("[unprotected]"), "{}", status());
    assert_eq!(site.hamn(&["settle", "unprotected", "--reason", why]).code, 3, "it is settled");
    assert!(site.hamn(&["journal", "show"]).out.contains(why));
    assert_eq!(site.hamn(&["journal", "verify"]).code, 0);
}

/// What must be done by hand after a failover is printed in the words of the pair.
#[test]
fn the_guide_names_the_machines_as_the_run_left_them() {
    let site = Site::with_dead_primary();
    let before = site.hamn(&["guide"]);
    assert!(before.code == 3 && before.err.contains("hamn guide mn-a"), "{before:?}");
    site.start(&[]);
    site.until_gone();
    assert!(site.hamn(&["status"]).out.contains("hamn guide"), "the open item names it");
    let guide = site.hamn(&["guide"]);
    assert!(guide.code == 0 && guide.out.contains("On mn-a, as root, with PostgreSQL stopped"), "{guide:?}");
    assert_eq!(guide.out, site.hamn(&["guide", "mn-b"]).out, "mn-b is in service");
    assert!(site.hamn(&["guide", "mn-a"]).out.contains("On mn-b, as root"));
    assert!(
        guide.out.contains("-h 10.77.0.10") && guide.out.contains("/var/lib/postgresql/15/main.before"),
        "{guide:?}"
    );
    for word in
        ["**", "ADDRESS", "OLD-MACHINE", "IFACE", "DATA-DIRECTORY", "PROGRAMS", "OS-USER", "START-COMMAND", "CLAIM"]
    {
        assert!(!guide.out.contains(word), "{word}: {}", guide.out);
    }
    // A plan contacts nobody and cannot list the lines of a crontab; a dry run does.
    assert!(guide.out.contains("`hamn run failover --target mn-a --dry-run`"), "{guide:?}");
    assert_eq!(site.hamn(&["guide", "mn1"]).code, 3, "a host name is no machine");
}

#[test]
fn the_demonstration_is_done_in_one_command_and_says_that_it_is_simulated() {
    let output = Command::new(env!("CARGO_BIN_EXE_hamn")).args(["demo", "--pace", "1"]).stdin(Stdio::null()).output();
    let said = Said::of(output.unwrap());
    assert_eq!(said.code, 0, "{said:?}");
    for part in
        ["This is a simulation.", "SIGKILL", "hamn resume", "was promoted exactly once", "All of that was simulated"]
    {
        assert!(said.out.contains(part), "{part} in {}", said.out);
    }
    assert!(!said.out.contains("FAILED"));
}
