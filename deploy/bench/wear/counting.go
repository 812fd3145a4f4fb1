package main

import (
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// counting is a file system that counts what is written and synced.
type counting struct {
	vfs.FS
	written, syncs atomic.Uint64
}

// Unwrap is the file system below.
func (c *counting) Unwrap() vfs.FS { return c.FS }

func (c *counting) wrap(f vfs.File, err error) (vfs.File, error) {
	if err != nil {
		return nil, err
	}
	return &countingFile{f, c}, nil
}

// Create counts what will be written to the file.
func (c *counting) Create(name string, why vfs.DiskWriteCategory) (vfs.File, error) {
	return c.wrap(c.FS.Create(name, why))
}

// OpenReadWrite counts what will be written to the file.
func (c *counting) OpenReadWrite(name string, why vfs.DiskWriteCategory, o ...vfs.OpenOption) (vfs.File, error) {
	return c.wrap(c.FS.OpenReadWrite(name, why, o...))
}

// ReuseForWrite counts what will be written to the file.
func (c *counting) ReuseForWrite(old, name string, why vfs.DiskWriteCategory) (vfs.File, error) {
	return c.wrap(c.FS.ReuseForWrite(old, name, why))
}

// OpenDir counts syncs of the folder.
func (c *counting) OpenDir(name string) (vfs.File, error) { return c.wrap(c.FS.OpenDir(name)) }

type countingFile struct {
	vfs.File
	counts *counting
}

func (f *countingFile) Write(p []byte) (int, error) {
	f.counts.written.Add(uint64(len(p)))
	return f.File.Write(p)
}

func (f *countingFile) WriteAt(p []byte, at int64) (int, error) {
	f.counts.written.Add(uint64(len(p)))
	return f.File.WriteAt(p, at)
}

func (f *countingFile) Sync() error {
	f.counts.syncs.Add(1)
	return f.File.Sync()
}

func (f *countingFile) SyncData() error {
	f.counts.syncs.Add(1)
	return f.File.SyncData()
}

// SyncTo only starts to write on Linux, and is no sync unless it says so.
func (f *countingFile) SyncTo(length int64) (bool, error) {
	full, err := f.File.SyncTo(length)
	if full {
		f.counts.syncs.Add(1)
	}
	return full, err
}
