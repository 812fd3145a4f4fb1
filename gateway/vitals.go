package gateway

import (
	"encoding/json"
	"net/http"
	"time"
)

// Health judges a gateway by its progress, not by its being there.
type Health struct {
	Alive bool   `json:"alive"` // the process makes progress; restart it if not
	Ready bool   `json:"ready"` // records are taken
	Why   string `json:"why,omitempty"`
}

// stuckAfter is how old the oldest record that waits for the disk may be, and
// how long one commit may take, before the process counts as stuck. Worn SD
// cards stall for seconds.
const stuckAfter = 30 * time.Second

func (g *Gateway) health() Health {
	w, r := g.streams.Stats(), g.group.Stats()
	switch {
	case !w.Oldest.IsZero() && time.Since(w.Oldest) > stuckAfter:
		return Health{Why: "records have waited for the disk for " + time.Since(w.Oldest).Round(time.Second).String()}
	case !r.InFlightSince.IsZero() && time.Since(r.InFlightSince) > stuckAfter:
		return Health{Why: "a commit has taken " + time.Since(r.InFlightSince).Round(time.Second).String()}
	case g.site != nil && !w.Leading:
		return g.followerHealth()
	case !w.Leading:
		return Health{Alive: true, Why: "no leader yet"}
	case !g.isMade():
		return Health{Alive: true, Why: "the streams of the configuration are being made"}
	case w.Full != "":
		return Health{Alive: true, Why: w.Full}
	}
	return Health{Alive: true, Ready: true}
}

// followerHealth judges a gateway by the leader that it can reach. Without one
// it is ready all the same once its spool takes what devices send.
func (g *Gateway) followerHealth() Health {
	f := g.site.carrier.State()
	switch {
	case g.wasRemoved():
		return Health{Alive: true, Why: "removed from the site"}
	case f.Isolated:
		return Health{Alive: true, Ready: true, Why: "isolated: records of devices go to the spool, the AWS APIs answer 503"}
	case g.group.Leader() == "":
		return Health{Alive: true, Why: "no leader yet"}
	case !g.isMade():
		return Health{Alive: true, Why: "the streams of the configuration are being made"}
	}
	return Health{Alive: true, Ready: true}
}

func (g *Gateway) isIsolated() bool { return g.site != nil && g.site.carrier.State().Isolated }

func (g *Gateway) isMade() bool {
	select {
	case <-g.made:
		return true
	default:
		return false
	}
}

// console serves what monitors ask for.
func (g *Gateway) console() *http.Server {
	mux := g.media()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		h := g.health()
		answerHealth(w, h, h.Alive)
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		h := g.health()
		answerHealth(w, h, h.Ready)
	})
	mux.Handle("GET /metrics", g.metrics())
	g.pages(mux)
	return &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second,
		WriteTimeout: 30 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10}
}

func answerHealth(w http.ResponseWriter, h Health, good bool) {
	w.Header().Set("Content-Type", "application/json")
	if !good {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_ = json.NewEncoder(w).Encode(h) // a monitor that has gone needs no answer
}
