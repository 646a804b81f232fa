//! Topics, groups and progress.

use crate::config::{ferromq_config_t, fill};
use crate::error::{Fault, ferromq_error_t, guard};
use crate::memory::{Out, attend, handle, optional_text, take, text, wait};
use crate::queues::{Entry, ferromq_queues_t};
use crate::received::ferromq_batch_t;
use crate::texts::ferromq_texts_t;
use facade::{Admin, ClientConfig, ProducerConfig, SubscriptionGroupConfig, TopicConfig};
use std::ffi::c_char;

/// Looks after topics, groups and progress. Any thread may use it at any time.
pub struct ferromq_admin_t(Admin);

impl Drop for ferromq_admin_t {
    fn drop(&mut self) {
        let _ = attend(self.0.close());
    }
}

fn of<'a>(admin: *const ferromq_admin_t) -> Result<&'a Admin, Fault> {
    // SAFETY: the caller gives NULL or an admin that is not destroyed.
    Ok(&unsafe { handle(admin, "the admin") }?.0)
}

/// Asks for something, and puts the answer where the caller wants it.
fn ask<T>(
    admin: *const ferromq_admin_t,
    place: *mut *mut T,
    ask: impl FnOnce(&Admin) -> Result<T, Fault>,
) -> *mut ferromq_error_t {
    // SAFETY: the caller gives NULL or a place for a handle.
    let out = unsafe { Out::new(place) };
    guard(|| {
        out.required()?;
        out.put(ask(of(admin)?)?);
        Ok(())
    })
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

/// The names of all topics.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferromq_admin_topics(
    admin: *const ferromq_admin_t,
    topics: *mut *mut ferromq_texts_t,
) -> *mut ferromq_error_t {
    ask(admin, topics, |it| Ok(wait(it.topics())?.into_iter().collect()))
}

/// The queues of a topic, and what each holds: `ferromq_queues_min_offset`, `_max_offset`, `_timestamp`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferromq_admin_topic_stats(
    admin: *const ferromq_admin_t,
    topic: *const c_char,
    queues: *mut *mut ferromq_queues_t,
) -> *mut ferromq_error_t {
    ask(admin, queues, |it| {
        // SAFETY: the caller gives a terminated text.
        let topic = unsafe { text(topic, "the topic") }?;
        let stats = wait(it.topic_stats(topic))?.offset_table.0;
        let entries = stats.into_iter().map(|(queue, extent)| Entry {
            min_offset: extent.min_offset,
            max_offset: extent.max_offset,
            timestamp: extent.last_update_timestamp,
            ..Entry::from(queue)
        });
        Ok(entries.collect())
    })
}

/// Makes a group on every master broker.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferromq_admin_create_group(
    admin: *const ferromq_admin_t,
    group: *const c_char,
) -> *mut ferromq_error_t {
    guard(|| {
        let it = of(admin)?;
        // SAFETY: the caller gives a terminated text.
        let group_name = unsafe { text(group, "the group") }?.to_string();
        let group = SubscriptionGroupConfig { group_name, ..SubscriptionGroupConfig::default() };
        wait(it.create_group(&group))
    })
}

/// Removes a group from every broker.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferromq_admin_delete_group(
    admin: *const ferromq_admin_t,
    group: *const c_char,
) -> *mut ferromq_error_t {
    guard(|| {
        let it = of(admin)?;
        // SAFETY: the caller gives a terminated text.
        wait(it.delete_group(unsafe { text(group, "the group") }?))
    })
}

/// The names of all groups.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferromq_admin_groups(
    admin: *const ferromq_admin_t,
    groups: *mut *mut ferromq_texts_t,
) -> *mut ferromq_error_t {
    ask(admin, groups, |it| Ok(wait(it.groups())?.into_keys().collect()))
}

