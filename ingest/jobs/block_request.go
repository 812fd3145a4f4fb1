package jobs

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"iter"
	"math/bits"
	"strings"
	"unicode/utf8"
)

// Limits of file delivery, as AWS IoT has them.
const (
	minBlock  = 256       // bytes
	maxBlock  = 128 << 10 // bytes
	maxBlocks = 128 << 10 // bytes of blocks that one request gets
	maxOffset = 98304     // blocks
	maxBitmap = 12288     // bytes, fewer are allowed
)

// blockRequest asks for blocks of a file, or with its token alone for a
// description.
type blockRequest struct {
	token   string
	version *int64
	file    *int64
	size    int64   // bytes of a block
	offset  int64   // the first block
	count   *int64  // most blocks
	bitmap  *[]byte // which blocks from the offset on, the low bit of a byte first; nil: all
}

// signed puts the token before an answer's fields, if there was one.
func (r blockRequest) signed(fields []field) []field {
	if r.token == "" {
		return fields
	}
	return append([]field{{"c", r.token}}, fields...)
}

// decodeBlockRequest reads a payload; an empty one asks without fields.
func decodeBlockRequest(f format, payload []byte) (r blockRequest, fault *refusal) {
	if len(payload) > maxRequest {
		return r, refuse(InvalidRequest, fmt.Sprintf("%d bytes, %d are allowed", len(payload), maxRequest))
	}
	switch {
	case len(payload) == 0:
		return r, nil
	case f == formatCBOR:
		fault = r.readCBOR(payload)
	default:
		fault = r.readJSON(payload)
	}
	if len(r.token) > maxToken {
		r.token = ""
		return r, refuse(InvalidRequest, fmt.Sprintf("the client token is longer than %d bytes", maxToken))
	}
	return r, fault
}

func (r *blockRequest) readJSON(payload []byte) *refusal {
	var in struct {
		C string  `json:"c"`
		S *int64  `json:"s"`
		F *int64  `json:"f"`
		L int64   `json:"l"`
		O int64   `json:"o"`
		N *int64  `json:"n"`
		B *string `json:"b"`
	}
	if !utf8.Valid(payload) || !json.Valid(payload) {
		return refuse(InvalidJSON, "the payload is no JSON")
	}
	err := json.Unmarshal(payload, &in)
	*r = blockRequest{token: in.C, version: in.S, file: in.F, size: in.L, offset: in.O, count: in.N}
	if err != nil {
		return refuse(InvalidRequest, reason(err))
	}
	if in.B == nil {
		return nil
	}
	digits := strings.TrimPrefix(strings.TrimPrefix(*in.B, "0x"), "0X")
	bitmap, err := hex.DecodeString(digits)
	if err != nil {
		return refuse(InvalidRequest, "b is no bitmap in hex digits")
	}
	r.bitmap = &bitmap
	return nil
}

// readCBOR reads a map. Keys that it does not know it passes over.
func (r *blockRequest) readCBOR(payload []byte) *refusal {
	all, ok := readCBORMap(payload)
	if !ok {
		return refuse(InvalidCBOR, "the payload is no CBOR map")
	}
	wrong := ""
	number := func(key string, to *int64) bool {
		v, there := all[key]
		n, ok := v.(int64)
		if there && !ok {
			wrong = key
		}
		*to = n
		return there && ok
	}
	var version, file, count int64
	if v, there := all["c"]; there {
		if r.token, ok = v.(string); !ok {
			wrong = "c"
		}
	}
	if number("s", &version) {
		r.version = &version
	}
	if number("f", &file) {
		r.file = &file
	}
	number("l", &r.size)
	number("o", &r.offset)
	if number("n", &count) {
		r.count = &count
	}
	if v, there := all["b"]; there {
		bitmap, ok := v.([]byte)
		if !ok {
			wrong = "b"
		}
		r.bitmap = &bitmap
	}
	if wrong != "" {
		return refuse(InvalidRequest, "the field "+wrong+" is of another type")
	}
	return nil
}

// check answers what cannot be asked of any file.
func (r blockRequest) check() *refusal {
	switch {
	case r.file == nil:
		return refuse(InvalidRequest, "f says which file, it is missing")
	case r.version != nil && *r.version != streamVersion:
		return refuse(VersionMismatch, fmt.Sprintf("the stream has version %d", streamVersion))
	case r.size < minBlock || r.size > maxBlock:
		return refuse(BlockSizeOutOfBounds, fmt.Sprintf("a block of %d bytes, %d to %d are allowed", r.size, minBlock, maxBlock))
	case r.offset < 0 || r.offset > maxOffset:
		return refuse(OffsetOutOfBounds, fmt.Sprintf("an offset of %d blocks, 0 to %d are allowed", r.offset, maxOffset))
	case r.count != nil && (*r.count < 0 || *r.count > maxOffset):
		return refuse(BlockCountLimitExceeded, fmt.Sprintf("%d blocks, 0 to %d are allowed", *r.count, maxOffset))
	case r.bitmap != nil && len(*r.bitmap) >= maxBitmap:
		return refuse(BlockBitmapLimitExceeded, fmt.Sprintf("a bitmap of %d bytes, fewer than %d are allowed", len(*r.bitmap), maxBitmap))
	}
	return nil
}

// blocks are the numbers of the blocks that are sent of a file of so many bytes.
func (r blockRequest) blocks(size int64) iter.Seq[int64] {
	total, left := (size+r.size-1)/r.size, maxBlocks/r.size
	if r.count != nil && *r.count > 0 {
		left = min(left, *r.count)
	}
	return func(yield func(int64) bool) {
		send := func(i int64) bool {
			left--
			return yield(i) && left > 0
		}
		if r.bitmap == nil {
			for i := r.offset; i < total; i++ {
				if !send(i) {
					return
				}
			}
			return
		}
		for at, b := range *r.bitmap {
			for ; b != 0; b &= b - 1 {
				i := r.offset + int64(at)*8 + int64(bits.TrailingZeros8(b))
				if i >= total || !send(i) {
					return
				}
			}
		}
	}
}
