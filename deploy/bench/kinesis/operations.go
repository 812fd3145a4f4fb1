package main

import (
	"bytes"
	"fmt"
	"runtime"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
)

// operations measure one server each, by the names that --operations has.
var operations = map[string]func(settings, *server) ([]result, error){
	"put": putOne, "puts": putMany, "get": get, "fanout": fanout, "delay": delay,
}

var allOperations = []string{"put", "puts", "get", "fanout", "delay"}

// Names of the measurements in the table.
const (
	taskPut   = "PutRecord, 8 connections"
	taskPuts  = "PutRecords × 500, 4 connections"
	taskGet   = "GetRecords, Limit 1000, 4 connections"
	taskDelay = "put to event, idle"
)

const batch = 500

func putOne(s settings, to *server) ([]result, error) {
	if err := to.stream("put", 4); err != nil {
		return nil, err
	}
	return load(s, to, taskPut, 8, func(c *client, p *payload) (func() (int, error), error) {
		return cycle(c, "PutRecord", 100, func() string { return p.one("put") }, func([]byte) (int, error) { return 1, nil })
	})
}

func putMany(s settings, to *server) ([]result, error) {
	if err := to.stream("put", 4); err != nil {
		return nil, err
	}
	return load(s, to, taskPuts, 4, func(c *client, p *payload) (func() (int, error), error) {
		return cycle(c, "PutRecords", 20, func() string { return p.many("put", batch) }, stored)
	})
}

func stored(answer []byte) (int, error) {
	if !bytes.Contains(answer, []byte(`"FailedRecordCount":0`)) {
		return 0, fmt.Errorf("not everything was stored: %.300s", answer)
	}
	return batch, nil
}

// cycle prepares some calls and sends them again and again.
func cycle(c *client, op string, calls int, body func() string, count func([]byte) (int, error)) (func() (int, error), error) {
	var prepared [][]byte
	for range calls {
		wire, err := c.prepare(op, body())
		if err != nil {
			return nil, err
		}
		prepared = append(prepared, wire)
	}
	n := 0
	return func() (int, error) {
		answer, err := c.send(prepared[n%len(prepared)])
		if err != nil {
			return 0, err
		}
		n++
		return count(answer)
	}, nil
}

// get reads a stream of four shards from its beginning to its end, each
// connection one shard, again and again.
func get(s settings, to *server) ([]result, error) {
	const shards = 4
	if !to.streams["get"] {
		if err := to.stream("get", shards); err != nil {
			return nil, err
		}
		c, err := dial(to)
		if err != nil {
			return nil, err
		}
		defer c.close()
		p := newPayload(99, s.size)
		for n := 0; n < s.stored; n += batch {
			if _, err := c.ask("PutRecords", p.many("get", batch)); err != nil {
				return nil, err
			}
		}
	}
	shard := 0
	return load(s, to, taskGet, shards, func(c *client, _ *payload) (func() (int, error), error) {
		answer, err := c.ask("GetShardIterator", fmt.Sprintf(`{"StreamName":"get","ShardId":"shardId-%012d","ShardIteratorType":"TRIM_HORIZON"}`, shard))
		shard++
		start := text(answer, "ShardIterator")
		next := start
		return func() (int, error) {
			answer, err := c.ask("GetRecords", `{"ShardIterator":"`+next+`","Limit":1000}`)
			if err != nil {
				return 0, err
			}
			records := bytes.Count(answer, []byte(`"SequenceNumber"`))
			if next = text(answer, "NextShardIterator"); records == 0 {
				next = start
			}
			return records, nil
		}, err
	})
}

// load calls over some connections for as long as it should, after a second
// to warm up.
func load(s settings, to *server, task string, connections int, prepare func(*client, *payload) (func() (int, error), error)) ([]result, error) {
	calls := make([]func() (int, error), connections)
	for i := range calls {
		c, err := dial(to)
		if err != nil {
			return nil, err
		}
		defer c.close()
		if calls[i], err = prepare(c, newPayload(i, s.size)); err != nil {
			return nil, err
		}
	}
	phase := func(length time.Duration) (r result, err error) {
		parts := make([]result, connections)
		until := time.Now().Add(length)
		var g errgroup.Group
		for i, call := range calls {
			g.Go(func() error {
				for time.Now().Before(until) {
					began := time.Now()
					n, err := call()
					if err != nil {
						return err
					}
					parts[i].records += n
					parts[i].times = append(parts[i].times, time.Since(began))
				}
				return nil
			})
		}
		err = g.Wait()
		for _, p := range parts {
			r.records += p.records
			r.times = slices.Concat(r.times, p.times)
		}
		return r, err
	}
	runtime.GC()
	if _, err := phase(min(time.Second, s.length/2)); err != nil {
		return nil, err
	}
	r, err := watch(s, to, task, func() (result, error) { return phase(s.length) })
	return []result{r}, err
}
