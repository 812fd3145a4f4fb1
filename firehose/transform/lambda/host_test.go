package lambda_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"headgate/firehose/sinktest"
	"headgate/firehose/transform/lambda"
	"headgate/shardlog"
)

// host runs the bootstrap of deploy/peers/lambda until the test ends.
func host(t *testing.T, c lambda.Config) *lambda.Host {
	t.Helper()
	c.Name = "f"
	if c.Command == nil {
		c.Command = []string{sinktest.Peer(t, "lambda")}
	}
	h, err := lambda.Open(c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- h.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return h
}

func event(data ...string) []byte {
	type record struct {
		ID       string         `json:"recordId"`
		Arrived  int64          `json:"approximateArrivalTimestamp"`
		Data     []byte         `json:"data"`
		Metadata map[string]any `json:"kinesisRecordMetadata"`
	}
	var all []record
	for i, d := range data {
		all = append(all, record{fmt.Sprint(i), 1782909000005, []byte(d), map[string]any{"sequenceNumber": "77", "partitionKey": "k", "approximateArrivalTimestamp": 1782909000005}})
	}
	b, err := json.Marshal(map[string]any{"invocationId": "i", "deliveryStreamArn": "a", "region": "r", "records": all})
	if err != nil {
		panic(err)
	}
	return b
}

func told(t *testing.T, h lambda.Invoker, data ...string) string {
	t.Helper()
	reply, err := h.Invoke(t.Context(), event(data...))
	if err != nil {
		return err.Error()
	}
	var r struct {
		Records []struct {
			ID     string `json:"recordId"`
			Result string `json:"result"`
			Data   []byte `json:"data"`
		} `json:"records"`
	}
	if err := json.Unmarshal(reply, &r); err != nil {
		t.Fatalf("%s: %v", reply, err)
	}
	var all []string
	for _, r := range r.Records {
		all = append(all, fmt.Sprintf("%s %s %s", r.ID, r.Result, r.Data))
	}
	return strings.Join(all, "; ")
}

func TestHostedBootstrap(t *testing.T) {
	var mu sync.Mutex
	var printed []string
	t.Setenv("SECRET_OF_OURS", "x")
	h := host(t, lambda.Config{Timeout: 2 * time.Second, Memory: 128, Env: map[string]string{"MINE": "yes"}, Say: func(line string) {
		mu.Lock()
		defer mu.Unlock()
		printed = append(printed, line)
	}})
	const fine = "0 Ok HELLO k 77 1782909000005"
	for _, c := range []struct{ data, want string }{
		{"hello", fine},
		{"drop", "0 Dropped "},
		{"fail", "0 ProcessingFailed "},
		{"error", "Lambda.FunctionError: errorString: the function says no"},
		{"hello", fine},
		{"crash", "Lambda.FunctionError: the process ended: exit status 1"},
		{"hello", fine}, // started again, at once
		{"hang", "Lambda.FunctionTimedOut: Task timed out after 2s"},
		{"hello", fine},
		{"eat", "Lambda.FunctionError: the process ended: exit status 2"}, // a gigabyte, of 128 MiB
		{"hello", fine},
	} {
		if got := told(t, h, c.data); got != c.want {
			t.Errorf("%s: %s, want %s", c.data, got, c.want)
		}
	}
	seen := told(t, h, "environment")
	if strings.Contains(seen, "SECRET_OF_OURS") || !strings.Contains(seen, "MINE=yes") || !strings.Contains(seen, "AWS_LAMBDA_FUNCTION_NAME=f") {
		t.Errorf("it sees %s", seen)
	}
	mu.Lock()
	defer mu.Unlock()
	if all := strings.Join(printed, "\n"); !strings.Contains(all, "saw hello\n") || !strings.Contains(all, "out of memory") {
		t.Errorf("it printed %.2000s", all)
	}
}

// TestManyCallers: one bootstrap serves them in turn, and a crash costs only
// the call that it fell into.
func TestManyCallers(t *testing.T) {
	h := host(t, lambda.Config{})
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			data, want := "hello", "0 Ok HELLO k 77 1782909000005"
			if i%5 == 0 {
				data, want = "crash", "Lambda.FunctionError: the process ended: exit status 1"
			}
			if got := told(t, h, data); got != want {
				t.Errorf("%s: %s", data, got)
			}
		})
	}
	all.Wait()
}

