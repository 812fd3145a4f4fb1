package otlp_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"headgate/firehose"
	"headgate/firehose/encode"
	"headgate/firehose/sink/otlp"
	"headgate/firehose/sinktest"
	"headgate/shardlog"
)

// request is what the OTLP specification calls ExportLogsServiceRequest, as far as the tests look.
type request struct {
	ResourceLogs []struct {
		Resource  struct{ Attributes []attribute }
		ScopeLogs []struct{ LogRecords []record }
	}
}

type record struct {
	TimeUnixNano string
	Body         json.RawMessage
	Attributes   []attribute
}

type attribute struct {
	Key   string
	Value json.RawMessage
}

// intake takes logs as the specification has it. It rejects records whose body is "no".
func intake(t *testing.T, requests *[]request) *sinktest.Intake {
	return sinktest.StartIntake(t, func(w http.ResponseWriter, r *http.Request, body []byte) (messages []string) {
		var all request
		switch {
		case r.URL.Path != "/v1/logs":
			w.WriteHeader(http.StatusNotFound)
			return nil
		case r.Header.Get("Content-Type") != "application/json" || json.Unmarshal(body, &all) != nil:
			w.WriteHeader(http.StatusBadRequest)
			return nil
		}
		rejected := 0
		for _, resource := range all.ResourceLogs {
			for _, scope := range resource.ScopeLogs {
				for _, e := range scope.LogRecords {
					var text struct{ StringValue string }
					if _ = json.Unmarshal(e.Body, &text); text.StringValue == "no" {
						rejected++
						continue
					}
					messages = append(messages, plain(e.Body))
				}
			}
		}
		if requests != nil {
			*requests = append(*requests, all)
		}
		w.Header().Set("Content-Type", "application/json")
		if rejected > 0 {
			fmt.Fprintf(w, `{"partialSuccess":{"rejectedLogRecords":"%d","errorMessage":"no is no body"}}`, rejected)
		} else {
			fmt.Fprint(w, `{"partialSuccess":{}}`)
		}
		return messages
	})
}

// plain is the document that a body was made of.
func plain(body json.RawMessage) string {
	var v struct {
		KvlistValue struct {
			Values []struct {
				Key   string
				Value struct{ StringValue, IntValue string }
			}
		}
	}
	_ = json.Unmarshal(body, &v)
	doc := map[string]any{}
	for _, one := range v.KvlistValue.Values {
		doc[one.Key] = one.Value.StringValue
		if one.Value.IntValue != "" {
			doc[one.Key] = json.Number(one.Value.IntValue)
		}
	}
	text, _ := json.Marshal(doc)
	return string(text)
}

func sink(t *testing.T, c otlp.Config) firehose.Sink {
	t.Helper()
	s, err := otlp.Open(c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func encoder(t testing.TB) firehose.Encoder {
	t.Helper()
	e, err := encode.New(firehose.Format{})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestConformance(t *testing.T) {
	sinktest.RunRecords(t, encoder(t), sinktest.Guarantee{Poison: "no"}, func(t *testing.T) sinktest.Desk {
		return intake(t, nil).At(func(t *testing.T, url string) firehose.Sink { return sink(t, otlp.Config{URL: url}) })
	})
}

func TestARecordInOTLP(t *testing.T) {
	var requests []request
	in := intake(t, &requests)
	b := sinktest.Documents(encoder(t), "b", 2, 100)
	b = sinktest.Replaced(sinktest.Replaced(b, 1, `{"i":9007199254740993,"f":1.5,"huge":1e999,"t":"x","yes":true,"none":null,"list":[1,{}]}`), 2, `[1,2]`)
	if r := sink(t, otlp.Config{URL: in.URL, Resource: map[string]string{"site": "north"}}).Deliver(t.Context(), b); !r.Done() {
		t.Fatal(r.Err)
	}
	got := requests[0].ResourceLogs[0]
	records := got.ScopeLogs[0].LogRecords
	const want = `{"kvlistValue":{"values":[{"key":"f","value":{"doubleValue":1.5}},{"key":"huge","value":{"stringValue":"1e999"}},{"key":"i","value":{"intValue":"9007199254740993"}},` +
		`{"key":"list","value":{"arrayValue":{"values":[{"intValue":"1"},{"kvlistValue":{"values":[]}}]}}},{"key":"none","value":{}},{"key":"t","value":{"stringValue":"x"}},{"key":"yes","value":{"boolValue":true}}]}}`
	if string(records[0].Body) != want {
		t.Errorf("%s\nwant %s", records[0].Body, want)
	}
	if string(records[1].Body) != `{"stringValue":"[1,2]"}` {
		t.Errorf("%s", records[1].Body)
	}
	if records[0].TimeUnixNano != fmt.Sprint(b.Arrived.UnixNano()) || string(records[0].Attributes[0].Value) != `{"stringValue":"`+b.Source+`-1"}` {
		t.Errorf("%+v", records[0])
	}
	if len(got.Resource.Attributes) != 2 || got.Resource.Attributes[0].Key != "service.name" || got.Resource.Attributes[1].Key != "site" {
		t.Errorf("%+v", got.Resource)
	}
}

func FuzzBody(f *testing.F) {
	f.Add(`{"a":[1,2.5,"x",null,true,{"b":{}}]}`)
	f.Add(strings.Repeat(`{"a":`, 100) + "1" + strings.Repeat("}", 100))
	f.Fuzz(func(t *testing.T, data string) {
		var sent []byte
		s, err := otlp.Open(otlp.Config{URL: "http://x", Transport: keep(func(r *http.Request) { sent = expand(t, r) })})
		if err != nil {
			t.Fatal(err)
		}
		if r := s.Deliver(t.Context(), sinktest.Replaced(sinktest.Documents(encoder(t), "b", 1, 100), 1, data)); !r.Done() || !json.Valid(sent) {
			t.Errorf("%s: %v", sent, r.Err)
		}
	})
}

func TestBadConfigurations(t *testing.T) {
	for _, c := range []otlp.Config{{}, {URL: "ftp://x"}, {URL: "http://x", Bytes: 17 << 20}} {
		if _, err := otlp.Open(c); shardlog.KindOf(err) != shardlog.Invalid {
			t.Errorf("%v: %v", c, err)
		}
	}
}
