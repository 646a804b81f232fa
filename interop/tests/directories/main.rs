//! One data directory that Apache's broker and ours use in turn, each going on where the other was
//! stopped or killed. What a turn finds is compared with all that was done before, message by message.

mod delayed;
mod files;
mod lives;
mod messages;
mod tables;

use delayed::Delayed;
use ferromq::{Admin, ClientConfig, Error, Message, Producer, ProducerConfig, SendReceipt};
use ferromq_interop::ServerKind::{self, Apache49, Apache55, FerroMq};
use ferromq_interop::settings::Setting;
use ferromq_interop::{Problem, ours, skip, wire};
use libtest_mimic::{Arguments, Trial};
use lives::Lives;
use messages::Messages;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tables::Tables;

const LIMIT: Duration = Duration::from_secs(30);

/// A group whose retry topic is so long that its records are of the second version.
const LONG_GROUP: &str = "a-group-with-a-name-of-one-hundred-and-twenty-five-letters-whose-retry-topic-needs-two-bytes-for-its-length-12345678901234567890";

#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Stop,
    Kill,
    /// Killed after a backup, which is what the next broker gets.
    BackUp,
}
use End::{BackUp, Kill, Stop};

struct Plan {
    name: &'static str,
    turns: &'static [(ServerKind, End)],
    /// Whether the commit log is spread over two directories.
    two_log_paths: bool,
}

const PLANS: [Plan; 2] = [
    Plan {
        name: "5.5.0 and ours in turn",
        turns: &[
            (Apache55, Stop),
            (FerroMq, Stop),
            (Apache55, Kill),
            (FerroMq, Kill),
            (Apache55, Stop),
            (FerroMq, BackUp),
            (Apache55, Stop),
        ],
        two_log_paths: false,
    },
    Plan {
        name: "4.9 and ours in turn",
        turns: &[
            (FerroMq, Kill),
            (Apache49, Kill),
            (FerroMq, Stop),
            (Apache49, Stop),
            (FerroMq, Stop),
        ],
        two_log_paths: true,
    },
];

impl Plan {
    /// Whether every broker knows what came with 5.x: attributes, records of the second version.
    fn is_5x(&self) -> bool {
        self.turns.iter().all(|(kind, _)| *kind != Apache49)
    }

    fn log_paths(&self, store: &Path) -> Vec<PathBuf> {
        match self.two_log_paths {
            true => vec![store.join("log-a"), store.join("log-b")],
            false => vec![store.join("commitlog")],
        }
    }

    /// Small files, so that everything rolls over.
    fn settings(&self, store: &Path) -> Vec<Setting> {
        // Named in another order than the one that counts.
        let paths = self.log_paths(store).into_iter().rev();
        let paths: Vec<String> = paths.map(|path| path.display().to_string()).collect();
        vec![
            ("storePathCommitLog", paths.join(",")),
            ("mappedFileSizeCommitLog", SEGMENT.to_string()),
            ("mappedFileSizeConsumeQueue", (40 * 20).to_string()),
            ("mappedFileSizeTimerLog", (1 << 20).to_string()),
            ("maxHashSlotNum", "500".to_owned()),
            ("maxIndexNum", "300".to_owned()),
        ]
    }
}

const SEGMENT: i64 = 1 << 20;

fn main() -> std::process::ExitCode {
    let trials = PLANS.into_iter().map(|plan| {
        Trial::test(plan.name, move || {
            let outcome = in_turn(&plan);
            skip::unless_missing(plan.name, outcome).map_err(Into::into)
        })
    });
    let trials = trials.collect();
    let mut arguments = Arguments::from_args();
    arguments.test_threads = arguments.test_threads.or(Some(2));
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// A broker's turn.
struct Turn<'a> {
    number: usize,
    kind: ServerKind,
    /// How the turns before ended.
    ends: Vec<End>,
    plan: &'a Plan,
    store: &'a Path,
    namesrv: &'a str,
    address: &'a str,
    client: ClientConfig,
}

/// All that was done so far, and is to be found again.
#[derive(Default)]
struct Done {
    messages: Messages,
    delayed: Delayed,
    lives: Lives,
    tables: Tables,
}

