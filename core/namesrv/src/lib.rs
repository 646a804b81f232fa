//! The name server: route tables and their request handlers.
