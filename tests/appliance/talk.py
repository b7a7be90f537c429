"""Conversations with a broker by paho-mqtt, a client that we did not write.

talk.py PORT VERSION CONVERSATION: does it and prints what came of it, a line for each thing; VERSION is 3.1, 3.1.1
or 5. What is printed does not depend on chance, so it can be compared with what another broker does.
"""

import itertools
import os
import queue
import socket
import sys
import time

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

PORT = int(sys.argv[1])
VERSION = {"3.1": mqtt.MQTTv31, "3.1.1": mqtt.MQTTv311, "5": mqtt.MQTTv5}[sys.argv[2]]
V5 = VERSION == mqtt.MQTTv5
PATIENCE = 20
NEVER = 0xFFFFFFFF
MARKS = itertools.count()


def properties(packet, **values):
    """MQTT 5 properties; nothing with the older versions."""
    if not V5:
        return None
    made = Properties(packet)
    for name, value in values.items():
        setattr(made, name, value)
    return made


class Client:
    """A client that waits for each answer before it goes on."""

    def __init__(self, name, clean=True, user=None, password=None, will=None, expiry=None):
        self.name, self.clean = name, clean
        how = {} if V5 else {"clean_session": clean}
        self.paho = mqtt.Client(
            mqtt.CallbackAPIVersion.VERSION2, name, protocol=VERSION, reconnect_on_failure=False, **how
        )
        self.answers, self.messages, self.ends = queue.Queue(), queue.Queue(), queue.Queue()
        self.paho.on_connect = lambda c, u, flags, code, p: self.answers.put((code, flags.session_present, p))
        self.paho.on_subscribe = lambda c, u, mid, codes, p: self.answers.put(codes)
        self.paho.on_unsubscribe = lambda c, u, mid, codes, p: self.answers.put(codes)
        self.paho.on_publish = lambda c, u, mid, code, p: self.answers.put(code)
        self.paho.on_message = lambda c, u, message: self.messages.put(message)
        self.paho.on_disconnect = lambda c, u, flags, code, p: self.ends.put(code)
        if user is not None:
            self.paho.username_pw_set(user, password)
        if will is not None:
            topic, payload, qos, retain = will
            self.paho.will_set(topic, payload, qos, retain)
        # For the older versions a session that is not clean never expires; with 5 it is said.
        self.expiry = expiry if expiry is not None else (0 if clean else NEVER)

    def connect(self):
        """The reason and whether there was a session."""
        more = {}
        if V5:
            more = {
                "clean_start": self.clean,
                "properties": properties(PacketTypes.CONNECT, SessionExpiryInterval=self.expiry),
            }
        self.paho.connect("127.0.0.1", PORT, keepalive=60, **more)
        self.paho.loop_start()
        code, had_session, self.connack = self.answers.get(timeout=PATIENCE)
        return f"{code}, {'a session' if had_session else 'no session'}"

    def up(self):
        answer = self.connect()
        assert answer.startswith("Success"), answer
        return self

    def subscribe(self, topic, qos=0, **options):
        if V5:
            self.paho.subscribe(topic, options=SubscribeOptions(qos=qos, **options))
        else:
            self.paho.subscribe(topic, qos)
        return ", ".join(str(code) for code in self.answers.get(timeout=PATIENCE))

    def unsubscribe(self, topic):
        self.paho.unsubscribe(topic)
        self.answers.get(timeout=PATIENCE)

    def publish(self, topic, payload, qos=0, retain=False, **more):
        """The reason of the acknowledgement; with QoS 0 paho's own word that it was sent."""
        self.paho.publish(topic, payload, qos, retain, properties=properties(PacketTypes.PUBLISH, **more))
        return str(self.answers.get(timeout=PATIENCE))

    def message(self, skip_marks=True):
        while True:
            message = self.messages.get(timeout=PATIENCE)
            if not (skip_marks and message.payload.startswith(b"mark ")):
                return message

    def heard(self, writer, topic="end"):
        """What came until now: the messages before one that `writer` publishes now, to a topic subscribed to."""
        mark = f"mark {next(MARKS)}"
        # With QoS 2, which must be subscribed to: so that messages with QoS 2, whose delivery takes longer, come before.
        writer.publish(topic, mark, 2)
        found = []
        while True:
            message = self.message(skip_marks=False)
            text = message.payload.decode()
            if text == mark:
                return found
            # An earlier mark comes again where its acknowledgement was lost with the connection.
            if not text.startswith("mark "):
                found.append(f"{message.topic} {text} QoS {message.qos}" + (" retained" if message.retain else ""))

    def has_ended(self):
        """Waits until the broker has closed the connection."""
        self.ends.get(timeout=PATIENCE)
        return True

    def leave(self, **more):
        """Returns when the broker has closed the connection: it has read the DISCONNECT before what others send now."""
        # paho closes its end at once; while there is another, the connection is not lost but ended by the broker.
        connection = self.paho.socket().dup()
        self.paho.disconnect(**more)
        self.end()
        connection.settimeout(PATIENCE)
        with connection:
            while connection.recv(4096):
                pass

    def vanish(self):
        """The connection is lost without a DISCONNECT; the broker has seen it when this returns."""
        self.paho.socket().shutdown(socket.SHUT_WR)
        self.end()

    def end(self):
        self.ends.get(timeout=PATIENCE)
        self.paho.loop_stop()


