// Measures the delay from one page's canvas to another page's, by way of WHIP
// and WHEP. Prints one line of JSON, in milliseconds. node delay.mjs BASE CAMERA
import { chromium } from 'playwright-core'
const [base, camera] = process.argv.slice(2)
const browser = await chromium.launch({
  executablePath: '/usr/bin/chromium', headless: true,
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync',
    '--autoplay-policy=no-user-gesture-required', '--disable-background-timer-throttling', '--disable-renderer-backgrounding', '--disable-backgrounding-occluded-windows'] })
try {
  const open = async f => { const p = await browser.newPage(); await p.goto(base + '/healthz'); await p.setContent('<canvas width=640 height=360></canvas><video muted autoplay></video>'); return p.evaluate(f, [base, camera]).then(() => p) }
  await open(async ([base, camera]) => { // the clock, 24 bits in blocks
    const c = document.querySelector('canvas'), g = c.getContext('2d')
    const draw = () => {
      const t = Date.now() & 0xffffff
      g.fillStyle = '#808080'; g.fillRect(0, 0, 640, 360)
      for (let i = 0; i < 24; i++) { g.fillStyle = t >> i & 1 ? '#fff' : '#000'; g.fillRect(i % 8 * 80, (i >> 3) * 80, 80, 80) }
    }
    draw(); setInterval(draw, 33)
    const pc = new RTCPeerConnection(), track = c.captureStream(30).getVideoTracks()[0]
    track.contentHint = 'detail'
    pc.addTransceiver(track, { direction: 'sendonly' })
    await pc.setLocalDescription(await pc.createOffer())
    const r = await fetch(`${base}/whip/${camera}`, { method: 'POST', headers: { 'Content-Type': 'application/sdp' }, body: pc.localDescription.sdp })
    await pc.setRemoteDescription({ type: 'answer', sdp: await r.text() })
    await new Promise(ok => { pc.onconnectionstatechange = () => pc.connectionState === 'connected' && ok() })
  })
  const viewer = await open(async ([base, camera]) => {
    const pc = window.pc = new RTCPeerConnection(), v = document.querySelector('video'), g = document.querySelector('canvas').getContext('2d', { willReadFrequently: true })
    const delays = window.delays = []
    const look = () => {
      g.drawImage(v, 0, 0, 640, 360)
      let t = 0
      for (let i = 0; i < 24; i++) if (g.getImageData(i % 8 * 80 + 40, (i >> 3) * 80 + 40, 1, 1).data[0] > 128) t |= 1 << i
      const d = (Date.now() & 0xffffff) - t
      if (d >= 0 && d < 5000) delays.push(d)
      v.requestVideoFrameCallback(look)
    }
    pc.ontrack = e => { v.srcObject = new MediaStream([e.track]); v.requestVideoFrameCallback(look) }
    pc.addTransceiver('video', { direction: 'recvonly' })
    await pc.setLocalDescription(await pc.createOffer())
    const r = await fetch(`${base}/whep/${camera}`, { method: 'POST', headers: { 'Content-Type': 'application/sdp' }, body: pc.localDescription.sdp })
    await pc.setRemoteDescription({ type: 'answer', sdp: await r.text() })
  })
  await new Promise(r => setTimeout(r, 10000))
  const d = (await viewer.evaluate(() => delays.slice(30))).sort((a, b) => a - b)
  console.log(JSON.stringify({ frames: d.length, p50: d[d.length >> 1], p95: d[d.length * 95 / 100 | 0], min: d[0] }))
  await browser.close()
} catch (e) { console.error(e); await browser.close(); process.exit(1) }
