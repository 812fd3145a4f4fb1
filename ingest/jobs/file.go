package jobs

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"time"

	"headgate/ingest"
	"headgate/shardlog"
)

// FileStream holds the chunks of files, in one shard.
const FileStream shardlog.StreamName = "_files"

// Limits of files.
const (
	MaxFile   = 24 << 20 // bytes, as of AWS IoT
	chunkSize = 64 << 10 // bytes of a record; the last one may have less
	batchSize = 8        // chunks of one Put
	idleTime  = 24 * time.Hour
)

// fileRow is a file's row, by its hash: where its chunks are, and who needs it.
type fileRow struct {
	SHA256 string    `json:"sha256"` // 64 hex digits
	Size   int64     `json:"size"`   // bytes
	Whole  bool      `json:"whole"`  // was put to its end
	Jobs   []string  `json:"jobs,omitempty"`
	Idle   time.Time `json:"idle"` // since when no job needs it, while there is none

	Stream shardlog.StreamID `json:"stream"`
	Shard  uint32            `json:"shard"`
	Chunks []shardlog.Seq    `json:"chunks,omitempty"`
}

func (f fileRow) shard() shardlog.ShardID { return shardlog.ShardID{Stream: f.Stream, Number: f.Shard} }

// pin is the row that keeps a file's chunks on disk, whatever their age.
func (f fileRow) pin() string { return shardlog.CursorKey(f.shard(), "file/"+f.SHA256) }

// File is a file that jobs may use.
type File struct {
	SHA256 string `json:"sha256"`
	Size   int64  `json:"size"`
}

// file reads a file's row. Kinds: NotFound.
func (s *Service) file(ctx context.Context, hash string) (fileRow, shardlog.Version, error) {
	var f fileRow
	b, version, err := s.c.States.Get(ctx, Files, hash)
	if err != nil {
		return f, 0, err
	}
	if err := json.Unmarshal(b, &f); err != nil || f.SHA256 != hash {
		return f, 0, shardlog.Errorf(shardlog.Corrupt, "read file", "%q: %v", hash, err)
	}
	return f, version, nil
}

// PutFile takes a file of at most MaxFile bytes, which has that SHA-256 (64 hex
// digits); body is not read when the file is there. A file that no job uses
// within a day is forgotten. Kinds: Invalid, and as of shardlog.Writer; after an
// error it may be put again.
func (s *Service) PutFile(ctx context.Context, hash string, body io.Reader) (File, error) {
	if b, err := hex.DecodeString(hash); err != nil || len(b) != sha256.Size || hex.EncodeToString(b) != hash {
		return File{}, shardlog.Errorf(shardlog.Invalid, "put file", "%q is no SHA-256 in small hex digits", hash)
	}
	f, version, err := s.begin(ctx, hash)
	if err != nil || f.Whole {
		return File{f.SHA256, f.Size}, err
	}
	if err := s.fill(ctx, &f, body); err != nil {
		return File{}, err
	}
	f.Whole, f.Idle = true, s.now()
	err = s.c.States.Mutate(ctx, shardlog.Mutation{Space: Files, Key: hash, Value: text(f), Expect: shardlog.At(version)})
	if err == nil || shardlog.KindOf(err) != shardlog.Conflict {
		return File{hash, f.Size}, err
	}
	other, _, err := s.file(ctx, hash) // somebody put the same file meanwhile
	if err == nil && !other.Whole {
		err = shardlog.Errorf(shardlog.Conflict, "put file", "%s is being put by others", hash)
	}
	return File{hash, other.Size}, err
}

