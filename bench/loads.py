"""The loads of bench/compare: loadgen's arguments, what each takes, what is aimed at, and the figures of the tables.

Nothing here starts anything.
"""

from dataclasses import dataclass, field

IDLE_CONNECTIONS = 10_000
OPEN_FILES = IDLE_CONNECTIONS + 500  # by the broker, and by the generator
RUN_S_MAX = 240  # of one load; loadgen's own --timeout and --stall come first

# One key and one password for the bench's own throw-away listeners; they protect nothing.
PSK_IDENTITY, PSK_KEY = "bench", "00112233445566778899aabbccddeeff"
USER, PASSWORD = "router", "correct horse battery staple"


@dataclass(frozen=True)
class Target:
    """What ours is to reach: `what` is a key of WHATS, `limit` a ratio to mosquitto's, or a figure of its own."""

    what: str
    limit: float


@dataclass(frozen=True)
class What:
    """How a target is judged: which field, against whom (mosquitto, the best peer, or nobody), and which way is better."""

    name: str
    field: str
    against: str
    less: bool


WHATS = {
    "cpu": What("CPU ÷ mosquitto's", "cpu", "mosquitto", True),
    "rate": What("rate ÷ mosquitto's", "msgs_per_s", "mosquitto", False),
    "bytes": What("bytes per connection", "rss_bytes_per_conn", "", True),
    "p99": What("p99 ÷ the best peer's", "p99_us", "best", True),
}


@dataclass(frozen=True)
class Load:
    """One row of the tables: loadgen's arguments, and what --quick adds to them."""

    name: str
    args: str
    quick: str
    door: str = "plain"  # or tls, psk, hashed, argon2id: what the broker must offer, see brokers.py
    target: Target | None = None
    floor: str | None = None  # the relay floors take part, with these arguments
    conf: str = ""  # more lines of mosquitto.conf
    two: bool = False  # also in mode two
    seconds: int = 6  # how long a run takes, about; only for telling the user

    def command(self, loadgen, port, pid, quick, scratch):
        doors = {
            "plain": [],
            "tls": ["--tls-ca", f"{scratch}/server.crt", "--tls-name", "localhost"],
            "psk": ["--psk-identity", PSK_IDENTITY, "--psk-key", PSK_KEY],
            "hashed": ["--username", USER, "--password", PASSWORD],
            "argon2id": ["--username", USER, "--password", PASSWORD],
        }
        words = f"{self.args} {self.quick if quick else ''}".split()
        common = ["--json", "--port", str(port), "--broker-pid", str(pid), "--timeout", str(RUN_S_MAX - 60)]
        return [str(loadgen), *words, *doors[self.door], *common]


def cpu(limit):
    return Target("cpu", limit)


HUNDRED = "max_inflight_messages 100"
FEW, FEWER = "--messages 50", "--messages 20"
SHORT = "--duration 0.5"
LATE = "--duration 1 --warmup-secs 0.2"
IDLE_QUICK = "--n 500 --settle 0.3 --hold 0.5"
# The suites of both stacks, named so that no broker is measured with a cheaper one than another.
SUITES = {"1.2": "ECDHE-ECDSA-AES128-GCM-SHA256", "1.3": "TLS_AES_128_GCM_SHA256"}

