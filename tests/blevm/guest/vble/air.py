"""The air: who sends when, who hears it, and the commands that change it."""

import heapq
import itertools
import random
import time

from advertiser import copies
from controller import Controller

# An advertiser that is late by more has lost events, as when the machine stood still; it does not catch up.
LATE_S_MAX = 1
# So many events are sent before the controllers are looked after again.
EVENTS_PER_TURN = 64


class Air:
    def __init__(self, scenario, log):
        self.log = log
        self.began = time.monotonic()
        self.controllers = []
        self.advertisers = []
        # What is to happen: (time, running number, function), the earliest first.
        self.plan = []
        self.numbers = itertools.count()
        # Called with a controller that came or went.
        self.on_plugged = self.on_unplugged = lambda controller: None
        for index, settings in enumerate(scenario.get("controllers") or [{}]):
            self.plug(index, settings)
        for settings in scenario.get("advertisers", []):
            self.add(settings)

    # Time

    def at(self, when, what):
        heapq.heappush(self.plan, (when, next(self.numbers), what))

    def later(self, seconds, what):
        self.at(time.monotonic() + seconds, what)

    def go_on(self):
        """Does what is due, and gives the seconds until there is more to do."""
        for _ in range(EVENTS_PER_TURN):
            if not self.plan or self.plan[0][0] > time.monotonic():
                break
            when, _, what = heapq.heappop(self.plan)
            what(when) if isinstance(what, Sender) else what()
        return max(0, self.plan[0][0] - time.monotonic()) if self.plan else None

    # Who is there

    def plug(self, index, settings):
        controller = Controller(index, settings, self.log)
        controller.later = self.later
        self.controllers.append(controller)
        self.on_plugged(controller)

    def unplug(self, controller):
        self.on_unplugged(controller)
        self.controllers.remove(controller)
        controller.unplug()

    def add(self, settings):
        now = time.monotonic()
        for advertiser in copies(settings):
            self.advertisers.append(advertiser)
            sender = Sender(self, advertiser)
            # Not all at the same moment.
            self.at(now + advertiser.start + random.random() * min(advertiser.interval, 1), sender)
            if advertiser.stop is not None:
                self.at(now + advertiser.stop, sender.end)

    # What the tests ask

    def command(self, command):
        """Does one command of the control socket; README.md describes them. The answer is an object of JSON."""
        operation = command.get("op")
        chosen = command.get("controller", 0)
        controller = next((one for one in self.controllers if one.index == chosen), None)
        if operation in ("unplug", "hw_error", "deaf") and controller is None:
            return {"error": f"no controller {chosen}"}
        name = command.get("name")
        named = [one for one in self.advertisers if one.name == name or one.name.startswith(f"{name}#")]
        if operation in ("remove", "set") and not named:
            return {"error": f"no advertiser {name}"}

        if operation == "stats":
            return self.stats()
        if operation == "add":
            self.add(command["advertiser"])
        elif operation == "remove":
            for advertiser in named:
                advertiser.is_gone = True
                self.advertisers.remove(advertiser)
        elif operation == "set":
            for advertiser in named:
                advertiser.change(command["values"])
        elif operation == "unplug":
            self.unplug(controller)
        elif operation == "plug":
            self.plug(command.get("index", len(self.controllers)), command.get("settings", {}))
        elif operation == "hw_error":
            controller.fail_hardware()
        elif operation == "deaf":
            controller.deaf_until = command.get("until")
        else:
            return {"error": f"no operation {operation}"}
        return {"ok": True}

    def stats(self):
        return {
            "uptime": round(time.monotonic() - self.began, 3),
            "controllers": [
                {
                    "controller": one.index,
                    "hci": one.hci,
                    "sent": one.sent,
                    "dropped": one.dropped,
                    "scanning": one.is_scanning,
                    "scans": one.scans,
                }
                for one in self.controllers
            ],
            "advertisers": {
                one.name: {"events": one.events, "reports": one.reports} for one in self.advertisers
            },
        }


class Sender:
    """One advertiser's place in the plan. Called with the time that was planned, it sends and plans the next event."""

    def __init__(self, air, advertiser):
        self.air = air
        self.advertiser = advertiser

    def __call__(self, when):
        advertiser = self.advertiser
        if advertiser.is_gone:
            return
        data, response = advertiser.next_event()
        for controller in self.air.controllers:
            controller.hear(advertiser, data, response)
        if not advertiser.is_over():
            following = when + advertiser.interval + random.random() * advertiser.delay
            self.air.at(max(following, time.monotonic() - LATE_S_MAX), self)

    def end(self):
        self.advertiser.is_gone = True
