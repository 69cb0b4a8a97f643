//! `hamn lab up|down|exec|power|cable|status`: a practice cluster of real hosts on this machine.

use std::{
    env,
    io::Write,
    os::unix::process::CommandExt,
    path::PathBuf,
    process::Command,
    time::{Duration, Instant},
};

use clap::{Args, Subcommand, ValueEnum};
use lab::hosts::{self, Lab, LabError, LabErrorKind, Line, Machine, Options, Plug, Power, PowerAction};
use serde_json::json;

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
    Up {
        /// Commits on the primary wait for the standby
        #[arg(long)]
        synchronous: bool,
    },
    /// Removes the hosts and everything that belongs to them
    Down,
    /// Runs a command on a host; without one: a shell
    Exec {
        /// mn1, mn2, admin, cn01, sn1
        machine: String,
        /// Command and arguments
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        command: Vec<String>,
        /// Seconds after which it is killed
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
    let open = || Lab::open(&args.dir);
    match &args.command {
        LabCommand::Up { synchronous } => up(args, *synchronous),
        LabCommand::Down => {
            hosts::preflight()?;
            Lab::clean(&args.dir)?;
            out::line("the practice cluster is removed")?;
            Ok(Exit::Done)
        }
        LabCommand::Exec { machine, command, .. } if command.is_empty() => shell(&open()?, machine.parse()?),
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

fn up(args: &LabArgs, synchronous: bool) -> Outcome {
    let began = Instant::now();
    let program =
        env::current_exe().map_err(|e| Trouble::failure("hamn cannot find its own program").detail(e.to_string()))?;
    let lab = Lab::up(&Options { dir: args.dir.clone(), synchronous, ..Options::new(program) })?;
    let config = Config {
        pair: hosts::config(&lab),
        local: Local {
            state_dir: config::DEFAULT_STATE_DIR.into(),
            identity_file: None,
            connect_timeout_s: 3,
            patience_s: 900,
        },
    };
    for machine in [Machine::Mn1, Machine::Mn2, Machine::Admin] {
        let written = lab.exec_with(machine, Duration::from_secs(20), &WRITE, &config.to_toml())?;
        if !written.ok() {
            return Err(Trouble::failure(format!("{machine} did not take its configuration"))
                .detail(written.stderr)
                .next("hamn lab down, then hamn lab up"));
        }
    }
    let took = duration(began.elapsed().as_millis() as u64);
    out::line(&format!("the practice cluster is up after {took}, in {}", lab.dir().display()))?;
    out::print(
        "\n  hamn lab status                                      hosts, addresses, cables\n\
           \x20 hamn lab exec admin hamn plan failover --target mn2  what would be done\n\
           \x20 hamn lab power mn1 off                               the primary dies\n\
           \x20 hamn lab exec admin                                  a shell there; then: hamn run failover --target mn2\n\
           \x20 hamn lab down                                        remove everything\n",
    )?;
    Ok(Exit::Done)
}

fn shell(lab: &Lab, machine: Machine) -> Outcome {
    let argv = lab.shell_argv(machine)?;
    // Returns only when it could not be started.
    let error = Command::new(&argv[0]).args(&argv[1..]).exec();
    Err(Trouble::failure(format!("no shell on {machine}")).detail(format!("{}: {error}", argv.join(" "))))
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
