// Firefox publishes VP8 and watches it: firefox.mjs BASE. Prints one line of JSON.
import puppeteer from 'puppeteer-core'
const [base] = process.argv.slice(2)
const browser = await puppeteer.launch({
  browser: 'firefox', executablePath: '/usr/bin/firefox-esr', headless: true,
  extraPrefsFirefox: {
    'media.peerconnection.ice.loopback': true, 'media.peerconnection.ice.obfuscate_host_addresses': false, 'media.navigator.streams.fake': true,
    'media.navigator.permission.disabled': true, 'media.autoplay.default': 0, 'media.devices.insecure.enabled': true, 'media.getusermedia.insecure.enabled': true } })
try {
  const page = await browser.newPage()
  await page.goto(base + '/page')
  const told = await page.evaluate(async base => {
    const pause = ms => new Promise(r => setTimeout(r, ms))
    const open = async (pc, door, token) => {
      await pc.setLocalDescription(await pc.createOffer())
      await new Promise(ok => { if (pc.iceGatheringState === 'complete') ok(); pc.onicegatheringstatechange = () => pc.iceGatheringState === 'complete' && ok() })
      const r = await fetch(`${base}/${door}/door`, { method: 'POST', headers: { Authorization: 'Bearer ' + token, 'Content-Type': 'application/sdp' }, body: pc.localDescription.sdp })
      const text = await r.text()
      if (r.status !== 201) throw new Error(r.status + ' ' + text)
      await pc.setRemoteDescription({ type: 'answer', sdp: text })
      return r.headers.get('Location')
    }
    const stream = await navigator.mediaDevices.getUserMedia({ video: true, audio: true })
    const source = new RTCPeerConnection(), viewer = new RTCPeerConnection()
    for (const t of stream.getTracks()) source.addTransceiver(t, { direction: 'sendonly' })
    const published = await open(source, 'whip', 'p')
    await pause(3000)
    viewer.addTransceiver('video', { direction: 'recvonly' }); viewer.addTransceiver('audio', { direction: 'recvonly' })
    viewer.ontrack = e => { if (e.track.kind === 'video') document.querySelector('video').srcObject = new MediaStream([e.track]) }
    await open(viewer, 'whep', 'v')
    await pause(5000)
    let decoded = 0
    for (const s of (await viewer.getStats()).values()) if (s.type === 'inbound-rtp' && s.kind === 'video') decoded = s.framesDecoded
    await fetch(base + published, { method: 'DELETE', headers: { Authorization: 'Bearer p' } })
    return { decoded, source: source.connectionState, viewer: viewer.connectionState }
  }, base)
  console.log(JSON.stringify(told))
  await browser.close()
} catch (e) { console.error(e); await browser.close(); process.exit(1) }
