// MQTT.js, told what to do: `node told_mqttjs.js PORT VERSION [ws]`, where VERSION is 3.1, 3.1.1 or 5. How: told.py.
"use strict"

const readline = require("node:readline")
const mqtt = require("mqtt")

const PORT = Number(process.argv[2])
const VERSION = {
  "3.1": { protocolId: "MQIsdp", protocolVersion: 3 },
  "3.1.1": { protocolId: "MQTT", protocolVersion: 4 },
  5: { protocolId: "MQTT", protocolVersion: 5 },
}[process.argv[3]]
// The WebSocket listener has the same port of another address.
const WHERE = process.argv[4] === "ws" ? { protocol: "ws", host: "127.0.0.2", path: "/mqtt" } : { host: "127.0.0.1" }
const V5 = VERSION.protocolVersion === 5
// How long a client waits for the broker; the test that tells it waits longer, so that it hears why.
const PATIENCE_MS = 20_000

/** What `start` hands to its callback, within patience. */
function answer(what, start) {
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error(`${what}: no answer in ${PATIENCE_MS} ms`)), PATIENCE_MS)
    start((fault, found) => {
      clearTimeout(late)
      fault ? reject(fault) : resolve(found)
    })
  })
}

/** Properties without those that are null; none at all for the older versions. */
function properties(values) {
  const given = Object.entries(values).filter(([, value]) => value !== null)
  return V5 && given.length > 0 ? { properties: Object.fromEntries(given) } : {}
}

class Client {
  constructor() {
    this.messages = []
    this.waiting = null
  }

  async connect({ who, clean, expiry, will }) {
    this.mqtt = mqtt.connect({
      ...VERSION,
      ...WHERE,
      port: PORT,
      clientId: who,
      clean,
      keepalive: 60,
      reconnectPeriod: 0,
      ...(will ? { will } : {}),
      ...properties({ sessionExpiryInterval: expiry }),
    })
    this.closed = new Promise((resolve) => this.mqtt.once("close", resolve))
    this.mqtt.on("message", (topic, payload, packet) => {
      const { qos, retain } = packet
      const expiry = packet.properties?.messageExpiryInterval ?? null
      this.messages.push({ topic, payload: payload.toString(), qos, retain, expiry })
      this.waiting?.()
    })
    const connack = await answer("CONNECT", (done) => {
      this.mqtt.once("connect", (packet) => done(null, packet))
      this.mqtt.on("error", done)
    })
    return { session: connack.sessionPresent }
  }

  async subscribe({ filter, qos }) {
    const granted = await answer("SUBSCRIBE", (done) => this.mqtt.subscribe(filter, { qos }, done))
    return { granted: granted[0].qos }
  }

  async publish({ topic, payload, qos, retain, expiry }) {
    const more = properties({ messageExpiryInterval: expiry })
    await answer("PUBLISH", (done) => this.mqtt.publish(topic, payload, { qos, retain, ...more }, done))
  }

  async message() {
    if (this.messages.length === 0) {
      await answer("a message", (done) => (this.waiting = done))
      this.waiting = null
    }
    return this.messages.shift()
  }

  async leave() {
    await answer("DISCONNECT", (done) => this.mqtt.end(false, {}, done))
  }

  /** The connection is lost without a DISCONNECT. */
  async vanish() {
    this.mqtt.stream.destroy()
    await this.closed
  }
}

async function obey() {
  const clients = {}
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const told = JSON.parse(line)
    let said
    try {
      if (told.do === "connect") clients[told.who] = new Client()
      said = await clients[told.who][told.do](told)
    } catch (fault) {
      said = { error: `${fault.name}: ${fault.message}` }
    }
    console.log(JSON.stringify(said ?? {}))
  }
  // Connections that are still open end with the process.
  process.exit(0)
}

obey()
