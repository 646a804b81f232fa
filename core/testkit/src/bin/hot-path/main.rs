//! Goes one of the paths that every message takes, so and so often: `hot-path NAME COUNT`. What a
//! step costs in instructions is the difference between two counts; `scripts/instructions.sh` counts.

mod broker;
mod client;
mod frames;
mod store;
mod wire;

use std::process::ExitCode;

type Failure = Box<dyn std::error::Error>;

/// Goes a path so and so often.
type Go = fn(usize) -> Result<(), Failure>;

/// Each path, and how it is gone.
const PATHS: &[(&str, Go)] = &[
    ("read-send-json", wire::read_send_json),
    ("read-send-alike", wire::read_send_alike),
    ("read-send-binary", wire::read_send_binary),
    ("write-reply", wire::write_reply),
    ("append-128", store::append),
    ("read-32", store::read),
    ("broker-send-128", |count| broker::send(count, 128)),
    ("broker-send-1024", |count| broker::send(count, 1024)),
    ("broker-batch-32", broker::batch),
    ("broker-pull-32", broker::pull),
    ("client-send-128", client::send),
    ("client-receive-128", client::receive),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match arguments[..] {
        ["list"] => {
            PATHS.iter().for_each(|(name, _)| println!("{name}"));
            Ok(())
        }
        ["serve"] => client::serve(),
        [name, count] => go(name, count),
        _ => Err("usage: hot-path NAME COUNT".into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn go(name: &str, count: &str) -> Result<(), Failure> {
    let (_, path) = PATHS.iter().find(|(known, _)| *known == name).ok_or("no such path")?;
    path(count.parse()?)
}
