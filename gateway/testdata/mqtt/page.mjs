// Drives Chromium: a page of the console's own origin publishes and subscribes
// by mqtt.js over WebSocket. Prints one line of JSON.
// node page.mjs BASE LIBRARY ID PASSWORD
import { chromium } from 'playwright-core'
const [base, library, id, password] = process.argv.slice(2)
const browser = await chromium.launch({
  executablePath: '/usr/bin/chromium', headless: true,
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'] })
try {
  const page = await (await browser.newContext({ ignoreHTTPSErrors: true })).newPage()
  await page.goto(base + '/healthz')
  await page.addScriptTag({ path: library })
  const told = {}
  for (const version of [4, 5]) {
    told[version] = await page.evaluate(async ([base, id, password, version]) => {
      const client = mqtt.connect(base.replace(/^http/, 'ws') + '/mqtt', {
        clientId: id, protocolVersion: version, reconnectPeriod: 0, connectTimeout: 15000, ...(password && { username: id, password }) })
      const heard = []
      const all = new Promise(done => client.on('message', (topic, m) => { heard.push(`${topic} ${m.length}`); if (heard.length === 4) done() }))
      await new Promise((done, bad) => { client.on('connect', done); client.on('error', bad); client.on('close', () => bad(new Error('closed'))) })
      await client.subscribeAsync(`d/${id}/page/#`, { qos: 2 })
      for (const qos of [0, 1, 2]) await client.publishAsync(`d/${id}/page/${qos}`, 'hello', { qos })
      await client.publishAsync(`d/${id}/page/large`, new Uint8Array(200000), { qos: 1 })
      await all
      await client.endAsync()
      return heard
    }, [base, id, password, version])
  }
  // A page of another site does not get in.
  const stranger = await (await browser.newContext({ ignoreHTTPSErrors: true })).newPage()
  await stranger.route('http://stranger.example/', r => r.fulfill({ contentType: 'text/html', body: '<p>' }))
  await stranger.goto('http://stranger.example/')
  told.stranger = await stranger.evaluate(url => new Promise(done => {
    const s = new WebSocket(url, 'mqtt')
    s.onopen = () => done('open')
    s.onerror = () => done('refused')
  }), base.replace(/^http/, 'ws') + '/mqtt')
  console.log(JSON.stringify(told))
  await browser.close()
} catch (e) { console.error(e); await browser.close(); process.exit(1) }
