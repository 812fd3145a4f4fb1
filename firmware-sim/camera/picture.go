package camera

// Where things are in a picture, counted in macroblocks of 16×16 pixels.
const (
	numberBits   = 32
	flashColumns = 4
	flashRows    = 2
)

// The luma of what is drawn. Chroma is grey but in the noise.
const (
	black  = 16
	grey   = 96
	white  = 235
	middle = 128 // at least this is white to a reader
)

// layout is where a picture of a given size has its parts.
type layout struct {
	columns, rows           int // macroblocks, those that are cut off too
	codeColumns, codeRows   int
	noiseRow, noiseCapacity int // the first row of noise, and how many macroblocks it may fill
}

func layoutOf(width, height int) layout {
	l := layout{columns: (width + 15) / 16, rows: (height + 15) / 16}
	l.codeColumns = max(1, min(width/16, numberBits))
	l.codeRows = (numberBits + l.codeColumns - 1) / l.codeColumns
	l.noiseRow = l.codeRows + flashRows
	l.noiseCapacity = max(0, l.rows-l.noiseRow) * l.columns
	return l
}

// ReadNumber reads the frame number out of decoded luma of the full size that
// was sent: stride bytes a row, width pixels of them seen.
func ReadNumber(luma []byte, stride, width int) uint32 {
	l := layoutOf(width, 0)
	var number uint32
	for i := range numberBits {
		number = number<<1 | uint32(bright(luma, stride, i%l.codeColumns, i/l.codeColumns))
	}
	return number
}

// ReadFlash says whether decoded luma shows the flash of a full second.
func ReadFlash(luma []byte, stride, width int) bool {
	return bright(luma, stride, 1, layoutOf(width, 0).codeRows) == 1
}

// bright is 1 where the middle of a macroblock is white.
func bright(luma []byte, stride, column, row int) byte {
	at := (16*row+8)*stride + 16*column + 8
	if at < len(luma) && luma[at] >= middle {
		return 1
	}
	return 0
}
