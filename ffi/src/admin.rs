//! Topics.

use crate::config::{ferromq_config_t, fill};
use crate::error::{Fault, ferromq_error_t, guard};
use crate::memory::{Out, handle, take, text, wait};
use facade::{Admin, ClientConfig, ProducerConfig, TopicConfig};
use std::ffi::c_char;

/// Looks after topics.
pub struct ferromq_admin_t(Admin);

fn of<'a>(admin: *const ferromq_admin_t) -> Result<&'a Admin, Fault> {
    // SAFETY: the caller gives NULL or an admin that is not destroyed.
    Ok(&unsafe { handle(admin, "the admin") }?.0)
}

/// Starts administration. Settings: those of clients.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferromq_admin_create(
    config: *const ferromq_config_t,
    admin: *mut *mut ferromq_admin_t,
) -> *mut ferromq_error_t {
    // SAFETY: the caller gives NULL or a place for a handle.
    let out = unsafe { Out::new(admin) };
    guard(|| {
        out.required()?;
        // Names are looked for among a producer's too, to name the nearest one; none is used.
        let (mut client, mut unused) = (ClientConfig::default(), ProducerConfig::default());
        fill(config, &mut client, &mut unused)?;
        let _entered = facade::runtime()?.enter();
        out.put(ferromq_admin_t(Admin::new(client)?));
        Ok(())
    })
}

/// Makes a topic with so many queues on every master broker, or changes their number.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferromq_admin_create_topic(
    admin: *const ferromq_admin_t,
    topic: *const c_char,
    queues: i32,
) -> *mut ferromq_error_t {
    guard(|| {
        let it = of(admin)?;
        // SAFETY: the caller gives a terminated text.
        let topic = unsafe { text(topic, "the topic") }?;
        wait(it.create_topic(&TopicConfig::new(topic, queues)))
    })
}

/// Removes a topic from every broker and name server.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferromq_admin_delete_topic(
    admin: *const ferromq_admin_t,
    topic: *const c_char,
) -> *mut ferromq_error_t {
    guard(|| {
        let it = of(admin)?;
        // SAFETY: the caller gives a terminated text.
        wait(it.delete_topic(unsafe { text(topic, "the topic") }?))
    })
}

/// Ends administration.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferromq_admin_destroy(admin: *mut ferromq_admin_t) {
    // SAFETY: the caller gives NULL or an admin that it does not use any more.
    unsafe { take(admin) };
}
