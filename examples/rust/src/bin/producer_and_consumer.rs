//! A producer and a push consumer. With a name server's address as argument they use that cluster;
//! without, a server inside the process.

use ferromq::{
    ClientConfig, Consumed, ConsumerConfig, Message, Producer, ProducerConfig, PushConsumer,
    ReceivedMessage, Server,
};
use tokio::sync::mpsc;

const COUNT: usize = 5;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (client, server) = match std::env::args().nth(1) {
        Some(namesrv_addr) => (ClientConfig { namesrv_addr, ..ClientConfig::default() }, None),
        None => {
            let server = Server::start().await?;
            (server.client(), Some(server))
        }
    };
    let producer = Producer::start(client.clone(), ProducerConfig::default()).await?;
    for number in 0..COUNT {
        let tag = if number % 2 == 0 { "even" } else { "odd" };
        producer.send(Message::new("Numbers", number.to_string()).tag(tag)).await?;
    }

    let (handled, mut numbers) = mpsc::unbounded_channel();
    let listener = move |messages: Vec<ReceivedMessage>| {
        for message in messages {
            let text = String::from_utf8_lossy(&message.body).into_owned();
            println!("{text} is {}", message.tag().unwrap_or("untagged"));
            // The receiver goes when enough have come.
            let _ = handled.send(text);
        }
        async { Consumed::Success }
    };
    let config = ConsumerConfig {
        group: "counters".into(),
        consume_from_where: "CONSUME_FROM_FIRST_OFFSET".into(),
        ..ConsumerConfig::default()
    };
    let consumer = PushConsumer::builder(client, config)
        .subscribe("Numbers", "even || odd")
        .listen(listener)
        .start()
        .await?;
    for _ in 0..COUNT {
        numbers.recv().await;
    }
    consumer.close().await;
    producer.close().await;
    if let Some(server) = server {
        server.close().await;
    }
    Ok(())
}
