package gateway

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"headgate/firehose/uplink"
)

const (
	callReach = "/v1/site/reach"

	lookAtLink = 5 * time.Second
	linkGone   = 15 * time.Second // before another gateway is asked to lead
	askAgain   = time.Minute      // where none could
	reachTime  = 20 * time.Second
)

// reach is whether a gateway reaches some destination.
type reach struct {
	Reaches bool `json:"reaches"`
}

// followUplink lends the deliveries, and with them the leadership, to a voter
// whose uplink works when this gateway's does not. It is the leader's.
func (g *Gateway) followUplink(ctx context.Context) error {
	for ctx.Err() == nil {
		if pause(ctx, lookAtLink) != nil {
			return nil
		}
		s := g.deliveries.link.Status()
		if !s.Down || time.Since(s.Since) < linkGone {
			continue
		}
		if id := g.reacher(ctx); id != "" {
			g.log.Warn("the uplink is gone: another gateway that has one leads", "gateway", id)
			if err := g.group.Hand(id); err != nil {
				g.log.Warn("the leadership stays here", "error", err)
			}
		}
		if pause(ctx, askAgain) != nil {
			return nil
		}
	}
	return nil
}

// reacher is a voter that reaches some destination, "" when there is none.
func (g *Gateway) reacher(ctx context.Context) string {
	for _, m := range g.group.Members() {
		if m.ID == g.name() || !m.Voter {
			continue
		}
		asked, cancel := context.WithTimeout(ctx, reachTime)
		answer, err := g.site.links.Call(asked, m.ID, http.MethodGet, callReach, nil)
		cancel()
		var r reach
		if err == nil && json.Unmarshal(answer, &r) == nil && r.Reaches {
			return m.ID
		}
	}
	return ""
}

// answerReach tries the destinations of the deliveries from here.
func (g *Gateway) answerReach(w http.ResponseWriter, r *http.Request) error {
	ctx, cancel := context.WithTimeout(r.Context(), reachTime-time.Second)
	defer cancel()
	var answer reach
	for _, d := range g.deliveries.status(ctx) {
		if answer.Reaches = g.deliveries.reaches(ctx, d.Name); answer.Reaches {
			break
		}
	}
	return json.NewEncoder(w).Encode(answer)
}

// reaches reports whether a delivery's destination answers from here. What
// goes over no uplink does not tell.
func (m *deliveries) reaches(ctx context.Context, name string) bool {
	c, err := m.configOf(ctx, name)
	if err != nil || c.Local != nil || c.Priority == uplink.Free {
		return false
	}
	report, err := m.probe(ctx, name)
	return err == nil && report.OK
}
