//! The limit of reading: the same bytes from a file in memory over loopback by sendfile, and nothing else.

use ferromq_interop::Problem;
use std::fs::File;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

/// Bytes of the file; it is read over and over.
const FILE: usize = 128 << 20;

/// Bytes a second that go through one connection, `chunk` bytes a call.
pub fn bytes_per_second(scratch: &Path, chunk: usize, duration: Duration) -> Result<f64, Problem> {
    let failed = || Problem::io("measuring sendfile");
    let mut file = tempfile::tempfile_in(scratch).map_err(failed())?;
    file.write_all(&vec![7; FILE]).map_err(failed())?;
    let listener = TcpListener::bind("127.0.0.1:0").map_err(failed())?;
    let address = listener.local_addr().map_err(failed())?;
    let sender = std::thread::spawn(move || -> std::io::Result<()> {
        let (stream, _) = listener.accept()?;
        send(&file, &stream, chunk, duration)
    });
    let received = receive(TcpStream::connect(address).map_err(failed())?);
    let sent = sender
        .join()
        .map_err(|_| Problem::Wrong("the sender of the sendfile measurement failed".to_owned()))?;
    sent.map_err(failed())?;
    received.map_err(failed())
}

fn send(file: &File, stream: &TcpStream, chunk: usize, duration: Duration) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let end = Instant::now() + duration;
    let mut offset = 0;
    while Instant::now() < end {
        let mut left = chunk;
        if offset as usize + chunk > FILE {
            offset = 0;
        }
        while left > 0 {
            left -= rustix::fs::sendfile(stream, file, Some(&mut offset), left)?;
        }
    }
    Ok(())
}

fn receive(mut stream: TcpStream) -> std::io::Result<f64> {
    let mut buffer = vec![0; 256 << 10];
    let since = Instant::now();
    let mut bytes = 0u64;
    loop {
        match stream.read(&mut buffer)? {
            0 => return Ok(bytes as f64 / since.elapsed().as_secs_f64()),
            n => bytes += n as u64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_go_through() {
        let folder = tempfile::tempdir().unwrap();
        let rate = bytes_per_second(folder.path(), 40_000, Duration::from_millis(50)).unwrap();
        assert!(rate > 0.0);
    }
}
