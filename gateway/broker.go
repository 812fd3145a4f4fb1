package gateway

import (
	"net/http"

	"headgate/ingest/mqtt"
	"headgate/ingest/web"
	"headgate/shardlog"
)

// DeviceLimits bound what devices may do at the broker. A field that is zero is
// the default.
type DeviceLimits struct {
	Messages    int   `yaml:"messages_per_second"`     // of one device, with a burst of one second; zero: as many as the streams take
	Bytes       Bytes `yaml:"bytes_per_second"`        // likewise
	Connections int   `yaml:"connections"`             // zero: 16,384
	PerAddress  int   `yaml:"connections_per_address"` // beyond this machine; zero: 4,096
}

func (l DeviceLimits) fill(c *mqtt.Config) {
	c.MessageRate, c.ByteRate, c.MaxConnections, c.MaxPerAddress = l.Messages, int(l.Bytes), l.Connections, l.PerAddress
}

// check says what is wrong with the limits.
func (l DeviceLimits) check() error {
	if l.Messages < 0 || l.Bytes < 0 || l.Bytes > 1<<30 || l.Connections < 0 || l.PerAddress < 0 {
		return Fault{"devices.limits", "a limit is negative, or bytes_per_second is over 1 GiB"}
	}
	return nil
}

func (g *Gateway) wireMQTT() error {
	if err := g.wireDevices(); err != nil {
		return err
	}
	if g.config.MQTT == off && g.config.MQTTS == off {
		return nil
	}
	var err error
	c := mqtt.Config{Admit: g.knows, Writer: g.writer, Control: g.control, States: g.states, Reader: g.store, Catalog: g.store, Gateway: g.id, Now: g.now, Routes: g.routes, Services: g.services, Foreign: posted, Origins: g.config.Devices.Origins, Log: g.log}
	g.config.Devices.Limits.fill(&c)
	if g.site != nil { // devices are answered from the spool when there is no quorum
		c.Writer, c.States = g.site.carrier.Writer(true), g.site.carrier.States(true)
	}
	if g.config.MQTT != off {
		c.Listen = []string{g.config.MQTT}
	}
	if g.config.MQTTS != off {
		c.ListenTLS = []string{g.config.MQTTS}
		if c.TLS, err = g.brokerTLS(); err != nil {
			return err
		}
	}
	if g.config.InsecureLAN || g.config.Devices.Required {
		c.Authenticate = func(mqtt.Login) bool { return true }
	}
	g.mqtt, err = mqtt.New(c)
	return err
}

// posted reads what is kept of a message that came by POST /topics.
func posted(meta []byte) (mqtt.Meta, bool) {
	w, err := web.DecodeMeta(meta)
	return mqtt.Meta{Topic: w.Topic, Client: w.Client, QoS: 1, ContentType: w.ContentType}, err == nil && w.Topic != ""
}

// pages is MQTT over WebSocket, where the console is.
func (g *Gateway) pages(mux *http.ServeMux) {
	if g.mqtt != nil {
		mux.Handle("GET /mqtt", g.mqtt.WebSocket())
	}
}

// traffic is what the connected devices publish, by rank.
func (g *Gateway) traffic(by mqtt.Rank, n int) ([]DeviceTraffic, error) {
	switch {
	case g.mqtt == nil:
		return []DeviceTraffic{}, nil
	case by != mqtt.Loudest && by != mqtt.Busiest && by != mqtt.Silent:
		return nil, shardlog.Errorf(shardlog.Invalid, "rank devices", "by is loud (bytes), busy (messages) or silent, not %q", by)
	}
	return g.mqtt.Devices(by, n), nil
}
