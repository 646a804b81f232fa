//! Plans that once failed, each as short as it could be made.

use crate::disk::Lie;
use crate::world::{Operation, Operation::*, Plan, run};

fn holds(sync_flush: bool, operations: &[Operation]) {
    // However the power goes.
    for seed in 0..40 {
        let mut operations = operations.to_vec();
        for operation in &mut operations {
            if let CutPower { seed: own } = operation {
                *own = seed;
            }
        }
        operations.push(CutPower { seed });
        let plan = Plan { sync_flush, verify: true, operations };
        assert_eq!(run(&plan, Lie::None), Ok(()), "power cut {seed}");
    }
}

fn append(topic: usize, queue: i32, count: usize, size: usize) -> Operation {
    Append { topic, queue, count, size, together: false }
}

fn append_together(topic: usize, queue: i32, count: usize, size: usize) -> Operation {
    Append { topic, queue, count, size, together: true }
}

#[test]
fn queue_entries_that_a_killed_process_wrote_are_synced_by_the_next() {
    holds(
        true,
        &[
            append(1, 0, 1, 864),
            Flush,
            WriteQueues { sync: false },
            Kill,
            Close,
            append(0, 0, 1, 9),
        ],
    );
}

#[test]
fn what_a_killed_process_left_unsynced_in_the_log_is_on_disk_before_it_counts() {
    holds(true, &[append(0, 0, 3, 600), append(1, 0, 4, 1400), Kill, Compare]);
}

#[test]
fn what_was_held_back_is_written_before_what_follows_it() {
    holds(true, &[append_together(0, 0, 2, 64), append(1, 0, 1, 64), Kill, Compare]);
    // Also at the end of a segment.
    let mut plan = vec![append_together(0, 0, 3, 1400); 3];
    plan.extend([append(1, 0, 1, 64), Kill, Compare]);
    holds(true, &plan);
}

#[test]
fn the_log_goes_on_where_it_ends_when_what_was_held_back_is_lost() {
    let lost = [append_together(0, 0, 2, 64), Kill, append_together(0, 0, 1, 600), Flush, Compare];
    holds(true, &lost);
    let deleted =
        [append_together(0, 0, 2, 64), DeleteTopic { topic: 0 }, Kill, append(0, 0, 1, 64), Flush];
    holds(true, &deleted);
}

#[test]
fn all_files_of_a_queue_are_synced_not_just_the_last() {
    holds(true, &[append(0, 0, 4, 64), append(0, 0, 4, 64), append(0, 0, 4, 64), Flush, Close]);
}

#[test]
fn after_queues_that_could_not_be_written_no_checkpoint_says_that_they_are() {
    holds(
        false,
        &[
            append(0, 0, 1, 120),
            Flush,
            Full { full: true },
            WriteQueues { sync: true },
            Full { full: false },
            Close,
        ],
    );
}

#[test]
fn segments_do_not_go_before_their_queue_entries_are_on_disk() {
    let mut plan = vec![append(0, 1, 4, 600); 8];
    plan.extend([Flush, WriteQueues { sync: false }, Expire]);
    holds(true, &plan);
}

#[test]
fn queue_pages_that_came_alone_are_made_anew() {
    let mut plan = vec![append(0, 0, 3, 64), append(2, 0, 3, 64)];
    plan.extend([Flush, WriteQueues { sync: true }]);
    plan.extend([append(0, 0, 4, 64), append(2, 0, 4, 64), append(0, 0, 4, 64), Flush]);
    plan.push(WriteQueues { sync: false });
    holds(true, &plan);
}

#[test]
fn a_topic_made_anew_gets_nothing_of_its_former_life() {
    holds(
        false,
        &[
            append(1, 0, 2, 177),
            Flush,
            WriteQueues { sync: true },
            append(1, 0, 1, 35),
            Flush,
            DeleteTopic { topic: 1 },
            Kill,
            append(1, 0, 2, 183),
            Flush,
        ],
    );
}

