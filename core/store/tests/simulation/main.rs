//! The store on a simulated disk, beside a list for each queue: whatever happens, nothing that was
//! promised is lost.
//!
//! Each seed is a plan of operations, which always ends in the same way. `make simulate` runs many;
//! `FERROMQ_SEEDS` and `FERROMQ_FIRST_SEED` say which. A plan that fails is made as short as it can be
//! and printed.
// A test that cannot go on has failed.
#![allow(clippy::unwrap_used)]

mod disk;
mod found;
mod world;

use disk::Lie;
use world::{Plan, run};

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().expect("a number"))
}

/// A problem without what differs between queues and offsets.
fn kind(problem: &str) -> String {
    problem.split(' ').skip(1).filter(|word| word.chars().all(char::is_alphabetic)).collect()
}

/// Leaves out of a plan that fails what it does not need to fail in this way.
fn shrink(mut plan: Plan, lie: Lie, problem: &str) -> Plan {
    let mut size = plan.operations.len() / 2;
    while size > 0 {
        let mut at = 0;
        while at < plan.operations.len() {
            let mut shorter = plan.clone();
            shorter.operations.drain(at..(at + size).min(plan.operations.len()));
            match run(&shorter, lie) {
                Err((_, other)) if kind(&other) == kind(problem) => plan = shorter,
                _ => at += size,
            }
        }
        size /= 2;
    }
    plan
}

fn check(seed: u64) {
    let plan = Plan::of(seed);
    if let Err((at, problem)) = run(&plan, Lie::None) {
        let short = shrink(plan, Lie::None, &problem);
        let why = run(&short, Lie::None);
        let settings = format!("sync_flush: {}", short.sync_flush);
        let operations: Vec<String> =
            short.operations.iter().map(|operation| format!("    {operation:?},")).collect();
        let operations = operations.join("\n");
        panic!("seed {seed}, operation {at}: {problem}\n{settings}\n{operations}\n{why:?}");
    }
}

#[test]
fn nothing_promised_is_lost() {
    let first = number("FERROMQ_FIRST_SEED", 0);
    let count = number("FERROMQ_SEEDS", 500);
    let threads = std::thread::available_parallelism().map_or(2, usize::from) as u64;
    std::thread::scope(|scope| {
        for thread in 0..threads {
            scope.spawn(move || {
                (first..first + count).filter(|seed| seed % threads == thread).for_each(check);
            });
        }
    });
}

/// Whether one of so many seeds shows that the disk lies.
fn is_caught(change: impl Fn(&mut Plan), lie: Lie) -> bool {
    (0..500).any(|seed| {
        let mut plan = Plan::of(seed);
        change(&mut plan);
        run(&plan, lie).is_err()
    })
}

#[test]
fn a_sync_that_does_nothing_is_noticed() {
    assert!(is_caught(|_| {}, Lie::SkipSync));
}

#[test]
fn an_early_acknowledgement_is_noticed() {
    assert!(is_caught(|_| {}, Lie::AcknowledgeEarly));
}

#[test]
fn damage_that_recovery_does_not_look_for_is_noticed() {
    assert!(is_caught(|plan| plan.verify = false, Lie::None));
}

#[test]
fn a_tail_that_is_not_cut_off_is_noticed() {
    assert!(is_caught(|_| {}, Lie::ForgetTruncate));
}

#[test]
fn a_checkpoint_that_comes_before_the_queues_are_on_disk_is_noticed() {
    assert!(is_caught(|_| {}, Lie::SkipQueueSync));
}

#[test]
fn a_seed_always_ends_in_the_same_way() {
    for seed in 0..20 {
        let plan = Plan::of(seed);
        assert_eq!(run(&plan, Lie::SkipSync), run(&plan, Lie::SkipSync), "seed {seed}");
    }
}
