//! Where a connection's bytes go: a socket, which also takes parts of files, or any pair of streams.

use crate::outgoing::Outgoing;
use rustix::io::Errno;
use rustix::net::{SendAncillaryBuffer, SendFlags};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, Interest};
use tokio::net::TcpStream;

/// Both directions of a connection.
pub(crate) trait Wire: Send {
    type Stream: AsyncRead + AsyncWrite + Send + Unpin;

    fn stream(&mut self) -> &mut Self::Stream;

    /// Waits until something may have come, without having room for it.
    fn poll_readable(&self, context: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Writes some of what waits, and says how many bytes that were.
    fn poll_send(
        &mut self,
        context: &mut Context<'_>,
        outgoing: &mut Outgoing,
    ) -> Poll<io::Result<usize>>;
}

/// A stream that knows nothing of files.
pub(crate) struct Plain<S>(pub(crate) S);

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Wire for Plain<S> {
    type Stream = S;

    fn stream(&mut self) -> &mut S {
        &mut self.0
    }

    /// It does not tell.
    fn poll_readable(&self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_send(
        &mut self,
        context: &mut Context<'_>,
        outgoing: &mut Outgoing,
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(context, &outgoing.slices())
    }
}

impl Wire for TcpStream {
    type Stream = TcpStream;

    fn stream(&mut self) -> &mut TcpStream {
        self
    }

    fn poll_readable(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_read_ready(context)
    }

    fn poll_send(
        &mut self,
        context: &mut Context<'_>,
        outgoing: &mut Outgoing,
    ) -> Poll<io::Result<usize>> {
        if let Some((file, mut at, length)) = outgoing.file() {
            let sent = when_writable(self, context, || {
                match rustix::fs::sendfile(&*self, file, Some(&mut at), length)? {
                    0 => Err(io::ErrorKind::UnexpectedEof.into()),
                    sent => Ok(sent),
                }
            });
            let sent = ready!(sent);
            if !sent.as_ref().is_err_and(is_unsupported) {
                return Poll::Ready(sent);
            }
            outgoing.forget_file();
        }
        let (slices, file_follows) = outgoing.slices_before_file();
        if !file_follows {
            return Pin::new(self).poll_write_vectored(context, &slices);
        }
        // The head of an answer would otherwise be a packet of its own.
        let flags = SendFlags::MORE | SendFlags::NOSIGNAL;
        when_writable(self, context, || match slices[..] {
            [ref head] => Ok(rustix::net::send(&*self, head, flags)?),
            _ => Ok(rustix::net::sendmsg(
                &*self,
                &slices,
                &mut SendAncillaryBuffer::default(),
                flags,
            )?),
        })
    }
}

/// Not every file system passes its files on, and not every process may ask for that: filters of system calls
/// answer EPERM.
fn is_unsupported(error: &io::Error) -> bool {
    let refusals = [Errno::INVAL, Errno::NOSYS, Errno::OPNOTSUPP, Errno::PERM];
    Errno::from_io_error(error).is_some_and(|errno| refusals.contains(&errno))
}

/// Tries to write, and again when the socket takes more.
fn when_writable(
    stream: &TcpStream,
    context: &mut Context<'_>,
    mut write: impl FnMut() -> io::Result<usize>,
) -> Poll<io::Result<usize>> {
    loop {
        ready!(stream.poll_write_ready(context))?;
        match stream.try_io(Interest::WRITABLE, &mut write) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            written => return Poll::Ready(written),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_does_not_pass_on_goes_out_from_memory_but_not_what_the_disk_has_lost() {
        let goes_from_memory = |errno: Errno| is_unsupported(&errno.into());
        assert!([Errno::INVAL, Errno::NOSYS, Errno::PERM].into_iter().all(goes_from_memory));
        assert!(![Errno::IO, Errno::PIPE, Errno::CONNRESET].into_iter().any(goes_from_memory));
    }
}