#[test]
fn a_deletion_does_not_cover_messages_that_take_the_place_of_lost_ones() {
    holds(
        false,
        &[
            append(1, 0, 1, 161),
            DeleteTopic { topic: 1 },
            CutPower { seed: 0 },
            append(1, 1, 2, 61),
            Flush,
        ],
    );
}

#[test]
fn a_deletion_that_failed_has_not_happened() {
    holds(
        true,
        &[
            append(1, 0, 1, 64),
            Flush,
            Full { full: true },
            DeleteTopic { topic: 1 },
            Full { full: false },
            DeleteTopic { topic: 2 },
        ],
    );
}

#[test]
fn keys_are_found_though_the_index_was_ahead_of_what_survived() {
    let mut plan = vec![append(0, 0, 4, 64); 7];
    plan.extend([Flush, append(1, 0, 4, 64), append(1, 1, 4, 64), EnterKeys]);
    plan.extend([WriteQueues { sync: true }, CutPower { seed: 0 }, append(2, 0, 4, 64), EnterKeys]);
    holds(false, &plan);
}

#[test]
fn a_record_whose_properties_did_not_reach_the_disk_ends_the_log() {
    for size in [0, 64, 300, 420] {
        holds(false, &[append(1, 1, 1, size), append(2, 0, 1, size), append(0, 1, 4, size)]);
    }
}

#[test]
fn queues_that_are_being_made_anew_do_not_count_as_complete() {
    holds(true, &[append(2, 1, 1, 64), append(1, 1, 4, 64), Rebuild, WriteQueues { sync: false }]);
    let mut plan = vec![append(2, 1, 4, 600), append(0, 1, 4, 9), WriteQueues { sync: true }];
    plan.extend([Rebuild, append(0, 0, 4, 530), Kill, append(0, 1, 3, 64), Flush]);
    plan.push(WriteQueues { sync: false });
    holds(false, &plan);
}

#[test]
fn a_log_of_which_only_an_empty_segment_is_left_keeps_its_offsets() {
    let mut plan = vec![
        append(2, 1, 1, 64),
        append(0, 1, 2, 64),
        append(1, 1, 1, 600),
        append(1, 1, 1, 64),
        append(0, 0, 1, 64),
        append(2, 1, 1, 64),
        append(1, 0, 4, 786),
        Flush,
        append(0, 1, 4, 600),
        append(2, 1, 1, 64),
        append(1, 0, 1, 64),
        append(0, 1, 3, 0),
        append(1, 0, 4, 0),
        append(0, 0, 1, 600),
        append(0, 1, 3, 600),
        append(1, 0, 3, 600),
        append(2, 0, 1, 64),
        Kill,
        append(1, 1, 2, 64),
        append(2, 0, 2, 729),
    ];
    plan.extend([CutPower { seed: 0 }, WriteQueues { sync: true }, Expire, Close]);
    holds(true, &plan);
}

#[test]
fn an_index_file_that_took_the_place_of_a_lost_one_is_not_taken_for_it() {
    // An index file has 23 entries. It is full and on disk when the power takes a part of the log,
    // and full again with other messages, but not on disk, the next time.
    for seeds in (0..3).flat_map(|first| (0..400).map(move |second| [first, second])) {
        let mut plan = vec![append(0, 0, 4, 64); 5];
        plan.extend([append(0, 0, 2, 64), Flush, append(0, 0, 2, 64), EnterKeys]);
        plan.extend([WriteQueues { sync: true }, CutPower { seed: seeds[0] }]);
        plan.extend([EnterKeys, append(0, 0, 1, 64), EnterKeys, append(0, 0, 1, 64), Flush]);
        plan.extend([CutPower { seed: seeds[1] }, EnterKeys, Compare]);
        let plan = Plan { sync_flush: false, verify: true, operations: plan };
        assert_eq!(run(&plan, Lie::None), Ok(()), "power cuts {seeds:?}");
    }
}
