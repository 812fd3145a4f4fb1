package gateway_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestKinesisVideoOfASite puts footage to a gateway that does not lead. The
// others give the same fragments, and play what the first has opened.
func TestKinesisVideoOfASite(t *testing.T) {
	th := equip(t)
	s := grown(t, 3, "--limits", "off")
	leader, others := s.leader()
	at := func(b *box) *theatre {
		one := *th
		one.url, one.id, one.secret = "http://"+b.API, s.id, s.secret
		return &one
	}
	first := at(others[0])
	first.run("control", map[string]any{"StreamName": "door"}, &struct{}{})
	film := th.film(4, h264()...)
	if err := os.WriteFile(filepath.Join(th.folder, "film.mkv"), film, 0o600); err != nil {
		t.Fatal(err)
	}
	video, audio := th.frames("film.mkv")
	began := time.Now().Add(-time.Minute).UnixMilli()
	p := first.put("door", unsigned, since(began))
	p.send(film)
	p.body.Close()
	var numbers []string
	for range 4 {
		numbers = append(numbers, p.fragment().FragmentNumber)
	}
	var session struct{ URL string }
	within := map[string]any{"StreamName": "door", "Mode": "ON_DEMAND", "Clock": "PRODUCER_TIMESTAMP", "From": began, "To": began + 60_000, "Page": 10}
	first.run("hls", within, &session)
	for _, b := range []*box{others[0], others[1], leader} {
		var list listed
		at(b).run("fragments", within, &list)
		if len(list.Fragments) != 4 {
			t.Fatalf("%d fragments", len(list.Fragments))
		}
		for i, f := range list.Fragments {
			if f.Number != numbers[i] {
				t.Errorf("fragment %d is %s, acknowledged as %s", i, f.Number, numbers[i])
			}
		}
		if v, a := th.frames(strings.Replace(session.URL, others[0].API, b.API, 1)); v != video || a < audio-2 {
			t.Errorf("plays %d and %d frames of %d and %d", v, a, video, audio)
		}
	}
}

// TestPersistedFragmentsOutliveAKill kills a gateway while a producer sends.
func TestPersistedFragmentsOutliveAKill(t *testing.T) {
	th := equip(t)
	s := grown(t, 1, "--limits", "off")
	b := s.all[0]
	th.url, th.id, th.secret = "http://"+b.API, s.id, s.secret
	th.run("control", map[string]any{"StreamName": "door"}, &struct{}{})
	pieces := clusters(th.film(4, h264()...))
	began := time.Now().Add(-time.Minute).UnixMilli()
	p := th.put("door", unsigned, since(began))
	p.send(pieces[0], pieces[1], pieces[2], pieces[3], pieces[4][:12])
	var numbers []string
	for range 3 {
		numbers = append(numbers, p.fragment().FragmentNumber)
	}
	b.kill()
	b.start()
	th.url = "http://" + b.API
	var list listed
	th.run("fragments", map[string]any{"StreamName": "door", "Clock": "PRODUCER_TIMESTAMP", "From": began - 1000, "To": began + 60_000, "Page": 10}, &list)
	if len(list.Fragments) != 3 {
		t.Fatalf("%d fragments", len(list.Fragments))
	}
	for i, f := range list.Fragments {
		if f.Number != numbers[i] {
			t.Errorf("fragment %d is %s, was acknowledged as %s", i, f.Number, numbers[i])
		}
	}
}
