package gateway_test

import (
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iotdataplane"
)

// TestAShadowOfThreeGateways: one shadow is updated at all three gateways at
// once, one of which is killed; nothing that was accepted is lost, and no
// version was given twice.
func TestAShadowOfThreeGateways(t *testing.T) {
	s := grown(t, 3, "--open")
	const each = 20
	var mu sync.Mutex
	versions, killed := map[int]int{}, make(chan struct{})
	update := func(at *box, w, n int) error {
		in := &iotdataplane.UpdateThingShadowInput{ThingName: aws.String("lamp"), Payload: fmt.Appendf(nil, `{"state":{"reported":{"w%d":%d}}}`, w, n)}
		out, err := things(at.API, "x", "y").UpdateThingShadow(t.Context(), in)
		if err != nil {
			return err
		}
		var accepted struct{ Version int }
		if err := json.Unmarshal(out.Payload, &accepted); err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		versions[accepted.Version]++
		return nil
	}
	var writers sync.WaitGroup
	for w := range 3 {
		writers.Go(func() {
			for n := range each {
				if w == 0 && n == each/2 {
					s.all[2].kill()
					s.all[2].down = true
					close(killed)
				}
				at := s.all[w]
				for try := 0; ; try++ {
					err := update(at, w, n)
					if err == nil {
						break
					}
					if try == 100 {
						t.Errorf("writer %d, update %d: %v", w, n, err)
						return
					}
					select {
					case <-killed:
						at = s.all[try%2]
					case <-time.After(50 * time.Millisecond):
					}
				}
			}
		})
	}
	writers.Wait()
	for version, n := range versions {
		if n > 1 {
			t.Errorf("version %d was given %d times", version, n)
		}
	}
	until(t, 20*time.Second, "both gateways have the last of each writer", func() (string, bool) {
		whole, text := 0, ""
		for _, at := range s.all[:2] {
			got, err := things(at.API, "x", "y").GetThingShadow(t.Context(), &iotdataplane.GetThingShadowInput{ThingName: aws.String("lamp")})
			if err != nil {
				return err.Error(), false
			}
			var d struct {
				State   struct{ Reported map[string]int }
				Version int
			}
			if err := json.Unmarshal(got.Payload, &d); err != nil {
				return err.Error(), false
			}
			r := d.State.Reported
			if text += fmt.Sprintf("%v at version %d; ", r, d.Version); r["w0"] == each-1 && r["w1"] == each-1 && r["w2"] == each-1 && d.Version >= 3*each {
				whole++
			}
		}
		return text, whole == 2
	})
}
