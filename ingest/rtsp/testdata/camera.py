"""A camera by GStreamer's RTSP server: camera.py PORT PIPELINE [USER PASSWORD].
Prints its port when it serves."""
import sys
import gi
gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import Gst, GstRtspServer, GLib

PIPELINES = {
    # Main profile with B-frames, and G.711.
    "h264": "( videotestsrc is-live=true ! video/x-raw,width=320,height=240,framerate=25/1"
            " ! x264enc bframes=2 b-adapt=false key-int-max=25 speed-preset=veryfast ! video/x-h264,profile=main ! rtph264pay name=pay0 pt=96 config-interval=-1"
            " audiotestsrc is-live=true ! audio/x-raw,rate=8000,channels=1 ! alawenc ! rtppcmapay name=pay1 )",
    # Parameter sets in the description only.
    "h265": "( videotestsrc is-live=true ! video/x-raw,width=320,height=240,framerate=25/1"
            " ! x265enc key-int-max=25 speed-preset=ultrafast ! rtph265pay name=pay0 pt=96"
            " audiotestsrc is-live=true ! opusenc ! rtpopuspay name=pay1 pt=97 )",
    "vp8": "( videotestsrc is-live=true ! video/x-raw,width=320,height=240,framerate=25/1"
           " ! vp8enc deadline=1 keyframe-max-dist=25 ! rtpvp8pay name=pay0 pt=96"
           " audiotestsrc is-live=true ! audio/x-raw,rate=48000,channels=2 ! voaacenc ! rtpmp4gpay name=pay1 pt=97 )",
    "sound": "( audiotestsrc is-live=true ! audio/x-raw,rate=8000,channels=1 ! mulawenc ! rtppcmupay name=pay0 )",
}
Gst.init(None)
server = GstRtspServer.RTSPServer()
server.set_address("127.0.0.1")
server.set_service(sys.argv[1])
factory = GstRtspServer.RTSPMediaFactory()
factory.set_launch(PIPELINES[sys.argv[2]])
factory.set_shared(True)
if len(sys.argv) > 3:
    auth = GstRtspServer.RTSPAuth()
    token = GstRtspServer.RTSPToken()
    token.set_string(GstRtspServer.RTSP_TOKEN_MEDIA_FACTORY_ROLE, "viewer")
    auth.add_basic(GstRtspServer.RTSPAuth.make_basic(sys.argv[3], sys.argv[4]), token)
    server.set_auth(auth)
    factory.add_role_from_structure(Gst.Structure.from_string("viewer,media.factory.access=true,media.factory.construct=true")[0])
server.get_mount_points().add_factory("/live", factory)
server.attach(None)
print("serving", server.get_bound_port(), flush=True)
GLib.MainLoop().run()
