package main

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const fanShards = 16

// listeners are the subscribers of some consumers to all shards of a stream.
type listeners struct {
	stream          string
	records, events atomic.Int64

	mu    sync.Mutex
	times []time.Duration // guarded by mu; from before the put to the event
	ends  func()
}

// listen registers consumers of a new stream and subscribes each to every shard.
func listen(to *server, stream string, consumers int, version2 bool, took func(stamp int64, at time.Time)) (*listeners, error) {
	if err := to.stream(stream, fanShards); err != nil {
		return nil, err
	}
	c, err := dial(to)
	if err != nil {
		return nil, err
	}
	defer c.close()
	l := &listeners{stream: stream}
	if took == nil {
		took = l.took
	}
	var over []func()
	l.ends = func() {
		for _, end := range over {
			end()
		}
	}
	for i := range consumers {
		arn, err := c.consumer(stream, fmt.Sprint("consumer-", i))
		if err != nil {
			return nil, err
		}
		way := protocol(version2)
		for shard := range fanShards {
			body, err := c.subscribe(way, arn, shard)
			if err != nil {
				l.ends()
				return nil, err
			}
			s := &subscriber{body: body, took: took, records: &l.records, events: &l.events}
			ended := make(chan struct{})
			go func() { // l.ends waits for it
				_ = s.run() // what did not come is counted
				close(ended)
			}()
			over = append(over, func() {
				_ = body.Close()
				<-ended
			})
		}
		over = append(over, way.CloseIdleConnections)
	}
	return l, nil
}

func (l *listeners) took(stamp int64, at time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.times = append(l.times, at.Sub(time.Unix(0, stamp)))
}

// consumer registers one and waits until it may subscribe.
func (c *client) consumer(stream, name string) (arn string, err error) {
	answer, err := c.ask("DescribeStreamSummary", fmt.Sprintf(`{"StreamName":%q}`, stream))
	if err != nil {
		return "", err
	}
	answer, err = c.ask("RegisterStreamConsumer", fmt.Sprintf(`{"StreamARN":%q,"ConsumerName":%q}`, text(answer, "StreamARN"), name))
	if err != nil {
		return "", err
	}
	arn = text(answer, "ConsumerARN")
	return arn, patiently(func() (bool, error) {
		answer, err := c.ask("DescribeStreamConsumer", fmt.Sprintf(`{"ConsumerARN":%q}`, arn))
		return strings.Contains(string(answer), `"ACTIVE"`), err
	})
}

// mockRate is what kinesis-mock can be asked to take, by the measure of PutRecords.
const mockRate = 200

// fanout puts records at a steady rate, first while nobody listens and then
// for each number of consumers, over HTTP/1.1 and HTTP/2.
func fanout(s settings, to *server) (all []result, err error) {
	rate, ways := s.rate, []string{"HTTP/1.1", "HTTP/2"}
	switch to.name {
	case theirs, theirsKept:
		return nil, nil // they have no SubscribeToShard
	case mock:
		rate, ways = mockRate, ways[:1]
	}
	for _, way := range ways {
		for _, consumers := range append([]int{0}, s.consumers...) {
			if consumers == 0 && way != ways[0] {
				continue
			}
			r, err := push(s, to, rate, consumers, way)
			if err != nil {
				return nil, err
			}
			all = append(all, r)
		}
	}
	return all, nil
}

func fanTask(consumers int, way string) string {
	if consumers == 0 {
		return fmt.Sprintf("fan-out: 0 × %d shards", fanShards)
	}
	return fmt.Sprintf("fan-out: %d × %d shards, %s", consumers, fanShards, way)
}

func push(s settings, to *server, rate, consumers int, way string) (result, error) {
	stream := strings.NewReplacer("/", "", ".", "").Replace(fmt.Sprint("fan", consumers, way))
	l, err := listen(to, stream, consumers, way == "HTTP/2", nil)
	if err != nil {
		return result{}, err
	}
	defer l.ends()
	c, err := dial(to)
	if err != nil {
		return result{}, err
	}
	defer c.close()
	return watch(s, to, fanTask(consumers, way), func() (r result, err error) {
		if r.records, err = feed(s, c, stream, rate); err != nil {
			return r, err
		}
		err = patiently(func() (bool, error) { return l.records.Load() >= int64(r.records*consumers), nil })
		r.events, r.pushed = int(l.events.Load()), int(l.records.Load())
		l.mu.Lock()
		defer l.mu.Unlock()
		r.times = l.times
		return r, err
	})
}

// feed puts records at a rate, in batches as large as PutRecords takes where
// four of them a second do.
func feed(s settings, c *client, stream string, rate int) (records int, err error) {
	each := min(batch, max(1, rate/4))
	p := newPayload(7, s.size)
	p.stamped = true
	began := time.Now()
	for time.Since(began) < s.length {
		time.Sleep(time.Until(began.Add(time.Duration(records) * time.Second / time.Duration(rate))))
		if _, err := c.ask("PutRecords", p.many(stream, each)); err != nil {
			return records, err
		}
		records += each
	}
	return records, nil
}

// delay is the time from an acknowledged PutRecord to the event at a consumer
// of 16 shards, while nothing else happens.
func delay(s settings, to *server) ([]result, error) {
	if to.name != ours && to.name != mock {
		return nil, nil
	}
	came := make(chan time.Time, 1)
	l, err := listen(to, "delay", 1, to.name == ours, func(_ int64, at time.Time) { came <- at })
	if err != nil {
		return nil, err
	}
	defer l.ends()
	c, err := dial(to)
	if err != nil {
		return nil, err
	}
	defer c.close()
	p := newPayload(8, s.size)
	p.stamped = true
	r, err := watch(s, to, taskDelay, func() (r result, err error) {
		for range s.samples {
			time.Sleep(time.Duration(10+p.random.IntN(30)) * time.Millisecond)
			if _, err := c.ask("PutRecord", p.one("delay")); err != nil {
				return r, err
			}
			acknowledged := time.Now()
			select {
			case at := <-came: // it may have come before
				r.times = append(r.times, max(0, at.Sub(acknowledged)))
			case <-time.After(10 * time.Second):
				return r, fmt.Errorf("no event for an acknowledged record within 10 s")
			}
			r.records++
		}
		return r, nil
	})
	return []result{r}, err
}
