"""A controller: what the kernel commands it, and what it reports of what it hears.

It is one hciN of the kernel as long as its /dev/vhci is open. Commands are answered as HCI says [Core 5.4, Vol 4,
Part E, 7]; those that are of no consequence here just succeed."""

import errno
import os
import random
import struct
import time

import advertiser

COMMAND_COMPLETE, COMMAND_STATUS, HARDWARE_ERROR, LE_META = 0x0E, 0x0F, 0x10, 0x3E
COMMAND_PACKET, EVENT_PACKET, VENDOR_PACKET = 1, 4, 0xFF
SUCCESS, UNKNOWN_COMMAND, UNKNOWN_CONNECTION, DISALLOWED, NOT_ESTABLISHED = 0x00, 0x01, 0x02, 0x0C, 0x3E
# Data of one extended report; what is longer comes in several.
REPORT_DATA_BYTES_MAX = 229
SCAN_RESPONSE, SCANNABLE, LEGACY_PDU, MORE_TO_COME = 0x08, 0x02, 0x10, 0x20
# A connection that nobody answers is given up after so many seconds.
CONNECTION_PATIENCE_S = 1
SCANS_REMEMBERED = 50

# Answered with success and nothing else: event masks, names, the data and parameters of advertising, privacy, ...
OF_NO_CONSEQUENCE = {
    0x0C01, 0x0C13, 0x0C14, 0x0C63, 0x0C6D, 0x2001, 0x2005, 0x2006, 0x2008, 0x2009, 0x200A, 0x2024, 0x2029, 0x202D,
    0x202E, 0x2031, 0x2035, 0x2037, 0x2038, 0x2039, 0x203C, 0x203D,
}


