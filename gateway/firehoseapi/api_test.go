package firehoseapi_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/firehose"
	"github.com/aws/smithy-go"

	"headgate/gateway/awsapi"
	"headgate/gateway/firehoseapi"
	"headgate/shardlog"
	"headgate/shardlog/shardlogtest"
)

const (
	keyID  = "AKIDTESTTESTTESTTEST"
	secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
)

type keys map[string]string

func (k keys) Secret(id string) (string, bool) {
	s, ok := k[id]
	return s, ok
}

// site is deliveries in memory: a small real thing that runs none of them.
type site struct {
	log *shardlogtest.Memory

	mu   sync.Mutex
	all  map[string]firehoseapi.Delivery // guarded by mu
	next uint64                          // guarded by mu
}

func (s *site) Create(ctx context.Context, d firehoseapi.Delivery) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, there := s.all[d.Name]; there {
		return shardlog.Errorf(shardlog.InUse, "create delivery", "there is one")
	}
	if d.Direct {
		if err := s.log.CreateStream(ctx, shardlog.StreamSpec{Name: d.Stream, Shards: 2}); err != nil {
			return err
		}
	}
	s.next++
	d.Version = s.next
	s.all[d.Name] = d
	return nil
}

func (s *site) Describe(_ context.Context, name string) (firehoseapi.Delivery, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d, there := s.all[name]
	if !there {
		return d, shardlog.Errorf(shardlog.NotFound, "find delivery", "no %s", name)
	}
	return d, nil
}

func (s *site) Update(_ context.Context, d firehoseapi.Delivery) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all[d.Name].Version != d.Version {
		return shardlog.Errorf(shardlog.Conflict, "update delivery", "changed")
	}
	s.next++
	d.Version = s.next
	s.all[d.Name] = d
	return nil
}

func (s *site) Delete(ctx context.Context, name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	d, there := s.all[name]
	if !there {
		return shardlog.Errorf(shardlog.NotFound, "find delivery", "no %s", name)
	}
	delete(s.all, name)
	if d.Direct {
		return s.log.DeleteStream(ctx, d.Stream)
	}
	return nil
}

func (s *site) List(context.Context) ([]firehoseapi.Delivery, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []firehoseapi.Delivery
	for _, d := range s.all {
		all = append(all, d)
	}
	slices.SortFunc(all, func(a, b firehoseapi.Delivery) int { return strings.Compare(a.Name, b.Name) })
	return all, nil
}

// house is a server on loopback over a log in memory.
type house struct {
	log  *shardlogtest.Memory
	site *site
	api  *firehoseapi.API
	url  string
}

func open(t testing.TB) *house {
	t.Helper()
	log := shardlogtest.NewMemory()
	h := &house{log: log, site: &site{log: log, all: map[string]firehoseapi.Delivery{}}}
	var err error
	if h.api, err = firehoseapi.New(firehoseapi.Config{Writer: log, Catalog: log, Deliveries: h.site}); err != nil {
		t.Fatal(err)
	}
	door, err := awsapi.New(awsapi.Config{Services: []awsapi.Service{h.api.Service()}, Keys: keys{keyID: secret}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server, done := awsapi.NewServer(door), make(chan struct{})
	go func() {
		defer close(done)
		server.Serve(l)
	}()
	t.Cleanup(func() {
		server.Close()
		<-done
	})
	h.url = "http://" + l.Addr().String()
	return h
}

// client is the AWS SDK as it is, but for its retries: a test sees the first answer.
func (h *house) client() *firehose.Client {
	return firehose.New(firehose.Options{
		Region: "eu-central-1", Credentials: credentials.NewStaticCredentialsProvider(keyID, secret, ""),
		BaseEndpoint: aws.String(h.url), Retryer: aws.NopRetryer{},
	})
}

// wantError wants an AWS error of the code whose text holds the words.
func wantError(t testing.TB, err error, code, words string) {
	t.Helper()
	var e smithy.APIError
	if !errors.As(err, &e) {
		t.Errorf("got %v, want %s", err, code)
		return
	}
	if e.ErrorCode() != code || !strings.Contains(e.ErrorMessage(), words) {
		t.Errorf("got %s: %s, want %s: …%s…", e.ErrorCode(), e.ErrorMessage(), code, words)
	}
}

func must[T any](t testing.TB) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}
