//! Drives `chroma_client` against real servers.