class Controller:
    def __init__(self, index, settings, log):
        """Plugs it in. `log` is called with what it does."""
        self.index = index
        self.log = log
        self.is_extended = settings.get("extended", False)
        self.has_coded_phy = settings.get("coded", False)
        self.address = advertiser.address_octets(settings.get("address", f"00:AA:01:00:00:{index:02X}"))
        self.rssi_offset = settings.get("rssiOffset", 0)
        self.filters_by_data = settings.get("duplicateFilter", "address") == "data"
        self.honours_duty = settings.get("honourDuty", False)
        self.sent = self.dropped = 0
        self.scans = []
        # None, or what cures it: "scan" (being told to scan again), "reset", "replug".
        self.deaf_until = None
        self.began = time.monotonic()
        # Called with (seconds, function): what is to be done later.
        self.later = lambda seconds, what: None

        self.file = os.open("/dev/vhci", os.O_RDWR)
        # "A primary controller, please"; the kernel's answer has its number.
        os.write(self.file, bytes([VENDOR_PACKET, 0]))
        self.hci = struct.unpack("<H", os.read(self.file, 8)[2:4])[0]
        os.set_blocking(self.file, False)
        self.reset()
        log(f"controller {index} is hci{self.hci}, extended={self.is_extended}")

    def reset(self):
        self.is_scanning = self.is_active = self.filters_duplicates = False
        self.policy = 0
        self.phys = 1
        self.interval = self.window = 0x10
        self.accepted = set()
        self.seen = set()
        self.is_connecting = False
        if self.deaf_until == "reset":
            self.deaf_until = None

    def unplug(self):
        os.close(self.file)

    # To the kernel

    def event(self, code, parameters):
        """Whether the kernel took it: while an adapter is switched off it takes nothing."""
        try:
            os.write(self.file, bytes([EVENT_PACKET, code, len(parameters)]) + parameters)
            return True
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.ENXIO, errno.EBADFD):
                raise
            self.dropped += 1
            return False

    def complete(self, opcode, status=SUCCESS, parameters=b""):
        self.event(COMMAND_COMPLETE, struct.pack("<BHB", 1, opcode, status) + parameters)

    def fail_hardware(self):
        self.event(HARDWARE_ERROR, b"\x42")

    # From the kernel

    def read(self):
        """Takes one packet from the kernel and answers it if it is a command."""
        try:
            packet = os.read(self.file, 4096)
        except OSError:
            return
        if packet[:1] == bytes([COMMAND_PACKET]):
            (opcode,) = struct.unpack("<H", packet[1:3])
            self.log(f"hci{self.hci} cmd {opcode:04x} {packet[4:].hex()}")
            self.command(opcode, packet[4:])

    def command(self, opcode, parameters):
        if opcode in OF_NO_CONSEQUENCE:
            self.complete(opcode)
        elif opcode in ANSWERS:
            self.complete(opcode, parameters=ANSWERS[opcode](self))
        elif opcode in ACTIONS:
            ACTIONS[opcode](self, opcode, parameters)
        else:
            self.log(f"hci{self.hci} unknown command {opcode:04x} {parameters.hex()}")
            self.complete(opcode, UNKNOWN_COMMAND)

    def version(self):
        number = 0x0B if self.is_extended else 0x08  # 5.2 or 4.2
        return struct.pack("<BHBHH", number, 0, number, 0x05F1, 0)

    def supported_commands(self):
        """A bit for each command, as far as the kernel asks [Vol 4, Part E, 6.27]."""
        octets = bytearray(64)
        octets[0], octets[2], octets[5], octets[14], octets[15] = 0x20, 0x80, 0xC0, 0x28, 0x02
        octets[25:29] = b"\xf7\xff\x8f\x08"
        octets[33], octets[34], octets[35] = 0xC0, 0x01, 0x28
        if self.is_extended:
            octets[36], octets[37], octets[38] = 0xFE, 0x63, 0x80
        return bytes(octets)

    def le_features(self):
        data_length, two_m, coded, extended_advertising = 0x20, 0x100, 0x800, 0x1000
        features = data_length
        if self.is_extended:
            features |= extended_advertising
        if self.has_coded_phy:
            features |= two_m | coded
        return struct.pack("<Q", features)

    def on_reset(self, opcode, _):
        self.reset()
        self.complete(opcode)

    def on_accept_list(self, opcode, parameters):
        if opcode == 0x2010:
            self.accepted.clear()
        elif opcode == 0x2011:
            self.accepted.add(parameters[:7])
        else:
            self.accepted.discard(parameters[:7])
        self.complete(opcode)

    def on_scan_parameters(self, opcode, parameters):
        if self.is_scanning:
            self.complete(opcode, DISALLOWED)
            return
        if opcode == 0x200B:
            kind, self.interval, self.window, _, self.policy = struct.unpack("<BHHBB", parameters[:7])
            self.phys = 1
        else:
            # For each PHY asked for there are kind, interval and window; the first one's are taken for all.
            _, self.policy, self.phys, kind, self.interval, self.window = struct.unpack("<BBBBHH", parameters[:8])
        self.is_active = kind == 1
        self.complete(opcode)

    def on_scan_enable(self, opcode, parameters):
        self.is_scanning = parameters[0] == 1
        self.filters_duplicates = parameters[1] != 0
        self.seen.clear()
        if self.is_scanning and self.deaf_until == "scan":
            self.deaf_until = None
        entry = [round(time.monotonic() - self.began, 3), "on" if self.is_scanning else "off"]
        if self.is_scanning:
            entry.append(
                dict(active=self.is_active, filterDuplicates=self.filters_duplicates, interval=self.interval * 0.625,
                     window=self.window * 0.625, phys=self.phys, policy=self.policy, extended=opcode == 0x2042)
            )
        self.scans = self.scans[1 - SCANS_REMEMBERED :] + [entry]
        self.log(f"hci{self.hci} scan", *entry[1:])
        self.complete(opcode)

    def on_connect(self, opcode, _):
        self.is_connecting = True
        self.event(COMMAND_STATUS, struct.pack("<BBH", SUCCESS, 1, opcode))
        self.later(CONNECTION_PATIENCE_S, lambda: self.end_connecting(NOT_ESTABLISHED))

    def on_connect_cancel(self, opcode, _):
        self.complete(opcode, SUCCESS if self.is_connecting else DISALLOWED)
        self.end_connecting(UNKNOWN_CONNECTION)

    def end_connecting(self, status):
        if self.is_connecting:
            self.is_connecting = False
            self.event(LE_META, bytes([1, status]) + bytes(17))

    # From the air

    def hear(self, sender, data, response):
        """One advertising event: the advertisement, and if the controller asks, the scan response."""
        if not self.is_scanning or self.deaf_until:
            return
        if sender.controllers is not None and self.index not in sender.controllers:
            return
        if self.policy & 1 and sender.identity not in self.accepted:
            return
        if self.honours_duty and random.random() > self.window / self.interval:
            return
        if sender.loss and random.random() < sender.loss:
            return
        rssi = sender.rssi + self.rssi_offset
        if sender.jitter:
            rssi += random.uniform(-sender.jitter, sender.jitter)
        rssi = max(-127, min(20, int(rssi))) & 0xFF

        if sender.pdu in advertiser.LEGACY:
            legacy, extended = advertiser.LEGACY[sender.pdu]
            self.report(sender, legacy, extended, data, rssi)
            if response is not None and self.is_active and extended & SCANNABLE:
                self.report(sender, 4, (extended & 0x11) | SCANNABLE | SCAN_RESPONSE, response, rssi)
        elif self.is_extended and self.phys >> (sender.primary_phy - 1) & 1:
            kind = advertiser.EXTENDED[sender.pdu]
            if not kind & SCANNABLE:
                self.report(sender, None, kind, data, rssi)
                return
            self.report(sender, None, kind, b"", rssi)
            if self.is_active:
                self.report(sender, None, kind | SCAN_RESPONSE, data if response is None else response, rssi)

    def report(self, sender, legacy, extended, data, rssi):
        """Tells the kernel of one PDU: `legacy` and `extended` are its types in the two kinds of reports."""
        if self.filters_duplicates:
            key = (sender.identity, extended, data if self.filters_by_data else None)
            if key in self.seen:
                return
            self.seen.add(key)
        sender.reports += 1
        if not self.is_extended:
            report = bytes([2, 1, legacy]) + sender.identity + bytes([len(data)]) + data + bytes([rssi])
            self.sent += self.event(LE_META, report)
            return
        is_legacy = extended & LEGACY_PDU
        radio = bytes([
            1 if is_legacy else sender.primary_phy,
            0 if is_legacy else sender.secondary_phy,
            0xFF if is_legacy else sender.sid,
            sender.tx_power & 0xFF,
            rssi,
        ])
        no_period_nor_direct_address = bytes(9)
        while True:
            part, data = data[:REPORT_DATA_BYTES_MAX], data[REPORT_DATA_BYTES_MAX:]
            kind = struct.pack("<H", extended | (MORE_TO_COME if data else 0))
            head = bytes([0x0D, 1]) + kind + sender.identity + radio + no_period_nor_direct_address
            self.sent += self.event(LE_META, head + bytes([len(part)]) + part)
            if not data:
                return


