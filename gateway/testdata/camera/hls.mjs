// Plays a camera's HLS in Chromium by hls.js: the live list, then the stored
// one with a seek. Prints one line of JSON. node hls.mjs BASE CAMERA START
import { chromium } from 'playwright-core'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
const [base, camera, start] = process.argv.slice(2)
const player = readFileSync(createRequire(import.meta.url).resolve('hls.js/dist/hls.min.js'), 'utf8')
const browser = await chromium.launch({
  executablePath: '/usr/bin/chromium', headless: true,
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync', '--autoplay-policy=no-user-gesture-required'] })
try {
  const page = await browser.newPage()
  await page.goto(base + '/healthz') // a page of the same origin
  await page.setContent('<video id="v" muted autoplay></video>')
  await page.evaluate(player)
  const play = (list, seek) => page.evaluate(async ([list, seek]) => {
    const v = document.createElement('video'); v.muted = v.autoplay = true; document.body.replaceChildren(v)
    const errors = [], hls = new Hls()
    hls.on(Hls.Events.ERROR, (_, d) => { if (d.fatal) errors.push(d.details) })
    hls.loadSource(list); hls.attachMedia(v)
    const until = async (f, ms) => { for (const late = Date.now() + ms; !f() && Date.now() < late && !errors.length;) await new Promise(r => setTimeout(r, 50)) }
    await until(() => v.currentTime > 0 && v.readyState >= 3, 20000)
    if (seek) { v.currentTime = seek; await until(() => v.currentTime > seek + 1, 20000) }
    const from = v.currentTime
    await new Promise(r => setTimeout(r, 4000))
    const q = v.getVideoPlaybackQuality()
    const out = { errors, played: v.currentTime - from, at: v.currentTime, duration: v.duration, frames: q.totalVideoFrames, dropped: q.droppedVideoFrames, width: v.videoWidth, latency: hls.latency }
    hls.destroy()
    return out
  }, [list, seek])
  const live = await play(`${base}/cameras/${camera}/live.m3u8`)
  const vod = await play(`${base}/cameras/${camera}/index.m3u8?start=${start}`, 7)
  console.log(JSON.stringify({ live, vod }))
  await browser.close()
} catch (e) { console.error(e); await browser.close(); process.exit(1) }
