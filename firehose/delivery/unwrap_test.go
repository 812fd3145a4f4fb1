package delivery_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"headgate/firehose"
	"headgate/firehose/delivery"
	"headgate/shardlog"
	"headgate/shardlog/shardlogtest"
)

// TestUnwrapUndoesAnErrorRecord: what a delivery wrote to its error output is
// put into a stream and comes out as it was.
func TestUnwrapUndoesAnErrorRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := shardlogtest.NewMemory()
		fill(t, m, 50)
		first := &keeper{}
		stop := launch(t, with(t, m, first, transforming(refusesAll{}, "all")))
		time.Sleep(time.Minute)
		stop()
		wrapped, _ := first.all()

		errs := shardlogtest.NewMemory()
		fill(t, errs, 0)
		var entries []shardlog.Entry
		for _, line := range append(wrapped, "no error record", `{"rawData":"QQ=="}`) {
			entries = append(entries, shardlog.Entry{Key: "e", Data: []byte(line)})
		}
		if _, err := errs.Put(context.Background(), "s", entries); err != nil {
			t.Fatal(err)
		}
		second := &keeper{}
		stop = launch(t, with(t, errs, second, transforming(delivery.Unwrap{}, "unwrap")))
		defer stop()
		time.Sleep(time.Minute)
		lines, _ := second.all()
		seen, bad := map[string]int{}, 0
		for _, line := range lines {
			if strings.Contains(line, "Redrive.NoErrorRecord") {
				bad++
				continue
			}
			seen[line]++
		}
		exactly(t, seen, 50)
		if bad != 2 {
			t.Errorf("%d records are refused, want 2", bad)
		}
	})
}

func TestUnwrapKeepsTheKey(t *testing.T) {
	in := firehose.Record{Record: shardlog.Record{Seq: 9, Key: "e", Data: []byte(`{"errorCode":"X","rawData":"YQ==","partitionKey":"k"}`)}}
	out, err := delivery.Unwrap{}.Apply(context.Background(), []firehose.Record{in})
	if err != nil || len(out.Records) != 1 || out.Records[0].Key != "k" || string(out.Records[0].Data) != "a" || out.Records[0].Seq != 9 {
		t.Errorf("%+v, %v", out, err)
	}
}
