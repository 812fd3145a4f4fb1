package kinesisapi

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"headgate/shardlog"
)

// TestAnEventIsMadeOnce for all who stand at its place, at once or a moment
// later; one that fails is made anew by the others.
func TestAnEventIsMadeOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var all events
		from := place{shardlog.ShardID{Stream: 1}, 7}
		var made atomic.Int64
		slow := func() (*event, error) {
			made.Add(1)
			time.Sleep(100 * time.Millisecond)
			return &event{next: 9, tip: true, records: 2, frame: []byte("frame")}, nil
		}
		for range 50 {
			go func() {
				if one, err := all.at(t.Context(), from, slow); err != nil || one.next != 9 {
					t.Error(one, err)
				}
			}()
		}
		synctest.Wait()
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := all.at(gone, from, slow); !errors.Is(err, context.Canceled) {
			t.Errorf("one who has gone waited: %v", err)
		}
		time.Sleep(500 * time.Millisecond)
		if _, err := all.at(t.Context(), from, slow); err != nil || made.Load() != 1 {
			t.Errorf("made %d times: %v", made.Load(), err)
		}
		time.Sleep(keptFor)
		if _, err := all.at(t.Context(), from, slow); err != nil || made.Load() != 2 {
			t.Errorf("made %d times, it was out of date: %v", made.Load(), err)
		}
		from.next = 9
		failed := errors.New("the client has gone")
		go func() {
			_, err := all.at(t.Context(), from, func() (*event, error) {
				time.Sleep(100 * time.Millisecond)
				return nil, failed
			})
			if !errors.Is(err, failed) {
				t.Error(err)
			}
		}()
		synctest.Wait()
		if one, err := all.at(t.Context(), from, slow); err != nil || one == nil {
			t.Errorf("who waited for one that failed: %v", err)
		}
	})
}

// TestKeptEventsAreBounded in bytes, and what does not end at its shard's end
// is not kept.
func TestKeptEventsAreBounded(t *testing.T) {
	var all events
	for i := range 100 {
		from := place{shardlog.ShardID{Stream: 1}, shardlog.Seq(i)}
		if _, err := all.at(t.Context(), from, func() (*event, error) {
			return &event{tip: i%2 == 0, records: 1, frame: make([]byte, 256<<10)}, nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	if all.bytes > keptEvents || all.order.Len() == 0 || len(all.by) != all.order.Len() {
		t.Errorf("%d bytes, %d in order, %d by place", all.bytes, all.order.Len(), len(all.by))
	}
}

// TestPace: after a rest many events go at once, then one in its time each.
func TestPace(t *testing.T) {
	var p pace
	now := time.Now()
	for i := range eventsAtOnce {
		if at := p.turn(now); at.After(now) {
			t.Fatalf("event %d waits %v", i, at.Sub(now))
		}
	}
	for i := range 10 {
		want := time.Duration(i+1) * time.Second / eventsPerSecond
		if at := p.turn(now); at.Sub(now).Round(time.Microsecond) != want.Round(time.Microsecond) {
			t.Errorf("the next but %d waits %v, want %v", i, at.Sub(now), want)
		}
	}
	if at := p.turn(now.Add(time.Hour)); at.After(now.Add(time.Hour)) {
		t.Error("there was no rest")
	}
}
