package chunk

import (
	"encoding/binary"
	"math"
	"math/bits"
)

// Element IDs of EBML and Matroska (RFC 8794, RFC 9559).
const (
	idEBML            = 0x1A45DFA3
	idEBMLVersion     = 0x4286
	idEBMLReadVersion = 0x42F7
	idEBMLMaxID       = 0x42F2
	idEBMLMaxSize     = 0x42F3
	idDocType         = 0x4282
	idDocTypeVersion  = 0x4287
	idDocTypeRead     = 0x4285
	idVoid            = 0xEC
	idCRC             = 0xBF
	idSegment         = 0x18538067
	idSeekHead        = 0x114D9B74
	idInfo            = 0x1549A966
	idTimestampScale  = 0x2AD7B1
	idDuration        = 0x4489
	idDateUTC         = 0x4461
	idMuxingApp       = 0x4D80
	idWritingApp      = 0x5741
	idTracks          = 0x1654AE6B
	idTrackEntry      = 0xAE
	idTrackNumber     = 0xD7
	idTrackUID        = 0x73C5
	idTrackType       = 0x83
	idFlagLacing      = 0x9C
	idTrackName       = 0x536E
	idCodecID         = 0x86
	idCodecPrivate    = 0x63A2
	idCodecDelay      = 0x56AA
	idEncodings       = 0x6D80
	idSeekPreRoll     = 0x56BB
	idVideo           = 0xE0
	idPixelWidth      = 0xB0
	idPixelHeight     = 0xBA
	idAudio           = 0xE1
	idSampling        = 0xB5
	idChannels        = 0x9F
	idBitDepth        = 0x6264
	idCluster         = 0x1F43B675
	idTimestamp       = 0xE7
	idSimpleBlock     = 0xA3
	idBlockGroup      = 0xA0
	idBlock           = 0xA1
	idBlockDuration   = 0x9B
	idReference       = 0xFB
	idChapters        = 0x1043A770
	idAttachments     = 0x1941A469
	idCues            = 0x1C53BB6B
	idCuePoint        = 0xBB
	idCueTime         = 0xB3
	idCueTrackPos     = 0xB7
	idCueTrack        = 0xF7
	idCueCluster      = 0xF1
	idTags            = 0x1254C367
	idTag             = 0x7373
	idSimpleTag       = 0x67C8
	idTagName         = 0x45A3
	idTagString       = 0x4487
)

// unknownSize is the size of an element that ends where its parent does.
const unknownSize = math.MaxUint64

// appendID writes an element's ID as it stands.
func appendID(b []byte, id uint32) []byte {
	for shift := 24; shift >= 0; shift -= 8 {
		if id>>shift != 0 {
			b = append(b, byte(id>>shift))
		}
	}
	return b
}

// appendSize writes a size in as few bytes as it takes.
func appendSize(b []byte, n uint64) []byte {
	width := max(1, (bits.Len64(n+1)+6)/7)
	for i := width - 1; i >= 0; i-- {
		octet := byte(n >> (8 * i))
		if i == width-1 {
			octet |= 1 << (8 - width)
		}
		b = append(b, octet)
	}
	return b
}

// sizeLen is how many bytes appendSize takes.
func sizeLen(n uint64) int { return max(1, (bits.Len64(n+1)+6)/7) }

// appendElement writes an element with a body.
func appendElement(b []byte, id uint32, body []byte) []byte {
	return append(appendSize(appendID(b, id), uint64(len(body))), body...)
}

// appendUint writes an element that holds a number.
func appendUint(b []byte, id uint32, n uint64) []byte {
	width := max(1, (bits.Len64(n)+7)/8)
	b = appendSize(appendID(b, id), uint64(width))
	for i := width - 1; i >= 0; i-- {
		b = append(b, byte(n>>(8*i)))
	}
	return b
}

func appendText(b []byte, id uint32, text string) []byte {
	return append(appendSize(appendID(b, id), uint64(len(text))), text...)
}

func appendFloat(b []byte, id uint32, f float64) []byte {
	return binary.BigEndian.AppendUint64(appendSize(appendID(b, id), 8), math.Float64bits(f))
}

// element is one element, its body cut from what was read.
type element struct {
	id   uint32
	size uint64 // as written; unknownSize
	body []byte // what there is of it
}

// next reads the element at the front of b. short says that b ends before the
// element does: body holds what there is.
func next(b []byte) (e element, rest []byte, short bool, err error) {
	id, n := readID(b)
	if n == 0 {
		return e, nil, true, errIfMalformed(b, 4)
	}
	size, m := readSize(b[n:])
	if m == 0 {
		return e, nil, true, errIfMalformed(b[n:], 8)
	}
	e.id, e.size = id, size
	b = b[n+m:]
	if size > uint64(len(b)) {
		e.body = b
		return e, nil, true, nil
	}
	e.body = b[:size]
	return e, b[size:], false, nil
}

// errIfMalformed tells bytes that can begin no number of up to width bytes
// from bytes that are merely too few.
func errIfMalformed(b []byte, width int) error {
	if len(b) > 0 && bits.LeadingZeros8(b[0]) >= width {
		return corrupt("element with a malformed head")
	}
	return nil
}

func readID(b []byte) (id uint32, n int) {
	if len(b) == 0 {
		return 0, 0
	}
	n = bits.LeadingZeros8(b[0]) + 1
	if n > 4 || n > len(b) {
		return 0, 0
	}
	for _, octet := range b[:n] {
		id = id<<8 | uint32(octet)
	}
	return id, n
}

func readSize(b []byte) (size uint64, n int) {
	if len(b) == 0 {
		return 0, 0
	}
	n = bits.LeadingZeros8(b[0]) + 1
	if n > 8 || n > len(b) {
		return 0, 0
	}
	size = uint64(b[0]) & (1<<(8-n) - 1)
	for _, octet := range b[1:n] {
		size = size<<8 | uint64(octet)
	}
	if size == 1<<(7*n)-1 {
		size = unknownSize
	}
	return size, n
}

func number(b []byte) (n uint64, ok bool) {
	if len(b) > 8 {
		return 0, false
	}
	for _, octet := range b {
		n = n<<8 | uint64(octet)
	}
	return n, true
}

func float(b []byte) (float64, bool) {
	switch len(b) {
	case 0:
		return 0, true
	case 4:
		return float64(math.Float32frombits(binary.BigEndian.Uint32(b))), true
	case 8:
		return math.Float64frombits(binary.BigEndian.Uint64(b)), true
	}
	return 0, false
}
