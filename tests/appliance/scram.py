"""Enhanced authentication by SCRAM-SHA-256 over a socket: what is sent is made of scramp's messages and paho's
properties, neither of which we wrote.

scram.py PORT: has every conversation and prints what came back, packet by packet in hexadecimal, with DATA for
Authentication Data, which depend on chance. What scramp thinks of the server's words is part of the conversation.
"""

import socket
import sys

from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties, VariableByteIntegers
from scramp import ScramClient
from scramp.core import ScramException

PORT = int(sys.argv[1])
METHOD = "SCRAM-SHA-256"
PATIENCE = 20
CONTINUE, ANEW = 0x18, 0x19


def text(value):
    data = value.encode()
    return len(data).to_bytes(2, "big") + data


def packet(first, body):
    return bytes([first]) + VariableByteIntegers.encode(len(body)) + body


def properties(kind, method, data):
    made = Properties(kind)
    if method is not None:
        made.AuthenticationMethod = method
    if data is not None:
        made.AuthenticationData = data if isinstance(data, bytes) else data.encode()
    return made.pack()


class Link:
    """A connection; each packet that comes is printed."""

    def __init__(self):
        self.socket = socket.create_connection(("127.0.0.1", PORT), timeout=PATIENCE)
        self.data = None

    def connect(self, method=METHOD, data=None, user=None, password=None, version=5):
        flags = 0x02 | (0x80 if user is not None else 0) | (0x40 if password is not None else 0)
        body = text("MQTT") + bytes([version, flags, 0, 0])
        body += properties(PacketTypes.CONNECT, method, data) if version == 5 else b""
        body += text("c") + (text(user) if user is not None else b"") + (text(password) if password is not None else b"")
        self.socket.sendall(packet(0x10, body))
        return self

    def auth(self, reason, data=None, method=METHOD):
        self.say(packet(0xF0, bytes([reason]) + properties(PacketTypes.AUTH, method, data)))

    def say(self, whole):
        self.socket.sendall(whole)

    def read(self, count):
        got = b""
        while len(got) < count:
            try:
                more = self.socket.recv(count - len(got))
            except ConnectionResetError:
                more = b""
            if not more:
                raise EOFError
            got += more
        return got

    def next(self):
        """Prints the next packet, or that the connection is closed; keeps the Authentication Data."""
        self.data = None
        try:
            first = self.read(1)
        except EOFError:
            print("   closed")
            return self
        head = first + self.read(1)
        while head[-1] & 0x80:
            head += self.read(1)
        length, _ = VariableByteIntegers.decode(head[1:])
        body = self.read(length)
        shown = (head + body).hex()
        kinds = {0xF0: (PacketTypes.AUTH, 1), 0x20: (PacketTypes.CONNACK, 2)}
        if first[0] in kinds and length > 3:
            kind, at = kinds[first[0]]
            found = Properties(kind)
            found.unpack(body[at:])
            data = getattr(found, "AuthenticationData", None)
            if data is not None:
                self.data = data.decode()
                assert shown.endswith(data.hex()), shown
                shown = shown[: -len(data.hex())] + f"DATA({len(data)})"
        print("  ", shown)
        return self

    def ping(self):
        self.say(b"\xc0\x00")
        return self.next()


def begun(user, password, header="n,,", connect_user=None, connect_password=None):
    """A link whose CONNECT was answered by an AUTH, scramp's client, and the server's first message."""
    client = ScramClient([METHOD], user, password, c_nonce="fyko+d2lbbFgONRv9qkxdawL")
    first = client.get_client_first()
    assert first.startswith("n,,")
    link = Link().connect(data=header + first[3:], user=connect_user, password=connect_password).next()
    if link.data is not None:
        client.set_server_first(link.data)
    return link, client


def logged_in():
    link, client = begun("user", "pencil")
    link.auth(CONTINUE, client.get_client_final())
    link.next()
    check(client, link.data)
    return link


def check(client, final):
    try:
        client.set_server_final(final)
        print("   scramp: the server knows the password")
    except (ScramException, AttributeError, TypeError) as error:
        print("   scramp:", type(error).__name__, error)


def salt(link):
    return link.data.split(",")[1]


def say(what):
    print(what)


say("right password, no user name")
link = logged_in()
link.ping()

say("anew, with a ping in the middle")
client = ScramClient([METHOD], "user", "pencil", c_nonce="anew")
link.auth(ANEW, client.get_client_first())
link.next()
client.set_server_first(link.data)
link.ping()
link.auth(CONTINUE, client.get_client_final())
link.next()
check(client, link.data)
link.ping()

