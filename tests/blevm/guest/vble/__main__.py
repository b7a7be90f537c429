"""vble: virtual Bluetooth LE controllers, over /dev/vhci, whose air is a scenario (README.md).

Each controller is one hciN of the kernel. It answers the host's commands, and while the host lets it scan it reports
what the scenario's advertisers send, as a real controller would: scan responses only in active scanning, extended PDUs
only to those who scan for them, accept list and duplicate filter honoured, long data in several reports. Only Python's
standard library is needed."""

import argparse
import json
import os
import random
import select
import socket
import time

from air import Air

STATS_EVERY_S = 0.5


class Control:
    """The socket at which the air is changed and asked about: a line of JSON each way."""

    def __init__(self, port, air):
        self.air = air
        self.listener = socket.create_server(("127.0.0.1", port))

    def serve(self):
        """Answers one client that has come. Who connects has its line ready, so this does not wait for long."""
        client, _ = self.listener.accept()
        with client:
            client.settimeout(2)
            try:
                line = client.makefile("rb").readline()
                answer = self.air.command(json.loads(line))
            except Exception as fault:  # A slip in a test must not end the air.
                answer = {"error": repr(fault)}
            client.sendall(json.dumps(answer).encode() + b"\n")


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("scenario")
    arguments.add_argument("--ready", help="a file that is made when all controllers are there")
    arguments.add_argument("--stats", help="a file for the counts, written again and again")
    arguments.add_argument("--log", help="a file for commands and scans")
    arguments.add_argument("--control", type=int, default=7100, metavar="PORT")
    chosen = arguments.parse_args()

    with open(chosen.scenario) as file:
        scenario = json.load(file)
    if isinstance(scenario, list):
        scenario = {"advertisers": scenario}
    random.seed(scenario.get("seed", 1))
    air = Air(scenario, logger(chosen.log))
    control = Control(chosen.control, air)

    poll = select.poll()
    readers = {}

    def watch(file, read):
        readers[file] = read
        poll.register(file, select.POLLIN)

    def forget(file):
        poll.unregister(file)
        del readers[file]

    watch(control.listener.fileno(), control.serve)
    air.on_plugged = lambda controller: watch(controller.file, controller.read)
    air.on_unplugged = lambda controller: forget(controller.file)
    for controller in air.controllers:
        air.on_plugged(controller)
    if chosen.ready:
        open(chosen.ready, "w").close()

    next_stats = 0
    while True:
        wait = air.go_on()
        if chosen.stats and time.monotonic() > next_stats:
            next_stats = time.monotonic() + STATS_EVERY_S
            save(air.stats(), chosen.stats)
        wait = STATS_EVERY_S if wait is None else min(wait, STATS_EVERY_S)
        for file, _ in poll.poll(wait * 1000):
            if file in readers:
                readers[file]()


def logger(path):
    if path is None:
        return lambda *words: None
    file = open(path, "w", buffering=1)
    began = time.monotonic()
    return lambda *words: print(f"{time.monotonic() - began:9.4f}", *words, file=file)


def save(stats, path):
    """Whole or not at all: who reads it does so at any time."""
    with open(path + ".new", "w") as file:
        json.dump(stats, file)
    os.rename(path + ".new", path)


main()
