"""The brokers of bench/compare: which there are, how each is configured, started and ended.

Every one gets the same: a listener on 127.0.0.1, anonymous clients (but where the load logs in), nothing on a disk, no log
line for each connection, and queues that do not drop what a load waits for.
"""

import base64
import contextlib
import hashlib
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from loads import IDLE_CONNECTIONS, PASSWORD, PSK_IDENTITY, PSK_KEY, USER

ROOT = Path(__file__).resolve().parent.parent
PEERS = ROOT / "var" / "peers"  # where bench/peers/install puts what it builds
OURS, BASELINE, FLOOR, NAPPING = "nightjar", "mosquitto", "relay floor", "napping floor"
# What is no broker: it moves bytes and knows no MQTT. The second lets 200 µs of them gather after each turn, as nightjar does where
# that costs nobody more.
FLOORS = {FLOOR: "", NAPPING: "--nap-us 200"}
READY_S_MAX = 10  # from start of a broker to its first accepted connection
STOP_S_MAX = 10  # from SIGTERM to its end; then SIGKILL


class Unusable(Exception):
    """The comparison cannot be made; the message says what to mend."""


class Failure(Exception):
    """One run failed; it is shown and not averaged."""


@dataclass(frozen=True)
class Kind:
    """A broker to compare: its command line, in which {port}, {conf}, {toml}, {dir} and {load} are replaced."""

    name: str
    command: tuple
    doors: tuple
    version: str
    by_door: tuple = ()  # (door, more words)

    def takes(self, load):
        return load.door in self.doors and (self.name not in FLOORS or load.floor is not None)


def known_brokers(wanted, loadgen=None):
    """Those of nightjar, mosquitto, the built peers, the relay floor and $BENCH_PEERS whose name matches `wanted`."""
    kinds = []
    if wanted(OURS):
        binary = Path(os.environ.get("NIGHTJAR_BIN") or target_dir(ROOT / "Cargo.toml") / "release" / "nightjar")
        if not binary.is_file():
            raise Unusable(f"{binary} is missing: cargo build --release, or choose others with --brokers")
        doors = ("plain", "tls", "psk", "hashed", "argon2id")
        kinds.append(Kind(OURS, (str(binary), "run", "-c", "{conf}"), doors, first_line([str(binary), "--version"])))
    if wanted(BASELINE):
        binary = os.environ.get("MOSQUITTO_BIN") or shutil.which("mosquitto", path=f"{os.environ['PATH']}:/usr/sbin")
        if not binary:
            raise Unusable("mosquitto is missing: bench/peers/install, or choose others with --brokers")
        doors = ("plain", "tls", "psk", "hashed")
        kinds.append(Kind(BASELINE, (binary, "-c", "{conf}"), doors, first_line([binary, "-h"])))
    for name, command, by_door in (
        ("rumqttd", ("{bin}", "{toml}"), ()),
        ("rmqtt", ("{bin}", "{port}"), (("tls", ("{dir}/server.crt", "{dir}/server.key")),)),
    ):
        binary = PEERS / name
        if wanted(name) and binary.is_file():
            words = tuple(w.replace("{bin}", str(binary)) for w in command)
            version = " ".join(read_lines(PEERS / f"{name}.version")[:1]) or "version unknown"
            kinds.append(Kind(name, words, ("plain", "tls"), version, by_door))
    for name, command in peers_given():
        if name in (k.name for k in kinds):
            raise Unusable(f"BENCH_PEERS: two brokers are called {name}")
        doors = ("plain", "tls", "psk", "hashed") if "{conf}" in command else ("plain",)
        if wanted(name):
            kinds.append(Kind(name, tuple(shlex.split(command)), doors, command))
    if not kinds:
        raise Unusable("no broker is left to measure")
    for name, more in FLOORS.items():
        if wanted(name) and loadgen:
            words = (str(loadgen), "floor", "--port", "{port}", "{load}", *more.split())
            tls = (("tls", ("--tls-cert", "{dir}/server.crt", "--tls-key", "{dir}/server.key")),)
            kinds.append(Kind(name, words, ("plain", "tls"), f"moves bytes and knows no MQTT ({' '.join(['loadgen floor', *more.split()])}); not a broker", tls))
    return kinds


def peers_given():
    for entry in re.split(r"[;\n]", os.environ.get("BENCH_PEERS", "")):
        name, equals, command = entry.strip().partition("=")
        if not name:
            continue
        if not equals or not ("{port}" in command or "{conf}" in command):
            raise Unusable(f"BENCH_PEERS: {entry.strip()!r}, but it takes NAME=COMMAND with {{port}} or {{conf}}")
        yield name, command


def mosquitto_conf(port, load, scratch):
    """The same configuration for every broker that reads mosquitto.conf."""
    door = load.door
    lines = [f"listener {port} 127.0.0.1", "persistence false", *load.conf.splitlines()]
    # A line per connection would measure the log. The queue limit would drop messages that loadgen waits for.
    lines += ["log_dest stderr", "log_type error", "log_type warning", "max_queued_messages 0"]
    if door in ("hashed", "argon2id"):
        lines += ["allow_anonymous false", f"password_file {scratch}/passwords"]
    else:
        lines += ["allow_anonymous true"]
    if door == "tls":
        lines += [f"certfile {scratch}/server.crt", f"keyfile {scratch}/server.key"]
    if door == "psk":
        lines += [f"psk_file {scratch}/psk", "psk_hint bench"]
    return "\n".join(lines) + "\n"


