//! Commit log, consume queues, index, checkpoint, flush and recovery in RocketMQ's file formats.
