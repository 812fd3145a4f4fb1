package store

import (
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Disk is the file system a store lives on. It counts what reaches it, since
// flash wears by bytes written and by syncs. The zero Disk is the machine's.
type Disk struct {
	under vfs.FS
	mem   *vfs.MemFS // of CrashableDisk
	hook  func(Event) error

	written, syncs, renames atomic.Uint64
}

// Event is one change that a store is about to make on its Disk.
type Event struct {
	Op   string // "create", "write", "sync", "sync dir", "rename", "remove", "link"
	Path string
}

// DiskCounts is what a Disk has seen since it was made.
type DiskCounts struct {
	Written uint64 // bytes passed to write
	Syncs   uint64 // fsync, fdatasync and directory syncs
}

// NewDisk is the machine's file system.
func NewDisk() *Disk { return &Disk{under: vfs.Default} }

// NewCrashableDisk is a file system in memory that remembers what was synced.
func NewCrashableDisk() *Disk {
	mem := vfs.NewCrashableMem()
	return &Disk{under: mem, mem: mem}
}

// Crash is the disk as a power cut would leave it now: what was synced, and
// of the rest each piece with a chance of kept percent. The Disk goes on.
func (d *Disk) Crash(kept int, seed uint64) *Disk {
	mem := d.mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: kept, RNG: rand.New(rand.NewPCG(seed, seed))})
	return &Disk{under: mem, mem: mem}
}

// Watch calls hook before every change; an error of it becomes the change's.
// Call it before the Disk is used.
func (d *Disk) Watch(hook func(Event) error) { d.hook = hook }

// Counts is what the Disk has seen.
func (d *Disk) Counts() DiskCounts {
	return DiskCounts{Written: d.written.Load(), Syncs: d.syncs.Load()}
}

func (d *Disk) event(op, path string) error {
	if d.hook == nil {
		return nil
	}
	return d.hook(Event{op, path})
}

// fs is the Disk as Pebble sees it.
func (d *Disk) fs() vfs.FS {
	if d.under == nil {
		d.under = vfs.Default
	}
	return countingFS{FS: d.under, disk: d}
}

type countingFS struct {
	vfs.FS
	disk *Disk
}

func (f countingFS) Unwrap() vfs.FS { return f.FS }

func (f countingFS) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	if err := f.disk.event("create", name); err != nil {
		return nil, err
	}
	if err := f.settle(name); err != nil {
		return nil, err
	}
	file, err := f.FS.Create(name, category)
	return f.wrap(file, name, "sync"), err
}

// settle makes a folder's names durable before a marker is made in it. Pebble
// points a marker at a new manifest and then syncs both names at once; on a
// disk that keeps one of them the store could not be opened.
func (f countingFS) settle(name string) error {
	if !strings.HasPrefix(f.FS.PathBase(name), "marker.") {
		return nil
	}
	dir, err := f.OpenDir(f.FS.PathDir(name))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

func (f countingFS) OpenReadWrite(name string, category vfs.DiskWriteCategory, opts ...vfs.OpenOption) (vfs.File, error) {
	file, err := f.FS.OpenReadWrite(name, category, opts...)
	return f.wrap(file, name, "sync"), err
}

func (f countingFS) OpenDir(name string) (vfs.File, error) {
	file, err := f.FS.OpenDir(name)
	return f.wrap(file, name, "sync dir"), err
}

func (f countingFS) ReuseForWrite(oldname, newname string, category vfs.DiskWriteCategory) (vfs.File, error) {
	if err := f.disk.event("rename", newname); err != nil {
		return nil, err
	}
	file, err := f.FS.ReuseForWrite(oldname, newname, category)
	return f.wrap(file, newname, "sync"), err
}

func (f countingFS) Rename(oldname, newname string) error {
	if err := f.disk.event("rename", newname); err != nil {
		return err
	}
	return f.FS.Rename(oldname, newname)
}

func (f countingFS) Remove(name string) error {
	if err := f.disk.event("remove", name); err != nil {
		return err
	}
	return f.FS.Remove(name)
}

func (f countingFS) Link(oldname, newname string) error {
	if err := f.disk.event("link", newname); err != nil {
		return err
	}
	return f.FS.Link(oldname, newname)
}

func (f countingFS) Lock(name string) (io.Closer, error) { return f.FS.Lock(name) }

func (f countingFS) wrap(file vfs.File, name, syncOp string) vfs.File {
	if file == nil {
		return nil
	}
	return countingFile{File: file, disk: f.disk, name: name, syncOp: syncOp}
}

type countingFile struct {
	vfs.File
	disk         *Disk
	name, syncOp string
}

func (f countingFile) Write(p []byte) (int, error) {
	if err := f.disk.event("write", f.name); err != nil {
		return 0, err
	}
	f.disk.written.Add(uint64(len(p)))
	return f.File.Write(p)
}

func (f countingFile) WriteAt(p []byte, at int64) (int, error) {
	if err := f.disk.event("write", f.name); err != nil {
		return 0, err
	}
	f.disk.written.Add(uint64(len(p)))
	return f.File.WriteAt(p, at)
}

func (f countingFile) Sync() error {
	if err := f.disk.event(f.syncOp, f.name); err != nil {
		return err
	}
	f.disk.syncs.Add(1)
	return f.File.Sync()
}

func (f countingFile) SyncData() error {
	if err := f.disk.event(f.syncOp, f.name); err != nil {
		return err
	}
	f.disk.syncs.Add(1)
	return f.File.SyncData()
}

func (f countingFile) SyncTo(length int64) (bool, error) {
	full, err := f.File.SyncTo(length)
	if full {
		f.disk.syncs.Add(1)
	}
	return full, err
}
