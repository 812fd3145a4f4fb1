package kinesisapi

import (
	"bytes"
	"encoding/base64"
	"unicode/utf8"

	"headgate/gateway/awsapi"
	"headgate/shardlog"
)

// fastPutRecords reads the usual form of a PutRecords body in one pass: known
// members, each at most once, strings without escapes, every constraint kept.
// At anything else it gives up, and the generic decoder, which also finds the
// words for what is wrong, reads the body instead. Data lies in c.Scratch
// afterwards, or in the body; all keys share one string.
func fastPutRecords(c *awsapi.Call) bool {
	p, ok := c.Parsed.(*putRequest)
	if !ok {
		p = new(putRequest)
		c.Parsed = p
	}
	p.Reset()
	if body, ok := c.CBOR(); ok {
		return binaryRequest(&body, p) && body.Done() && finish(p)
	}
	if room := base64.StdEncoding.DecodedLen(len(c.Body)); cap(c.Scratch) < room {
		c.Scratch = make([]byte, room)
	}
	s := scanner{rest: c.Body, data: c.Scratch[:cap(c.Scratch)]}
	return s.request(p) && s.end() && finish(p)
}

// finish cuts the keys and asks for what every request must have.
func finish(p *putRequest) bool {
	n := len(p.entries)
	if n == 0 || p.stream == "" && p.arn == "" {
		return false
	}
	all, start := string(p.keys), 0
	for i, end := range p.ends {
		p.entries[i].Key = all[start:end]
		start = end
	}
	return true
}

// scanner reads JSON from the front of rest. Its methods answer false when
// what they want is not there; then nothing it said counts.
type scanner struct {
	rest []byte
	data []byte // room for decoded data
}

var strictBase64 = base64.StdEncoding.Strict()

// skip passes over white space.
func (s *scanner) skip() {
	for len(s.rest) > 0 && (s.rest[0] == ' ' || s.rest[0] == '\n' || s.rest[0] == '\t' || s.rest[0] == '\r') {
		s.rest = s.rest[1:]
	}
}

// take passes over one byte, and white space before it.
func (s *scanner) take(c byte) bool {
	s.skip()
	if len(s.rest) == 0 || s.rest[0] != c {
		return false
	}
	s.rest = s.rest[1:]
	return true
}

// end reports whether nothing but white space is left.
func (s *scanner) end() bool {
	s.skip()
	return len(s.rest) == 0
}

// raw reads a string up to the next quote. Whoever uses it must refuse
// backslashes and control characters.
func (s *scanner) raw() ([]byte, bool) {
	if !s.take('"') {
		return nil, false
	}
	n := bytes.IndexByte(s.rest, '"')
	if n < 0 {
		return nil, false
	}
	text := s.rest[:n]
	s.rest = s.rest[n+1:]
	return text, true
}

// text reads a string that has no escapes and is UTF-8.
func (s *scanner) text() ([]byte, bool) {
	text, ok := s.raw()
	if !ok {
		return nil, false
	}
	ascii := true
	for _, c := range text {
		if c < ' ' || c == '\\' {
			return nil, false
		}
		ascii = ascii && c < utf8.RuneSelf
	}
	return text, ascii || utf8.Valid(text)
}

// more reports whether another member follows: after the opening bracket and
// after each member. ok is false when the list is malformed.
func (s *scanner) more(first bool, closing byte) (more, ok bool) {
	if s.take(closing) {
		return false, true
	}
	return true, first || s.take(',')
}

func (s *scanner) request(p *putRequest) bool {
	if !s.take('{') {
		return false
	}
	records := false
	for first := true; ; first = false {
		more, ok := s.more(first, '}')
		if !more || !ok {
			return ok
		}
		name, ok := s.raw()
		if !ok || !s.take(':') {
			return false
		}
		switch string(name) {
		case "Records":
			ok = !records && s.records(p)
			records = true
		case "StreamName":
			ok = p.stream == "" && s.streamName(p)
		case "StreamARN":
			ok = p.arn == "" && s.streamARN(p)
		default:
			ok = false
		}
		if !ok {
			return false
		}
	}
}

func (s *scanner) streamName(p *putRequest) bool {
	text, ok := s.text()
	return ok && p.setName(text)
}

func (s *scanner) streamARN(p *putRequest) bool {
	text, ok := s.text()
	return ok && p.setARN(text)
}

func (p *putRequest) setName(text []byte) bool {
	p.stream = shardlog.StreamName(text)
	return p.stream.Check() == nil
}

// setARN takes only ARNs that the model's pattern matches as well.
func (p *putRequest) setARN(text []byte) bool {
	p.arn = string(text)
	if len(text) > 2048 || !bytes.HasPrefix(text, []byte("arn:aws:kinesis:")) {
		return false
	}
	account, name, ok := parseARN(p.arn)
	return ok && account == awsapi.Account && name.Check() == nil
}

func (s *scanner) records(p *putRequest) bool {
	if !s.take('[') {
		return false
	}
	for first := true; ; first = false {
		more, ok := s.more(first, ']')
		if !more || !ok {
			return ok
		}
		if len(p.entries) == shardlog.MaxPutEntries || !s.record(p) {
			return false
		}
	}
}

func (s *scanner) record(p *putRequest) bool {
	if !s.take('{') {
		return false
	}
	var entry shardlog.Entry
	hasKey, hasData, hasHash := false, false, false
	for first := true; ; first = false {
		more, ok := s.more(first, '}')
		if !ok {
			return false
		}
		if !more {
			p.entries = append(p.entries, entry)
			return hasKey && hasData
		}
		name, ok := s.raw()
		if !ok || !s.take(':') {
			return false
		}
		switch string(name) {
		case "Data":
			entry.Data, ok = s.blob()
			ok = ok && !hasData
			hasData = true
		case "PartitionKey":
			ok = !hasKey && s.key(p)
			hasKey = true
		case "ExplicitHashKey":
			entry.Hash, ok = s.hash()
			ok = ok && !hasHash
			hasHash = true
		default:
			ok = false
		}
		if !ok {
			return false
		}
	}
}

func (s *scanner) key(p *putRequest) bool {
	text, ok := s.text()
	return ok && p.addKey(text)
}

// addKey puts a partition key, which is UTF-8, onto the end of the request's keys.
func (p *putRequest) addKey(text []byte) bool {
	if len(text) == 0 || len(text) > shardlog.MaxPartitionKey && utf8.RuneCount(text) > shardlog.MaxPartitionKey {
		return false
	}
	p.keys = append(p.keys, text...)
	p.ends = append(p.ends, len(p.keys))
	return true
}

func (s *scanner) hash() (*shardlog.Hash, bool) {
	text, ok := s.raw()
	if !ok {
		return nil, false
	}
	return readHash(text)
}

func readHash(text []byte) (*shardlog.Hash, bool) {
	if len(text) > 39 {
		return nil, false
	}
	hash, err := shardlog.ParseHash(string(text))
	return &hash, err == nil
}

// blob decodes a base64 string into s.data. The decoder passes over line
// breaks, which have no place in a JSON string: the length tells.
func (s *scanner) blob() ([]byte, bool) {
	text, ok := s.raw()
	if !ok || len(text)%4 != 0 {
		return nil, false
	}
	want := len(text) / 4 * 3
	for i := len(text); i > 0 && text[i-1] == '=' && i > len(text)-2; i-- {
		want--
	}
	n, err := strictBase64.Decode(s.data, text)
	if err != nil || n != want || n > maxData {
		return nil, false
	}
	data := s.data[:n:n]
	s.data = s.data[n:]
	return data, true
}
