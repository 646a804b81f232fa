//! A connection: bytes that wait to be written, and the rest of a frame that is not yet whole.

use ferromq_protocol::command::frame_length;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(5);
/// How much is read at once.
const READ: usize = 256 * 1024;

/// A connection to a server, which never blocks.
pub struct Connection {
    stream: TcpStream,
    /// Requests to write; whoever adds some need not care when they leave.
    pub out: Vec<u8>,
    /// How much of `out` has left.
    written: usize,
    /// The beginning of a frame whose rest has not arrived.
    partial: Vec<u8>,
    /// Whether it is still usable.
    pub is_open: bool,
}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    /// Names the address.
    pub fn open(address: SocketAddr) -> io::Result<Self> {
        let told = |error: io::Error| io::Error::new(error.kind(), format!("{address}: {error}"));
        let stream = TcpStream::connect_timeout(&address, CONNECT).map_err(told)?;
        Connection::over(stream)
    }

    /// Takes over a stream.
    ///
    /// # Errors
    /// When the system refuses to change the socket.
    pub fn over(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        Ok(Connection { stream, out: Vec::new(), written: 0, partial: Vec::new(), is_open: true })
    }

    /// Writes what it can; tells whether everything has left.
    ///
    /// # Errors
    /// When the connection is lost.
    pub fn flush(&mut self) -> io::Result<bool> {
        while self.written < self.out.len() {
            match self.stream.write(&self.out[self.written..]) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => self.written += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.out.clear();
        self.written = 0;
        Ok(true)
    }

    /// Reads once and gives every frame that is whole to `each`. `scratch` is only lent.
    ///
    /// # Errors
    /// When the connection is lost, or what arrives are no frames.
    pub fn receive(
        &mut self,
        scratch: &mut Vec<u8>,
        mut each: impl FnMut(&[u8], &mut Vec<u8>),
    ) -> io::Result<()> {
        let before = self.partial.len();
        // Room for the frame that has begun, and for a good deal after it.
        let expected = frame_length(&self.partial).ok().flatten().unwrap_or(0);
        let room = expected.max(before) + READ;
        if scratch.len() < room {
            scratch.resize(room, 0);
        }
        scratch[..before].copy_from_slice(&self.partial);
        self.partial.clear();
        let end = before + self.read(&mut scratch[before..])?;
        let mut at = 0;
        while let Some(length) = frame_length(&scratch[at..end]).map_err(io::Error::other)? {
            if end - at < length {
                break;
            }
            each(&scratch[at..at + length], &mut self.out);
            at += length;
        }
        self.partial.extend_from_slice(&scratch[at..end]);
        Ok(())
    }

    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.stream.read(into) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(0),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                other => return other,
            }
        }
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}
