//! Drives FerroMQ with Apache's clients and Apache's servers with FerroMQ's clients.
