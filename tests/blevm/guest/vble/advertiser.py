"""What an advertiser of the scenario sends. It knows nothing of time: the air asks it for one event after the other."""

# PDU type: HCI's number of it in a legacy report, and in an extended report [Core 5.4, Vol 4, Part E, 7.7.65.2, .13].
LEGACY = {
    "ADV_IND": (0, 0x13),
    "ADV_DIRECT_IND": (1, 0x15),
    "ADV_SCAN_IND": (2, 0x12),
    "ADV_NONCONN_IND": (3, 0x10),
}
# Extended PDUs have no number in a legacy report. EXT_SCAN has its data in the scan response.
EXTENDED = {"EXT_NONCONN": 0x00, "EXT_CONN": 0x01, "EXT_SCAN": 0x02}
ADDRESS_TYPES = {"public": 0, "random": 1, "public_identity": 2, "random_identity": 3}

LEGACY_DATA_BYTES_MAX = 31


def address_octets(text):
    """The six octets of "C0:11:22:33:44:01" as they are sent, the last one first."""
    return bytes.fromhex(text.replace(":", "").replace("-", ""))[::-1]


def address_text(octets):
    return octets[::-1].hex(":").upper()


def payloads(text):
    """Data is hexadecimal text, or a list of such texts, one for each event in turn."""
    texts = text if isinstance(text, list) else [text]
    return [bytes.fromhex(each.replace(" ", "")) for each in texts]


class Advertiser:
    def __init__(self, settings):
        take = settings.get
        self.settings = settings
        self.address = address_octets(settings["address"])
        self.address_type = ADDRESS_TYPES[take("addressType", "random")]
        self.name = take("name") or settings["address"]
        self.pdu = take("advType", "ADV_IND")
        if self.pdu not in LEGACY and self.pdu not in EXTENDED:
            raise ValueError(f"{self.name}: no advType {self.pdu}")

        self.data = payloads(take("adData", ""))
        # A scannable advertiser answers with empty data if nothing is said; with null nothing of its answer is heard.
        answers = self.pdu in ("ADV_IND", "ADV_SCAN_IND")
        response = take("scanData", "" if answers else None)
        self.response = None if response is None else payloads(response)
        if self.pdu in LEGACY:
            for data in self.data + (self.response or []):
                if len(data) > LEGACY_DATA_BYTES_MAX:
                    raise ValueError(f"{self.name}: {len(data)} bytes in a legacy PDU")

        self.interval = take("interval", 100) / 1000
        # advDelay: each event is up to so much later, at random.
        self.delay = take("delay", 10) / 1000
        self.start = take("start", 0)
        self.stop = take("stop")
        self.count = take("count")
        self.rssi = take("rssi", -60)
        self.jitter = take("jitter", 3)
        self.loss = take("loss", 0)
        self.counter = take("counter")
        self.response_counter = take("responseCounter")
        self.controllers = take("controllers")
        self.sid = take("sid", 1)
        self.tx_power = take("txPower", 127)
        self.primary_phy = take("primaryPhy", 1)
        self.secondary_phy = take("secondaryPhy", 1)

        # As the accept list and the duplicate filter know it, and as reports have it.
        self.identity = bytes([self.address_type]) + self.address
        self.events = 0
        self.reports = 0
        self.is_gone = False

    def next_event(self):
        """Data and scan response of the next advertising event."""
        turn = self.events
        self.events += 1
        data = numbered(self.data[turn % len(self.data)], self.counter, turn)
        if self.response is None:
            return data, None
        return data, numbered(self.response[turn % len(self.response)], self.response_counter, turn)

    def is_over(self):
        return self.count is not None and self.events >= self.count

    def change(self, values):
        """Takes other settings and goes on counting."""
        events, reports = self.events, self.reports
        self.__init__({**self.settings, **values, "name": self.name})
        self.events, self.reports = events, reports


def numbered(data, at, number):
    """The data with a running number of 16 bits at this place, if there is to be one."""
    return data if at is None else data[:at] + (number & 0xFFFF).to_bytes(2, "little") + data[at + 2 :]


def copies(settings):
    """The advertisers that an entry of the scenario stands for: "copies" have the addresses after the first."""
    first = int.from_bytes(address_octets(settings["address"]), "little")
    for copy in range(settings.get("copies", 1)):
        own = dict(settings)
        if copy:
            own["address"] = (first + copy).to_bytes(6, "big").hex(":")
            own["name"] = f"{settings.get('name', settings['address'])}#{copy}"
        yield Advertiser(own)
