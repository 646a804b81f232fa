//! The embedded server.

use crate::config::{ferromq_config_t, fill};
use crate::error::{answer, ferromq_error_t, guard};
use crate::memory::{Out, c_text, handle, take, text};
use facade::{Server, ServerOptions};
use parking_lot::Mutex;
use std::ffi::{CString, c_char};

/// A name server and a broker inside the process.
pub struct ferromq_server_t {
    address: CString,
    broker_address: CString,
    server: Mutex<Option<Server>>,
}

impl ferromq_server_t {
    fn close(&self) {
        let server = self.server.lock().take();
        if let (Some(server), Ok(runtime)) = (server, facade::runtime()) {
            runtime.block_on(server.close());
        }
    }
}

impl Drop for ferromq_server_t {
    fn drop(&mut self) {
        self.close();
    }
}

/// Starts a name server and a broker on free ports of the loopback interface; they serve when this
/// returns. `config`: settings of brokers and stores, or NULL. `directory`: where messages are kept,
/// or NULL for a temporary one that goes with the server.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferromq_server_create(
    config: *const ferromq_config_t,
    directory: *const c_char,
    server: *mut *mut ferromq_server_t,
) -> *mut ferromq_error_t {
    // SAFETY: the caller gives NULL or a place for a handle.
    let out = unsafe { Out::new(server) };
    guard(|| {
        out.required()?;
        let mut options = ServerOptions::default();
        if !directory.is_null() {
            // SAFETY: the caller gives a terminated text.
            options.directory = Some(unsafe { text(directory, "the directory") }?.into());
        }
        fill(config, &mut options.broker, &mut options.store)?;
        let server = facade::runtime()?.block_on(Server::start_with(options))?;
        out.put(ferromq_server_t {
            address: c_text(&server.address()),
            broker_address: c_text(&server.broker_address()),
            server: Mutex::new(Some(server)),
        });
        Ok(())
    })
}

/// The name server's address: the setting `namesrvAddr` of clients. Borrowed from the server.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferromq_server_address(server: *const ferromq_server_t) -> *const c_char {
    // SAFETY: the caller gives NULL or a server that is not destroyed.
    answer(c"".as_ptr(), || Ok(unsafe { handle(server, "the server") }?.address.as_ptr()))
}

/// The broker's address. Borrowed from the server.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferromq_server_broker_address(
    server: *const ferromq_server_t,
) -> *const c_char {
    // SAFETY: the caller gives NULL or a server that is not destroyed.
    answer(c"".as_ptr(), || Ok(unsafe { handle(server, "the server") }?.broker_address.as_ptr()))
}

/// Ends both, after writing everything to disk; a temporary directory is removed. Closing twice does
/// nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferromq_server_close(
    server: *const ferromq_server_t,
) -> *mut ferromq_error_t {
    guard(|| {
        // SAFETY: the caller gives NULL or a server that is not destroyed.
        unsafe { handle(server, "the server") }?.close();
        Ok(())
    })
}

/// Closes and frees a server.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferromq_server_destroy(server: *mut ferromq_server_t) {
    // SAFETY: the caller gives NULL or a server that it does not use any more.
    unsafe { take(server) };
}
