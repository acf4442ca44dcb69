//! What can a person ask the program to do?
//!
//! One command a file; the only floor that prints, reads the environment or decides on exit codes. Read `exit`, `config`
//! and `output` first; each command then is a few steps over the floors below.

mod analyze;
mod anomalies;
mod completions;
mod config;
mod db;
mod detect;
mod detections;
mod detectors;
mod env;
mod exit;
mod export;
mod extract;
mod flows;
mod follow;
mod hosts;
mod ingest;
mod init;
mod intel;
#[cfg(feature = "live")]
mod interfaces;
mod interrupt;
#[cfg_attr(not(feature = "live"), allow(dead_code))]
mod log;
mod man;
#[cfg(feature = "live")]
mod monitor;
mod output;
mod page;
mod pager;
mod paths;
mod plan;
mod progress;
mod query;
mod report;
#[cfg_attr(not(feature = "live"), allow(dead_code))]
mod running;
mod save;
mod schema;
mod scope;
mod status;
mod stop;
mod summary;

use exit::Exit;

use anyhow::Result;
use clap::{CommandFactory, Parser, Subcommand};
use config::Settings;
use env::Env;
use exit::UsageError;
use std::path::PathBuf;
use std::process::ExitCode;

/// Shown at the end of `--help`.
const AFTER_HELP: &str = "\
Begin with:
  secnetmon ingest capture.pcapng        read a capture
  sudo secnetmon monitor -i eth0         watch a network that you are authorised to monitor
  secnetmon anomalies                    what was found, most urgent first
  secnetmon report -o report.html        all of it on one page, to read or to hand on
  secnetmon query top_talkers            ask a saved question (query --list shows all)
  secnetmon query -e 'FROM flows'        ask anything in SQL (schema shows tables and columns)

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 done but the input was damaged,
4 something at or above --fail-on was found, 130 stopped by the user.";

/// Turns packet captures into flows, records and explained findings in a database that answers SQL.
#[derive(Parser, Debug)]
#[command(name = "secnetmon", version, after_help = AFTER_HELP, propagate_version = true)]
#[command(subcommand_required = true, arg_required_else_help = true, max_term_width = 100)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// What every command takes.
#[derive(clap::Args, Clone, Debug, Default)]
struct Global {
    /// Database file [default: $SECNETMON_DB, else secnetmon.duckdb in the data folder]
    #[arg(long, global = true, value_name = "PATH", help_heading = "Everywhere")]
    db: Option<PathBuf>,
    /// Configuration file [default: $SECNETMON_CONFIG, else secnetmon.toml in the config folder]
    #[arg(long, global = true, value_name = "PATH", help_heading = "Everywhere")]
    config: Option<PathBuf>,
    /// Set any setting of the configuration, such as query.max_rows=1000
    #[arg(long = "set", global = true, value_name = "KEY=VALUE", help_heading = "Everywhere")]
    set: Vec<String>,
    /// Do not show long answers through $PAGER
    #[arg(long, global = true, help_heading = "Everywhere")]
    no_pager: bool,
}

#[derive(Subcommand, Debug)]
enum Command {
    Init(init::Args),
    Ingest(ingest::Args),
    #[cfg(feature = "live")]
    Monitor(monitor::Args),
    Status(status::Args),
    Stop(stop::Args),
    #[cfg(feature = "live")]
    Interfaces(interfaces::Args),
    Query(query::Args),
    Analyze(analyze::Args),
    Report(report::Args),
    Flows(flows::Args),
    Extract(extract::Args),
    Hosts(hosts::Args),
    Anomalies(anomalies::Args),
    Detectors(detectors::Args),
    Detect(detect::Args),
    Intel(intel::Args),
    Export(export::Args),
    Schema(schema::Args),
    Db(db::Args),
    Completions(completions::Args),
    Man(man::Args),
}

impl Command {
    /// Is its answer something to read, and may it be long?
    fn is_read(&self) -> bool {
        matches!(
            self,
            Self::Query(_)
                | Self::Analyze(_)
                | Self::Flows(_)
                | Self::Hosts(_)
                | Self::Anomalies(_)
                | Self::Detectors(_)
                | Self::Schema(_)
        )
    }
}

/// What a command works with.
#[derive(Debug)]
struct Context {
    env: Env,
    global: Global,
    settings: Settings,
}

