//! A server inside the process: what a test of your own would do.

use ferromq::{ConsumerConfig, Message, Producer, ProducerConfig, PullConsumer, Server};
use std::time::{Duration, Instant};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let start = Instant::now();
    let server = Server::start().await?;
    println!("name server and broker serve after {:?}, at {}", start.elapsed(), server.address());

    let producer = Producer::start(server.client(), ProducerConfig::default()).await?;
    for number in 1..=3 {
        let receipt = producer.send(Message::new("Greetings", format!("hello {number}"))).await?;
        println!("sent hello {number} to {}", receipt.queue);
    }

    let config = ConsumerConfig {
        group: "readers".into(),
        consume_from_where: "CONSUME_FROM_FIRST_OFFSET".into(),
        ..ConsumerConfig::default()
    };
    let consumer = PullConsumer::start(server.client(), config).await?;
    consumer.subscribe("Greetings", "*").await?;
    let mut received = 0;
    while received < 3 {
        for message in consumer.poll(10, Duration::from_secs(5)).await? {
            println!("received {}", String::from_utf8_lossy(&message.body));
            received += 1;
        }
    }
    consumer.close().await;
    producer.close().await;
    server.close().await;
    Ok(())
}
