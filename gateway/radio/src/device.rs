//! An adapter as a device of the machine: what `/sys` and `/proc` tell of it, and the reset of its USB device.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::sys;

/// Names this appearance of an adapter: another boot, or the adapter plugged in again, is another. `None`: it is not there.
pub(crate) fn appearance(index: u16) -> Option<String> {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let device = fs::metadata(format!("/sys/class/bluetooth/hci{index}")).ok()?;
    Some(format!("{} {}", boot.trim(), device.ino()))
}

/// Whether rfkill blocks an adapter.
pub(crate) fn is_blocked(index: u16) -> bool {
    let Ok(entries) = fs::read_dir(format!("/sys/class/bluetooth/hci{index}")) else { return false };
    entries.flatten().filter(|entry| entry.file_name().to_string_lossy().starts_with("rfkill")).any(|entry| {
        let on = |name: &str| fs::read_to_string(entry.path().join(name)).is_ok_and(|text| text.trim() == "1");
        on("soft") || on("hard")
    })
}

/// Resets the USB device that the adapter is.
pub(crate) fn reset(index: u16) -> Result<(), String> {
    let device = fs::canonicalize(format!("/sys/class/bluetooth/hci{index}/device"));
    let device = device.map_err(|_| "it is no device on a bus".to_owned())?;
    let node = usb_node(&device).ok_or("it is not on USB")?;
    let opened = File::options().write(true).open(&node);
    opened.and_then(|node| sys::reset_usb(&node)).map_err(|cause| match cause.kind() {
        io::ErrorKind::PermissionDenied => {
            format!("{}: permission denied; give the service's user write access to it by a udev rule", node.display())
        }
        _ => format!("{}: {cause}", node.display()),
    })
}

/// The node in `/dev` of the USB device that `device`, a folder of `/sys`, is or lies in.
fn usb_node(device: &Path) -> Option<PathBuf> {
    device.ancestors().find_map(|folder| {
        let number = |name: &str| fs::read_to_string(folder.join(name)).ok()?.trim().parse::<u16>().ok();
        let (bus, device) = (number("busnum")?, number("devnum")?);
        Some(PathBuf::from(format!("/dev/bus/usb/{bus:03}/{device:03}")))
    })
}

/// Whether this process has a capability, by its number.
pub(crate) fn has_capability(number: u32) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    effective.and_then(|set| u64::from_str_radix(set.trim(), 16).ok()).is_some_and(|set| set >> number & 1 == 1)
}

/// CAP_NET_ADMIN.
pub(crate) const NET_ADMIN: u32 = 12;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_usb_device_is_found_from_the_adapter_in_it() {
        let folder = std::env::temp_dir().join(format!("nightjar-usb-{}", std::process::id()));
        let interface = folder.join("1-2/1-2:1.0");
        fs::create_dir_all(&interface).unwrap();
        fs::write(folder.join("1-2/busnum"), "1\n").unwrap();
        fs::write(folder.join("1-2/devnum"), "17\n").unwrap();
        assert_eq!(usb_node(&interface), Some(PathBuf::from("/dev/bus/usb/001/017")));
        assert_eq!(usb_node(&folder), None);
        fs::remove_dir_all(&folder).unwrap();
    }
}
