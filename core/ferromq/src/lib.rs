//! FerroMQ for applications: RocketMQ clients and, with the feature server, an embedded broker and name server.
