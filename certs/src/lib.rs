//! Keys and certificates: issue, load, rustls and OpenSSL contexts.
