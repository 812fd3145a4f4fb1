package main

import (
	"fmt"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"headgate/deploy/bench/internal/child"
	"headgate/deploy/bench/internal/publisher"
)

// idling is how long a gateway that has nothing to do is watched.
const idling = 10 * time.Second

// throughHeadgate sends the records through the MQTT door and waits for each
// acknowledgement.
func throughHeadgate(s settings, folder string, rate int) (Result, error) {
	config := child.HeadgateConfig{Binary: s.headgate, Folder: folder, Shards: 16, MQTT: true}
	if _, err := restarting(config); err != nil { // makes the folder
		return Result{}, err
	}
	restart, err := restarting(config)
	if err != nil {
		return Result{}, err
	}
	h, err := child.StartHeadgate(config)
	if err != nil {
		return Result{}, err
	}
	r, err := whileRunning(s, h, rate)
	h.Stop()
	if err != nil {
		return r, err
	}
	after, err := restarting(config)
	// What lay in memory only, beside the log that guards it, is written when
	// the gateway starts again.
	r.Settled = r.Passed + max(0, after-restart)/float64(r.Payload)
	return r, err
}

// restarting is what a start writes on a folder that was used before.
func restarting(c child.HeadgateConfig) (float64, error) {
	h, err := child.StartHeadgate(c)
	if err != nil {
		return 0, err
	}
	defer h.Stop()
	time.Sleep(time.Second)
	s, err := h.Status()
	return float64(s.Disk.Written), err
}

func whileRunning(s settings, h *child.Headgate, rate int) (Result, error) {
	r := Result{Store: "headgate"}
	time.Sleep(3 * time.Second) // what a start writes is no idling
	idle, err := look(h)
	if err != nil {
		return r, err
	}
	time.Sleep(idling)
	before, err := look(h)
	if err != nil {
		return r, err
	}
	began := time.Now()
	watch := watching(h.Pid)
	r.Records, r.Payload, err = send(h.MQTT, s, rate)
	r.BusyRSS = watch()
	if err != nil {
		return r, err
	}
	time.Sleep(time.Second)
	took := time.Since(began).Seconds()
	after, err := look(h)
	if err != nil {
		return r, err
	}
	if stored := after.status.Log.Records - before.status.Log.Records; stored != uint64(r.Records) {
		return r, fmt.Errorf("%d records were acknowledged, headgate says that it stored %d", r.Records, stored)
	}
	r.IdleRate = float64(before.status.Disk.Written-idle.status.Disk.Written) / idling.Seconds()
	deviceIdle := float64(before.usage.Device-idle.usage.Device) / idling.Seconds()
	syncsIdle := float64(before.status.Disk.Syncs-idle.status.Disk.Syncs) / idling.Seconds()
	payload, records := float64(r.Payload), float64(r.Records)
	u := after.usage.Since(before.usage)
	r.Passed = (float64(after.status.Disk.Written-before.status.Disk.Written) - r.IdleRate*took) / payload
	r.Device = (float64(u.Device) - deviceIdle*took) / payload
	syncs := float64(after.status.Disk.Syncs-before.status.Disk.Syncs) - syncsIdle*took
	r.Syncs, r.SyncRate = syncs/records, syncs/took
	r.CPU = u.CPU.Seconds() / took * 100
	r.IdleRSS = before.usage.RSS
	for _, m := range after.status.Streams {
		if m.Name == "bench" && m.Stored > 0 {
			r.Ratio = payload / float64(m.Stored)
		}
	}
	return r, nil
}

// seen is what the gateway and the kernel say at one moment.
type seen struct {
	status child.Status
	usage  child.Usage
}

func look(h *child.Headgate) (seen, error) {
	status, err := h.Status()
	if err != nil {
		return seen{}, err
	}
	usage, err := child.Measure(h.Pid)
	return seen{status, usage}, err
}

// watching looks at the process until the function it answers is called, and
// that answers the largest RSS.
func watching(pid int) func() uint64 {
	stop, most := make(chan struct{}), make(chan uint64)
	go func() { // ends with the call of what is answered
		peak := uint64(0)
		tick := time.NewTicker(200 * time.Millisecond)
		defer tick.Stop()
		for {
			if u, err := child.Measure(pid); err == nil {
				peak = max(peak, u.RSS)
			}
			select {
			case <-stop:
				most <- peak
				return
			case <-tick.C:
			}
		}
	}()
	return func() uint64 { close(stop); return <-most }
}

// send lets every device send its share of the rate, each at times of its
// own, and waits for the last acknowledgement.
func send(address string, s settings, rate int) (int, uint64, error) {
	all, err := sensors(s.payload, rate)
	if err != nil {
		return 0, 0, err
	}
	clients := make([]*publisher.Client, len(all))
	for i, one := range all {
		if clients[i], err = publisher.Dial(address, one.id, 200, nil); err != nil {
			return 0, 0, err
		}
		defer clients[i].Close()
	}
	var records, payload atomic.Int64
	var g errgroup.Group
	began := time.Now()
	total := rate * s.seconds
	for i, one := range all {
		g.Go(func() error {
			var b []byte
			for n := i; n < total; n += len(all) {
				time.Sleep(time.Until(began.Add(time.Duration(n) * time.Second / time.Duration(rate))))
				b = one.append(b[:0])
				if err := clients[i].Publish("sensors/"+one.id, b); err != nil {
					return err
				}
				if err := clients[i].Flush(); err != nil {
					return err
				}
				records.Add(1)
				payload.Add(int64(len(b)))
			}
			return clients[i].Drain()
		})
	}
	err = g.Wait()
	return int(records.Load()), uint64(payload.Load()), err
}
