package sinktest

import "testing"

// Versity is a running versitygw: an S3 server that is not ours.
type Versity struct {
	Endpoint  string
	AccessKey string
	SecretKey string
	Data      string // its folder; a folder below it is a bucket
}

// StartVersity starts a server on a loopback port, without buckets. It ends
// with the test.
func StartVersity(t testing.TB) *Versity {
	t.Helper()
	address := FreeAddress(t)
	v := &Versity{Endpoint: "http://" + address, AccessKey: "headgate-test", SecretKey: "not-a-secret", Data: t.TempDir()}
	Start(t, Program{
		Path: Peer(t, "versitygw"), Args: []string{"--port", address, "--region", "us-east-1", "posix", "--sidecar", t.TempDir(), v.Data},
		Env: []string{"ROOT_ACCESS_KEY=" + v.AccessKey, "ROOT_SECRET_KEY=" + v.SecretKey}, Ready: v.Endpoint,
	})
	return v
}