impl Context {
    fn new(global: Global) -> Result<Self> {
        Self::with(global, Env::of_process())
    }

    fn with(global: Global, env: Env) -> Result<Self> {
        let file = global.config.clone().or_else(|| paths::config_to_read(&env));
        let (settings, warnings) =
            config::load(file.as_deref(), &env, &global.set).map_err(|e| exit::usage(e.to_string()))?;
        for warning in warnings {
            output::complain(&warning);
        }
        Ok(Self { env, global, settings })
    }

    /// The database that is written.
    fn database(&self) -> PathBuf {
        self.global.db.clone().unwrap_or_else(|| paths::database(&self.env))
    }

    /// The database that is read.
    fn database_to_read(&self) -> PathBuf {
        self.global.db.clone().unwrap_or_else(|| paths::database_to_read(&self.env))
    }

    fn reader(&self) -> Result<crate::store::Reader> {
        Ok(crate::store::Reader::open(&self.database_to_read(), &self.settings.store.reading(), &[])?)
    }
}

/// The whole program.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(e) => {
            // Help and version go to stdout and are no error; a closed pipe is nobody's fault.
            let _ = e.print();
            return if e.use_stderr() { Exit::Usage } else { Exit::Done }.into();
        }
    };
    let paged = cli.command.is_read() && !cli.global.no_pager;
    let pager = paged.then(|| pager::Pager::start(&Env::of_process())).flatten();
    let exit = match run(cli) {
        Ok(exit) => exit,
        Err(e) if output::is_closed_pipe(&e) => Exit::Done,
        Err(e) => {
            output::complain(&format!("{e:#}"));
            if e.is::<UsageError>() { Exit::Usage } else { Exit::Failed }
        }
    };
    if let Some(pager) = pager {
        pager.finish();
    }
    exit.into()
}

fn run(cli: Cli) -> Result<Exit> {
    let Cli { global, command } = cli;
    match command {
        // These two need no configuration, and must work beside a broken one.
        Command::Completions(args) => completions::run(&args, &mut Cli::command()),
        Command::Man(args) => man::run(&args, Cli::command()),
        Command::Init(args) => init::run(&args, global),
        Command::Ingest(args) => ingest::run(&args, &Context::new(global)?),
        #[cfg(feature = "live")]
        Command::Monitor(args) => monitor::run(&args, global),
        Command::Status(args) => status::run(&args, &Context::new(global)?),
        Command::Stop(args) => stop::run(&args, &Context::new(global)?),
        #[cfg(feature = "live")]
        Command::Interfaces(args) => interfaces::run(&args),
        Command::Query(args) => query::run(&args, &Context::new(global)?),
        Command::Analyze(args) => analyze::run(&args, &Context::new(global)?),
        Command::Report(args) => report::run(&args, &Context::new(global)?),
        Command::Extract(args) => extract::run(&args, &Context::new(global)?),
        Command::Flows(args) => flows::run(&args, &Context::new(global)?),
        Command::Hosts(args) => hosts::run(&args, &Context::new(global)?),
        Command::Anomalies(args) => anomalies::run(&args, &Context::new(global)?),
        Command::Detectors(args) => detectors::run(&args, &Context::new(global)?),
        Command::Detect(args) => detect::run(&args, &Context::new(global)?),
        Command::Intel(args) => intel::run(&args, &Context::new(global)?),
        Command::Export(args) => export::run(&args, &Context::new(global)?),
        Command::Schema(args) => schema::run(&args, &Context::new(global)?),
        Command::Db(args) => db::run(&args, &Context::new(global)?),
    }
}

/// Let other commands ask the database while this one has it. Without that, they hear that it is in use.
fn serve(store: &mut crate::store::Store) {
    if let Err(e) = store.serve() {
        output::complain(&format!("other commands cannot ask the database meanwhile: {e}"));
    }
}

/// Database, log and temporary files are for their owner alone: DuckDB itself would make them readable to all.
fn private_files() {
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_and_option_explains_itself() {
        fn walk(command: &clap::Command) {
            let name = command.get_name();
            assert!(command.get_about().is_some(), "{name} has no sentence");
            for arg in command.get_arguments() {
                assert!(
                    arg.get_help().is_some() || arg.is_hide_set(),
                    "{name} {} has no sentence",
                    arg.get_id()
                );
            }
            command.get_subcommands().for_each(walk);
        }
        walk(&Cli::command());
    }
}
