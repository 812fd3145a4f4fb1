// <script src="https://GATEWAY/beacon.js" data-key="SITE KEY" data-stream="clicks" async></script>, then headgate({event: "buy"})
(function (w, d, s) {
  var id = Math.random().toString(36).slice(2), n = 0, q = [], busy, timer, fails = 0, most = 1000
  var url = new URL('streams/' + s.dataset.stream + '/records', s.src) +
    '?format=ndjson&key=' + id + '&k=' + encodeURIComponent(s.dataset.key || '')
  // A batch is below 64 KiB, what may leave a page that goes, or one event.
  function take() {
    for (var i = 0, size = 0; i < q.length && (size += q[i].length) < 16000; i++);
    return q.splice(0, i || 1)
  }
  function later(ms) { timer = timer || setTimeout(send, ms) }
  function again(lines, ms) {
    q = lines.concat(q).slice(-most)
    later(Math.max(ms || 0, Math.min(6e4, 1e3 * 2 ** fails++) * (0.5 + Math.random() / 2)))
  }
  function send() {
    timer = 0
    if (busy || !q.length) return
    var lines = take(), body = lines.join('\n')
    busy = 1
    fetch(url, { method: 'POST', body: body, keepalive: body.length < 16000, credentials: 'omit' }).then(function (r) {
      return r.ok ? fails = 0 : r.json().then(function (a) {
        if (a.records) lines = lines.filter(function (_, i) { return a.records[i].retry })
        else if (r.status < 500 && r.status != 429 && r.status != 408) lines = []
        console.warn('headgate: ' + a.message)
        if (lines.length) again(lines, a.retryAfterMs)
      })
    }).catch(function () { again(lines) }).then(function () { busy = 0; later(0) })
  }
  function leave() {
    for (var left = [], lines; q.length;)
      if (!navigator.sendBeacon(url + '&quiet', (lines = take()).join('\n'))) left = left.concat(lines)
    q = left
  }
  w.headgate = function (e) {
    if (q.push(JSON.stringify(Object.assign({ t: Date.now(), p: id, n: n++ }, e))) > most) q.shift()
    later(1000)
  }
  w.addEventListener('pagehide', leave)
  d.addEventListener('visibilitychange', function () { d.hidden && leave() })
})(window, document, document.currentScript)
