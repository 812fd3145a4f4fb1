package gateway_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"testing"
	"time"

	"headgate/gateway"
)

// TestDeliveriesGoWhereTheUplinkWorks: the leader loses its uplink and nothing
// else. A gateway that still has one leads instead, and delivers.
func TestDeliveriesGoWhereTheUplinkWorks(t *testing.T) {
	t.Parallel()
	v := &vendors{got: map[string]string{}, keys: map[string]string{}}
	server := httptest.NewServer(v)
	t.Cleanup(server.Close)
	s := grown(t, 3)
	leader, followers := s.leader()
	admin, ctx := gateway.Dial(followers[0].data), context.Background()
	if _, err := admin.CreateDelivery(ctx, fmt.Sprintf("{name: out, stream: telemetry, interval: 1s, http: {url: %q}}", server.URL+"/http")); err != nil {
		t.Fatal(err)
	}
	put := func() {
		if _, err := admin.Put(ctx, "telemetry", []gateway.PutRecord{{Key: "k", Data: []byte("r")}}); err != nil {
			t.Fatal(err)
		}
	}
	delivered := func(n uint64) {
		t.Helper()
		until(t, 90*time.Second, fmt.Sprint(n, " records are delivered"), func() (string, bool) {
			now, _ := s.leader()
			d, err := gateway.Dial(now.data).Delivery(ctx, "out")
			return fmt.Sprintf("%+v %v", d.DeliveryStatus, err), err == nil && d.Records == n
		})
	}
	put()
	delivered(1)
	outage, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		_, _ = gateway.Dial(leader.data).SimulateOutage(outage, gateway.Outage{Uplink: true, Length: "10m"}, func(gateway.OutageStep) {})
	}()
	put()
	delivered(2)
	if now, _ := s.leader(); now == leader {
		t.Error("the gateway without an uplink leads")
	}
}
