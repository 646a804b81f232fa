//! `with-apache COMMAND...` runs a command with a name server and a broker of Apache 5.5.0, whose address it
//! finds in `FERROMQ_APACHE`: for the scenarios of languages whose tests are run by tools of their own. Ends
//! as the command does; without Java or Maven it says what is missing instead, as tests here do.

use ferromq_interop::{Cluster, Problem, ServerKind, skip};
use std::process::{Command, ExitCode};

fn run(command: &[String]) -> Result<(), Problem> {
    let [program, arguments @ ..] = command else {
        return Err(Problem::Wrong("usage: with-apache COMMAND...".to_owned()));
    };
    let cluster = Cluster::start(ServerKind::Apache55)?;
    let status = Command::new(program)
        .args(arguments)
        .env("FERROMQ_APACHE", &cluster.namesrv)
        .status()
        .map_err(Problem::io(format!("running {program}")))?;
    match status.success() {
        true => Ok(()),
        false => Err(Problem::Wrong(format!("{program} ends with {status}\n{}", cluster.tails()))),
    }
}

fn main() -> ExitCode {
    let command: Vec<String> = std::env::args().skip(1).collect();
    let what = format!("against Apache's servers: {}", command.join(" "));
    match skip::unless_missing(&what, run(&command)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("with-apache: {problem}");
            ExitCode::FAILURE
        }
    }
}
