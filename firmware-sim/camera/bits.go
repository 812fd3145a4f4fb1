package camera

import "math/bits"

// bitWriter writes the payload of one NAL unit, bit by bit, first bit highest.
type bitWriter struct {
	bytes []byte
	last  uint64 // the bits that do not fill a byte yet, at the low end
	count int    // how many they are, at most 7
}

// fixed writes the low n bits of value, at most 32.
func (w *bitWriter) fixed(n int, value uint64) {
	w.last = w.last<<n | value&(1<<n-1)
	for w.count += n; w.count >= 8; {
		w.count -= 8
		w.bytes = append(w.bytes, byte(w.last>>w.count))
	}
}

// unsigned writes an Exp-Golomb number, ue(v).
func (w *bitWriter) unsigned(value int) {
	code := uint64(value) + 1
	length := bits.Len64(code)
	w.fixed(length-1, 0)
	w.fixed(length, code)
}

// signed writes a signed Exp-Golomb number, se(v).
func (w *bitWriter) signed(value int) {
	if value > 0 {
		w.unsigned(2*value - 1)
		return
	}
	w.unsigned(-2 * value)
}

// align fills the byte with zeros.
func (w *bitWriter) align() {
	if w.count > 0 {
		w.fixed(8-w.count, 0)
	}
}

// trail ends the payload: a one, then zeros up to the byte.
func (w *bitWriter) trail() {
	w.fixed(1, 1)
	w.align()
}

// appendNAL appends a NAL unit in Annex B form: a start code, the header and
// the payload, with a 3 put into it wherever it would look like a start code.
func appendNAL(to []byte, header byte, payload []byte) []byte {
	to = append(to, 0, 0, 0, 1, header)
	zeros := 0
	for _, b := range payload {
		if zeros == 2 && b <= 3 {
			to = append(to, 3)
			zeros = 0
		}
		to = append(to, b)
		if zeros++; b != 0 {
			zeros = 0
		}
	}
	return to
}
