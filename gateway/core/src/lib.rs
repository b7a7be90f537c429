//! Advertisements to reports: parse, filter, de-duplicate, batch, encode.
