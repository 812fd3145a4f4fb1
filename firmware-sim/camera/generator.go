package camera

// Generator makes the pictures of one video, in H.264. It knows no clock: it is
// told the number of each frame and whether it flashes. It is not safe for
// concurrent use.
type Generator struct {
	video  Video
	layout layout

	sinceKey int     // frames since the last keyframe, that one included; zero: there was none
	keys     int     // keyframes so far
	credit   float64 // bytes that may be sent by the bit rate and were not
	cursor   int     // the macroblock of the noise that is due next
	random   uint64  // state of the noise
}

// NewGenerator makes a Generator. The video must be whole, as Normal returns it.
func NewGenerator(v Video) *Generator {
	return &Generator{video: v, layout: layoutOf(v.Width, v.Height), random: 0x9e3779b97f4a7c15}
}

// Frame is the next access unit in Annex B form, and whether it is a keyframe:
// the first one is, one in GOP is, and one that is asked for is.
func (g *Generator) Frame(number uint32, flash, key bool) (unit []byte, isKey bool) {
	key = key || g.sinceKey == 0 || g.sinceKey >= g.video.GOP
	budget := float64(g.video.BitsPerSecond) / 8 / float64(g.video.FPS)
	g.credit = min(g.credit+budget, 2*budget)
	if key {
		unit = g.keyframe(number, flash)
		g.sinceKey = 0
	} else {
		unit = g.delta(number, flash)
	}
	g.sinceKey++
	g.credit -= float64(len(unit))
	return unit, key
}

func (g *Generator) keyframe(number uint32, flash bool) []byte {
	unit := appendNAL(nil, 0x67, sequenceSet(g.video))
	unit = appendNAL(unit, 0x68, pictureSet())
	s := newSlice(g.layout, true)
	s.header(0, g.keys)
	g.keys++
	for row := range g.layout.rows {
		for column := range g.layout.columns {
			s.flat(column, row, g.shade(column, row, number, flash))
		}
	}
	return appendNAL(unit, 0x65, s.end())
}

// delta draws the number and the flash anew in each frame, so that neither
// suffers from a frame that was lost before it.
func (g *Generator) delta(number uint32, flash bool) []byte {
	s := newSlice(g.layout, false)
	s.header(g.sinceKey, 0)
	for row := range g.layout.noiseRow {
		for column := range g.layout.columns {
			if g.drawn(column, row) {
				s.flat(column, row, g.shade(column, row, number, flash))
			} else {
				s.skip()
			}
		}
	}
	const overhead = 300 // of the number, the flash and the packets
	blocks := min(g.layout.noiseCapacity, max(0, int(g.credit-overhead)/pcmBytes))
	first, past := g.cursor, g.cursor+blocks
	for i := range g.layout.noiseCapacity {
		if i >= first && i < past || i+g.layout.noiseCapacity < past {
			s.pcm(g.noise)
		} else {
			s.skip()
		}
	}
	if g.layout.noiseCapacity > 0 {
		g.cursor = past % g.layout.noiseCapacity
	}
	return appendNAL(nil, 0x61, s.end())
}

// drawn says whether a macroblock above the noise belongs to number or flash.
func (g *Generator) drawn(column, row int) bool {
	if row < g.layout.codeRows {
		return column < g.layout.codeColumns && row*g.layout.codeColumns+column < numberBits
	}
	return column < flashColumns && row < g.layout.noiseRow
}

// shade is the luma of a flat macroblock.
func (g *Generator) shade(column, row int, number uint32, flash bool) int {
	lit := flash
	switch {
	case !g.drawn(column, row):
		return grey
	case row < g.layout.codeRows:
		lit = number>>(numberBits-1-row*g.layout.codeColumns-column)&1 == 1
	}
	if lit {
		return white
	}
	return black
}

// noise is the next of the noise, 0 to 63.
func (g *Generator) noise() byte {
	g.random ^= g.random << 13
	g.random ^= g.random >> 7
	g.random ^= g.random << 17
	return byte(g.random >> 58)
}
