package gateway_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

// traffic writes through gateways until it is ended: at each an application that
// puts through the SDK, without its retries, and a device that publishes, one
// message after the other. It remembers what was acknowledged.
type traffic struct {
	t      *testing.T
	cancel context.CancelFunc
	done   sync.WaitGroup

	mu     sync.Mutex
	acked  []string  // guarded by mu
	failed []error   // guarded by mu
	last   time.Time // guarded by mu: of the last acknowledgement
}

// load starts one; the name tells its records from another's.
func (s *trio) load(name string, through ...*box) *traffic {
	s.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	l := &traffic{t: s.t, cancel: cancel}
	s.t.Cleanup(l.end)
	for i, b := range through {
		k := s.kinesis(b, func(o *kinesis.Options) { o.RetryMaxAttempts = 1 })
		app, device := fmt.Sprintf("%s-app-%d", name, i), fmt.Sprintf("%s-device-%d", name, i)
		client := b.device(device)
		l.done.Go(func() { l.app(ctx, k, app) })
		l.done.Go(func() { l.device(ctx, client, device) })
	}
	return l
}

// end ends the load and waits for its last answers.
func (l *traffic) end() {
	l.cancel()
	l.done.Wait()
}

func (l *traffic) note(err error, data ...string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		l.failed = append(l.failed, err)
		return
	}
	l.acked, l.last = append(l.acked, data...), time.Now()
}

// so far is what was acknowledged, and what failed.
func (l *traffic) soFar() (acked []string, failed []error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]string(nil), l.acked...), append([]error(nil), l.failed...)
}

func (l *traffic) app(ctx context.Context, k *kinesis.Client, name string) {
	late, cancel := context.WithCancel(context.Background()) // the last call may end
	defer cancel()
	for n := 0; ctx.Err() == nil; n += 5 {
		var in []types.PutRecordsRequestEntry
		for i := range 5 {
			in = append(in, types.PutRecordsRequestEntry{PartitionKey: aws.String(fmt.Sprint(name, i)), Data: fmt.Appendf(nil, "%s %d", name, n+i)})
		}
		out, err := k.PutRecords(late, &kinesis.PutRecordsInput{StreamName: telemetry, Records: in})
		if err != nil {
			l.note(err)
			rest(ctx)
			continue
		}
		for i, r := range out.Records {
			if r.ErrorCode != nil {
				l.note(fmt.Errorf("%s: %s", *r.ErrorCode, *r.ErrorMessage))
				continue
			}
			l.note(nil, string(in[i].Data))
		}
	}
}

// rest waits a moment, so that a gateway that is gone is not asked without end.
func rest(ctx context.Context) {
	late := time.NewTimer(20 * time.Millisecond)
	defer late.Stop()
	select {
	case <-late.C:
	case <-ctx.Done():
	}
}

func (l *traffic) device(ctx context.Context, c mqtt.Client, name string) {
	for n := 0; ctx.Err() == nil && c.IsConnected(); n++ {
		data := fmt.Sprint(name, " ", n)
		token := c.Publish("plant/line", byte(1+n%2), false, data)
		if !token.WaitTimeout(30*time.Second) || token.Error() != nil {
			l.note(fmt.Errorf("publish %s: %w", data, token.Error()))
			return
		}
		l.note(nil, data)
	}
}

// atLeast waits until so many more records were acknowledged.
func (l *traffic) atLeast(n int) {
	l.t.Helper()
	began, _ := l.soFar()
	until(l.t, 30*time.Second, fmt.Sprint(n, " more records acknowledged"), func() (string, bool) {
		acked, failed := l.soFar()
		return fmt.Sprintf("%d, failed: %v", len(acked)-len(began), failed[max(0, len(failed)-3):]), len(acked)-len(began) >= n
	})
}

// kept ends the load and wants all that was acknowledged to be there.
func (l *traffic) kept(seen map[string]bool) {
	l.t.Helper()
	l.end()
	acked, failed := l.soFar()
	lost := 0
	for _, data := range acked {
		if !seen[data] {
			lost++
			l.t.Errorf("%q was acknowledged and is lost", data)
		}
		if lost > 10 {
			break
		}
	}
	l.t.Logf("%d records were acknowledged, %d attempts failed, %d records are there", len(acked), len(failed), len(seen))
}
