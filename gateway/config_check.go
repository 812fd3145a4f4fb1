package gateway

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"

	"headgate/gateway/access"
	"headgate/gateway/devices"
	"headgate/shardlog"
	"headgate/shardlog/capacity"
)

// Fault is one thing that is wrong with a configuration.
type Fault struct {
	Path    string // where it stands: "deliveries[0].stream"
	Message string
}

// Error is the fault in one line.
func (f Fault) Error() string { return f.Path + ": " + f.Message }

// Validate answers the first Fault of the configuration, nil when it has none.
func (c *Config) Validate() error {
	for _, check := range []func() error{c.checkListeners, c.checkPeers, c.checkValues, c.checkStreams, c.checkCameras, c.checkRoutes, c.checkFunctions, c.checkUplink, c.checkDeliveries} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

func (c *Config) checkValues() error {
	switch {
	case c.Data == "":
		return Fault{"data", "name the folder that holds the log"}
	case capacity.Rules{Window: time.Duration(c.OnDemandWindow)}.Validate() != nil:
		return Fault{"on_demand_window", fmt.Sprintf("%v cannot be: write 1m or the like", time.Duration(c.OnDemandWindow))}
	case c.CollectToken != nil && c.CollectToken.check() != "":
		return Fault{"collect_token", c.CollectToken.check()}
	case c.Seal != nil && c.Seal.check() != "":
		return Fault{"seal", c.Seal.check()}
	case !slices.Contains([]string{"debug", "info", "warn", "error"}, c.Log.Level):
		return Fault{"log.level", fmt.Sprintf("%q is no level: write debug, info, warn or error", c.Log.Level)}
	case !slices.Contains([]string{"text", "json"}, c.Log.Format):
		return Fault{"log.format", fmt.Sprintf("%q is no format: write text or json", c.Log.Format)}
	case c.Budget != 0 && c.Budget < minBudget:
		return Fault{"budget", fmt.Sprintf("%v is too little: at least %v", c.Budget, Bytes(minBudget))}
	case c.Memory != 0 && c.Memory < 32<<20:
		return Fault{"memory", fmt.Sprintf("%v is too little: at least 32 MiB", c.Memory)}
	}
	return nil
}

// minBudget is the least that holds a few buckets, the reserve and the ballast.
const minBudget = 64 << 20

// off is the address of a listener that is not wanted.
const off = "off"

func (c *Config) checkListeners() error {
	for _, l := range []struct{ name, address string }{{"api", c.API}, {"mqtt", c.MQTT}, {"console", c.Console}, {"collect", c.Collect}, {"syslog", c.Syslog}} {
		if l.address == off {
			continue
		}
		loopback, err := isLoopback(l.address)
		switch {
		case err != nil:
			return Fault{l.name, err.Error()}
		case loopback:
		case c.Open:
			return Fault{l.name, fmt.Sprintf("open asks nobody for credentials and so listens on loopback only, not on %s", l.address)}
		case !c.InsecureLAN:
			return Fault{l.name, fmt.Sprintf("%s is not loopback, and this listener does not encrypt: "+
				"set insecure_lan: true (--insecure-lan) if the network is trusted, or put a TLS proxy in front of loopback", l.address)}
		}
	}
	for _, l := range []struct{ name, address string }{{"https", c.HTTPS}, {"api_tls", c.APITLS}, {"mqtts", c.MQTTS}, {"syslog_tls", c.SyslogTLS}} {
		if l.address == off {
			continue
		}
		loopback, err := isLoopback(l.address)
		if err != nil {
			return Fault{l.name, err.Error()}
		}
		if !loopback && c.Open {
			return Fault{l.name, fmt.Sprintf("open asks nobody for credentials and so listens on loopback only, not on %s", l.address)}
		}
	}
	if err := c.Devices.Limits.check(); err != nil {
		return err
	}
	if err := devices.CheckRules(c.Devices.Rules); err != nil {
		return Fault{"devices.rules", err.Error()}
	}
	if (c.TLS.Certificate == "") != (c.TLS.Key == "") {
		return Fault{"tls", "certificate and key belong together"}
	}
	return nil
}

// checkPeers wants addresses that other boxes can use. Peers speak TLS both
// ways, so any network will do.
func (c *Config) checkPeers() error {
	for _, a := range []struct{ name, address string }{{"peer", c.Peer}, {"peer_address", c.PeerAddress}} {
		if a.address == off || a.address == "" {
			continue
		}
		if _, err := isLoopback(a.address); err != nil {
			return Fault{a.name, err.Error()}
		}
	}
	if host, port, _ := net.SplitHostPort(c.PeerAddress); c.PeerAddress != "" && (host == "" || port == "0") {
		return Fault{"peer_address", fmt.Sprintf("%s is nowhere in particular: name a host and a port", c.PeerAddress)}
	}
	_, badCode := access.ParseJoinCode(c.Join)
	switch {
	case c.Join != "" && !c.wantsPeers():
		return Fault{"join", "say with peer (--peer ADDRESS) where the other gateways find this one"}
	case c.Join != "" && badCode != nil:
		return Fault{"join", badCode.Error()}
	case time.Duration(c.Replace) < time.Second || time.Duration(c.Replace) > 30*24*time.Hour:
		return Fault{"replace", "1s to 30d are allowed"}
	case c.Spool.Full != spoolRefuse && c.Spool.Full != spoolDrop:
		return Fault{"spool.full", fmt.Sprintf("%q is not known: write refuse or drop-oldest", c.Spool.Full)}
	case c.Spool.Budget < minSpool:
		return Fault{"spool.budget", fmt.Sprintf("%v is too little: at least %v", c.Spool.Budget, Bytes(minSpool))}
	case time.Duration(c.Spool.Grace) < time.Second || time.Duration(c.Spool.Grace) > time.Hour:
		return Fault{"spool.grace", "1s to 1h are allowed"}
	}
	return nil
}

// minSpool is the least that holds a few rows of the largest records.
const minSpool = 1 << 20

// isLoopback reports whether only this machine can reach the address.
func isLoopback(address string) (bool, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return false, fmt.Errorf("%q is no address: write 127.0.0.1:4567, or off", address)
	}
	if _, err := net.LookupPort("tcp", port); err != nil {
		return false, fmt.Errorf("%q is no port", port)
	}
	if host == "localhost" {
		return true, nil
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback(), nil
}

func (c *Config) checkStreams() error {
	seen := map[shardlog.StreamName]bool{}
	for i, s := range c.Streams {
		at := func(field string) string { return fmt.Sprintf("streams[%d].%s", i, field) }
		retention := time.Duration(s.Retention)
		switch err := s.Name.Check(); {
		case err != nil:
			return Fault{at("name"), err.Error()}
		case s.Name.Own():
			return Fault{at("name"), "names that begin with an underscore are the gateway's own"}
		case seen[s.Name]:
			return Fault{at("name"), fmt.Sprintf("%s stands here twice", s.Name)}
		case s.Shards < 0 || s.Shards > shardlog.MaxShardsByStream:
			return Fault{at("shards"), fmt.Sprintf("1 to %d are allowed", shardlog.MaxShardsByStream)}
		case retention != 0 && (retention < shardlog.DefaultRetention || retention > shardlog.MaxRetention):
			return Fault{at("retention"), "24h to 8760h are allowed"}
		case s.Isolated != "" && s.Isolated != spoolOn && s.Isolated != spoolRefuse:
			return Fault{at("isolated"), fmt.Sprintf("%q is not known: write spool or refuse", s.Isolated)}
		}
		seen[s.Name] = true
	}
	return nil
}

func (c *Config) checkDeliveries() error {
	seen := map[string]bool{}
	for i := range c.Deliveries {
		d := &c.Deliveries[i]
		if err := d.check(fmt.Sprintf("deliveries[%d]", i)); err != nil {
			return err
		}
		if seen[d.Name] {
			return Fault{fmt.Sprintf("deliveries[%d].name", i), fmt.Sprintf("%s stands here twice", d.Name)}
		}
		seen[d.Name] = true
	}
	if err := c.AWS.check(); err != nil {
		return err
	}
	return nil
}
