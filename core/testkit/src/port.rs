//! Ports that stay a test's own while no server listens on them.

use std::io;
use std::net::Ipv4Addr;
use tokio::net::TcpSocket;

/// A port of this machine, kept until this is dropped: servers can listen on it one after the other,
/// connections are refused in between, and the system gives it to nobody else. A port that is merely free
/// may be anyone's, or the near end of any connection, before the server is back.
pub struct Port {
    number: u16,
    /// Bound, but they never listen.
    _held: Vec<TcpSocket>,
}

impl Port {
    /// One that is free.
    ///
    /// # Errors
    /// When the system has none.
    pub fn free() -> io::Result<Port> {
        let (number, held) = take(0)?;
        Ok(Port { number, _held: vec![held] })
    }

    /// One for a broker, which listens on the port two below as well, and Apache's on the one above.
    ///
    /// # Errors
    /// When the system has none.
    pub fn of_broker() -> io::Result<Port> {
        let mut last = None;
        for _ in 0..200 {
            let (number, held) = take(0)?;
            match (take(number.saturating_sub(2)), take(number.saturating_add(1))) {
                (Ok((_, fast)), Ok((_, above))) => {
                    return Ok(Port { number, _held: vec![held, fast, above] });
                }
                (Err(error), _) | (_, Err(error)) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| io::ErrorKind::AddrInUse.into()))
    }

    /// Its number.
    pub fn number(&self) -> u16 {
        self.number
    }

    /// `127.0.0.1:number`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.number)
    }
}

/// The port of this number, or with 0 one that the system proposes.
fn take(number: u16) -> io::Result<(u16, TcpSocket)> {
    let held = TcpSocket::new_v4()?;
    held.bind((Ipv4Addr::UNSPECIFIED, number).into())?;
    // Not before: of two who say so before, both may get the port. From here on servers, which say so
    // as well, may listen beside this socket.
    held.set_reuseaddr(true)?;
    Ok((held.local_addr()?.port(), held))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn a_port_is_kept_between_two_servers() {
        let port = Port::of_broker().unwrap();
        let number = port.number();
        for number in [number - 2, number, number + 1] {
            for _ in 0..2 {
                let address = ("127.0.0.1", number);
                assert!(TcpStream::connect(address).is_err());
                assert!(take(number).is_err());
                let server = TcpListener::bind(address).unwrap();
                let client = TcpStream::connect(address).unwrap();
                // The server's end closes first, so that the system remembers the connection.
                drop(server.accept().unwrap());
                drop((server, client));
            }
        }
    }
}
