//! RocketMQ's wire and record formats: bytes in, bytes out.
