package otlp

// Piece is what a request is cut into, for tests.
type Piece struct {
	Key  string
	Data []byte
}

func coded(kind string) codec {
	if kind == (jsonText{}).mediaType() {
		return jsonText{}
	}
	return protobuf{}
}

func signalOf(path string) *signal {
	return map[string]*signal{"logs": logs, "metrics": metrics, "traces": traces}[path]
}

// Check is what a request must pass.
func Check(of, kind string, b []byte) error { return coded(kind).check(signalOf(of).request, b) }

// Count is the items of a request.
func Count(of, kind string, b []byte) int64 { return count(coded(kind), signalOf(of).request, b) }

// Cut cuts a request that Check has passed.
func Cut(of, kind string, b []byte, most int, byResource bool) ([]Piece, int64, error) {
	c := cutter{codec: coded(kind), source: "source", most: most, byResource: byResource}
	err := c.cut(signalOf(of).request, b)
	var all []Piece
	for _, p := range c.pieces {
		all = append(all, Piece{p.key, p.data})
	}
	return all, c.rejected, err
}
