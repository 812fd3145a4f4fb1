"""Publishes by WHIP and watches by WHEP with aiortc: aiortc_peer.py BASE SECONDS.
Prints one line of JSON."""
import asyncio
import json
import sys
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


async def main():
    source, viewer = RTCPeerConnection(), RTCPeerConnection()
    source.addTransceiver(VideoStreamTrack(), "sendonly")
    source.addTransceiver(AudioStreamTrack(), "sendonly")
    counts = {"video": 0, "audio": 0}

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

    publishing = await negotiate(source, BASE + "/whip/door", "p")
    await asyncio.sleep(2)
    viewer.addTransceiver("video", "recvonly")
    viewer.addTransceiver("audio", "recvonly")
    watching = await negotiate(viewer, BASE + "/whep/door", "v")
    await asyncio.sleep(SECONDS)
    await asyncio.to_thread(ask, "DELETE", watching, "v")
    await asyncio.to_thread(ask, "DELETE", publishing, "p")
    await source.close()
    await viewer.close()
    print(json.dumps(counts))


asyncio.run(main())
