package web

import (
	"context"
	"crypto/rand"
	"strconv"

	"headgate/ingest"
	"headgate/shardlog"
)

// put stores the records and answers one Result for each. Whoever sent them
// may be gone by then, as the page that a beacon tells of: they are stored
// all the same.
func (s *Server) put(ctx context.Context, c *call, datas [][]byte) []shardlog.Result {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.cfg.PutTime)
	defer cancel()
	meta := c.meta.Append(nil)
	results := make([]shardlog.Result, len(datas))
	entries := make([]shardlog.Entry, 0, len(datas))
	places := make([]int, 0, len(datas)) // of entries among results
	for i, data := range datas {
		entry := shardlog.Entry{Key: c.key, Data: data, Meta: meta}
		if err := entry.Check(shardlog.MaxRecordBytes); err != nil {
			results[i].Err = err
			continue
		}
		entries = append(entries, entry)
		places = append(places, i)
	}
	if len(entries) == 0 {
		return results
	}
	stored, err := s.cfg.Writer.Put(ctx, c.stream, entries)
	if err != nil && shardlog.KindOf(err) == shardlog.NotFound {
		if err = s.make(ctx, c.stream, err); err == nil {
			stored, err = s.cfg.Writer.Put(ctx, c.stream, entries)
		}
	}
	if err == nil && len(stored) != len(entries) {
		err = shardlog.Errorf(shardlog.Internal, "put", "%d results for %d entries", len(stored), len(entries))
	}
	for i, place := range places {
		if err != nil {
			results[place].Err = err
			continue
		}
		results[place] = stored[i]
	}
	return results
}

// make makes a stream that the configuration names or allows; others stay as missing as
// the log says.
func (s *Server) make(ctx context.Context, name shardlog.StreamName, missing error) error {
	spec, ours := s.sites.spec(name)
	if !ours && s.cfg.Routes != nil { // a template led there
		spec, ours = s.cfg.Routes.Spec(name)
	}
	if !ours || s.cfg.Control == nil {
		return missing
	}
	return ingest.Make(ctx, s.cfg.Control, spec)
}

// newSeed is a text that no other process has.
func newSeed() string { return rand.Text() }

// anyKey is a partition key for a request that gave none: all its records go to one
// shard, in order, and the next request's to another.
func (s *Server) anyKey() string { return s.seed + strconv.FormatUint(s.serial.Add(1), 36) }
