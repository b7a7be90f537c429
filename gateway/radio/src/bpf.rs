//! Socket filters: what the kernel does not even put into our buffers.
//!
//! On a busy air the monitor channel has two or three packets for each report, and the management channel one; of those
//! only the reports on the monitor channel are wanted. The filters see a packet from its head of six octets on.

use crate::sys::Instruction;

/// Octets that a packet must have, each at its offset.
type Rule = &'static [(u32, u8)];

/// Advertising reports and hardware errors; commands that switch a scan; what happens to adapters.
const OF_THE_MONITOR: [Rule; 10] = [
    &[(0, 3), (6, 0x3E), (8, 0x0D)],
    &[(0, 3), (6, 0x3E), (8, 0x02)],
    &[(0, 3), (6, 0x10)],
    &[(0, 2), (7, 0x20), (6, 0x42)],
    &[(0, 2), (7, 0x20), (6, 0x0C)],
    &[(0, 0)],
    &[(0, 1)],
    &[(0, 8)],
    &[(0, 9)],
    &[(0, 10)],
];

/// Device Found, and that of a monitor: one for each report.
const NOT_OF_MANAGEMENT: [Rule; 3] = [&[(0, 0x12)], &[(0, 0x2F)], &[(0, 0x30)]];

/// For the monitor channel.
pub(crate) fn monitor() -> Vec<Instruction> {
    compile(&OF_THE_MONITOR, TAKE, REFUSE)
}

/// For the management channel.
pub(crate) fn management() -> Vec<Instruction> {
    compile(&NOT_OF_MANAGEMENT, REFUSE, TAKE)
}

const TAKE: u32 = u32::MAX;
const REFUSE: u32 = 0;

/// Load an octet at an offset; a packet that ends before it is refused. Jump if equal. Return.
const LOAD: u16 = (libc::BPF_LD | libc::BPF_B | libc::BPF_ABS) as u16;
const EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;

/// A packet of which a rule holds in all its parts is answered with `then`.
fn compile(rules: &[Rule], then: u32, otherwise: u32) -> Vec<Instruction> {
    let instruction = |code, jf, k| Instruction { code, jt: 0, jf, k };
    let mut program = Vec::new();
    for rule in rules {
        for (at, (offset, octet)) in rule.iter().enumerate() {
            // Past the parts that are left, two instructions each, and past the answer.
            let to_next = 2 * (rule.len() - 1 - at) + 1;
            program.push(instruction(LOAD, 0, *offset));
            program.push(instruction(EQUAL, to_next as u8, (*octet).into()));
        }
        program.push(instruction(RETURN, 0, then));
    }
    program.push(instruction(RETURN, 0, otherwise));
    program
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::attach_filter;
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixDatagram;

    /// Those of `packets` that the kernel lets through.
    fn passed(program: &[Instruction], packets: &[&[u8]]) -> Vec<Vec<u8>> {
        let (sender, receiver) = UnixDatagram::pair().unwrap();
        receiver.set_nonblocking(true).unwrap();
        let receiver = OwnedFd::from(receiver);
        attach_filter(&receiver, program).unwrap();
        let receiver = UnixDatagram::from(receiver);
        let mut passed = Vec::new();
        for packet in packets {
            let _ = sender.send(packet);
            let mut buffer = [0; 64];
            if let Ok(bytes) = receiver.recv(&mut buffer) {
                passed.push(buffer[..bytes].to_vec());
            }
        }
        passed
    }

    #[test]
    fn the_kernel_lets_through_what_is_wanted_of_the_monitor() {
        let wanted: [&[u8]; 10] = [
            &[0, 0, 1, 0, 0, 0],
            &[1, 0, 1, 0, 0, 0],
            &[8, 0, 1, 0, 0, 0],
            &[9, 0, 1, 0, 0, 0],
            &[10, 0, 1, 0, 1, 0, 9],
            &[2, 0, 1, 0, 5, 0, 0x0C, 0x20, 2, 1, 0],
            &[2, 0, 1, 0, 9, 0, 0x42, 0x20, 6, 1, 0, 0, 0, 0, 0],
            &[3, 0, 1, 0, 4, 0, 0x3E, 2, 0x02, 0],
            &[3, 0, 1, 0, 4, 0, 0x3E, 2, 0x0D, 0],
            &[3, 0, 1, 0, 3, 0, 0x10, 1, 0x42],
        ];
        assert_eq!(passed(&monitor(), &wanted), wanted);
        let unwanted: [&[u8]; 8] = [
            &[4, 0, 1, 0, 1, 0, 9],
            &[17, 0, 1, 0, 1, 0, 9],
            &[2, 0, 1, 0, 3, 0, 0x0B, 0x20, 0],
            &[2, 0, 1, 0, 3, 0, 0x0C, 0x0C, 0],
            &[3, 0, 1, 0, 4, 0, 0x3E, 2, 0x0A, 0],
            &[3, 0, 1, 0, 4, 0, 0x0E, 2, 0x0D, 0],
            &[3, 0, 1, 0, 1, 0, 0x3E],
            &[],
        ];
        assert_eq!(passed(&monitor(), &unwanted), [[0; 0]; 0]);
    }

    #[test]
    fn the_kernel_keeps_from_us_what_it_found_for_others() {
        let packets: [&[u8]; 4] = [&[0x12, 0, 9], &[0x2F, 0, 9], &[6, 0, 9], &[5, 0, 9]];
        assert_eq!(passed(&management(), &packets), [[6, 0, 9], [5, 0, 9]]);
    }
}
