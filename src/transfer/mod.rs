//! Moving collections: copies, backups, and new embeddings.
