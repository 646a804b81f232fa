//! The broker: request handlers, offsets, long polling, topics, groups, delay.
