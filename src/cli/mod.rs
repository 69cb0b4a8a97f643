//! The command line: one file per subcommand. Only here is anything printed.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Args, Parser, Subcommand};

use crate::config::{self, Config};

mod abandon;
mod attach;
mod completions;
mod config_cmd;
mod consent;
mod demo;
mod error;
mod exit;
mod follow;
mod guide;
mod journal;
mod lab;
mod man;
pub mod out;
mod plan;
mod progress;
mod reading;
mod records;
mod resume;
mod rollback;
mod run;
mod runner;
mod settle;
mod standin;
mod status;
mod stop;
mod target;
mod view;
pub mod who;
mod workflow;

pub use error::Trouble;
pub use exit::Exit;
pub use reading::{Reading, select};

/// What a subcommand gives: how it ended, or three lines.
pub type Outcome = Result<Exit, Trouble>;

const AFTER_HELP: &str = "\
Exit codes: 0 done; 1 failure of hamn itself; 2 wrong command line; 3 refused, nothing was changed;
4 changed but unfinished (the command to type next is printed); 5 unknown whether something was changed.

At 3 a.m.:  hamn plan failover      what would be done, without doing it
            hamn run failover       shows the facts, asks, then does it
            hamn attach             what a run is doing now
            hamn resume             go on after an interruption";

/// The whole command line.
#[derive(Debug, Parser)]
#[command(
    name = "hamn",
    version,
    about = "Sets up, guards, fails over and fails back the pair of management nodes of an xCAT cluster",
    after_help = AFTER_HELP,
    disable_help_subcommand = true,
    max_term_width = 100
)]
pub struct Cli {
    /// Options of every subcommand.
    #[command(flatten)]
    pub globals: Globals,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Options that every subcommand takes.
#[derive(Debug, Clone, Default, Args)]
pub struct Globals {
    /// Configuration file [default: /etc/hamn/hamn.toml]
    #[arg(long, global = true, value_name = "FILE", env = "HAMN_CONFIG", hide_env_values = true)]
    pub config: Option<PathBuf>,
    /// Folder of the journal on this machine [default: `state_dir` of the configuration, /var/lib/hamn]
    #[arg(long, global = true, value_name = "DIR", env = "HAMN_STATE_DIR", hide_env_values = true)]
    pub state_dir: Option<PathBuf>,
    /// Output for programs: JSON, one object a line; errors too
    #[arg(long, global = true)]
    pub json: bool,
    /// Say more on standard error; twice: even more
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

impl Globals {
    /// Where the configuration is read from.
    pub fn config_path(&self) -> PathBuf {
        self.config.clone().unwrap_or_else(|| PathBuf::from(config::DEFAULT_PATH))
    }

    /// Reads and validates the configuration; `--state-dir` overrides its `state_dir`.
    pub fn load(&self) -> Result<Config, Trouble> {
        let mut config = config::load(&self.config_path())?;
        if let Some(dir) = &self.state_dir {
            config.local.state_dir.clone_from(dir);
        }
        Ok(config)
    }

