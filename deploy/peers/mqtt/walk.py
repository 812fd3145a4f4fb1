"""The walk of README.md by Debian's python3-paho-mqtt."""
import sys
import threading
import urllib.parse

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

url, version, ident, ca, password = sys.argv[1:6]
at, five = urllib.parse.urlparse(url), version == "5"


def session(want, walk):
    seen, whole, there, granted = set(), threading.Event(), threading.Event(), threading.Event()
    transport = "websockets" if at.scheme.startswith("ws") else "tcp"
    if five:
        client = mqtt.Client(ident, protocol=mqtt.MQTTv5, transport=transport)
    else:
        client = mqtt.Client(ident, clean_session=False, protocol=mqtt.MQTTv311, transport=transport)
    if transport == "websockets":
        client.ws_set_options(path=at.path or "/mqtt")

    def message(_client, _userdata, m):
        seen.add(m.payload.decode())
        if want <= seen:
            whole.set()

    client.on_message = message
    client.on_connect = lambda _c, _u, _f, code, *_: code == 0 and there.set()
    client.on_subscribe = lambda *_: granted.set()
    if ca:
        client.tls_set(ca)
    if password:
        client.username_pw_set(ident, password)
    if five:
        lasting = Properties(PacketTypes.CONNECT)
        lasting.SessionExpiryInterval = 3600
        client.connect(at.hostname, at.port, clean_start=False, properties=lasting)
    else:
        client.connect(at.hostname, at.port)
    client.loop_start()
    assert there.wait(15), "no CONNACK"
    walk(client, granted)
    assert whole.wait(30), f"got {seen}, want {want}"
    client.disconnect()
    client.loop_stop()


def first(client, granted):
    client.subscribe(f"d/{ident}/walk/#", 2)
    assert granted.wait(15), "no SUBACK"
    for qos in range(3):
        client.publish(f"d/{ident}/walk/{qos}", f"now {qos}", qos).wait_for_publish(15)


session({"now 0", "now 1", "now 2"}, first)
print("away", flush=True)
sys.stdin.readline()
session({"late 1", "late 2"}, lambda *_: None)
print("done", flush=True)
