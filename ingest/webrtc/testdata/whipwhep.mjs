// The WHIP and WHEP clients of the specification's author, in Chromium:
// whipwhep.mjs BASE. Prints one line of JSON.
import { chromium } from 'playwright-core'
const [base] = process.argv.slice(2)
const browser = await chromium.launch({
  executablePath: '/usr/bin/chromium', headless: true,
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync',
    '--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream', '--autoplay-policy=no-user-gesture-required'] })
try {
  const page = await browser.newPage()
  const asked = []
  page.on('response', r => asked.push([r.request().method(), r.status()]))
  await page.goto(base + '/page')
  const told = await page.evaluate(async base => {
    const { WHIPClient } = await import('/modules/whip-whep/whip.js'), { WHEPClient } = await import('/modules/whip-whep/whep.js')
    const pause = ms => new Promise(r => setTimeout(r, ms))
    const frames = async (pc, type, name) => { for (const s of (await pc.getStats()).values()) if (s.type === type && s.kind === 'video') return s[name]; return 0 }
    const stream = await navigator.mediaDevices.getUserMedia({ video: true, audio: true })
    const source = new RTCPeerConnection()
    for (const t of stream.getTracks()) source.addTransceiver(t, { direction: 'sendonly' })
    const whip = new WHIPClient()
    await whip.publish(source, base + '/whip/door', 'p')
    await pause(3000)
    const viewer = new RTCPeerConnection(), whep = new WHEPClient()
    viewer.addTransceiver('video', { direction: 'recvonly' }); viewer.addTransceiver('audio', { direction: 'recvonly' })
    await whep.view(viewer, base + '/whep/door', 'v')
    await pause(4000)
    const out = { encoded: await frames(source, 'outbound-rtp', 'framesEncoded'), decoded: await frames(viewer, 'inbound-rtp', 'framesDecoded') }
    await whip.restart().catch(() => {})
    await whep.stop(); await whip.stop()
    return out
  }, base)
  console.log(JSON.stringify({ ...told, asked }))
  await browser.close()
} catch (e) { console.error(e); await browser.close(); process.exit(1) }
