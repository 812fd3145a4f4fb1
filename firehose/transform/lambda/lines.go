package lambda

import (
	"bytes"
	"sync"
)

// maxLine bounds a printed line; longer ones come in pieces.
const maxLine = 4 << 10

// lines cuts what a process prints into lines.
type lines struct {
	say func(line string)

	mu   sync.Mutex
	rest []byte // guarded by mu
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := len(p)
	for len(p) > 0 {
		at := bytes.IndexByte(p, '\n')
		piece := p
		if at >= 0 {
			piece = p[:at]
		}
		if room := maxLine - len(l.rest); len(piece) > room {
			piece, at = piece[:room], room-1
		}
		l.rest = append(l.rest, piece...)
		if at < 0 {
			return n, nil
		}
		l.say(string(l.rest))
		l.rest = l.rest[:0]
		p = p[at+1:]
	}
	return n, nil
}

func (l *lines) flush() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.rest) > 0 {
		l.say(string(l.rest))
		l.rest = nil
	}
}