def qos():
    """Each QoS both ways: the lower one of the two is delivered."""
    reader, writer = Client("reader").up(), Client("writer").up()
    for wanted in range(3):
        print("subscribe", wanted, reader.subscribe(f"q/{wanted}/+", wanted))
    for wanted in range(3):
        for given in range(3):
            print("publish", given, writer.publish(f"q/{wanted}/{given}", f"{given} for {wanted}", given))
    reader.subscribe("end", 2)
    print("\n".join(sorted(reader.heard(writer))))
    big = "x" * 300_000
    writer.publish("q/1/big", big, 1)
    print("300,000 bytes", reader.message().payload.decode() == big)


def wildcards():
    """`+` is one level, `#` the rest and the level above; names beginning with $ are matched by neither."""
    names = ["a", "a/b", "a/b/c", "a/b/c/d", "/", "/a", "a/", "a//c", "$x/b", "b", "Ж/℃"]
    filters = ["a/+", "a/+/c", "a/#", "+", "+/+", "#", "/+", "a/b/c", "+/b/#", "Ж/+", "$x/#"]
    reader, writer = Client("reader").up(), Client("writer").up()
    reader.subscribe("$end", 2)

    def say_all():
        for name in names:
            writer.publish(name, "m", 1)
        return [line.split(" ")[0] for line in reader.heard(writer, "$end")]

    for wanted in filters:
        reader.subscribe(wanted, 1)
        print(wanted, say_all())
        reader.unsubscribe(wanted)
    print("after the last unsubscribe", say_all())


def retained():
    writer, live = Client("writer").up(), Client("live").up()
    live.subscribe("end", 2)
    live.subscribe("r/#", 1)
    for given in range(3):
        writer.publish(f"r/{given}", "kept", given, True)
    writer.publish("r/0", "newer", 1, True)
    print("live", live.heard(writer))
    late = Client("late").up()
    late.subscribe("r/#", 2)
    late.subscribe("end", 2)
    print("late", sorted(late.heard(writer)))
    writer.publish("r/0", "", 1, True)
    writer.publish("r/1", "", 1, True)
    later = Client("later").up()
    later.subscribe("r/#", 1)
    later.subscribe("end", 2)
    print("two cleared", later.heard(writer))
    if not V5:
        return
    chooser = Client("chooser").up()
    chooser.subscribe("end", 2)
    chooser.subscribe("r/2", 1, retainHandling=SubscribeOptions.RETAIN_DO_NOT_SEND)
    print("retain handling 2", chooser.heard(writer))
    chooser.subscribe("r/2", 1, retainHandling=SubscribeOptions.RETAIN_SEND_IF_NEW_SUB)
    print("retain handling 1, known", chooser.heard(writer))
    chooser.subscribe("r/+", 1, retainHandling=SubscribeOptions.RETAIN_SEND_IF_NEW_SUB)
    print("retain handling 1, new", chooser.heard(writer))
    chooser.subscribe("flag", 1, retainAsPublished=True)
    writer.publish("flag", "as published", 1, True)
    print("retain as published", chooser.heard(writer))
    chooser.subscribe("own", 1, noLocal=True)
    chooser.publish("own", "mine", 1)
    writer.publish("own", "theirs", 1)
    print("no local", chooser.heard(writer))


def wills():
    witness, writer = Client("witness").up(), Client("writer").up()
    witness.subscribe("end", 2)
    witness.subscribe("will/#", 2)
    for given in range(3):
        dying = Client(f"dying{given}", will=(f"will/{given}", "gone", given, given == 1)).up()
        dying.vanish()
        message = witness.message()
        print(message.topic, message.payload.decode(), "QoS", message.qos)
    polite = Client("polite", will=("will/polite", "gone", 1, False)).up()
    polite.leave()
    print("after a DISCONNECT", witness.heard(writer))
    late = Client("late").up()
    late.subscribe("will/#", 1)
    late.subscribe("end", 2)
    print("retained", late.heard(writer))
    if V5:
        spiteful = Client("spiteful", will=("will/spite", "gone", 1, False)).up()
        spiteful.leave(reasoncode=ReasonCode(PacketTypes.DISCONNECT, "Disconnect with will message"))
        message = witness.message()
        print("after DISCONNECT 0x04", message.topic, message.payload.decode())


