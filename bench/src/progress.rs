//! What runs and how long it will still take, on standard error.

use std::time::{Duration, Instant};

/// The steps of a run and how long they were thought to last.
pub struct Progress {
    began: Instant,
    planned: Duration,
    done: Duration,
    last: Option<Duration>,
}

impl Progress {
    /// Of a run that is thought to last so long.
    pub fn new(planned: Duration) -> Progress {
        Progress { began: Instant::now(), planned, done: Duration::ZERO, last: None }
    }

    /// Says what begins, which is thought to last so long.
    pub fn begin(&mut self, what: &str, lasts: Duration) {
        self.end();
        self.last = Some(lasts);
        eprintln!(
            "[{}] {what} ({} left)",
            minutes(self.began.elapsed()),
            minutes(self.left(self.began.elapsed()))
        );
    }

    /// Says something about what runs.
    pub fn note(&self, text: &str) {
        for line in text.lines() {
            eprintln!("        {line}");
        }
    }

    /// Takes note that what runs has ended.
    pub fn end(&mut self) {
        if let Some(lasts) = self.last.take() {
            self.done += lasts;
        }
    }

    /// What is still to come, at the pace up to now.
    fn left(&self, elapsed: Duration) -> Duration {
        let left = self.planned.saturating_sub(self.done);
        let pace = match self.done.as_secs() {
            0..30 => 1.0,
            _ => elapsed.as_secs_f64() / self.done.as_secs_f64(),
        };
        left.mul_f64(pace)
    }
}

fn minutes(duration: Duration) -> String {
    let seconds = duration.as_secs();
    format!("{}:{:02}", seconds / 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pace_up_to_now_tells_what_is_left() {
        let mut progress = Progress::new(Duration::from_secs(400));
        assert_eq!(progress.left(Duration::from_secs(5)), Duration::from_secs(400));
        progress.done = Duration::from_secs(100);
        assert_eq!(progress.left(Duration::from_secs(200)), Duration::from_secs(600));
        assert_eq!(minutes(Duration::from_secs(605)), "10:05");
    }
}
