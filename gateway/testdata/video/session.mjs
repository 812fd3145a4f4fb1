// Plays the address of a session in Chromium by hls.js, from a page of another
// origin. Prints one line of JSON. node session.mjs PAGE URL
import { chromium } from 'playwright-core'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
const [page, url] = process.argv.slice(2)
const player = readFileSync(createRequire(import.meta.url).resolve('hls.js/dist/hls.min.js'), 'utf8')
const browser = await chromium.launch({
  executablePath: '/usr/bin/chromium', headless: true,
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync', '--autoplay-policy=no-user-gesture-required'] })
try {
  const tab = await browser.newPage()
  await tab.goto(page)
  await tab.setContent('<video id="v" muted autoplay></video>')
  await tab.evaluate(player)
  console.log(JSON.stringify(await tab.evaluate(async url => {
    const v = document.querySelector('video'), errors = [], hls = new Hls()
    hls.on(Hls.Events.ERROR, (_, d) => { if (d.fatal) errors.push(d.details) })
    hls.loadSource(url); hls.attachMedia(v)
    for (const late = Date.now() + 20000; v.currentTime < 2 && Date.now() < late && !errors.length;) await new Promise(r => setTimeout(r, 50))
    return { errors, played: v.currentTime, duration: v.duration, frames: v.getVideoPlaybackQuality().totalVideoFrames, width: v.videoWidth }
  }, url)))
  await browser.close()
} catch (e) { console.error(e); await browser.close(); process.exit(1) }
