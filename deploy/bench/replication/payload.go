package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"time"

	"headgate/firmware-sim/device"
)

// payloads are what writers write.
type payloads struct {
	lines   []string // empty: noise
	size    int
	writers int
}

func readPayloads(p plan) (payloads, error) {
	all := payloads{size: p.Size, writers: p.Writers}
	if p.Payloads == "" {
		return all, nil
	}
	text, err := os.ReadFile(p.Payloads)
	all.lines = strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	return all, err
}

// of is what a writer writes, one record after the other. The bytes are good
// until the next call.
func (p payloads) of(writer int) func() []byte {
	if len(p.lines) > 0 {
		at := writer - p.writers
		return func() []byte {
			at += p.writers
			return []byte(p.lines[at%len(p.lines)])
		}
	}
	data, noise := make([]byte, p.size), rand.NewChaCha8([32]byte{byte(writer), byte(writer >> 8), byte(time.Now().UnixNano())})
	return func() []byte {
		_, _ = noise.Read(data)
		return data
	}
}

// perWriter is how many payloads of each writer a file holds: far more than
// one block could find again.
const perWriter = 400

// writePayloads writes what devices say, thermometers and vehicles by turns,
// each writer's lines those of one device.
func writePayloads(file string, writers int) error {
	world := device.World{Seed: 1, Epoch: time.Now().Truncate(time.Second), Period: time.Second}
	var all bytes.Buffer
	for n := range uint64(perWriter) {
		for w := range writers {
			kind := device.Temperature
			if w%2 == 1 {
				kind = device.GPS
			}
			d, err := world.Device(device.ID{Kind: kind, Number: uint32(w)})
			if err != nil {
				return fmt.Errorf("make device: %w", err)
			}
			all.Write(d.Append(nil, n))
			all.WriteByte('\n')
		}
	}
	return os.WriteFile(file, all.Bytes(), 0o600)
}
