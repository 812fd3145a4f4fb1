package devices

import (
	"strings"

	"rsc.io/qr"

	"headgate/shardlog"
)

// maxQR is the most text that still fits a small terminal.
const maxQR = 300

// QR is the text as a QR code that a terminal can show, two squares in each
// character, with the margin that readers need. With color it says itself what
// is black and what is white; without, it is right on a dark ground, and most
// readers know the other way round as well. A claim code in capitals takes the
// least room, and is read as well. Kind Invalid for text that is empty or over
// 300 bytes.
func QR(text string, color bool) (string, error) {
	if text == "" || len(text) > maxQR {
		return "", shardlog.Errorf(shardlog.Invalid, "draw QR code", "%d bytes, 1 to %d can be drawn", len(text), maxQR)
	}
	code, err := qr.Encode(text, qr.M)
	if err != nil {
		return "", shardlog.Errorf(shardlog.Invalid, "draw QR code", "%w", err)
	}
	const margin = 4 // squares, ISO/IEC 18004
	var b strings.Builder
	for y := -margin; y < code.Size+margin; y += 2 {
		if color {
			b.WriteString("\x1b[38;5;231;48;5;16m") // white squares on black
		}
		for x := -margin; x < code.Size+margin; x++ {
			// What is outside is white; the last line may have no lower half.
			upper, lower := !code.Black(x, y), !code.Black(x, y+1) && y+1 < code.Size+margin
			switch {
			case upper && lower:
				b.WriteString("█")
			case upper:
				b.WriteString("▀")
			case lower:
				b.WriteString("▄")
			default:
				b.WriteByte(' ')
			}
		}
		if color {
			b.WriteString("\x1b[0m")
		}
		b.WriteByte('\n')
	}
	return b.String(), nil
}

// QR is the code as a QR code; see the function QR.
func (c Code) QR(color bool) string {
	text, err := QR(strings.ToUpper(c.Text()), color)
	if err != nil {
		panic(err) // 27 characters always fit
	}
	return text
}
