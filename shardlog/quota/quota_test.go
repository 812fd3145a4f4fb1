package quota_test

import (
	"testing"
	"time"

	"headgate/shardlog"
	"headgate/shardlog/quota"
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

const mib = 1 << 20

// wants checks that err is Throttled with that wait, or nil for a wait of zero.
func wants(t *testing.T, err error, wait time.Duration) {
	t.Helper()
	if wait == 0 {
		if err != nil {
			t.Fatalf("refused: %v", err)
		}
		return
	}
	if err == nil || shardlog.KindOf(err) != shardlog.Throttled {
		t.Fatalf("%v, want Throttled", err)
	}
	if got := shardlog.RetryAfter(err); got != wait {
		t.Fatalf("RetryAfter %v, want %v", got, wait)
	}
}

func TestWrite(t *testing.T) {
	type take struct {
		at             time.Duration
		records, bytes int
		wait           time.Duration
	}
	tests := map[string]struct {
		limits quota.Limits
		takes  []take
	}{
		"burst of a second":     {quota.Limits{}, []take{{0, 1000, 1000, 0}, {0, 1, 1, time.Millisecond}, {time.Millisecond, 1, 1, 0}}},
		"bytes":                 {quota.Limits{}, []take{{0, 1, mib, 0}, {0, 1, mib / 2, time.Second / 2}, {time.Second / 2, 1, mib / 2, 0}}},
		"short charges nothing": {quota.Limits{}, []take{{0, 600, 0, 0}, {0, 600, mib, 200 * time.Millisecond}, {0, 400, mib, 0}}},
		"no more than a second": {quota.Limits{}, []take{{0, 1, 0, 0}, {time.Hour, 1000, 0, 0}, {time.Hour, 1, 0, time.Millisecond}}},
		"large record":          {quota.Limits{}, []take{{0, 1, 10 * mib, 0}, {0, 1, mib, 10 * time.Second}, {10 * time.Second, 1, mib, 0}}},
		"large needs full":      {quota.Limits{}, []take{{0, 1, mib / 4, 0}, {0, 1, 10 * mib, time.Second / 4}, {time.Second / 4, 1, 10 * mib, 0}}},
		"own limits":            {quota.Limits{RecordsIn: 2, BytesIn: 100}, []take{{0, 2, 50, 0}, {0, 1, 1, time.Second / 2}, {time.Second / 2, 1, 101, 0}}},
		"off":                   {quota.Limits{Off: true}, []take{{0, 1e6, 1e9, 0}, {0, 1e6, 1e9, 0}}},
		"clock goes back":       {quota.Limits{}, []take{{time.Hour, 1000, 0, 0}, {0, 1, 0, time.Millisecond}, {time.Millisecond, 1, 0, 0}, {time.Millisecond, 1, 0, time.Millisecond}}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := quota.Write{Limits: test.limits}
			for _, k := range test.takes {
				wants(t, w.Take(noon.Add(k.at), k.records, k.bytes), k.wait)
			}
		})
	}
}

func TestRead(t *testing.T) {
	type call struct {
		at    time.Duration
		bytes int
		wait  time.Duration
	}
	sec := time.Second
	tests := map[string]struct {
		limits quota.Limits
		calls  []call
	}{
		"five calls":           {quota.Limits{}, []call{{0, 0, 0}, {0, 0, 0}, {0, 0, 0}, {0, 0, 0}, {0, 0, 0}, {0, 0, sec / 5}, {sec / 5, 0, 0}}},
		"ten MiB close 5 s":    {quota.Limits{}, []call{{0, 10 * mib, 0}, {sec, 0, 4 * sec}, {5*sec - time.Millisecond, 0, time.Millisecond}, {5 * sec, 10 * mib, 0}, {5 * sec, 0, 5 * sec}}},
		"within the second":    {quota.Limits{}, []call{{0, mib, 0}, {0, mib, 0}, {0, 1 << 11, 0}, {sec, 0, 977 * time.Microsecond}}},
		"overdrawn until full": {quota.Limits{}, []call{{0, 3 * mib, 0}, {sec, 0, sec / 2}, {sec * 3 / 2, 0, 0}}},
		"own limits":           {quota.Limits{ReadsOut: 1, BytesOut: 10}, []call{{0, 20, 0}, {sec, 0, sec}, {2 * sec, 0, 0}, {2 * sec, 0, sec}}},
		"off":                  {quota.Limits{Off: true}, []call{{0, 1e9, 0}, {0, 1e9, 0}, {0, 1e9, 0}, {0, 1e9, 0}, {0, 1e9, 0}, {0, 1e9, 0}}},
		"clock goes back":      {quota.Limits{}, []call{{time.Hour, 10 * mib, 0}, {0, 0, 5 * sec}, {5 * sec, 0, 0}}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			r := quota.Read{Limits: test.limits}
			for _, c := range test.calls {
				err := r.Admit(noon.Add(c.at))
				if err != nil {
					err = rounded(err)
				} else {
					r.Charge(noon.Add(c.at), c.bytes)
				}
				wants(t, err, c.wait)
			}
		})
	}
}

// rounded cuts long waits to the microsecond, where the table has them.
func rounded(err error) error {
	e := *err.(*shardlog.Error)
	if e.RetryAfter > time.Microsecond {
		e.RetryAfter = e.RetryAfter.Round(time.Microsecond)
	}
	return &e
}

func TestTheWaitIsEnough(t *testing.T) {
	w := quota.Write{Limits: quota.Limits{RecordsIn: 7, BytesIn: 1023}}
	now := noon
	for i := range 10000 {
		err := w.Take(now, 1, i%2000)
		if err == nil {
			continue
		}
		now = now.Add(shardlog.RetryAfter(err))
		if err := w.Take(now, 1, i%2000); err != nil {
			t.Fatalf("take %d after the wait: %v", i, err)
		}
	}
}

func TestErrorsNameTheShard(t *testing.T) {
	shard := shardlog.ShardID{Stream: 1, Number: 5}
	w := quota.Write{Shard: shard}
	_ = w.Take(noon, 1000, 0)
	e, ok := w.Take(noon, 1, 0).(*shardlog.Error)
	if !ok || e.Shard == nil || *e.Shard != shard {
		t.Errorf("error %v names no shard", e)
	}
}

func TestValidate(t *testing.T) {
	if err := (quota.Limits{}).Validate(); err != nil {
		t.Error(err)
	}
	if err := (quota.Limits{BytesOut: -1}).Validate(); err == nil || shardlog.KindOf(err) != shardlog.Invalid {
		t.Errorf("%v, want Invalid", err)
	}
}

func TestATankOfOneLargeRecord(t *testing.T) {
	w := quota.Write{Largest: 10 * mib}
	wants(t, w.Take(noon, 1, 10*mib), 0)
	wants(t, w.Take(noon, 1, mib/2), time.Second/2)
	wants(t, w.Take(noon, 1, 10*mib), time.Second)
	at := noon.Add(time.Second)
	wants(t, w.Take(at, 1, 10*mib), 0) // as debt of nine seconds
	wants(t, w.Take(at, 1, mib), 10*time.Second)
	at = at.Add(time.Hour)
	for range 10 {
		wants(t, w.Take(at, 1, mib), 0)
	}
	wants(t, w.Take(at, 1, mib), time.Second)

	w.Largest = mib // the stream takes less by now: what is too much is gone
	at = at.Add(time.Hour)
	wants(t, w.Take(at, 1, mib), 0)
	wants(t, w.Take(at, 1, mib), time.Second)
}
