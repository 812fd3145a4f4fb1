package track

import (
	"errors"

	"github.com/bluenviron/gortsplib/v5/pkg/format/rtpav1"
	"github.com/bluenviron/gortsplib/v5/pkg/format/rtph264"
	"github.com/bluenviron/gortsplib/v5/pkg/format/rtph265"
	"github.com/bluenviron/gortsplib/v5/pkg/format/rtpmpeg4audio"
	"github.com/bluenviron/gortsplib/v5/pkg/format/rtpvp8"
	"github.com/bluenviron/gortsplib/v5/pkg/format/rtpvp9"
	"github.com/pion/rtp"

	"headgate/ingest/chunk"
)

// depacketizer joins packets that come in order to units.
type depacketizer interface {
	// add answers the units that a packet completes.
	add(p Packet, at int64) ([]Unit, error)
	// reset forgets a unit that is being joined: a packet of it is missing.
	reset()
	config() (chunk.Track, bool)
}

func newDepacketizer(f Format) (depacketizer, error) {
	switch f.Codec {
	case chunk.H264:
		return newJoined[[][]byte](f, newNALs(f, h264Sets()), func() decoder[[][]byte] { return &rtph264.Decoder{PacketizationMode: 1} }), nil
	case chunk.H265:
		return newJoined[[][]byte](f, newNALs(f, h265Sets()), func() decoder[[][]byte] { return &rtph265.Decoder{} }), nil
	case chunk.VP8:
		return newJoined[[]byte](f, &vp8Shape{}, func() decoder[[]byte] { return &rtpvp8.Decoder{} }), nil
	case chunk.VP9:
		return newJoined[[]byte](f, &vp9Shape{}, func() decoder[[]byte] { return &rtpvp9.Decoder{} }), nil
	case chunk.AV1:
		return newJoined[[][]byte](f, &av1Shape{}, func() decoder[[][]byte] { return &rtpav1.Decoder{} }), nil
	case chunk.Opus, chunk.G711:
		return whole{sound(f)}, nil
	case chunk.AAC:
		d := &rtpmpeg4audio.Decoder{SizeLength: 13, IndexLength: 3, IndexDeltaLength: 3}
		return &aac{sound(f), d}, d.Init()
	}
	return nil, unsupported(f.Codec)
}

// decoder is what gortsplib's decoders have in common.
type decoder[T any] interface {
	Init() error
	Decode(*rtp.Packet) (T, error)
}

// shape makes units of access units and knows how they are coded.
type shape[T any] interface {
	unit(access T) (data []byte, key bool, err error)
	config() (chunk.Track, bool)
}

// joined joins packets with a decoder of gortsplib's.
type joined[T any] struct {
	shape[T]
	fresh   func() decoder[T]
	decoder decoder[T]
	at      int64 // RTP time of the unit that is being joined
	open    bool
}

func newJoined[T any](_ Format, s shape[T], fresh func() decoder[T]) *joined[T] {
	j := &joined[T]{shape: s, fresh: fresh}
	j.reset()
	return j
}

func (j *joined[T]) reset() {
	j.decoder, j.open = j.fresh(), false
	_ = j.decoder.Init() // fails for settings that are not ours
}

func (j *joined[T]) add(p Packet, at int64) ([]Unit, error) {
	access, err := j.decoder.Decode(&rtp.Packet{Header: rtp.Header{Version: 2, SequenceNumber: p.Sequence, Timestamp: p.Time, Marker: p.Marker}, Payload: p.Payload})
	unitAt := at
	if j.open {
		unitAt = j.at
	}
	if err != nil {
		if isPartial(err) {
			if !j.open || j.at != at {
				j.at, j.open = at, true
			}
			return nil, nil
		}
		return nil, err
	}
	j.at, j.open = at, at != unitAt // a unit that ended without a marker
	data, key, err := j.unit(access)
	if err != nil || data == nil {
		return nil, err
	}
	return []Unit{{Time: unitAt, Key: key, Data: data}}, nil
}

// isPartial reports whether an error of a decoder's only says that a unit is
// not whole yet, or that its beginning was before we came.
func isPartial(err error) bool {
	for _, one := range []error{
		rtph264.ErrMorePacketsNeeded, rtph265.ErrMorePacketsNeeded, rtpvp8.ErrMorePacketsNeeded, rtpvp9.ErrMorePacketsNeeded,
		rtpav1.ErrMorePacketsNeeded, rtpmpeg4audio.ErrMorePacketsNeeded,
		rtph264.ErrNonStartingPacketAndNoPrevious, rtph265.ErrNonStartingPacketAndNoPrevious, rtpvp8.ErrNonStartingPacketAndNoPrevious,
		rtpvp9.ErrNonStartingPacketAndNoPrevious, rtpav1.ErrNonStartingPacketAndNoPrevious,
	} {
		if errors.Is(err, one) {
			return true
		}
	}
	return false
}

// whole is sound of which each packet is a unit.
type whole struct{ track chunk.Track }

func (w whole) reset() {}

func (w whole) config() (chunk.Track, bool) { return w.track, true }

func (w whole) add(p Packet, at int64) ([]Unit, error) {
	return []Unit{{Time: at, Key: true, Data: p.Payload}}, nil
}

// aac is sound of which a packet may hold several units.
type aac struct {
	track   chunk.Track
	decoder *rtpmpeg4audio.Decoder
}

func (a *aac) reset() {
	a.decoder = &rtpmpeg4audio.Decoder{SizeLength: 13, IndexLength: 3, IndexDeltaLength: 3}
	_ = a.decoder.Init() // as in newDepacketizer
}

func (a *aac) config() (chunk.Track, bool) { return a.track, true }

// samplesOfAAC is how long an access unit of AAC lasts.
const samplesOfAAC = 1024

func (a *aac) add(p Packet, at int64) ([]Unit, error) {
	access, err := a.decoder.Decode(&rtp.Packet{Header: rtp.Header{Version: 2, SequenceNumber: p.Sequence, Timestamp: p.Time, Marker: p.Marker}, Payload: p.Payload})
	if err != nil {
		if isPartial(err) {
			return nil, nil
		}
		return nil, err
	}
	var all []Unit
	for i, data := range access {
		all = append(all, Unit{Time: at + int64(i)*samplesOfAAC, Key: true, Data: data})
	}
	return all, nil
}
