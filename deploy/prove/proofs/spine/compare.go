package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"headgate/deploy/prove/internal/account"
	"headgate/firmware-sim/device"
)

// delivery is what one sink holds, against the stream.
type delivery struct {
	name                               string
	objects, records, missing, doubled int
}

// delivered waits until everything is delivered and counts it.
func (s *site) delivered(ctx context.Context, f *account.Found) ([]delivery, error) {
	if err := s.caughtUp(ctx); err != nil {
		return nil, err
	}
	all := []delivery{{name: "folder"}}
	folders := []string{s.path("delivered")}
	if s.s3 != "" {
		all, folders = append(all, delivery{name: "S3"}), append(folders, filepath.Join(s.path("buckets"), bucket))
	}
	for i := range all {
		seen := map[account.Message]int{}
		if err := all[i].count(folders[i], seen); err != nil {
			return nil, err
		}
		for m, want := range f.Messages {
			all[i].missing += max(0, want-seen[m])
			all[i].doubled += max(0, seen[m]-want)
		}
	}
	return all, nil
}

func (s *site) caughtUp(ctx context.Context) error {
	for deadline := time.Now().Add(2 * time.Minute); time.Now().Before(deadline); time.Sleep(200 * time.Millisecond) {
		text, err := s.metrics(ctx)
		if err != nil {
			return err
		}
		behind, seen := false, 0
		for line := range strings.Lines(text) {
			if strings.HasPrefix(line, "headgate_delivery_lag_records{") {
				seen++
				behind = behind || !strings.HasSuffix(strings.TrimSpace(line), " 0")
			}
		}
		if seen > 0 && !behind {
			return nil
		}
	}
	return errors.New("the deliveries did not catch up in two minutes")
}

// count adds up the objects below a folder.
func (d *delivery) count(folder string, seen map[account.Message]int) error {
	return filepath.WalkDir(folder, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || strings.Contains(path, "/.") {
			return err
		}
		d.objects++
		lines, err := content(path)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		for _, line := range lines {
			d.records++
			if id, n, err := device.Identify([]byte(line)); err == nil {
				seen[account.Message{Device: id, Number: n}]++
			}
		}
		return nil
	})
}

func content(path string) ([]string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var r io.Reader
	if strings.HasSuffix(path, ".zst") {
		z, err := zstd.NewReader(f)
		if err != nil {
			return nil, err
		}
		defer z.Close()
		r = z
	} else if r, err = gzip.NewReader(f); err != nil {
		return nil, err
	}
	var lines []string
	scan := bufio.NewScanner(r)
	scan.Buffer(nil, 2<<20)
	for scan.Scan() {
		lines = append(lines, scan.Text())
	}
	return lines, scan.Err()
}
