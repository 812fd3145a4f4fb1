package chunk

import (
	"encoding/binary"
	"math"
	"slices"
	"strconv"
	"strings"
)

// muxer is what files say they were written by.
const muxer = "headgate"

// Append writes the part as one or more records hold it: a header if it has
// tracks, its tags, and its cluster.
func (p *Part) Append(b []byte) []byte {
	if p.Tracks != nil {
		b = AppendHeader(b, p.Tracks)
	}
	b = p.appendTags(b)
	return p.AppendCluster(b, 0)
}

// AppendHeader writes the beginning of a file whose length is not known:
// EBML header, Segment, Info and Tracks.
func AppendHeader(b []byte, tracks []Track) []byte {
	b = appendEBML(b, tracks)
	b = appendID(b, idSegment)
	b = append(b, 0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff)
	b = appendElement(b, idInfo, appendInfo(nil))
	return appendTracks(b, tracks)
}

func appendEBML(b []byte, tracks []Track) []byte {
	e := appendUint(nil, idEBMLVersion, 1)
	e = appendUint(e, idEBMLReadVersion, 1)
	e = appendUint(e, idEBMLMaxID, 4)
	e = appendUint(e, idEBMLMaxSize, 8)
	e = appendText(e, idDocType, docType(tracks))
	e = appendUint(e, idDocTypeVersion, 4)
	e = appendUint(e, idDocTypeRead, 2)
	return appendElement(b, idEBML, e)
}

// docType is webm where a browser may play it as such.
func docType(tracks []Track) string {
	if slices.ContainsFunc(tracks, func(t Track) bool { return !t.Codec.WebM() }) {
		return "matroska"
	}
	return "webm"
}

// WebM reports whether WebM allows the codec.
func (c Codec) WebM() bool { return c == VP8 || c == VP9 || c == AV1 || c == Opus }

func appendInfo(b []byte) []byte {
	b = appendUint(b, idTimestampScale, 1_000_000)
	b = appendText(b, idMuxingApp, muxer)
	return appendText(b, idWritingApp, muxer)
}

func appendTracks(b []byte, tracks []Track) []byte {
	var all []byte
	for _, t := range tracks {
		all = appendElement(all, idTrackEntry, trackEntry(t))
	}
	return appendElement(b, idTracks, all)
}

func trackEntry(t Track) []byte {
	e := appendUint(nil, idTrackNumber, uint64(t.Number))
	e = appendUint(e, idTrackUID, uint64(t.Number))
	kind := uint64(17) // subtitles
	switch {
	case t.Codec.Video():
		kind = 1
	case t.Codec.Audio():
		kind = 2
	}
	e = appendUint(e, idTrackType, kind)
	e = appendUint(e, idFlagLacing, 0)
	e = appendText(e, idCodecID, string(t.Codec))
	if t.Private != nil {
		e = appendElement(e, idCodecPrivate, t.Private)
	}
	if t.Codec == Opus {
		e = appendUint(e, idSeekPreRoll, 80_000_000)
	}
	switch kind {
	case 1:
		e = appendElement(e, idVideo, appendUint(appendUint(nil, idPixelWidth, uint64(t.Width)), idPixelHeight, uint64(t.Height)))
	case 2:
		a := appendUint(appendFloat(nil, idSampling, float64(t.Rate)), idChannels, uint64(max(1, t.Channels)))
		if t.Codec == G711 {
			a = appendUint(a, idBitDepth, 8)
		}
		e = appendElement(e, idAudio, a)
	}
	return e
}

// tagTake is the tag that carries a part's Take, as text: when it began, why the
// one before ended, then whatever applies.
const tagTake = "HEADGATE_TAKE"

func (p *Part) appendTags(b []byte) []byte {
	text := strconv.FormatInt(p.Take.Began, 10) + " " + string(p.Take.Why)
	if p.Take.Unsynced {
		text += " unsynced"
	}
	if p.Take.Lost > 0 {
		text += " lost=" + strconv.FormatUint(uint64(p.Take.Lost), 10)
	}
	return AppendTags(b, tagTake, text)
}

// AppendTags writes a Tags element of pairs of names and texts.
func AppendTags(b []byte, pairs ...string) []byte {
	var all []byte
	for i := 0; i+1 < len(pairs); i += 2 {
		all = appendElement(all, idSimpleTag, appendText(appendText(nil, idTagName, pairs[i]), idTagString, pairs[i+1]))
	}
	return appendElement(b, idTags, appendElement(nil, idTag, all))
}

// parseTake reads what appendTags wrote.
func parseTake(text string) (r Take, ok bool) {
	for i, word := range strings.Fields(text) {
		switch {
		case i == 0:
			began, err := strconv.ParseInt(word, 10, 64)
			if err != nil {
				return r, false
			}
			r.Began = began
		case i == 1:
			r.Why = Reason(word)
		case word == "unsynced":
			r.Unsynced = true
		case strings.HasPrefix(word, "lost="):
			n, _ := strconv.ParseUint(word[len("lost="):], 10, 32) // a count that cannot be read is none
			r.Lost = uint32(n)
		}
	}
	return r, r.Why != ""
}

// ClusterSize is how many bytes AppendCluster writes for a part that starts so
// many milliseconds behind the origin and has frames of these sizes.
func ClusterSize(start int64, frames []int) int {
	body := clusterBody(start, frames)
	return 4 + sizeLen(uint64(body)) + body
}

func clusterBody(start int64, frames []int) int {
	n := len(appendUint(nil, idTimestamp, uint64(start)))
	for _, size := range frames {
		n += 1 + sizeLen(uint64(4+size)) + 4 + size
	}
	return n
}

// AppendCluster writes the part's cluster with times less the origin.
func (p *Part) AppendCluster(b []byte, origin int64) []byte {
	sizes := make([]int, len(p.Frames))
	for i := range p.Frames {
		sizes[i] = len(p.Frames[i].Data)
	}
	body := clusterBody(p.Start-origin, sizes)
	b = slices.Grow(b, body+16)
	b = appendSize(appendID(b, idCluster), uint64(body))
	b = appendUint(b, idTimestamp, uint64(p.Start-origin))
	for i := range p.Frames {
		f := &p.Frames[i]
		b = appendSize(appendID(b, idSimpleBlock), uint64(4+len(f.Data)))
		b = append(b, 0x80|f.Track)
		b = binary.BigEndian.AppendUint16(b, uint16(clamp(f.At-p.Start)))
		b = append(b, flags(f.Key))
		b = append(b, f.Data...)
	}
	return b
}

func clamp(ms int64) int16 { return int16(min(max(ms, math.MinInt16), math.MaxInt16)) }

func flags(key bool) byte {
	if key {
		return 0x80
	}
	return 0
}
