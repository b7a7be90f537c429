"""paho-mqtt, told what to do: `told_paho.py PORT VERSION [ws]`, where VERSION is 3.1, 3.1.1 or 5. How: told.py."""

import os
import queue
import socket
import sys

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from told import PATIENCE, obey

PORT = int(sys.argv[1])
VERSION = {"3.1": mqtt.MQTTv31, "3.1.1": mqtt.MQTTv311, "5": mqtt.MQTTv5}[sys.argv[2]]
V5 = VERSION == mqtt.MQTTv5
# The WebSocket listener has the same port of another address.
HOST, TRANSPORT = ("127.0.0.2", "websockets") if sys.argv[3:] == ["ws"] else ("127.0.0.1", "tcp")


def properties(packet, **values):
    """MQTT 5 properties without those that are None; nothing at all for the older versions."""
    if not V5:
        return None
    made = Properties(packet)
    for name, value in values.items():
        if value is not None:
            setattr(made, name, value)
    return made


def within(what, coming):
    """What comes next, within patience."""
    try:
        return coming.get(timeout=PATIENCE)
    except queue.Empty:
        raise TimeoutError(f"{what}: nothing came in {PATIENCE} s") from None


class Client:
    def __init__(self, who, clean, expiry, will):
        how = {} if V5 else {"clean_session": clean}
        self.paho = mqtt.Client(
            mqtt.CallbackAPIVersion.VERSION2, who, protocol=VERSION, reconnect_on_failure=False,
            transport=TRANSPORT, **how
        )
        self.answers, self.messages, self.ends = queue.Queue(), queue.Queue(), queue.Queue()
        self.paho.on_connect = lambda c, u, flags, code, p: self.answers.put((code, flags.session_present))
        self.paho.on_subscribe = lambda c, u, mid, codes, p: self.answers.put(codes[0])
        self.paho.on_publish = lambda c, u, mid, code, p: self.answers.put(code)
        self.paho.on_message = lambda c, u, message: self.messages.put(message)
        self.paho.on_disconnect = lambda c, u, flags, code, p: self.ends.put(code)
        if will:
            self.paho.will_set(will["topic"], will["payload"], will["qos"], will["retain"])
        more = {"clean_start": clean} if V5 else {}
        more["properties"] = properties(PacketTypes.CONNECT, SessionExpiryInterval=expiry)
        self.paho.connect(HOST, PORT, keepalive=60, **more)
        self.paho.loop_start()
        code, self.had_session = within("CONNACK", self.answers)
        self.demand(code)

    def subscribe(self, filter, qos):
        self.paho.subscribe(filter, qos)
        return {"granted": self.demand(within("SUBACK", self.answers)).value}

    def publish(self, topic, payload, qos, retain, expiry):
        more = properties(PacketTypes.PUBLISH, MessageExpiryInterval=expiry)
        self.paho.publish(topic, payload, qos, retain, properties=more)
        self.demand(within("PUBACK or PUBCOMP", self.answers))

    def message(self):
        message = within("a message", self.messages)
        return {
            "topic": message.topic,
            "payload": message.payload.decode(),
            "qos": message.qos,
            "retain": message.retain,
            "expiry": getattr(message.properties, "MessageExpiryInterval", None),
        }

    def leave(self):
        self.paho.disconnect()
        self.end()

    def vanish(self):
        """The connection is lost without a DISCONNECT."""
        # paho's socket for WebSocket cannot shut down; what is below it can.
        with socket.socket(fileno=os.dup(self.paho.socket().fileno())) as below:
            below.shutdown(socket.SHUT_RDWR)
        self.end()

    def end(self):
        within("the end of the connection", self.ends)
        self.paho.loop_stop()

    @staticmethod
    def demand(code):
        if code.is_failure:
            raise RuntimeError(str(code))
        return code


obey(Client)
