package devices_test

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"headgate/gateway/devices"
	"headgate/shardlog"
)

func TestImportMakesDevices(t *testing.T) {
	r := newRig(t)
	text := "\xef\xbb\xbfid,password,groups,site,state\r\n" +
		"a,correct horse,hall-1;hall-2,\"Köln, Werk 1\",\r\n" +
		"b,,,,disabled\r\n" +
		"\r\n" +
		"c,\" spaces stay \",hall-1, trimmed ,active\r\n"
	dry, err := r.store.Import(t.Context(), strings.NewReader(text), devices.ImportOptions{DryRun: true})
	if err != nil || dry.Created != 0 || len(r.store.List(t.Context(), "")) != 0 {
		t.Fatal(dry, err)
	}
	done, err := r.store.Import(t.Context(), strings.NewReader(text), devices.ImportOptions{})
	if err != nil || done.Created != 3 {
		t.Fatal(done, err)
	}
	a, b, c := r.get("a"), r.get("b"), r.get("c")
	if !reflect.DeepEqual(a.Groups, []string{"hall-1", "hall-2"}) || a.Attributes["site"] != "Köln, Werk 1" || a.Passwords != 1 {
		t.Errorf("%+v", a)
	}
	if b.State != devices.Disabled || b.Passwords != 0 || b.Attributes != nil || c.Attributes["site"] != "trimmed" {
		t.Errorf("%+v %+v", b, c)
	}
	r.in(r.store, password("a", "correct horse"))
	r.in(r.store, password("c", " spaces stay "))
	_, err = r.store.Import(t.Context(), strings.NewReader(text), devices.ImportOptions{})
	wantKind(t, err, shardlog.Invalid)
	done, err = r.store.Import(t.Context(), strings.NewReader(text), devices.ImportOptions{KeepExisting: true})
	if err != nil || done.Kept != 3 || done.Created != 0 {
		t.Fatal(done, err)
	}
}

func TestImportTellsEveryFaultAndWritesNothing(t *testing.T) {
	r := newRig(t)
	r.create(devices.Order{ID: "there"})
	text := strings.Join([]string{
		"id,password,groups,state,site",
		"good,correct horse,,,",
		"a/b,,,,",
		"short,pw,,,",
		"good,,,,",
		"odd,,,sleeping,",
		"few,",
		"quoted,\"a\"b,,,",
		"grouped,,a/b,,",
		",,,,",
		"fine,,,,x",
	}, "\n")
	_, err := r.store.Import(t.Context(), strings.NewReader(text), devices.ImportOptions{})
	var faults *devices.ImportFaults
	if !errors.As(err, &faults) || shardlog.KindOf(err) != shardlog.Invalid {
		t.Fatal(err)
	}
	var lines []int
	for _, f := range faults.Lines {
		lines = append(lines, f.Line)
		if f.What == "" || strings.Contains(f.What, "correct horse") {
			t.Errorf("%+v", f)
		}
	}
	if want := []int{3, 4, 5, 6, 7, 8, 9, 10}; !reflect.DeepEqual(lines, want) || faults.Count != len(want) {
		t.Errorf("faults on lines %v: %v", lines, err)
	}
	_, err = r.store.Import(t.Context(), strings.NewReader("id\nnew\nthere\n"), devices.ImportOptions{})
	if !errors.As(err, &faults) || faults.Lines[0].Line != 3 {
		t.Error(err)
	}
	if all := r.store.List(t.Context(), ""); len(all) != 1 {
		t.Errorf("%+v", all)
	}
	for _, bad := range []string{"", "name\nx", "id,id\n", "id,a b\n", "id\n\xff", "id\n" + strings.Repeat("x", 17<<20)} {
		_, err := r.store.Import(t.Context(), strings.NewReader(bad), devices.ImportOptions{})
		wantKind(t, err, shardlog.Invalid)
	}
	_, err = r.store.Import(t.Context(), strings.NewReader("id\n"+strings.Repeat("a/b\n", 300)), devices.ImportOptions{})
	if !errors.As(err, &faults) || faults.Count != 300 || len(faults.Lines) != 100 {
		t.Error(err)
	}
}

func TestAnImportThatBreaksOffGoesOn(t *testing.T) {
	r := newRig(t)
	var text strings.Builder
	text.WriteString("id,note\n")
	for i := range 2000 {
		fmt.Fprintf(&text, "d%d,%s\n", i, strings.Repeat("x", 250))
	}
	n := 0
	r.states.Fail = func(op string) error {
		if op == "mutate" {
			if n++; n == 2 {
				return &shardlog.Error{Kind: shardlog.Unavailable, Op: op}
			}
		}
		return nil
	}
	done, err := r.store.Import(t.Context(), strings.NewReader(text.String()), devices.ImportOptions{})
	wantKind(t, err, shardlog.Unavailable)
	if done.Created == 0 || done.Created == 2000 || len(r.store.List(t.Context(), "")) != done.Created {
		t.Fatal(done, err)
	}
	rest, err := r.store.Import(t.Context(), strings.NewReader(text.String()), devices.ImportOptions{KeepExisting: true})
	if err != nil || rest.Kept != done.Created || rest.Created != 2000-done.Created {
		t.Fatal(rest, err)
	}
}

func TestWhatIsExportedCanBeImported(t *testing.T) {
	r, other := newRig(t), newRig(t)
	r.create(devices.Order{ID: "a", Password: "correct horse", Details: devices.Details{Groups: []string{"g", "h"}, Attributes: map[string]string{"site": "a \"b\", c", "x": "=1+1"}}})
	r.create(devices.Order{ID: "b", Disabled: true, Details: devices.Details{Attributes: map[string]string{"y": "ü"}}})
	r.create(devices.Order{ID: "gone"})
	if _, err := r.store.Revoke(t.Context(), "gone"); err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	if n, err := r.store.Export(t.Context(), &text, ""); err != nil || n != 2 {
		t.Fatal(n, err)
	}
	if strings.Contains(text.String(), "argon2") {
		t.Error("a hash is exported")
	}
	if done, err := other.store.Import(t.Context(), bytes.NewReader(text.Bytes()), devices.ImportOptions{}); err != nil || done.Created != 2 {
		t.Fatal(done, err)
	}
	for _, id := range []string{"a", "b"} {
		want, got := r.get(id), other.get(id)
		want.Passwords = 0
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%+v became %+v", want, got)
		}
	}
}
