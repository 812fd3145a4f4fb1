package camera

// pcmBytes are the bytes of one macroblock that is sent as it is.
const pcmBytes = 384

// quantizer is the one of all pictures: at 28, one level of a DC coefficient of
// a 16×16 macroblock is one step of luma, exactly.
const quantizer = 28

// slice writes one slice that is a whole picture, macroblock by macroblock in
// their order. It remembers the luma of flat ones, which later ones are
// predicted from; macroblocks of noise must come below all flat ones.
type slice struct {
	bits    bitWriter
	layout  layout
	key     bool
	skipped int
	luma    []int
}

func newSlice(l layout, key bool) *slice {
	s := &slice{layout: l, key: key, luma: make([]int, l.columns*l.rows)}
	for i := range s.luma {
		s.luma[i] = grey
	}
	return s
}

// header begins the slice: the frame-th since the keyframe, or the key-th keyframe.
func (s *slice) header(frame, key int) {
	w := &s.bits
	w.unsigned(0) // first macroblock
	if s.key {
		w.unsigned(7) // all slices of the picture are I
	} else {
		w.unsigned(5) // all are P
	}
	w.unsigned(0) // picture set
	w.fixed(16, uint64(frame))
	if s.key {
		w.unsigned(key & 1) // two keyframes in a row differ
		w.fixed(2, 0)       // earlier pictures may be shown; this one is no long-term reference
	} else {
		w.fixed(3, 0) // one reference, not reordered, a sliding window
	}
	w.signed(0)   // quantizer as in the picture set
	w.unsigned(1) // no deblocking filter
}

// skip is a macroblock that stays as in the picture before.
func (s *slice) skip() { s.skipped++ }

// kind writes the type of a macroblock, a number among those of I slices.
func (s *slice) kind(number int) {
	if !s.key {
		s.bits.unsigned(s.skipped)
		s.skipped = 0
		number += 5
	}
	s.bits.unsigned(number)
}

// flat is a macroblock of one luma: Intra 16×16, predicted from the mean of its
// neighbours, with the difference as the one coefficient.
func (s *slice) flat(column, row, luma int) {
	at := row*s.layout.columns + column
	guess := 128
	switch {
	case column > 0 && row > 0:
		guess = (s.luma[at-1] + s.luma[at-s.layout.columns] + 1) / 2
	case column > 0:
		guess = s.luma[at-1]
	case row > 0:
		guess = s.luma[at-s.layout.columns]
	}
	s.luma[at] = luma
	s.kind(3)          // 16×16 DC, no coefficients but the DC
	s.bits.unsigned(0) // chroma predicted by DC
	s.bits.signed(0)   // the same quantizer
	s.coefficient(luma - guess)
}

// coefficient writes the block of DC coefficients of which only the first may
// be other than zero. No neighbour has coefficients, so that table 0 applies.
func (s *slice) coefficient(level int) {
	w := &s.bits
	switch level {
	case 0:
		w.fixed(1, 1) // none
		return
	case 1, -1:
		w.fixed(2, 1) // one, which is a trailing one
		w.fixed(1, uint64(1-level)/2)
	default:
		w.fixed(6, 0b000101) // one, which is not
		s.level(level)
	}
	w.fixed(1, 1) // no zeros before it
}

// level writes a coefficient other than -1, 0 and 1.
func (s *slice) level(level int) {
	code := 2*level - 4
	if level < 0 {
		code = -2*level - 3
	}
	prefix, size, suffix := code, 0, 0
	switch {
	case code >= 30:
		prefix, size, suffix = 15, 12, code-30
	case code >= 14:
		prefix, size, suffix = 14, 4, code-14
	}
	s.bits.fixed(prefix+1, 1)
	s.bits.fixed(size, uint64(suffix))
}

// pcm is a macroblock of samples as they are: 256 of luma, then 128 of chroma.
func (s *slice) pcm(noise func() byte) {
	s.kind(25)
	s.bits.align()
	for range 256 {
		s.bits.bytes = append(s.bits.bytes, grey-32+noise())
	}
	for range pcmBytes - 256 {
		s.bits.bytes = append(s.bits.bytes, 128-32+noise())
	}
}

// end ends the slice and returns its payload.
func (s *slice) end() []byte {
	if s.skipped > 0 {
		s.bits.unsigned(s.skipped)
	}
	s.bits.trail()
	return s.bits.bytes
}
