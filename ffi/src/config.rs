//! Settings by name.

use crate::error::{Fault, answer, ferromq_error_t, guard};
use crate::memory::{give, handle, take, text};
use facade::{
    ClientConfig, ConfigTable, ConsumerConfig, ProducerConfig, ServerOptions, SettingError,
};
use parking_lot::Mutex;
use std::ffi::c_char;

/// Settings, under the keys of docs/configuration.md. What is made with them keeps a copy of those that
/// it has; so clients of several kinds can share them.
pub struct ferromq_config_t(Mutex<Vec<(String, String)>>);

/// Settings of clients: those of their own kind, and those that all have.
pub(crate) fn read<A: ConfigTable + Default>(
    config: *const ferromq_config_t,
) -> Result<(ClientConfig, A), Fault> {
    let (mut client, mut own) = (ClientConfig::default(), A::default());
    fill(config, &mut own, &mut client)?;
    Ok((client, own))
}

pub(crate) fn fill<A: ConfigTable, B: ConfigTable>(
    config: *const ferromq_config_t,
    own: &mut A,
    common: &mut B,
) -> Result<(), Fault> {
    if config.is_null() {
        return Ok(());
    }
    // SAFETY: the caller gives settings that are not destroyed.
    let settings = unsafe { handle(config, "the settings") }?.0.lock();
    for (key, value) in settings.iter() {
        // Each was checked when it was set; what neither has is meant for clients of another kind.
        for outcome in [own.set(key, value), common.set(key, value)] {
            if let Err(error @ SettingError::Invalid { .. }) = outcome {
                return Err(Fault::argument(error.to_string()));
            }
        }
    }
    Ok(())
}

/// Empty settings: everything has its default.
#[unsafe(no_mangle)]
pub extern "C" fn ferromq_config_create() -> *mut ferromq_config_t {
    give(ferromq_config_t(Mutex::default()))
}

/// Sets one, as in `ferromq_config_set(config, "sendMsgTimeout", "5000")`. Fails for a name that nothing
/// has, naming the nearest one. Both texts are copied.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferromq_config_set(
    config: *mut ferromq_config_t,
    key: *const c_char,
    value: *const c_char,
) -> *mut ferromq_error_t {
    guard(|| {
        // SAFETY: the caller gives settings that are not destroyed, and terminated texts.
        let (config, key, value) = unsafe {
            (handle(config, "the settings")?, text(key, "the key")?, text(value, "the value")?)
        };
        check(key, value)?;
        config.0.lock().push((key.to_string(), value.to_string()));
        Ok(())
    })
}

/// Whether some kind of client, or the server, has such a setting, and takes the value.
fn check(key: &str, value: &str) -> Result<(), Fault> {
    let pair = [(key, value)];
    let ServerOptions { mut broker, mut store, .. } = ServerOptions::default();
    let (mut client, mut consumer) = (ClientConfig::default(), ConsumerConfig::default());
    let clients = facade::configure(pair, &mut ProducerConfig::default(), &mut client);
    if clients.is_ok()
        || facade::configure(pair, &mut consumer, &mut client).is_ok()
        || facade::configure(pair, &mut broker, &mut store).is_ok()
    {
        return Ok(());
    }
    Ok(clients?)
}

/// How many settings were set; 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferromq_config_count(config: *const ferromq_config_t) -> usize {
    // SAFETY: the caller gives NULL or settings that are not destroyed.
    answer(0, || Ok(unsafe { handle(config, "the settings") }?.0.lock().len()))
}

/// Ends settings.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferromq_config_destroy(config: *mut ferromq_config_t) {
    // SAFETY: the caller gives NULL or settings that it does not use any more.
    unsafe { take(config) };
}
