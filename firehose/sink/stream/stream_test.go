package stream_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"headgate/firehose"
	"headgate/firehose/encode"
	"headgate/firehose/sink/stream"
	"headgate/firehose/sinktest"
	"headgate/shardlog"
	"headgate/shardlog/shardlogtest"
)

const name shardlog.StreamName = "alarms.errors"

// site is a log in memory.
type site struct {
	*shardlogtest.Memory
	broken bool
}

func open(*testing.T) *site { return &site{Memory: shardlogtest.NewMemory()} }

func (s *site) Sink(t *testing.T) firehose.Sink {
	t.Helper()
	k, err := stream.Open(stream.Config{Stream: name, Writer: s.Memory, Control: s.Memory, States: s.Memory})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func (s *site) Documents(t *testing.T) (found []string) {
	if _, ok := s.Stream(name); !ok {
		return nil
	}
	for _, r := range s.Records(name) {
		var d struct {
			Batch string
			N     int
		}
		if err := json.Unmarshal(r.Data, &d); err != nil {
			t.Errorf("%s: %v", r.Data, err)
		}
		found = append(found, fmt.Sprintf("%s/%d", d.Batch, d.N))
	}
	return found
}

// Break is not there: the site's own log needs nobody to mend it.
func (s *site) Break(t *testing.T) (mend func()) {
	t.Skip("the site's own log needs nobody to mend it")
	return nil
}

func encoder(t *testing.T) firehose.Encoder {
	t.Helper()
	e, err := encode.New(firehose.Format{})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestConformance(t *testing.T) {
	sinktest.RunRecords(t, encoder(t), sinktest.Guarantee{Exact: true}, func(t *testing.T) sinktest.Desk { return open(t) })
}

// A batch of several pieces that was cut off goes on behind the last piece.
func TestWhatIsStoredIsNotStoredAgain(t *testing.T) {
	s := open(t)
	b := sinktest.Documents(encoder(t), "large", 40, 100<<10)
	whole := b.Records
	failed := errors.New("log is broken")
	b.Records = sinktest.Stopped(whole, 25, failed)
	if r := s.Sink(t).Deliver(t.Context(), b); r.Done() {
		t.Fatal("it was cut off")
	}
	some := len(s.Records(name))
	if some == 0 || some >= 25 {
		t.Fatalf("%d records are there", some)
	}
	b.Records = whole
	for i := range 2 {
		if r := s.Sink(t).Deliver(t.Context(), b); !r.Done() || r.Already != (i > 0) {
			t.Fatalf("%s, already %v: %v", r.Class, r.Already, r.Err)
		}
	}
	if all := len(s.Records(name)); all != 40 {
		t.Errorf("%d records are there, want 40", all)
	}
}

// described frames records as error records do: larger than they are.
type described struct{ firehose.Encoder }

func (described) Frame(dst []byte, r firehose.Record) ([]byte, error) {
	line, err := json.Marshal(map[string]any{"errorCode": "E", "rawData": r.Data})
	return append(append(dst, line...), '\n'), err
}

// An error record that is larger than a record may be becomes two.
func TestDataThatIsTooLargeFollows(t *testing.T) {
	s, data := open(t), strings.Repeat("x", shardlog.DefaultRecordBytes-100)
	b := sinktest.Replaced(sinktest.Documents(described{encoder(t)}, "x", 2, 100), 1, data)
	for range 2 {
		if r := s.Sink(t).Deliver(t.Context(), b); !r.Done() {
			t.Fatal(r.Err)
		}
	}
	all := s.Records(name)
	if len(all) != 3 || string(all[0].Data) != `{"errorCode":"E","rawDataFollows":true}` || string(all[1].Data) != data || !strings.Contains(string(all[2].Data), "rawData\":") {
		t.Errorf("%d records, the first %.60s", len(all), all[0].Data)
	}
}
