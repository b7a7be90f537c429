//! The appliance: command line, configuration read whole, parts joined, signals awaited.
fn main() {}
