package redshift_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"headgate/firehose"
	"headgate/firehose/sink/redshift"
	"headgate/firehose/sinktest"
	"headgate/shardlog"
)

// dataServer is the Data API over the shim, as its reference has it: what is
// executed ends a moment later, and a batch is one transaction. It is ours:
// there is no other to be had.
type dataServer struct {
	shim *shim

	mu  sync.Mutex
	all map[string]*statement // guarded by mu, by id
}

// statement is one that was executed.
type statement struct {
	looked bool
	rows   []string
	result bool // it has rows
	errors []string
	failed int // place of the one that failed; -1: none did
}

func (d *dataServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Sql, Id, Database, WorkgroupName string
		Sqls                             []string
	}
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil || !strings.Contains(r.Header.Get("Authorization"), "/redshift-data/aws4_request") {
		d.refuse(w, "ValidationException", "no request")
		return
	}
	switch op := strings.TrimPrefix(r.Header.Get("X-Amz-Target"), "RedshiftData."); op {
	case "BatchExecuteStatement", "ExecuteStatement":
		if in.WorkgroupName != "edge" {
			d.refuse(w, "ValidationException", "Redshift endpoint doesn't exist in this region.")
			return
		}
		statements := in.Sqls
		if op == "ExecuteStatement" {
			statements = []string{in.Sql}
		}
		d.answer(w, map[string]any{"Id": d.execute(in.Database, statements)})
	case "DescribeStatement":
		d.answer(w, d.describe(in.Id))
	case "GetStatementResult":
		d.mu.Lock()
		defer d.mu.Unlock()
		records := [][]map[string]string{}
		for _, text := range d.all[in.Id].rows {
			records = append(records, []map[string]string{{"stringValue": text}})
		}
		d.answer(w, map[string]any{"Records": records})
	}
}

func (d *dataServer) answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	_ = json.NewEncoder(w).Encode(v)
}

func (d *dataServer) refuse(w http.ResponseWriter, code, message string) {
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	w.WriteHeader(http.StatusBadRequest)
	_ = json.NewEncoder(w).Encode(map[string]string{"__type": code, "Message": message})
}

// execute runs statements in one transaction.
func (d *dataServer) execute(name string, statements []string) (id string) {
	s := &statement{failed: -1, errors: make([]string, len(statements))}
	ctx := context.Background()
	conn, err := pgconn.Connect(ctx, fmt.Sprintf("postgres://%s:%s@%s/%s?sslmode=disable", loader, secret, d.shim.address, name))
	if err != nil {
		s.failed, s.errors[0] = 0, err.Error()
	} else {
		defer conn.Close(ctx)
		_, _ = conn.Exec(ctx, "BEGIN").ReadAll()
		for i, sql := range statements {
			results, err := conn.Exec(ctx, sql).ReadAll()
			if err != nil {
				s.failed, s.errors[i] = i, err.Error()
				break
			}
			for _, r := range results {
				s.result = s.result || len(r.FieldDescriptions) > 0
				for _, row := range r.Rows {
					s.rows = append(s.rows, string(row[0]))
				}
			}
		}
		if s.failed < 0 {
			_, _ = conn.Exec(ctx, "COMMIT").ReadAll()
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	id = fmt.Sprint("statement-", len(d.all))
	d.all[id] = s
	return id
}

func (d *dataServer) describe(id string) map[string]any {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.all[id]
	if !s.looked {
		s.looked = true
		return map[string]any{"Id": id, "Status": "STARTED"}
	}
	status := "FINISHED"
	if s.failed >= 0 {
		status = "FAILED"
	}
	answer := map[string]any{"Id": id, "Status": status, "HasResultSet": s.result}
	if s.failed < 0 {
		return answer
	}
	answer["Error"] = s.errors[s.failed]
	if len(s.errors) > 1 {
		var subs []map[string]any
		for i, text := range s.errors {
			sub := map[string]any{"Id": fmt.Sprint(id, ":", i+1), "Status": "FINISHED"}
			if i == s.failed {
				sub["Status"], sub["Error"] = "FAILED", text
			} else if i > s.failed {
				sub["Status"] = "ABORTED"
			}
			subs = append(subs, sub)
		}
		answer["SubStatements"] = subs
	}
	return answer
}

// Most of what is promised by connections is promised by the Data API.
func TestTheDataAPI(t *testing.T) {
	s := openShim(t, startPostgres(t), sinktest.StartVersity(t), nil)
	server := httptest.NewServer(&dataServer{shim: s, all: map[string]*statement{}})
	t.Cleanup(server.Close)
	for name, test := range map[string]func(*testing.T, *table){
		"loads": loads, "compressions": compressions, "replay": replay, "concurrently": concurrently,
		"other content": otherContent, "changed log": changed, "failing log": failing, "bisected": bisected, "aside": aside,
	} {
		t.Run(name, func(t *testing.T) {
			k := makeTable(t, s, "d"+strings.ReplaceAll(name, " ", ""))
			k.data = server.URL
			test(t, k)
		})
	}
	t.Run("no table", func(t *testing.T) {
		k := makeTable(t, s, "dgone")
		k.data = server.URL
		s.server.ask(t, "DROP TABLE dgone")
		want(t, "probe", k.sink(t).Probe(t.Context()), firehose.Config)
		want(t, "deliver", k.sink(t).Deliver(t.Context(), documents(t, "one", 3)), firehose.Config)
	})
}

func TestTheDataAPINeedsItsNames(t *testing.T) {
	stage := sinktest.Bin{}
	for _, d := range []redshift.DataAPI{{}, {Cluster: "c", Workgroup: "w", AccessKey: "a", SecretKey: "b"}, {Cluster: "c"}} {
		_, err := redshift.Open(redshift.Config{Stage: stage, URL: "s3://b/", Database: "d", Table: "t", Role: "default", Data: &d})
		if shardlog.KindOf(err) != shardlog.Invalid {
			t.Errorf("%+v: %v", d, err)
		}
	}
}
