//! Sends through the Rust client: `ferromq-bench-client NAMESRV TOPIC SIZE WINDOW WARM_UP SECONDS`.
//! Prints `begin` after the warm-up and `end N` when N more messages have been acknowledged.

use ferromq::{ClientConfig, Message, Producer, ProducerConfig};
use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

fn seconds(argument: &str) -> Result<Duration, Box<dyn std::error::Error>> {
    Ok(Duration::from_secs_f64(argument.parse()?))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [namesrv, topic, size, window, warm_up, measured] = arguments.as_slice() else {
        return Err("usage: ferromq-bench-client NAMESRV TOPIC SIZE WINDOW WARM_UP SECONDS".into());
    };
    let client = ClientConfig { namesrv_addr: namesrv.clone(), ..ClientConfig::default() };
    let producer = Rc::new(Producer::start(client, ProducerConfig::default()).await?);
    let body = vec![b'x'; size.parse()?];
    let begin = Instant::now() + seconds(warm_up)?;
    let end = begin + seconds(measured)?;
    let sent = Rc::new(Cell::new(None));
    let callers = tokio::task::LocalSet::new();
    for _ in 0..window.parse()? {
        let (producer, sent) = (producer.clone(), sent.clone());
        let (topic, body) = (topic.clone(), body.clone());
        callers.spawn_local(async move {
            while Instant::now() < end {
                if let Err(error) = producer.send(Message::new(&*topic, body.clone())).await {
                    eprintln!("{error}");
                    std::process::exit(1);
                }
                match sent.get() {
                    Some(count) => sent.set(Some(count + 1)),
                    None if Instant::now() >= begin => {
                        sent.set(Some(0u64));
                        println!("begin");
                    }
                    None => {}
                }
            }
        });
    }
    callers.await;
    println!("end {}", sent.get().unwrap_or(0));
    Ok(())
}