// TestBootstrapsThatDoNotComeUp are nobody's fault but theirs: records wait.
func TestBootstrapsThatDoNotComeUp(t *testing.T) {
	for name, c := range map[string]lambda.Config{
		"ends":         {Env: map[string]string{"TEST_INIT": "exit"}},
		"is not there": {Command: []string{filepath.Join(t.TempDir(), "bootstrap")}},
	} {
		h := host(t, c)
		_, err := h.Invoke(t.Context(), event("hello"))
		var fault *lambda.FunctionError
		if shardlog.KindOf(err) != shardlog.Unavailable || errors.As(err, &fault) || !strings.Contains(err.Error(), "it does not come up") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOpenChecks(t *testing.T) {
	for _, c := range []lambda.Config{
		{}, {Name: "f"}, {Name: "f", Command: []string{"bootstrap"}}, {Name: "a/b", Command: []string{"/bootstrap"}},
		{Name: "f", Command: []string{"/bootstrap"}, Timeout: time.Hour}, {Name: "f", Command: []string{"/bootstrap"}, Memory: 1},
	} {
		if _, err := lambda.Open(c); shardlog.KindOf(err) != shardlog.Invalid {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

func TestHTTP(t *testing.T) {
	answers := http.NewServeMux()
	const path = "/base/2015-03-31/functions/"
	answer := func(name string, status int, header, body string) {
		answers.HandleFunc("POST "+path+name+"/invocations", func(w http.ResponseWriter, r *http.Request) {
			if key, value, ok := strings.Cut(header, ": "); ok {
				w.Header().Set(key, value)
			}
			w.WriteHeader(status)
			fmt.Fprint(w, body)
		})
	}
	answer("fine", 200, "", `{"records":[]}`)
	answer("error", 200, "X-Amz-Function-Error: Unhandled", `{"errorMessage":"no","errorType":"E"}`)
	answer("late", 200, "X-Amz-Function-Error: Unhandled", `{"errorMessage":"2026-07-01T00:00:00Z 1 Task timed out after 3.00 seconds"}`)
	answer("large", 413, "", ``)
	answer("huge", 200, "", strings.Repeat("x", lambda.MaxPayload+1))
	answer("busy", 429, "Retry-After: 7", ``)
	answer("denied", 403, "", ``)
	answer("moved", 307, "Location: /elsewhere", ``)
	answer("broken", 500, "", ``)
	s := httptest.NewServer(answers)
	defer s.Close()
	for name, want := range map[string]string{
		"fine": "", "error": "Lambda.FunctionError: E: no", "late": "Lambda.FunctionTimedOut: ", "large": "Lambda.PayloadTooLarge: ", "huge": "Lambda.PayloadTooLarge: ",
		"busy": "invoke function: throttled", "denied": "invoke function: denied", "moved": "invoke function: unavailable", "broken": "invoke function: unavailable", "missing": "invoke function: unavailable",
	} {
		_, err := (&lambda.HTTP{URL: s.URL + "/base/", Name: name}).Invoke(t.Context(), event())
		if got := fmt.Sprint(err); (err == nil) != (want == "") || err != nil && !strings.HasPrefix(got, want) {
			t.Errorf("%s: %v, want %s", name, err, want)
		}
		var e *shardlog.Error
		if name == "busy" && (!errors.As(err, &e) || e.RetryAfter != 7*time.Second) {
			t.Errorf("%v", err)
		}
	}
	gone := &lambda.HTTP{URL: "http://user:password@" + sinktest.FreeAddress(t), Name: "f"}
	if _, err := gone.Invoke(t.Context(), event()); shardlog.KindOf(err) != shardlog.Unavailable || strings.Contains(err.Error(), "password") {
		t.Error(err)
	}
	if (&lambda.HTTP{URL: "localhost:9", Name: "f"}).Check() == nil {
		t.Error("an address without a scheme")
	}
}
