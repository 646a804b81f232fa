//! In-process clusters and fixtures for FerroMQ's own tests.
