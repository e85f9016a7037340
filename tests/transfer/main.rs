//! Copies, backups and new embeddings, against real servers.
