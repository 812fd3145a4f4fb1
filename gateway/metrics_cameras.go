package gateway

// cameras sends the figures of cameras and of WebRTC.
func (c collector) cameras(m sample, s Status) {
	for _, one := range s.Cameras {
		m.gauge("headgate_camera_live", "1 while a camera sends to this gateway", flag(one.Live), "camera", one.Name)
		m.counter("headgate_camera_parts_total", "parts stored by this gateway", float64(one.Parts), "camera", one.Name)
		m.counter("headgate_camera_bytes_total", "bytes of those parts", float64(one.Bytes), "camera", one.Name)
		m.counter("headgate_camera_frames_total", "frames taken", float64(one.Frames), "camera", one.Name)
		m.counter("headgate_camera_frames_incomplete_total", "frames that lacked packets and were left out", float64(one.Lost), "camera", one.Name)
		m.counter("headgate_camera_parts_dropped_total", "parts given up because the log was slower", float64(one.Dropped), "camera", one.Name)
		m.gauge("headgate_camera_waiting_bytes", "bytes that wait for the log", float64(one.Waiting), "camera", one.Name)
	}
	w := s.WebRTC
	if w == nil {
		return
	}
	m.gauge("headgate_webrtc_publishing", "sessions that publish", float64(w.Publishing))
	m.gauge("headgate_webrtc_watching", "sessions that watch", float64(w.Watching))
	m.counter("headgate_webrtc_posts_total", "sessions asked for", float64(w.Posts))
	m.counter("headgate_webrtc_denied_total", "requests without the right token", float64(w.Denied))
	m.counter("headgate_webrtc_limited_total", "sessions refused for a rate or a bound", float64(w.Limited))
	m.counter("headgate_webrtc_never_connected_total", "sessions freed because ICE never came up", float64(w.NeverConnected))
	m.counter("headgate_webrtc_silent_total", "sessions freed because nothing came", float64(w.Silent))
	m.counter("headgate_webrtc_packets_total", "RTP packets received", float64(w.Packets))
	m.counter("headgate_webrtc_bytes_total", "bytes of them", float64(w.Bytes))
	m.counter("headgate_webrtc_lost_packets_total", "packets that never came", float64(w.Lost))
	m.counter("headgate_webrtc_requested_packets_total", "packets asked for again", float64(w.Requested))
	m.counter("headgate_webrtc_keyframe_requests_total", "key frames asked for", float64(w.KeyframeRequests))
}
