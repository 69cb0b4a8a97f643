//! `hamn lab up|down|exec|power|cable|status`: a practice cluster of real hosts on this machine.

use std::{
    env,
    io::{IsTerminal, Write},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use clap::{Args, Subcommand, ValueEnum};
use lab::{
    db2::{Knobs, Version},
    hosts::{self, Db2, Ksh, Lab, LabError, LabErrorKind, Line, Machine, Options, Persona, Plug, Power, PowerAction},
};
use serde_json::json;
use workflows::quote::quote;

use super::{Exit, Globals, Outcome, Trouble, out};
use crate::{
    config::{self, Config, Local},
    report::{Table, duration},
};

/// Options of `hamn lab`.
#[derive(Debug, Args)]
pub struct LabArgs {
    /// Folder of the practice cluster
    #[arg(long, global = true, value_name = "DIR", default_value = hosts::DEFAULT_DIR)]
    dir: PathBuf,
    #[command(subcommand)]
    command: LabCommand,
}

#[derive(Debug, Subcommand)]
enum LabCommand {
    /// Makes the hosts mn1, mn2 (the pair), admin, cn01, sn1 and boots them; writes /etc/hamn/hamn.toml on those that may run hamn
    Up(UpArgs),
    /// Removes the hosts and everything that belongs to them
    Down,
    /// Runs a command on a host; without one: a shell
    Exec {
        /// mn1, mn2, admin, cn01, sn1
        machine: String,
        /// Command and arguments
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        command: Vec<String>,
        /// Seconds after which it is killed; at a terminal it is not
        #[arg(long, default_value_t = 120, value_name = "SECONDS")]
        limit: u64,
    },
    /// Switches a host as its BMC does: off kills everything on it at once
    Power {
        /// mn1, mn2, admin, cn01, sn1
        machine: String,
        /// on, off, status, cycle
        action: String,
    },
    /// Pulls a cable or puts it in again; or makes the line slow or lossy
    Cable {
        /// mn1-eth0 (cluster), mn1-eth1 (management), bmc1, …
        plug: String,
        /// What to do with it
        #[arg(value_enum)]
        what: CableAction,
        /// Delay each way, milliseconds (with: bad)
        #[arg(long, default_value_t = 0, value_name = "MS")]
        delay: u32,
        /// Share of frames lost, percent (with: bad)
        #[arg(long, default_value_t = 0.0, value_name = "PERCENT")]
        loss: f32,
    },
    /// Shows power, names, addresses and cables of every host
    Status,
    /// Removes what killed test runs left behind; whose owner lives stays
    Sweep,
}

#[derive(Debug, Args)]
struct UpArgs {
    /// What the pair plays; an AIX machine gets nothing installed, hamn is on admin
    #[arg(long, value_enum, default_value_t = Play::Linux)]
    persona: Play,
    /// The pair's database [default: postgresql with linux, db2 with aix]
    #[arg(long, value_enum)]
    database: Option<Kind>,
    /// db2: mn1 has a database and mn2 none; `hamn run setup` makes them a pair
    #[arg(long)]
    unformed: bool,
    /// db2: HADR_TIMEOUT, seconds
    #[arg(long, default_value_t = 10, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=600))]
    hadr_timeout: u64,
    /// db2: HADR_PEER_WINDOW, seconds
    #[arg(long, default_value_t = 90, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(0..=3600))]
    peer_window: u64,
    /// db2: its release; up to 9.7 a standby cannot tell how far the clocks are apart once its primary is dead
    #[arg(long, value_enum, default_value_t = Release::V11_5, value_name = "VERSION")]
    db2_version: Release,
    /// postgresql: commits on the primary wait for the standby
    #[arg(long)]
    synchronous: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Play {
    /// Linux
    Linux,
    /// AIX; root's shell is ksh93
    Aix,
    /// AIX; root's shell is mksh, which is nearest to ksh88
    AixMksh,
    /// AIX; one of each
    AixMixed,
}

impl From<Play> for Persona {
    fn from(play: Play) -> Self {
        match play {
            Play::Linux => Self::Linux,
            Play::Aix => Self::Aix([Ksh::Ksh93; 2]),
            Play::AixMksh => Self::Aix([Ksh::Mksh; 2]),
            Play::AixMixed => Self::Aix([Ksh::Ksh93, Ksh::Mksh]),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// PostgreSQL with streaming replication
    Postgresql,
    /// A stand-in for DB2 with HADR
    Db2,
}

/// Releases that the stand-in plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Release {
    #[value(name = "9.7")]
    V9_7,
    #[value(name = "10.1")]
    V10_1,
    #[value(name = "10.5")]
    V10_5,
    #[value(name = "11.1")]
    V11_1,
    #[value(name = "11.5")]
    V11_5,
}

impl From<Release> for Version {
    fn from(release: Release) -> Self {
        match release {
            Release::V9_7 => Self::V9_7,
            Release::V10_1 => Self::V10_1,
            Release::V10_5 => Self::V10_5,
            Release::V11_1 => Self::V11_1,
            Release::V11_5 => Self::V11_5,
        }
    }
}

impl UpArgs {
    /// DB2 if the pair has it.
    fn db2(&self) -> Result<Option<Db2>, Trouble> {
        let usual = if self.persona == Play::Linux { Kind::Postgresql } else { Kind::Db2 };
        let db2 = self.database.unwrap_or(usual) == Kind::Db2;
        let trouble = |what: &str, next: &str| Err(Trouble::new(Exit::Usage, what).next(next));
        if self.unformed && !db2 {
            return trouble("--unformed is for a pair with DB2", "hamn lab up --database db2 --unformed");
        }
        if self.synchronous && db2 {
            return trouble("--synchronous is for a pair with PostgreSQL", "hamn lab up --synchronous");
        }
        let (timeout_s, window_s) = (self.hadr_timeout, self.peer_window);
        let usual = Db2::default();
        let knobs = Knobs { version: self.db2_version.into(), ..usual.knobs.clone() };
        Ok(db2.then_some(Db2 { knobs, formed: !self.unformed, timeout_s, window_s }))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum CableAction {
    /// Put it in
    In,
    /// Pull it
    Out,
    /// Make it slow or lossy: --delay, --loss
    Bad,
    /// Make it good again
    Good,
}

impl From<LabError> for Trouble {
    fn from(error: LabError) -> Self {
        let exit = match error.kind {
            LabErrorKind::Usage => Exit::Usage,
            LabErrorKind::NotRoot
            | LabErrorKind::MissingProgram
            | LabErrorKind::AlreadyUp
            | LabErrorKind::NotUp
            | LabErrorKind::HostDown
            | LabErrorKind::Unsupported => Exit::Refused,
            LabErrorKind::TooLate | LabErrorKind::Failed => Exit::Failure,
        };
        Self::new(exit, error.what).detail(error.detail).next(error.next)
    }
}

pub(super) fn call(globals: &Globals, args: &LabArgs) -> Outcome {
    carry_out(globals, args).map_err(|trouble| Trouble { next: in_folder(&args.dir, &trouble.next), ..trouble })
}

/// A text with commands for the practice cluster, as they are typed for the one in this folder: without it they are about another one.
fn in_folder(dir: &Path, text: &str) -> String {
    if dir == Path::new(hosts::DEFAULT_DIR) {
        return text.to_owned();
    }
    let word = dir.display().to_string();
    text.replace("hamn lab ", &format!("hamn lab --dir {} ", quote(&word).unwrap_or(word)))
}

fn carry_out(globals: &Globals, args: &LabArgs) -> Outcome {
    let open = || Lab::open(&args.dir);
    match &args.command {
        LabCommand::Up(wanted) => up(&args.dir, wanted),
        LabCommand::Down => {
            hosts::preflight()?;
            Lab::clean(&args.dir)?;
            out::line("the practice cluster is removed")?;
            Ok(Exit::Done)
        }
        // Somebody at a terminal sees it at once, may be asked, and may take his time.
        LabCommand::Exec { machine, command, .. } if command.is_empty() || at_terminal() => {
            shell(&open()?, machine.parse()?, command)
        }
        LabCommand::Exec { machine, command, limit } => {
            let output = open()?.exec_within(machine.parse()?, Duration::from_secs(*limit), command)?;
            out::print(&output.stdout)?;
            let _ = std::io::stderr().write_all(output.stderr.as_bytes());
            // Like ssh: the exit code is the command's.
            std::process::exit(output.exit.unwrap_or(255))
        }
        LabCommand::Power { machine, action } => {
            let machine: Machine = machine.parse()?;
            let action: PowerAction = action.parse()?;
            let power = open()?.power(machine, action)?;
            out::line(&format!("{machine} is {}", word(power)))?;
            Ok(Exit::Done)
        }
        LabCommand::Cable { plug, what, delay, loss } => {
            let plug: Plug = plug.parse()?;
            let lab = open()?;
            match what {
                CableAction::In | CableAction::Out => lab.cable(plug, *what == CableAction::In)?,
                CableAction::Good => lab.netem(plug, None)?,
                CableAction::Bad => {
                    lab.netem(plug, Some(Line { delay_ms: *delay, loss_percent: *loss, ..Line::default() }))?;
                }
            }
            out::line(&format!("{plug}: {}", if lab.has_carrier(plug) { "light" } else { "dark" }))?;
            Ok(Exit::Done)
        }
        LabCommand::Status => status(globals, &open()?),
        LabCommand::Sweep => {
            hosts::preflight()?;
            // Each set of tests has a folder of its own there.
            for entry in std::fs::read_dir(hosts::scratch()).into_iter().flatten().flatten() {
                Lab::sweep(&entry.path())?;
            }
            out::line("nothing is left of killed test runs")?;
            Ok(Exit::Done)
        }
    }
}

fn word(power: Power) -> &'static str {
    match power {
        Power::On => "on",
        Power::Off => "off",
    }
}

/// Writes the configuration from standard input.
const WRITE: [&str; 3] = ["sh", "-c", "umask 077; mkdir -p /etc/hamn && cat >/etc/hamn/hamn.toml"];

fn up(dir: &Path, wanted: &UpArgs) -> Outcome {
    let began = Instant::now();
    let program =
        env::current_exe().map_err(|e| Trouble::failure("hamn cannot find its own program").detail(e.to_string()))?;
    let options = Options {
        dir: dir.to_owned(),
        synchronous: wanted.synchronous,
        persona: wanted.persona.into(),
        db2: wanted.db2()?,
        ..Options::new(program)
    };
    let lab = Lab::up(&options)?;
    let config = Config {
        pair: hosts::config(&lab),
        local: Local {
            state_dir: config::DEFAULT_STATE_DIR.into(),
            identity_file: None,
            connect_timeout_s: 3,
            patience_s: 900,
        },
    };
    for machine in lab.operators() {
        let written = lab.exec_with(machine, Duration::from_secs(20), &WRITE, &config.to_toml())?;
        if !written.ok() {
            return Err(Trouble::failure(format!("{machine} did not take its configuration"))
                .detail(written.stderr)
                .next("hamn lab down, then hamn lab up"));
        }
    }
    let took = duration(began.elapsed().as_millis() as u64);
    out::line(&format!("the practice cluster is up after {took}, in {}\n", lab.dir().display()))?;
    let mut hints = Table::new(&[]);
    let mut hint = |command: &str, what: &str| hints.row([format!("  {}", in_folder(dir, command)), what.to_owned()]);
    hint("hamn lab status", "hosts, addresses, cables");
    if let Some(db2) = &options.db2 {
        let ask = format!("db2pd -d {} -hadr", hosts::DB2_DATABASE);
        if db2.formed {
            hint(
                &format!("hamn lab exec mn2 su - {} -c '{ask}'", hosts::DB2_INSTANCE),
                "what the standby says of HADR",
            );
            hint("hamn lab exec admin hamn run sync", "saves what only the primary can tell");
        } else {
            hint("hamn lab exec admin hamn run setup", "makes the two a pair");
        }
    }
    hint("hamn lab exec admin hamn plan failover --target mn2", "what would be done");
    hint("hamn lab power mn1 off", "the primary dies");
    hint("hamn lab exec admin", "a shell there; then: hamn run failover --target mn2");
    hint("hamn lab down", "remove everything");
    out::print(&hints.render(0))?;
    Ok(Exit::Done)
}

fn at_terminal() -> bool {
    std::io::stdin().is_terminal() && std::io::stdout().is_terminal()
}

fn shell(lab: &Lab, machine: Machine, command: &[String]) -> Outcome {
    let argv = lab.shell_argv(machine, command)?;
    // Returns only when it could not be started.
    let error = Command::new(&argv[0]).args(&argv[1..]).exec();
    Err(Trouble::failure(format!("nothing could be started on {machine}"))
        .detail(format!("{}: {error}", argv.join(" "))))
}

fn status(globals: &Globals, lab: &Lab) -> Outcome {
    let machines = lab.status();
    if globals.json {
        for m in &machines {
            let plugged: Vec<&str> = m.plugged.iter().map(|n| n.name()).collect();
            out::json(
                &json!({"machine": m.machine, "power": word(m.power), "alive": m.alive, "host_name": m.host_name,
                "addresses": m.addresses, "plugged": plugged}),
            )?;
        }
        return Ok(Exit::Done);
    }
    let mut table = Table::new(&["HOST", "POWER", "LIVES", "HOST NAME", "CABLES IN", "ADDRESSES"]);
    for m in &machines {
        let plugged: Vec<&str> = m.plugged.iter().map(|n| n.name()).collect();
        table.row([
            m.machine.to_string(),
            word(m.power).into(),
            if m.alive { "yes" } else { "no" }.into(),
            if m.host_name.is_empty() { "-".into() } else { m.host_name.clone() },
            plugged.join(" "),
            m.addresses.join(" "),
        ]);
    }
    out::print(&table.render(0))?;
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_to_type_name_the_folder_that_they_are_about() {
        let text = "Remove what is left: hamn lab down, then hamn lab up.";
        assert_eq!(in_folder(Path::new(hosts::DEFAULT_DIR), text), text);
        let elsewhere = "Remove what is left: hamn lab --dir '/tmp/my lab' down, then hamn lab --dir '/tmp/my lab' up.";
        assert_eq!(in_folder(Path::new("/tmp/my lab"), text), elsewhere);
    }
}