fn in_turn(plan: &Plan) -> Result<(), Problem> {
    let folder = tempfile::tempdir().map_err(Problem::io("creating a folder"))?;
    let (names, store) = (folder.path().join("names"), folder.path().join("store"));
    std::fs::create_dir_all(&names).map_err(Problem::io("creating a folder"))?;
    let (_names, namesrv) = ours::name_server(&names)?;
    let runtime = tokio::runtime::Runtime::new().map_err(Problem::io("starting threads"))?;
    if plan.is_5x() {
        tables::with_long_group(&store)?;
    }
    let mut done = Done::default();
    for (number, (kind, end)) in plan.turns.iter().enumerate() {
        let before = files::of_others(&store)?;
        let (mut process, address) =
            kind.broker(folder.path(), "shared", &namesrv, &plan.settings(&store))?;
        wire::broker_name(&namesrv, &address, Duration::from_secs(60))?;
        let turn = Turn {
            number,
            kind: *kind,
            ends: plan.turns[..number].iter().map(|(_, end)| *end).collect(),
            plan,
            store: &store,
            namesrv: &namesrv,
            address: &address,
            client: ClientConfig {
                namesrv_addr: namesrv.clone(),
                instance_name: format!("turn-{number}-{}", std::process::id()),
                persist_consumer_offset_interval: 100,
                ..ClientConfig::default()
            },
        };
        let told = |error: Failure, tail: String| {
            Problem::Wrong(format!("turn {number}, {}: {error}\n{tail}", kind.label()))
        };
        files::one_at_a_time(&turn, folder.path())?;
        runtime.block_on(turn.take(&mut done)).map_err(|error| told(error, process.tail()))?;
        let copy = folder.path().join("copy");
        if *end == BackUp {
            ours::back_up(folder.path(), &store, &copy, &plan.settings(&store))?;
        }
        match end {
            Stop => drop(process.terminate(Duration::from_secs(60))?),
            Kill | BackUp => {
                process.kill();
                process.wait_end(Duration::from_secs(60))?;
            }
        }
        let mut after = || -> Result<(), Failure> {
            if *kind == FerroMq {
                files::unchanged(&before, &files::of_others(&store)?)?;
                let timer = Path::new("timerwheel");
                ensure_that(before.contains_key(timer) || !plan.is_5x(), || {
                    format!("5.5.0 has left only {:?}", before.keys())
                })?;
            }
            done.tables.on_disk(&turn, *end)
        };
        after().map_err(|error| told(error, process.tail()))?;
        if *end == BackUp {
            let failed = || Problem::io("putting a backup into place");
            std::fs::rename(&store, folder.path().join("lost")).map_err(failed())?;
            std::fs::rename(&copy, &store).map_err(failed())?;
        }
        // Whoever wrote it, and however it ended.
        ours::check_store(folder.path(), &store, &plan.settings(&store))
            .map_err(|error| told(error.into(), process.tail()))?;
    }
    files::rolled_over(plan, &store).map_err(|error| Problem::Wrong(error.to_string()))
}

type Failure = Box<dyn std::error::Error>;

fn ensure_that(holds: bool, problem: impl FnOnce() -> String) -> Result<(), Failure> {
    if holds { Ok(()) } else { Err(problem().into()) }
}

impl Turn<'_> {
    /// Whether any broker was killed from a turn on.
    fn was_killed_since(&self, turn: usize) -> bool {
        self.ends[turn..].iter().any(|end| *end != Stop)
    }

    /// Everything that was done before is found; then more is done.
    async fn take(&self, done: &mut Done) -> Result<(), Failure> {
        let admin = Admin::new(self.client.clone())?;
        if self.number == 0 {
            self.prepare()?;
        } else {
            done.tables.check(self)?;
            done.delayed.check(self).await?;
            done.messages.compare(self, &admin).await?;
            done.lives.check(self, &admin).await?;
        }
        let settings = ProducerConfig { send_msg_timeout: 10_000, ..ProducerConfig::default() };
        let producer = Producer::start(self.client.clone(), settings).await?;
        done.messages.store(self, &producer).await?;
        done.delayed.store_short(self, &producer, &done.messages).await?;
        done.lives.remake(self, &admin, &producer).await?;
        done.tables.commit(self)?;
        // Also what a running broker has not yet put where the next one looks for it.
        done.messages.compare(self, &admin).await?;
        done.lives.check(self, &admin).await?;
        done.delayed.check(self).await?;
        // Due when another broker has its turn.
        done.delayed.store_long(self, &producer).await?;
        producer.close().await;
        admin.close().await;
        Ok(())
    }

    fn prepare(&self) -> Result<(), Failure> {
        for topic in messages::TOPICS.iter().chain(&[delayed::TOPIC]) {
            wire::create_topic(self.address, topic, 2)?;
        }
        Tables::create(self)?;
        Ok(())
    }
}

/// Sends a message; a broker that has just started may not be known yet.
async fn sent(producer: &Producer, message: Message) -> Result<SendReceipt, Error> {
    let deadline = Instant::now() + LIMIT;
    loop {
        match producer.send(message.clone()).await {
            Err(error) if Instant::now() > deadline => return Err(error),
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            Ok(receipt) => return Ok(receipt),
        }
    }
}
