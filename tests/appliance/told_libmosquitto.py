"""libmosquitto, told what to do: `told_libmosquitto.py PORT VERSION`, where VERSION is 3.1, 3.1.1 or 5. How: told.py.

It is called through its C interface, as mosquitto_sub calls it, for what mosquitto_pub and mosquitto_sub cannot do.
Nothing moves between deeds: a client's loop turns while its answer is awaited. (With a thread that turned it,
libmosquitto 2.0.11 was seen to close a connection before its DISCONNECT was written.)
"""

import socket
import sys
import time
from collections import deque
from ctypes import CDLL, CFUNCTYPE, POINTER, Structure, byref, c_bool, c_char_p, c_int, c_uint32, c_void_p, string_at

from told import PATIENCE, obey

PORT = int(sys.argv[1])
# As mosquitto.h numbers the versions.
VERSION = {"3.1": 3, "3.1.1": 4, "5": 5}[sys.argv[2]]
OPTION_PROTOCOL_VERSION = 1
MESSAGE_EXPIRY_INTERVAL, SESSION_EXPIRY_INTERVAL = 0x02, 0x11
SUCCESS = 0

lib = CDLL("libmosquitto.so.1")
lib.mosquitto_lib_init()
lib.mosquitto_new.restype = c_void_p
lib.mosquitto_new.argtypes = [c_char_p, c_bool, c_void_p]
lib.mosquitto_strerror.restype = c_char_p
lib.mosquitto_reason_string.restype = c_char_p
lib.mosquitto_property_add_int32.argtypes = [POINTER(c_void_p), c_int, c_uint32]
lib.mosquitto_property_free_all.argtypes = [POINTER(c_void_p)]
lib.mosquitto_property_read_int32.restype = c_void_p
lib.mosquitto_property_read_int32.argtypes = [c_void_p, c_int, POINTER(c_uint32), c_bool]


class Message(Structure):
    """struct mosquitto_message"""

    _fields_ = [
        ("id", c_int),
        ("topic", c_char_p),
        ("payload", c_void_p),
        ("payload_bytes", c_int),
        ("qos", c_int),
        ("retain", c_bool),
    ]


ON_CONNECT = CFUNCTYPE(None, c_void_p, c_void_p, c_int, c_int, c_void_p)
ON_SUBSCRIBE = CFUNCTYPE(None, c_void_p, c_void_p, c_int, c_int, POINTER(c_int), c_void_p)
ON_PUBLISH = CFUNCTYPE(None, c_void_p, c_void_p, c_int, c_int, c_void_p)
ON_MESSAGE = CFUNCTYPE(None, c_void_p, c_void_p, POINTER(Message), c_void_p)


def demand(code):
    if code != SUCCESS:
        raise RuntimeError(lib.mosquitto_strerror(c_int(code)).decode())


def demand_reason(code):
    # CONNACK in 3.1 and 3.1.1 refuses with 1 to 5; every other refusal is 128 or more.
    if code >= 128 or (VERSION < 5 and code != 0):
        raise RuntimeError(f"refused: {code}, {lib.mosquitto_reason_string(c_int(code)).decode()}")


class Properties:
    """One property that is a number, or none, for the length of a call."""

    def __init__(self, name, value):
        self.list = c_void_p()
        if VERSION == 5 and value is not None:
            demand(lib.mosquitto_property_add_int32(byref(self.list), name, value))

    def __enter__(self):
        return self.list

    def __exit__(self, *_):
        lib.mosquitto_property_free_all(byref(self.list))


class Client:
    def __init__(self, who, clean, expiry, will):
        self.answers, self.messages = deque(), deque()
        self.client = c_void_p(lib.mosquitto_new(who.encode(), clean, None))
        demand(lib.mosquitto_int_option(self.client, OPTION_PROTOCOL_VERSION, VERSION))
        # The library keeps pointers to these.
        self.callbacks = [
            ON_CONNECT(lambda _, o, code, flags, p: self.answers.append((code, bool(flags & 1)))),
            ON_SUBSCRIBE(lambda _, o, mid, count, codes, p: self.answers.append(codes[0])),
            ON_PUBLISH(lambda _, o, mid, code, p: self.answers.append(code)),
            ON_MESSAGE(lambda _, o, message, p: self.messages.append(self.copy(message.contents, p))),
        ]
        for name, callback in zip(("connect", "subscribe", "publish", "message"), self.callbacks):
            getattr(lib, f"mosquitto_{name}_v5_callback_set")(self.client, callback)
        if will:
            payload = will["payload"].encode()
            topic, retain = will["topic"].encode(), c_bool(will["retain"])
            demand(lib.mosquitto_will_set(self.client, topic, len(payload), payload, will["qos"], retain))
        with Properties(SESSION_EXPIRY_INTERVAL, expiry) as properties:
            demand(lib.mosquitto_connect_bind_v5(self.client, b"127.0.0.1", PORT, 60, None, properties))
        code, self.had_session = self.until("CONNACK", self.answers)
        demand_reason(code)

    def until(self, what, coming):
        """What comes next, within patience."""
        end = time.monotonic() + PATIENCE
        while not coming:
            demand(lib.mosquitto_loop(self.client, 100, 1))
            if time.monotonic() > end:
                raise TimeoutError(f"{what}: nothing came in {PATIENCE} s")
        return coming.popleft()

    @staticmethod
    def copy(message, properties):
        expiry = c_uint32()
        has_expiry = lib.mosquitto_property_read_int32(properties, MESSAGE_EXPIRY_INTERVAL, byref(expiry), False)
        return {
            "topic": message.topic.decode(),
            "payload": string_at(message.payload, message.payload_bytes).decode(),
            "qos": message.qos,
            "retain": message.retain,
            "expiry": expiry.value if has_expiry else None,
        }

    def subscribe(self, filter, qos):
        demand(lib.mosquitto_subscribe_v5(self.client, None, filter.encode(), qos, 0, None))
        granted = self.until("SUBACK", self.answers)
        demand_reason(granted if granted >= 128 else SUCCESS)
        return {"granted": granted}

    def publish(self, topic, payload, qos, retain, expiry):
        topic, payload = topic.encode(), payload.encode()
        with Properties(MESSAGE_EXPIRY_INTERVAL, expiry) as properties:
            demand(
                lib.mosquitto_publish_v5(
                    self.client, None, topic, len(payload), payload, qos, c_bool(retain), properties
                )
            )
        demand_reason(self.until("PUBACK or PUBCOMP", self.answers))

    def message(self):
        return self.until("a message", self.messages)

    def leave(self):
        demand(lib.mosquitto_disconnect_v5(self.client, 0, None))

    def vanish(self):
        """The connection is lost without a DISCONNECT."""
        # The descriptor stays the library's: only the connection is ended.
        connection = socket.socket(fileno=lib.mosquitto_socket(self.client))
        connection.shutdown(socket.SHUT_RDWR)
        connection.detach()


obey(Client)