def rumqttd_toml(port, load, scratch):
    """rumqttd's own format: its defaults, but for the limits that the loads would meet."""
    tls = f'[v4.1.tls]\ncertpath = "{scratch}/server.crt"\nkeypath = "{scratch}/server.key"\n' if load.door == "tls" else ""
    # A new subscription is given so many retained messages and no more; with so many in other loads it would only batch otherwise.
    outgoing = 200_000 if load.name.startswith("retained") else 200
    return f"""id = 0
[router]
id = 0
max_connections = {IDLE_CONNECTIONS + 1000}
max_outgoing_packet_count = {outgoing}
max_segment_size = 104857600
max_segment_count = 10
[v4.1]
name = "v4-1"
listen = "127.0.0.1:{port}"
next_connection_delay_ms = 0
{tls}[v4.1.connections]
connection_timeout_ms = 60000
max_payload_size = 20480
max_inflight_count = 100
dynamic_filters = true
"""


def make_secrets(door, scratch, kind):
    """The files that a door needs: a certificate, a key, a password."""
    if door == "tls":
        words = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost"
        files = ["-addext", "subjectAltName=DNS:localhost", "-keyout", "server.key", "-out", "server.crt"]
        run_tool([*words.split(), *files], scratch, "openssl, which makes the certificate")
        (scratch / "server.key").chmod(0o644)  # it is the bench's own, for seconds; mosquitto has given up root
    if door == "psk":
        (scratch / "psk").write_text(f"{PSK_IDENTITY}:{PSK_KEY}\n")
    if door == "hashed":
        # What mosquitto_passwd 2.0 writes: PBKDF2 with SHA-512, 101 iterations.
        salt = os.urandom(12)
        key = hashlib.pbkdf2_hmac("sha512", PASSWORD.encode(), salt, 101, 64)
        text = "$".join(["", "7", "101", base64.b64encode(salt).decode(), base64.b64encode(key).decode()])
        (scratch / "passwords").write_text(f"{USER}:{text}\n")
    if door == "argon2id":
        words = [kind.command[0], "passwd", "-H", "argon2id", "-c", "-b", "passwords", USER, PASSWORD]
        run_tool(words, scratch, "nightjar passwd")
    if door in ("hashed", "argon2id"):
        (scratch / "passwords").chmod(0o644)


def run_tool(words, folder, what):
    try:
        done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
    except OSError as e:
        raise Failure(f"{what}: {e.strerror}") from e
    if done.returncode != 0:
        raise Failure(f"{what}: {done.stderr.strip()[-200:]}")


class Broker:
    """A running broker, from its first accepted connection until `stop`."""

    def __init__(self, kind, load, core, scratch):
        self.log = scratch / "broker.log"
        for attempt in range(3):
            self.port = free_port()
            conf, toml = scratch / "mosquitto.conf", scratch / "rumqttd.toml"
            conf.write_text(mosquitto_conf(self.port, load, scratch))
            toml.write_text(rumqttd_toml(self.port, load, scratch))
            values = {"port": self.port, "conf": conf, "toml": toml, "dir": scratch, "load": load.floor or ""}
            words = [*kind.command, *dict(kind.by_door).get(load.door, ())]
            words = [part for w in words for part in (values["load"].split() if w == "{load}" else [w])]
            words = [re.sub(r"\{(port|conf|toml|dir)\}", lambda m: str(values[m[1]]), w) for w in words]
            with self.log.open("wb") as log:
                try:
                    self.process = subprocess.Popen(
                        words, cwd=scratch, stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=pin_to(core)
                    )
                except OSError as e:
                    raise Unusable(f"{kind.name}: {words[0]}: {e.strerror}") from e
            if self._accepts():
                return
            self.stop()
            # Another program may have taken the port between our look and the broker's bind.
            if attempt == 2 or "in use" not in self.last_words():
                raise Failure(f"did not start: {self.last_words()}")

    def _accepts(self):
        until = time.monotonic() + READY_S_MAX
        while time.monotonic() < until and self.process.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return self.process.poll() is None
            time.sleep(0.02)
        return False

    def last_words(self):
        lines = self.log.read_text(errors="replace").strip().splitlines()
        return lines[-1][:200] if lines else "no output"

    def counts(self):
        """What a floor says at its end that it did: reads, writes, and more."""
        with contextlib.suppress(ValueError):
            return json.loads((self.log.read_text(errors="replace").strip().splitlines() or ["{}"])[-1])
        return {}

    def stop(self):
        """Ends the broker. False when it had ended by itself, which no broker may."""
        alive = self.process.poll() is None
        if alive:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(STOP_S_MAX)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        return alive


def target_dir(manifest):
    words = ["cargo", "metadata", "--format-version", "1", "--no-deps", "--manifest-path", str(manifest)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Unusable(f"cargo metadata: {done.stderr.strip()}")
    return Path(json.loads(done.stdout)["target_directory"])


def pin_to(core):
    return None if core is None else lambda: os.sched_setaffinity(0, {core})


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def read_lines(path):
    with contextlib.suppress(OSError):
        return Path(path).read_text(encoding="utf-8").splitlines()
    return []


def first_line(words):
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        done = subprocess.run(words, capture_output=True, text=True, timeout=10, stdin=subprocess.DEVNULL, check=False)
        return (done.stdout.strip() or done.stderr.strip() or "?").splitlines()[0]
    return "?"
