package fleet

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// maxLine bounds one JSON line: a record of 10 MiB in base64, and its names.
const maxLine = 16 << 20

// recordLine is one record as `headgate tail -o json` and the AWS CLI write
// them; names are matched without regard to case.
type recordLine struct {
	Key          string  `json:"key"`
	PartitionKey string  `json:"partitionKey"`
	Data         *[]byte `json:"data"`
	Arrived      moment  `json:"arrived"`
	Approximate  moment  `json:"approximateArrivalTimestamp"`
}

// moment is a time given as RFC 3339 text or as Unix seconds with a fraction.
type moment struct{ time.Time }

// UnmarshalJSON reads either form.
func (m *moment) UnmarshalJSON(b []byte) error {
	text := strings.Trim(string(b), `"`)
	if text == "null" || text == "" {
		return nil
	}
	if seconds, err := strconv.ParseFloat(text, 64); err == nil {
		m.Time = time.UnixMilli(int64(seconds * 1000))
		return nil
	}
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return fmt.Errorf("arrival time: %w", err)
	}
	m.Time = t
	return nil
}

// Verify adds records to a Checker, one JSON object a line with the fields key
// (or partitionKey), data in base64 and, if known, arrived (or
// approximateArrivalTimestamp). Lines are shard by shard or mixed, but each
// key's in order. A line that is no record is an error.
func Verify(lines io.Reader, c *Checker) error {
	in := bufio.NewReaderSize(lines, 64<<10)
	for number := 1; ; number++ {
		line, err := readLine(in)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("line %d: %w", number, err)
		}
		if len(strings.TrimSpace(string(line))) == 0 {
			continue
		}
		var r recordLine
		if err := json.Unmarshal(line, &r); err != nil {
			return fmt.Errorf("line %d: %w", number, err)
		}
		if r.Data == nil {
			return fmt.Errorf("line %d: no field data", number)
		}
		if r.Key == "" {
			r.Key = r.PartitionKey
		}
		if r.Arrived.IsZero() {
			r.Arrived = r.Approximate
		}
		c.Add(r.Key, *r.Data, r.Arrived.Time)
	}
}

// readLine reads one line of bounded length; io.EOF when there is none.
func readLine(in *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := in.ReadSlice('\n')
		line = append(line, part...)
		if len(line) > maxLine {
			return nil, fmt.Errorf("longer than %d bytes", maxLine)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF) && len(line) > 0:
			return line, nil
		default:
			return line, err
		}
	}
}
