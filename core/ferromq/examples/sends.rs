//! Messages a second through the Rust client, beside which the languages are measured (`make bench-languages`):
//! `sends NAMESRVADDR`. MESSAGES=N sets how many. Prints a line of JSON for each way to send and receive.

use ferromq::{
    ClientConfig, Consumer, ConsumerConfig, Delivery, Error, Message, Producer, ProducerConfig,
};
use std::time::{Duration, Instant};

const TOPIC: &str = "BenchRust";
static BODY: [u8; 128] = [b'x'; 128];

fn report(what: &str, messages: usize, start: Instant) {
    let per_second = messages as f64 / start.elapsed().as_secs_f64();
    println!(
        r#"{{"language":"rust","what":"{what}","messages":{messages},"perSecond":{per_second:.0}}}"#
    );
}

fn message() -> Message {
    Message::new(TOPIC, &BODY[..])
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let namesrv_addr = std::env::args().nth(1).unwrap_or_default();
    let messages = std::env::var("MESSAGES").ok().and_then(|n| n.parse().ok()).unwrap_or(200_000);
    let client = ClientConfig { namesrv_addr, ..ClientConfig::default() };
    let producer = Producer::start(client.clone(), ProducerConfig::default()).await?;
    for _ in 0..1000 {
        producer.send(message()).await?;
    }
    let alone = messages.min(20_000);
    let start = Instant::now();
    for _ in 0..alone {
        producer.send(message()).await?;
    }
    report("one after the other", alone, start);

    let start = Instant::now();
    let senders = (0..512).map(|_| {
        let producer = producer.clone();
        tokio::spawn(async move {
            for _ in 0..messages / 512 {
                producer.send(message()).await?;
            }
            Ok::<_, Error>(())
        })
    });
    for sender in senders.collect::<Vec<_>>() {
        sender.await.unwrap_or(Err(Error::Closed))?;
    }
    report("512 at a time", messages / 512 * 512, start);

    let start = Instant::now();
    for _ in 0..messages / 100 {
        producer.send_batch((0..100).map(|_| message()).collect()).await?;
    }
    report("batches of 100", messages / 100 * 100, start);
    let sent = 1000 + alone + messages / 512 * 512 + messages / 100 * 100;

    let config = ConsumerConfig {
        group: format!("bench-rust-{}", std::process::id()),
        consume_from_where: "CONSUME_FROM_FIRST_OFFSET".to_string(),
        pull_batch_size: 1024,
        pull_threshold_for_queue: 20_000,
        consume_concurrently_max_span: 60_000,
        ..ConsumerConfig::default()
    };
    let consumer = Consumer::start(client, config, &[(TOPIC, "*")], false).await?;
    let (start, mut received, mut size) = (Instant::now(), 0, 0);
    while received < sent {
        let deliveries = consumer.poll(1024, Duration::from_secs(10)).await?;
        received += deliveries.len();
        size += deliveries.iter().map(|delivery| delivery.body.len()).sum::<usize>();
        Delivery::ack_all(deliveries);
    }
    report("received", received, start);
    assert_eq!(size, received * BODY.len());
    consumer.close().await;
    producer.close().await;
    Ok(())
}
