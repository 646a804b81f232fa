//! Producers, consumers and administration for any RocketMQ-compatible cluster.
