//! Bit fields that travel in headers and records (protocol §3.8 and §5.3).

/// Bits of a message's `sysFlag`.
pub mod message {
    /// The body is compressed.
    pub const COMPRESSED: i32 = 0x01;
    /// The producer said that it uses several tags; hashing does not change.
    pub const MULTI_TAGS: i32 = 0x02;
    /// The two transaction bits.
    pub const TRANSACTION_MASK: i32 = 0x0C;
    /// A half message, not yet visible.
    pub const TRANSACTION_PREPARED: i32 = 0x04;
    /// A committed transactional message.
    pub const TRANSACTION_COMMIT: i32 = 0x08;
    /// A rolled back transactional message.
    pub const TRANSACTION_ROLLBACK: i32 = 0x0C;
    /// The producer's address in the record has 16 bytes.
    pub const BORN_HOST_V6: i32 = 0x10;
    /// The broker's address in the record has 16 bytes.
    pub const STORE_HOST_V6: i32 = 0x20;
    /// The consumer must unpack an inner batch.
    pub const NEED_UNWRAP: i32 = 0x40;
    /// The body is an inner batch.
    pub const INNER_BATCH: i32 = 0x80;
    /// The three compression type bits.
    pub const COMPRESSION_MASK: i32 = 0x700;
    /// LZ4 frame.
    pub const COMPRESSION_LZ4: i32 = 0x100;
    /// Zstandard frame.
    pub const COMPRESSION_ZSTD: i32 = 0x200;
    /// zlib stream; a compressed body without type bits is zlib too.
    pub const COMPRESSION_ZLIB: i32 = 0x300;
}

/// Bits of a pull request's `sysFlag`.
pub mod pull {
    /// Store `commitOffset` as the group's progress.
    pub const COMMIT_OFFSET: i32 = 1;
    /// Hold the request when nothing is there.
    pub const SUSPEND: i32 = 2;
    /// The request carries its own subscription text.
    pub const SUBSCRIPTION: i32 = 4;
    /// Class filter; obsolete.
    pub const CLASS_FILTER: i32 = 8;
    /// A lite pull consumer.
    pub const LITE_PULL: i32 = 16;
}

/// Bits of a topic's `topicSysFlag`.
pub mod topic {
    /// A unit topic.
    pub const UNIT: i32 = 1;
    /// Some group of a unit subscribes to the topic.
    pub const UNIT_SUBSCRIPTION: i32 = 2;
}
