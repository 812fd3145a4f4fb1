package camera

// Stats is what a camera did so far, all sessions together.
type Stats struct {
	Connected bool   `json:"connected"` // now
	Sessions  int64  `json:"sessions"`  // that were connected
	Failures  int64  `json:"failures"`  // tries to publish and sessions that ended in an error
	LastError string `json:"lastError,omitempty"`

	Frames       int64 `json:"frames"` // of video, Keyframes of them
	Keyframes    int64 `json:"keyframes"`
	VideoPackets int64 `json:"videoPackets"` // as they were first sent
	AudioPackets int64 `json:"audioPackets"`

	Packets       int64 `json:"packets"` // RTP datagrams, those sent again and those dropped too
	Retransmitted int64 `json:"retransmitted"`
	Dropped       int64 `json:"dropped"` // lost on purpose
	Bytes         int64 `json:"bytes"`   // of the datagrams

	PLIs      int64 `json:"plis"` // asked for a keyframe, by PLI or FIR
	NACKs     int64 `json:"nacks"`
	Requested int64 `json:"requested"` // packets that NACKs named
}

// Frame is a line of the ledger: a frame that was sent.
type Frame struct {
	Number    uint32 `json:"number"`    // as it is drawn in the picture; the first is 0
	UnixMilli int64  `json:"unixMilli"` // when it was taken, by the camera's sender reports
	Key       bool   `json:"key"`
	Bytes     int    `json:"bytes"`   // of the access unit in Annex B form
	Session   int64  `json:"session"` // the first is 1
	Width     int    `json:"width"`
	Height    int    `json:"height"`
}

// Plus adds two cameras' statistics up; one that is connected makes the sum so,
// and the last error is that of the other if it has one.
func (s Stats) Plus(other Stats) Stats {
	s.Connected = s.Connected || other.Connected
	s.Sessions += other.Sessions
	s.Failures += other.Failures
	s.LastError = orElse(other.LastError, s.LastError)
	s.Frames += other.Frames
	s.Keyframes += other.Keyframes
	s.VideoPackets += other.VideoPackets
	s.AudioPackets += other.AudioPackets
	s.Packets += other.Packets
	s.Retransmitted += other.Retransmitted
	s.Dropped += other.Dropped
	s.Bytes += other.Bytes
	s.PLIs += other.PLIs
	s.NACKs += other.NACKs
	s.Requested += other.Requested
	return s
}