def sessions():
    writer = Client("writer").up()
    keeper = Client("keeper", clean=False)
    print("first", keeper.connect())
    print(keeper.subscribe("s/#", 1), "|", keeper.subscribe("two/#", 2), "|", keeper.subscribe("end", 2))
    keeper.leave()
    for given in range(3):
        writer.publish("s/x", f"away {given}", given)
    writer.publish("two/x", "away two", 2)
    again = Client("keeper", clean=False)
    print("second", again.connect())
    print(sorted(again.heard(writer)))
    again.vanish()
    writer.publish("s/x", "after the connection was lost", 1)
    third = Client("keeper", clean=False)
    print("third", third.connect())
    print(third.heard(writer))
    fresh = Client("keeper", clean=True)
    print("clean", fresh.connect(), third.has_ended())
    fresh.subscribe("end", 2)
    writer.publish("s/x", "nobody remembers", 1)
    print(fresh.heard(writer))
    fresh.leave()
    print("after a clean one", Client("keeper", clean=False).connect())


def takeover():
    first = Client("same", will=("gone", "taken over", 1, False)).up()
    witness = Client("witness").up()
    witness.subscribe("gone", 1)
    second = Client("same").up()
    print("the first has ended", first.has_ended())
    print("will", witness.message().payload.decode())
    second.subscribe("t", 1)
    witness.publish("t", "to the second", 1)
    print(second.message().payload.decode())


def expiry():
    """MQTT 5 alone. Time passes here: the shortest interval is a second."""
    writer = Client("writer").up()
    keeper = Client("keeper", clean=False, expiry=3600).up()
    keeper.subscribe("end", 2)
    keeper.subscribe("e/#", 1)
    keeper.leave()
    short = Client("short", clean=False, expiry=1).up()
    short.leave()
    none = Client("none", clean=False, expiry=0).up()
    none.leave()
    print("session expiry 0:", Client("none", clean=False).connect())
    writer.publish("e/1", "gone in a second", 1, MessageExpiryInterval=1)
    writer.publish("e/2", "gone in an hour", 1, MessageExpiryInterval=3600)
    writer.publish("e/3", "kept for a second", 1, True, MessageExpiryInterval=1)
    time.sleep(2.5)
    print("session expiry 1:", Client("short", clean=False).connect())
    again = Client("keeper", clean=False, expiry=3600)
    print("session expiry 3600:", again.connect())
    left = again.message()
    print(left.payload.decode(), 3000 < left.properties.MessageExpiryInterval < 3600)
    print(again.heard(writer))
    late = Client("late").up()
    late.subscribe("e/#", 1)
    late.subscribe("end", 2)
    print("retained", late.heard(writer))


def refusals():
    """The users reader (may read open/#) and writer (may write open/#), their passwords the same as their names."""
    print("wrong password:", Client("a", user="reader", password="wrong").connect())
    print("unknown user:", Client("a", user="nobody", password="reader").connect())
    print("no user:", Client("a").connect())
    print("no password:", Client("a", user="reader").connect())
    reader = Client("a", user="reader", password="reader").up()
    writer = Client("b", user="writer", password="writer").up()
    for given in range(2):
        print("publish without right, QoS", given, writer.publish("shut/x", "secret", given))
    if not V5:
        # paho goes on with PUBREL after a PUBREC that refuses, so MQTT 5 with QoS 2 is asked of mosquitto_pub.
        print("publish without right, QoS 2", writer.publish("shut/x", "secret", 2))
    print("subscribe without right:", reader.subscribe("shut/#", 1), "|", reader.subscribe("#", 2))
    for given in range(3):
        print("publish with right, QoS", given, writer.publish("open/x", f"open {given}", given))
    writer.publish("shut/x", "secret", 1)
    print(reader.heard(writer, "open/end"))
    for topic in ("open/#", "shut/#", "#"):
        reader.unsubscribe(topic)
    print("publish with right, nobody listening", writer.publish("open/x", "unheard", 1))


globals()[sys.argv[3]]()
sys.stdout.flush()
# Connections that a conversation leaves open end with the process.
os._exit(0)
