package chunk

import "encoding/binary"

// File is the head of a Matroska file of known length, from which players can
// seek: what stands before its first cluster.
type File struct {
	Tracks   []Track
	Origin   int64 // milliseconds since 1970: what the file calls 0
	Duration int64 // milliseconds
	Clusters []Cluster
}

// Cluster is one cluster of a File, as AppendCluster writes it.
type Cluster struct {
	At   int64 // milliseconds since Origin
	Size int64
	Key  bool // a player may begin here
}

// since2001 is where Matroska's dates begin, in milliseconds since 1970.
const since2001 = 978_307_200_000

// AppendHead writes the head.
func (f File) AppendHead(b []byte) []byte {
	b = appendEBML(b, f.Tracks)
	info := appendInfo(nil)
	info = appendFloat(info, idDuration, float64(f.Duration))
	info = appendElement(info, idDateUTC, binary.BigEndian.AppendUint64(nil, uint64((f.Origin-since2001)*1_000_000)))
	inner := appendTracks(appendElement(nil, idInfo, info), f.Tracks)
	cues := f.cues(0)
	cues = f.cues(int64(len(inner)) + int64(len(appendElement(nil, idCues, cues)))) // of the same length
	inner = appendElement(inner, idCues, cues)
	size := uint64(len(inner))
	for _, c := range f.Clusters {
		size += uint64(c.Size)
	}
	b = appendID(b, idSegment)
	b = append(b, 0x01) // a size of eight bytes
	b = append(b, binary.BigEndian.AppendUint64(nil, size)[1:]...)
	return append(b, inner...)
}

// cues lists where players may begin; at is where the first cluster stands in
// the segment.
func (f File) cues(at int64) []byte {
	var all []byte
	number := f.Tracks[0].Number
	for _, c := range f.Clusters {
		if c.Key {
			place := appendUint(nil, idCueTrack, uint64(number))
			place = appendElement(place, idCueCluster, binary.BigEndian.AppendUint64(nil, uint64(at)))
			point := appendElement(appendUint(nil, idCueTime, uint64(c.At)), idCueTrackPos, place)
			all = appendElement(all, idCuePoint, point)
		}
		at += c.Size
	}
	return all
}
