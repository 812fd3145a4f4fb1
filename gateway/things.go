package gateway

import (
	"headgate/gateway/iotapi"
	"headgate/ingest/shadow"
)

// wireThings makes the services behind reserved topics, and the AWS IoT data
// plane over them.
func (g *Gateway) wireThings() (err error) {
	g.shadows, err = shadow.New(shadow.Config{States: g.states, Announce: g.announceAll, Now: g.now, Log: g.log})
	if err != nil {
		return err
	}
	g.services = append(g.services, g.shadows)
	m := messages{g: g, routes: g.routes, writer: g.writer}
	if g.site != nil { // as devices are, clients by HTTP are answered from the spool when there is no quorum
		m.writer = g.site.carrier.Writer(true)
	}
	g.things, err = iotapi.New(iotapi.Config{Shadows: g.shadows, Messages: m})
	return err
}