# With QoS 1 and 2 a publisher is acknowledged before the subscriber has its message, so the broker's queue grows as
# long as publishers are faster. Mosquitto slows down with the square of a QoS 2 queue: hence fewer messages there,
# and more patience.
LOADS = [
    Load("gateways 200→1, QoS 0", "gateways --n 200 --subs 1 --qos 0 --window 10", FEW, target=cpu(0.45), floor="", two=True),
    Load("gateways 200→1, QoS 1", "gateways --n 200 --subs 1 --qos 1", FEW, two=True, seconds=12, floor=""),
    Load("gateways 200→4, QoS 1", "gateways --n 200 --subs 4 --qos 1 --messages 1000", FEW, target=cpu(0.14), two=True, floor=""),
    Load("fanout 1→500, QoS 0", "fanout --pubs 1 --subs 500 --qos 0 --window 10", FEW, target=cpu(0.13), floor="", two=True, seconds=8),
    Load("fanout 1→500, QoS 1", "fanout --pubs 1 --subs 500 --qos 1", FEW, target=cpu(0.08), seconds=8, floor=""),
    Load("fanin 200→1, QoS 0", "fanin --pubs 200 --subs 1 --qos 0 --window 10", FEW, target=cpu(0.38), floor="", two=True),
    Load("fanin 200→1, QoS 1", "fanin --pubs 200 --subs 1 --qos 1", FEW, target=cpu(0.20), two=True, seconds=10, floor=""),
    Load("fanin 200→1, QoS 2", "fanin --pubs 200 --subs 1 --qos 2 --messages 300 --stall 30", FEWER, target=cpu(0.15), floor=""),
    Load("pairs 100, QoS 0, nothing to batch", "pairs --n 100 --qos 0 --window 1 --messages 4000", FEW, target=cpu(0.75),
         floor="--pairs", two=True, seconds=8),
    Load("pairs 100, QoS 1", "pairs --n 100 --qos 1", FEW, target=cpu(0.22), two=True, seconds=8, floor="--pairs"),
    # loadgen writes each message by itself, as devices do, and that takes it longer than it takes a broker to read it: so a
    # fast broker finds one in each read, and its figure is what a read, a write and an acknowledgement of TCP cost. Here it
    # writes ten at a time: the figure is what the broker costs.
    Load("gateways 100→1, QoS 0, ten in a write", "gateways --n 100 --subs 1 --qos 0 --window 10 --burst 10", FEW, floor=""),
    Load("fanin 200→1, QoS 1, ten in a write", "fanin --pubs 200 --subs 1 --qos 1 --burst 10", FEW, seconds=10, floor=""),
    Load("fanin 200→1, QoS 2, ten in a write", "fanin --pubs 200 --subs 1 --qos 2 --messages 300 --stall 30 --burst 10", FEWER, floor=""),
    Load("pairs 100, QoS 1, ten in a write", "pairs --n 100 --qos 1 --burst 10", FEW, seconds=8, floor="--pairs"),
    # rumqttd lets 100 messages be on their way to a subscriber, mosquitto and nightjar 20 where the operator says nothing: with
    # as many for all, the same loads compare the brokers, and not that. And what a publisher waits who has one on its way.
    Load("fanin 200→1, QoS 1, 100 in flight", "fanin --pubs 200 --subs 1 --qos 1", FEW, floor="--inflight 100", conf=HUNDRED, seconds=10),
    Load("fanin 200→1, QoS 2, 100 in flight", "fanin --pubs 200 --subs 1 --qos 2 --messages 300 --stall 30", FEWER,
         floor="--inflight 100", conf=HUNDRED),
    Load("gateways 200→4, QoS 1, 100 in flight", "gateways --n 200 --subs 4 --qos 1 --messages 1000", FEW, floor="--inflight 100",
         conf=HUNDRED),
    Load("offline queue of 20,000, QoS 1, 100 in flight", "persist --messages 20000", "--messages 1000", floor="--inflight 100",
         conf=HUNDRED),
    Load("one to one, QoS 1, one at a time", "fanin --pubs 1 --subs 1 --qos 1 --window 1 --messages 30000", "--messages 500", floor=""),
    Load("fanin 200→1, QoS 1, one at a time", "fanin --pubs 200 --subs 1 --qos 1 --window 1 --messages 1000", FEW, floor=""),
    Load("retained, 20,000 to a new #", "retained --messages 20000 --repeat 5", "--messages 1000 --repeat 1", target=cpu(0.22)),
    Load("retained, 100,000 to a new #", "retained --messages 100000 --repeat 3", "--messages 1000 --repeat 1"),
    # What a connection takes when the rest is little: what the row above may be held against.
    Load("one to one, QoS 0, in bursts", "fanin --pubs 1 --subs 1 --qos 0 --window 1000 --burst 50 --messages 200000",
         "--messages 5000", floor=""),
    Load("offline queue of 20,000, QoS 1, drained", "persist --messages 20000", "--messages 1000", target=cpu(0.14), floor=""),
    Load("idle, 10,000 connections", f"idle --n {IDLE_CONNECTIONS} --src-addrs 16", IDLE_QUICK,
         target=Target("bytes", 700), floor="", seconds=10),
    Load("idle, 10,000 with a subscription", f"idle --n {IDLE_CONNECTIONS} --subscribe --src-addrs 16", IDLE_QUICK,
         target=Target("bytes", 1500), floor="", seconds=10),
    Load("connect", "connect --concurrency 100 --duration 5 --src-addrs 200", SHORT, target=cpu(0.80), floor="", two=True),
    Load("routers, $7$ password",
         "connect --publish --concurrency 100 --duration 5 --src-addrs 200", SHORT, "hashed", Target("rate", 1.0)),
    Load("routers, argon2id password",
         "connect --publish --concurrency 100 --duration 5 --src-addrs 200 --stall 30", SHORT, "argon2id"),
]
DOOR_LOADS = [
    Load("pairs 50 over TLS, QoS 0", "pairs --n 50 --qos 0", FEW, "tls", cpu(0.38), floor="--pairs"),
    Load("pairs 50 over TLS, QoS 0, nothing to batch", "pairs --n 50 --qos 0 --window 1 --messages 4000", FEW, "tls", floor="--pairs"),
] + [
    Load(f"connect, TLS {version}{name}",
         f"connect --concurrency 50 --duration 5 --tls-version {version} --tls-ciphers {SUITES[version]}{more}", SHORT, "tls", target)
    for version in ("1.2", "1.3")
    for name, more, target in (
        ("", "", cpu(0.55) if version == "1.3" else None),
        (", sessions resumed", " --tls-resume", Target("rate", 1.0)),
    )
] + [
    Load("connect, TLS-PSK", "connect --concurrency 50 --duration 5", SHORT, "psk", cpu(0.90)),
    Load("connect, TLS-PSK, sessions resumed", "connect --concurrency 50 --duration 5 --tls-resume", SHORT, "psk",
         Target("rate", 1.0)),
]
# 10,000 *delivered* messages a second, sent when they are due whatever the broker does. `fanout` publishes the fiftieth part.
LATENCY_LOADS = [
    Load("gateways 200→1", "latency --topology gateways --rate 10000 --duration 8", LATE, target=Target("p99", 1.0), floor="",
         two=True, seconds=11),
    Load("fanin 200→1", "latency --topology fanin --rate 10000 --duration 8", LATE, target=Target("p99", 1.0), floor="", seconds=11),
    Load("fanout 1→50", "latency --topology fanout --subs 50 --rate 200 --duration 8", LATE, target=Target("p99", 1.0), floor="",
         seconds=11),
    Load("pairs 50", "latency --topology pairs --n 50 --rate 10000 --duration 8", LATE, target=Target("p99", 1.0), floor="--pairs",
         two=True, seconds=11),
    Load("gateways 200→1, QoS 1", "latency --topology gateways --qos 1 --rate 10000 --duration 8", LATE, target=Target("p99", 1.0),
         two=True, seconds=11),
]
LATENCY_LOADS = [Load(**{**x.__dict__, "name": f"latency, {x.name}"}) for x in LATENCY_LOADS]
ALL_LOADS = LOADS + DOOR_LOADS + LATENCY_LOADS
BY_NAME = {x.name: x for x in ALL_LOADS}


