package chunk

import (
	"encoding/binary"

	"headgate/shardlog"
)

// Open reads a part as Append writes it. The frames' bytes are cut from data.
// more is how many bytes the part goes on for in the following records; the
// part is to be opened again with them behind. Kinds: Corrupt (data is no
// part), Invalid (too many tracks).
func Open(data []byte) (p Part, more int, err error) {
	if len(data) > maxPart {
		return p, 0, corrupt("%d bytes", len(data))
	}
	for rest := data; len(rest) > 0; {
		e, after, short, err := next(rest)
		if err != nil {
			return p, 0, err
		}
		if e.id == idSegment { // its children follow
			rest = rest[len(rest)-len(e.body):]
			if e.size != unknownSize && !short {
				return p, 0, corrupt("segment of a known size")
			}
			continue
		}
		if short {
			return p, missing(e), shortElement(e)
		}
		if err := p.take(e); err != nil {
			return p, 0, err
		}
		if e.id == idCluster {
			if len(after) > 0 {
				return p, 0, corrupt("%d bytes behind the cluster", len(after))
			}
			return p, 0, nil
		}
		rest = after
	}
	return p, 0, corrupt("no cluster")
}

// missing is how many bytes of a cut element are to come.
func missing(e element) int {
	if e.size > maxPart {
		return 0
	}
	return int(e.size) - len(e.body)
}

func shortElement(e element) error {
	if e.id == idCluster && e.size <= maxPart {
		return nil
	}
	return corrupt("cut off in element %x", e.id)
}

func (p *Part) take(e element) error {
	switch e.id {
	case idTracks:
		tracks, err := openTracks(e.body)
		p.Tracks = tracks
		return err
	case idTags:
		return eachTag(e.body, func(name, text string) {
			if take, ok := parseTake(text); ok && name == tagTake {
				p.Take = take
			}
		})
	case idCluster:
		return p.openCluster(e.body)
	}
	return nil // EBML, Info, Void: nothing that frames need
}

// each calls f with the elements of a body.
func each(body []byte, f func(e element) error) error {
	for len(body) > 0 {
		e, rest, short, err := next(body)
		if err != nil {
			return err
		}
		if short {
			return corrupt("element %x is longer than its parent", e.id)
		}
		if err := f(e); err != nil {
			return err
		}
		body = rest
	}
	return nil
}

func (p *Part) openCluster(body []byte) error {
	err := each(body, func(e element) error {
		switch e.id {
		case idTimestamp:
			n, ok := number(e.body)
			if !ok || n > 1<<60 {
				return corrupt("time of a cluster")
			}
			p.Start = int64(n)
		case idSimpleBlock:
			return p.openBlock(e.body, false, false)
		case idBlockGroup:
			return p.openGroup(e.body)
		}
		return nil
	})
	if err == nil && len(p.Frames) == 0 {
		return corrupt("a cluster without frames")
	}
	return err
}

// openGroup reads a BlockGroup; one without a reference is a key frame.
func (p *Part) openGroup(body []byte) error {
	key := true
	var block []byte
	err := each(body, func(e element) error {
		switch e.id {
		case idBlock:
			block = e.body
		case idReference:
			key = false
		}
		return nil
	})
	if err != nil || block == nil {
		return err
	}
	return p.openBlock(block, true, key)
}

func (p *Part) openBlock(b []byte, grouped, key bool) error {
	track, n := readSize(b)
	if n == 0 || track == 0 || track > 127 || len(b) < n+3 {
		return corrupt("a block of %d bytes", len(b))
	}
	if len(p.Frames) == maxFrames {
		return corrupt("more than %d frames", maxFrames)
	}
	flags := b[n+2]
	if flags&0x06 != 0 {
		return corrupt("laced frames")
	}
	if !grouped {
		key = flags&0x80 != 0
	}
	at := p.Start + int64(int16(binary.BigEndian.Uint16(b[n:])))
	p.Frames = append(p.Frames, Frame{Track: uint8(track), At: at, Key: key, Data: b[n+3:]})
	return nil
}

func openTracks(body []byte) ([]Track, error) {
	tracks := []Track{}
	err := each(body, func(e element) error {
		if e.id != idTrackEntry {
			return nil
		}
		if len(tracks) == maxTracks {
			return shardlog.Errorf(shardlog.Invalid, "open part", "more than %d tracks", maxTracks)
		}
		t, err := openTrack(e.body)
		tracks = append(tracks, t)
		return err
	})
	return tracks, err
}

func openTrack(body []byte) (t Track, err error) {
	err = each(body, func(e element) error {
		n, isNumber := number(e.body)
		switch e.id {
		case idTrackNumber:
			if !isNumber || n == 0 || n > 127 {
				return corrupt("number of a track")
			}
			t.Number = uint8(n)
		case idCodecID:
			t.Codec = Codec(e.body)
		case idCodecPrivate:
			t.Private = e.body
		case idVideo, idAudio:
			return t.openShape(e.body)
		case idEncodings:
			return corrupt("a track that is compressed or encrypted")
		}
		return nil
	})
	if err == nil && (t.Number == 0 || t.Codec == "") {
		return t, corrupt("a track without number or codec")
	}
	return t, err
}

func (t *Track) openShape(body []byte) error {
	return each(body, func(e element) error {
		n, ok := number(e.body)
		switch e.id {
		case idPixelWidth, idPixelHeight, idChannels:
			if !ok || n > 1<<16 {
				return corrupt("shape of a track")
			}
		}
		switch e.id {
		case idPixelWidth:
			t.Width = int(n)
		case idPixelHeight:
			t.Height = int(n)
		case idChannels:
			t.Channels = int(n)
		case idSampling:
			f, ok := float(e.body)
			if !ok || f < 0 || f > 1<<20 {
				return corrupt("rate of a track")
			}
			t.Rate = int(f)
		}
		return nil
	})
}

func eachTag(body []byte, f func(name, text string)) error {
	return each(body, func(tag element) error {
		if tag.id != idTag {
			return nil
		}
		return each(tag.body, func(simple element) error {
			if simple.id != idSimpleTag {
				return nil
			}
			var name, text string
			err := each(simple.body, func(e element) error {
				switch e.id {
				case idTagName:
					name = string(e.body)
				case idTagString:
					text = string(e.body)
				}
				return nil
			})
			f(name, text)
			return err
		})
	})
}