say("anew, wrong password")
client = ScramClient([METHOD], "user", "pen", c_nonce="anew")
link.auth(ANEW, client.get_client_first())
link.next()
client.set_server_first(link.data)
link.auth(CONTINUE, client.get_client_final())
link.next().next()

say("anew, another user")
link = logged_in()
client = ScramClient([METHOD], "other", "eraser", c_nonce="anew")
link.auth(ANEW, client.get_client_first())
link.next()
client.set_server_first(link.data)
link.auth(CONTINUE, client.get_client_final())
link.next().next()

say("anew while the first is under way")
link = logged_in()
for _ in range(2):
    link.auth(ANEW, "n,,n=user,r=anew")
link.next()
link.next().next()

say("wrong password")
link, client = begun("user", "pen")
link.auth(CONTINUE, client.get_client_final())
link.next().next()

say("unknown user")
link, client = begun("nobody", "pencil")
first_salt = salt(link)
link.auth(CONTINUE, client.get_client_final())
link.next().next()
say("unknown user again")
link, client = begun("nobody", "pencil")
print("   the same salt", salt(link) == first_salt)
say("another unknown user")
link, client = begun("nobodi", "pencil")
print("   the same salt", salt(link) == first_salt)
say("a user whose line is not for SCRAM")
link, client = begun("plain", "pencil")
link.auth(CONTINUE, client.get_client_final())
link.next().next()

say("a proof of something else")
link, client = begun("user", "pencil")
without = client.get_client_final().rsplit(",p=", 1)[0]
link.auth(CONTINUE, without + ",p=" + "A" * 43 + "=")
link.next().next()

say("a proof that is cut off")
link, client = begun("user", "pencil")
link.auth(CONTINUE, client.get_client_final()[:-4])
link.next().next()

say("a nonce that was changed on its way")
link, client = begun("user", "pencil")
link.auth(CONTINUE, client.get_client_final().replace(",r=fyko", ",r=Fyko"))
link.next().next()

say("y: the client could bind and thinks that we cannot")
link = Link().connect(data="y,,n=user,r=fyko+d2lbbFgONRv9qkxdawL").next()
print("   continues", link.data is not None)

say("y changed to n on its way")
link, client = begun("user", "pencil", header="y,,")
link.auth(CONTINUE, client.get_client_final())
link.next().next()

say("p: channel binding")
Link().connect(data="p=tls-unique,,n=user,r=fyko").next().next()

say("not a message of SCRAM")
for data in (b"\xff\x00", b"n,a,", b"n,,n=user,r", b"x" * 1024, b"x" * 1025):
    Link().connect(data=data).next().next()

say("no data in CONNECT")
link = Link().connect().next()
client = ScramClient([METHOD], "user", "pencil", c_nonce="fyko")
link.auth(CONTINUE, client.get_client_first())
link.next()
client.set_server_first(link.data)
link.auth(CONTINUE, client.get_client_final())
link.next()
check(client, link.data)

say("methods that are not there")
for method in ("SCRAM-SHA-256-PLUS", "SCRAM-SHA-1", "scram-sha-256", "PLAIN", ""):
    Link().connect(method=method, data="n,,n=user,r=x").next().next()

say("data without a method")
Link().connect(method=None, data="n,,n=user,r=x").next().next()

say("a user name in CONNECT: the same, then another")
for name, password in (("user", "wrong"), ("other", "eraser")):
    link, client = begun("user", "pencil", connect_user=name, connect_password=password)
    link.auth(CONTINUE, client.get_client_final())
    link.next()
    link.ping() if link.data is not None else link.next()

say("PINGREQ, another method, Success, and CONNECT in the middle")
for wrong in (
    lambda link: link.say(b"\xc0\x00"),
    lambda link: link.auth(CONTINUE, "x", "SCRAM-SHA-1"),
    lambda link: link.auth(0, "x"),
    lambda link: link.connect(),
):
    link, client = begun("user", "pencil")
    wrong(link)
    link.next().next()

say("DISCONNECT in the middle")
link, client = begun("user", "pencil")
link.say(b"\xe0\x00")
link.next()

say("AUTH before CONNECT")
link = Link()
link.auth(CONTINUE, "x")
link.next()

say("a plain password, 5 and 3.1.1, right and wrong")
for version in (5, 4):
    link = Link().connect(method=None, version=version, user="user", password="pencil").next()
    link.ping()
    Link().connect(method=None, version=version, user="user", password="pen").next().next()

say("AUTH from a client that named no method")
link = Link().connect(method=None, user="user", password="pencil").next()
link.auth(ANEW, "x")
link.next().next()