    /// Folder of the journal, for commands that must work without a (valid) configuration.
    pub fn state_dir(&self) -> PathBuf {
        self.state_dir
            .clone()
            .or_else(|| config::load(&self.config_path()).ok().map(|c| c.local.state_dir))
            .unwrap_or_else(|| Path::new(config::DEFAULT_STATE_DIR).to_owned())
    }
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Checks or shows the configuration
    Config(config_cmd::ConfigArgs),
    /// Shows what a workflow would do: states, steps, exact scripts; changes nothing
    Plan(plan::PlanArgs),
    /// Starts a run: shows the facts, asks for consent, then does it in the background and follows it
    Run(run::RunArgs),
    /// Follows the run that is going on and answers its questions; Ctrl-C detaches
    Attach(attach::AttachArgs),
    /// Stops the run that is going on between two steps; it can be resumed
    Stop(stop::StopArgs),
    /// Shows what is going on, the runs, their open items, the copies of the journal
    Status(status::StatusArgs),
    /// Goes on with an interrupted run from its last committed step; shows first what it will do
    Resume(resume::ResumeArgs),
    /// Undoes an interrupted run, step by step, as long as the pivot is not passed
    Rollback(rollback::RollbackArgs),
    /// Gives a run up where it stands; what is left to do by hand is listed
    Abandon(abandon::AbandonArgs),
    /// Says that an open item is no longer so: who, why, in the journal
    Settle(settle::SettleArgs),
    /// Prints how the other machine is made a standby again by hand (PostgreSQL), in the words of this pair
    Guide(guide::GuideArgs),
    /// Lists, shows, verifies, exports or imports the journal of runs
    Journal(journal::JournalArgs),
    /// Lists the workflows or shows one as text or diagram
    Workflow(workflow::WorkflowArgs),
    /// Shows a simulated failover that is killed in the middle and resumed; needs no root and no cluster
    Demo(demo::DemoArgs),
    /// Runs a practice cluster of real hosts in network namespaces on this machine (root)
    Lab(lab::LabArgs),
    /// Prints a completion script for a shell
    Completions(completions::CompletionsArgs),
    /// Prints the manual page, or writes all of them into a folder
    Man(man::ManArgs),
    /// The process behind a run
    #[command(hide = true)]
    Runner(runner::RunnerArgs),
    /// Plays a program of the practice cluster
    #[command(hide = true)]
    Standin(standin::StandinArgs),
}

/// Parses the command line, calls the subcommand, gives the exit code.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return wrong_line(&error).into(),
    };
    start_log(cli.globals.verbose);
    let json = cli.globals.json;
    match call(cli) {
        Ok(exit) => exit.into(),
        Err(trouble) => {
            out::trouble(&trouble, json);
            trouble.exit.into()
        }
    }
}

/// Help, version, or what is wrong with the command line; for programs as every other error.
fn wrong_line(error: &clap::Error) -> Exit {
    if error.use_stderr() && std::env::args_os().any(|word| word == "--json") {
        let text = error.render().to_string();
        let (first, rest) = text.split_once('\n').unwrap_or((text.as_str(), ""));
        let what = first.trim_start_matches("error: ");
        out::trouble(&Trouble::new(Exit::Usage, what).detail(rest.trim()).next("hamn --help"), true);
        return Exit::Usage;
    }
    match (error.print(), error.use_stderr()) {
        (_, true) => Exit::Usage,
        (Ok(()), false) => Exit::Done,
        (Err(_), false) => Exit::Failure,
    }
}

fn call(cli: Cli) -> Outcome {
    let globals = cli.globals;
    if !matches!(cli.command, Command::Lab(_) | Command::Standin(_) | Command::Man(_)) {
        // Whatever hamn writes is its owner's. Practice hosts and manual pages are for all users.
        rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    }
    match cli.command {
        Command::Config(args) => config_cmd::call(&globals, &args),
        Command::Plan(args) => plan::call(&globals, &args),
        Command::Run(args) => run::call(&globals, &args),
        Command::Attach(args) => attach::call(&globals, &args),
        Command::Stop(args) => stop::call(&globals, &args),
        Command::Status(args) => status::call(&globals, &args),
        Command::Resume(args) => resume::call(&globals, &args),
        Command::Rollback(args) => rollback::call(&globals, &args),
        Command::Abandon(args) => abandon::call(&globals, &args),
        Command::Settle(args) => settle::call(&globals, &args),
        Command::Guide(args) => guide::call(&globals, &args),
        Command::Journal(args) => journal::call(&globals, &args),
        Command::Workflow(args) => workflow::call(&globals, &args),
        Command::Demo(args) => demo::call(&globals, &args),
        Command::Lab(args) => lab::call(&globals, &args),
        Command::Completions(args) => completions::call(&args),
        Command::Man(args) => man::call(&args),
        Command::Runner(args) => runner::call(&globals, &args),
        Command::Standin(args) => standin::call(&args),
    }
}

/// Runs a future to its end. Subcommands that talk to a node or to a runner call this once.
pub fn block_on<T>(future: impl Future<Output = Result<T, Trouble>>) -> Result<T, Trouble> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|e| Trouble::failure("the program cannot start its threads").detail(e.to_string()))?
        .block_on(future)
}

/// Log on standard error: warnings; `-v` what hamn does; `-vv` details. `HAMN_LOG` takes filters of `tracing`.
fn start_log(verbose: u8) {
    use tracing_subscriber::EnvFilter;
    let level = ["hamn=warn", "hamn=info", "hamn=debug"][usize::from(verbose.min(2))];
    let filter = EnvFilter::try_from_env("HAMN_LOG").unwrap_or_else(|_| EnvFilter::new(level));
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).try_init();
}
