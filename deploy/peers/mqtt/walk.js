// The walk of README.md by mqtt.js.
const fs = require('fs'), readline = require('readline')
const mqtt = require('mqtt')
const [url, version, id, ca, password] = process.argv.slice(2)

const options = {
  clientId: id, clean: false, protocolVersion: Number(version), reconnectPeriod: 0, connectTimeout: 15000,
  ...(version === '5' ? { properties: { sessionExpiryInterval: 3600 } } : {}),
  ...(ca ? { ca: fs.readFileSync(ca) } : {}),
  ...(password ? { username: id, password } : {}),
}
const fail = (what) => { console.error(what); process.exit(1) }
setTimeout(() => fail('late'), 60000)

async function session(want, walk) {
  const seen = new Set(), client = mqtt.connect(url, options)
  const all = new Promise((done) => client.on('message', (_, m) => { seen.add(m.toString()); if (want.every((w) => seen.has(w))) done() }))
  await new Promise((done, bad) => { client.on('connect', done); client.on('error', bad); client.on('close', () => bad(new Error('closed'))) })
  await walk(client)
  await all
  await client.endAsync()
}

async function main() {
  await session(['now 0', 'now 1', 'now 2'], async (client) => {
    await client.subscribeAsync(`d/${id}/walk/#`, { qos: 2 })
    for (const qos of [0, 1, 2]) await client.publishAsync(`d/${id}/walk/${qos}`, `now ${qos}`, { qos })
  })
  console.log('away')
  await new Promise((done) => readline.createInterface({ input: process.stdin }).once('line', done))
  await session(['late 1', 'late 2'], async () => {})
  console.log('done')
  process.exit(0)
}
main().catch((e) => fail(e))
