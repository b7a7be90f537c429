//! Listeners, TLS and PSK doors, and the loop that joins sockets to the core.
