//! The names and addresses of this host, for a server certificate that fits however it is dialled.

use nix::ifaddrs::getifaddrs;
use std::net::IpAddr;

/// Names and addresses that are put into one certificate; a host with more must say which.
pub const NAMES_MAX: usize = 64;

/// The host's full name if it is known, its name, `localhost`, and all its addresses; the best first.
///
/// Link-local IPv6 addresses are left out: they mean nothing without the name of an interface.
pub fn names() -> Vec<String> {
    let hostname = hostname();
    let hosts = std::fs::read_to_string("/etc/hosts").unwrap_or_default();
    let mut names: Vec<String> = hostname.iter().filter_map(|name| full_name(name, &hosts)).collect();
    names.extend(hostname);
    names.extend(addresses().iter().map(IpAddr::to_string));
    names.extend(["localhost", "127.0.0.1", "::1"].map(str::to_owned));
    let mut seen = std::collections::BTreeSet::new();
    names.retain(|name| seen.insert(name.clone()));
    names.truncate(NAMES_MAX);
    names
}

/// The host's name as the kernel has it, if it can be a name in a certificate.
pub fn hostname() -> Option<String> {
    let name = nix::unistd::gethostname().ok()?.into_string().ok()?;
    rustls::pki_types::DnsName::try_from(name.as_str()).is_ok().then_some(name)
}

/// The name with a domain that /etc/hosts has for `hostname` (hosts(5): address, canonical name, aliases).
fn full_name(hostname: &str, hosts: &str) -> Option<String> {
    let lines = hosts.lines().filter_map(|line| line.split('#').next());
    let mut entries = lines.map(|line| line.split_whitespace().skip(1));
    let names = entries.find(|names| names.clone().any(|name| name == hostname))?;
    let prefix = format!("{hostname}.");
    names.into_iter().find(|name| name.starts_with(&prefix)).map(str::to_owned)
}

/// Addresses of the interfaces, other hosts' way first: no loopback, no link-local IPv6.
fn addresses() -> Vec<IpAddr> {
    let Ok(interfaces) = getifaddrs() else { return Vec::new() };
    interfaces
        .filter_map(|interface| {
            let address = interface.address?;
            let v4 = address.as_sockaddr_in().map(|v4| IpAddr::V4(v4.ip()));
            v4.or_else(|| address.as_sockaddr_in6().map(|v6| IpAddr::V6(v6.ip())))
        })
        .filter(|address| !address.is_loopback())
        .filter(|address| !matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_full_name_is_taken_from_the_hosts_file() {
        let hosts =
            "127.0.0.1 localhost\n# 10.0.0.9 mqtt.old\n10.0.0.2\tmqtt.example.org mqtt # ours\n10.0.0.3 box box.lan";
        for (hostname, wanted) in
            [("mqtt", Some("mqtt.example.org")), ("box", Some("box.lan")), ("localhost", None), ("x", None)]
        {
            assert_eq!(full_name(hostname, hosts).as_deref(), wanted, "{hostname}");
        }
    }

    #[test]
    fn this_host_is_at_least_reachable_from_itself() {
        let names = names();
        for wanted in ["localhost", "127.0.0.1", "::1"] {
            assert_eq!(names.iter().filter(|name| *name == wanted).count(), 1, "{wanted} in {names:?}");
        }
    }
}
