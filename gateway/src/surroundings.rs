//! Where this machine stands in its network, for who looks at the gateway's status. Nothing is sent to find it out.

use std::fs;
use std::net::UdpSocket;
use std::path::Path;

use gateway_core::radio_counts::RadioCounts;
use gateway_core::station::Surroundings;

/// An address of nobody [RFC 5737]: the way to it is the way to anybody.
const SOMEWHERE: (&str, u16) = ("192.0.2.1", 9);

/// What is known now.
pub(crate) fn look(radio: Option<RadioCounts>) -> Surroundings {
    let uplink = fs::read_to_string("/proc/net/route").ok().and_then(|table| {
        let interface = default_interface(&table)?;
        let is_wireless = Path::new("/sys/class/net").join(interface).join("wireless").exists();
        Some(if is_wireless { "wireless" } else { "wired" })
    });
    Surroundings { uplink: uplink.unwrap_or_default().into(), private_ip: own_address().unwrap_or_default(), radio }
}

/// From which of its addresses this machine would send. Connecting a datagram socket only chooses it.
fn own_address() -> Option<Box<str>> {
    let socket = UdpSocket::bind(("0.0.0.0", 0)).ok()?;
    socket.connect(SOMEWHERE).ok()?;
    Some(socket.local_addr().ok()?.ip().to_string().into())
}

/// The interface of the default route in the kernel's table: columns, of which the first is the interface and the
/// second the destination.
fn default_interface(table: &str) -> Option<&str> {
    table.lines().skip(1).find_map(|line| {
        let mut columns = line.split_ascii_whitespace();
        let interface = columns.next().filter(|name| !name.contains('/'))?;
        (columns.next() == Some("00000000")).then_some(interface)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interface_of_the_default_route_is_found() {
        let table = "Iface\tDestination\tGateway\neth0\t0000A8C0\t00000000\nwlan0\t00000000\t0100A8C0\n";
        assert_eq!(default_interface(table), Some("wlan0"));
        assert_eq!(default_interface("Iface\tDestination\n"), None);
        assert_eq!(default_interface(""), None);
    }
}
