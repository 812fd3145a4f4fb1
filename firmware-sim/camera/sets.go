package camera

// sequenceSet is the payload of the sequence parameter set of a video.
func sequenceSet(v Video) []byte {
	l := layoutOf(v.Width, v.Height)
	w := &bitWriter{}
	w.fixed(8, 66)   // baseline
	w.fixed(8, 0xe0) // constrained
	w.fixed(8, uint64(levelFor(v)))
	w.unsigned(0)  // its id
	w.unsigned(12) // frame numbers of 16 bits
	w.unsigned(2)  // output in the order of decoding
	w.unsigned(1)  // one reference
	w.fixed(1, 0)  // no gaps of frame numbers
	w.unsigned(l.columns - 1)
	w.unsigned(l.rows - 1)
	w.fixed(2, 0b11) // frames, not fields; 8×8 inference
	cutRight, cutBelow := (16*l.columns-v.Width)/2, (16*l.rows-v.Height)/2
	if cutRight+cutBelow == 0 {
		w.fixed(1, 0)
	} else {
		w.fixed(1, 1)
		for _, cut := range []int{0, cutRight, 0, cutBelow} {
			w.unsigned(cut)
		}
	}
	w.fixed(1, 1) // usability information
	w.fixed(4, 0) // neither aspect, overscan, signal type nor chroma location
	w.fixed(1, 1) // timing: ticks of half a frame
	w.fixed(32, 1)
	w.fixed(32, uint64(2*v.FPS))
	w.fixed(1, 1)                                   // a fixed rate
	w.fixed(3, 0)                                   // neither HRD nor picture structure
	w.fixed(2, 0b11)                                // restrictions; vectors may point outside
	for _, limit := range []int{0, 0, 0, 0, 0, 1} { // nothing limited, nothing reordered, one frame buffered
		w.unsigned(limit)
	}
	w.trail()
	return w.bytes
}

// pictureSet is the payload of the picture parameter set: CAVLC, and a
// deblocking filter that slices switch off.
func pictureSet() []byte {
	w := &bitWriter{}
	w.unsigned(0) // its id
	w.unsigned(0) // of the sequence set
	w.fixed(2, 0) // CAVLC, no order of fields
	w.unsigned(0) // one slice group
	w.unsigned(0) // one reference
	w.unsigned(0) // in either list
	w.fixed(3, 0) // no weights
	w.signed(quantizer - 26)
	w.signed(0)
	w.signed(0)
	w.fixed(3, 0b100) // slices control the filter; prediction from anything; no redundant pictures
	w.trail()
	return w.bytes
}