// begin finds the row of a file, or makes one and with it the pin: whatever is
// put into the shard from now on stays.
func (s *Service) begin(ctx context.Context, hash string) (fileRow, shardlog.Version, error) {
	f, version, err := s.file(ctx, hash)
	if err == nil || shardlog.KindOf(err) != shardlog.NotFound {
		return f, version, err
	}
	if _, there := s.c.Catalog.Stream(FileStream); !there {
		err := ingest.Make(ctx, s.c.Control, shardlog.StreamSpec{Name: FileStream, Shards: 1, Class: shardlog.Own})
		if err != nil {
			return f, 0, err
		}
	}
	stream, _ := s.c.Catalog.Stream(FileStream)
	open := slices.IndexFunc(stream.Shards, func(sh shardlog.Shard) bool { return !sh.Closed })
	if open < 0 {
		return f, 0, shardlog.Errorf(shardlog.Unavailable, "put file", "the stream %s is not there yet", FileStream)
	}
	shard := stream.Shards[open]
	f = fileRow{SHA256: hash, Idle: s.now(), Stream: shard.ID.Stream, Shard: shard.ID.Number}
	err = s.c.States.Mutate(ctx, shardlog.Mutation{Space: Files, Key: hash, Value: text(f), Expect: shardlog.Absent()},
		shardlog.Mutation{Space: shardlog.Cursors, Key: f.pin(), Value: shardlog.EncodeCursor(shardlog.Cursor{Next: shard.Next, Pinned: true})})
	if err != nil && shardlog.KindOf(err) != shardlog.Conflict {
		return f, 0, err
	}
	return s.file(ctx, hash)
}

// fill puts the chunks of a file and checks its hash.
func (s *Service) fill(ctx context.Context, f *fileRow, body io.Reader) error {
	sum, last := sha256.New(), false
	f.Size, f.Chunks = 0, nil
	for !last {
		var batch []shardlog.Entry
		for len(batch) < batchSize && !last {
			chunk := make([]byte, chunkSize)
			n, err := io.ReadFull(body, chunk)
			if last = errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF); err != nil && !last {
				return shardlog.Errorf(shardlog.Invalid, "put file", "%w", err)
			}
			if n > 0 {
				batch = append(batch, shardlog.Entry{Key: f.SHA256, Data: chunk[:n]})
				sum.Write(chunk[:n])
				f.Size += int64(n)
			}
		}
		if f.Size > MaxFile {
			return shardlog.Errorf(shardlog.Invalid, "put file", "it has more than %d bytes", MaxFile)
		}
		if err := s.putChunks(ctx, f, batch); err != nil {
			return err
		}
	}
	if f.Size == 0 || hex.EncodeToString(sum.Sum(nil)) != f.SHA256 {
		return shardlog.Errorf(shardlog.Invalid, "put file", "it has %d bytes and not the SHA-256 %s", f.Size, f.SHA256)
	}
	return nil
}

// putChunks puts chunks, as fast as the shard takes them.
func (s *Service) putChunks(ctx context.Context, f *fileRow, batch []shardlog.Entry) error {
	for len(batch) > 0 {
		results, err := s.c.Writer.Put(ctx, FileStream, batch)
		if err != nil {
			return err
		}
		var wait time.Duration
		done := 0
		for _, r := range results {
			if shardlog.KindOf(r.Err) == shardlog.Throttled && r.Err != nil {
				wait = max(shardlog.RetryAfter(r.Err), throttlePause)
				break
			}
			if r.Err != nil {
				return r.Err
			}
			if r.Shard != f.shard() {
				return shardlog.Errorf(shardlog.Unavailable, "put file", "the shard of %s was split or merged", FileStream)
			}
			f.Chunks = append(f.Chunks, r.Number.Index)
			done++
		}
		batch = batch[done:]
		if wait > 0 {
			if err := pause(ctx, wait); err != nil {
				return err
			}
		}
	}
	return nil
}

// throttlePause is the least wait for a shard that is over its quota.
const throttlePause = 10 * time.Millisecond

// collect forgets the files that no job has used for a while, and lets go of
// their chunks: retention takes them.
func (s *Service) collect(ctx context.Context) {
	for hash := range s.c.States.List(ctx, Files, "") {
		f, version, err := s.file(ctx, hash)
		if err != nil || len(f.Jobs) > 0 || s.now().Sub(f.Idle) < idleTime {
			continue
		}
		err = s.c.States.Mutate(ctx, shardlog.Mutation{Space: Files, Key: hash, Expect: shardlog.At(version)},
			shardlog.Mutation{Space: shardlog.Cursors, Key: f.pin()})
		if err != nil && ctx.Err() == nil {
			s.c.Log.Info("a file that no job needs is not forgotten yet", "file", hash, "error", err)
		}
	}
}