@dataclass(frozen=True)
class Figure:
    """One table: which field of loadgen's result, by scenario, and how it is written. None: not for this scenario."""

    key: str
    title: str
    keys: dict = field(hash=False)
    default: str | None
    digits: int
    less: bool = True

    def of(self, result):
        value = result.get(self.keys.get(result.get("scenario"), self.default) or "")
        return value if isinstance(value, (int, float)) else None


CPU = Figure("cpu", "CPU of the broker, µs per delivered message (`idle`, `connect`, `routers`: per connection). Less is better.",
             {"idle": "connect_us_per_conn", "latency": None}, "broker_us_per_msg", 2)
RATE = Figure("rate", "Delivered messages per second (`idle`, `connect`, `routers`: connections). More is better.",
              {"idle": "conns_per_s", "latency": None}, "msgs_per_s", 0, less=False)
MEMORY = Figure("memory", "Memory per idle connection, bytes. Less is better.", {"idle": "rss_bytes_per_conn"}, None, 0)
RESIDENT = Figure("resident", "Resident memory of the broker at the end, KiB. Less is better.", {"latency": None}, "rss_kb", 0)
ACKS = [
    Figure(f"ack {name}", f"From PUBLISH to its PUBACK, {name}, µs (QoS 1; `latency`: at 10,000 messages a second). Less is better.", {}, key, 0)
    for name, key in (("p50", "ack_p50_us"), ("p99", "ack_p99_us"))
]
RESUMED = Figure("resumed", "Sessions that the broker took up again, of a hundred connections.", {"connect": "resumed_pct"}, None, 0,
                 less=False)
LATENCIES = [
    Figure(name, f"Latency at 10,000 messages a second, {name}, µs. Less is better.", {"latency": key}, None, 0)
    for name, key in (("p50", "p50_us"), ("p99", "p99_us"), ("p99.9", "p999_us"))
]
PACED = Figure("paced", "CPU of the broker at 10,000 messages a second, µs per message. Less is better.",
               {"latency": "broker_us_per_msg"}, None, 2)
FIGURES = [CPU, RATE, *ACKS, MEMORY, RESIDENT, *LATENCIES, PACED, RESUMED]


def field_of(what, result):
    """The figure that a target is about."""
    value = CPU.of(result) if what.field == "cpu" else result.get(what.field)
    return value if isinstance(value, (int, float)) else None
