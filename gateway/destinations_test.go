package gateway_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"headgate/firehose"
	"headgate/firehose/encode"
	"headgate/firehose/sinktest"
	"headgate/gateway"
)

// destination is where a delivery goes, and how often each record is there.
type destination struct {
	block string // of the delivery's document
	exact bool   // what comes again is there once
	found func(t *testing.T) map[string]int
}

// TestKillsBeforeEachDestination kills the gateway again and again while it
// delivers one stream to many destinations at once. In the end each record is
// at each of them: once where that is promised, at least once elsewhere.
func TestKillsBeforeEachDestination(t *testing.T) {
	all := destinations(t)
	data, secrets := t.TempDir(), t.TempDir()
	for name, text := range map[string]string{"key": "sesame", "token": "11111111-2222-3333-4444-555555555555"} {
		if err := os.WriteFile(filepath.Join(secrets, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p := serve(t, data)
	id, secret := p.KeyID, p.SecretKey
	admin, ctx := gateway.Dial(data), context.Background()
	for name, d := range all {
		document := fmt.Sprintf("name: to-%s\nstream: telemetry\ninterval: 1s\ncompression: gzip\n%s\n", name, strings.ReplaceAll(d.block, "SECRETS", secrets))
		if _, err := admin.CreateDelivery(ctx, document); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	rounds := 6
	if text := os.Getenv("HEADGATE_ROUNDS"); text != "" {
		var err error
		if rounds, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	for round := range rounds {
		putDocuments(t, p.client(id, secret), round, 200)
		<-time.After(time.Duration(200+rand.IntN(1800)) * time.Millisecond) // kills come at any moment
		p.kill()
		p = serve(t, data)
	}
	want := map[string]int{}
	for text, times := range readAll(t, p.client(id, secret), "telemetry") {
		want[sinktest.DocumentID(text)] += times
	}
	if len(want) != rounds*200 {
		t.Fatalf("%d records in the log", len(want))
	}
	for name, d := range all {
		until(t, 90*time.Second, name+" has everything", func() (string, bool) {
			s, err := admin.Delivery(ctx, "to-"+name)
			return fmt.Sprintf("%+v %v", s.DeliveryStatus, err), err == nil && s.LagRecords == 0
		})
		missing, more, found := 0, 0, d.found(t)
		for one, times := range want {
			missing += max(times-found[one], 0)
			more += max(found[one]-times, 0)
		}
		t.Logf("%-10s %d records, killed %d times: missing %d, doubled %d", name, len(want), rounds, missing, more)
		if missing > 0 || d.exact && more > 0 || len(found) != len(want) {
			t.Errorf("%s: %d records of %d, missing %d, doubled %d", name, len(found), len(want), missing, more)
		}
	}
}

// putDocuments puts n documents of a round. A Put that got no answer would be
// in the log twice; it does not happen before the kill.
func putDocuments(t *testing.T, k *kinesis.Client, round, n int) {
	t.Helper()
	var in []types.PutRecordsRequestEntry
	for i := range n {
		in = append(in, types.PutRecordsRequestEntry{PartitionKey: aws.String(fmt.Sprint(i)), Data: fmt.Appendf(nil, `{"batch":"round%d","n":%d}`, round, i)})
	}
	out, err := k.PutRecords(context.Background(), &kinesis.PutRecordsInput{StreamName: aws.String("telemetry"), Records: in})
	if err != nil || aws.ToInt32(out.FailedRecordCount) > 0 {
		t.Fatal(err)
	}
}

func destinations(t *testing.T) map[string]destination {
	s3, victoria, collector, web := sinktest.StartVersity(t), sinktest.StartVictoria(t), sinktest.StartCollector(t), startWeb(t)
	for name, value := range map[string]string{"access": s3.AccessKey, "secret": s3.SecretKey} {
		t.Setenv("HEADGATE_TEST_"+name, value) // for the process
	}
	if err := os.Mkdir(filepath.Join(s3.Data, "lake"), 0o755); err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	mongodb, look := startFerret(t)
	return map[string]destination{
		"s3": {fmt.Sprintf("s3: {bucket: lake, endpoint: %q, path_style: true, access_key: {env: HEADGATE_TEST_access}, secret_key: {env: HEADGATE_TEST_secret}}", s3.Endpoint), true,
			func(t *testing.T) map[string]int { return inFiles(t, filepath.Join(s3.Data, "lake")) }},
		"local":      {fmt.Sprintf("local: {folder: %q}", folder), true, func(t *testing.T) map[string]int { return inFiles(t, folder) }},
		"mongodb":    {fmt.Sprintf("mongodb: {hosts: [%q], database: test, collection: records}", mongodb), true, look},
		"opensearch": {fmt.Sprintf("opensearch: {url: %q, index: telemetry}", web.url), true, web.indexed},
		"http":       {fmt.Sprintf("http: {url: %q, access_key: {file: SECRETS/key}, encoding: gzip}", web.url+"/http"), false, web.received},
		"splunk": {fmt.Sprintf("splunk: {url: %q, token: {file: SECRETS/token}}", collector.Splunk), false, func(t *testing.T) map[string]int {
			return inCollector(t, collector, "splunk")
		}},
		"otlp": {fmt.Sprintf("otlp: {url: %q}", collector.OTLP), false, func(t *testing.T) map[string]int { return inCollector(t, collector, "otlp") }},
		"datadog": {fmt.Sprintf("datadog: {url: %q, key: {file: SECRETS/key}}", victoria.URL+"/insert/datadog"), false, func(t *testing.T) map[string]int {
			found := map[string]int{}
			for _, e := range victoria.All(t) {
				text := e["message"]
				if text == "" {
					text = e["_msg"]
				}
				found[sinktest.DocumentID(text)]++
			}
			return found
		}},
	}
}

// startFerret runs a FerretDB, and says how to look into its collection.
func startFerret(t *testing.T) (address string, look func(*testing.T) map[string]int) {
	t.Helper()
	address = sinktest.FreeAddress(t)
	ready := sinktest.FreeAddress(t)
	sinktest.Start(t, sinktest.Program{Path: sinktest.Peer(t, "ferretdb"), Args: []string{"-listen", address, "-ready", ready, "-data", t.TempDir()}, Ready: "http://" + ready})
	return address, func(t *testing.T) map[string]int {
		client, err := mongo.Connect(options.Client().SetHosts([]string{address}))
		if err != nil {
			t.Fatal(err)
		}
		defer client.Disconnect(context.Background())
		rows, err := client.Database("test").Collection("records").Find(context.Background(), bson.D{})
		if err != nil {
			t.Fatal(err)
		}
		var all []struct {
			Batch string
			N     int
		}
		if err := rows.All(context.Background(), &all); err != nil {
			t.Fatal(err)
		}
		found := map[string]int{}
		for _, one := range all {
			found[fmt.Sprintf("%s/%d", one.Batch, one.N)]++
		}
		return found
	}
}

// inFiles counts what lies in the gzip files of a folder.
func inFiles(t *testing.T, folder string) map[string]int {
	t.Helper()
	found := map[string]int{}
	lines, err := encode.New(firehose.Format{Compression: encode.Gzip})
	if err != nil {
		t.Fatal(err)
	}
	err = filepath.WalkDir(folder, func(name string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(name, ".gz") || strings.Contains(name, "unfinished") {
			return err
		}
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		defer f.Close()
		content, err := lines.Expand(f)
		if err != nil {
			return err
		}
		for scan := bufio.NewScanner(content); scan.Scan(); {
			found[sinktest.DocumentID(scan.Text())]++
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// inCollector counts what came to OpenTelemetry's collector.
func inCollector(t *testing.T, c sinktest.Collector, door string) map[string]int {
	t.Helper()
	found := map[string]int{}
	for _, e := range c.Took(t, door, 1) {
		var body struct {
			KvlistValue struct {
				Values []struct {
					Key   string
					Value struct {
						StringValue string
						IntValue    json.Number
						DoubleValue json.Number
					}
				}
			}
		}
		_ = json.Unmarshal(e.Body, &body)
		fields := map[string]string{}
		for _, one := range body.KvlistValue.Values {
			fields[one.Key] = one.Value.StringValue + strings.TrimSuffix(one.Value.IntValue.String()+one.Value.DoubleValue.String(), ".0")
		}
		found[fields["batch"]+"/"+fields["n"]]++
	}
	return found
}

// web is the server of those protocols of which there is none of others that
// keeps what it is sent apart by record: bulk requests with ids, and
// Firehose's HTTP endpoint.
type web struct {
	url string

	mu    sync.Mutex
	index map[string]string // guarded by mu: document by id
	posts map[string]int    // guarded by mu
}

func startWeb(t *testing.T) *web {
	w := &web{index: map[string]string{}, posts: map[string]int{}}
	server := httptest.NewServer(w)
	t.Cleanup(server.Close)
	w.url = server.URL
	return w
}

func (s *web) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		lines, err := encode.New(firehose.Format{Compression: encode.Gzip})
		if err == nil {
			body, err = lines.Expand(r.Body)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
	}
	text, err := io.ReadAll(body)
	if err != nil {
		return // it was killed in the middle
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch r.URL.Path {
	case "/_bulk":
		s.bulk(w, text)
	case "/http":
		var request struct {
			RequestID string
			Records   []struct{ Data string }
		}
		_ = json.Unmarshal(text, &request)
		for _, one := range request.Records {
			data, _ := base64.StdEncoding.DecodeString(one.Data)
			s.posts[sinktest.DocumentID(string(data))]++
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"requestId": request.RequestID})
	}
}

func (s *web) bulk(w io.Writer, text []byte) {
	var items []string
	lines := bytes.Split(bytes.TrimSpace(text), []byte("\n"))
	for i := 0; i+1 < len(lines); i += 2 {
		var a struct {
			Create struct {
				ID string `json:"_id"`
			}
		}
		_ = json.Unmarshal(lines[i], &a)
		status := http.StatusCreated
		if _, there := s.index[a.Create.ID]; there {
			status = http.StatusConflict
		}
		s.index[a.Create.ID] = sinktest.DocumentID(string(lines[i+1]))
		items = append(items, fmt.Sprintf(`{"create":{"status":%d}}`, status))
	}
	fmt.Fprintf(w, `{"errors":false,"items":[%s]}`, strings.Join(items, ","))
}

func (s *web) indexed(*testing.T) map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	found := map[string]int{}
	for _, document := range s.index {
		found[document]++
	}
	return found
}

func (s *web) received(*testing.T) map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	found := map[string]int{}
	for document, n := range s.posts {
		found[document] = n
	}
	return found
}
