package devices_test

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"headgate/gateway/devices"
	"headgate/shardlog"
)

// An import makes exactly what it says, or nothing; what it made can be
// exported and imported again.
func FuzzImport(f *testing.F) {
	f.Add("id,groups,site\na,g;h,x\nb,,\n")
	f.Add("id,password\na,\"b\nc\"\n")
	f.Add("\xef\xbb\xbfid;state\n")
	f.Add("id\n\"a\"\"\n")
	f.Add("id,state\r\na,disabled\r\n")
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(text, "password") {
			return // it would cost seconds
		}
		r := newRig(t)
		done, err := r.store.Import(t.Context(), strings.NewReader(text), devices.ImportOptions{})
		all := r.store.List(t.Context(), "")
		if err != nil {
			var faults *devices.ImportFaults
			if shardlog.KindOf(err) != shardlog.Invalid || len(all) != 0 || errors.As(err, &faults) && (faults.Count == 0 || faults.Lines[0].Line < 2) {
				t.Fatalf("%v, %d devices", err, len(all))
			}
			return
		}
		if len(all) != done.Created {
			t.Fatalf("%d devices of %d", len(all), done.Created)
		}
		var again bytes.Buffer
		if _, err := r.store.Export(t.Context(), &again, ""); err != nil {
			t.Fatal(err)
		}
		other := newRig(t)
		if _, err := other.store.Import(t.Context(), &again, devices.ImportOptions{}); err != nil {
			t.Fatal(err)
		}
		if got := other.store.List(t.Context(), ""); !reflect.DeepEqual(got, all) {
			t.Fatalf("%+v became %+v", all, got)
		}
	})
}

func FuzzParseCode(f *testing.F) {
	code, _, err := newRig(f).store.NewClaim(f.Context(), devices.ClaimOrder{Count: 1})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(code.Text())
	f.Add("hd-0000-0000-0000-0000-0000")
	f.Add("HD-OIL")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := devices.ParseCode(text)
		if err != nil {
			if shardlog.KindOf(err) != shardlog.Invalid {
				t.Fatal(err)
			}
			return
		}
		if again, err := devices.ParseCode(c.Text()); err != nil || again != c {
			t.Fatalf("%q: %v", text, err)
		}
	})
}

// Whatever is sent as a request, and whatever lies in a row, harms nobody.
func FuzzClaim(f *testing.F) {
	f.Add(request(f, newKey(f), named("a")))
	f.Add(request(f, newKey(f), x509.CertificateRequest{Subject: pkix.Name{CommonName: "a"}, DNSNames: []string{"a"}}))
	f.Add([]byte("-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n"))
	r := newRig(f)
	code, _, err := r.store.NewClaim(f.Context(), devices.ClaimOrder{Count: 100_000})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, csr []byte) {
		if _, err := r.store.Claim(t.Context(), code.Text(), csr); err != nil {
			if kind := shardlog.KindOf(err); kind != shardlog.Invalid && kind != shardlog.InUse && kind != shardlog.Denied {
				t.Fatal(err)
			}
		}
	})
}

func FuzzRow(f *testing.F) {
	f.Add(`{"state":"active","passwords":["$argon2id$v=19$m=8,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"]}`)
	f.Add(`{"state":"active","passwords":["$sha256$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"],"certificates":[{}]}`)
	f.Add(`{"state":"revoked","groups":["g"],"attributes":{"a":"b"}}`)
	f.Fuzz(func(t *testing.T, text string) {
		r := newRig(t)
		if err := r.states.Mutate(t.Context(),
			shardlog.Mutation{Space: "device", Key: "a", Value: []byte(text)},
			shardlog.Mutation{Space: "device.authority", Key: "authority", Value: []byte(text)},
			shardlog.Mutation{Space: "device.claim", Key: fmt.Sprintf("%064d", 1), Value: []byte(text)}); err != nil {
			return
		}
		if _, err := r.store.Verify(t.Context(), password("a", "correct horse")); err == nil {
			t.Fatal("somebody was let in")
		}
		r.store.List(t.Context(), "")
		r.store.Claims(t.Context())
		_, _ = r.store.Authorities(t.Context())
		if _, _, err := r.store.NewClaim(t.Context(), devices.ClaimOrder{Count: 1}); err != nil {
			t.Fatal(err)
		}
		if err := r.store.Delete(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
	})
}
