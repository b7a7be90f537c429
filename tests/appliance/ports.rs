//! Ports for programs that cannot be told to choose their own. No fixed ones, and none that another test has.

use std::net::TcpListener;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::sync::Mutex;
use std::time::{SystemTime, UNIX_EPOCH};

/// Below those that Linux gives to who asks for any port, which are all the other sockets of the tests.
const FIRST: u16 = 10_000;
const COUNT: u16 = 22_000;

/// The signs that ports are taken: names of sockets, which the kernel lets go of with the process.
static TAKEN: Mutex<Vec<UnixListener>> = Mutex::new(Vec::new());

/// A port that is free, and that no other test is given while this process lives.
pub(crate) fn free_port() -> u16 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970");
    let begin = since.subsec_micros().wrapping_add(std::process::id().wrapping_mul(997));
    let ports = (0..u32::from(COUNT)).map(|step| FIRST + (begin.wrapping_add(step) % u32::from(COUNT)) as u16);
    for port in ports {
        let name = SocketAddr::from_abstract_name(format!("nightjar-test-port-{port}")).expect("a short name");
        let Ok(sign) = UnixListener::bind_addr(&name) else { continue };
        if TcpListener::bind(("0.0.0.0", port)).is_ok() {
            TAKEN.lock().expect("no panic").push(sign);
            return port;
        }
    }
    panic!("no port is free");
}
