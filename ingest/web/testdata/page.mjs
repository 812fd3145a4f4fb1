// Drives Chromium: a page of the site's origin sends in every way pages can,
// another's tries to. Prints one line of JSON. node page.mjs BASE GOOD EVIL KEY
import { chromium } from 'playwright-core'
const [base, good, evil, key] = process.argv.slice(2)
const browser = await chromium.launch({
  executablePath: '/usr/bin/chromium', headless: true,
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'] })
try {
  const page = await browser.newPage()
  await page.goto(good)
  const out = await page.evaluate(async ([base, key]) => {
    const url = `${base}/streams/clicks/records?key=x&k=${key}`
    const beacons = [
      navigator.sendBeacon(url, 'beacon text'),
      navigator.sendBeacon(url + '&format=ndjson&quiet', 'line 1\nline 2\n'),
      navigator.sendBeacon(url, new Blob(['{"json":true}'], { type: 'application/json' })), // asks first
    ]
    const fetched = (await fetch(url, { method: 'POST', body: 'fetch keepalive', keepalive: true })).status
    const header = (await fetch(`${base}/streams/clicks/records`, {
      method: 'POST', body: 'with header', headers: { 'X-Site-Key': key, 'X-Partition-Key': 'y', 'Content-Type': 'application/json' } })).status
    const refused = await fetch(`${base}/streams/clicks/records?k=wrong`, { method: 'POST', body: 'x' })
    return { beacons, fetched, header, unknown: { status: refused.status, error: (await refused.json()).error } }
  }, [base, key])
  // The script: its first batch is refused and comes again; many events; the
  // last one is told while the page goes.
  await page.evaluate(([base, key]) => new Promise((loaded, failed) => {
    const s = document.createElement('script')
    Object.assign(s.dataset, { key, stream: 'scripted' })
    s.src = base + '/beacon.js'; s.onload = loaded; s.onerror = failed
    document.head.append(s)
  }), [base, key]).catch(() => {})
  out.scripts = await page.evaluate(() => typeof headgate)
  await page.evaluate(() => {
    headgate({ e: 'first' })
    for (let i = 0; i < 300; i++) headgate({ e: 'many', pad: 'ä'.repeat(100) })
  })
  const answers = []
  page.on('response', r => r.url().includes('scripted') && answers.push(r.status()))
  for (const late = Date.now() + 20000; answers.filter(s => s == 200).length < 3 && Date.now() < late;) await page.waitForTimeout(50)
  out.answers = answers
  await page.evaluate(() => headgate({ e: 'leaving' }))
  await page.goto(evil)
  const attack = await page.evaluate(async ([base, key]) => {
    const url = `${base}/streams/clicks/records?key=x&k=${key}`
    navigator.sendBeacon(url, 'evil beacon')
    const name = e => e.name
    const evil = await fetch(url, { method: 'POST', body: 'evil' }).then(r => 'read ' + r.status, name)
    const evilHeader = await fetch(`${base}/streams/clicks/records`, { method: 'POST', body: 'evil', headers: { 'X-Site-Key': key } }).then(r => 'read ' + r.status, name)
    return { evil, evilHeader }
  }, [base, key])
  console.log(JSON.stringify({ ...out, ...attack }))
  await browser.close()
} catch (e) { console.error(e); await browser.close(); process.exit(1) }
