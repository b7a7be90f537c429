//! Where a listener listens: its host's addresses, those of `socket_domain`, those of `bind_interface`. Nothing is bound here.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};

use broker_conf::{Listener, SocketDomain};

use crate::setup::{SetupError, Status};

/// The addresses to bind for `listener`; none for a unix socket. `warnings` gets what its interface does not have.
///
/// # Errors
/// The first line is mosquitto's; then where it was written and what to do.
pub(crate) fn of(listener: &Listener, warnings: &mut Vec<String>) -> Result<Vec<SocketAddr>, SetupError> {
    if listener.unix.is_some() {
        return Ok(Vec::new());
    }
    let found = of_host(listener)?;
    let Some(interface) = &listener.interface else { return Ok(found) };
    let refused = |message: String| SetupError(message, Status::Refused);
    let all =
        interfaces().map_err(|cause| refused(format!("Error: the network interfaces cannot be read: {cause}.")))?;
    on_interface(interface, listener.address.as_deref(), &found, &all, warnings)
        .map_err(|message| refused(format!("Error: {message}\nIt is named at {}.", interface.at)))
}

fn of_host(listener: &Listener) -> Result<Vec<SocketAddr>, SetupError> {
    let wanted = |address: &SocketAddr| match listener.socket_domain {
        SocketDomain::Any => true,
        SocketDomain::Ipv4 => address.is_ipv4(),
        SocketDomain::Ipv6 => address.is_ipv6(),
    };
    let Some(host) = &listener.address else {
        let mut all = vec![SocketAddr::from(([0, 0, 0, 0], listener.port))];
        if has_ipv6() {
            all.push(SocketAddr::from(([0_u16; 8], listener.port)));
        }
        return Ok(all.into_iter().filter(wanted).collect());
    };
    let at = listener.at.as_ref().map_or_else(String::new, |at| format!(" ({at})"));
    let found = (host.as_str(), listener.port).to_socket_addrs().map_err(|cause| {
        let words = cause.to_string();
        let words = words.strip_prefix("failed to lookup address information: ").unwrap_or(&words);
        let what = format!("The address {host} cannot be found{at}: use an address of this machine.");
        SetupError(format!("Error creating listener: {words}.\n{what}"), Status::Refused)
    })?;
    let found: Vec<SocketAddr> = found.filter(wanted).collect();
    if found.is_empty() {
        let what = format!("{host} has no address of the listener's socket_domain{at}.");
        let words = "Error creating listener: Address family for hostname not supported.";
        return Err(SetupError(format!("{words}\n{what}"), Status::Refused));
    }
    Ok(found)
}

/// Whether this machine speaks IPv6: where it does not, listening on all addresses means IPv4.
fn has_ipv6() -> bool {
    std::net::UdpSocket::bind("[::]:0").is_ok()
}

/// An interface's name and one of its addresses; `None` where it has none of either family.
type Interface = (String, Option<SocketAddr>);

fn interfaces() -> nix::Result<Vec<Interface>> {
    Ok(nix::ifaddrs::getifaddrs()?
        .map(|one| {
            let address = one.address.as_ref().and_then(|address| {
                let v4 = address.as_sockaddr_in().map(|v4| SocketAddr::from((v4.ip(), 0)));
                v4.or_else(|| address.as_sockaddr_in6().map(|v6| std::net::SocketAddrV6::from(*v6).into()))
            });
            (one.interface_name, address)
        })
        .collect())
}

/// As mosquitto: each of `wanted` becomes the interface's first address of its family. `SO_BINDTODEVICE` would do another
/// thing: it shuts out clients on this very machine, who come by the loopback interface whatever address they dial.
fn on_interface(
    name: &str,
    host: Option<&str>,
    wanted: &[SocketAddr],
    all: &[Interface],
    warnings: &mut Vec<String>,
) -> Result<Vec<SocketAddr>, String> {
    let own: Vec<_> = all.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name)).collect();
    if own.is_empty() {
        let mut names: Vec<_> = all.iter().map(|(name, _)| name.as_str()).collect();
        names.dedup();
        return Err(format!("Interface {name} does not exist.\nThere are {}.", names.join(", ")));
    }
    let mut found = Vec::new();
    let mut missing = String::new();
    for address in wanted {
        let of_family = own.iter().filter_map(|(_, has)| *has).find(|has| has.is_ipv4() == address.is_ipv4());
        match (of_family, host) {
            (Some(has), Some(host)) if has.ip() != address.ip() => {
                return Err(format!(
                    "Interface address for {name} does not match specified listener address ({host}).\nIt is {}.",
                    has.ip()
                ));
            }
            (Some(mut has), _) => {
                has.set_port(address.port()); // the scope of a link-local address stays
                found.push(has);
            }
            (None, _) => {
                let family = if matches!(address.ip(), IpAddr::V4(_)) { "IPv4" } else { "IPv6" };
                let _ = write!(missing, "Interface {name} does not support {family} configuration.");
                warnings.push(format!("Interface {name} does not support {family} configuration."));
            }
        }
    }
    if found.is_empty() { Err(missing) } else { Ok(found) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> SocketAddr {
        text.parse().expect("an address")
    }

    fn asked(name: &str, host: Option<&str>, wanted: &[&str]) -> (Result<Vec<String>, String>, Vec<String>) {
        let all = [
            ("lo".to_owned(), None),
            ("lo".to_owned(), Some(at("127.0.0.1:0"))),
            ("eth0".to_owned(), Some(at("192.0.2.7:0"))),
            ("eth0".to_owned(), Some(at("192.0.2.8:0"))),
            ("eth0".to_owned(), Some(at("[fe80::1%2]:0"))),
            ("can0".to_owned(), None),
        ];
        let mut warnings = Vec::new();
        let wanted: Vec<_> = wanted.iter().map(|address| at(address)).collect();
        let found = on_interface(name, host, &wanted, &all, &mut warnings);
        (found.map(|found| found.iter().map(ToString::to_string).collect()), warnings)
    }

    #[test]
    fn a_listener_of_an_interface_has_its_first_address_of_each_family_and_its_own_port() {
        let all = ["0.0.0.0:1883", "[::]:1883"];
        let (found, warnings) = asked("ETH0", None, &all);
        assert_eq!(found.expect("addresses"), ["192.0.2.7:1883", "[fe80::1%2]:1883"]);
        assert!(warnings.is_empty());
        let (found, warnings) = asked("lo", None, &all);
        assert_eq!(found.expect("an address"), ["127.0.0.1:1883"]);
        assert_eq!(warnings, ["Interface lo does not support IPv6 configuration."]);
        assert_eq!(asked("lo", Some("localhost"), &["127.0.0.1:1"]).0.expect("its own"), ["127.0.0.1:1"]);
    }

    #[test]
    fn an_interface_that_cannot_be_had_is_refused_in_mosquittos_words() {
        let rows = [
            ("eth9", None, "0.0.0.0:1", "Interface eth9 does not exist.\nThere are lo, eth0, can0."),
            ("can0", None, "0.0.0.0:1", "Interface can0 does not support IPv4 configuration."),
            (
                "eth0",
                Some("10.1.1.1"),
                "10.1.1.1:1",
                "Interface address for eth0 does not match specified listener address (10.1.1.1).\nIt is 192.0.2.7.",
            ),
        ];
        for (name, host, wanted, message) in rows {
            assert_eq!(asked(name, host, &[wanted]).0.expect_err(name), message);
        }
    }
}
