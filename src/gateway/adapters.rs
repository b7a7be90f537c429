//! `nightjar gateway adapters`: which adapters this machine has, and whether we may listen through them.

use std::process::ExitCode;

use clap::Args;
use radio::Adapter;
use serde::Serialize;

use super::names;
use super::plain::{cleaned, columns, padded};
use crate::{capabilities, screen};

/// List this machine's Bluetooth adapters
///
/// Their addresses, what they can do, whether they are on, and who manages them besides the kernel; and what is missing
/// where this program may not listen through them.
#[derive(Debug, Args)]
#[command(
    verbatim_doc_comment,
    after_long_help = "Exit status:
  0  There is one at least.
  1  There is none."
)]
pub(crate) struct AdaptersArgs {
    /// A line of JSON for each
    #[arg(long)]
    json: bool,
}

pub(crate) fn main(args: &AdaptersArgs) -> ExitCode {
    let adapters = match radio::adapters() {
        Ok(adapters) => adapters,
        Err(error) => {
            eprintln!("Error: {error}.");
            return ExitCode::FAILURE;
        }
    };
    let manager = manager();
    if args.json {
        for adapter in &adapters {
            screen::line(json(adapter, manager));
        }
    } else {
        for line in table(&adapters, manager) {
            screen::line(line);
        }
    }
    if adapters.is_empty() {
        eprintln!(
            "There is no Bluetooth adapter: plug one in, and see `dmesg | grep -i bluetooth` where it does not show up \
             (a driver or its firmware may be missing)."
        );
        return ExitCode::FAILURE;
    }
    let missing = capabilities::missing_for_radio();
    if !missing.is_empty() {
        eprintln!(
            "To listen through them this program needs {}: {}.",
            missing.join(" and "),
            capabilities::how_to_grant()
        );
    }
    ExitCode::SUCCESS
}

/// Who manages the adapters beside the kernel. We get on with it: the scan is asked of the kernel, not of the adapter.
fn manager() -> Option<&'static str> {
    let processes = std::fs::read_dir("/proc").ok()?;
    let mut names = processes.flatten().filter_map(|entry| std::fs::read_to_string(entry.path().join("comm")).ok());
    names.any(|name| name.trim_end() == "bluetoothd").then_some("bluetoothd")
}

fn state(adapter: &Adapter) -> &'static str {
    match (adapter.blocked, adapter.powered) {
        (true, _) => "blocked",
        (false, true) => "on",
        (false, false) => "off",
    }
}

/// The version of the Core Specification that a version of HCI belongs to. Source: Assigned Numbers, §2.1.
fn specification(version: u8) -> String {
    let known =
        ["1.0b", "1.1", "1.2", "2.0", "2.1", "3.0", "4.0", "4.1", "4.2", "5.0", "5.1", "5.2", "5.3", "5.4", "6.0"];
    known.get(usize::from(version)).map_or_else(|| format!("HCI version {version}"), |&known| known.to_owned())
}

fn company(adapter: &Adapter) -> String {
    names::company(adapter.manufacturer).map_or_else(|| format!("0x{:04X}", adapter.manufacturer), str::to_owned)
}

fn table(adapters: &[Adapter], manager: Option<&str>) -> Vec<String> {
    let mut rows =
        vec![["ADDRESS", "ADAPTER", "STATE", "BLUETOOTH", "MADE BY", "MANAGED BY", "NAME"].map(str::to_owned)];
    rows.extend(adapters.iter().map(|adapter| {
        let low_energy = if adapter.low_energy { "" } else { ", not LE" };
        [
            adapter.address.to_string(),
            format!("hci{}", adapter.index),
            state(adapter).to_owned(),
            format!("{}{low_energy}", specification(adapter.version)),
            company(adapter),
            manager.unwrap_or("-").to_owned(),
            cleaned(&adapter.name),
        ]
    }));
    if adapters.is_empty() {
        return Vec::new();
    }
    let width = |column: usize| rows.iter().map(|row| columns(&row[column])).max().unwrap_or(0);
    let widths: Vec<usize> = (0..7).map(width).collect();
    let line = |row: &[String; 7]| {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| padded(cell, *width)).collect();
        cells.join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

#[derive(Serialize)]
struct Described<'a> {
    address: String,
    adapter: String,
    name: &'a str,
    powered: bool,
    blocked: bool,
    low_energy: bool,
    bluetooth: String,
    manufacturer: u16,
    managed_by: Option<&'a str>,
}

fn json(adapter: &Adapter, manager: Option<&str>) -> String {
    let described = Described {
        address: adapter.address.to_string(),
        adapter: format!("hci{}", adapter.index),
        name: &adapter.name,
        powered: adapter.powered,
        blocked: adapter.blocked,
        low_energy: adapter.low_energy,
        bluetooth: specification(adapter.version),
        manufacturer: adapter.manufacturer,
        managed_by: manager,
    };
    // Strings, numbers and truths alone: there is nothing that could fail.
    serde_json::to_string(&described).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use gateway_core::MacAddress;

    fn adapter() -> Adapter {
        Adapter {
            index: 1,
            address: MacAddress([0, 0xAA, 1, 0, 0, 0x42]),
            name: "kiosk\x1b[2J".to_owned(),
            powered: true,
            low_energy: true,
            blocked: false,
            manufacturer: 2,
            version: 9,
        }
    }

    #[test]
    fn an_adapter_is_told_with_what_it_is_called_by_and_what_it_can() {
        let dark =
            Adapter { index: 10, blocked: true, low_energy: false, version: 4, manufacturer: 0x1234, ..adapter() };
        assert_eq!(
            table(&[adapter(), dark], Some("bluetoothd")),
            [
                "ADDRESS            ADAPTER  STATE    BLUETOOTH    MADE BY  MANAGED BY  NAME",
                "00:AA:01:00:00:42  hci1     on       5.0          Intel    bluetoothd  kiosk\u{FFFD}[2J",
                "00:AA:01:00:00:42  hci10    blocked  2.1, not LE  0x1234   bluetoothd  kiosk\u{FFFD}[2J",
            ]
        );
        assert!(table(&[], None).is_empty());
        assert_eq!(specification(99), "HCI version 99");
    }

    #[test]
    fn an_adapter_in_json_is_on_one_line() {
        assert_eq!(
            json(&adapter(), None),
            r#"{"address":"00:AA:01:00:00:42","adapter":"hci1","name":"kiosk\u001b[2J","powered":true,"blocked":false,"low_energy":true,"bluetooth":"5.0","manufacturer":2,"managed_by":null}"#
        );
    }
}