/// How far a group is in the queues of a topic, or of all topics when it is NULL:
/// `ferromq_queues_consumer_offset`, `_max_offset`, `_timestamp`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferromq_admin_consume_stats(
    admin: *const ferromq_admin_t,
    group: *const c_char,
    topic: *const c_char,
    queues: *mut *mut ferromq_queues_t,
) -> *mut ferromq_error_t {
    ask(admin, queues, |it| {
        // SAFETY: the caller gives terminated texts.
        let (group, topic) =
            unsafe { (text(group, "the group")?, optional_text(topic, "the topic")?) };
        let stats = wait(it.consume_stats(group, topic))?.offset_table.0;
        let entries = stats.into_iter().map(|(queue, progress)| Entry {
            max_offset: progress.broker_offset,
            consumer_offset: progress.consumer_offset,
            timestamp: progress.last_timestamp,
            ..Entry::from(queue)
        });
        Ok(entries.collect())
    })
}

/// Moves a group to the messages of a topic that were stored at a time, in ms since 1970, or later; -1 is
/// the end. Gives the new offsets: `ferromq_queues_consumer_offset`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferromq_admin_reset_offset(
    admin: *const ferromq_admin_t,
    group: *const c_char,
    topic: *const c_char,
    timestamp: i64,
    queues: *mut *mut ferromq_queues_t,
) -> *mut ferromq_error_t {
    ask(admin, queues, |it| {
        // SAFETY: the caller gives terminated texts.
        let (group, topic) = unsafe { (text(group, "the group")?, text(topic, "the topic")?) };
        let offsets = wait(it.reset_offset(group, topic, timestamp))?;
        let entries = offsets
            .into_iter()
            .map(|(queue, offset)| Entry { consumer_offset: offset, ..Entry::from(queue) });
        Ok(entries.collect())
    })
}

/// Up to `max` messages of a topic that have a key, or a message id. They need no settling.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferromq_admin_query_messages(
    admin: *const ferromq_admin_t,
    topic: *const c_char,
    key: *const c_char,
    max: i32,
    batch: *mut *mut ferromq_batch_t,
) -> *mut ferromq_error_t {
    ask(admin, batch, |it| {
        // SAFETY: the caller gives terminated texts.
        let (topic, key) = unsafe { (text(topic, "the topic")?, text(key, "the key")?) };
        Ok(ferromq_batch_t::of_messages(wait(it.query_messages(topic, key, max))?))
    })
}

/// The message with an offset message id, as a batch of one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferromq_admin_view_message(
    admin: *const ferromq_admin_t,
    offset_message_id: *const c_char,
    batch: *mut *mut ferromq_batch_t,
) -> *mut ferromq_error_t {
    ask(admin, batch, |it| {
        // SAFETY: the caller gives a terminated text.
        let id = unsafe { text(offset_message_id, "the id") }?;
        Ok(ferromq_batch_t::of_messages([wait(it.view_message(id))?]))
    })
}

/// The addresses of all master brokers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferromq_admin_brokers(
    admin: *const ferromq_admin_t,
    addresses: *mut *mut ferromq_texts_t,
) -> *mut ferromq_error_t {
    ask(admin, addresses, |it| Ok(wait(it.masters())?.into_iter().collect()))
}

/// What the broker at an address tells about itself, as texts of the form `key=value`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferromq_admin_runtime_info(
    admin: *const ferromq_admin_t,
    address: *const c_char,
    info: *mut *mut ferromq_texts_t,
) -> *mut ferromq_error_t {
    ask(admin, info, |it| {
        // SAFETY: the caller gives a terminated text.
        let told = wait(it.runtime_info(unsafe { text(address, "the address") }?))?;
        Ok(told.into_iter().map(|(key, value)| format!("{key}={value}")).collect())
    })
}

/// Ends its connections. Closing twice does nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferromq_admin_close(
    admin: *const ferromq_admin_t,
) -> *mut ferromq_error_t {
    guard(|| {
        let it = of(admin)?;
        attend(it.close())
    })
}

/// Ends administration.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferromq_admin_destroy(admin: *mut ferromq_admin_t) {
    // SAFETY: the caller gives NULL or an admin that it does not use any more.
    unsafe { take(admin) };
}