# Commands that only ask.
ANSWERS = {
    0x1001: Controller.version,
    0x1002: Controller.supported_commands,
    0x1003: lambda _: bytes.fromhex("0000000060000000"),  # LMP features: LE, no BR/EDR
    0x1005: lambda _: struct.pack("<HBHH", 192, 0, 8, 0),  # buffer sizes
    0x1009: lambda controller: controller.address,
    0x2002: lambda _: struct.pack("<HB", 251, 8),  # LE buffer sizes
    0x2003: Controller.le_features,
    0x2007: lambda _: b"\0",  # power of advertising, dBm
    0x200F: lambda _: b"\x20",  # size of the accept list
    0x2018: lambda _: os.urandom(8),
    0x201C: lambda _: bytes.fromhex("ffffffffff030000"),  # LE states
    0x2023: lambda _: struct.pack("<HH", 251, 2120),  # default data length
    0x202A: lambda _: b"\x20",  # size of the resolving list
    0x202F: lambda _: struct.pack("<HHHH", 251, 2120, 251, 2120),  # longest data
    0x2036: lambda _: b"\0",  # power of extended advertising
    0x203A: lambda _: struct.pack("<H", 1650),  # longest advertising data
    0x203B: lambda _: b"\x04",  # advertising sets
    0x204B: lambda _: struct.pack("<bb", -20, 10),  # transmit powers
}
# Commands that change something.
ACTIONS = {
    0x0C03: Controller.on_reset,
    0x200B: Controller.on_scan_parameters,
    0x200C: Controller.on_scan_enable,
    0x200D: Controller.on_connect,
    0x200E: Controller.on_connect_cancel,
    0x2010: Controller.on_accept_list,
    0x2011: Controller.on_accept_list,
    0x2012: Controller.on_accept_list,
    0x2041: Controller.on_scan_parameters,
    0x2042: Controller.on_scan_enable,
    0x2043: Controller.on_connect,
}
