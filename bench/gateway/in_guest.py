"""Runs a gateway in the guest and counts what it costs: in_guest.py WARM SECONDS -- COMMAND...

Prints a line of JSON: wall_s, cpu_s (of the command and all that it started), bluetoothd_s, pss_kb."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


def main():
    warm, seconds, command = float(sys.argv[1]), float(sys.argv[2]), sys.argv[4:]
    gateway = subprocess.Popen(command, stdout=sys.stderr)
    daemon = next((pid for pid in processes() if name(pid) == "bluetoothd"), None)
    wait_for_scan()
    time.sleep(warm)
    before, began = cpu(gateway.pid, daemon), time.monotonic()
    time.sleep(seconds)
    after, wall = cpu(gateway.pid, daemon), time.monotonic() - began
    memory = sum(pss_kb(pid) for pid in family(gateway.pid))
    if gateway.poll() is not None:
        raise SystemExit(f"the gateway ended with {gateway.returncode}")
    gateway.terminate()
    gateway.wait()
    print(json.dumps({"wall_s": wall, "cpu_s": after[0] - before[0], "bluetoothd_s": after[1] - before[1], "pss_kb": memory}))


def wait_for_scan():
    """Until the controller is told to scan: an emulated machine starts slowly."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        said = subprocess.run(["vblectl", '{"op":"stats"}'], capture_output=True, text=True, check=False).stdout
        if said and any(controller["scanning"] for controller in json.loads(said)["controllers"]):
            return
        time.sleep(0.5)
    raise SystemExit("no scan within a minute")


def cpu(gateway, daemon):
    """Seconds of the gateway's processes, and of bluetoothd."""
    return sum(seconds_of(pid) for pid in family(gateway)), seconds_of(daemon) if daemon else 0.0


def processes():
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def name(pid):
    return stat(pid)[0]


def stat(pid):
    """Name, parent, ticks of CPU."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return "", 0, 0
    head, tail = text.rsplit(")", 1)
    fields = tail.split()
    return head.split("(", 1)[1], int(fields[1]), int(fields[11]) + int(fields[12])


def family(root):
    """A process and what descends from it."""
    parents = {pid: stat(pid)[1] for pid in processes()}
    found = [root]
    for pid in found:
        found += [child for child, parent in parents.items() if parent == pid]
    return found


def seconds_of(pid):
    return stat(pid)[2] / TICKS


def pss_kb(pid):
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)


if __name__ == "__main__":
    main()
