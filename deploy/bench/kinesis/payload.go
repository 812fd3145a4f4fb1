package main

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"
)

// payload makes records as devices send them, each with a key out of 10,000.
type payload struct {
	random  *rand.Rand
	size    int  // bytes of data
	stamped bool // the key is the time instead, in nanoseconds, so that who gets a record knows its age
}

func newPayload(seed, size int) *payload {
	return &payload{random: rand.New(rand.NewPCG(1, uint64(seed))), size: size}
}

// record is one record's members in JSON.
func (p *payload) record() string {
	key := fmt.Sprintf("device-%04d", p.random.IntN(10_000))
	if p.stamped {
		key = strconv.FormatInt(time.Now().UnixNano(), 10)
	}
	text := fmt.Sprintf(`{"id":%q,"seq":%d,"lat":%.6f,"lon":%.6f,"temperature":%.2f,"note":"`, key, p.random.IntN(1<<30),
		p.random.Float64()*90, p.random.Float64()*180, p.random.Float64()*40)
	var note strings.Builder
	for note.Len() < p.size-2-len(text) {
		note.WriteByte(byte('a' + p.random.IntN(26)))
	}
	data := base64.StdEncoding.EncodeToString([]byte(text + note.String() + `"}`))
	return fmt.Sprintf(`"Data":"%s","PartitionKey":"%s"`, data, key)
}

// one is the body of a PutRecord.
func (p *payload) one(stream string) string {
	return `{"StreamName":"` + stream + `",` + p.record() + `}`
}

// many is the body of a PutRecords of so many.
func (p *payload) many(stream string, records int) string {
	var b strings.Builder
	b.WriteString(`{"StreamName":"` + stream + `","Records":[`)
	for i := range records {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString("{" + p.record() + "}")
	}
	b.WriteString("]}")
	return b.String()
}
