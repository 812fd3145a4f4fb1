// Drives Chromium with its fake camera and microphone: publishes by the page,
// watches by the page, goes back in time. Prints one line of JSON.
// node browser.mjs BASE CAMERA CODEC SECONDS [TOKENS]
import { chromium } from 'playwright-core'
const [base, camera, codec, seconds, publishToken = '', viewToken = ''] = process.argv.slice(2)
const browser = await chromium.launch({
  executablePath: '/usr/bin/chromium', headless: true,
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync',
    '--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream', '--autoplay-policy=no-user-gesture-required'] })
const fail = async e => { console.error(e); await browser.close(); process.exit(1) }
try {
  const context = await browser.newContext({ permissions: ['camera', 'microphone'], ignoreHTTPSErrors: true })
  const pause = ms => new Promise(r => setTimeout(r, ms))
  const source = await context.newPage()
  source.on('pageerror', fail)
  const hash = (token, more) => '#' + new URLSearchParams({ ...(token && { token }), ...more })
  await source.goto(`${base}/publish/${camera}${hash(publishToken, { go: '', ...(codec === 'audio' ? { source: 'audio' } : { codec }) })}`)
  await source.waitForFunction(() => document.querySelector('#state').textContent.startsWith('Sending'), null, { timeout: 20000 })
  const began = Date.now()
  const viewer = await context.newPage()
  viewer.on('pageerror', fail)
  await viewer.goto(`${base}/watch/${camera}${hash(viewToken, {})}`)
  if (viewToken) await viewer.waitForFunction(() => document.querySelector('#login').hidden)
  await viewer.waitForFunction(() => document.querySelector('#state').textContent === 'Live', null, { timeout: 20000 })
  const stats = () => viewer.evaluate(async () => {
    const out = {}
    for (const s of (await pc.getStats()).values())
      if (s.type === 'inbound-rtp') out[s.kind] = { frames: s.framesDecoded, samples: s.totalSamplesReceived, lost: s.packetsLost, concealed: s.concealedSamples, nacks: s.nackCount, width: s.frameWidth }
    return out
  })
  await pause(seconds * 1000 - (Date.now() - began))
  const live = await stats()
  if (process.env.SHOT) await viewer.screenshot({ path: process.env.SHOT })
  await viewer.evaluate(from => play(from), began + 1000)
  await viewer.waitForFunction(() => document.querySelector('#state').textContent.startsWith('From'), null, { timeout: 20000 })
  await pause(3000)
  const replay = await stats()
  const sent = await source.evaluate(async () => {
    const out = {}
    for (const s of (await pc.getStats()).values())
      if (s.type === 'outbound-rtp') out[s.kind] = { frames: s.framesEncoded, packets: s.packetsSent, width: s.frameWidth }
    return out
  })
  await source.click('#go')
  console.log(JSON.stringify({ sent, live, replay, ended: Date.now(), began }))
  await browser.close()
} catch (e) { await fail(e) }
