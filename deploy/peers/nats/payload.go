package main

import (
	"crypto/rand"
	"os"
	"strings"
)

// payloads answers what a writer sends, one message after the other: lines of
// a file, those of each writer its own, or noise where there is no file.
func payloads(file string, size, writers int) (func(writer int) func() []byte, error) {
	if file == "" {
		return func(int) func() []byte {
			data := make([]byte, size)
			return func() []byte {
				_, _ = rand.Read(data[:min(size, 64)])
				mix(data)
				return data
			}
		}, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	return func(writer int) func() []byte {
		at := writer - writers
		return func() []byte {
			at += writers
			return []byte(lines[at%len(lines)])
		}
	}, nil
}

// mix spreads the random head over the rest, so that no message is like another.
func mix(data []byte) {
	x := uint64(1)
	for i, v := range data[:min(len(data), 64)] {
		x = x*31 + uint64(v) + uint64(i)
	}
	for i := 64; i < len(data); i++ {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		data[i] = byte(x)
	}
}
