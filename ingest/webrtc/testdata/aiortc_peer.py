"""Publishes by WHIP with aiortc, watches by WHEP live, and then what was stored:
aiortc_peer.py BASE SECONDS. Prints one line of JSON."""
import asyncio
import json
import sys
import time
import urllib.request

from aiortc import RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack, VideoStreamTrack

BASE, SECONDS = sys.argv[1], float(sys.argv[2])


def ask(method, url, token, body=None):
    request = urllib.request.Request(url, method=method, data=body and body.encode(),
                                     headers={"Authorization": "Bearer " + token, "Content-Type": "application/sdp"})
    with urllib.request.urlopen(request) as answer:
        return answer.headers.get("Location"), answer.read().decode()


async def negotiate(pc, url, token):
    await pc.setLocalDescription(await pc.createOffer())
    location, sdp = await asyncio.to_thread(ask, "POST", url, token, pc.localDescription.sdp)
    await pc.setRemoteDescription(RTCSessionDescription(sdp, "answer"))
    return BASE + location


async def watch(url, seconds):
    """Counts the frames that are decoded in some seconds."""
    viewer, counts = RTCPeerConnection(), {"video": 0, "audio": 0}

    @viewer.on("track")
    def on_track(track):
        async def count():
            while True:
                try:
                    await track.recv()
                except Exception:
                    return
                counts[track.kind] += 1
        asyncio.ensure_future(count())

    viewer.addTransceiver("video", "recvonly")
    viewer.addTransceiver("audio", "recvonly")
    watching = await negotiate(viewer, url, "v")
    await asyncio.sleep(seconds)
    await asyncio.to_thread(ask, "DELETE", watching, "v")
    await viewer.close()
    return counts


async def main():
    source = RTCPeerConnection()
    source.addTransceiver(VideoStreamTrack(), "sendonly")
    source.addTransceiver(AudioStreamTrack(), "sendonly")
    publishing = await negotiate(source, BASE + "/whip/door", "p")
    await asyncio.sleep(2)
    start = time.time()
    counts = await watch(BASE + "/whep/door", SECONDS)
    await asyncio.to_thread(ask, "DELETE", publishing, "p")
    await source.close()
    counts["replayed"] = await watch(BASE + "/whep/door?start=%d" % (start * 1000), 3)
    print(json.dumps(counts))


asyncio.run(main())
