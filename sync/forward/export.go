package forward

import (
	"iter"
	"time"

	"headgate/shardlog"
)

// Exported is one record of a spool in readable form.
type Exported struct {
	Row    uint64              `json:"row"`
	At     time.Time           `json:"at"` // when it was taken
	Number uint64              `json:"number"`
	Stream shardlog.StreamName `json:"stream"`
	Key    string              `json:"key"`
	Hash   *shardlog.Hash      `json:"hash,omitempty"`
	Data   []byte              `json:"data"`
	Meta   []byte              `json:"meta,omitempty"`
}

// Export yields every record of a spool, oldest first, and changes nothing. A
// row that cannot be read is an error, after which the next row goes on.
func Export(s Spool) iter.Seq2[Exported, error] {
	return func(yield func(Exported, error) bool) {
		stats := s.Stats()
		for next := stats.First; next <= stats.Last; {
			found, err := s.Read(next, readBytes)
			if err != nil && !yield(Exported{Row: next}, err) || len(found) == 0 {
				return
			}
			for _, r := range found {
				if next = r.Number + 1; !exportRow(r, yield) {
					return
				}
			}
		}
	}
}

func exportRow(found Row, yield func(Exported, error) bool) bool {
	r, err := decodeRow(found.Bytes)
	if err != nil {
		return yield(Exported{Row: found.Number}, err)
	}
	for _, it := range r.items {
		for _, e := range it.entries {
			x := Exported{found.Number, r.at, it.id.Number, it.stream, e.Key, e.Hash, e.Data, e.Meta}
			if !yield(x, nil) {
				return false
			}
		}
	}
	return true
}
