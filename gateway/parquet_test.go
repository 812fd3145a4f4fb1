package gateway_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"headgate/firehose/encode"
	"headgate/gateway"
)

// A delivery of columns writes Parquet; records that are no rows are lines in
// the error output.
func TestADeliveryOfColumns(t *testing.T) {
	t.Parallel()
	data, folder := t.TempDir(), t.TempDir()
	start(t, data, func(c *gateway.Config) { c.Open = true })
	c, ctx := gateway.Dial(data), context.Background()
	document := fmt.Sprintf("name: cols\nstream: telemetry\ninterval: 1s\nparquet:\n  columns:\n    - {name: t, type: double, required: true}\n    - {name: site, type: string, path: where.site}\nprefix: p/\nerror_prefix: bad/\nlocal: {folder: %q}\n", folder)
	if _, err := c.CreateDelivery(ctx, document); err != nil {
		t.Fatal(err)
	}
	var records []gateway.PutRecord
	for i := range 20 {
		records = append(records, gateway.PutRecord{Key: "k", Data: fmt.Appendf(nil, `{"t":%d.5,"where":{"site":"north"}}`, i)})
	}
	records = append(records, gateway.PutRecord{Key: "k", Data: []byte(`{"t":"warm"}`)})
	if _, err := c.Put(ctx, "telemetry", records); err != nil {
		t.Fatal(err)
	}
	arrived(t, c, "cols", 20)
	until(t, 20*time.Second, "the row that is none is refused", func() (string, bool) {
		d, err := c.Delivery(ctx, "cols")
		return fmt.Sprintf("%+v %v", d.DeliveryStatus, err), d.Refused == 1
	})
	reader, err := encode.NewParquet(encode.Schema{Columns: []encode.Column{{Name: "t", Type: "double", Required: true}, {Name: "site", Type: "string", Path: "where.site"}}})
	if err != nil {
		t.Fatal(err)
	}
	rows, bad := 0, ""
	err = filepath.WalkDir(folder, func(name string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if strings.HasSuffix(name, ".gz") {
			bad += name
			return nil
		}
		if !strings.HasSuffix(name, ".parquet") || !strings.HasPrefix(name, filepath.Join(folder, "p")+"/") {
			t.Errorf("%s", name)
			return nil
		}
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		defer f.Close()
		lines, err := reader.Expand(f)
		if err != nil {
			return err
		}
		text, err := io.ReadAll(lines)
		rows += strings.Count(string(text), `,"site":"north"}`)
		return err
	})
	if err != nil || rows != 20 || !strings.HasPrefix(bad, filepath.Join(folder, "bad")+"/") || strings.Count(bad, ".gz") != 1 {
		t.Errorf("%d rows, refused %s: %v", rows, bad, err)
	}
	for text, want := range map[string]string{
		"parquet: {columns: []}":                                  "0 columns",
		"parquet: {format: orc, columns: [{name: a, type: int}]}": "ORC is not written",
		"parquet: {columns: [{name: a, type: number}]}":           `type "number" is unknown`,
	} {
		if _, err := c.CreateDelivery(ctx, "name: q\nstream: telemetry\nlocal: {folder: f}\n"+text+"\n"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
}
