"""libmosquitto, told what to do: `told_libmosquitto.py PORT VERSION`, where VERSION is 3.1, 3.1.1 or 5. How: told.py.

It is called through its C interface, as mosquitto_sub calls it, for what mosquitto_pub and mosquitto_sub cannot do.
"""

import queue
import socket
import sys
import threading
from ctypes import CDLL, CFUNCTYPE, POINTER, Structure, byref, c_bool, c_char_p, c_int, c_uint32, c_void_p, string_at

from told import PATIENCE, obey, within

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
        self.answers, self.messages = queue.Queue(), queue.Queue()
        self.client = c_void_p(lib.mosquitto_new(who.encode(), clean, None))
        lib.mosquitto_threaded_set(self.client, c_bool(True))
        demand(lib.mosquitto_int_option(self.client, OPTION_PROTOCOL_VERSION, VERSION))
        # The library keeps pointers to these.
        self.callbacks = [
            ON_CONNECT(lambda _, o, code, flags, p: self.answers.put((code, bool(flags & 1)))),
            ON_SUBSCRIBE(lambda _, o, mid, count, codes, p: self.answers.put(codes[0])),
            ON_PUBLISH(lambda _, o, mid, code, p: self.answers.put(code)),
            ON_MESSAGE(lambda _, o, message, p: self.messages.put(self.copy(message.contents, p))),
        ]
        for name, callback in zip(("connect", "subscribe", "publish", "message"), self.callbacks):
            getattr(lib, f"mosquitto_{name}_v5_callback_set")(self.client, callback)
        if will:
            payload = will["payload"].encode()
            topic, retain = will["topic"].encode(), c_bool(will["retain"])
            demand(lib.mosquitto_will_set(self.client, topic, len(payload), payload, will["qos"], retain))
        with Properties(SESSION_EXPIRY_INTERVAL, expiry) as properties:
            demand(lib.mosquitto_connect_bind_v5(self.client, b"127.0.0.1", PORT, 60, None, properties))
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()
        code, self.had_session = within("CONNACK", self.answers)
        demand_reason(code)

    def run(self):
        """The connection's life. libmosquitto's own loops would connect again after its end."""
        while lib.mosquitto_loop(self.client, 1000, 1) == SUCCESS:
            pass

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
        granted = within("SUBACK", self.answers)
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
        demand_reason(within("PUBACK or PUBCOMP", self.answers))

    def message(self):
        return within("a message", self.messages)

    def leave(self):
        demand(lib.mosquitto_disconnect_v5(self.client, 0, None))
        self.end()

    def vanish(self):
        """The connection is lost without a DISCONNECT."""
        # The descriptor stays the library's: only the connection is ended.
        connection = socket.socket(fileno=lib.mosquitto_socket(self.client))
        connection.shutdown(socket.SHUT_RDWR)
        connection.detach()
        self.end()

    def end(self):
        self.thread.join(PATIENCE)
        if self.thread.is_alive():
            raise TimeoutError("the connection did not end")


obey(Client)
