//! The client, against a server in another process, which is not counted.

use crate::{Failure, frames::TOPIC};
use ferromq::{
    ClientConfig, ConsumerConfig, Message, Producer, ProducerConfig, PullConsumer, Server,
};
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Messages that wait at the server to be received.
const BACKLOG: usize = 40_000;

/// Runs a server with a backlog until standard input ends.
pub(crate) fn serve() -> Result<(), Failure> {
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(async {
        let server = Server::start().await?;
        let producer = Producer::start(server.client(), ProducerConfig::default()).await?;
        for _ in 0..BACKLOG / 100 {
            let batch = (0..100).map(|_| Message::new(TOPIC, vec![b'x'; 128])).collect();
            producer.send_batch(batch).await?;
        }
        println!("{}", server.address());
        tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await??;
        producer.close().await;
        server.close().await;
        Ok(())
    })
}

/// The server, which ends when this is dropped.
struct Serving(Child);

impl Drop for Serving {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

fn start() -> Result<(Serving, ClientConfig), Failure> {
    let mut server = Command::new(std::env::current_exe()?);
    let server = server.arg("serve").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let mut server = Serving(server);
    let mut line = String::new();
    let output = server.0.stdout.take().ok_or("no output")?;
    BufReader::new(output).read_line(&mut line)?;
    Ok((server, ClientConfig { namesrv_addr: line.trim().to_string(), ..ClientConfig::default() }))
}

fn run(work: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work)
}

/// One after the other.
pub(crate) fn send(count: usize) -> Result<(), Failure> {
    let (_server, client) = start()?;
    run(async {
        let producer = Producer::start(client, ProducerConfig::default()).await?;
        for _ in 0..count {
            producer.send(Message::new(TOPIC, vec![b'x'; 128])).await?;
        }
        producer.close().await;
        Ok(())
    })
}

/// In polls of up to 32.
pub(crate) fn receive(count: usize) -> Result<(), Failure> {
    let (_server, client) = start()?;
    run(async {
        let config = ConsumerConfig {
            group: "consumers".to_string(),
            consume_from_where: "CONSUME_FROM_FIRST_OFFSET".to_string(),
            ..ConsumerConfig::default()
        };
        let consumer = PullConsumer::start(client, config).await?;
        consumer.subscribe(TOPIC, "*").await?;
        let mut received = 0;
        while received < count {
            let messages = consumer.poll(32, Duration::from_secs(10)).await?;
            if messages.is_empty() {
                return Err(format!("{received} of {count} received").into());
            }
            received += messages.len();
        }
        consumer.close().await;
        Ok(())
    })
}
