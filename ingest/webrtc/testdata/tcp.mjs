// Chromium publishes H.264 and watches it by ICE-TCP alone: tcp.mjs BASE.
// Prints one line of JSON.
import { chromium } from 'playwright-core'
const [base] = process.argv.slice(2)
const browser = await chromium.launch({
  executablePath: '/usr/bin/chromium', headless: true,
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync',
    '--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream', '--autoplay-policy=no-user-gesture-required'] })
try {
  const page = await browser.newPage()
  await page.goto(base + '/page')
  const told = await page.evaluate(async base => {
    const pause = ms => new Promise(r => setTimeout(r, ms))
    const open = async (pc, door, token) => {
      await pc.setLocalDescription(await pc.createOffer())
      await new Promise(ok => { if (pc.iceGatheringState === 'complete') ok(); pc.onicegatheringstatechange = () => pc.iceGatheringState === 'complete' && ok() })
      const offer = pc.localDescription.sdp.replace(/a=candidate:\S+ \d udp .*\r\n/g, '') // else the server would reach us by UDP
      const r = await fetch(`${base}/${door}/door`, { method: 'POST', headers: { Authorization: 'Bearer ' + token, 'Content-Type': 'application/sdp' }, body: offer })
      const text = await r.text()
      if (r.status !== 201) throw new Error(r.status + ' ' + text)
      await pc.setRemoteDescription({ type: 'answer', sdp: text.replace(/a=candidate:\S+ \d udp .*\r\n/g, '') })
      return r.headers.get('Location')
    }
    const way = async pc => {
      const all = [...(await pc.getStats()).values()], transport = all.find(s => s.type === 'transport')
      const pair = all.find(s => s.id === transport.selectedCandidatePairId)
      return pair ? all.find(s => s.id === pair.localCandidateId).protocol : pc.connectionState
    }
    const stream = await navigator.mediaDevices.getUserMedia({ video: true, audio: true })
    const source = new RTCPeerConnection(), viewer = new RTCPeerConnection()
    for (const t of stream.getTracks()) source.addTransceiver(t, { direction: 'sendonly' })
    const h264 = RTCRtpReceiver.getCapabilities('video').codecs.filter(c => c.mimeType === 'video/H264' || c.mimeType === 'video/rtx')
    for (const t of source.getTransceivers()) if (t.sender.track.kind === 'video') t.setCodecPreferences(h264)
    const published = await open(source, 'whip', 'p')
    await pause(2500)
    viewer.addTransceiver('video', { direction: 'recvonly' }); viewer.addTransceiver('audio', { direction: 'recvonly' })
    await open(viewer, 'whep', 'v')
    await pause(3000)
    let decoded = 0
    for (const s of (await viewer.getStats()).values()) if (s.type === 'inbound-rtp' && s.kind === 'video') decoded = s.framesDecoded
    const out = { decoded, source: await way(source), viewer: await way(viewer) }
    await fetch(base + published, { method: 'DELETE', headers: { Authorization: 'Bearer p' } })
    return out
  }, base)
  console.log(JSON.stringify(told))
  await browser.close()
} catch (e) { console.error(e); await browser.close(); process.exit(1) }
