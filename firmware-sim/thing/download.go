package thing

import (
	"context"
	"encoding/json"
	"fmt"

	"headgate/firmware-sim/packet"
)

// atOnce is how many blocks are asked for with one request.
const atOnce = 16

// block is a message of streams/S/data/json.
type block struct {
	File  int    `json:"f"`
	Index int    `json:"i"`
	Data  []byte `json:"p"`
}

// download gets a file of a stream block by block, asking again for what did
// not come in time.
func (t *Thing) download(ctx context.Context, stream string, file, size int) ([]byte, error) {
	d := &download{image: make([]byte, size), block: t.conf.Block, file: file}
	d.have = make([]bool, (size+d.block-1)/d.block)
	base := "streams/" + stream
	for tries := 0; !d.whole(); {
		before := d.first
		ask := map[string]any{"c": t.conf.Name, "s": 1, "f": file, "l": d.block, "o": d.first, "n": min(atOnce, len(d.have)-d.first)}
		if err := t.say(ctx, packet.Message{Topic: t.aws(base + "/get/json"), QoS: 0}, ask); err != nil {
			return nil, err
		}
		var refused error
		_, err := t.await(ctx, t.conf.Answer, func(m packet.Message) bool {
			switch m.Topic {
			case t.aws(base + "/rejected/json"):
				refused = fmt.Errorf("%w: the stream is refused: %.100s", errUnfit, m.Payload)
				return true
			case t.aws(base + "/data/json"):
				return d.take(m.Payload) >= min(before+atOnce, len(d.have))
			}
			return false
		})
		if err != nil || refused != nil {
			return nil, firstOf(err, refused)
		}
		if tries++; d.first > before {
			tries = 0
		}
		if tries == 10 {
			return nil, fmt.Errorf("%w: block %d does not come", errUnfit, d.first)
		}
	}
	t.tell("download", fmt.Sprintf("%s, %d bytes", stream, size))
	return d.image, nil
}

func firstOf(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

// download is a file of which blocks are missing.
type download struct {
	image []byte
	have  []bool
	block int
	file  int
	first int // the first block that is missing
}

func (d *download) whole() bool { return d.first == len(d.have) }

// take puts a block in its place and answers the first that is missing.
func (d *download) take(payload []byte) int {
	var b block
	if err := json.Unmarshal(payload, &b); err != nil || b.File != d.file || b.Index < 0 || b.Index >= len(d.have) {
		return d.first
	}
	at := b.Index * d.block
	if len(b.Data) != min(d.block, len(d.image)-at) {
		return d.first
	}
	copy(d.image[at:], b.Data)
	d.have[b.Index] = true
	for d.first < len(d.have) && d.have[d.first] {
		d.first++
	}
	return d.first
}
