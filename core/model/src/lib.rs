//! Messages, queues, names, flags, configuration tables: FerroMQ's vocabulary, without I/O.
