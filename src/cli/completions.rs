//! `completions`: how does the shell learn our commands?

use super::Exit;
use anyhow::Result;
use clap_complete::Shell;

/// Print the completion script of a shell
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Example: secnetmon completions bash > ~/.local/share/bash-completion/completions/secnetmon"
)]
pub(super) struct Args {
    /// Which shell
    #[arg(value_enum)]
    shell: Shell,
}

pub(super) fn run(args: &Args, command: &mut clap::Command) -> Result<Exit> {
    // Into memory first: the generator panics when stdout is closed.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, command, "secnetmon", &mut script);
    super::output::print(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Done)
}
