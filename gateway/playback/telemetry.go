package playback

import (
	"encoding/base64"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"headgate/shardlog"
)

// row is one record of telemetry beside a clip.
type row struct {
	at     int64 // when it came, milliseconds since 1970
	stream shardlog.StreamName
	shard  string
	seq    string
	key    string
	data   []byte
}

// Bounds of what goes with one clip.
const (
	maxRows     = 100_000
	maxRowBytes = 16 << 20
)

// rows reads the telemetry of a clip's time: of the stream that the request
// names, and there of the partition key that it names. Without a stream there
// is none. Kinds: Denied, NotFound, LimitExceeded.
func (p *Player) rows(a *ask, c *clip) ([]row, error) {
	name := shardlog.StreamName(a.r.URL.Query().Get("telemetry"))
	if name == "" {
		return nil, nil
	}
	if !slices.Contains(p.config.Telemetry(a.r, a.camera), name) {
		return nil, &shardlog.Error{Kind: shardlog.Denied, Op: "read telemetry", Stream: name,
			Err: fmt.Errorf("it does not go with this camera (headgate camera telemetry %s %s)", a.camera, name)}
	}
	s, ok := p.config.Catalog.Stream(name)
	if !ok {
		return nil, &shardlog.Error{Kind: shardlog.NotFound, Op: "read telemetry", Stream: name}
	}
	var all []row
	bytes := 0
	for _, shard := range s.Shards {
		var err error
		if all, err = p.rowsOf(a, c, s, shard, all, &bytes); err != nil {
			return nil, err
		}
	}
	slices.SortStableFunc(all, func(x, y row) int { return int(x.at - y.at) })
	return all, nil
}

func (p *Player) rowsOf(a *ask, c *clip, s shardlog.Stream, shard shardlog.Shard, all []row, bytes *int) ([]row, error) {
	key := a.r.URL.Query().Get("key")
	cursor, err := p.config.Reader.Seek(a.r.Context(), shard.ID, time.UnixMilli(c.origin))
	if err != nil {
		return nil, err
	}
	for {
		page, err := p.config.Reader.Read(a.r.Context(), shard.ID, cursor, shardlog.Budget{Records: 1000, Bytes: 1 << 20})
		if err != nil {
			return nil, err
		}
		for _, r := range page.Records {
			at := r.Arrived
			if at.UnixMilli() > c.end {
				return all, nil
			}
			if !r.Origin.IsZero() {
				at = r.Origin
			}
			if key != "" && r.Key != key {
				continue
			}
			if *bytes += len(r.Data); len(all) == maxRows || *bytes > maxRowBytes {
				return nil, shardlog.Errorf(shardlog.LimitExceeded, "read telemetry", "more than %d records or %d bytes: cut a shorter clip, or name a key", maxRows, maxRowBytes)
			}
			all = append(all, row{at.UnixMilli(), s.Name, shard.ID.String(), shard.Number(r.Seq, r.Arrived).String(), r.Key, r.Data})
		}
		if cursor = page.Next; len(page.Records) == 0 && (page.Tip || page.End) {
			return all, nil
		}
	}
}

// plain is the record's data as text: as it is, or in base64.
func (r row) plain() string {
	if utf8.Valid(r.data) {
		return string(r.data)
	}
	return base64.StdEncoding.EncodeToString(r.data)
}

// text is the row in a subtitle track: JSON.
func (r row) text() []byte {
	text, _ := json.Marshal(map[string]string{"time": millis(r.at).Format(time.RFC3339Nano), "key": r.key, "data": r.plain()}) // of strings
	return text
}

// clipCSV answers the telemetry of a clip's time as CSV.
func (p *Player) clipCSV(a *ask) error {
	c, rows, err := p.clipRows(a)
	if err != nil {
		return err
	}
	a.attach(c.origin, ".csv")
	a.w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	w := csv.NewWriter(a.w)
	_ = w.Write([]string{"time", "clip_seconds", "stream", "shard", "sequence_number", "partition_key", "data"})
	for _, r := range rows {
		_ = w.Write([]string{millis(r.at).Format(time.RFC3339Nano), fmt.Sprintf("%.3f", float64(r.at-c.origin)/1000), string(r.stream), r.shard, r.seq, r.key, r.plain()})
	}
	w.Flush()
	return nil // a client who has gone needs no answer
}

// clipVTT answers the telemetry of a clip's time as WebVTT, each record shown
// until the next one of its key, five seconds at most.
func (p *Player) clipVTT(a *ask) error {
	c, rows, err := p.clipRows(a)
	if err != nil {
		return err
	}
	a.attach(c.origin, ".vtt")
	a.w.Header().Set("Content-Type", "text/vtt; charset=utf-8")
	next := map[string]int64{}
	ends := make([]int64, len(rows))
	for i := len(rows) - 1; i >= 0; i-- {
		r := rows[i]
		ends[i] = r.at + 5000
		if n, ok := next[r.key]; ok {
			ends[i] = min(ends[i], max(n, r.at+1))
		}
		next[r.key] = r.at
	}
	var b strings.Builder
	b.WriteString("WEBVTT\n")
	for i, r := range rows {
		from := max(0, r.at-c.origin)
		line := strings.NewReplacer("\r", " ", "\n", " ", "-->", "→", "&", "&amp;", "<", "&lt;").Replace(r.key + " " + r.plain())
		fmt.Fprintf(&b, "\n%s --> %s\n%s\n", clock(from), clock(max(from+1, ends[i]-c.origin)), line)
	}
	_, _ = a.w.Write([]byte(b.String())) // as above
	return nil
}

// clock is milliseconds as WebVTT writes them.
func clock(ms int64) string {
	return fmt.Sprintf("%02d:%02d:%02d.%03d", ms/3_600_000, ms/60_000%60, ms/1000%60, ms%1000)
}

func (p *Player) clipRows(a *ask) (*clip, []row, error) {
	if !a.r.URL.Query().Has("telemetry") {
		return nil, nil, invalid("name a stream: telemetry=NAME")
	}
	c, err := p.plan(a)
	if err != nil {
		return nil, nil, err
	}
	rows, err := p.rows(a, c)
	return c, rows, err
}
