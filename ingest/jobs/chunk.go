package jobs

import (
	"context"
	"sync"

	"headgate/shardlog"
)

// cacheChunks are how many chunks are kept for the next device: things that get
// the same job ask for the same blocks at about the same time.
const cacheChunks = 16

// cache holds the chunks that were read last. It is safe for concurrent use.
type cache struct {
	mu   sync.Mutex
	kept []chunk // guarded by mu: the newest last
}

type chunk struct {
	hash  string
	index int
	data  []byte // never changed
}

func (c *cache) get(hash string, index int) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, k := range c.kept {
		if k.index == index && k.hash == hash {
			copy(c.kept[i:], c.kept[i+1:])
			c.kept[len(c.kept)-1] = k
			return k.data
		}
	}
	return nil
}

func (c *cache) put(k chunk) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.kept) == cacheChunks {
		c.kept = append(c.kept[:0], c.kept[1:]...)
	}
	c.kept = append(c.kept, k)
}

// chunk reads one chunk of a file.
func (s *Service) chunk(ctx context.Context, f fileRow, index int) ([]byte, error) {
	if data := s.chunks.get(f.SHA256, index); data != nil {
		return data, nil
	}
	seq := f.Chunks[index]
	s.counts.reads.Add(1)
	p, err := s.c.Reader.Read(ctx, f.shard(), shardlog.Cursor{Next: seq, Pinned: true}, shardlog.Budget{Records: 1, Bytes: 2 * chunkSize})
	if err != nil {
		return nil, err
	}
	if len(p.Records) == 0 || p.Records[0].Seq != seq || p.Records[0].Key != f.SHA256 {
		return nil, shardlog.Errorf(shardlog.NotFound, "read file", "chunk %d of %s was given up", index, f.SHA256)
	}
	s.chunks.put(chunk{f.SHA256, index, p.Records[0].Data})
	return p.Records[0].Data, nil
}

// block reads a part of a file, which ends where the file ends.
func (s *Service) block(ctx context.Context, f fileRow, offset, size int64) ([]byte, error) {
	end := min(offset+size, f.Size)
	out := make([]byte, 0, end-offset)
	for offset < end {
		data, err := s.chunk(ctx, f, int(offset/chunkSize))
		if err != nil {
			return nil, err
		}
		from := offset % chunkSize
		n := min(int64(len(data))-from, end-offset)
		if n <= 0 {
			return nil, shardlog.Errorf(shardlog.Corrupt, "read file", "%s is shorter than its row says", f.SHA256)
		}
		out = append(out, data[from:from+n]...)
		offset += n
	}
	return out, nil
}
