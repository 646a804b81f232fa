//! What the library has to say, for the application's log.

use crate::callback::{Callback, Caller, ferromq_user_data_destroy_t};
use crate::error::{Fault, ferromq_error_t, guard};
use crate::memory::c_text;
use parking_lot::Mutex;
use std::ffi::{CString, c_char, c_void};
use std::fmt::Write;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// Nothing is said.
pub const FERROMQ_LOG_OFF: i32 = 0;
/// What went wrong for good.
pub const FERROMQ_LOG_ERROR: i32 = 1;
/// What went wrong and is tried again, or needs a look.
pub const FERROMQ_LOG_WARN: i32 = 2;
/// What is worth knowing.
pub const FERROMQ_LOG_INFO: i32 = 3;
/// For finding mistakes.
pub const FERROMQ_LOG_DEBUG: i32 = 4;
/// Everything.
pub const FERROMQ_LOG_TRACE: i32 = 5;

/// Writes a line into the application's log: one of `FERROMQ_LOG_…`, the part of the library that speaks,
/// and what it says. Both texts are borrowed until it returns.
pub type ferromq_log_callback_t = Option<
    unsafe extern "C" fn(
        level: i32,
        target: *const c_char,
        text: *const c_char,
        user_data: *mut c_void,
    ),
>;

/// How many lines may wait for the application.
const WAITING: usize = 4096;

struct Line {
    level: i32,
    target: CString,
    text: CString,
}

/// Where lines go at present.
struct Sink {
    lines: Sender<Line>,
    caller: Caller,
}

static LEVEL: AtomicI32 = AtomicI32::new(FERROMQ_LOG_OFF);
static LOST: AtomicU64 = AtomicU64::new(0);
static SINK: Mutex<Option<Sink>> = Mutex::new(None);

fn number(level: &Level) -> i32 {
    match *level {
        Level::ERROR => FERROMQ_LOG_ERROR,
        Level::WARN => FERROMQ_LOG_WARN,
        Level::INFO => FERROMQ_LOG_INFO,
        Level::DEBUG => FERROMQ_LOG_DEBUG,
        Level::TRACE => FERROMQ_LOG_TRACE,
    }
}

/// Takes what the library says and puts it where the thread finds it. It is called while locks are held, so
/// that it must not wait.
struct Forwarder;

impl Subscriber for Forwarder {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && number(metadata.level()) <= LEVEL.load(Ordering::Relaxed)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(match LEVEL.load(Ordering::Relaxed) {
            FERROMQ_LOG_ERROR => LevelFilter::ERROR,
            FERROMQ_LOG_WARN => LevelFilter::WARN,
            FERROMQ_LOG_INFO => LevelFilter::INFO,
            FERROMQ_LOG_DEBUG => LevelFilter::DEBUG,
            FERROMQ_LOG_TRACE => LevelFilter::TRACE,
            _ => LevelFilter::OFF,
        })
    }

    fn event(&self, event: &Event<'_>) {
        let mut text = Text::default();
        event.record(&mut text);
        let level = number(event.metadata().level());
        let target = c_text(event.metadata().target());
        let line =
            Line { level, target, text: c_text(&format!("{}{}", text.message, text.fields)) };
        let taken = SINK.lock().as_ref().is_none_or(|sink| sink.lines.try_send(line).is_ok());
        if !taken {
            LOST.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// A line as text: what it says, and then its fields.
#[derive(Default)]
struct Text {
    message: String,
    fields: String,
}

impl Visit for Text {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        // Writing to a string does not fail.
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.fields, " {name}={value:?}"),
        };
    }
}

/// Hands what the library has to say, from `level` on, to a function, and no more to the one before it.
/// `callback` NULL or level `FERROMQ_LOG_OFF` ends it. The function runs on a thread of its own, one line at
/// a time, with no lock held; it may call this library, but not this function. When it is too slow lines are
/// lost, and their number told. `user_data_destroy`, which may be NULL, ends `user_data` when the function is
/// called no more, in any case also when this fails.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferromq_log_set(
    level: i32,
    callback: ferromq_log_callback_t,
    user_data: *mut c_void,
    user_data_destroy: ferromq_user_data_destroy_t,
) -> *mut ferromq_error_t {
    let callback = Callback::new(callback, user_data, user_data_destroy);
    guard(move || {
        if !(FERROMQ_LOG_OFF..=FERROMQ_LOG_TRACE).contains(&level) {
            return Err(Fault::argument(format!("there is no level {level}: expected 0 to 5")));
        }
        if SINK.lock().as_ref().is_some_and(|sink| sink.caller.is_this_thread()) {
            return Err(Fault::argument(
                "the function that writes the log cannot replace itself".to_string(),
            ));
        }
        let sink = match callback.function.filter(|_| level != FERROMQ_LOG_OFF) {
            Some(_) => Some(sink(callback)?),
            None => None,
        };
        LEVEL.store(if sink.is_some() { level } else { FERROMQ_LOG_OFF }, Ordering::Relaxed);
        let before = std::mem::replace(&mut *SINK.lock(), sink);
        tracing::callsite::rebuild_interest_cache();
        if let Some(Sink { lines, caller }) = before {
            drop(lines);
            caller.finish();
        }
        Ok(())
    })
}

fn sink(callback: Callback<ferromq_log_callback_t>) -> Result<Sink, Fault> {
    static OURS: OnceLock<bool> = OnceLock::new();
    if !OURS.get_or_init(|| tracing::subscriber::set_global_default(Forwarder).is_ok()) {
        return Err(Fault::argument(
            "another part of this program, in Rust, has the log already".to_string(),
        ));
    }
    let function = callback.required()?;
    let (sender, mut receiver): (Sender<Line>, Receiver<Line>) = channel(WAITING);
    let caller = Caller::start("ferromq-log", move |_| {
        let say = |line: &Line| {
            // SAFETY: a function of this type, with its data and texts that live until it returns.
            unsafe {
                function(line.level, line.target.as_ptr(), line.text.as_ptr(), callback.data());
            }
        };
        // Until the sender is dropped: what was said before is still told.
        while let Some(line) = receiver.blocking_recv() {
            let lost = LOST.swap(0, Ordering::Relaxed);
            if lost > 0 {
                let text =
                    c_text(&format!("{lost} lines were lost: the log is written too slowly"));
                say(&Line { level: FERROMQ_LOG_WARN, target: c_text("ferromq"), text });
            }
            say(&line);
        }
    })?;
    Ok(Sink { lines: sender, caller })
}
